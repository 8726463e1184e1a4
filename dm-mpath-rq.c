// SPDX-License-Identifier: GPL-2.0-only
/*
 * The multipath target on dm-rq: registration, and the methods on the I/O path.
 *
 * Registers as "mpath-rq" always, and as "multipath", for multipathd, when no
 * other target has that name.
 */

#include <linux/module.h>

#include "mpath/mpath.h"

#define CREATE_TRACE_POINTS
#include "mpath/trace.h"

#define DM_MSG_PREFIX "mpath-rq"

struct workqueue_struct *mpath_wq;

/* ---- the I/O path ---- */

/*
 * A request that the device asked to have repeated goes the same way, as SCSI would
 * have sent it: a path that always says so has to fail, not to be got round.
 */
static bool stays(struct mpath *m, struct dm_rq_io *io)
{
	struct mpath_io *mio = dm_rq_io_data(io);

	return io->tries && mio->repeat &&
	       dm_ps_path_usable(&mio->path->ps) &&
	       mio->path->group == READ_ONCE(m->current_group);
}

static enum dm_rq_map park(struct mpath *m, unsigned int nr_bytes)
{
	trace_mpath_park(m, nr_bytes);
	return DM_RQ_PARK;
}

static enum dm_rq_map go(struct dm_rq_io *io, struct mpath_path *path,
			 struct block_device **bdev)
{
	struct mpath_io *mio = dm_rq_io_data(io);

	mio->path = path;
	*bdev = path->ps.dev->bdev;
	return DM_RQ_MAPPED;
}

/* The current group, if there is one, has no usable path. */
static noinline enum dm_rq_map choose_group(struct dm_rq_io *io,
					    struct block_device **bdev)
{
	struct mpath *m = container_of(io->drq, struct mpath, rq);
	struct request *rq = dm_rq_request(io);
	unsigned int nr_bytes = blk_rq_bytes(rq);
	struct mpath_path *path = mpath_choose_path(m, nr_bytes, req_op(rq));

	if (!path)
		return mpath_may_wait(m) ? park(m, nr_bytes) : DM_RQ_KILL;
	if (IS_ERR(path))
		return park(m, nr_bytes);
	return go(io, path, bdev);
}

/* What is rare is apart, so that little has to be kept while the selector is asked. */
static enum dm_rq_map mpath_prep_map(struct dm_rq *drq, struct dm_rq_io *io,
				     struct block_device **bdev)
{
	struct mpath *m = container_of(drq, struct mpath, rq);
	struct mpath_io *mio = dm_rq_io_data(io);
	struct request *rq = dm_rq_request(io);
	struct mpath_path *path;

	if (unlikely(stays(m, io)))
		return go(io, mio->path, bdev);

	path = mpath_ask_selector(m, blk_rq_bytes(rq), req_op(rq));
	if (unlikely(!path))
		return choose_group(io, bdev);
	return go(io, path, bdev);
}

/*
 * Lower layers should not spend time on what another path can do: what they would
 * retry comes back to us, with the sense, see dm-mpath-error.c.  Without
 * REQ_FAILFAST_DEV, SCSI sends a command that timed out to the same device again,
 * five times.
 */
#define CLONE_FLAGS	(REQ_FAILFAST_DEV | REQ_FAILFAST_TRANSPORT)

static void mpath_map(struct dm_rq *drq, struct dm_rq_io *io,
		      struct request *clone)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps;

	clone->cmd_flags |= CLONE_FLAGS;
	mio->nr_bytes = blk_rq_bytes(clone);
	/* There is none in the clone if the device's iostats are off. */
	mio->start = likely(clone->start_time_ns) ? clone->start_time_ns :
						    ktime_get_ns();
	mpath_count_start(mio->path->stats);
	trace_mpath_map(mio->path, req_op(clone), mio->nr_bytes);

	ps = &mio->path->group->ps;
	if (ps->type->start_io)
		ps->type->start_io(ps, &mio->path->ps, mio->nr_bytes,
				   req_op(clone), io);
}

/* For how long has the map had it, in ns? */
static u64 age_of(const struct request *rq)
{
	return rq->start_time_ns ? ktime_get_ns() - rq->start_time_ns : 0;
}

/* Its selector may know another path that has room. */
static bool mpath_no_room(struct dm_rq *drq, struct dm_rq_io *io)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps = &mio->path->group->ps;
	struct request *rq = dm_rq_request(io);

	return ps->type->refused &&
	       ps->type->refused(ps, &mio->path->ps, blk_rq_bytes(rq),
				 req_op(rq), age_of(rq));
}

/* The device, or its queue, is short of something. */
static bool is_shortage(blk_status_t status)
{
	return status == BLK_STS_RESOURCE || status == BLK_STS_DEV_RESOURCE;
}

/*
 * Only the end of the clone shows the sense.  Where none can change the verdict the
 * path fails at the first sign.
 */
static enum dm_rq_error mpath_end_io_first(struct dm_rq *drq,
					   struct dm_rq_io *io,
					   blk_status_t status,
					   unsigned int bytes)
{
	struct mpath *m = container_of(drq, struct mpath, rq);
	struct mpath_io *mio = dm_rq_io_data(io);

	if (!mpath_is_path_error(status))
		return DM_RQ_PASS_UP;
	if (status == BLK_STS_TRANSPORT || is_shortage(status))
		mpath_fail_path(m, mio->path);
	return DM_RQ_HOLD;
}

static blk_status_t mpath_flush_status(struct dm_rq *drq, struct dm_rq_io *io,
				       struct request *clone)
{
	struct mpath_io *mio = dm_rq_io_data(io);

	return mpath_was_flushed(clone, mio->path->is_scsi) ? BLK_STS_OK :
							      BLK_STS_IOERR;
}

/* For error_guard: has another path said the same of this request? */
static bool rejected_twice(struct dm_rq_io *io, blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	u16 number = mio->path->number;

	if (io->tries && mio->rejected_with == status &&
	    mio->rejected_by != number)
		return true;
	mio->rejected_with = status;
	mio->rejected_by = number;
	return false;
}

/* With no path left and no waiting, the true error goes up. */
static bool nowhere_to_go(struct mpath *m)
{
	return !READ_ONCE(m->nr_usable) && !mpath_may_wait(m);
}

static enum dm_rq_end end_held(struct mpath *m, struct dm_rq_io *io,
			       struct request *clone, blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	enum mpath_verdict verdict;

	if (is_shortage(status))
		return nowhere_to_go(m) ? DM_RQ_DONE : DM_RQ_AGAIN_LATER;

	verdict = mpath_judge(clone, mio->path->is_scsi, status, io);
	if (verdict == MPATH_REJECTED && m->error_guard &&
	    rejected_twice(io, status))
		verdict = MPATH_PASS_UP;

	mio->repeat = verdict == MPATH_TRY_AGAIN;
	switch (verdict) {
	case MPATH_PASS_UP:
		return DM_RQ_DONE;
	case MPATH_TRY_LATER:
		return nowhere_to_go(m) ? DM_RQ_DONE : DM_RQ_AGAIN_LATER;
	case MPATH_TRY_AGAIN:
		break;
	case MPATH_PATH_FAILED:
	case MPATH_REJECTED:
		mpath_fail_path(m, mio->path);
		break;
	}
	return nowhere_to_go(m) ? DM_RQ_DONE : DM_RQ_AGAIN;
}

static noinline enum dm_rq_end end_failed(struct mpath *m, struct dm_rq_io *io,
					  struct request *clone,
					  blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct mpath_path *path = mio->path;

	trace_mpath_end(path, req_op(clone), mio->nr_bytes,
			ktime_get_ns() - mio->start, status);
	WRITE_ONCE(mio->start, 0);
	mpath_count_rare(path->stats, status);
	if (READ_ONCE(path->stalled) && !is_shortage(status))
		mpath_guard_progress(path);

	if (!mpath_is_path_error(status))
		return DM_RQ_DONE;
	return end_held(m, io, clone, status);
}

/* In this order, little has to be kept while the clock is read. */
static enum dm_rq_end mpath_end_io(struct dm_rq *drq, struct dm_rq_io *io,
				   struct request *clone, blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps = &mio->path->group->ps;
	u64 ns;

	if (ps->type->end_io)
		ps->type->end_io(ps, &mio->path->ps, mio->nr_bytes, io, status);
	if (unlikely(status))
		return end_failed(mio->path->m, io, clone, status);

	ns = ktime_get_ns() - mio->start;
	WRITE_ONCE(mio->start, 0);
	trace_mpath_end(mio->path, req_op(clone), mio->nr_bytes, ns, status);
	mpath_count_done(mio->path->stats, req_op(clone), mio->nr_bytes, ns);
	if (unlikely(READ_ONCE(mio->path->stalled)))
		mpath_guard_progress(mio->path);
	return DM_RQ_DONE;
}

const struct dm_rq_ops mpath_rq_ops = {
	.io_data_size = sizeof(struct mpath_io),
	.prep_map = mpath_prep_map,
	.map = mpath_map,
	.no_room = mpath_no_room,
	.end_io_first = mpath_end_io_first,
	.flush_status = mpath_flush_status,
	.end_io = mpath_end_io,
};

/* Apart, so that nothing has to be kept where nobody knows busy. */
static noinline int are_all_busy(struct mpath_group *group)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < group->ps.nr_paths; i++) {
		struct dm_ps_path *path = group->ps.paths[i];

		if (!dm_ps_path_usable(path))
			continue;
		if (!blk_lld_busy(bdev_get_queue(path->dev->bdev)))
			return false;
		any = true;
	}
	return any;
}

/*
 * Would a request only wait in the queue of a path?  Then it is better left to the
 * scheduler, which can still merge it.  Asked before each request: it may guess.
 */
static int mpath_busy(struct dm_target *ti)
{
	struct mpath_group *group = READ_ONCE(mpath_of(ti)->current_group);

	return group && group->says_busy ? are_all_busy(group) : false;
}

/* ---- devices ---- */

/*
 * An ioctl goes to a path as a request would; dm core waits a moment and asks again
 * on -ENOTCONN.  One that is not for the whole of a device of the same size (1)
 * needs CAP_SYS_RAWIO.
 */
static int mpath_prepare_ioctl(struct dm_target *ti, struct block_device **bdev)
{
	struct mpath *m = mpath_of(ti);
	struct mpath_path *path = mpath_find_path(m, 0, REQ_OP_READ);

	if (!path)
		return READ_ONCE(m->queue_if_no_path) ? -ENOTCONN : -EIO;
	if (IS_ERR(path))
		return -ENOTCONN;

	*bdev = path->ps.dev->bdev;
	return ti->len != bdev_nr_sectors(*bdev);
}

static int mpath_iterate_devices(struct dm_target *ti,
				 iterate_devices_callout_fn fn, void *data)
{
	struct mpath *m = mpath_of(ti);
	struct mpath_path *path;
	int r;

	list_for_each_entry(path, &m->paths, list) {
		r = fn(ti, path->ps.dev, ti->begin, ti->len, data);
		if (r)
			return r;
	}
	return 0;
}

/* ---- registration ---- */

/* Two names, one target; the copy differs in nothing else. */
static struct target_type mpath_rq_target = {
	.name = "mpath-rq",
	.version = { 2, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_IMMUTABLE |
		    DM_TARGET_PASSES_INTEGRITY,
	.module = THIS_MODULE,
	.ctr = mpath_ctr,
	.dtr = mpath_dtr,
	.clone_and_map_rq = dm_rq_clone_and_map,
	.map = mpath_bio_map,
	.end_io = mpath_bio_end_io,
	.busy = mpath_busy,
	.io_hints = dm_rq_io_hints,
	.presuspend = mpath_presuspend,
	.presuspend_undo = mpath_presuspend_undo,
	.postsuspend = mpath_postsuspend,
	.preresume = mpath_enter_stack,
	.resume = mpath_resume,
	.status = mpath_status,
	.message = mpath_message,
	.prepare_ioctl = mpath_prepare_ioctl,
	.iterate_devices = mpath_iterate_devices,
};

static struct target_type multipath_target;
static bool have_multipath_name;

static int register_targets(void)
{
	int r;

	multipath_target = mpath_rq_target;
	multipath_target.name = "multipath";

	r = dm_register_target(&mpath_rq_target);
	if (r)
		return r;

	have_multipath_name = !dm_register_target(&multipath_target);
	DMINFO("registered as mpath-rq%s", have_multipath_name ?
	       " and multipath" : "; the name multipath is taken");
	return 0;
}

static int __init mpath_init(void)
{
	int r;

	mpath_wq = alloc_workqueue("mpath-rq", WQ_MEM_RECLAIM, 0);
	if (!mpath_wq)
		return -ENOMEM;
	r = mpath_handler_init();
	if (r)
		goto destroy_wq;
	r = mpath_probe_init();
	if (r)
		goto exit_handler;
	mpath_stats_init();
	r = register_targets();
	if (r)
		goto exit_stats;
	return 0;

exit_stats:
	mpath_stats_exit();
	mpath_probe_exit();
exit_handler:
	mpath_handler_exit();
destroy_wq:
	destroy_workqueue(mpath_wq);
	return r;
}

static void __exit mpath_exit(void)
{
	if (have_multipath_name)
		dm_unregister_target(&multipath_target);
	dm_unregister_target(&mpath_rq_target);
	mpath_stats_exit();
	mpath_probe_exit();
	mpath_handler_exit();
	destroy_workqueue(mpath_wq);
}

module_init(mpath_init);
module_exit(mpath_exit);

MODULE_DESCRIPTION("Device-mapper: request-based multipath target");
MODULE_LICENSE("GPL");
