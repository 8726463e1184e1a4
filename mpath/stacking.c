// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacking: limits on maps whose paths are maps.
 *
 * dm core refuses a table that names its own device, but not two tables that name each
 * other: a request would go from queue_rq() to queue_rq() until the kernel stack
 * overflows.  Each map on the way also uses some of that stack.  Therefore we refuse
 * loops, and limit the number of maps above each other.
 *
 * We check a table when its map is resumed, not when it is loaded, because the tables
 * of its paths may change in between.  We know the live tables that have a map as a
 * path; in most systems there are none.  In request mode this covers all cases, because
 * such a map takes no bio-based path.  In bio mode a path may be a map of another
 * target, and we do not see below it.
 */

#include "mpath/mpath.h"

#define DM_MSG_PREFIX "multipath"

/* Maps above each other, including the lowest one, which has no map as a path. */
#define MAX_MAPS	4

/* Protects the list and stacking.level of its entries.  We allocate nothing under it. */
static DEFINE_MUTEX(stacking_lock);
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

/* Is @m directly below (@down) or above a map that is on @level? */
static bool is_next_to(struct mpath *m, unsigned int level, bool down)
{
	struct mpath *other;

	list_for_each_entry(other, &stacked, stacking.list) {
		cond_resched();
		if (!(other->stacking.level & BIT(level)))
			continue;
		if (down ? is_path_of(other, dm_disk(m->rq.md)) :
			   is_path_of(m, dm_disk(other->rq.md)))
			return true;
	}
	return false;
}

/*
 * Count the maps of the list below (@down) or above @m, and @m.  If we find @m among
 * them, return more than the maximum.  The other maps form no loop, so the walk ends.
 */
static unsigned int count_maps(struct mpath *m, bool down)
{
	unsigned int level = 0;
	struct mpath *other;
	bool any = true;

	list_for_each_entry(other, &stacked, stacking.list)
		other->stacking.level = 0;
	m->stacking.level = BIT(0);
	while (any && level < MAX_MAPS) {
		any = false;
		list_for_each_entry(other, &stacked, stacking.list) {
			if (!is_next_to(other, level, down))
				continue;
			if (other == m)
				return MAX_MAPS + 1;
			other->stacking.level |= BIT(level + 1);
			any = true;
		}
		level++;
	}
	return level;
}

/**
 * mpath_check_stacking() - preresume method: may this table become the live one?
 * @ti: the target, whose map is suspended
 *
 * Context: process, may sleep.
 * Return: 0; -ELOOP, with a log message, if a path leads back to the map or if too
 * many maps are above each other. Then the map stays suspended with this table.
 */
int mpath_check_stacking(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti), *other, *next;
	int r = 0;

	mutex_lock(&stacking_lock);
	/* This table replaces the map's previous one. */
	list_for_each_entry_safe(other, next, &stacked, stacking.list)
		if (other->rq.md == m->rq.md)
			list_del_init(&other->stacking.list);

	if (has_map_as_path(m)) {
		list_add(&m->stacking.list, &stacked);
		/* @m is counted twice, and the lowest map is not counted. */
		if (count_maps(m, true) + count_maps(m, false) > MAX_MAPS) {
			list_del_init(&m->stacking.list);
			r = -ELOOP;
		}
	}
	mutex_unlock(&stacking_lock);

	if (r)
		mpath_err(m, "not resumed: a path leads back to the map, or more than %u maps are above each other",
			  MAX_MAPS);
	return r;
}

/**
 * mpath_leave_stacking() - forget a table that is not the live one any more
 * @m: the map
 *
 * Context: process, may sleep.
 */
void mpath_leave_stacking(struct mpath *m)
{
	mutex_lock(&stacking_lock);
	list_del_init(&m->stacking.list);
	mutex_unlock(&stacking_lock);
}
