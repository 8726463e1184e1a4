/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private structures of the multipath target, and which file does what:
 *
 *	dm-mpath-rq.c		registration; the methods on the I/O path
 *	dm-mpath-bio.c		the methods on the I/O path in bio mode
 *	dm-mpath-table.c	the grammar, both ways
 *	dm-mpath-state.c	what changes the state
 *	dm-mpath-handler.c	hardware handlers: attaching them, pg_init
 *	dm-mpath-status.c	info, IMA, messages
 *	dm-mpath-error.c	from status and sense to a verdict
 *	dm-mpath-probe.c	asking paths whether they answer
 *	dm-mpath-stats.c	what each path did: counters, their text, debugfs
 *	dm-mpath-guard.c	the stall guard
 *	dm-mpath-stack.c	maps over maps: no loop
 *	dm-mpath-trace.h	trace events of both modes
 *	dm-path-selector.c	the registry of selectors
 *
 * Lifetime: groups and paths are made by the constructor and freed by the
 * destructor.  dm core calls the destructor when no request of the table is in
 * flight and an RCU grace period has passed, so the I/O path needs no reference.
 *
 * Locking: mpath.lock protects the state, with interrupts off, as a failing
 * request may change it from hard irq.  The I/O path takes it only where there is
 * no current group with a usable path, a path fails, or something ends on a path
 * that is stalled.  What the I/O path reads without it is
 * written with WRITE_ONCE() and marked "lockless readers" below.
 */
#ifndef DM_MPATH_H
#define DM_MPATH_H

#include <linux/bio.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/dm-path-selector.h>

#include "dm-rq.h"
#include "mpath/stats.h"

struct mpath;
struct mpath_group;
struct mpath_probed;

/**
 * struct mpath_path - one path of a group
 * @ps: the path as its selector sees it; ps.usable: not failed, nor set aside by the
 *	guard; under the lock, lockless readers
 * @stats: what it did; constant after the constructor
 * @stalled: it has ended nothing for m->stall_timeout. Under the lock, lockless readers
 * @failed: not to be used. Under the lock, lockless readers
 * @aside: stalled, and another path of the group is not; under the lock
 * @avoided: I/Os that others got while it was set aside; while it is, less those that
 *	they had got before. Under the lock
 * @busy_since: when the guard first saw what may still be in flight, 0: nothing is; the
 *	guard's, lockless readers
 * @ended: I/Os that had ended when the guard looked last; the guard's
 * @m: constant
 * @group: constant
 * @number: from 1, over all groups; constant
 * @list: in the map's @paths; constant
 * @is_scsi: its requests carry a SCSI result and sense; constant
 * @fail_count: how often it went from usable to failed; under the lock
 * @tries: how often it was activated alone since it came back; under the lock
 * @kept_down: a message has failed it: only a message brings it back. Under the lock
 * @reinstated: when a message last brought it back, 0: never. Under the lock, lockless
 *	readers
 * @probed: its device, for the prober; constant
 * @activate: has the hardware handler make this path usable
 */
struct mpath_path {
	struct dm_ps_path ps;
	struct mpath_stats __percpu *stats;
	struct mpath *m;
	struct mpath_group *group;
	bool stalled;
	bool failed;
	bool aside;
	u64 avoided;
	u64 busy_since;
	u64 ended;
	u16 number;
	bool is_scsi;
	struct list_head list;
	unsigned int fail_count;
	unsigned int tries;
	bool kept_down;
	ktime_t reinstated;
	struct mpath_probed *probed;
	struct delayed_work activate;
};

/**
 * struct mpath_group - a priority group
 * @ps: its selector, with the list of its paths; constant after the constructor
 * @number: from 1, in the order of the table; constant
 * @says_busy: its paths' queues know when their device is busy; constant
 * @bypassed: chosen only if no other group has a usable path; under the lock
 */
struct mpath_group {
	struct dm_ps ps;
	unsigned int number;
	bool says_busy;
	bool bypassed;
};

/**
 * struct mpath - a map's target
 * @rq: the core's part; ti->private points here
 * @current_group: where requests go; NULL: to be chosen, or not ready. Under the
 *	lock, lockless readers
 * @nr_usable: paths that have not failed. Under the lock, lockless readers
 * @queue_if_no_path: requests wait while no path is usable. Under the lock,
 *	lockless readers
 * @bio_mode: bios come, not requests; of @rq only ti, md and wakes are used.
 *	Constant
 * @error_guard: table feature; constant
 * @lock: protects what says so
 * @next_group: to be used next if it has a usable path (message, or the table's
 *	first group), else NULL; under the lock
 * @init_group: chosen, and its hardware handler is at work on its paths: it becomes
 *	the current one when that has ended. Requests wait. Under the lock
 * @queue_io: requests wait for a group, as none was chosen yet or it is not ready;
 *	for the info line, under the lock
 * @pg_init_required: @init_group needs another round; under the lock
 * @pg_init_delay: ... but not at once; under the lock
 * @pg_init_stopped: no round begins before the resume; under the lock
 * @draining: a suspend waits for all requests: nothing is put off. Under the lock
 * @pg_init_running: paths that the hardware handler is at work on; under the lock
 * @pg_init_count: rounds of the group that is, or was last, made ready; under the lock
 * @pg_init_wait: woken when @pg_init_running becomes 0
 * @saved_queueing: queue_if_no_path as it was before a suspend that turned it off;
 *	under the lock
 * @rearm_queueing: queueing ended with the map's time limit, and is on again with
 *	the next path; under the lock
 * @handler_late: bio mode: a suspend does not wait for the hardware handler any
 *	longer, nor do bios. Lockless readers
 * @waiting: bio mode: bios without a path; under the lock
 * @groups: in the order of the table; constant
 * @nr_groups: constant
 * @paths: of all groups, in the order of the table; constant
 * @nr_paths: over all groups; constant
 * @retain_handler: table feature; constant
 * @handler_name: hardware handler, or NULL; constant
 * @handler_params: for scsi_dh_set_params(), or NULL; constant
 * @pg_init_retries: table feature, 0: not given; constant
 * @pg_init_delay_ms: table feature, MPATH_NO_DELAY: not given; constant
 * @no_path_timeout: table feature, seconds, 0: not given; constant
 * @stall_timeout: table feature, ms, 0: not given; constant
 * @suspending: a suspend has begun, and no resume yet; lockless readers
 * @guard_work: looks at what the paths have ended
 * @debugfs: its directory, while its table is the live one
 * @no_path_work: ends the waiting when there was no path for too long
 * @bio_work: bio mode: maps what waits
 * @event_work: tells user space that the state has changed
 * @stack: among the tables in use with a map as a path; dm-mpath-stack.c has the lock
 * @on_level: there: how far it is from the map that is looked at, a bit per way
 * @probe_interval: table feature, ms, 0: not given; constant
 * @probe_stopped: paths are not to be asked: a suspend has begun. Under the prober's
 *	answer_lock
 * @probe_rounds: who waits for answers of paths; under the prober's answer_lock
 * @probe_work: asks all paths, every @probe_interval
 */
struct mpath {
	struct dm_rq rq;
	struct mpath_group *current_group;
	unsigned int nr_usable;
	bool queue_if_no_path;
	bool bio_mode;
	bool error_guard;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct mpath_group *next_group;
	struct mpath_group *init_group;
	bool queue_io;
	bool pg_init_required;
	bool pg_init_delay;
	bool pg_init_stopped;
	bool draining;
	bool saved_queueing;
	bool rearm_queueing;
	bool handler_late;
	unsigned int pg_init_running;
	unsigned int pg_init_count;
	wait_queue_head_t pg_init_wait;
	struct bio_list waiting;

	struct mpath_group **groups;
	unsigned int nr_groups;
	struct list_head paths;
	unsigned int nr_paths;
	bool retain_handler;
	char *handler_name;
	char *handler_params;
	unsigned int pg_init_retries;
	unsigned int pg_init_delay_ms;
	unsigned int no_path_timeout;
	unsigned int stall_timeout;
	bool suspending;
	struct delayed_work guard_work;
	struct dentry *debugfs;
	struct delayed_work no_path_work;
	struct work_struct bio_work;
	struct work_struct event_work;

	struct list_head stack;
	unsigned int on_level;

	unsigned int probe_interval;
	bool probe_stopped;
	struct list_head probe_rounds;
	struct delayed_work probe_work;
};

#define MPATH_NO_DELAY	UINT_MAX

/**
 * struct mpath_io - the target's own data of a request
 * @path: where its clone is
 * @start: since when it is there, ktime_get_ns(); 0: it is not
 * @nr_bytes: of the clone; what the selector was told that it gets
 * @rejected_by: number of the path that rejected it last; valid if dm_rq_io.tries
 * @rejected_with: how; BLK_STS_OK: it did not
 * @repeat: the device asked for the request again; valid if dm_rq_io.tries
 */
struct mpath_io {
	struct mpath_path *path;
	u64 start;
	unsigned int nr_bytes;
	u16 rejected_by;
	blk_status_t rejected_with;
	bool repeat;
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

/* dm-mpath-rq.c; @mpath_wq is for short works that I/O may wait for */
extern struct workqueue_struct *mpath_wq;
extern const struct dm_rq_ops mpath_rq_ops;

/* dm-mpath-table.c; process context, may sleep */
int mpath_ctr(struct dm_target *ti, unsigned int argc, char **argv);
void mpath_dtr(struct dm_target *ti);
int mpath_table_text(struct mpath *m, char *result, unsigned int maxlen);

/* dm-mpath-state.c */
void mpath_init_state(struct mpath *m);
struct mpath_path *mpath_choose_path(struct mpath *m, size_t nr_bytes,
				     enum req_op op);
bool mpath_may_wait(struct mpath *m);
void mpath_fail_path(struct mpath *m, struct mpath_path *path);
void mpath_fail_silent_path(struct mpath *m, struct mpath_path *path);
void mpath_keep_down(struct mpath *m, struct mpath_path *path);
void mpath_reinstate_path(struct mpath *m, struct mpath_path *path);
void mpath_reinstate_answering(struct mpath *m, struct mpath_path *path);
void mpath_switch_group(struct mpath *m, struct mpath_group *group);
void mpath_bypass_group(struct mpath *m, struct mpath_group *group,
			bool bypass);
void mpath_set_queueing(struct mpath *m, bool on);
void mpath_wake(struct mpath *m);
unsigned int mpath_group_number(struct mpath *m);
void mpath_presuspend(struct dm_target *ti);
void mpath_presuspend_undo(struct dm_target *ti);
void mpath_postsuspend(struct dm_target *ti);
void mpath_resume(struct dm_target *ti);
void mpath_stop(struct mpath *m);

/* dm-mpath-handler.c */
int mpath_attach_handler(struct mpath *m, struct mpath_path *path);
void mpath_begin_pg_init(struct mpath *m, struct mpath_group *group);
void mpath_activate_path(struct mpath *m, struct mpath_path *path);
void mpath_hurry_pg_init(struct mpath *m);
bool mpath_await_pg_init(struct mpath *m);
void mpath_end_pg_init(struct mpath *m);
int mpath_handler_init(void);
void mpath_handler_exit(void);

/* dm-mpath-bio.c */
int mpath_bio_init(struct mpath *m, struct dm_target *ti);
int mpath_bio_map(struct dm_target *ti, struct bio *bio);
int mpath_bio_end_io(struct dm_target *ti, struct bio *bio,
		     blk_status_t *status);
void mpath_bio_wake(struct mpath *m);

/* dm-mpath-status.c; process context, may sleep */
void mpath_status(struct dm_target *ti, status_type_t type,
		  unsigned int flags, char *result, unsigned int maxlen);
int mpath_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen);
int mpath_device_arg(struct mpath *m, const char *arg, dev_t *dev);
char mpath_group_letter(struct mpath *m, struct mpath_group *group);

/* dm-mpath-probe.c */
struct mpath_probed *mpath_probed_get(struct dm_dev *dev);
void mpath_probed_put(struct mpath_probed *p);
int mpath_probe_message(struct mpath *m, unsigned int argc, char **argv,
			char *result, unsigned int maxlen);
void mpath_probe_start(struct mpath *m);
void mpath_probe_stop(struct mpath *m);
void mpath_probe_end(struct mpath *m);
void mpath_probe_init_map(struct mpath *m);
int mpath_probe_init(void);
void mpath_probe_exit(void);

/* dm-mpath-stack.c */
int mpath_enter_stack(struct dm_target *ti);
void mpath_leave_stack(struct mpath *m);

/* dm-mpath-stats.c */
bool mpath_stats_alloc(struct mpath *m);
void mpath_stats_free(struct mpath_path *path);
int mpath_stats_text(struct mpath *m, char *result, unsigned int maxlen);
u64 mpath_read_progress(const struct mpath_path *path, u64 *ended);
u64 mpath_read_chosen(const struct mpath_path *path);
void mpath_debugfs_add(struct mpath *m);
void mpath_debugfs_remove(struct mpath *m);
void mpath_stats_init(void);
void mpath_stats_exit(void);

/* dm-mpath-guard.c */
void mpath_settle_group(struct mpath_group *group);
void mpath_guard_progress(struct mpath_path *path);
void mpath_guard_init(struct mpath *m);
void mpath_guard_start(struct mpath *m);
void mpath_guard_stop(struct mpath *m);
const char *mpath_guard_word(struct mpath_path *path);
u64 mpath_guard_avoided(struct mpath_path *path);

/* dm-mpath-error.c; any context */

/**
 * enum mpath_verdict - whose fault an error is, and so what becomes of the request
 * @MPATH_PASS_UP: the data's, or the whole device's: the request ends with it
 * @MPATH_TRY_AGAIN: nobody's: the command did not begin, or came at a bad moment. The
 *	request is mapped again, to the same path, and no path fails
 * @MPATH_TRY_LATER: the same, but the device asks for time
 * @MPATH_PATH_FAILED: the way to the device: the path fails
 * @MPATH_REJECTED: the device has rejected it. The path fails, unless the map has
 *	error_guard and another path has said the same
 */
enum mpath_verdict {
	MPATH_PASS_UP,
	MPATH_TRY_AGAIN,
	MPATH_TRY_LATER,
	MPATH_PATH_FAILED,
	MPATH_REJECTED,
};

bool mpath_is_path_error(blk_status_t status);
enum mpath_verdict mpath_judge(struct request *clone, bool is_scsi,
			       blk_status_t status, const struct dm_rq_io *io);
bool mpath_was_flushed(struct request *clone, bool is_scsi);
bool mpath_is_scsi(struct block_device *bdev);

/* dm-path-selector.c; process context, may sleep */
const struct dm_ps_type *mpath_get_selector(const char *name);
void mpath_put_selector(const struct dm_ps_type *type);

/**
 * mpath_ask_selector() - a path of the current group, for a request or bio of @nr_bytes
 * @m: the map
 * @nr_bytes: 0: none in particular
 * @op: what it does
 *
 * Context: any but hard irq; takes no lock.
 * Return: NULL: there is no current group, or none of its paths is usable:
 * mpath_choose_path() knows more.
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
 * mpath_find_path() - the path for a request or bio of @nr_bytes
 * @m: the map
 * @nr_bytes: 0: none in particular
 * @op: what it does
 *
 * Context: any but hard irq; takes the map's lock only where there is no current
 * group with a usable path.
 * Return: as mpath_choose_path().
 */
static inline struct mpath_path *mpath_find_path(struct mpath *m,
						 size_t nr_bytes,
						 enum req_op op)
{
	struct mpath_path *path = mpath_ask_selector(m, nr_bytes, op);

	return likely(path) ? path : mpath_choose_path(m, nr_bytes, op);
}

#endif /* DM_MPATH_H */
