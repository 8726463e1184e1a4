// SPDX-License-Identifier: GPL-2.0-only
/*
 * The multipath target: registration, constructor and destructor, and the methods by
 * which dm core reaches the paths' devices.  See mpath/mpath.h for the other files.
 *
 * The target registers as "mpath-rq".  If no other target has the name "multipath", it
 * also registers as that, for multipathd.
 */

#include <linux/module.h>
#include <linux/slab.h>

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "mpath/probe.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "mpath-rq"

/* ---- constructor and destructor ---- */

static void free_mpath(struct mpath *m, struct dm_target *ti)
{
	mpath_free_groups(m, ti);
	dm_rq_exit(&m->rq);
	kfree(m->handler.name);
	kfree(m->handler.params);
	kfree(m);
}

static int init_mode(struct mpath *m, struct dm_target *ti)
{
	int r = m->bio_mode ? mpath_bio_init(m, ti) :
			      dm_rq_init(&m->rq, ti, &mpath_rq_ops);

	if (!r)
		mpath_set_name(m);
	return r;
}

/**
 * mpath_ctr() - constructor
 * @ti: the target
 * @argc: number of words
 * @argv: the words after the target's name
 *
 * Context: process, may sleep.
 * Return: 0; or an errno, with ti->error set to the name of the wrong argument and what
 * was expected. Then everything is freed.
 */
int mpath_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { argc, argv };
	struct mpath *m;
	int r;

	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	mpath_init_state(m);

	r = mpath_parse_features(m, ti, &as);
	if (!r)
		r = init_mode(m, ti);
	if (!r)
		r = mpath_parse_handler(m, ti, &as);
	if (!r)
		r = mpath_parse_groups(m, ti, &as);
	if (!r && !mpath_stats_alloc(m)) {
		ti->error = "out of memory";
		r = -ENOMEM;
	}
	if (r) {
		free_mpath(m, ti);
		return r;
	}

	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	return 0;
}

/**
 * mpath_dtr() - destructor
 * @ti: the target; no I/O of its table is in flight
 *
 * Context: process, may sleep.
 */
void mpath_dtr(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	mpath_leave_stacking(m);
	mpath_stop(m);
	free_mpath(m, ti);
}

/* ---- devices ---- */

/* The ioctls of device-mapper never go to a path. */
static int own_ioctl(struct mpath *m, unsigned int cmd, bool *forward)
{
	*forward = false;
	return cmd == DM_MPATH_PROBE_PATHS ? mpath_probe_current_group(m) : -ENOTTY;
}

/*
 * We choose a path as for a request.  On -ENOTCONN, dm core waits a moment and tries again.
 * If the map is not as large as the device, we return 1, so that dm core requires
 * CAP_SYS_RAWIO.
 */
static int mpath_prepare_ioctl(DM_RQ_IOCTL_ARGS)
{
	struct mpath *m = mpath_of(ti);
	struct mpath_path *path;

	if (dm_rq_is_own_ioctl(DM_RQ_IOCTL_CMD))
		return own_ioctl(m, DM_RQ_IOCTL_CMD, DM_RQ_IOCTL_FORWARD);

	path = mpath_find_path(m, 0, REQ_OP_READ);
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

/* The target has two names: multipath_target is a copy with the other one. */
static struct target_type mpath_rq_target = {
	.name = "mpath-rq",
	.version = { 2, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_IMMUTABLE |
		    DM_TARGET_PASSES_INTEGRITY | DM_TARGET_ATOMIC_WRITES,
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
	.preresume = mpath_check_stacking,
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

	r = mpath_wake_init();
	if (r)
		return r;
	r = mpath_probe_init();
	if (r)
		goto exit_wake;
	mpath_debugfs_init();
	r = register_targets();
	if (r)
		goto exit_debugfs;
	return 0;

exit_debugfs:
	mpath_debugfs_exit();
	mpath_probe_exit();
exit_wake:
	mpath_wake_exit();
	return r;
}

static void __exit mpath_exit(void)
{
	if (have_multipath_name)
		dm_unregister_target(&multipath_target);
	dm_unregister_target(&mpath_rq_target);
	mpath_debugfs_exit();
	mpath_probe_exit();
	mpath_wake_exit();
}

module_init(mpath_init);

module_exit(mpath_exit);

MODULE_DESCRIPTION("Device-mapper: request-based multipath target");

MODULE_LICENSE("GPL");
