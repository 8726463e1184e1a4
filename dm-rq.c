// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-rq: dispatch, completion, retry, park and wake, push back.
 *
 * dm-rq.h has the contract.  The order here is from the end of a request to its
 * beginning, as each step needs those that may follow it: handing back, the
 * worker, the end of a clone, making one, dispatch; then wake and set-up.
 *
 * How it sits on dm-mod.  A target that answers clone_and_map_rq with
 * DM_MAPIO_SUBMITTED owns the request.  It gives it back in one of two ways:
 * blk_mq_complete_request(), after which dm-mod does its statistics, ends what
 * is left of the request with BLK_STS_OK and drops its reference to the map; or
 * by doing the equivalent itself, where the status must be another one or the
 * request goes back to the block layer unfinished.  dm-mod's statistics miss the
 * end of those, unless dm-mod lets us say so: see Documentation/dm-rq.rst.
 */

#include <linux/blk-crypto.h>
#include <linux/blk-integrity.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <trace/events/block.h>

#include "dm-rq.h"
#include "dm-rq-compat.h"

#define CREATE_TRACE_POINTS
#include "dm-rq-trace.h"

#define DM_MSG_PREFIX "rq"

/* Bits of dm_rq_io.flags, valid from one mapping to the next. */
#define IO_LENT		BIT(0)	/* the clone's only bio is the first of the request */
#define IO_PART		BIT(1)	/* the clone covers only the first bio, or part of it */
#define IO_NO_DATA	BIT(2)	/* a flush: no bio carries the status */
#define IO_HELD		BIT(3)	/* what is left waits for end_io's decision */
#define IO_FINAL	BIT(4)	/* ... which can only be to end it */
#define IO_SHORT	BIT(5)	/* the device has said that it is too large */

/* Clones of bios that are not lent; 64 is enough to start with. */
#define CLONE_BIOS	64

static unsigned int nr_hw_queues = 2;
module_param(nr_hw_queues, uint, 0644);
MODULE_PARM_DESC(nr_hw_queues,
		 "Hardware queues of a new map, at most one per CPU (default 2; each costs memory for 2,048 requests)");

static struct bio_set clone_bios;
static struct workqueue_struct *again_wq;

static bool dispatch_again(struct dm_rq_io *io);
static bool send(struct dm_rq_io *io, struct block_device *bdev, bool may_sleep);

/* ---- handing a request back to the block layer ---- */

/*
 * The request ends, and what is left of it ends with @status.
 *
 * dm-mod ends a request with BLK_STS_OK.  That is no lie where the bios carry the
 * status and have got it before.  But a request with an end_io of its own (each
 * step of a flush sequence) is judged by the argument of that: it is ended here.
 */
static void finish(struct dm_rq_io *io, blk_status_t status)
{
	struct mapped_device *md = io->drq->md;
	struct request *rq = dm_rq_request(io);

	if (rq->end_io) {
		dm_rq_end_stats(md, rq, true);
		blk_mq_end_request(rq, status);
		dm_put(md);
		return;
	}

	blk_update_request(rq, status, blk_rq_bytes(rq));
	blk_mq_complete_request(rq);
}

/*
 * The request waits in the requeue list of the map's queue, unstarted, until
 * somebody kicks that.  @wakes is what drq->wakes was before the target decided:
 * a wake since then may have kicked the list before the request was in it.
 *
 * The RCU read section keeps @drq: the request is in flight when the section
 * begins, and dm core destroys a table only after a grace period that begins when
 * nothing is.
 */
static void park(struct dm_rq_io *io, int wakes)
{
	struct dm_rq *drq = io->drq;
	struct mapped_device *md = drq->md;
	struct request_queue *q = dm_rq_request(io)->q;

	trace_dm_rq_park(drq, dm_rq_request(io));
	dm_rq_end_stats(md, dm_rq_request(io), false);
	rcu_read_lock();
	blk_mq_requeue_request(dm_rq_request(io), false);
	/* @io may be in use again from here on. */

	/* Pairs with the barrier in dm_rq_wake(): one of us sees the other. */
	smp_mb();
	if (atomic_read(&drq->wakes) != wakes)
		blk_mq_kick_requeue_list(q);
	rcu_read_unlock();

	dm_put(md);
}

/*
 * As park(), and the alarm clock is set; one that is set for earlier stays so. If
 * that is just going off, it may miss the request, but then it is not pending.
 */
static void park_for_a_while(struct dm_rq_io *io)
{
	struct mapped_device *md = io->drq->md;
	struct request_queue *q = dm_rq_request(io)->q;

	dm_rq_end_stats(md, dm_rq_request(io), false);
	blk_mq_requeue_request(dm_rq_request(io), false);
	if (!delayed_work_pending(&q->requeue_work))
		blk_mq_delay_kick_requeue_list(q, DM_RQ_LATER_MS);
	dm_put(md);
}

/* ---- to the worker ---- */

static void worker(struct work_struct *work)
{
	struct dm_rq_io *io = container_of(work, struct dm_rq_io, work);
	struct block_device *bdev = io->bdev;
	bool taken = bdev ? send(io, bdev, true) : dispatch_again(io);

	/* A busy device: the block layer waits for it, and starts afresh. */
	if (!taken)
		park_for_a_while(io);
}

/*
 * Any context.  @io is in flight, so the map stays, and the work item with it.
 * @bdev: where to, or NULL to ask the target.
 */
static void leave_to_worker(struct dm_rq_io *io, struct block_device *bdev)
{
	INIT_WORK(&io->work, worker);
	io->bdev = bdev;
	queue_work(again_wq, &io->work);
}

static void map_again(struct dm_rq_io *io)
{
	leave_to_worker(io, NULL);
}

/* ---- lending a bio ---- */

/* A scheduler of @q that cares for cgroups (bfq) would take the map's for its own. */
static bool minds_cgroups(struct request_queue *q)
{
#ifdef CONFIG_BLK_CGROUP
	return q->elevator && !bitmap_empty(q->blkcg_pols, BLKCG_MAX_POLS);
#else
	return false;
#endif
}

/*
 * A request with one bio gives that to its clone, and takes it back when the clone
 * has ended: there is nothing to allocate, nor to set up.  Its owner does not look
 * at a bio that is under way.  What the lower queue changes in it is recorded and
 * restored; and it does not end there, as one end more than the lower queue's is
 * said to be outstanding.
 *
 * Not so with a bio that others are chained to: they may end, and write their error
 * into it, at any time.  Nor with a range of a discard, which may have several: when
 * the first has ended, only the bio knows where the next one begins.
 */
static bool may_be_lent(struct request_queue *q, struct bio *bio)
{
	return !bio_flagged(bio, BIO_CHAIN) && !bio->bi_status &&
	       bio_op(bio) != REQ_OP_DISCARD && !minds_cgroups(q);
}

static void lend_bio(struct dm_rq_io *io, struct bio *bio,
		     struct block_device *bdev)
{
	struct dm_rq_lent *lent = &io->lent;

	lent->bdev = bio->bi_bdev;
	lent->next = bio->bi_next;
	lent->size = bio->bi_iter.bi_size;
	lent->idx = bio->bi_iter.bi_idx;
	lent->bvec_done = bio->bi_iter.bi_bvec_done;
	lent->flags = bio->bi_flags;

	bio->bi_bdev = bdev;
	bio->bi_next = NULL;
	bio_set_flag(bio, BIO_CHAIN);
	atomic_set(&bio->__bi_remaining, 2);
	io->flags |= IO_LENT;
}

/* Any context.  Result: what the lower queue says of it. */
static blk_status_t take_back_bio(struct dm_rq_io *io, struct request *rq)
{
	struct dm_rq_lent *lent = &io->lent;
	struct bio *bio = rq->bio;

	bio->bi_bdev = lent->bdev;
	bio->bi_next = lent->next;
	bio->bi_iter.bi_sector = blk_rq_pos(rq);
	bio->bi_iter.bi_size = lent->size;
	bio->bi_iter.bi_idx = lent->idx;
	bio->bi_iter.bi_bvec_done = lent->bvec_done;
	bio->bi_flags = lent->flags;
	atomic_set(&bio->__bi_remaining, 1);
	return bio->bi_status;
}

/* ---- the clone has ended ---- */

/**
 * dm_rq_lower_limits() - learn from a device that it cannot do something after all
 * @map: the map's queue
 * @device: the device's, which has drawn the consequence for its own limits
 * @op: what it was asked
 * @status: its answer; only "not supported" and "failed for good" say something
 *
 * From now on the map has the same limit, so that whoever sees the error finds a reason
 * to do without (blkdev_issue_zeroout(), BLKDISCARD).  For a map that gets bios, too:
 * dm core of 6.12 lowers a limit for discard that nobody looks at.
 *
 * Context: any, hard irq included.
 */
void dm_rq_lower_limits(struct request_queue *map, struct request_queue *device,
			enum req_op op, blk_status_t status)
{
	if (status != BLK_STS_TARGET && status != BLK_STS_NOTSUPP)
		return;

	if (op == REQ_OP_DISCARD && !device->limits.max_discard_sectors)
		WRITE_ONCE(map->limits.max_discard_sectors, 0);
	if (op == REQ_OP_WRITE_ZEROES &&
	    !device->limits.max_write_zeroes_sectors)
		WRITE_ONCE(map->limits.max_write_zeroes_sectors, 0);
}
EXPORT_SYMBOL_GPL(dm_rq_lower_limits);

/*
 * One bio of the clone on @q, of @bytes, failed.  Either the bios above end up to
 * and including this one, each with its status, or all from here on is held.
 */
static void note_error(struct dm_rq_io *io, struct request_queue *q,
		       blk_status_t status, unsigned int bytes)
{
	struct dm_rq *drq = io->drq;
	struct request *rq = dm_rq_request(io);
	bool hold;

	if (!io->status)
		io->status = status;
	dm_rq_lower_limits(rq->q, q, req_op(rq), status);

	hold = drq->ops->end_io_first(drq, io, status, bytes) == DM_RQ_HOLD;
	if (hold || rq->end_io) {
		io->flags |= hold ? IO_HELD : IO_HELD | IO_FINAL;
		io->status = status;
		return;
	}

	if (io->done)
		blk_update_request(rq, BLK_STS_OK, io->done);
	io->done = 0;
	blk_update_request(rq, status, bytes);
}

/*
 * End of a bio that is a clone.  Several end in the order of the list, so io->src
 * keeps step.  Context: lower driver's completion, hard irq possible.
 */
static void end_clone_bio(struct bio *bio)
{
	struct dm_rq_io *io = bio->bi_private;
	struct request_queue *q = bdev_get_queue(bio->bi_bdev);
	blk_status_t status = bio->bi_status;
	unsigned int bytes;

	bio_put(bio);

	if (io->flags & IO_HELD)
		return;

	if (io->flags & IO_PART) {
		bytes = io->bytes;
	} else {
		bytes = io->src->bi_iter.bi_size;
		io->src = io->src->bi_next;
	}
	if (likely(!status))
		io->done += bytes;
	else
		note_error(io, q, status, bytes);
}

/*
 * All is known of the clone: the target ends its accounting, the clone goes, and
 * what becomes of the request is done.
 */
static void resolve(struct dm_rq_io *io, struct request *clone)
{
	struct dm_rq *drq = io->drq;
	struct request *rq = dm_rq_request(io);
	enum dm_rq_end how;

	trace_dm_rq_end(drq, rq, io->status);
	how = drq->ops->end_io(drq, io, clone, io->status);
	blk_mq_free_request(clone);

	if (io->done)
		blk_update_request(rq, BLK_STS_OK, io->done);

	if (!(io->flags & IO_HELD)) {
		if ((io->flags & IO_PART) && rq->bio)
			map_again(io);
		else
			blk_mq_complete_request(rq);
		return;
	}

	if (io->flags & IO_FINAL)
		how = DM_RQ_DONE;
	switch (how) {
	case DM_RQ_AGAIN:
		if (io->tries < U8_MAX)
			io->tries++;
		map_again(io);
		break;
	case DM_RQ_AGAIN_LATER:
		park_for_a_while(io);
		break;
	case DM_RQ_DONE:
		finish(io, io->status);
		break;
	}
}

/* Something failed, or only a part was mapped, or there is no data. */
static void end_clone_slow(struct dm_rq_io *io, struct request *clone,
			   blk_status_t status)
{
	struct dm_rq *drq = io->drq;
	struct bio *bio = dm_rq_request(io)->bio;
	unsigned int bytes = 0;

	if (io->flags & IO_LENT) {
		/* The bio knows better: only a part of it may have failed. */
		status = bio->bi_status;
		bio->bi_status = BLK_STS_OK;
		bytes = io->flags & IO_PART ? io->bytes : bio->bi_iter.bi_size;
		if (!status)
			io->done = bytes;
	} else if (!(io->flags & IO_NO_DATA)) {
		/* end_clone_bio() has seen to it. */
		status = BLK_STS_OK;
	} else if (!status && drq->ops->flush_status) {
		status = drq->ops->flush_status(drq, io, clone);
	}
	if (status)
		note_error(io, clone->q, status, bytes);
	resolve(io, clone);
}

/*
 * The end of a clone.  Context: lower driver's completion, hard irq possible;
 * also inside blk_insert_cloned_request(), below our own queue_rq.
 *
 * The common case leaves the ending of the bios to dm-mod: it does that where
 * the request was submitted, and in one go.
 */
static enum rq_end_io_ret end_clone(struct request *clone, blk_status_t status)
{
	struct dm_rq_io *io = clone->end_io_data;
	struct dm_rq *drq = io->drq;
	struct request *rq = dm_rq_request(io);
	blk_status_t lent_status = BLK_STS_OK;
	u8 flags = io->flags;

	if (likely(flags & IO_LENT))
		lent_status = take_back_bio(io, rq);

	if (unlikely(status || io->status || lent_status ||
		     (flags & (IO_PART | IO_HELD | IO_NO_DATA)))) {
		end_clone_slow(io, clone, status);
		return RQ_END_IO_NONE;
	}

	trace_dm_rq_end(drq, rq, BLK_STS_OK);
	drq->ops->end_io(drq, io, clone, BLK_STS_OK);
	blk_mq_free_request(clone);
	blk_mq_complete_request(rq);
	return RQ_END_IO_NONE;
}

/* ---- making a clone ---- */

static int clone_bio_ctr(struct bio *bio, struct bio *src, void *data)
{
	bio->bi_end_io = end_clone_bio;
	bio->bi_private = data;
	return 0;
}

/* All bios of a request, from the bio_set.  False: no memory. */
static bool clone_all_bios(struct dm_rq_io *io, struct request *clone)
{
	io->src = dm_rq_request(io)->bio;
	return !blk_rq_prep_clone(clone, dm_rq_request(io), &clone_bios,
				  GFP_NOWAIT | __GFP_NOWARN, clone_bio_ctr, io);
}

/* A clone of the first bio of a request, from the bio_set.  NULL: no memory. */
static struct bio *clone_bio(struct dm_rq_io *io, struct block_device *bdev)
{
	struct bio *bio = bio_alloc_clone(bdev, dm_rq_request(io)->bio,
					  GFP_NOWAIT | __GFP_NOWARN,
					  &clone_bios);

	if (bio)
		clone_bio_ctr(bio, dm_rq_request(io)->bio, io);
	return bio;
}

/*
 * The first bio of @rq, which is @io's.  False: it has to be cloned, and there is no
 * memory.
 */
static __always_inline bool clone_first_bio(struct dm_rq_io *io,
					    struct request *rq,
					    struct request *clone,
					    struct block_device *bdev)
{
	struct bio *bio = rq->bio;
	sector_t sector = bio->bi_iter.bi_sector;
	unsigned int bytes = bio->bi_iter.bi_size;

	if (likely(may_be_lent(clone->q, bio))) {
		lend_bio(io, bio, bdev);
	} else {
		io->src = bio;
		bio = clone_bio(io, bdev);
		if (unlikely(!bio))
			return false;
	}

	clone->bio = bio;
	clone->biotail = bio;
	clone->__sector = sector;
	clone->__data_len = bytes;
	dm_rq_copy_ioprio(clone, rq);
	return true;
}

/* An encryption context and integrity data are cloned by those who know how. */
static bool needs_general_clone(struct bio *bio)
{
	return bio_has_crypt_ctx(bio) || bio_integrity(bio);
}

/*
 * All but the common case.  Where there is memory for one bio only, that much is mapped
 * and the rest follows when it has ended: so there is always a way forward.
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

	if (clone_all_bios(io, clone))
		return true;
	if (needs_general_clone(bio) || !clone_first_bio(io, rq, clone, bdev))
		return false;
	io->flags |= IO_PART;
	io->bytes = clone->__data_len;
	return true;
}

/*
 * Give @clone the bios and the place of @rq.  False: not now, the memory for it is
 * missing.
 */
static bool prep_clone(struct dm_rq_io *io, struct request *rq,
		       struct request *clone, struct block_device *bdev)
{
	struct bio *bio = rq->bio;

	if (likely(bio && !bio->bi_next && !needs_general_clone(bio)))
		return clone_first_bio(io, rq, clone, bdev);
	return prep_other_clone(io, rq, clone, bdev);
}

/*
 * The most that any request of this kind may have on @q, in sectors.  A sector may be
 * a segment of its own.
 */
static unsigned int part_sectors(struct request_queue *q, struct request *rq)
{
	unsigned int block = queue_logical_block_size(q) >> SECTOR_SHIFT;
	unsigned int sectors;

	switch (req_op(rq)) {
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
		sectors = READ_ONCE(q->limits.max_discard_sectors);
		break;
	case REQ_OP_WRITE_ZEROES:
		sectors = READ_ONCE(q->limits.max_write_zeroes_sectors);
		break;
	default:
		sectors = min_t(unsigned int, queue_max_sectors(q),
				queue_max_segments(q));
	}
	return rounddown(sectors, block);
}

/* As much of the first bio as @q takes for sure. */
static noinline bool clone_part(struct dm_rq_io *io, struct request *clone,
				struct block_device *bdev)
{
	struct request *rq = dm_rq_request(io);
	unsigned int max = part_sectors(clone->q, rq);

	if (!clone_first_bio(io, rq, clone, bdev))
		return false;
	if (clone->__data_len >> SECTOR_SHIFT > max) {
		clone->bio->bi_iter.bi_size = max << SECTOR_SHIFT;
		clone->__data_len = max << SECTOR_SHIFT;
	}
	io->flags |= IO_PART;
	io->bytes = clone->__data_len;
	return true;
}

/*
 * The limits of a map are those of its devices when its table was loaded.  A device
 * with smaller ones since then (max_sectors_kb is for everybody to write) gets what is
 * too large for it in parts.
 */
static bool is_over_limits(struct request_queue *q, struct request *rq)
{
	unsigned int sectors = blk_rq_sectors(rq);

	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return sectors > queue_max_sectors(q) ||
		       rq->nr_phys_segments > queue_max_segments(q);
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		return sectors > part_sectors(q, rq);
	default:
		return false;
	}
}

/* Not what has to be cloned as a whole, nor for a device that takes none of it. */
static bool can_be_parted(struct request_queue *q, struct request *rq)
{
	return rq->bio && !needs_general_clone(rq->bio) && part_sectors(q, rq);
}

static bool needs_parting(struct dm_rq_io *io, struct request_queue *q)
{
	return can_be_parted(q, dm_rq_request(io)) &&
	       ((io->flags & IO_SHORT) || is_over_limits(q, dm_rq_request(io)));
}

/* Undo prep_clone() for a clone that no device has seen. */
static void unprep_clone(struct dm_rq_io *io, struct request *clone)
{
	if (io->flags & IO_LENT)
		take_back_bio(io, dm_rq_request(io));
	else
		blk_rq_unprep_clone(clone);
}

/* ---- dispatch ---- */

/* No request to be had from @q.  True: dealt with; false: busy. */
static bool no_clone(struct dm_rq_io *io, struct request_queue *q)
{
	struct dm_rq *drq = io->drq;

	if (!blk_queue_dying(q))
		return false;

	if (drq->ops->end_io_first(drq, io, BLK_STS_TRANSPORT, 0) == DM_RQ_HOLD)
		map_again(io);
	else
		finish(io, BLK_STS_TRANSPORT);
	return true;
}

/* @clone goes without having been anywhere. */
static void drop_clone(struct dm_rq_io *io, struct request *clone,
		       blk_status_t status)
{
	struct dm_rq *drq = io->drq;

	blk_mq_cleanup_rq(clone);
	trace_dm_rq_end(drq, dm_rq_request(io), status);
	drq->ops->end_io(drq, io, clone, status);
	blk_mq_free_request(clone);
}

/* The lower queue did not take @clone.  True: dealt with; false: busy. */
static bool not_inserted(struct dm_rq_io *io, struct request *clone,
			 struct block_device *bdev, blk_status_t status)
{
	struct request_queue *q = clone->q;
	bool too_large = status == BLK_STS_IOERR && !(io->flags & IO_SHORT) &&
			 is_over_limits(q, clone) && can_be_parted(q, dm_rq_request(io));

	unprep_clone(io, clone);
	if (status == BLK_STS_RESOURCE || status == BLK_STS_DEV_RESOURCE) {
		drop_clone(io, clone, status);
		return false;
	}
	if (too_large) {
		drop_clone(io, clone, BLK_STS_RESOURCE);
		io->flags = IO_SHORT;
		WRITE_ONCE(io->drq->check_limits, true);
		leave_to_worker(io, bdev);
		return true;
	}

	/* All of it failed, before any of it began. */
	note_error(io, clone->q, status, blk_rq_bytes(clone));
	resolve(io, clone);
	return true;
}

/*
 * Clone the request onto @bdev's queue.  Result and context as of dispatch().
 */
static bool send(struct dm_rq_io *io, struct block_device *bdev, bool may_sleep)
{
	struct request_queue *q = bdev_get_queue(bdev);
	struct dm_rq *drq = io->drq;
	struct request *rq = dm_rq_request(io);
	struct request *clone;
	blk_status_t status;
	bool ready;

	clone = blk_mq_alloc_request(q, rq->cmd_flags | REQ_NOMERGE,
				     BLK_MQ_REQ_NOWAIT);
	if (IS_ERR(clone))
		return no_clone(io, q);

	/* Only now does the queue hold still to be looked at. */
	if (unlikely(clone->mq_hctx->flags & BLK_MQ_F_BLOCKING) && !may_sleep) {
		blk_mq_free_request(clone);
		leave_to_worker(io, bdev);
		return true;
	}

	io->done = 0;
	io->status = BLK_STS_OK;
	if (unlikely(READ_ONCE(drq->check_limits)) && needs_parting(io, q))
		ready = clone_part(io, clone, bdev);
	else
		ready = prep_clone(io, rq, clone, bdev);
	if (unlikely(!ready)) {
		blk_mq_free_request(clone);
		return false;
	}
	clone->end_io = end_clone;
	clone->end_io_data = io;
	drq->ops->map(drq, io, clone);
	trace_dm_rq_map(drq, rq);

	if (trace_block_rq_remap_enabled())
		trace_block_rq_remap(clone, disk_devt(dm_disk(drq->md)),
				     blk_rq_pos(rq));

	/* Once it is taken, all of @io, @clone and @rq may be gone. */
	status = blk_insert_cloned_request(clone);
	return likely(!status) || not_inserted(io, clone, bdev, status);
}

/* The device that the target named is full.  Does it know another one? */
static bool knows_another(struct dm_rq_io *io)
{
	const struct dm_rq_ops *ops = io->drq->ops;

	return ops->no_room && ops->no_room(io->drq, io);
}

/*
 * Ask the target, and act on it.  True: somebody else has the request now, do
 * not look at it again.  False: busy, the caller keeps it.
 *
 * Context: queue_rq (@may_sleep is false), or the worker.
 */
static __always_inline bool dispatch(struct dm_rq_io *io, bool may_sleep)
{
	struct dm_rq *drq = io->drq;
	int wakes = atomic_read_acquire(&drq->wakes);
	unsigned int left = DM_RQ_MAX_REFUSALS;

	do {
		io->flags = 0;
		switch (drq->ops->prep_map(drq, io, &io->bdev)) {
		case DM_RQ_MAPPED:
			if (likely(send(io, io->bdev, may_sleep)))
				return true;
			break;
		case DM_RQ_BUSY:
			return false;
		case DM_RQ_PARK:
			park(io, wakes);
			return true;
		case DM_RQ_KILL:
			finish(io, BLK_STS_IOERR);
			return true;
		}
	} while (left-- && knows_another(io));
	return false;
}

static noinline bool dispatch_again(struct dm_rq_io *io)
{
	return dispatch(io, true);
}

/*
 * The memory behind a request is made with the first table of a map.  A map that
 * began with another target, and was wiped with "error" since, has too little.
 */
static bool area_fits(struct dm_rq *drq, struct request *rq, void *io)
{
	size_t start = io - blk_mq_rq_to_pdu(rq);

	if (io && start + drq->ti->per_io_data_size <=
	    rq->q->tag_set->cmd_size) {
		WRITE_ONCE(drq->io_offset, start);
		return true;
	}

	DMERR_LIMIT("%s: made by another target, with too little memory per request",
		    dm_device_name(drq->md));
	return false;
}

/*
 * With in_order.  A request that comes while others wait is refused: the block layer,
 * which offers a new one to us in front of those, then puts it behind them and runs
 * the queue.  So none is overtaken for longer than such a run takes.
 */
static noinline bool dispatch_in_order(struct dm_rq_io *io, struct request *rq)
{
	if (io->waited || list_empty_careful(&rq->mq_hctx->dispatch)) {
		/* Before it is sent: then @io may be in use again. */
		io->waited = false;
		if (dispatch(io, false))
			return true;
	}
	io->waited = true;
	return false;
}

/**
 * dm_rq_clone_and_map() - the clone_and_map_rq method of a target on dm-rq
 * @ti: the target, after dm_rq_init()
 * @rq: the request
 * @info: its memory
 * @clone: not used, dm-rq makes its own
 *
 * A target sets this as its clone_and_map_rq and leaves release_clone_rq and
 * rq_end_io empty.
 *
 * Context: the map's queue_rq: under RCU, must not sleep.
 * Return: DM_MAPIO_SUBMITTED, DM_MAPIO_REQUEUE (a busy device: the scheduler goes
 * on merging) or DM_MAPIO_KILL.
 */
int dm_rq_clone_and_map(struct dm_target *ti, struct request *rq,
			union map_info *info, struct request **clone)
{
	struct dm_rq *drq = ti->private;
	struct dm_rq_io *io = info->ptr;
	bool taken;

	if (unlikely(!READ_ONCE(drq->io_offset)) && !area_fits(drq, rq, io))
		return DM_MAPIO_KILL;

	io->drq = drq;
	io->tries = 0;
	taken = unlikely(drq->in_order) ? dispatch_in_order(io, rq) :
					  dispatch(io, false);
	return taken ? DM_MAPIO_SUBMITTED : DM_MAPIO_REQUEUE;
}
EXPORT_SYMBOL_GPL(dm_rq_clone_and_map);

/* ---- what is in flight ---- */

struct in_flight_walk {
	unsigned int io_offset;
	dm_rq_visit_fn *fn;
	void *data;
};

static bool visit(struct request *rq, void *data)
{
	struct in_flight_walk *walk = data;

	return walk->fn(blk_mq_rq_to_pdu(rq) + walk->io_offset, walk->data);
}

/**
 * dm_rq_visit_in_flight() - look at the map's requests that are in flight
 * @drq: the map's core object
 * @fn: called for each, must not sleep; false ends the walk
 * @data: for @fn
 *
 * Those with a device, with a worker, and those that the target is just being asked
 * about; not those that are parked.  Each may end, or go elsewhere, while @fn looks at it:
 * its memory stays, but what is written there may be old, or of an earlier request, and
 * no pointer in it may be followed.
 *
 * Context: process, may sleep; the map stays.
 */
void dm_rq_visit_in_flight(struct dm_rq *drq, dm_rq_visit_fn *fn, void *data)
{
	struct in_flight_walk walk = { READ_ONCE(drq->io_offset), fn, data };

	if (walk.io_offset)
		blk_mq_tagset_busy_iter(dm_disk(drq->md)->queue->tag_set, visit,
					&walk);
}
EXPORT_SYMBOL_GPL(dm_rq_visit_in_flight);

/* ---- wake ---- */

/**
 * dm_rq_wake() - ask again about all parked requests
 * @drq: the map's core object
 *
 * To be called after the change that makes prep_map answer differently.
 *
 * Context: any, hard irq included.
 */
void dm_rq_wake(struct dm_rq *drq)
{
	struct request_queue *q = dm_disk(drq->md)->queue;

	/* A map in bio mode has no requeue list. */
	if (!queue_is_mq(q))
		return;

	trace_dm_rq_wake(drq);
	/* After the caller's change: pairs with the acquire in dispatch(). */
	smp_mb__before_atomic();
	atomic_inc(&drq->wakes);
	/* Before the kick looks at the list: pairs with the barrier in park(). */
	smp_mb__after_atomic();
	blk_mq_kick_requeue_list(q);
}
EXPORT_SYMBOL_GPL(dm_rq_wake);

/**
 * dm_rq_wake_and_wait() - dm_rq_wake(), and they have been asked about
 * @drq: the map's core object
 *
 * For presuspend, while the queue still runs: when it returns, the target has been
 * asked again about the requests that were parked, but for those that the block
 * layer has put off once more (mq-deadline with very many of them).  The requeue
 * work puts them into the hardware queues, and runs only that of its own CPU.
 *
 * Context: process, may sleep.
 */
void dm_rq_wake_and_wait(struct dm_rq *drq)
{
	struct request_queue *q = dm_disk(drq->md)->queue;
	struct blk_mq_hw_ctx *hctx;
	unsigned long i;

	might_sleep();
	if (!queue_is_mq(q))
		return;

	dm_rq_wake(drq);
	flush_delayed_work(&q->requeue_work);
	queue_for_each_hw_ctx(q, hctx, i)
		flush_delayed_work(&hctx->run_work);
}
EXPORT_SYMBOL_GPL(dm_rq_wake_and_wait);

/* ---- set-up ---- */

/**
 * dm_rq_init() - make a target instance one of dm-rq's
 * @drq: embedded in the target's own object
 * @ti: the target, in its constructor
 * @ops: its methods
 *
 * Sets ti->private to @drq, ti->per_io_data_size and the table's type.  There is
 * nothing to undo.
 *
 * A map that runs with a bio-based table cannot have a request-based one.  dm core
 * sees to that by way of a table's devices; a table without any inherits the type
 * of the live one, and bios would come to a target that has no way to map them.
 *
 * Context: process; dm core holds the map's type lock.
 * Return: 0; -EINVAL, with ti->error set, if the map is bio-based.
 */
int dm_rq_init(struct dm_rq *drq, struct dm_target *ti,
	       const struct dm_rq_ops *ops)
{
	struct gendisk *disk;

	drq->ops = ops;
	drq->ti = ti;
	drq->md = dm_table_get_md(ti->table);
	disk = dm_disk(drq->md);
	if (test_bit(GD_ADDED, &disk->state) && !queue_is_mq(disk->queue)) {
		ti->error = "the map is bio-based, and stays so until it is removed";
		return -EINVAL;
	}
	drq->io_offset = 0;
	drq->check_limits = false;
	drq->in_order = false;
	atomic_set(&drq->wakes, 0);

	/* The target may have another way, for bios; this one is for requests. */
	dm_table_set_type(ti->table, DM_TYPE_REQUEST_BASED);
	ti->private = drq;
	ti->per_io_data_size = sizeof(struct dm_rq_io) + ops->io_data_size;
	return 0;
}
EXPORT_SYMBOL_GPL(dm_rq_init);

/**
 * dm_rq_io_hints() - the io_hints method of a target on dm-rq
 * @ti: the target
 * @limits: left as they are
 *
 * Gives a new map its hardware queues.  dm-mod makes one, and blk-mq then ends
 * each request that completes inline through ksoftirqd.  dm core calls io_hints
 * for the first table of a map after it made the queue and before it adds the
 * disk: the one moment at which no I/O, no scheduler and no sysfs can meet the
 * change.
 *
 * Context: process, may sleep; dm core holds the map's type lock.
 */
void dm_rq_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(ti->table));
	unsigned int queues = min(READ_ONCE(nr_hw_queues), num_online_cpus());
	struct blk_mq_tag_set *set;

	might_sleep();
	if (!queue_is_mq(disk->queue) || test_bit(GD_ADDED, &disk->state))
		return;

	set = disk->queue->tag_set;
	if (queues > set->nr_hw_queues)
		blk_mq_update_nr_hw_queues(set, queues);
}
EXPORT_SYMBOL_GPL(dm_rq_io_hints);

static int __init dm_rq_module_init(void)
{
	int r;

	r = bioset_init(&clone_bios, CLONE_BIOS, 0, 0);
	if (r)
		return r;

	again_wq = alloc_workqueue("dm-rq", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!again_wq) {
		bioset_exit(&clone_bios);
		return -ENOMEM;
	}
	return 0;
}

static void __exit dm_rq_module_exit(void)
{
	destroy_workqueue(again_wq);
	bioset_exit(&clone_bios);
}

module_init(dm_rq_module_init);
module_exit(dm_rq_module_exit);

MODULE_DESCRIPTION("Device-mapper: mapping of whole requests below the I/O scheduler");
MODULE_LICENSE("GPL");
