/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm_mpath_*_kunit: a running map of the multipath target. The suites are
 * linked into the target's module, so that they can access its state.
 */
#ifndef DM_MPATH_KUNIT_H
#define DM_MPATH_KUNIT_H

#include "mpath/group.h"
#include "mpath/mpath.h"
#include "dm_rq_kunit.h"

#define TARGET		"mpath-rq"
/* Paths 1 and 2 are the first group, 3 and 4 the second; 1 and 3 are disk a. */
#define GROUPS_2X2	"2 1 round-robin 0 2 1 %a 1 %b 1 round-robin 0 2 1 %a 1 %b 1"
#define ONE_GROUP	"1 1 round-robin 0 2 1 %a 1 %b 1"

static inline struct mpath *mpath_in(struct map *map)
{
	return mpath_of(map_target(map));
}

/* @nr: the path's number in the table, from 1 */
static inline struct mpath_path *path_nr(struct mpath *m, unsigned int nr)
{
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list)
		if (path->number == nr)
			return path;
	return NULL;
}

/* Create the disks, and a map without a table. */
static inline int mpath_bench_init(struct kunit *test)
{
	struct map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	test->priv = map;
	map->test = test;
	lower_create(test, &map->a, 64, 0);
	lower_create(test, &map->b, 64, 0);
	map_create(test, map);
	return 0;
}

/* Complete everything that the case has left in flight. */
static inline void mpath_bench_exit(struct kunit *test)
{
	struct map *map = test->priv;

	if (!map)
		return;
	lower_release(&map->a, BLK_STS_OK);
	lower_release(&map->b, BLK_STS_OK);
	if (map->table)
		mpath_set_queueing(mpath_in(map), false);
	map_remove(map);
	lower_remove(&map->a);
	lower_remove(&map->b);
}

static inline struct mpath *mpath_start(struct map *map, const char *text)
{
	map_start(map, TARGET, text);
	return mpath_in(map);
}

#endif /* DM_MPATH_KUNIT_H */
