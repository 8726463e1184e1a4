// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bio mode (queue_mode bio): the I/O path of a map that gets bios instead of requests,
 * the counterpart of request.c.  State, selectors and grammar are those of request mode.
 *
 * We let a bio without a path wait on m->bio.waiting.  dm core counts it as in flight, so
 * each suspend has to empty that list: during a flush suspend we fail bios without a
 * path, during a noflush suspend we give all of them back to dm core.
 *
 * As a bio has no sense data, we decide about an error by its status only.
 */

#include <linux/blk-integrity.h>

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "dm-rq-blk.h"
#include "mpath/trace.h"

/**
 * struct mpath_bio - the target's data of a bio
 * @path: where the bio was sent, or NULL
 * @nr_bytes: its size, as the selector was told
 * @start: time when it was sent, in ns as ktime_get_ns()
 * @opf: original bi_opf, because a device without a write cache drops a flush on the
 *	way
 * @flags: original bi_flags
 * @iter: original bi_iter
 * @integrity_iter: original iterator of its integrity data, if there is any
 *
 * Lower layers modify a bio.  To send it to another path after a failure, we restore
 * the original values.
 */
struct mpath_bio {
	struct mpath_path *path;
	unsigned int nr_bytes;
	u64 start;
	blk_opf_t opf;
	unsigned short flags;
	struct bvec_iter iter;
	struct bvec_iter integrity_iter;
};

static struct mpath_bio *mpath_bio_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct mpath_bio));
}

/* ---- submission ---- */

/* @not_ready: there is a path, but its group is being activated. */
static int no_path(struct mpath *m, struct bio *bio, bool not_ready, int wakes)
{
	if (dm_noflush_suspending(m->rq.ti))
		return DM_MAPIO_REQUEUE;
	if (not_ready ? READ_ONCE(m->bio.handler_late) :
			!READ_ONCE(m->queue_if_no_path))
		return DM_MAPIO_KILL;

	trace_mpath_park(m, mpath_bio_of(bio)->nr_bytes);
	mpath_bio_wait(m, bio, wakes);
	return DM_MAPIO_SUBMITTED;
}

static int map_bio(struct mpath *m, struct bio *bio, struct mpath_bio *mb)
{
	int wakes = atomic_read_acquire(&m->rq.wakes);
	struct mpath_path *path = mpath_find_path(m, mb->nr_bytes,
						  bio_op(bio));
	struct dm_ps *ps;

	if (IS_ERR_OR_NULL(path))
		return no_path(m, bio, path, wakes);

	mb->path = path;
	bio_set_dev(bio, path->ps.dev->bdev);
	bio->bi_opf |= REQ_FAILFAST_TRANSPORT;
	mb->start = ktime_get_ns();
	mpath_count_start(path->stats);
	trace_mpath_map(path, bio_op(bio), mb->nr_bytes);

	ps = &path->group->ps;
	if (ps->type->start_io)
		ps->type->start_io(ps, &path->ps, mb->nr_bytes, bio_op(bio),
				   bio);
	return DM_MAPIO_REMAPPED;
}

/**
 * mpath_bio_map() - map method
 * @ti: the target
 * @bio: dm core's clone
 *
 * Context: the submitter's; may sleep, but does not.
 * Return: DM_MAPIO_REMAPPED; DM_MAPIO_SUBMITTED: it waits for a path;
 * DM_MAPIO_REQUEUE: a noflush suspend has begun; or DM_MAPIO_KILL.
 */
int mpath_bio_map(struct dm_target *ti, struct bio *bio)
{
	struct mpath_bio *mb = mpath_bio_of(bio);

	mb->path = NULL;
	mb->nr_bytes = bio->bi_iter.bi_size;
	mb->opf = bio->bi_opf;
	mb->flags = bio->bi_flags;
	mb->iter = bio->bi_iter;
	dm_rq_save_integrity(bio, &mb->integrity_iter);
	return map_bio(mpath_of(ti), bio, mb);
}

/* ---- the worker: waiting bios ---- */

static void restore(struct bio *bio, struct mpath_bio *mb)
{
	mb->path = NULL;
	bio->bi_opf = mb->opf;
	bio->bi_flags = mb->flags;
	bio->bi_iter = mb->iter;
	dm_rq_restore_integrity(bio, &mb->integrity_iter);
	bio->bi_status = BLK_STS_OK;
	dm_rq_bio_reset_remaining(bio);
}

static void end_bio(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio_endio(bio);
}

static void remap_bio(struct mpath *m, struct bio *bio)
{
	struct mpath_bio *mb = mpath_bio_of(bio);

	restore(bio, mb);
	switch (map_bio(m, bio, mb)) {
	case DM_MAPIO_REMAPPED:
		submit_bio_noacct(bio);
		break;
	case DM_MAPIO_REQUEUE:
		end_bio(bio, BLK_STS_DM_REQUEUE);
		break;
	case DM_MAPIO_KILL:
		end_bio(bio, BLK_STS_IOERR);
		break;
	}
}

static void bio_work(struct work_struct *work)
{
	struct mpath *m = container_of(work, struct mpath, bio.work);
	struct bio_list bios;
	struct blk_plug plug;
	struct bio *bio;

	spin_lock_irq(&m->lock);
	bios = m->bio.waiting;
	bio_list_init(&m->bio.waiting);
	spin_unlock_irq(&m->lock);

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&bios)))
		remap_bio(m, bio);
	blk_finish_plug(&plug);
}

/* ---- completion ---- */

static int end_failed_bio(struct mpath *m, struct bio *bio,
			  struct mpath_path *path, blk_status_t status)
{
	if (!mpath_is_path_error(status)) {
		dm_rq_inherit_disabled_ops(dm_disk(m->rq.md)->queue,
					   bdev_get_queue(path->ps.dev->bdev),
					   bio_op(bio), status);
		return DM_ENDIO_DONE;
	}

	mpath_fail_path(path, mpath_status_text(status));
	/* If the bio can neither be sent nor wait, pass up the original error. */
	if (!READ_ONCE(m->nr_usable) && !mpath_may_wait(m))
		return DM_ENDIO_DONE;

	mpath_bio_retry(m, bio);
	return DM_ENDIO_INCOMPLETE;
}

/**
 * mpath_bio_end_io() - end_io method
 * @ti: the target
 * @bio: dm core's clone
 * @status: its status
 *
 * Context: the lower driver's completion, hard irq possible; or ours, for a bio that
 * was not sent to a path.
 * Return: DM_ENDIO_DONE; DM_ENDIO_INCOMPLETE: the bio will be mapped again.
 */
int mpath_bio_end_io(struct dm_target *ti, struct bio *bio,
		     blk_status_t *status)
{
	struct mpath_bio *mb = mpath_bio_of(bio);
	struct mpath_path *path = mb->path;
	struct dm_ps *ps;
	u64 ns;

	if (unlikely(!path))
		return DM_ENDIO_DONE;

	ps = &path->group->ps;
	if (ps->type->end_io)
		ps->type->end_io(ps, &path->ps, mb->nr_bytes, bio, *status);
	ns = ktime_get_ns() - mb->start;
	trace_mpath_end(path, bio_op(bio), mb->nr_bytes, ns, *status);
	if (likely(!*status && mb->nr_bytes))
		mpath_count_done(path->stats, bio_op(bio), mb->nr_bytes, ns);
	else
		mpath_count_rare(path->stats, *status);
	if (unlikely(READ_ONCE(path->stall.stalled)))
		mpath_stall_progress(path);

	if (likely(!*status))
		return DM_ENDIO_DONE;
	return end_failed_bio(mpath_of(ti), bio, path, *status);
}

/* ---- initialization ---- */

/**
 * mpath_bio_init() - initialize a target instance in bio mode
 * @m: the map, in its constructor
 * @ti: its target
 *
 * Context: process; dm core holds the map's type lock.
 * Return: 0; -EINVAL, with ti->error set, if the map is request-based.
 */
int mpath_bio_init(struct mpath *m, struct dm_target *ti)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(ti->table));

	if (dm_rq_disk_is_added(disk) && queue_is_mq(disk->queue)) {
		ti->error = "the map is request-based, and stays so until it is removed";
		return -EINVAL;
	}

	m->rq.ti = ti;
	m->rq.md = dm_table_get_md(ti->table);
	atomic_set(&m->rq.wakes, 0);
	bio_list_init(&m->bio.waiting);
	INIT_WORK(&m->bio.work, bio_work);

	dm_table_set_type(ti->table, DM_TYPE_BIO_BASED);
	ti->private = &m->rq;
	ti->per_io_data_size = sizeof(struct mpath_bio);
	return 0;
}
