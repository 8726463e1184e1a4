/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that this source builds for, and nothing
 * else.
 *
 * Kbuild searches the kernel's headers for a feature and defines DM_RQ_HAVE_*.
 * We do not test versions, because stable kernels backport API changes.  A
 * series for one kernel has no such test: unifdef resolves them, so use plain
 * #ifdef with DM_RQ_HAVE_* only.
 */
#ifndef DM_RQ_COMPAT_H
#define DM_RQ_COMPAT_H

#include <linux/blk-integrity.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/dm-ioctl.h>
#include <linux/file.h>

#ifndef DM_RQ_HAVE_RESV_CONFLICT
/* The status was renamed when NVMe got reservations, too. */
#define BLK_STS_RESV_CONFLICT	BLK_STS_NEXUS
#endif

#ifndef DM_RQ_HAVE_BI_OFFSET
/* The position of a bvec_iter within its bvec was renamed. */
#define bi_offset	bi_bvec_done
#endif

/* A newer block layer tells the callback in which batch the driver completes the request. */
#ifdef DM_RQ_HAVE_END_IO_BATCH
#define DM_RQ_END_IO_ARGS	struct request *clone, blk_status_t status, \
				const struct io_comp_batch *iob
#else
#define DM_RQ_END_IO_ARGS	struct request *clone, blk_status_t status
#endif

/* A newer dm core passes the ioctl, so that a target can carry out one of its own. */
#ifdef DM_RQ_HAVE_IOCTL_FORWARD
#define DM_RQ_IOCTL_ARGS	struct dm_target *ti, struct block_device **bdev, \
				unsigned int cmd, unsigned long arg, bool *forward
#define DM_RQ_IOCTL_CMD		cmd
#define DM_RQ_IOCTL_FORWARD	forward
#else
#define DM_RQ_IOCTL_ARGS	struct dm_target *ti, struct block_device **bdev
#define DM_RQ_IOCTL_CMD		0
#define DM_RQ_IOCTL_FORWARD	NULL
#endif

/**
 * dm_rq_prepare_ioctl() - ask a target for the device of an ioctl, as dm core does
 * @ti: the target
 * @bdev: set to the device
 *
 * Return: result of the target's method.
 */
static inline int dm_rq_prepare_ioctl(struct dm_target *ti,
				      struct block_device **bdev)
{
#ifdef DM_RQ_HAVE_IOCTL_FORWARD
	return ti->type->prepare_ioctl(ti, bdev, 0, 0, NULL);
#else
	return ti->type->prepare_ioctl(ti, bdev);
#endif
}

/**
 * dm_rq_is_own_ioctl() - is an ioctl for the multipath target itself?
 * @cmd: the ioctl
 *
 * Older versions of dm core send each ioctl to a path.
 */
static inline bool dm_rq_is_own_ioctl(unsigned int cmd)
{
#ifdef DM_RQ_HAVE_MPATH_PROBE_PATHS
	return _IOC_TYPE(cmd) == DM_IOCTL;
#else
	return false;
#endif
}

#ifndef DM_RQ_HAVE_MPATH_PROBE_PATHS
#define DM_MPATH_PROBE_PATHS	_IO(DM_IOCTL, 18)
#endif

#ifndef DM_RQ_HAVE_TARGET_ATOMIC_WRITES
/* This dm core does not pass atomic writes on. */
#define DM_TARGET_ATOMIC_WRITES	0
#endif

#ifndef DM_RQ_HAVE_STS_INVAL
/* Kernels without this status do not use the number either. */
#define BLK_STS_INVAL		((__force blk_status_t)19)
#endif

/**
 * dm_rq_copy_ioprio() - copy the priority of a request
 * @to: the clone
 * @from: its request
 *
 * A newer kernel reads the priority from the bio.
 */
static inline void dm_rq_copy_ioprio(struct request *to, struct request *from)
{
#ifdef DM_RQ_HAVE_REQUEST_IOPRIO
	to->ioprio = from->ioprio;
#endif
}

/**
 * dm_rq_copy_gap_bit() - copy what a request knows of gaps between its segments
 * @to: the clone
 * @from: its request
 *
 * A newer NVMe driver reads this to choose the kind of its list of segments.  With 0
 * it assumes that there is no gap, and would transfer to and from other memory.
 */
static inline void dm_rq_copy_gap_bit(struct request *to, struct request *from)
{
#ifdef DM_RQ_HAVE_GAP_BIT
	to->phys_gap_bit = from->phys_gap_bit;
#endif
}

/**
 * dm_rq_add_gap_bit() - account for the gaps within a bio
 * @clone: a clone that consists of this bio or of a part of it
 * @bio: the bio
 *
 * The lowest bit of any gap counts, and 0 means that there is none.
 */
static inline void dm_rq_add_gap_bit(struct request *clone, struct bio *bio)
{
#ifdef DM_RQ_HAVE_GAP_BIT
	clone->phys_gap_bit = min_not_zero(clone->phys_gap_bit, bio->bi_bvec_gap_bit);
#endif
}

/**
 * dm_rq_is_atomic() - is a request an atomic write?
 * @rq: the request
 *
 * Older kernels have no atomic writes.
 */
static inline bool dm_rq_is_atomic(const struct request *rq)
{
#ifdef DM_RQ_HAVE_ATOMIC
	return rq->cmd_flags & REQ_ATOMIC;
#else
	return false;
#endif
}

/**
 * dm_rq_is_atomic_too_large() - is a request an atomic write that is too large?
 * @q: the queue of a device
 * @rq: a request of the map, or a clone
 *
 * The limits of the device may have become smaller than those of the map.
 */
static inline bool dm_rq_is_atomic_too_large(struct request_queue *q, struct request *rq)
{
#ifdef DM_RQ_HAVE_ATOMIC
	const struct queue_limits *limits = &q->limits;

	return (rq->cmd_flags & REQ_ATOMIC) &&
	       blk_rq_sectors(rq) > READ_ONCE(limits->atomic_write_max_sectors);
#else
	return false;
#endif
}

/**
 * dm_rq_disable_wzeroes_unmap() - disable write-zeroes that unmap
 * @q: the queue of a map, in use
 *
 * Older kernels have no limit of its own for this.
 *
 * Context: any, hard irq included.  Racing writers store the same value.
 */
static inline void dm_rq_disable_wzeroes_unmap(struct request_queue *q)
{
#ifdef DM_RQ_HAVE_WZEROES_UNMAP
	WRITE_ONCE(q->limits.max_wzeroes_unmap_sectors, 0);
#endif
}

/**
 * dm_rq_disable_hw_wzeroes_unmap() - the same for the limit of the hardware
 * @q: the queue of a map, in use
 *
 * The block layer refuses to change any limit of a queue as long as this one is
 * neither 0 nor the one for write-zeroes.
 *
 * Context: any, hard irq included.  Racing writers store the same value.
 */
static inline void dm_rq_disable_hw_wzeroes_unmap(struct request_queue *q)
{
#ifdef DM_RQ_HAVE_WZEROES_UNMAP
	WRITE_ONCE(q->limits.max_hw_wzeroes_unmap_sectors, 0);
#endif
}

/**
 * dm_rq_end_stats() - end the interval that dm-stats opened for a request
 * @md: the map
 * @rq: the request; the caller owns it and a reference to @md
 * @done: count an I/O; otherwise forget the request
 *
 * To be called before a request returns to the block layer in a way that
 * bypasses dm-mod's completion.  Without the export of dm-mod the interval
 * stays open, see Documentation/dm-rq.rst.
 *
 * Context: any.
 */
static inline void dm_rq_end_stats(struct mapped_device *md, struct request *rq,
				   bool done)
{
#ifdef DM_RQ_HAVE_DM_END_REQUEST_STATS
	dm_end_request_stats(md, rq, done);
#endif
}

/**
 * dm_rq_devt_from_path() - find the device number of a table's argument
 * @path: a path name or "major:minor"
 * @dev: set to the number
 *
 * Context: process, may sleep.
 * Return: 0 or a negative error.
 */
static inline int dm_rq_devt_from_path(const char *path, dev_t *dev)
{
#ifdef DM_RQ_HAVE_DEVT_FROM_PATH
	return dm_devt_from_path(path, dev);
#else
	*dev = dm_get_dev_t(path);
	return *dev ? 0 : lookup_bdev(path, dev) ?: -ENODEV;
#endif
}

#ifdef DM_RQ_HAVE_DM_DEV_FILE
/* The file of a dm_dev also keeps the device claimed. */
#define DM_RQ_DEV_REF	struct file
#else
/* A dm_dev has no file, so the device is opened again. */
#define DM_RQ_DEV_REF	struct block_device
#endif

/**
 * dm_rq_hold_dev() - keep a table's device open, also beyond the table
 * @dev: the device
 *
 * Context: process, may sleep.
 * Return: the reference, for dm_rq_hold_failed() and dm_rq_release_dev().
 */
static inline DM_RQ_DEV_REF *dm_rq_hold_dev(struct dm_dev *dev)
{
#ifdef DM_RQ_HAVE_DM_DEV_FILE
	return get_file(dev->bdev_file);
#else
	return blkdev_get_by_dev(dev->bdev->bd_dev, FMODE_READ, NULL);
#endif
}

/**
 * dm_rq_hold_failed() - has dm_rq_hold_dev() failed?
 * @hold: its result; an ERR_PTR() if so
 */
static inline bool dm_rq_hold_failed(DM_RQ_DEV_REF *hold)
{
#ifdef DM_RQ_HAVE_DM_DEV_FILE
	return false;
#else
	return IS_ERR(hold);
#endif
}

/**
 * dm_rq_release_dev() - drop a reference of dm_rq_hold_dev()
 * @hold: the reference
 *
 * If it was the last one, then the device is closed when this returns, as in dm
 * core.
 *
 * Context: process, may sleep.
 */
static inline void dm_rq_release_dev(DM_RQ_DEV_REF *hold)
{
#ifdef DM_RQ_HAVE_DM_DEV_FILE
	__fput_sync(hold);
#else
	blkdev_put(hold, FMODE_READ);
#endif
}

/*
 * DM_RQ_HAVE_MPATH_PROBE_PATHS tells version 1.15 of the stock multipath target from older
 * ones.  No header shows the differences below.  They came between this ioctl and 7.2.
 */

/*
 * Does a path keep a hardware handler that is already attached, whatever the table says?
 * Then the table line does not have retain_attached_hw_handler.
 */
#ifdef DM_RQ_HAVE_MPATH_PROBE_PATHS
#define DM_RQ_RETAIN_IMPLIED	true
#else
#define DM_RQ_RETAIN_IMPLIED	false
#endif

/**
 * dm_rq_keeps_limits() - does a map keep its limits if its table is replaced?
 * @map: its disk
 *
 * If not, then dm core computes them anew for each table, from those of the paths.
 *
 * Context: process.
 */
static inline bool dm_rq_keeps_limits(struct gendisk *map)
{
#ifdef DM_RQ_HAVE_MPATH_PROBE_PATHS
	/* A disk has a size from its first live table on, which sets the limits. */
	return queue_is_mq(map->queue) && get_capacity(map);
#else
	/* This dm core never keeps them. */
	return false;
#endif
}

/**
 * dm_rq_inherit_features() - let a map that keeps its limits serve a new path
 * @map: its disk; the map is suspended
 * @path: the disk of a path
 *
 * The block layer drops flushes to a disk without a write cache, and does without the
 * flush after a write if the disk has FUA.  Pages that a path needs stable must not
 * change while the map writes them.
 *
 * An update of the limits by the block layer's functions could wait for requests that
 * wait for the resume.  If user space writes a limit of the map at the same time, our
 * change may get lost.
 *
 * Context: process.
 */
static inline void dm_rq_inherit_features(struct gendisk *map, struct gendisk *path)
{
#ifdef DM_RQ_HAVE_MPATH_PROBE_PATHS
	blk_features_t *features = &map->queue->limits.features;

	*features |= path->queue->limits.features & BLK_FEAT_STABLE_WRITES;
	if (!bdev_write_cache(path->part0))
		return;
	*features |= BLK_FEAT_WRITE_CACHE;
	if (!bdev_fua(path->part0))
		*features &= ~BLK_FEAT_FUA;
#else
	/* This dm core computes the limits of each table. */
#endif
}

#ifndef DM_RQ_HAVE_ATOMIC_WRITE_LIMITS
/* This kernel has no atomic writes. */
static inline unsigned int queue_atomic_write_unit_max_bytes(const struct request_queue *q)
{
	return 0;
}

static inline unsigned int queue_atomic_write_unit_min_bytes(const struct request_queue *q)
{
	return 0;
}

static inline unsigned int queue_atomic_write_max_bytes(const struct request_queue *q)
{
	return 0;
}

static inline unsigned int queue_atomic_write_boundary_bytes(const struct request_queue *q)
{
	return 0;
}
#endif

/**
 * dm_rq_integrity_name() - name of an integrity profile
 * @bi: the profile
 *
 * Context: any.
 */
static inline const char *dm_rq_integrity_name(struct blk_integrity *bi)
{
#ifdef DM_RQ_HAVE_INTEGRITY_PROFILE_NAME
	return blk_integrity_profile_name(bi);
#else
	return bi->profile->name;
#endif
}

#endif /* DM_RQ_COMPAT_H */
