/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rqt: a test block driver, one memory store seen through several
 * request-based paths whose behaviour tests can change and record.
 *
 * rqt-main.c     the store, submission, the answer, disks
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

/* In which context a request is answered. */
enum rqt_complete {
	RQT_INLINE,	/* inside queue_rq, or in the service timer */
	RQT_SOFTIRQ,	/* blk_mq_complete_request() */
	RQT_TIMER,	/* hrtimer, hard irq */
	RQT_WORK,	/* workqueue */
	RQT_NR_COMPLETE
};

enum rqt_hold {
	RQT_HOLD_OFF,
	RQT_HOLD_LATE,		/* data moves when the request is answered */
	RQT_HOLD_COPIED,	/* data moves at submission */
	RQT_NR_HOLD
};

/**
 * struct rqt_plan - how one request is going to be answered
 * @refuse: queue_rq returns this and the request is not started
 * @status: what bytes @fail_from to @fail_to, or all of a request without
 *	bytes, end with
 * @fail_from: first byte that fails
 * @fail_to: first byte after those that fail; the rest ends well
 * @end_status: what the request itself ends with, once its bios are done
 * @torn: move the data of the failing bytes all the same
 * @late: move the data when answering, not at submission
 * @hold: keep the request until it is released
 * @later_us: wait this long between the good first part and the failure
 * @delay_us: wait this long before answering, on top of the service time
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
	RQT_CMD_OWNED,		/* started, to be answered by us */
	RQT_CMD_ENDING,		/* being answered: nobody else may */
};

/**
 * struct rqt_cmd - the driver's part of a request
 * @state: enum rqt_cmd_state; finds requests that are ended twice
 * @node: place in rqt_path.held, under rqt_path.lock
 * @timer: service time, and the pause before the failing rest
 * @work: for RQT_WORK
 * @plan: the answer
 * @complete: rqt_path.complete when the request was submitted
 * @rest: the good part is done, the next timer ends the rest
 * @releases: rqt_path.releases when the request was submitted
 * @pos: place in the record
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

/* One line of the record: a request that reached a path. */
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
	bool			part;	/* some bytes ended otherwise */
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
 * @nr: its number
 * @disk: its disk, valid from load to unload
 * @set: its tags, shared with nobody
 * @lock: protects all that follows; taken in hard irq
 * @complete: in which context requests are answered
 * @hold: swallow what arrives
 * @dead: fail what arrives with BLK_STS_TRANSPORT
 * @gone: the disk is being deleted: answer everything with this status
 * @service_us: service time of a request
 * @mbps: bandwidth in 10^6 bytes per second, 0 is no limit
 * @wire_free_ns: when the last data transfer ends
 * @slots: most requests at once
 * @max_slots: how many tags there are
 * @waiting: a request was refused for want of a slot
 * @releases: counts releases, so that none is missed by a request on its way
 *	to @held
 * @held: swallowed requests
 * @rules: struct rqt_rule, in the order in which they are tried
 * @ring: the record, @ring_size long
 * @ring_size: never changes
 * @head: position of the next record
 * @tail: position of the first record to show
 * @stats: what stats shows
 * @started: requests started since load
 * @ended: requests ended since load
 * @double_ends: requests that somebody tried to end twice
 * @hctx_inflight: requests in flight by hardware queue
 * @removing: bit 0: the disk is deleted, or about to be; atomic bitops
 */
struct rqt_path {
	unsigned int		nr;
	struct gendisk		*disk;
	struct blk_mq_tag_set	set;

	spinlock_t		lock;	/* all that follows but @removing */
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

/* The power of the store, and how many pages of the cache cuts have lost, and kept. */
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
