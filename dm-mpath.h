/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private structures of the multipath target, and which file does what:
 *
 *	dm-mpath-rq.c		registration; the methods on the I/O path
 *	dm-mpath-table.c	the grammar, both ways
 *	dm-mpath-state.c	what changes the state
 *	dm-mpath-status.c	info, IMA, messages
 *	dm-mpath-error.c	from status to decision
 *	dm-path-selector.c	the registry of selectors
 *
 * Lifetime: groups and paths are made by the constructor and freed by the
 * destructor.  dm core calls the destructor when no request of the table is in
 * flight and an RCU grace period has passed, so the I/O path needs no reference.
 *
 * Locking: mpath.lock protects the state, with interrupts off, as a failing
 * request may change it from hard irq.  The I/O path takes it only where there is
 * no current group with a usable path.  What the I/O path reads without it is
 * written with WRITE_ONCE() and marked "lockless readers" below.
 */
#ifndef DM_MPATH_H
#define DM_MPATH_H

#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <linux/dm-path-selector.h>

#include "dm-rq.h"

struct mpath;
struct mpath_group;

/**
 * struct mpath_path - one path of a group
 * @ps: the path as its selector sees it; ps.usable: under the lock, lockless
 *	readers
 * @group: constant
 * @fail_count: how often it went from usable to failed; under the lock
 */
struct mpath_path {
	struct dm_ps_path ps;
	struct mpath_group *group;
	unsigned int fail_count;
};

/**
 * struct mpath_group - a priority group
 * @ps: its selector, with the list of its paths; constant after the constructor
 * @number: from 1, in the order of the table; constant
 * @bypassed: chosen only if no other group has a usable path; under the lock
 */
struct mpath_group {
	struct dm_ps ps;
	unsigned int number;
	bool bypassed;
};

/**
 * struct mpath - a map's target
 * @rq: the core's part; ti->private points here
 * @current_group: where requests go; NULL: to be chosen. Under the lock, lockless
 *	readers
 * @nr_usable: paths that have not failed. Under the lock, lockless readers
 * @queue_if_no_path: requests wait while no path is usable. Under the lock,
 *	lockless readers
 * @lock: protects what says so
 * @next_group: to be used next if it has a usable path (message, or the table's
 *	first group), else NULL; under the lock
 * @queue_io: no group has been chosen yet; for the info line, under the lock
 * @saved_queueing: queue_if_no_path as it was before a suspend that turned it off;
 *	under the lock
 * @groups: in the order of the table; constant
 * @nr_groups: constant
 * @retain_handler: table feature; constant
 * @pg_init_retries: table feature, 0: not given; constant
 * @pg_init_delay_ms: table feature, MPATH_NO_DELAY: not given; constant
 * @event_work: tells user space that the state has changed
 */
struct mpath {
	struct dm_rq rq;
	struct mpath_group *current_group;
	unsigned int nr_usable;
	bool queue_if_no_path;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct mpath_group *next_group;
	bool queue_io;
	bool saved_queueing;

	struct mpath_group **groups;
	unsigned int nr_groups;
	bool retain_handler;
	unsigned int pg_init_retries;
	unsigned int pg_init_delay_ms;
	struct work_struct event_work;
};

#define MPATH_NO_DELAY	UINT_MAX

/**
 * struct mpath_io - the target's own data of a request
 * @path: where its clone is
 * @nr_bytes: what the selector was told
 */
struct mpath_io {
	struct mpath_path *path;
	unsigned int nr_bytes;
};

static inline struct mpath *mpath_of(struct dm_target *ti)
{
	return container_of((struct dm_rq *)ti->private, struct mpath, rq);
}

/* For the log. */
static inline const char *mpath_name(struct mpath *m)
{
	return dm_device_name(m->rq.md);
}

static inline struct mpath_path *mpath_path_of(struct dm_ps_path *path)
{
	return container_of(path, struct mpath_path, ps);
}

/* dm-mpath-rq.c */
extern const struct dm_rq_ops mpath_rq_ops;

/* dm-mpath-table.c; process context, may sleep */
int mpath_ctr(struct dm_target *ti, unsigned int argc, char **argv);
void mpath_dtr(struct dm_target *ti);
int mpath_table_text(struct mpath *m, char *result, unsigned int maxlen);

/* dm-mpath-state.c */
void mpath_init_state(struct mpath *m);
struct mpath_path *mpath_choose_path(struct mpath *m, size_t nr_bytes);
bool mpath_may_wait(struct mpath *m);
void mpath_fail_path(struct mpath *m, struct mpath_path *path);
void mpath_reinstate_path(struct mpath *m, struct mpath_path *path);
void mpath_switch_group(struct mpath *m, struct mpath_group *group);
void mpath_bypass_group(struct mpath *m, struct mpath_group *group,
			bool bypass);
void mpath_set_queueing(struct mpath *m, bool on);
unsigned int mpath_group_number(struct mpath *m);
void mpath_presuspend(struct dm_target *ti);
void mpath_presuspend_undo(struct dm_target *ti);
void mpath_postsuspend(struct dm_target *ti);
void mpath_resume(struct dm_target *ti);

/* dm-mpath-status.c; process context, may sleep */
void mpath_status(struct dm_target *ti, status_type_t type,
		  unsigned int flags, char *result, unsigned int maxlen);
int mpath_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen);

/* dm-mpath-error.c; any context */
bool mpath_is_path_error(blk_status_t status);

/* dm-path-selector.c; process context, may sleep */
const struct dm_ps_type *mpath_get_selector(const char *name);
void mpath_put_selector(const struct dm_ps_type *type);

#endif /* DM_MPATH_H */
