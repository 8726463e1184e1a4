/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Structures of the multipath target, and the functions that its files offer to
 * each other.
 *
 * The files form layers.  A file calls only into files of the layers below it, into
 * dm-rq and into the path selectors.  From the bottom:
 *
 *	wake.c		wakes I/O that waits for a path; the workqueues
 *	stats.c		per-CPU counters of each path
 *	error.c		disposition of a failed request, from its status and sense
 *	stacking.c	limits on maps whose paths are maps
 *	limits.c	limits of the live map that new paths have to respect
 *	stall.c		stall detection
 *	path.c		failing and reinstating paths; the limits on waiting for one
 *	group.c		choice of the priority group, and pg_init
 *	request.c	the I/O path in request mode
 *	bio.c		the I/O path in bio mode
 *	probe.c		the prober: reads that tell whether paths answer
 *	handler.c	attaching hardware handlers
 *	path-stats.c	the text of path_stats, for its message and debugfs
 *	table.c		the table's grammar, both ways
 *	status.c	info and IMA lines
 *	message.c	messages
 *	suspend.c	suspend and resume
 *	dm-mpath-rq.c	registration; constructor and destructor
 *
 * Lifetime: the constructor makes groups and paths, the destructor frees them.  dm
 * core calls the destructor when no request of the table is in flight and an RCU
 * grace period has passed.  Therefore the I/O path takes no reference.
 *
 * Locking: mpath.lock protects the members that are marked "lock".  We take it with
 * interrupts disabled, because a request that fails in hard irq context changes the
 * state.  To avoid a lock that all CPUs share, the I/O path takes it only if there is no
 * current group with a usable path, if a path fails, or if a request completes on a
 * stalled path.  We write members
 * that the I/O path reads without the lock with WRITE_ONCE(), and mark them "lockless
 * readers".
 */
#ifndef DM_MPATH_H
#define DM_MPATH_H

#include <linux/bio.h>
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/dm-ioctl.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/dm-path-selector.h>

#include "dm-rq.h"
#include "mpath/stats.h"

struct mpath;
struct mpath_group;
struct mpath_probe_dev;

/**
 * struct mpath_path - a path of a priority group
 *
 * Members without a remark are constant after the constructor.
 */
struct mpath_path {
	/**
	 * @ps: the path as its selector sees it. ps.usable: neither failed nor
	 * sidelined; lock, lockless readers
	 */
	struct dm_ps_path ps;
	/** @stats: the counters */
	struct mpath_stats __percpu *stats;
	/** @m: the map */
	struct mpath *m;
	/** @group: the priority group */
	struct mpath_group *group;
	/** @number: from 1, over all groups */
	u16 number;
	/** @is_scsi: its requests carry a SCSI result and sense data */
	bool is_scsi;
	/** @failed: no I/O is sent here; lock, lockless readers */
	bool failed;

	/** @stall: stall detection (stall.c) */
	struct {
		/**
		 * @stall.stalled: no I/O completed for m->stall.timeout; lock,
		 * lockless readers
		 */
		bool stalled;
		/** @stall.sidelined: stalled while another path of the group is not; lock */
		bool sidelined;
		/**
		 * @stall.diverted: number of I/Os that other paths got while this one
		 * was sidelined. If it is sidelined now, their count at the start of
		 * that is already subtracted; see mpath_stall_diverted(). lock
		 */
		u64 diverted;
		/**
		 * @stall.busy_since: time of the first check that saw the I/O that is
		 * still in flight, 0 if none is; written by the stall worker and before
		 * it starts, lockless readers
		 */
		u64 busy_since;
		/** @stall.ended: completed I/Os at the last check; stall worker only */
		u64 ended;
	} stall;

	/** @list: entry in m->paths */
	struct list_head list;
	/** @fail_count: number of failures; lock */
	unsigned int fail_count;
	/** @admin_failed: failed by message: only a message reinstates it; lock */
	bool admin_failed;

	/** @probe: the prober (probe.c) */
	struct {
		/** @probe.dev: the device, shared by all paths to it */
		struct mpath_probe_dev *dev;
		/**
		 * @probe.reinstated: time of the last reinstatement by message, 0 if
		 * there was none; lock, lockless readers
		 */
		ktime_t reinstated;
	} probe;

	/** @activate: asks the hardware handler to activate the path */
	struct delayed_work activate;
	/** @activations: attempts to activate it alone since its reinstatement; lock */
	unsigned int activations;
};

static_assert(offsetofend(struct mpath_path, stall.stalled) <= 64,
	      "each I/O reads these members: keep them on one cache line of 64 bytes");

/**
 * struct mpath_group - a priority group
 *
 * Members without a remark are constant after the constructor.
 */
struct mpath_group {
	/** @ps: the path selector, with the list of the group's paths */
	struct dm_ps ps;
	/** @number: from 1, in the order of the table */
	unsigned int number;
	/** @has_lld_busy: blk_lld_busy() works for the queues of all its paths */
	bool has_lld_busy;
	/** @bypassed: chosen only if no other group has a usable path; lock */
	bool bypassed;
};

/**
 * struct mpath - the target of a map
 *
 * Members without a remark are constant after the constructor.
 */
struct mpath {
	/**
	 * @rq: the core's part; ti->private points to it. Bio mode uses only its
	 * members ti, md and wakes
	 */
	struct dm_rq rq;
	/**
	 * @current_group: the group that gets I/O, or NULL if it is not chosen or not
	 * ready; lock, lockless readers
	 */
	struct mpath_group *current_group;
	/** @nr_usable: number of paths that have not failed; lock, lockless readers */
	unsigned int nr_usable;
	/** @queue_if_no_path: I/O waits if no path is usable; lock, lockless readers */
	bool queue_if_no_path;
	/** @bio_mode: the map gets bios instead of requests */
	bool bio_mode;
	/** @error_guard: table feature */
	bool error_guard;

	/** @lock: protects the members marked "lock" */
	spinlock_t lock ____cacheline_aligned_in_smp;
	/**
	 * @next_group: the group to try first at the next choice (set by message or
	 * by the table's first group), or NULL; lock
	 */
	struct mpath_group *next_group;
	/** @queue_io: I/O waits for a group, as the info line says; lock */
	bool queue_io;
	/** @draining: a flush suspend waits for all I/O: nothing is delayed; lock */
	bool draining;
	/** @suspending: between the start of a suspend and the resume; lockless readers */
	bool suspending;

	/** @pg_init: activation of a group by the hardware handler (group.c) */
	struct {
		/**
		 * @pg_init.group: the chosen group while its paths are activated.
		 * It becomes current_group afterwards; I/O waits. lock
		 */
		struct mpath_group *group;
		/** @pg_init.required: the group needs another round; lock */
		bool required;
		/** @pg_init.delay: begin that round after pg_init.delay_ms; lock */
		bool delay;
		/** @pg_init.stopped: begin no round before the resume; lock */
		bool stopped;
		/** @pg_init.running: paths whose activation has not ended; lock */
		unsigned int running;
		/** @pg_init.count: rounds for the group that was activated last; lock */
		unsigned int count;
		/** @pg_init.wait: woken when pg_init.running becomes 0 */
		wait_queue_head_t wait;
		/** @pg_init.retries: table feature, 0 if not given */
		unsigned int retries;
		/** @pg_init.delay_ms: table feature, MPATH_NO_DELAY if not given */
		unsigned int delay_ms;
	} pg_init;

	/** @no_path: waiting without a usable path (path.c) */
	struct {
		/**
		 * @no_path.saved_queueing: queue_if_no_path before the suspend that
		 * turned it off; lock
		 */
		bool saved_queueing;
		/**
		 * @no_path.rearm: the map's own time limit turned queue_if_no_path
		 * off; the next path turns it on again; lock
		 */
		bool rearm;
		/** @no_path.timeout: table feature, seconds, 0 if not given */
		unsigned int timeout;
		/** @no_path.work: ends the waiting after the time limit */
		struct delayed_work work;
	} no_path;

	/** @handler: the hardware handler (handler.c) */
	struct {
		/** @handler.name: or NULL */
		char *name;
		/** @handler.params: for scsi_dh_set_params(), or NULL */
		char *params;
		/** @handler.retain: table feature */
		bool retain;
	} handler;

	/** @stall: stall detection (stall.c) */
	struct {
		/** @stall.timeout: table feature, ms, 0 if not given */
		unsigned int timeout;
		/** @stall.work: checks the progress of all paths */
		struct delayed_work work;
	} stall;

	/** @probe: the prober (probe.c) */
	struct {
		/** @probe.interval: table feature, ms, 0 if not given */
		unsigned int interval;
		/** @probe.stopped: no probe begins: a suspend has begun; the prober's lock */
		bool stopped;
		/** @probe.batches: batches that wait for answers; the prober's lock */
		struct list_head batches;
		/** @probe.work: probes all paths, every probe.interval */
		struct delayed_work work;
	} probe;

	/** @bio: bio mode (bio.c) */
	struct {
		/** @bio.waiting: bios without a path; lock */
		struct bio_list waiting;
		/** @bio.work: maps the waiting bios */
		struct work_struct work;
		/**
		 * @bio.handler_late: bios no longer wait for the hardware handler,
		 * because a suspend timed out waiting for it; lockless readers
		 */
		bool handler_late;
	} bio;

	/** @stacking: maps whose paths are maps (stacking.c) */
	struct {
		/** @stacking.list: entry in the list of such tables; stacking.c's lock */
		struct list_head list;
		/**
		 * @stacking.level: bitmap of the distances to the map that is being
		 * checked; stacking.c's lock
		 */
		unsigned int level;
	} stacking;

	/** @groups: in the order of the table */
	struct mpath_group **groups;
	/** @nr_groups: number of @groups */
	unsigned int nr_groups;
	/** @nr_paths: number of @paths */
	unsigned int nr_paths;
	/** @paths: of all groups, in the order of the table */
	struct list_head paths;
	/** @event_work: raises the dm event after a state change */
	struct work_struct event_work;
	/** @debugfs: the map's directory while this table is the live one */
	struct dentry *debugfs;
	/**
	 * @name: the map's name for log messages, which we may write in hard irq
	 * context; set by the constructor, updated at each resume
	 */
	char name[DM_NAME_LEN];
};

static_assert(offsetofend(struct mpath, error_guard) <= 64,
	      "each I/O reads these members: keep them on one cache line of 64 bytes");

#define MPATH_NO_DELAY	UINT_MAX

/* The largest value of mpath_io.repeats */
#define MPATH_MAX_REPEATS	127

/**
 * struct mpath_io - the target's per-request data
 * @path: the path of its clone
 * @start: time when the clone was sent, in ns as ktime_get_ns(); 0: there is no clone
 * @nr_bytes: size of the clone, as the selector was told
 * @rejected_by: number of the path that rejected it last
 * @rejected_with: the status then; BLK_STS_OK: no path has rejected it
 * @repeats: how often a device has asked us to send it again; stays at 127
 * @repeat: the last answer was such a one
 *
 * The last four are valid if dm_rq_io.tries; @path is, if dm_rq_io.again or while there
 * is a clone.
 */
struct mpath_io {
	struct mpath_path *path;
	u64 start;
	unsigned int nr_bytes;
	u16 rejected_by;
	blk_status_t rejected_with;
	u8 repeats:7;
	u8 repeat:1;
};

static inline struct mpath *mpath_of(struct dm_target *ti)
{
	return container_of((struct dm_rq *)ti->private, struct mpath, rq);
}

static inline struct mpath_path *mpath_path_of(struct dm_ps_path *path)
{
	return container_of(path, struct mpath_path, ps);
}

/* ---- log messages: "mpatha (253:3): path sda (8:0) failed: timeout" ---- */

#define MPATH_LOG(log, map, fmt, ...)					\
do {									\
	struct mpath *_m = (map);					\
									\
	log("%s (%s): " fmt, _m->name, dm_device_name(_m->rq.md),	\
	    ##__VA_ARGS__);						\
} while (0)

#define MPATH_LOG_PATH(log, path, fmt, ...)				\
do {									\
	struct mpath_path *_p = (path);					\
									\
	MPATH_LOG(log, _p->m, "path %pg (%s)" fmt, _p->ps.dev->bdev,	\
		  _p->ps.dev->name, ##__VA_ARGS__);			\
} while (0)

#define mpath_err(m, ...)		MPATH_LOG(DMERR, m, __VA_ARGS__)
#define mpath_warn(m, ...)		MPATH_LOG(DMWARN, m, __VA_ARGS__)
#define mpath_path_err(path, ...)	MPATH_LOG_PATH(DMERR, path, __VA_ARGS__)
#define mpath_path_warn(path, ...)	MPATH_LOG_PATH(DMWARN, path, __VA_ARGS__)
#define mpath_path_warn_limit(path, ...) \
	MPATH_LOG_PATH(DMWARN_LIMIT, path, __VA_ARGS__)

/* ---- wake.c ---- */

/* Short works that I/O may wait for. */
extern struct workqueue_struct *mpath_wq;
/* Activation of paths by hardware handlers, which may block. */
extern struct workqueue_struct *mpath_handler_wq;

int mpath_wake_init(void);
void mpath_wake_exit(void);
void mpath_wake(struct mpath *m);
void mpath_wake_and_wait(struct mpath *m);
void mpath_bio_wait(struct mpath *m, struct bio *bio, int wakes);
void mpath_bio_retry(struct mpath *m, struct bio *bio);

/* ---- stats.c; also stats.h ---- */

bool mpath_stats_alloc(struct mpath *m);
void mpath_stats_free(struct mpath_path *path);
void mpath_sum_up(const struct mpath_path *path, struct mpath_totals *sum);
u64 mpath_in_flight(const struct mpath_totals *sum);
u64 mpath_read_progress(const struct mpath_path *path, u64 *ended);
u64 mpath_read_chosen(const struct mpath_path *path);

/* ---- error.c; any context ---- */

/**
 * enum mpath_disposition - the consequence of an error for the request and its path
 * @MPATH_PASS_UP: the data or the whole device is to blame: the request ends with
 *	the error
 * @MPATH_TRY_AGAIN: nothing is to blame: the command did not begin, or came at a bad
 *	moment. The request is mapped to the same path again, which does not fail
 * @MPATH_TRY_LATER: likewise, but the device asks for time
 * @MPATH_PATH_FAILED: the path is to blame and fails
 * @MPATH_REJECTED: the device has rejected the request. The path fails, unless the
 *	map has error_guard and another path has given the same answer
 */
enum mpath_disposition {
	MPATH_PASS_UP,
	MPATH_TRY_AGAIN,
	MPATH_TRY_LATER,
	MPATH_PATH_FAILED,
	MPATH_REJECTED,
};

bool mpath_is_path_error(blk_status_t status);
const char *mpath_status_text(blk_status_t status);
enum mpath_disposition mpath_decide_disposition(struct request *clone,
						bool is_scsi,
						blk_status_t status,
						struct request *rq, unsigned int repeats);
bool mpath_was_flushed(struct request *clone, bool is_scsi);
bool mpath_is_scsi(struct block_device *bdev);

/* ---- stacking.c; process context ---- */

int mpath_check_stacking(struct dm_target *ti);
void mpath_leave_stacking(struct mpath *m);

/* ---- limits.c; process context ---- */

bool mpath_limits_conflict(struct gendisk *map, struct gendisk *path, char *text,
			   size_t size);

/* ---- stall.c ---- */

void mpath_update_usable(struct mpath_group *group);
void mpath_stall_progress(struct mpath_path *path);
void mpath_stall_init(struct mpath *m);
void mpath_stall_start(struct mpath *m);
void mpath_stall_stop(struct mpath *m);
const char *mpath_stall_word(struct mpath_path *path);
u64 mpath_stall_diverted(struct mpath_path *path);

/* ---- path.c ---- */

void mpath_init_no_path(struct mpath *m);
void mpath_start_no_path_timer(struct mpath *m);
bool mpath_may_wait(struct mpath *m);
void mpath_set_queueing(struct mpath *m, bool on);
void mpath_forget_group(struct mpath *m);
void mpath_queue_activation(struct mpath *m, struct mpath_path *path,
			    bool later);
void mpath_fail_path(struct mpath_path *path, const char *reason);
void mpath_fail_path_unless_last(struct mpath_path *path, const char *reason);
void mpath_admin_fail(struct mpath_path *path);
void mpath_admin_reinstate(struct mpath_path *path);
void mpath_probe_reinstate(struct mpath_path *path);

/* ---- group.c: see group.h ---- */

/* ---- request.c ---- */

extern const struct dm_rq_ops mpath_rq_ops;

int mpath_busy(struct dm_target *ti);

/* ---- bio.c ---- */

int mpath_bio_init(struct mpath *m, struct dm_target *ti);
int mpath_bio_map(struct dm_target *ti, struct bio *bio);
int mpath_bio_end_io(struct dm_target *ti, struct bio *bio,
		     blk_status_t *status);

/* ---- probe.c: see probe.h ---- */

/* ---- handler.c; process context ---- */

int mpath_attach_handler(struct mpath *m, struct mpath_path *path);

/* ---- path-stats.c; process context ---- */

int mpath_path_stats_text(struct mpath *m, char *result, unsigned int maxlen);
void mpath_debugfs_add(struct mpath *m);
void mpath_debugfs_remove(struct mpath *m);
void mpath_debugfs_init(void);
void mpath_debugfs_exit(void);

/* ---- table.c; process context ---- */

int mpath_parse_features(struct mpath *m, struct dm_target *ti,
			 struct dm_arg_set *as);
int mpath_parse_handler(struct mpath *m, struct dm_target *ti,
			struct dm_arg_set *as);
int mpath_parse_groups(struct mpath *m, struct dm_target *ti,
		       struct dm_arg_set *as);
void mpath_free_groups(struct mpath *m, struct dm_target *ti);
int mpath_table_text(struct mpath *m, char *result, unsigned int maxlen);

/* ---- status.c, message.c; process context ---- */

void mpath_status(struct dm_target *ti, status_type_t type,
		  unsigned int flags, char *result, unsigned int maxlen);
int mpath_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen);

/* ---- suspend.c; process context ---- */

void mpath_init_state(struct mpath *m);
void mpath_set_name(struct mpath *m);
void mpath_presuspend(struct dm_target *ti);
void mpath_presuspend_undo(struct dm_target *ti);
void mpath_postsuspend(struct dm_target *ti);
void mpath_resume(struct dm_target *ti);
void mpath_stop(struct mpath *m);

/* ---- dm-mpath-rq.c; process context ---- */

int mpath_ctr(struct dm_target *ti, unsigned int argc, char **argv);
void mpath_dtr(struct dm_target *ti);

#endif /* DM_MPATH_H */
