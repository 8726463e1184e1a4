// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-rq: dispatch, completion, remap, park and wake, and pushing requests back.
 *
 * dm-rq.h is the contract.  The functions are in the order from the completion
 * of a request back to its arrival, because each step calls those that may
 * follow it: return to the block layer, worker, completion of a clone,
 * construction of a clone, dispatch; then wake and initialization.
 *
 * How we use dm-mod: if a target answers clone_and_map_rq with
 * DM_MAPIO_SUBMITTED, it owns the request.  Usually we return it with
 * blk_mq_complete_request(): then dm-mod does its accounting, completes the rest
 * of the request with BLK_STS_OK and drops its reference to the map.  If we need
 * another status, or if the request returns to the block layer unfinished, then
 * we do the equivalent here.  See Documentation/dm-rq.rst for the statistics of
 * dm-mod in these cases.
 */

#include <linux/blk-crypto.h>
#include <linux/blk-integrity.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <trace/events/block.h>

#include "dm-rq.h"
#include "dm-rq-blk.h"
#include "dm-rq-compat.h"

#define CREATE_TRACE_POINTS
#include "dm-rq-trace.h"

#define DM_MSG_PREFIX "rq"

/* Bits of dm_rq_io.flags.  Each call of prep_map starts with none of them. */
#define IO_OWN_BIO	BIT(0)	/* the clone's only bio is the request's first */
#define IO_PARTIAL	BIT(1)	/* the clone has at most the first bio */
#define IO_NO_DATA	BIT(2)	/* a flush: no bio carries the status */
#define IO_HELD		BIT(3)	/* end_io decides about the rest */
#define IO_MUST_END	BIT(4)	/* ... but must decide to end the request */
#define IO_SPLIT	BIT(5)	/* the device refused it as too large */
#define IO_POOL_BIO	BIT(6)	/* the clone's only bio is from the map's pool */

/* Size of the bio_set, from which we clone all bios of a request. */
#define CLONE_BIOS	64

/*
 * Reserve of a map's pool, from which we clone one bio.  One bio ensures that
 * the map makes progress; with some more, its devices stay busy.
 */
#define RESERVED_BIOS	16

/* Do not sleep or warn: if there is no memory, we use a reserve or wait. */
#define CLONE_GFP	(GFP_NOWAIT | __GFP_NOWARN)

static unsigned int nr_hw_queues = 2;
module_param(nr_hw_queues, uint, 0644);
MODULE_PARM_DESC(nr_hw_queues,
		 "Hardware queues of a new map, at most one per CPU (default 2; each costs memory for 2,048 requests)");

static struct bio_set clone_bios;
static struct workqueue_struct *remap_wq;
static atomic_t tables = ATOMIC_INIT(0);

static bool dispatch_again(struct dm_rq_io *io, struct request *rq);

/*
 * Results of send()
 * SENT: the request has another owner now and must not be touched
 * FULL: the device is busy
 * NO_MEMORY: there is no bio for the clone
 */
enum sent { SENT, FULL, NO_MEMORY };

static enum sent send(struct dm_rq_io *io, struct request *rq,
		      struct block_device *bdev, bool may_sleep);

/* ---- return to the block layer ---- */

/*
 * Complete the rest of the request with the error @status.
 *
 * dm-mod completes a request with BLK_STS_OK.  This is correct if the bios were
 * already completed with the real status.  But a request with an end_io
 * callback (each step of a flush sequence) is judged by the argument of that
 * callback, so we complete such a request ourselves.
 */
static void fail_request(struct dm_rq_io *io, struct request *rq,
			 blk_status_t status)
{
	struct mapped_device *md = io->drq->md;

	if (dm_rq_has_end_io(rq)) {
		dm_rq_end_stats(md, rq, true);
		blk_mq_end_request(rq, status);
		dm_put(md);
		return;
	}

	blk_update_request(rq, status, blk_rq_bytes(rq));
	blk_mq_complete_request(rq);
}

/*
 * Put the request on the requeue list of the map's queue, where it stays until
 * the list is kicked.  @wakes is the value of drq->wakes before the target
 * decided: if a wake came since then, it may have kicked the list before we
 * added the request.
 *
 * The RCU read section keeps @drq alive: the request is in flight when the
 * section begins, and dm core destroys a table only after a grace period that
 * begins when no request is in flight.
 */
static void park(struct dm_rq_io *io, struct request *rq, int wakes)
{
	struct dm_rq *drq = io->drq;
	struct mapped_device *md = drq->md;
	struct request_queue *q = rq->q;

	trace_dm_rq_park(drq, rq);
	dm_rq_end_stats(md, rq, false);
	rcu_read_lock();
	blk_mq_requeue_request(rq, false);
	/* From here on, another context may use @rq and @io. */

	/*
	 * Pairs with the barrier in dm_rq_wake(): either the kick there finds
	 * the request, or we see the new count and kick the list again.
	 */
	smp_mb();
	if (atomic_read(&drq->wakes) != wakes)
		blk_mq_kick_requeue_list(q);
	rcu_read_unlock();

	dm_put(md);
}

/* As park(); also schedules a requeue-list kick, unless one is pending. */
static void requeue_delayed(struct dm_rq_io *io, struct request *rq)
{
	struct mapped_device *md = io->drq->md;
	struct request_queue *q = rq->q;

	dm_rq_end_stats(md, rq, false);
	blk_mq_requeue_request(rq, false);
	dm_rq_kick_requeue_list_later(q, DM_RQ_LATER_MS);
	dm_put(md);
}

/* ---- worker ---- */

static void remap_work(struct work_struct *work)
{
	struct dm_rq_io *io = container_of(work, struct dm_rq_io, work);
	struct request *rq = dm_rq_request(io);
	struct block_device *bdev = io->bdev;
	bool taken;

	taken = bdev ? send(io, rq, bdev, true) == SENT :
		       dispatch_again(io, rq);
	/* If the device is busy, the block layer dispatches again later. */
	if (!taken)
		requeue_delayed(io, rq);
}

/*
 * Let a worker send the request to @bdev, or ask the target again if @bdev is
 * NULL.  The request is in flight, so the map and the work item stay valid.
 *
 * Context: any.
 */
static void punt(struct dm_rq_io *io, struct block_device *bdev)
{
	INIT_WORK(&io->work, remap_work);
	io->bdev = bdev;
	queue_work(remap_wq, &io->work);
}

static void remap(struct dm_rq_io *io)
{
	punt(io, NULL);
}

/* ---- using the request's bio for the clone ---- */

/*
 * If a request has one bio, then its clone uses that bio, so that we need not
 * allocate and set up another one.  The owner of a bio does not look at it
 * while it is in flight.  We record the fields that the lower queue changes,
 * and restore them when the clone has completed.
 *
 * We cannot use a bio that others are chained to, because these may complete,
 * and write their error into it, at any time.  Nor can we use one of a discard:
 * the request may have several ranges, and after the first has completed only
 * the bio tells where the next one begins.
 */
static bool can_use_bio(struct request_queue *q, struct bio *bio)
{
	return !bio_flagged(bio, BIO_CHAIN) && !bio->bi_status &&
	       bio_op(bio) != REQ_OP_DISCARD && !dm_rq_elevator_uses_blkcg(q);
}

static void use_bio(struct dm_rq_io *io, struct bio *bio,
		    struct block_device *bdev)
{
	dm_rq_bio_record(&io->details, bio);
	bio->bi_bdev = bdev;
	bio->bi_next = NULL;
	dm_rq_bio_defer_end(bio);
	io->flags |= IO_OWN_BIO;
}

/*
 * Context: any.
 * Return: the status that the lower queue left in the bio.
 */
static blk_status_t restore_bio(struct dm_rq_io *io, struct request *rq)
{
	struct bio *bio = rq->bio;

	dm_rq_bio_restore(&io->details, bio, blk_rq_pos(rq));
	return bio->bi_status;
}

/* ---- completion of a clone ---- */

/**
 * dm_rq_inherit_disabled_ops() - disable what a device has disabled
 * @map: the map's queue
 * @device: the device's queue; its driver has disabled the operation
 * @op: the operation that failed
 * @status: its error; we act on "not supported" and "failed permanently" only
 *
 * The map takes over the limit, so that callers which see the error
 * (blkdev_issue_zeroout(), BLKDISCARD) find a reason to do without the
 * operation.  Bio mode also needs this, because dm core may not change the limit
 * that these callers read.
 *
 * Context: any, hard irq included.
 */
void dm_rq_inherit_disabled_ops(struct request_queue *map,
				struct request_queue *device, enum req_op op,
				blk_status_t status)
{
	if (status != BLK_STS_TARGET && status != BLK_STS_NOTSUPP)
		return;

	if (op == REQ_OP_DISCARD && !device->limits.max_discard_sectors)
		dm_rq_disable_discard(map);
	if (op == REQ_OP_WRITE_ZEROES &&
	    !device->limits.max_write_zeroes_sectors)
		dm_rq_disable_write_zeroes(map);
}
EXPORT_SYMBOL_GPL(dm_rq_inherit_disabled_ops);

/*
 * A bio of @bytes of the clone on @q failed.  Depending on the target, either
 * complete the upper bios up to and including this one, each with its status,
 * or hold all bios from this one on.
 */
static void handle_error(struct dm_rq_io *io, struct request *rq,
			 struct request_queue *q, blk_status_t status,
			 unsigned int bytes)
{
	struct dm_rq *drq = io->drq;
	bool hold;

	if (!io->status)
		io->status = status;
	dm_rq_inherit_disabled_ops(rq->q, q, req_op(rq), status);

	hold = drq->ops->end_io_first(drq, io, status, bytes) == DM_RQ_HOLD;
	if (hold || dm_rq_has_end_io(rq)) {
		io->flags |= hold ? IO_HELD : IO_HELD | IO_MUST_END;
		io->status = status;
		return;
	}

	if (io->done)
		blk_update_request(rq, BLK_STS_OK, io->done);
	io->done = 0;
	blk_update_request(rq, status, bytes);
}

static void free_clone_bio(struct dm_rq_io *io, struct bio *bio)
{
	if (io->flags & IO_POOL_BIO) {
		bio_uninit(bio);
		mempool_free(bio, io->drq->bios);
	} else {
		bio_put(bio);
	}
}

/*
 * Completion of a cloned bio.  The bios of a clone complete in the order of the
 * list, so io->src follows them.
 *
 * Context: completion of the lower driver, hard irq possible.
 */
static void end_clone_bio(struct bio *bio)
{
	struct dm_rq_io *io = bio->bi_private;
	struct request_queue *q = bdev_get_queue(bio->bi_bdev);
	blk_status_t status = bio->bi_status;
	unsigned int bytes;

	free_clone_bio(io, bio);

	if (io->flags & IO_HELD)
		return;

	if (io->flags & IO_PARTIAL) {
		bytes = io->bytes;
	} else {
		bytes = io->src->bi_iter.bi_size;
		io->src = io->src->bi_next;
	}
	if (likely(!status))
		io->done += bytes;
	else
		handle_error(io, dm_rq_request(io), q, status, bytes);
}

/* Carry out the decision of end_io about the held part of a request. */
static void end_held(struct dm_rq_io *io, struct request *rq,
		     enum dm_rq_end decision)
{
	if (io->flags & IO_MUST_END)
		decision = DM_RQ_DONE;

	switch (decision) {
	case DM_RQ_AGAIN:
		dm_rq_mark_retried(rq);
		if (io->tries < U8_MAX)
			io->tries++;
		io->again = true;
		io->table = io->drq->table;
		remap(io);
		break;
	case DM_RQ_AGAIN_LATER:
		requeue_delayed(io, rq);
		break;
	case DM_RQ_DONE:
		fail_request(io, rq, io->status);
		break;
	}
}

/* A part of the request has succeeded.  The rest is a new command. */
static void send_rest(struct dm_rq_io *io)
{
	io->tries = 0;
	io->again = false;
	remap(io);
}

/*
 * All bios of the clone have completed: let the target end its accounting, free
 * the clone, and complete, remap or requeue the rest of the request.
 */
static void finish_clone(struct dm_rq_io *io, struct request *rq,
			 struct request *clone)
{
	struct dm_rq *drq = io->drq;
	enum dm_rq_end decision;

	trace_dm_rq_end(drq, rq, io->status);
	decision = drq->ops->end_io(drq, io, clone, io->status);
	blk_mq_free_request(clone);

	if (io->done)
		blk_update_request(rq, BLK_STS_OK, io->done);

	if (io->flags & IO_HELD)
		end_held(io, rq, decision);
	else if ((io->flags & IO_PARTIAL) && rq->bio)
		send_rest(io);
	else
		blk_mq_complete_request(rq);
}

/* An error, a partial clone, or a request without data. */
static void end_clone_slow(struct dm_rq_io *io, struct request *rq,
			   struct request *clone, blk_status_t status)
{
	struct dm_rq *drq = io->drq;
	struct bio *bio = rq->bio;
	unsigned int bytes = 0;

	if (io->flags & IO_OWN_BIO) {
		/* The status of the bio also covers an error of a part. */
		status = bio->bi_status;
		bio->bi_status = BLK_STS_OK;
		bytes = io->flags & IO_PARTIAL ? io->bytes : bio->bi_iter.bi_size;
		if (!status)
			io->done = bytes;
	} else if (!(io->flags & IO_NO_DATA)) {
		/* end_clone_bio() has handled the errors. */
		status = BLK_STS_OK;
	} else if (!status && drq->ops->flush_status) {
		status = drq->ops->flush_status(drq, io, clone);
	}
	if (status)
		handle_error(io, rq, clone->q, status, bytes);
	finish_clone(io, rq, clone);
}

/*
 * Completion of a clone.  In the common case we leave the completion of the
 * bios to dm-mod, which completes them together, on the CPU that submitted the
 * request.
 *
 * Context: completion of the lower driver, hard irq possible; also within
 * blk_insert_cloned_request(), below our own queue_rq.
 */
static enum rq_end_io_ret end_clone(DM_RQ_END_IO_ARGS)
{
	struct dm_rq_io *io = clone->end_io_data;
	struct request *rq = dm_rq_request(io);
	struct dm_rq *drq = io->drq;
	blk_status_t bio_status = BLK_STS_OK;
	u8 flags = io->flags;

	if (likely(flags & IO_OWN_BIO))
		bio_status = restore_bio(io, rq);

	if (unlikely(status || io->status || bio_status ||
		     (flags & (IO_PARTIAL | IO_HELD | IO_NO_DATA)))) {
		end_clone_slow(io, rq, clone, status);
		return RQ_END_IO_NONE;
	}

	trace_dm_rq_end(drq, rq, BLK_STS_OK);
	drq->ops->end_io(drq, io, clone, BLK_STS_OK);
	blk_mq_free_request(clone);
	blk_mq_complete_request(rq);
	return RQ_END_IO_NONE;
}

/* ---- construction of a clone ---- */

static int clone_bio_ctr(struct bio *bio, struct bio *src, void *data)
{
	bio->bi_end_io = end_clone_bio;
	bio->bi_private = data;
	return 0;
}

/* blk_rq_prep_clone() handles encryption contexts and integrity data. */
static bool needs_general_clone(struct bio *bio)
{
	return bio_has_crypt_ctx(bio) || bio_integrity(bio);
}

/* Clone all bios of a request.  False: out of memory. */
static bool clone_all_bios(struct dm_rq_io *io, struct request *rq,
			   struct request *clone)
{
	/* If there is no reserve of ours for these, we take one of the system's. */
	gfp_t gfp = needs_general_clone(rq->bio) ? GFP_ATOMIC | __GFP_NOWARN :
						   CLONE_GFP;

	io->src = rq->bio;
	return !blk_rq_prep_clone(clone, rq, &clone_bios, gfp, clone_bio_ctr, io);
}

/*
 * Clone a bio of a request.  NULL: out of memory.
 *
 * A bio_set also has a reserve, but an allocation that must not sleep may not get
 * it.  The reserve is the map's own, because the clones of a map on top of this
 * one hold their bios until ours have completed.
 */
static struct bio *clone_bio(struct dm_rq_io *io, struct bio *src,
			     struct block_device *bdev)
{
	mempool_t *pool = io->drq->bios;
	struct bio *bio = mempool_alloc(pool, CLONE_GFP);

	if (unlikely(!bio))
		return NULL;
	if (unlikely(bio_init_clone(bdev, bio, src, CLONE_GFP))) {
		mempool_free(bio, pool);
		return NULL;
	}
	clone_bio_ctr(bio, src, io);
	io->flags |= IO_POOL_BIO;
	return bio;
}

/*
 * Make a clone of the first bio of @rq.  Return false if that bio must be
 * cloned but there is no memory.
 */
static __always_inline bool clone_first_bio(struct dm_rq_io *io,
					    struct request *rq,
					    struct request *clone,
					    struct block_device *bdev)
{
	struct bio *bio = rq->bio;
	sector_t sector = bio->bi_iter.bi_sector;
	unsigned int bytes = bio->bi_iter.bi_size;

	if (likely(can_use_bio(clone->q, bio))) {
		use_bio(io, bio, bdev);
	} else {
		io->src = bio;
		bio = clone_bio(io, bio, bdev);
		if (unlikely(!bio))
			return false;
	}

	dm_rq_clone_set_bio(clone, rq, bio, sector, bytes);
	return true;
}

/*
 * Make a clone of the first bio of @rq, or of its first @sectors.  The block layer
 * would take an empty clone, and to some devices it means "to the end": it is
 * better to let the request wait for ever.
 */
static noinline bool clone_part(struct dm_rq_io *io, struct request *rq,
				struct request *clone,
				struct block_device *bdev, unsigned int sectors)
{
	if (WARN_ON_ONCE(!sectors) || !clone_first_bio(io, rq, clone, bdev))
		return false;
	dm_rq_add_gap_bit(clone, clone->bio);
	io->flags |= IO_PARTIAL;
	io->bytes = dm_rq_clone_truncate(clone, sectors);
	return true;
}

/*
 * Some devices take several ranges per discard, one for each bio.  Others take
 * one, and look only at the start and the length of the request.  The map may
 * have merged more bios into a discard than this device takes.
 */
static bool has_too_many_ranges(struct request_queue *q, struct request *rq)
{
	unsigned int max = queue_max_discard_segments(q), nr = 0;
	sector_t next = blk_rq_pos(rq);
	bool gap = false;
	struct bio *bio;

	if (req_op(rq) != REQ_OP_DISCARD)
		return false;
	__rq_for_each_bio(bio, rq) {
		gap |= bio->bi_iter.bi_sector != next;
		next = bio_end_sector(bio);
		nr++;
	}
	return max > 1 ? nr > max : gap;
}

/*
 * All cases but the common one.  If we run out of memory for several bios, then
 * we map the first bio, and the rest follows when that one has completed, to
 * ensure that the request makes progress.  (Each bio of a merged atomic write is
 * an atomic write of its own.)  A discard of too many ranges is sent likewise.
 */
static noinline bool prep_other_clone(struct dm_rq_io *io, struct request *rq,
				      struct request *clone,
				      struct block_device *bdev)
{
	struct bio *bio = rq->bio;

	if (!bio) {
		io->flags |= IO_NO_DATA;
		return true;
	}

	if (!has_too_many_ranges(clone->q, rq) && clone_all_bios(io, rq, clone))
		return true;
	return !needs_general_clone(bio) &&
	       clone_part(io, rq, clone, bdev, blk_rq_sectors(rq));
}

/* Give @clone the bios and the position of @rq.  False: out of memory. */
static bool prep_clone(struct dm_rq_io *io, struct request *rq,
		       struct request *clone, struct block_device *bdev)
{
	struct bio *bio = rq->bio;

	if (likely(bio && !bio->bi_next && !needs_general_clone(bio)))
		return clone_first_bio(io, rq, clone, bdev);
	return prep_other_clone(io, rq, clone, bdev);
}

/* Return the size of the segment that begins at this byte of @bv. */
static unsigned int segment_bytes(struct request_queue *q, struct bio_vec *bv,
				  unsigned int at)
{
	unsigned long mask = queue_segment_boundary(q);
	phys_addr_t addr = page_to_phys(bv->bv_page) + bv->bv_offset + at;
	unsigned long most = min_t(unsigned long, mask - (addr & mask),
				   queue_max_segment_size(q) - 1);

	return min_t(unsigned long, most, bv->bv_len - at - 1) + 1;
}

/* Return how many bytes of @bio are in at most *@segments, which we subtract. */
static unsigned int bytes_in_segments(struct request_queue *q, struct bio *bio,
				      unsigned int *segments)
{
	unsigned int bytes = 0, at, seg;
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_bvec(bv, bio, iter) {
		for (at = 0; at < bv.bv_len; at += seg) {
			if (!*segments)
				return bytes;
			--*segments;
			seg = segment_bytes(q, &bv, at);
			bytes += seg;
		}
	}
	return bytes;
}

/* The map's count of segments is not that of @q, which may have smaller ones. */
static bool has_too_many_segments(struct request_queue *q, struct request *rq)
{
	unsigned int segments = queue_max_segments(q);
	struct bio *bio;

	__rq_for_each_bio(bio, rq)
		if (bytes_in_segments(q, bio, &segments) < bio->bi_iter.bi_size)
			return true;
	return false;
}

/*
 * Return how many sectors at the start of the first bio fit into a request of @q;
 * 0 if we must not send a part of the request, or only blk_rq_prep_clone() can
 * clone it, or if @q takes not even a block.
 */
static unsigned int split_sectors(struct request_queue *q, struct request *rq)
{
	unsigned int block = queue_logical_block_size(q) >> SECTOR_SHIFT;
	unsigned int segments = queue_max_segments(q);
	unsigned int sectors;

	if (!rq->bio || needs_general_clone(rq->bio))
		return 0;
	/*
	 * The device executes all of an atomic write or nothing.  But each bio of
	 * a merged one is an atomic write of its own.
	 */
	if (dm_rq_is_atomic(rq))
		return rq->bio->bi_next ? bio_sectors(rq->bio) : 0;

	switch (req_op(rq)) {
	case REQ_OP_DISCARD:
		sectors = READ_ONCE(q->limits.max_discard_sectors);
		break;
	case REQ_OP_SECURE_ERASE:
		sectors = READ_ONCE(q->limits.max_secure_erase_sectors);
		break;
	case REQ_OP_WRITE_ZEROES:
		sectors = READ_ONCE(q->limits.max_write_zeroes_sectors);
		break;
	default:
		sectors = bytes_in_segments(q, rq->bio, &segments) >> SECTOR_SHIFT;
		sectors = min(sectors, queue_max_sectors(q));
	}
	return rounddown(sectors, block);
}

/*
 * A map gets the limits of its devices when its table is loaded.  The limits of
 * a device may shrink later: userspace may lower max_sectors_kb at any time.
 * If a request is too large for the device, then we split it.
 */
static bool is_over_limits(struct request_queue *q, struct request *rq,
			   unsigned int max)
{
	unsigned int sectors = blk_rq_sectors(rq);

	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return sectors > queue_max_sectors(q) ||
		       dm_rq_is_atomic_too_large(q, rq) ||
		       has_too_many_segments(q, rq);
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		return sectors > max;
	default:
		return false;
	}
}

/*
 * Return how many sectors of a request to send; 0 for all of it.
 *
 * The driver may change a limit at any time.  The size of a part comes from one
 * reading.
 */
static unsigned int sectors_to_send(struct dm_rq_io *io, struct request *rq,
				    struct request_queue *q)
{
	unsigned int max = split_sectors(q, rq);

	if (max && ((io->flags & IO_SPLIT) || is_over_limits(q, rq, max)))
		return max;
	return 0;
}

/* Undo prep_clone() before a device has seen the clone. */
static void unprep_clone(struct dm_rq_io *io, struct request *rq,
			 struct request *clone)
{
	struct bio *bio;

	if (io->flags & IO_OWN_BIO) {
		restore_bio(io, rq);
		return;
	}
	while ((bio = clone->bio)) {
		clone->bio = bio->bi_next;
		free_clone_bio(io, bio);
	}
}

/* ---- dispatch ---- */

/*
 * We got no request from @q.
 *
 * Return: true if we handled the request, false if the device is busy.
 */
static bool alloc_failed(struct dm_rq_io *io, struct request *rq,
			 struct request_queue *q)
{
	struct dm_rq *drq = io->drq;

	if (!blk_queue_dying(q))
		return false;

	if (drq->ops->end_io_first(drq, io, BLK_STS_TRANSPORT, 0) == DM_RQ_HOLD)
		remap(io);
	else
		fail_request(io, rq, BLK_STS_TRANSPORT);
	return true;
}

/* Free a clone after the device has refused it. */
static void drop_clone(struct dm_rq_io *io, struct request *rq,
		       struct request *clone, blk_status_t status)
{
	struct dm_rq *drq = io->drq;

	blk_mq_cleanup_rq(clone);
	trace_dm_rq_end(drq, rq, status);
	drq->ops->end_io(drq, io, clone, status);
	blk_mq_free_request(clone);
}

/* Did the lower queue refuse @clone because of its size, and does a part help? */
static bool is_too_large(struct dm_rq_io *io, struct request *rq,
			 struct request *clone, blk_status_t status)
{
	unsigned int max;

	if (status != BLK_STS_IOERR || (io->flags & IO_SPLIT))
		return false;
	max = split_sectors(clone->q, rq);
	return blk_rq_sectors(clone) > max && max &&
	       is_over_limits(clone->q, rq, max);
}

/*
 * The lower queue did not accept @clone.
 *
 * Return: true if we handled the request, false if the device is busy.
 */
static bool insert_failed(struct dm_rq_io *io, struct request *rq,
			  struct request *clone, struct block_device *bdev,
			  blk_status_t status)
{
	struct request_queue *q = clone->q;

	unprep_clone(io, rq, clone);
	if (status == BLK_STS_RESOURCE || status == BLK_STS_DEV_RESOURCE) {
		drop_clone(io, rq, clone, status);
		return false;
	}
	if (is_too_large(io, rq, clone, status)) {
		drop_clone(io, rq, clone, BLK_STS_RESOURCE);
		io->flags = IO_SPLIT;
		WRITE_ONCE(io->drq->check_limits, true);
		punt(io, bdev);
		return true;
	}

	/*
	 * The block layer reports an I/O error, which would fail one path after
	 * the other.
	 */
	if (status == BLK_STS_IOERR && dm_rq_is_atomic_too_large(q, clone))
		status = BLK_STS_INVAL;
	/* The whole request failed before any part of it was sent. */
	handle_error(io, rq, q, status, blk_rq_bytes(clone));
	finish_clone(io, rq, clone);
	return true;
}

/* Clone the request onto @bdev's queue.  Context as dispatch(). */
static enum sent send(struct dm_rq_io *io, struct request *rq,
		      struct block_device *bdev, bool may_sleep)
{
	struct request_queue *q = bdev_get_queue(bdev);
	struct dm_rq *drq = io->drq;
	unsigned int max = 0;
	struct request *clone;
	blk_status_t status;
	bool ready;

	clone = blk_mq_alloc_request(q, rq->cmd_flags | REQ_NOMERGE,
				     BLK_MQ_REQ_NOWAIT);
	if (IS_ERR(clone))
		return alloc_failed(io, rq, q) ? SENT : FULL;

	if (unlikely(dm_rq_insert_may_sleep(clone)) && !may_sleep) {
		blk_mq_free_request(clone);
		punt(io, bdev);
		return SENT;
	}

	io->done = 0;
	io->status = BLK_STS_OK;
	if (unlikely(READ_ONCE(drq->check_limits)))
		max = sectors_to_send(io, rq, q);
	if (unlikely(max))
		ready = clone_part(io, rq, clone, bdev, max);
	else
		ready = prep_clone(io, rq, clone, bdev);
	if (unlikely(!ready)) {
		blk_mq_free_request(clone);
		return NO_MEMORY;
	}
	clone->end_io = end_clone;
	clone->end_io_data = io;
	drq->ops->map(drq, io, clone);
	trace_dm_rq_map(drq, rq);

	if (trace_block_rq_remap_enabled())
		trace_block_rq_remap(clone, disk_devt(dm_disk(drq->md)),
				     blk_rq_pos(rq));

	/* After the queue has accepted it, @io, @clone and @rq may be gone. */
	status = blk_insert_cloned_request(clone);
	if (likely(!status) || insert_failed(io, rq, clone, bdev, status))
		return SENT;
	return FULL;
}

/* The chosen device is full.  Does the target have another one? */
static bool has_other_device(struct dm_rq_io *io)
{
	const struct dm_rq_ops *ops = io->drq->ops;

	return ops->device_full && ops->device_full(io->drq, io);
}

/*
 * Ask the target about a request, and act on the answer.
 *
 * Context: queue_rq (@may_sleep is false), or a worker.
 * Return: true if the request has another owner now and must not be touched;
 * false if the device is busy or memory is short, and the caller keeps the
 * request.
 */
static __always_inline bool dispatch(struct dm_rq_io *io, struct request *rq,
				     bool may_sleep)
{
	struct dm_rq *drq = io->drq;
	int wakes = atomic_read_acquire(&drq->wakes);
	unsigned int left = DM_RQ_MAX_REFUSALS;
	enum sent sent;

	do {
		io->flags = 0;
		switch (drq->ops->prep_map(drq, io, &io->bdev)) {
		case DM_RQ_MAPPED:
			sent = send(io, rq, io->bdev, may_sleep);
			if (likely(sent == SENT))
				return true;
			if (sent == NO_MEMORY)
				return false;
			break;
		case DM_RQ_BUSY:
			return false;
		case DM_RQ_PARK:
			park(io, rq, wakes);
			return true;
		case DM_RQ_KILL:
			fail_request(io, rq, BLK_STS_IOERR);
			return true;
		}
	} while (left-- && has_other_device(io));
	return false;
}

static noinline bool dispatch_again(struct dm_rq_io *io, struct request *rq)
{
	return dispatch(io, rq, true);
}

/*
 * dm-mod allocates the memory behind a request with the first table of a map.
 * If the map began with another target and then got an "error" table, it may
 * have too little.
 */
static bool pdu_fits(struct dm_rq *drq, struct request *rq, void *io)
{
	size_t start = io - blk_mq_rq_to_pdu(rq);

	if (io && start + drq->ti->per_io_data_size <= dm_rq_pdu_size(rq->q)) {
		WRITE_ONCE(drq->io_offset, start);
		return true;
	}

	DMERR_LIMIT("%s (%s): per-request data too small; remove and create the map again",
		    dm_disk(drq->md)->disk_name, dm_device_name(drq->md));
	return false;
}

/*
 * For targets with in_order.  The block layer offers a new request to us before
 * those that wait.  To prevent it from overtaking them, we refuse a request
 * that arrives while others wait: the block layer then puts it behind them and
 * runs the queue.  Thus no request is overtaken for longer than such a run
 * takes.
 */
static noinline bool dispatch_in_order(struct dm_rq_io *io, struct request *rq)
{
	if (io->waited || !dm_rq_others_wait(rq)) {
		/* Before dispatch(), which gives @io to another owner. */
		io->waited = false;
		if (dispatch(io, rq, false))
			return true;
	}
	io->waited = true;
	return false;
}

/*
 * Is @io->tries of this request and this table, from before the request went back
 * to the block layer?  A later table may have the address of an earlier one.
 */
static bool has_history(struct dm_rq *drq, struct dm_rq_io *io,
			struct request *rq)
{
	return dm_rq_is_marked(rq) && io->drq == drq && io->table == drq->table;
}

/**
 * dm_rq_clone_and_map() - the clone_and_map_rq method of a target on dm-rq
 * @ti: the target, after dm_rq_init()
 * @rq: the request
 * @info: the memory behind the request
 * @clone: not used, because dm-rq allocates the clone itself
 *
 * A target uses this as its clone_and_map_rq method and has no release_clone_rq
 * and no rq_end_io.
 *
 * Context: queue_rq of the map, under RCU; must not sleep.
 * Return: DM_MAPIO_SUBMITTED, DM_MAPIO_REQUEUE (the device is busy: the block
 * layer keeps the request, and can merge into those behind it) or
 * DM_MAPIO_KILL.
 */
int dm_rq_clone_and_map(struct dm_target *ti, struct request *rq,
			union map_info *info, struct request **clone)
{
	struct dm_rq *drq = ti->private;
	struct dm_rq_io *io = info->ptr;
	bool taken;

	if (unlikely(!READ_ONCE(drq->io_offset)) && !pdu_fits(drq, rq, io))
		return DM_MAPIO_KILL;

	if (likely(!has_history(drq, io, rq)))
		io->tries = 0;
	io->drq = drq;
	io->again = false;
	taken = unlikely(drq->in_order) ? dispatch_in_order(io, rq) :
					  dispatch(io, rq, false);
	return taken ? DM_MAPIO_SUBMITTED : DM_MAPIO_REQUEUE;
}
EXPORT_SYMBOL_GPL(dm_rq_clone_and_map);

/* ---- requests in flight ---- */

struct in_flight_iter {
	unsigned int io_offset;
	dm_rq_in_flight_fn *fn;
	void *data;
};

static bool call_in_flight_fn(struct request *rq, void *data)
{
	struct in_flight_iter *iter = data;

	return iter->fn(blk_mq_rq_to_pdu(rq) + iter->io_offset, iter->data);
}

/**
 * dm_rq_in_flight_for_each() - call a function for each request in flight
 * @drq: the map's core object
 * @fn: the function; must not sleep. If it returns false, the iteration ends
 * @data: passed to @fn
 *
 * A request is in flight while a device or a worker has it, and while we ask
 * the target about it.  A parked request is not.
 *
 * Each request may complete, or change its owner, while @fn runs.  Its memory
 * stays allocated, but may contain stale data or those of an earlier request,
 * so @fn must not dereference a pointer in it.
 *
 * Context: process, may sleep; the caller holds the map.
 */
void dm_rq_in_flight_for_each(struct dm_rq *drq, dm_rq_in_flight_fn *fn,
			      void *data)
{
	struct in_flight_iter iter = { READ_ONCE(drq->io_offset), fn, data };

	if (iter.io_offset)
		blk_mq_tagset_busy_iter(dm_disk(drq->md)->queue->tag_set,
					call_in_flight_fn, &iter);
}
EXPORT_SYMBOL_GPL(dm_rq_in_flight_for_each);

/* ---- wake ---- */

/**
 * dm_rq_wake() - map all parked requests again
 * @drq: the map's core object
 *
 * Call this after a change that lets prep_map give a different answer.
 *
 * Context: any, hard irq included.
 */
void dm_rq_wake(struct dm_rq *drq)
{
	struct request_queue *q = dm_disk(drq->md)->queue;

	/* In bio mode the queue of the map has no requeue list. */
	if (!queue_is_mq(q))
		return;

	trace_dm_rq_wake(drq);
	/* After the caller's change: pairs with the acquire in dispatch(). */
	smp_mb__before_atomic();
	atomic_inc(&drq->wakes);
	/* Before the kick reads the list: pairs with the barrier in park(). */
	smp_mb__after_atomic();
	blk_mq_kick_requeue_list(q);
}
EXPORT_SYMBOL_GPL(dm_rq_wake);

/**
 * dm_rq_wake_and_wait() - map all parked requests again, and wait
 * @drq: the map's core object
 *
 * For presuspend, while the queue still runs.  When the function returns, we
 * have asked the target again about all parked requests, except those which the
 * I/O scheduler still holds back (mq-deadline with very many requests).
 *
 * Context: process, may sleep.
 */
void dm_rq_wake_and_wait(struct dm_rq *drq)
{
	struct request_queue *q = dm_disk(drq->md)->queue;

	might_sleep();
	if (!queue_is_mq(q))
		return;

	dm_rq_wake(drq);
	dm_rq_flush_requeues(q);
}
EXPORT_SYMBOL_GPL(dm_rq_wake_and_wait);

/* ---- initialization ---- */

/**
 * dm_rq_init() - initialize the core's part of a target instance
 * @drq: embedded in the target's own object, zeroed
 * @ti: the target, in its constructor
 * @ops: its methods
 *
 * Sets ti->private to @drq, ti->per_io_data_size and the type of the table.
 * Pair it with dm_rq_exit(), on errors and in the destructor.
 *
 * A map with a live bio-based table cannot get a request-based one.  dm core
 * ensures this by means of a table's devices.  But a table without devices
 * inherits the type of the live table, and then the target would receive bios,
 * which it cannot map.
 *
 * Context: process; dm core holds the map's type lock.
 * Return: 0; -EINVAL, with ti->error set, if the map is bio-based; -ENOMEM,
 * likewise.
 */
int dm_rq_init(struct dm_rq *drq, struct dm_target *ti,
	       const struct dm_rq_ops *ops)
{
	struct gendisk *disk;

	drq->ops = ops;
	drq->ti = ti;
	drq->md = dm_table_get_md(ti->table);
	disk = dm_disk(drq->md);
	if (dm_rq_disk_is_added(disk) && !queue_is_mq(disk->queue)) {
		ti->error = "the map is bio-based, and stays so until it is removed";
		return -EINVAL;
	}
	drq->bios = mempool_create_kmalloc_pool(RESERVED_BIOS,
						sizeof(struct bio));
	if (!drq->bios) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	drq->io_offset = 0;
	drq->table = atomic_inc_return(&tables);
	drq->check_limits = false;
	drq->in_order = false;
	atomic_set(&drq->wakes, 0);

	/*
	 * The target may also have a map method; we select the one for
	 * requests.
	 */
	dm_table_set_type(ti->table, DM_TYPE_REQUEST_BASED);
	ti->private = drq;
	ti->per_io_data_size = sizeof(struct dm_rq_io) + ops->io_data_size;
	return 0;
}
EXPORT_SYMBOL_GPL(dm_rq_init);

/**
 * dm_rq_exit() - free the memory of the core's part of a target instance
 * @drq: the map's core object; zeroed, or after dm_rq_init(), which may have
 *	failed
 *
 * Context: process, may sleep; no request of the table is in flight.
 */
void dm_rq_exit(struct dm_rq *drq)
{
	mempool_destroy(drq->bios);
}
EXPORT_SYMBOL_GPL(dm_rq_exit);

/**
 * dm_rq_io_hints() - the io_hints method of a target on dm-rq
 * @ti: the target
 * @limits: not changed
 *
 * Gives a new map its hardware queues.  dm-mod creates one, and then blk-mq
 * completes each request that completes inline in ksoftirqd.  For the first
 * table of a map, dm core calls io_hints after it has created the queue and
 * before it adds the disk.  Only then are there no I/O, no scheduler and no
 * sysfs files that could interfere.
 *
 * Context: process, may sleep; dm core holds the map's type lock.
 */
void dm_rq_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(ti->table));
	unsigned int queues = min(READ_ONCE(nr_hw_queues), num_online_cpus());

	might_sleep();
	if (queue_is_mq(disk->queue) && !dm_rq_disk_is_added(disk))
		dm_rq_raise_nr_hw_queues(disk, queues);
}
EXPORT_SYMBOL_GPL(dm_rq_io_hints);

static int __init dm_rq_module_init(void)
{
	int r;

	r = bioset_init(&clone_bios, CLONE_BIOS, 0, 0);
	if (r)
		return r;

	remap_wq = alloc_workqueue("dm-rq", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!remap_wq) {
		bioset_exit(&clone_bios);
		return -ENOMEM;
	}
	return 0;
}

static void __exit dm_rq_module_exit(void)
{
	destroy_workqueue(remap_wq);
	bioset_exit(&clone_bios);
}

module_init(dm_rq_module_init);
module_exit(dm_rq_module_exit);

MODULE_DESCRIPTION("Device-mapper: mapping of whole requests below the I/O scheduler");
MODULE_LICENSE("GPL");
