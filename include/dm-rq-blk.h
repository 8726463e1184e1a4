/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every place where we depend on internals of the block layer or of SCSI.
 *
 * The functions here read or write fields that the block layer considers its
 * own, because it exports no function for the purpose.  Each comment gives the
 * reason and the export ("Upstream:") that would replace the function.  When a
 * kernel changes the block layer, review this file first.
 */
#ifndef DM_RQ_BLK_H
#define DM_RQ_BLK_H

#include <linux/bio.h>
#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>

#include "dm-rq.h"
#include "dm-rq-compat.h"

/* ---- bios ---- */

/**
 * dm_rq_bio_record() - record a bio before a clone uses it
 * @details: the record
 * @bio: the first bio of a request, not submitted to the lower queue yet
 *
 * The lower queue advances bi_iter, and we change the device and the list.  The
 * start sector is not recorded because it is also that of the request.
 *
 * Upstream: dm_bio_record() of drivers/md/dm-bio-record.h.  Its record is twice
 * as large, and each request of a map would carry it.
 *
 * Context: any.
 */
static inline void dm_rq_bio_record(struct dm_rq_bio_details *details,
				    const struct bio *bio)
{
	details->bdev = bio->bi_bdev;
	details->next = bio->bi_next;
	details->size = bio->bi_iter.bi_size;
	details->idx = bio->bi_iter.bi_idx;
	details->offset = bio->bi_iter.bi_offset;
	details->flags = bio->bi_flags;
}

/**
 * dm_rq_bio_defer_end() - prevent the next bio_endio() from completing a bio
 * @bio: a recorded bio
 *
 * blk_update_request() of the lower queue calls bio_endio() for each bio, but
 * only the upper request may complete this one.  Therefore we raise
 * __bi_remaining as bio_chain() does, so that the lower bio_endio() only
 * decrements it.
 *
 * Upstream: bio_inc_remaining().  We own the bio here and avoid its locked
 * instruction and its barrier.
 *
 * Context: any; no other context accesses @bio.
 */
static inline void dm_rq_bio_defer_end(struct bio *bio)
{
	bio_set_flag(bio, BIO_CHAIN);
	atomic_set(&bio->__bi_remaining, 2);
}

/**
 * dm_rq_bio_reset_remaining() - let the next bio_endio() complete a bio again
 * @bio: a bio, not in a lower queue
 *
 * A lower bio_endio(), or a split in a lower queue, has decremented the
 * counter.
 *
 * Upstream: bio_reset() would need a variant that keeps the data.
 *
 * Context: any.
 */
static inline void dm_rq_bio_reset_remaining(struct bio *bio)
{
	atomic_set(&bio->__bi_remaining, 1);
}

/**
 * dm_rq_bio_restore() - restore a bio after the clone has completed
 * @details: from dm_rq_bio_record()
 * @bio: the recorded bio
 * @sector: start of its request
 *
 * bi_status is kept: the caller reads it.
 *
 * Upstream: dm_bio_restore(), see dm_rq_bio_record().
 *
 * Context: any.
 */
static inline void dm_rq_bio_restore(const struct dm_rq_bio_details *details,
				     struct bio *bio, sector_t sector)
{
	bio->bi_bdev = details->bdev;
	bio->bi_next = details->next;
	bio->bi_iter.bi_sector = sector;
	bio->bi_iter.bi_size = details->size;
	bio->bi_iter.bi_idx = details->idx;
	bio->bi_iter.bi_offset = details->offset;
	bio->bi_flags = details->flags;
	dm_rq_bio_reset_remaining(bio);
}

/**
 * dm_rq_save_integrity() - record the position in the integrity data of a bio
 * @bio: the bio
 * @iter: the record; not written if @bio has no integrity data
 *
 * Without CONFIG_BLK_DEV_INTEGRITY no bio has such data, and the structure need not
 * be declared.
 *
 * Upstream: dm_bio_record() would have to record the position, too.
 *
 * Context: any.
 */
static inline void dm_rq_save_integrity(struct bio *bio, struct bvec_iter *iter)
{
#ifdef CONFIG_BLK_DEV_INTEGRITY
	if (unlikely(bio_integrity(bio)))
		*iter = bio_integrity(bio)->bip_iter;
#endif
}

/**
 * dm_rq_restore_integrity() - undo what lower queues did to the integrity data
 * @bio: the bio
 * @iter: from dm_rq_save_integrity()
 *
 * Context: any.
 */
static inline void dm_rq_restore_integrity(struct bio *bio,
					   struct bvec_iter *iter)
{
#ifdef CONFIG_BLK_DEV_INTEGRITY
	if (bio_integrity(bio))
		bio_integrity(bio)->bip_iter = *iter;
#endif
}

/* ---- requests ---- */

/**
 * dm_rq_has_end_io() - does a request have a completion callback?
 * @rq: a request of the map
 *
 * Each step of a flush sequence has a callback.  It acts on the status in its
 * argument, not on that of the bios.  We must not replace the callback, because
 * blk_mq_put_rq_ref() compares the pointer to detect flush requests.
 *
 * Upstream: a status argument for blk_mq_complete_request().
 *
 * Context: any.
 */
static inline bool dm_rq_has_end_io(const struct request *rq)
{
	return rq->end_io;
}

/**
 * dm_rq_pdu_size() - size of the driver's data behind each request of a queue
 * @q: a blk-mq queue
 *
 * dm-mod allocates this memory with the first table of a map.
 *
 * Upstream: dm-mod would check the size when a table is loaded.
 *
 * Context: any.
 */
static inline unsigned int dm_rq_pdu_size(const struct request_queue *q)
{
	return q->tag_set->cmd_size;
}

/**
 * dm_rq_clone_set_bio() - give a clone one bio
 * @clone: a request without bios, from blk_mq_alloc_request()
 * @rq: the cloned request
 * @bio: its bio
 * @sector: start of the data
 * @bytes: size of the data
 *
 * Sets the same fields as blk_rq_prep_clone(), which would allocate the bios.
 *
 * Upstream: a variant of blk_rq_prep_clone() that takes a bio from its caller.
 *
 * Context: any.
 */
static inline void dm_rq_clone_set_bio(struct request *clone, struct request *rq,
				       struct bio *bio, sector_t sector,
				       unsigned int bytes)
{
	clone->bio = bio;
	clone->biotail = bio;
	clone->__sector = sector;
	clone->__data_len = bytes;
	dm_rq_copy_ioprio(clone, rq);
	dm_rq_copy_gap_bit(clone, rq);
}

/**
 * dm_rq_clone_truncate() - cut a clone with one bio to a maximum size
 * @clone: from dm_rq_clone_set_bio(), not inserted
 * @sectors: the maximum
 *
 * Return: size of the clone in bytes.
 *
 * Upstream: bio_split() allocates; a split in place would do.
 *
 * Context: any.
 */
static inline unsigned int dm_rq_clone_truncate(struct request *clone,
						unsigned int sectors)
{
	if (clone->__data_len >> SECTOR_SHIFT > sectors) {
		clone->bio->bi_iter.bi_size = sectors << SECTOR_SHIFT;
		clone->__data_len = sectors << SECTOR_SHIFT;
	}
	return clone->__data_len;
}

/**
 * dm_rq_insert_may_sleep() - may insertion of this request sleep?
 * @rq: from blk_mq_alloc_request(), not inserted
 *
 * We ask with a request in hand: its reference prevents the queue from changing
 * its hardware contexts meanwhile.
 *
 * Upstream: an accessor like queue_is_mq().
 *
 * Context: any.
 */
static inline bool dm_rq_insert_may_sleep(const struct request *rq)
{
	return rq->mq_hctx->flags & BLK_MQ_F_BLOCKING;
}

/**
 * dm_rq_others_wait() - do requests wait for dispatch in this hardware queue?
 * @rq: a request just dispatched by the hardware queue
 *
 * If we push a request back, then the block layer puts it on this list.
 *
 * Upstream: an export of blk_mq_hctx_has_pending().
 *
 * Context: queue_rq of the map.  Racy; a stale answer only affects the order.
 */
static inline bool dm_rq_others_wait(const struct request *rq)
{
	return !list_empty_careful(&rq->mq_hctx->dispatch);
}

/**
 * dm_rq_start_time_ns() - time at which the block layer allocated a request
 * @rq: a request of the map, or a clone
 *
 * The block layer sets the time for its accounting.  With it we avoid another
 * read of the clock.  If the block layer does not account for the request, or
 * not yet, then the field may have the time of an earlier request: the block layer
 * may account for a clone only when it is inserted.
 *
 * Upstream: an accessor, and a request flag to ask for the time.
 *
 * Context: any.
 * Return: ktime_get_ns() at that time; 0 if it is not known.
 */
static inline u64 dm_rq_start_time_ns(const struct request *rq)
{
	return rq->rq_flags & RQF_IO_STAT ? rq->start_time_ns : 0;
}

/**
 * dm_rq_waiting_since() - time since which a request of the map has been waiting
 * @rq: the request; the caller owns it
 *
 * The block layer sets the time in each flush of a flush sequence, although it
 * does not account for it.  If the time is not known, then the wait begins with
 * the first call.  RQF_DONTPREP tells a later call that we have set the time: the
 * flag is for the driver, which is dm-mod and does not use it, and each new
 * request begins without it.
 *
 * Upstream: see dm_rq_start_time_ns().
 *
 * Context: any.
 * Return: the time, as of ktime_get_ns().
 */
static inline u64 dm_rq_waiting_since(struct request *rq)
{
	bool is_flush = req_op(rq) == REQ_OP_FLUSH &&
			rq->rq_flags & RQF_FLUSH_SEQ;

	if (!is_flush && !(rq->rq_flags & (RQF_IO_STAT | RQF_DONTPREP))) {
		rq->start_time_ns = ktime_get_ns();
		rq->rq_flags |= RQF_DONTPREP;
	}
	return rq->start_time_ns;
}

/**
 * dm_rq_mark_retried() - let the driver's data of a request survive a requeue
 * @rq: a request of the map; the caller owns it
 *
 * The flag is that of dm_rq_waiting_since(), so the time has to be set, too.  The
 * block layer merges nothing into a requeued request that has it, and offers it to
 * us before those in the I/O scheduler.
 *
 * Upstream: the flag is meant for this; a helper that sets it.
 *
 * Context: any.
 */
static inline void dm_rq_mark_retried(struct request *rq)
{
	dm_rq_waiting_since(rq);
	rq->rq_flags |= RQF_DONTPREP;
}

/**
 * dm_rq_is_marked() - can the driver's data of a request be of an earlier dispatch?
 * @rq: a request of the map; the caller owns it
 *
 * Upstream: see dm_rq_mark_retried().
 *
 * Context: any.
 */
static inline bool dm_rq_is_marked(const struct request *rq)
{
	return rq->rq_flags & RQF_DONTPREP;
}

/**
 * dm_rq_scsi_prepared() - did SCSI make a command of this request?
 * @clone: a request of a SCSI device, at its end
 *
 * Only then do the result and the sense in the command belong to this request.
 * SCSI rejects a request before that point if the state of the device demands
 * it.
 *
 * Upstream: a helper of the SCSI midlayer.
 *
 * Context: any.
 */
static inline bool dm_rq_scsi_prepared(const struct request *clone)
{
	return clone->rq_flags & RQF_DONTPREP;
}

/* ---- queues ---- */

/**
 * dm_rq_elevator_uses_blkcg() - does the I/O scheduler assign bios to cgroups?
 * @q: a lower queue
 *
 * A scheduler that does (bfq) would take the cgroup data of the map's queue, to
 * which the bio belongs, for that of its own queue.
 *
 * Upstream: an exported query of the scheduler's cgroup policy.
 *
 * Context: any.
 */
static inline bool dm_rq_elevator_uses_blkcg(const struct request_queue *q)
{
#ifdef CONFIG_BLK_CGROUP
	return q->elevator && !bitmap_empty(q->blkcg_pols, BLKCG_MAX_POLS);
#else
	return false;
#endif
}

/**
 * dm_rq_disk_is_added() - has dm core made the disk of a map visible?
 * @disk: the disk
 *
 * From then on the map keeps its type and its hardware queues.
 *
 * Upstream: dm core would tell the target.
 *
 * Context: process; dm core holds the map's type lock.
 */
static inline bool dm_rq_disk_is_added(const struct gendisk *disk)
{
	return test_bit(GD_ADDED, &disk->state);
}

/**
 * dm_rq_raise_nr_hw_queues() - give the queue of a map more hardware queues
 * @disk: the disk of the map, not added yet
 * @nr: the number
 *
 * blk_mq_update_nr_hw_queues() freezes the queue and waits for all requests, so
 * we call it only before there can be any.
 *
 * Upstream: dm_mq_init_request_queue() would take the number from the target.
 *
 * Context: process, may sleep.
 */
static inline void dm_rq_raise_nr_hw_queues(const struct gendisk *disk,
					    unsigned int nr)
{
	struct blk_mq_tag_set *set = disk->queue->tag_set;

	if (nr > set->nr_hw_queues)
		blk_mq_update_nr_hw_queues(set, nr);
}

/**
 * dm_rq_disable_discard() - set the discard limit of a map to 0
 * @q: the queue of the map, in use
 *
 * The limit of the hardware goes with it, otherwise the block layer computes
 * this one anew from it when the administrator changes another limit.
 *
 * Upstream: blk_queue_disable_discard() does it for drivers.
 *
 * Context: any, hard irq included.  Racing writers store the same value.
 */
static inline void dm_rq_disable_discard(struct request_queue *q)
{
	WRITE_ONCE(q->limits.max_hw_discard_sectors, 0);
	WRITE_ONCE(q->limits.max_discard_sectors, 0);
}

/**
 * dm_rq_disable_write_zeroes() - set the write-zeroes limit of a map to 0
 * @q: the queue of the map, in use
 *
 * Upstream: blk_queue_disable_write_zeroes(), likewise.
 *
 * Context: as dm_rq_disable_discard().
 */
static inline void dm_rq_disable_write_zeroes(struct request_queue *q)
{
	WRITE_ONCE(q->limits.max_write_zeroes_sectors, 0);
	dm_rq_disable_wzeroes_unmap(q);
	dm_rq_disable_hw_wzeroes_unmap(q);
}

/**
 * dm_rq_kick_requeue_list_later() - schedule a kick, unless one is pending
 * @q: the queue of the map
 * @ms: delay
 *
 * blk_mq_delay_kick_requeue_list() alone would postpone a kick that is due
 * earlier.  If a kick is pending, then its work item has not started yet and
 * will find the request added by the caller; otherwise we schedule one.
 *
 * Upstream: blk_mq_delay_kick_requeue_list() that never postpones.
 *
 * Context: any.
 */
static inline void dm_rq_kick_requeue_list_later(struct request_queue *q,
						 unsigned int ms)
{
	if (!delayed_work_pending(&q->requeue_work))
		blk_mq_delay_kick_requeue_list(q, ms);
}

/**
 * dm_rq_flush_requeues() - wait until the kicked requests were dispatched
 * @q: the queue of the map
 *
 * The requeue work inserts the requests into the hardware queues, and runs only
 * the hardware queue of its own CPU.
 *
 * Upstream: an exported function that flushes both work items.
 *
 * Context: process, may sleep.
 */
static inline void dm_rq_flush_requeues(struct request_queue *q)
{
	struct blk_mq_hw_ctx *hctx;
	unsigned long i;

	flush_delayed_work(&q->requeue_work);
	queue_for_each_hw_ctx(q, hctx, i)
		flush_delayed_work(&hctx->run_work);
}

#endif /* DM_RQ_BLK_H */
