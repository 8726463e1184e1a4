/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels that this source builds for, and nothing
 * else.  DM_RQ_HAVE_* come from Kbuild, which looks the feature up in the
 * headers: stable kernels backport API changes, so a version says nothing.
 */
#ifndef DM_RQ_COMPAT_H
#define DM_RQ_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/device-mapper.h>

/* drivers/md/dm-uevent.h is not among the exported headers; the symbol is. */
enum dm_uevent_type {
	DM_UEVENT_PATH_FAILED,
	DM_UEVENT_PATH_REINSTATED,
};

#ifdef CONFIG_DM_UEVENT
void dm_path_uevent(enum dm_uevent_type event_type, struct dm_target *ti,
		    const char *path, unsigned int nr_valid_paths);
#else
static inline void dm_path_uevent(enum dm_uevent_type event_type,
				  struct dm_target *ti, const char *path,
				  unsigned int nr_valid_paths)
{
}
#endif

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

#endif /* DM_RQ_COMPAT_H */
