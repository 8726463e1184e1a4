/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-rq: mapping of whole requests below the I/O scheduler.
 *
 * dm-mod builds a blk-mq queue, scheduler included, for a target that has
 * clone_and_map_rq, and calls that method from queue_rq.  dm-rq owns the
 * method: it clones each request onto the queue that the target names,
 * watches the clone end, maps again what failed, and parks what has nowhere
 * to go.  A target says where, through the methods below, and nothing
 * else.
 *
 * The life of a request
 *
 *     queue_rq -> prep_map -> map -> lower queue -> [end_io_first] -> end_io
 *                  |  ^                                               |
 *         park     |  +------------- worker <----- DM_RQ_AGAIN -------+
 *    (requeue      v                                                  |
 *     list of    DM_RQ_PARK                              DM_RQ_DONE   v
 *     the map's  DM_RQ_BUSY -> scheduler                        upper bios end
 *     queue)     DM_RQ_KILL -> BLK_STS_IOERR
 *
 * Rules that hold for all of it:
 *  - A request ends exactly once, with its true status.
 *  - Completed bios stay completed: only the rest of a request is mapped again.
 *  - While a clone is with a device, its request is not given to another one.
 *  - Nor does anybody look at the bios of the request then: the only one may be lent
 *    to the clone.
 *  - Every map is followed by exactly one end_io.
 *  - No path from queue_rq to the lower queue, and none back, takes a lock of
 *    dm-rq's, or allocates without an answer to failure.
 */
#ifndef DM_RQ_H
#define DM_RQ_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/device-mapper.h>
#include <linux/workqueue.h>

struct dm_rq;

/**
 * struct dm_rq_lent - what the bio of a request was before it was lent to a clone
 * @bdev: bi_bdev
 * @next: bi_next
 * @size: bi_iter.bi_size; where the bio begins is where its request does
 * @idx: bi_iter.bi_idx
 * @bvec_done: bi_iter.bi_bvec_done
 * @flags: bi_flags
 */
struct dm_rq_lent {
	struct block_device *bdev;
	struct bio *next;
	unsigned int size;
	unsigned int idx;
	unsigned int bvec_done;
	unsigned short flags;
};

/**
 * struct dm_rq_io - a request on its way through dm-rq
 * @drq: the map's core object
 * @src: the first bio of the request whose clone has not ended
 * @bytes: in place of @src: of the part that the clone covers, if it is one
 * @bdev: in place of @src, while there is no clone: the device that was chosen; beside
 *	@work NULL, if none was
 * @done: bytes that ended well and that the request has not been told of
 * @status: the error that is held, else the first that was passed up
 * @flags: private to dm-rq.c
 * @tries: how often end_io said DM_RQ_AGAIN since the block layer gave us the request; stays
 *	at 255
 * @waited: the block layer has got it back once and has it in line; valid with in_order
 * @lent: of the bio of the request, while that is lent to the clone
 * @work: in place of @lent, while the request waits for a worker
 *
 * Lives behind the request, see dm_rq_request(), in the memory of the map's tag set,
 * so every byte here costs a few KiB per map, and the time to zero them.  The target's
 * own data follow, see dm_rq_io_data().  Owned by whoever owns the request: after that
 * has ended, was parked, or was given to a device, it may already be used again.
 */
struct dm_rq_io {
	struct dm_rq *drq;
	union {
		struct bio *src;
		unsigned int bytes;
		struct block_device *bdev;
	};
	unsigned int done;
	blk_status_t status;
	u8 flags;
	u8 tries;
	u8 waited;
	union {
		struct dm_rq_lent lent;
		struct work_struct work;
	};
};

/**
 * enum dm_rq_map - what prep_map says
 * @DM_RQ_MAPPED: to the device it named
 * @DM_RQ_BUSY: not now; the block layer keeps the request, goes on merging into
 *	what waits, and asks again by itself
 * @DM_RQ_PARK: not before dm_rq_wake(); the request waits in the requeue list of
 *	the map's own queue. It is not in flight there: no suspend waits for it, and
 *	the table that is live when it is woken gets it
 * @DM_RQ_KILL: never; it ends with BLK_STS_IOERR
 */
enum dm_rq_map {
	DM_RQ_MAPPED,
	DM_RQ_BUSY,
	DM_RQ_PARK,
	DM_RQ_KILL,
};

/**
 * enum dm_rq_error - what end_io_first says
 * @DM_RQ_PASS_UP: the error belongs to the data: the bio above ends with it, now.
 *	(Where the block layer waits for the request and not for the bio, as in a
 *	flush sequence, the request ends with it.)
 * @DM_RQ_HOLD: the error belongs to the way there: nothing above sees it before
 *	end_io has decided
 */
enum dm_rq_error {
	DM_RQ_PASS_UP,
	DM_RQ_HOLD,
};

/**
 * enum dm_rq_end - what end_io says
 * @DM_RQ_DONE: what was held ends with the status that end_io was given
 * @DM_RQ_AGAIN: what was held is mapped again, at once, by a worker
 * @DM_RQ_AGAIN_LATER: what was held goes back to the block layer, and is mapped
 *	again after %DM_RQ_LATER_MS
 */
enum dm_rq_end {
	DM_RQ_DONE,
	DM_RQ_AGAIN,
	DM_RQ_AGAIN_LATER,
};

/* ms; long enough for a device that is short of resources, short for people */
#define DM_RQ_LATER_MS	10

/* How many full devices are asked for room before a request waits. */
#define DM_RQ_MAX_REFUSALS	8

/**
 * struct dm_rq_ops - the methods of a request-based target
 *
 * None of them may sleep.  All may run on several CPUs at once, for different
 * requests.  None may complete, free or requeue @rq or the clone.
 *
 * @io_data_size: bytes of the target's own data per request. It must be the same
 *	for every table of a target type: the memory is made once per map, with its
 *	first table, and the tables that follow use it.
 *
 * @prep_map: Where does this request go?  On DM_RQ_MAPPED, *@bdev is a whole,
 *	request-based device, open for as long as the table lives.
 *	Runs in: the map's queue_rq (under RCU, preemptible or not), or process
 *	context in a worker. May be called again and again for one request.
 *
 * @map: The clone is there, allocated on that device's queue, with the request's
 *	sector, size, flags and bios.  Translate it (sector, cmd_flags) and start
 *	accounting.  Cannot fail.
 *	Runs in: as prep_map, which it follows directly, or, where the queue must
 *	not be entered from queue_rq, a moment later in a worker.
 *
 * @no_room: Optional: the device that prep_map named has no request to give, or
 *	refused the clone (then map and end_io came before).  Answer true: prep_map is
 *	asked again, at once, as it knows a better one now; at most
 *	%DM_RQ_MAX_REFUSALS times.  False, or without the method: as after DM_RQ_BUSY.
 *	Runs in: as prep_map.
 *
 * @end_io_first: The first failing bio of a clone (and, after PASS_UP, the next
 *	one): is it the path's fault?  Called before any bio above has seen an
 *	error.  @bytes is that bio's size, 0 for a request without data and for one
 *	that never reached the device because its queue is gone
 *	(BLK_STS_TRANSPORT; then no map came before and no end_io follows).
 *	Runs in: the lower driver's completion, so hard irq is possible; or as map
 *	when the lower queue rejects the clone at once.
 *
 * @flush_status: Optional: a request without data has ended with BLK_STS_OK.  Is that
 *	so?  No bio had to be done for it, so a driver may say it of a command that
 *	was never carried out.  BLK_STS_OK, or the error that it then ends with.
 *	Runs in: as end_io_first or end_io, which follow.
 *
 * @end_io: The clone has ended; @status is BLK_STS_OK, or the error that is held, or
 *	else the first that was passed up.  End accounting; decide about what was
 *	held (the answer counts for nothing else).  @clone is still there, to look
 *	at.  Also called, with BLK_STS_RESOURCE or BLK_STS_DEV_RESOURCE and without a
 *	question, when the lower queue refused the clone after map.
 *	Runs in: as end_io_first.
 */
struct dm_rq_ops {
	unsigned int io_data_size;
	enum dm_rq_map (*prep_map)(struct dm_rq *drq, struct dm_rq_io *io,
				   struct block_device **bdev);
	void (*map)(struct dm_rq *drq, struct dm_rq_io *io,
		    struct request *clone);
	bool (*no_room)(struct dm_rq *drq, struct dm_rq_io *io);
	enum dm_rq_error (*end_io_first)(struct dm_rq *drq, struct dm_rq_io *io,
					 blk_status_t status,
					 unsigned int bytes);
	blk_status_t (*flush_status)(struct dm_rq *drq, struct dm_rq_io *io,
				     struct request *clone);
	enum dm_rq_end (*end_io)(struct dm_rq *drq, struct dm_rq_io *io,
				 struct request *clone, blk_status_t status);
};

/**
 * struct dm_rq - the core's part of a target instance
 * @ops: set by dm_rq_init()
 * @ti: the target; constant
 * @md: the map; constant, and alive while a request of it is
 * @io_offset: where a request's memory has its struct dm_rq_io; 0: none was seen yet.
 *	Set once, when it was seen to be large enough, without a lock: whoever looks
 *	twice finds the same
 * @check_limits: a device has refused a request as too large, so they are measured
 *	before they are sent. Set once, as @io_offset
 * @in_order: requests that wait for a device are served in the order in which they came.
 *	Set by the target after dm_rq_init(), before the table is used
 * @wakes: counts dm_rq_wake(); read before prep_map, compared after parking, so
 *	that a wake in between is not lost
 *
 * Embedded in the target's own object; ti->private points to it.
 */
struct dm_rq {
	const struct dm_rq_ops *ops;
	struct dm_target *ti;
	struct mapped_device *md;
	unsigned int io_offset;
	bool check_limits;
	bool in_order;
	atomic_t wakes;
};

/**
 * dm_rq_request() - the request of the map's queue
 * @io: behind it
 */
static inline struct request *dm_rq_request(const struct dm_rq_io *io)
{
	return blk_mq_rq_from_pdu((void *)io - io->drq->io_offset);
}

/**
 * dm_rq_io_data() - the target's own data of a request
 * @io: the request
 *
 * Return: @io_data_size bytes, aligned for a pointer; not zeroed.
 */
static inline void *dm_rq_io_data(struct dm_rq_io *io)
{
	return io + 1;
}

/* See dm_rq_visit_in_flight(). */
typedef bool (dm_rq_visit_fn)(struct dm_rq_io *io, void *data);

int dm_rq_init(struct dm_rq *drq, struct dm_target *ti,
	       const struct dm_rq_ops *ops);
int dm_rq_clone_and_map(struct dm_target *ti, struct request *rq,
			union map_info *info, struct request **clone);
void dm_rq_lower_limits(struct request_queue *map, struct request_queue *device,
			enum req_op op, blk_status_t status);
void dm_rq_io_hints(struct dm_target *ti, struct queue_limits *limits);
void dm_rq_visit_in_flight(struct dm_rq *drq, dm_rq_visit_fn *fn, void *data);
void dm_rq_wake(struct dm_rq *drq);
void dm_rq_wake_and_wait(struct dm_rq *drq);

#endif /* DM_RQ_H */
