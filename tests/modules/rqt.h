/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rqt: a test block driver with several request-based paths to one memory
 * store.  Tests can change the behaviour of a path, and read a record of its
 * requests.
 *
 * rqt-main.c     the store, submission, completion, disks
 * rqt-rules.c    rules: parse, match, print
 * rqt-debugfs.c  the files under /sys/kernel/debug/rqt
 */
#ifndef RQT_H
#define RQT_H

#include <linux/atomic.h>
#include <linux/blk-mq.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "rqt-compat.h"

struct seq_file;

enum rqt_op {
	RQT_READ,
	RQT_WRITE,
	RQT_FLUSH,
	RQT_DISCARD,
	RQT_WRITE_ZEROES,
	RQT_OTHER,
	RQT_NR_OPS
};

/* The context in which a request is completed. */
enum rqt_complete {
	RQT_INLINE,	/* inside queue_rq, or in the service timer */
	RQT_SOFTIRQ,	/* blk_mq_complete_request() */
	RQT_TIMER,	/* hrtimer, hard irq */
	RQT_WORK,	/* workqueue */
	RQT_NR_COMPLETE
};

enum rqt_hold {
	RQT_HOLD_OFF,
	RQT_HOLD_LATE,		/* data is transferred at completion */
	RQT_HOLD_COPIED,	/* data is transferred at submission */
	RQT_NR_HOLD
};

/**
 * struct rqt_plan - planned result of a request
 * @refuse: if not BLK_STS_OK, queue_rq returns it and does not start the
 *	request
 * @status: status of the bytes from @fail_from to @fail_to, or of a request
 *	without data
 * @fail_from: first byte that fails
 * @fail_to: first byte after the failed range; the rest succeeds
 * @end_status: status of the request itself after its bios have completed
 * @torn: transfer the data of the failed range, too
 * @late: transfer the data at completion, not at submission
 * @hold: keep the request until it is released
 * @later_us: delay between the successful first part and the failure
 * @delay_us: delay of the completion, in addition to the service time
 */
struct rqt_plan {
	blk_status_t	refuse;
	blk_status_t	status;
	blk_status_t	end_status;
	bool		torn;
	bool		late;
	bool		hold;
	unsigned int	fail_from;
	unsigned int	fail_to;
	u64		later_us;
	u64		delay_us;
};

enum rqt_cmd_state {
	RQT_CMD_IDLE,		/* the block layer's */
	RQT_CMD_OWNED,		/* started; we complete it */
	RQT_CMD_ENDING,		/* one context is completing it */
};

/**
 * struct rqt_cmd - the driver's part of a request
 * @state: enum rqt_cmd_state; detects requests that complete twice
 * @node: entry in rqt_path.held, under rqt_path.lock
 * @timer: service time, and the delay before the failed rest
 * @work: for RQT_WORK
 * @plan: planned result
 * @complete: rqt_path.complete at submission
 * @rest: the first part has completed; the next timer completes the rest
 * @releases: rqt_path.releases at submission
 * @pos: position in the record
 */
struct rqt_cmd {
	atomic_t		state;
	struct list_head	node;
	struct hrtimer		timer;
	struct work_struct	work;
	struct rqt_plan		plan;
	enum rqt_complete	complete;
	bool			rest;
	unsigned long		releases;
	u64			pos;
};

enum rqt_outcome {
	RQT_IN_FLIGHT,
	RQT_HELD,
	RQT_ENDED,
	RQT_REFUSED,
};

/* One line of the record: a request that a path received. */
struct rqt_record {
	u64			seq;	/* over all paths */
	u64			pos;	/* within the path */
	u64			ns;
	sector_t		sector;
	unsigned int		sectors;
	unsigned int		path;
	unsigned int		bios;
	unsigned int		segments;
	blk_opf_t		flags;
	enum rqt_op		op;
	enum rqt_outcome	outcome;
	blk_status_t		status;
	unsigned int		fail_from;
	unsigned int		fail_to;
	bool			part;	/* @status is that of a part only */
};

struct rqt_stats {
	u64		requests[RQT_NR_OPS];
	u64		bios;
	u64		sectors;
	u64		fua;
	u64		busy;		/* refused with a resource status */
	u64		refused;	/* refused with another status */
	u64		errors;
	u64		held;
	u64		timeouts;
	unsigned int	max_inflight;
};

/**
 * struct rqt_path - one path to the store
 * @nr: number of the path
 * @disk: disk of the path, valid from load to unload
 * @set: tag set, not shared with other paths
 * @lock: protects the following members except @removing; taken in hard irq
 * @complete: context in which requests are completed
 * @hold: hold new requests
 * @dead: fail new requests with BLK_STS_TRANSPORT
 * @gone: if not BLK_STS_OK, the disk is being deleted, and all requests end
 *	with it
 * @service_us: service time of a request
 * @mbps: bandwidth in 10^6 bytes per second, 0 is no limit
 * @wire_free_ns: end of the last data transfer
 * @slots: maximum number of requests at a time
 * @max_slots: number of tags
 * @waiting: a request was refused because no slot was free
 * @releases: number of releases, to ensure that a request on its way to @held
 *	does not miss one
 * @held: held requests
 * @rules: struct rqt_rule, in the order in which we try them
 * @ring: the record, with @ring_size entries
 * @ring_size: constant
 * @head: position of the next entry
 * @tail: position of the first entry to show
 * @stats: contents of the file stats
 * @started: requests started since load
 * @ended: requests completed since load
 * @double_ends: attempts to complete a request twice
 * @hctx_inflight: requests in flight, by hardware queue
 * @removing: bit 0: the disk is or will be deleted; atomic bitops
 */
struct rqt_path {
	unsigned int		nr;
	struct gendisk		*disk;
	struct blk_mq_tag_set	set;

	spinlock_t		lock;	/* see above */
	enum rqt_complete	complete;
	enum rqt_hold		hold;
	bool			dead;
	blk_status_t		gone;
	u64			service_us;
	u64			mbps;
	u64			wire_free_ns;
	unsigned int		slots;
	unsigned int		max_slots;
	bool			waiting;
	unsigned long		releases;
	struct list_head	held;
	struct list_head	rules;
	struct rqt_record	*ring;
	unsigned int		ring_size;
	u64			head;
	u64			tail;
	struct rqt_stats	stats;
	u64			started;
	u64			ended;
	u64			double_ends;
	unsigned int		*hctx_inflight;

	unsigned long		removing;
};

/*
 * State of the store's power, and the number of cached pages that cuts lost and
 * kept.
 */
struct rqt_power {
	bool		off;
	u64		cuts;
	u64		lost;
	u64		kept;
};

/* rqt-main.c */
extern struct rqt_path **rqt_paths;
extern unsigned int rqt_nr_paths;

enum rqt_op rqt_op(struct request *rq);
unsigned int rqt_nr_bios(struct request *rq);
void rqt_release(struct rqt_path *path, blk_status_t status);
void rqt_set_slots(struct rqt_path *path, unsigned int nr);
void rqt_remove(struct rqt_path *path, blk_status_t status);
int rqt_set_power(bool on);
struct rqt_power rqt_get_power(void);

/* rqt-rules.c */
extern const char *const rqt_op_names[RQT_NR_OPS];

const char *rqt_status_name(blk_status_t status);
int rqt_status_parse(const char *name, blk_status_t *status);
char *rqt_word(char **rest);
int rqt_rule_add(struct rqt_path *path, char *line);
void rqt_rules_clear(struct rqt_path *path);
void rqt_rules_show(struct rqt_path *path, struct seq_file *m);
void rqt_rules_apply(struct rqt_path *path, struct request *rq,
		     struct rqt_plan *plan);

/* rqt-debugfs.c */
int rqt_debugfs_init(void);
void rqt_debugfs_exit(void);

#endif /* RQT_H */
