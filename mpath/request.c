// SPDX-License-Identifier: GPL-2.0-only
/*
 * Request mode: the I/O path of a map that gets requests, the counterpart of bio.c.  These are
 * the methods of dm-rq; dm-rq.h has their contract.
 */

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "dm-rq-blk.h"

#define CREATE_TRACE_POINTS
#include "mpath/trace.h"

/* ---- mapping ---- */

/*
 * If the device asked for a retry, we use the same path, as SCSI would.  A path that
 * asks for retries forever must eventually fail, so do not just avoid it.
 */
static bool retry_same_path(struct mpath *m, struct dm_rq_io *io)
{
	struct mpath_io *mio = dm_rq_io_data(io);

	return io->again && mio->repeat &&
	       dm_ps_path_usable(&mio->path->ps) &&
	       mio->path->group == READ_ONCE(m->current_group);
}

static enum dm_rq_map park(struct mpath *m, unsigned int nr_bytes)
{
	trace_mpath_park(m, nr_bytes);
	return DM_RQ_PARK;
}

static enum dm_rq_map map_to(struct dm_rq_io *io, struct mpath_path *path,
			     struct block_device **bdev)
{
	struct mpath_io *mio = dm_rq_io_data(io);

	mio->path = path;
	*bdev = path->ps.dev->bdev;
	return DM_RQ_MAPPED;
}

/* Slow path: there is no current group, or it has no usable path. */
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
	return map_to(io, path, bdev);
}

/* Rare cases are out of line, to keep few registers live across ->select(). */
static enum dm_rq_map mpath_prep_map(struct dm_rq *drq, struct dm_rq_io *io,
				     struct block_device **bdev)
{
	struct mpath *m = container_of(drq, struct mpath, rq);
	struct mpath_io *mio = dm_rq_io_data(io);
	struct request *rq = dm_rq_request(io);
	struct mpath_path *path;

	if (unlikely(retry_same_path(m, io)))
		return map_to(io, mio->path, bdev);

	path = mpath_ask_selector(m, blk_rq_bytes(rq), req_op(rq));
	if (unlikely(!path))
		return choose_group(io, bdev);
	return map_to(io, path, bdev);
}

/*
 * To keep lower layers from spending time on retries that another path can serve, we ask
 * them to return errors at once, with the sense data; error.c decides about them.  Without
 * REQ_FAILFAST_DEV, SCSI sends a command that timed out to the same device five more
 * times.
 */
#define CLONE_FLAGS	(REQ_FAILFAST_DEV | REQ_FAILFAST_TRANSPORT)

static void mpath_map(struct dm_rq *drq, struct dm_rq_io *io,
		      struct request *clone)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps;

	clone->cmd_flags |= CLONE_FLAGS;
	mio->nr_bytes = blk_rq_bytes(clone);
	mio->start = dm_rq_start_time_ns(clone);
	if (!mio->start)
		mio->start = ktime_get_ns();
	mpath_count_start(mio->path->stats);
	trace_mpath_map(mio->path, req_op(clone), mio->nr_bytes);

	ps = &mio->path->group->ps;
	if (ps->type->start_io)
		ps->type->start_io(ps, &mio->path->ps, mio->nr_bytes,
				   req_op(clone), io);
}

/* Time since the map got the request, in ns; 0 if it is not known. */
static u64 age_of(const struct request *rq)
{
	u64 start = dm_rq_start_time_ns(rq);

	return start ? ktime_get_ns() - start : 0;
}

/* The device is full.  If the selector knows another path that is not, we try that one. */
static bool mpath_device_full(struct dm_rq *drq, struct dm_rq_io *io)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps = &mio->path->group->ps;
	struct request *rq = dm_rq_request(io);

	if (!ps->type->refused ||
	    !ps->type->refused(ps, &mio->path->ps, blk_rq_bytes(rq), req_op(rq),
			       age_of(rq)))
		return false;
	/* Otherwise a request that is repeated would choose the same path. */
	mio->repeat = false;
	return true;
}

/* ---- completion ---- */

/* The device or its queue lacks a resource. */
static bool is_shortage(blk_status_t status)
{
	return status == BLK_STS_RESOURCE || status == BLK_STS_DEV_RESOURCE;
}

/*
 * We have no sense data before the clone has completed.  If they cannot change the
 * disposition, we fail the path now.
 */
static enum dm_rq_error mpath_end_io_first(struct dm_rq *drq,
					   struct dm_rq_io *io,
					   blk_status_t status,
					   unsigned int bytes)
{
	struct mpath_io *mio = dm_rq_io_data(io);

	if (!mpath_is_path_error(status))
		return DM_RQ_PASS_UP;
	if (status == BLK_STS_TRANSPORT || is_shortage(status))
		mpath_fail_path(mio->path, mpath_status_text(status));
	return DM_RQ_HOLD;
}

static blk_status_t mpath_flush_status(struct dm_rq *drq, struct dm_rq_io *io,
				       struct request *clone)
{
	struct mpath_io *mio = dm_rq_io_data(io);

	return mpath_was_flushed(clone, mio->path->is_scsi) ? BLK_STS_OK :
							      BLK_STS_IOERR;
}

/* For error_guard: has another path rejected this request with the same status? */
static bool rejected_twice(struct dm_rq_io *io, blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	u16 number = mio->path->number;

	if (mio->rejected_with == status && mio->rejected_by != number)
		return true;
	mio->rejected_with = status;
	mio->rejected_by = number;
	return false;
}

/* Then the request ends with the original error. */
static bool nowhere_to_go(struct mpath *m)
{
	return !READ_ONCE(m->nr_usable) && !mpath_may_wait(m);
}

static enum dm_rq_end end_held(struct mpath *m, struct dm_rq_io *io,
			       struct request *clone, blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	enum mpath_disposition disposition;

	/* The memory may have the history of an earlier request. */
	if (!io->tries) {
		mio->rejected_with = BLK_STS_OK;
		mio->repeats = 0;
	}
	if (is_shortage(status))
		return nowhere_to_go(m) ? DM_RQ_DONE : DM_RQ_AGAIN_LATER;

	disposition = mpath_decide_disposition(clone, mio->path->is_scsi, status,
					       dm_rq_request(io), mio->repeats);
	if (disposition == MPATH_REJECTED && m->error_guard &&
	    rejected_twice(io, status))
		disposition = MPATH_PASS_UP;

	mio->repeat = disposition == MPATH_TRY_AGAIN;
	if (mio->repeat && mio->repeats < MPATH_MAX_REPEATS)
		mio->repeats++;
	switch (disposition) {
	case MPATH_PASS_UP:
		return DM_RQ_DONE;
	case MPATH_TRY_LATER:
		return nowhere_to_go(m) ? DM_RQ_DONE : DM_RQ_AGAIN_LATER;
	case MPATH_TRY_AGAIN:
		break;
	case MPATH_PATH_FAILED:
	case MPATH_REJECTED:
		mpath_fail_path(mio->path, mpath_status_text(status));
		/* After an outage, paths get as many repeats as before it. */
		if (!READ_ONCE(m->nr_usable))
			mio->repeats = 0;
		break;
	}
	return nowhere_to_go(m) ? DM_RQ_DONE : DM_RQ_AGAIN;
}

static noinline enum dm_rq_end end_failed_request(struct mpath *m, struct dm_rq_io *io,
						  struct request *clone,
						  blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct mpath_path *path = mio->path;

	trace_mpath_end(path, req_op(clone), mio->nr_bytes,
			ktime_get_ns() - mio->start, status);
	WRITE_ONCE(mio->start, 0);
	mpath_count_rare(path->stats, status);
	if (READ_ONCE(path->stall.stalled) && !is_shortage(status))
		mpath_stall_progress(path);

	if (!mpath_is_path_error(status))
		return DM_RQ_DONE;
	return end_held(m, io, clone, status);
}

/* This order keeps few registers live while we read the clock. */
static enum dm_rq_end mpath_end_io(struct dm_rq *drq, struct dm_rq_io *io,
				   struct request *clone, blk_status_t status)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps = &mio->path->group->ps;
	u64 ns;

	if (ps->type->end_io)
		ps->type->end_io(ps, &mio->path->ps, mio->nr_bytes, io, status);
	if (unlikely(status))
		return end_failed_request(mio->path->m, io, clone, status);

	ns = ktime_get_ns() - mio->start;
	WRITE_ONCE(mio->start, 0);
	trace_mpath_end(mio->path, req_op(clone), mio->nr_bytes, ns, status);
	mpath_count_done(mio->path->stats, req_op(clone), mio->nr_bytes, ns);
	if (unlikely(READ_ONCE(mio->path->stall.stalled)))
		mpath_stall_progress(mio->path);
	return DM_RQ_DONE;
}

const struct dm_rq_ops mpath_rq_ops = {
	.io_data_size = sizeof(struct mpath_io),
	.prep_map = mpath_prep_map,
	.map = mpath_map,
	.device_full = mpath_device_full,
	.end_io_first = mpath_end_io_first,
	.flush_status = mpath_flush_status,
	.end_io = mpath_end_io,
};

/* ---- busy ---- */

/* Out of line, to keep no registers live in mpath_busy() if it returns early. */
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

/**
 * mpath_busy() - busy method: would a request only wait in the queue of a path?
 * @ti: the target
 *
 * If so, dm core leaves the request to the I/O scheduler, which can merge it.  The
 * answer is a hint, because dm core asks before each request.
 *
 * Context: queue_rq; takes no lock.
 */
int mpath_busy(struct dm_target *ti)
{
	struct mpath_group *group = READ_ONCE(mpath_of(ti)->current_group);

	return group && group->has_lld_busy ? are_all_busy(group) : false;
}
