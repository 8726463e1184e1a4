// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps over maps.
 *
 * A map can be a path of another one.  dm core refuses a table that names its own
 * device, but not two whose tables name each other: a request would go round from
 * queue_rq() to queue_rq() until the stack has no room.  And each map on its way takes
 * some of the stack, so there may not be any number of them above each other.
 *
 * Tables are looked at when they come into use, not when they are loaded: what they
 * lead to may change in between.  Known here are the tables in use that have a map as a
 * path, which hardly ever is any.  Request mode takes no path that is bio-based, so
 * there nothing is missed; in bio mode a path may be a map of another target, and what
 * is below that is not seen.
 */

#include "mpath/mpath.h"

#define DM_MSG_PREFIX "multipath"

/* Maps above each other, with the lowest one, which has no map as a path. */
#define MAX_MAPS	4

/* Protects the list, and mpath.on_level of those in it.  Nothing is allocated under it. */
static DEFINE_MUTEX(stack_lock);
static LIST_HEAD(stacked);

static bool is_path_of(struct mpath *above, struct gendisk *disk)
{
	struct mpath_path *path;

	list_for_each_entry(path, &above->paths, list)
		if (path->ps.dev->bdev->bd_disk == disk)
			return true;
	return false;
}

static bool has_map_as_path(struct mpath *m)
{
	int major = dm_disk(m->rq.md)->major;
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list)
		if (MAJOR(path->ps.dev->bdev->bd_dev) == major)
			return true;
	return false;
}

/* Is @m next to one that is on @level: below it, or above? */
static bool is_next_to(struct mpath *m, unsigned int level, bool down)
{
	struct mpath *other;

	list_for_each_entry(other, &stacked, stack) {
		cond_resched();
		if (!(other->on_level & BIT(level)))
			continue;
		if (down ? is_path_of(other, dm_disk(m->rq.md)) :
			   is_path_of(m, dm_disk(other->rq.md)))
			return true;
	}
	return false;
}

/*
 * How many maps of the list are below @m, or above it, and @m.  More than there may be
 * if @m is among them.  Without @m there is no loop, so it ends.
 */
static unsigned int count_maps(struct mpath *m, bool down)
{
	unsigned int level = 0;
	struct mpath *other;
	bool any = true;

	list_for_each_entry(other, &stacked, stack)
		other->on_level = 0;
	m->on_level = BIT(0);
	while (any && level < MAX_MAPS) {
		any = false;
		list_for_each_entry(other, &stacked, stack) {
			if (!is_next_to(other, level, down))
				continue;
			if (other == m)
				return MAX_MAPS + 1;
			other->on_level |= BIT(level + 1);
			any = true;
		}
		level++;
	}
	return level;
}

/**
 * mpath_enter_stack() - preresume method: may this table come into use?
 * @ti: the target; its map is suspended
 *
 * Context: process, may sleep.
 * Return: 0; -ELOOP, with a line in the log, if a path leads back to the map, or too
 * many maps are above each other. Then the map stays suspended, with this table.
 */
int mpath_enter_stack(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti), *other, *next;
	int r = 0;

	mutex_lock(&stack_lock);
	/* What this map's table was before. */
	list_for_each_entry_safe(other, next, &stacked, stack)
		if (other->rq.md == m->rq.md)
			list_del_init(&other->stack);

	if (has_map_as_path(m)) {
		list_add(&m->stack, &stacked);
		/* @m is counted twice, and the lowest map not at all. */
		if (count_maps(m, true) + count_maps(m, false) > MAX_MAPS) {
			list_del_init(&m->stack);
			r = -ELOOP;
		}
	}
	mutex_unlock(&stack_lock);

	if (r)
		DMERR("%s: a path leads back to the map, or more than %u maps are above each other",
		      mpath_name(m), MAX_MAPS);
	return r;
}

/**
 * mpath_leave_stack() - the table is not in use any more
 * @m: the map
 *
 * Context: process, may sleep.
 */
void mpath_leave_stack(struct mpath *m)
{
	mutex_lock(&stack_lock);
	list_del_init(&m->stack);
	mutex_unlock(&stack_lock);
}
