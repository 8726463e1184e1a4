// SPDX-License-Identifier: GPL-2.0-only
/*
 * The multipath target on dm-rq: registration, and the methods on the I/O path.
 *
 * Registers as "mpath-rq" always, and as "multipath", for multipathd, when no
 * other target has that name.
 */

#include <linux/module.h>

#include "dm-mpath.h"

#define DM_MSG_PREFIX "mpath-rq"

/* ---- the I/O path ---- */

static enum dm_rq_map mpath_prep_map(struct dm_rq *drq, struct dm_rq_io *io,
				     struct block_device **bdev)
{
	struct mpath *m = container_of(drq, struct mpath, rq);
	struct mpath_io *mio = dm_rq_io_data(io);
	struct mpath_group *group = READ_ONCE(m->current_group);
	unsigned int nr_bytes = blk_rq_bytes(io->rq);
	struct dm_ps_path *path = NULL;

	if (likely(group))
		path = group->ps.type->select(&group->ps, nr_bytes);
	if (likely(path))
		mio->path = mpath_path_of(path);
	else
		mio->path = mpath_choose_path(m, nr_bytes);
	if (unlikely(!mio->path))
		return mpath_may_wait(m) ? DM_RQ_PARK : DM_RQ_KILL;

	mio->nr_bytes = nr_bytes;
	*bdev = mio->path->ps.dev->bdev;
	return DM_RQ_MAPPED;
}

static void mpath_map(struct dm_rq *drq, struct dm_rq_io *io,
		      struct request *clone)
{
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps = &mio->path->group->ps;

	/* Lower layers should not spend time on what another path can do. */
	clone->cmd_flags |= REQ_FAILFAST_TRANSPORT;

	if (ps->type->start_io)
		ps->type->start_io(ps, &mio->path->ps, mio->nr_bytes);
}

/* The path fails at the first sign, before the rest of the clone has ended. */
static enum dm_rq_error mpath_end_io_first(struct dm_rq *drq,
					   struct dm_rq_io *io,
					   blk_status_t status,
					   unsigned int bytes)
{
	struct mpath *m = container_of(drq, struct mpath, rq);
	struct mpath_io *mio = dm_rq_io_data(io);

	if (!mpath_is_path_error(status))
		return DM_RQ_PASS_UP;

	mpath_fail_path(m, mio->path);
	return DM_RQ_HOLD;
}

static enum dm_rq_end mpath_end_io(struct dm_rq *drq, struct dm_rq_io *io,
				   struct request *clone, blk_status_t status)
{
	struct mpath *m = container_of(drq, struct mpath, rq);
	struct mpath_io *mio = dm_rq_io_data(io);
	struct dm_ps *ps = &mio->path->group->ps;

	if (ps->type->end_io)
		ps->type->end_io(ps, &mio->path->ps, mio->nr_bytes, 0);

	if (likely(!status) || !mpath_is_path_error(status))
		return DM_RQ_DONE;
	/* With no path left and no waiting, the true error goes up. */
	if (!READ_ONCE(m->nr_usable) && !mpath_may_wait(m))
		return DM_RQ_DONE;
	return status == BLK_STS_RESOURCE ? DM_RQ_AGAIN_LATER : DM_RQ_AGAIN;
}

const struct dm_rq_ops mpath_rq_ops = {
	.io_data_size = sizeof(struct mpath_io),
	.prep_map = mpath_prep_map,
	.map = mpath_map,
	.end_io_first = mpath_end_io_first,
	.end_io = mpath_end_io,
};

/* ---- devices ---- */

static int mpath_iterate_devices(struct dm_target *ti,
				 iterate_devices_callout_fn fn, void *data)
{
	struct mpath *m = mpath_of(ti);
	unsigned int i, j;
	int r;

	for (i = 0; i < m->nr_groups; i++) {
		struct dm_ps *ps = &m->groups[i]->ps;

		for (j = 0; j < ps->nr_paths; j++) {
			r = fn(ti, ps->paths[j]->dev, ti->begin, ti->len, data);
			if (r)
				return r;
		}
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
	.io_hints = dm_rq_io_hints,
	.presuspend = mpath_presuspend,
	.presuspend_undo = mpath_presuspend_undo,
	.postsuspend = mpath_postsuspend,
	.resume = mpath_resume,
	.status = mpath_status,
	.message = mpath_message,
	.iterate_devices = mpath_iterate_devices,
};

static struct target_type multipath_target;
static bool have_multipath_name;

static int __init mpath_init(void)
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

static void __exit mpath_exit(void)
{
	if (have_multipath_name)
		dm_unregister_target(&multipath_target);
	dm_unregister_target(&mpath_rq_target);
}

module_init(mpath_init);
module_exit(mpath_exit);

MODULE_DESCRIPTION("Device-mapper: request-based multipath target");
MODULE_LICENSE("GPL");
