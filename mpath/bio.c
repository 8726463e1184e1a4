// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bio mode (queue_mode bio): the methods on the I/O path for a map that gets bios
 * instead of requests.  State, selectors and grammar are those of request mode.
 *
 * A bio that has no path waits in a list of the map's.  For dm core it is in flight
 * all the time, so each suspend makes the list go: flush, by ending what has no path,
 * and noflush, by handing the bios back to dm core.
 *
 * A bio carries no sense, so the verdict on an error is that of its status alone.
 */

#include <linux/blk-integrity.h>

#include "mpath/mpath.h"
#include "dm-rq-compat.h"
#include "mpath/trace.h"

#define DM_MSG_PREFIX "multipath"

/**
 * struct mpath_bio - the target's own data of a bio
 * @path: where it is; NULL: nowhere
 * @nr_bytes: what the selector was told
 * @start: since when it is there, ktime_get_ns()
 * @opf: bi_opf as it came: on the way to a device without a cache a flush is dropped
 * @flags: bi_flags as it came
 * @iter: bi_iter as it came
 * @integrity_iter: that of its integrity data, if it has any
 *
 * A bio that has failed on one path has been used up by the layers below, and must
 * be as it came to go to another one.
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

/* ---- waiting ---- */

/*
 * @wakes: rq.wakes from before the path was looked for: a wake since then may have
 * emptied the list before @bio was in it.
 */
static void wait_for_path(struct mpath *m, struct bio *bio, int wakes)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	bio_list_add(&m->waiting, bio);
	spin_unlock_irqrestore(&m->lock, flags);

	/* Pairs with the barrier in mpath_bio_wake(): one of us sees the other. */
	smp_mb();
	if (atomic_read(&m->rq.wakes) != wakes)
		queue_work(mpath_wq, &m->bio_work);
}

/**
 * mpath_bio_wake() - mpath_wake() in bio mode
 * @m: the map
 *
 * Context: any, hard irq included.
 */
void mpath_bio_wake(struct mpath *m)
{
	/* After the caller's change: pairs with the acquire in map_bio(). */
	smp_mb__before_atomic();
	atomic_inc(&m->rq.wakes);
	/* Before the worker looks at the list: pairs with wait_for_path(). */
	smp_mb__after_atomic();
	queue_work(mpath_wq, &m->bio_work);
}

/* ---- the way down ---- */

/* @held: there is a path, but its group is not ready. */
static int no_path(struct mpath *m, struct bio *bio, bool held, int wakes)
{
	if (dm_noflush_suspending(m->rq.ti))
		return DM_MAPIO_REQUEUE;
	if (held ? READ_ONCE(m->handler_late) : !READ_ONCE(m->queue_if_no_path))
		return DM_MAPIO_KILL;

	trace_mpath_park(m, mpath_bio_of(bio)->nr_bytes);
	wait_for_path(m, bio, wakes);
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
 * Context: the submitter's, may sleep, does not.
 * Return: DM_MAPIO_REMAPPED, DM_MAPIO_SUBMITTED (it waits), DM_MAPIO_REQUEUE (a
 * noflush suspend) or DM_MAPIO_KILL.
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

static void restore(struct bio *bio, struct mpath_bio *mb)
{
	mb->path = NULL;
	bio->bi_opf = mb->opf;
	bio->bi_flags = mb->flags;
	bio->bi_iter = mb->iter;
	dm_rq_restore_integrity(bio, &mb->integrity_iter);
	bio->bi_status = BLK_STS_OK;
	/* A split below has counted it down. */
	atomic_set(&bio->__bi_remaining, 1);
}

static void end_bio(struct bio *bio, blk_status_t status)
{
	bio->bi_status = status;
	bio_endio(bio);
}

static void map_again(struct mpath *m, struct bio *bio)
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
	struct mpath *m = container_of(work, struct mpath, bio_work);
	struct bio_list bios;
	struct blk_plug plug;
	struct bio *bio;

	spin_lock_irq(&m->lock);
	bios = m->waiting;
	bio_list_init(&m->waiting);
	spin_unlock_irq(&m->lock);

	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&bios)))
		map_again(m, bio);
	blk_finish_plug(&plug);
}

/* ---- the way up ---- */

static int end_failed(struct mpath *m, struct bio *bio,
		      struct mpath_path *path, blk_status_t status)
{
	unsigned long flags;

	if (!mpath_is_path_error(status)) {
		dm_rq_lower_limits(dm_disk(m->rq.md)->queue,
				   bdev_get_queue(path->ps.dev->bdev),
				   bio_op(bio), status);
		return DM_ENDIO_DONE;
	}

	mpath_fail_path(m, path);
	/* With no path left and no waiting, the true error goes up. */
	if (!READ_ONCE(m->nr_usable) && !mpath_may_wait(m))
		return DM_ENDIO_DONE;

	/* The worker may map it at once: what follows must not touch it. */
	spin_lock_irqsave(&m->lock, flags);
	bio_list_add(&m->waiting, bio);
	spin_unlock_irqrestore(&m->lock, flags);
	queue_work(mpath_wq, &m->bio_work);
	return DM_ENDIO_INCOMPLETE;
}

/**
 * mpath_bio_end_io() - end_io method
 * @ti: the target
 * @bio: dm core's clone
 * @status: how it ended
 *
 * Context: the lower driver's completion, hard irq possible; or our own, for a bio
 * that nobody took.
 * Return: DM_ENDIO_DONE, or DM_ENDIO_INCOMPLETE: it is mapped again.
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
	if (unlikely(READ_ONCE(path->stalled)))
		mpath_guard_progress(path);

	if (likely(!*status))
		return DM_ENDIO_DONE;
	return end_failed(mpath_of(ti), bio, path, *status);
}

/* ---- set-up ---- */

/**
 * mpath_bio_init() - make a target instance one in bio mode
 * @m: the map, being made
 * @ti: its target
 *
 * Context: process; dm core holds the map's type lock.
 * Return: 0; -EINVAL, with ti->error set, if the map is request-based.
 */
int mpath_bio_init(struct mpath *m, struct dm_target *ti)
{
	struct gendisk *disk = dm_disk(dm_table_get_md(ti->table));

	if (test_bit(GD_ADDED, &disk->state) && queue_is_mq(disk->queue)) {
		ti->error = "the map is request-based, and stays so until it is removed";
		return -EINVAL;
	}

	m->rq.ti = ti;
	m->rq.md = dm_table_get_md(ti->table);
	atomic_set(&m->rq.wakes, 0);
	bio_list_init(&m->waiting);
	INIT_WORK(&m->bio_work, bio_work);

	dm_table_set_type(ti->table, DM_TYPE_BIO_BASED);
	ti->private = &m->rq;
	ti->per_io_data_size = sizeof(struct mpath_bio);
	return 0;
}
