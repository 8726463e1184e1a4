/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that this source builds for, and nothing
 * else.  DM_RQ_HAVE_* come from Kbuild, which looks the feature up in the
 * headers: stable kernels backport API changes, so a version says nothing.
 */
#ifndef DM_RQ_COMPAT_H
#define DM_RQ_COMPAT_H

#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/file.h>

/* The status has its present name since reservations are not SCSI's alone. */
#ifndef BLK_STS_RESV_CONFLICT
#define BLK_STS_RESV_CONFLICT	BLK_STS_NEXUS
#endif

/* A request has a priority of its own until it is read from its bio. */
static inline void dm_rq_copy_ioprio(struct request *to, struct request *from)
{
#ifdef DM_RQ_HAVE_REQUEST_IOPRIO
	to->ioprio = from->ioprio;
#endif
}

/*
 * @rq goes back to the block layer unseen by dm-mod's completion: the interval that
 * dm-stats has opened for it ends here, as an I/O if it is @done and without a trace
 * if not.  Without the export it stays open, see Documentation/dm-rq.rst.
 *
 * Context: any.  @rq is owned by the caller, and @md is held.
 */
static inline void dm_rq_end_stats(struct mapped_device *md, struct request *rq, bool done)
{
#ifdef DM_RQ_HAVE_DM_END_REQUEST_STATS
	dm_end_request_stats(md, rq, done);
#endif
}

/*
 * How far the integrity data of @bio has got.  Without CONFIG_BLK_DEV_INTEGRITY there is
 * none, and before 6.12 its structure is not declared then.
 */
static inline void dm_rq_save_integrity(struct bio *bio, struct bvec_iter *iter)
{
#ifdef CONFIG_BLK_DEV_INTEGRITY
	if (unlikely(bio_integrity(bio)))
		*iter = bio_integrity(bio)->bip_iter;
#endif
}

static inline void dm_rq_restore_integrity(struct bio *bio, struct bvec_iter *iter)
{
#ifdef CONFIG_BLK_DEV_INTEGRITY
	if (bio_integrity(bio))
		bio_integrity(bio)->bip_iter = *iter;
#endif
}

/* The device number of a name or of "major:minor". */
static inline int dm_rq_devt_from_path(const char *path, dev_t *dev)
{
#ifdef DM_RQ_HAVE_DEVT_FROM_PATH
	return dm_devt_from_path(path, dev);
#else
	*dev = dm_get_dev_t(path);
	return *dev ? 0 : lookup_bdev(path, dev) ?: -ENODEV;
#endif
}

/*
 * Keep a table's device open, also beyond the table.  A dm_dev with a file lends it; then
 * the device also stays claimed by device-mapper.  Without one, the device is opened once
 * more.
 *
 * Context: process, may sleep.
 */
struct dm_rq_hold {
#ifdef DM_RQ_HAVE_DM_DEV_FILE
	struct file *file;
#else
	struct block_device *bdev;
#endif
};

static inline int dm_rq_hold_dev(struct dm_dev *dev, struct dm_rq_hold *hold)
{
#ifdef DM_RQ_HAVE_DM_DEV_FILE
	hold->file = get_file(dev->bdev_file);
	return 0;
#else
	hold->bdev = blkdev_get_by_dev(dev->bdev->bd_dev, FMODE_READ, NULL);
	return PTR_ERR_OR_ZERO(hold->bdev);
#endif
}

static inline void dm_rq_release_dev(struct dm_rq_hold *hold)
{
#ifdef DM_RQ_HAVE_DM_DEV_FILE
	/* As dm core: it is closed when this returns. */
	__fput_sync(hold->file);
#else
	blkdev_put(hold->bdev, FMODE_READ);
#endif
}

#endif /* DM_RQ_COMPAT_H */
