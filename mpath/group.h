/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The choice of a path for an I/O, and what group.c offers.
 */
#ifndef DM_MPATH_GROUP_H
#define DM_MPATH_GROUP_H

#include "mpath/mpath.h"

struct mpath_path *mpath_choose_path(struct mpath *m, size_t nr_bytes,
				     enum req_op op);
unsigned int mpath_group_number(struct mpath *m);
char mpath_group_letter(struct mpath *m, struct mpath_group *group);
void mpath_switch_group(struct mpath *m, struct mpath_group *group);
void mpath_bypass_group(struct mpath *m, struct mpath_group *group,
			bool bypass);

void mpath_init_activation(struct mpath_path *path);
void mpath_pg_init_expedite(struct mpath *m);
void mpath_pg_init_stop(struct mpath *m);
bool mpath_pg_init_wait_timeout(struct mpath *m);
void mpath_pg_init_drain(struct mpath *m);

/**
 * mpath_ask_selector() - ask the selector of the current group for a path
 * @m: the map
 * @nr_bytes: size of the request or bio; 0 if it has none
 * @op: its operation
 *
 * Context: any but hard irq; takes no lock.
 * Return: the path; NULL if there is no current group or if none of its paths is
 * usable. Then mpath_choose_path() looks further.
 */
static inline struct mpath_path *mpath_ask_selector(struct mpath *m,
						    size_t nr_bytes,
						    enum req_op op)
{
	struct mpath_group *group = READ_ONCE(m->current_group);
	struct dm_ps_path *path = NULL;

	if (likely(group))
		path = group->ps.type->select(&group->ps, nr_bytes, op);
	return likely(path) ? mpath_path_of(path) : NULL;
}

/**
 * mpath_find_path() - find a path for a request or bio
 * @m: the map
 * @nr_bytes: its size; 0 if it has none
 * @op: its operation
 *
 * Context: any but hard irq. Takes the map's lock only if there is no current group
 * with a usable path.
 * Return: as mpath_choose_path().
 */
static inline struct mpath_path *mpath_find_path(struct mpath *m,
						 size_t nr_bytes,
						 enum req_op op)
{
	struct mpath_path *path = mpath_ask_selector(m, nr_bytes, op);

	return likely(path) ? path : mpath_choose_path(m, nr_bytes, op);
}

#endif /* DM_MPATH_GROUP_H */
