/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-rq: mapping of whole requests below the I/O scheduler.
 *
 * If a target has clone_and_map_rq, then dm-mod builds a blk-mq queue with an
 * I/O scheduler for its map and calls that method from queue_rq.  dm-rq
 * implements the method: it clones each request onto the queue that the target
 * chooses, handles the completion of the clone, remaps requests that failed,
 * and parks requests that no device can take.  The target only makes the
 * decisions, in the methods below.
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
 * Rules:
 *  - A request completes exactly once, with its true status.
 *  - Completed bios stay completed: only the rest of a request is remapped.
 *  - While a device has the clone of a request, we do not send the request to
 *    another device.
 *  - While a clone is in flight, do not touch the request's bios, because the
 *    clone may use the only one.
 *  - Every map call is followed by exactly one end_io call.
 *  - Between queue_rq and the lower queue, in both directions, dm-rq takes no
 *    lock of its own, and handles the failure of each allocation.
 */
#ifndef DM_RQ_H
#define DM_RQ_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/device-mapper.h>
#include <linux/mempool.h>
#include <linux/workqueue.h>

struct dm_rq;

/**
 * struct dm_rq_bio_details - state of a request's bio before the clone used it
 * @bdev: bi_bdev
 * @next: bi_next
 * @size: bi_iter.bi_size; bi_iter.bi_sector is that of the request
 * @idx: bi_iter.bi_idx
 * @offset: bi_iter.bi_offset
 * @flags: bi_flags
 */
struct dm_rq_bio_details {
	struct block_device *bdev;
	struct bio *next;
	unsigned int size;
	unsigned int idx;
	unsigned int offset;
	unsigned short flags;
};

/**
 * struct dm_rq_io - dm-rq's data of a request
 * @drq: the map's core object
 * @src: first bio of the request whose clone has not completed
 * @bytes: in place of @src: size of a clone that covers only a part of the
 *	request
 * @bdev: in place of @src, while there is no clone: the chosen device. In a
 *	punted request, NULL lets the worker ask the target again
 * @done: bytes completed without error, which are not reported to the request
 *	yet
 * @status: the held error, or else the first error passed up
 * @flags: private to dm-rq.c
 * @tries: number of DM_RQ_AGAIN answers to the request; stays at 255. They
 *	also count after the request was given back to the block layer and
 *	dispatched again; they do not count in the next table, nor for the
 *	rest of a request of which a part has succeeded
 * @table: the table in which the last answer came
 * @again: the last answer came since the block layer dispatched the request.
 *	Otherwise tables may have been replaced and freed meanwhile, so
 *	pointers in the target's data are not valid
 * @waited: we pushed the request back once, and the block layer has it in line;
 *	valid with in_order
 * @details: state of the request's bio while the clone uses it
 * @work: in place of @details, while the request waits for a worker
 *
 * The structure lies behind the request (see dm_rq_request()) in memory of the
 * map's tag set: each byte costs a few KiB per map, and the time to zero them.
 * The target's own data follow, see dm_rq_io_data().
 *
 * The owner of the request owns the structure.  After the request has
 * completed, was parked or was given to a device, the structure may be in use
 * again.
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
	u8 again:1;
	u8 waited:1;
	u8 table:6;
	union {
		struct dm_rq_bio_details details;
		struct work_struct work;
	};
};

/**
 * enum dm_rq_map - result of prep_map
 * @DM_RQ_MAPPED: clone the request onto the returned device
 * @DM_RQ_BUSY: not now; the block layer keeps the request, can still merge into
 *	those that wait behind it, and dispatches it again without a wake
 * @DM_RQ_PARK: not before dm_rq_wake(); the request waits in the requeue list
 *	of the map's own queue. It is not in flight, so no suspend waits for it,
 *	and after the wake the table that is live then maps it
 * @DM_RQ_KILL: never; the request fails with BLK_STS_IOERR
 */
enum dm_rq_map {
	DM_RQ_MAPPED,
	DM_RQ_BUSY,
	DM_RQ_PARK,
	DM_RQ_KILL,
};

/**
 * enum dm_rq_error - result of end_io_first
 * @DM_RQ_PASS_UP: the error belongs to the data: the upper bio completes with
 *	it now. (If the block layer waits for the request and not for the bio,
 *	as in a flush sequence, then the request completes with it.)
 * @DM_RQ_HOLD: the error may belong to the path: we hold it until end_io
 *	decides
 */
enum dm_rq_error {
	DM_RQ_PASS_UP,
	DM_RQ_HOLD,
};

/**
 * enum dm_rq_end - result of end_io, for the held part of a request
 * @DM_RQ_DONE: complete it with the status given to end_io
 * @DM_RQ_AGAIN: remap it at once, in a worker
 * @DM_RQ_AGAIN_LATER: requeue it; the block layer dispatches it again after
 *	%DM_RQ_LATER_MS
 */
enum dm_rq_end {
	DM_RQ_DONE,
	DM_RQ_AGAIN,
	DM_RQ_AGAIN_LATER,
};

/* ms; enough for a device that lacks resources, and hardly noticed by users */
#define DM_RQ_LATER_MS	10

/* Number of full devices to try before we push a request back. */
#define DM_RQ_MAX_REFUSALS	8

/**
 * struct dm_rq_ops - the methods of a request-based target
 *
 * No method may sleep.  All may run on several CPUs at once, for different
 * requests.  No method may complete, free or requeue the request or the clone.
 * A method may access the request (dm_rq_request()), its data (dm_rq_io_data())
 * and @clone until it returns; afterwards another context may own them.
 *
 * @io_data_size: size of the target's own data per request, in bytes.  It must
 *	be the same for every table of a target type, because dm-mod allocates
 *	the memory once per map, with its first table.
 *
 * @prep_map: Choose a device.  If the result is DM_RQ_MAPPED, then *@bdev is a
 *	whole, request-based device that stays open as long as the table exists.
 *	Runs in: queue_rq of the map (under RCU, preemptible or not) or a worker
 *	(process context).  May be called any number of times for one request.
 *	Result: see &enum dm_rq_map.
 *
 * @map: Translate the clone (sector, cmd_flags) and start the accounting.  The
 *	clone was allocated on the queue of that device and has the request's
 *	sector, size, flags and bios.  The method cannot fail.
 *	Runs in: the context of prep_map, directly after that; or, if queue_rq
 *	must not enter the lower queue, later in a worker.
 *
 * @device_full: Optional.  The device that prep_map returned has no free
 *	request, or refused the clone (then map and end_io were called before).
 *	Runs in: the context of prep_map.
 *	Result: true if prep_map will choose a different device now: we call it
 *	again at once, at most %DM_RQ_MAX_REFUSALS times.  False, or without the
 *	method: we act as for DM_RQ_BUSY.
 *
 * @end_io_first: Classify an error.  It is called for the first failed bio of a
 *	clone (and after DM_RQ_PASS_UP for the next one), before an upper bio
 *	has completed with an error.  @bytes is the size of that bio.  It is 0
 *	for a request without data, and for a request that never reached the
 *	device because the queue of the device is gone (BLK_STS_TRANSPORT; then
 *	map was not called, and end_io will not be).
 *	Runs in: completion of the lower driver, hard irq possible; or that of
 *	map, if the lower queue rejects the clone at once.
 *	Result: see &enum dm_rq_error.
 *
 * @flush_status: Optional.  Verify the success of a request without data.  No
 *	bio carries its status, so a driver can report BLK_STS_OK for a command
 *	that it never executed.
 *	Runs in: the context of end_io_first or end_io, which follow.
 *	Result: BLK_STS_OK, or the error with which the request then fails.
 *
 * @end_io: The clone has completed.  Stop the accounting, and decide about the
 *	held part of the request.  @status is BLK_STS_OK, the held error, or
 *	else the first error passed up.  @clone is still allocated and may be
 *	examined.  We also call it if the lower queue refused the clone
 *	after map, with BLK_STS_RESOURCE or BLK_STS_DEV_RESOURCE.
 *	Runs in: the context of end_io_first.
 *	Result: see &enum dm_rq_end; ignored if no error is held.
 */
struct dm_rq_ops {
	unsigned int io_data_size;
	enum dm_rq_map (*prep_map)(struct dm_rq *drq, struct dm_rq_io *io,
				   struct block_device **bdev);
	void (*map)(struct dm_rq *drq, struct dm_rq_io *io,
		    struct request *clone);
	bool (*device_full)(struct dm_rq *drq, struct dm_rq_io *io);
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
 * @ops: the methods; constant after dm_rq_init()
 * @ti: the target; constant
 * @md: the map; constant. It exists as long as a request of it does
 * @io_offset: offset of struct dm_rq_io in the driver's data of a request; 0
 *	until a request has been checked for its size. Written without a lock,
 *	since racing writers store the same value
 * @check_limits: measure requests before they are sent, because a device has
 *	refused one as too large. Only set, as @io_offset
 * @table: differs from that of most other tables
 * @in_order: serve requests that wait for a device in the order of their
 *	arrival. The target sets it after dm_rq_init(), before the table is in
 *	use
 * @wakes: number of dm_rq_wake() calls. We read it before prep_map and compare
 *	it after parking, so that a wake in between is not lost
 * @bios: bios for clones that cannot use the bio of their request, with a
 *	reserve that no other map uses
 *
 * Embedded in the target's own object; ti->private points to it.
 */
struct dm_rq {
	const struct dm_rq_ops *ops;
	struct dm_target *ti;
	struct mapped_device *md;
	unsigned int io_offset;
	bool check_limits;
	u8 table:6;
	bool in_order;
	atomic_t wakes;
	mempool_t *bios;
};

/**
 * dm_rq_request() - return the request of the map's queue
 * @io: the data behind it
 */
static inline struct request *dm_rq_request(const struct dm_rq_io *io)
{
	return blk_mq_rq_from_pdu((void *)io - io->drq->io_offset);
}

/**
 * dm_rq_io_data() - return the target's own data of a request
 * @io: the request
 *
 * Return: @io_data_size bytes, aligned for a pointer, not zeroed.
 */
static inline void *dm_rq_io_data(struct dm_rq_io *io)
{
	return io + 1;
}

/* For dm_rq_in_flight_for_each().  False ends the iteration. */
typedef bool (dm_rq_in_flight_fn)(struct dm_rq_io *io, void *data);

int dm_rq_init(struct dm_rq *drq, struct dm_target *ti,
	       const struct dm_rq_ops *ops);
void dm_rq_exit(struct dm_rq *drq);
int dm_rq_clone_and_map(struct dm_target *ti, struct request *rq,
			union map_info *info, struct request **clone);
void dm_rq_inherit_disabled_ops(struct request_queue *map,
				struct request_queue *device, enum req_op op,
				blk_status_t status);
void dm_rq_io_hints(struct dm_target *ti, struct queue_limits *limits);
void dm_rq_in_flight_for_each(struct dm_rq *drq, dm_rq_in_flight_fn *fn,
			      void *data);
void dm_rq_wake(struct dm_rq *drq);
void dm_rq_wake_and_wait(struct dm_rq *drq);

#endif /* DM_RQ_H */
