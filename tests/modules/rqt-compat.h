/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the kernels that rqt builds for. Kbuild searches the
 * kernel's headers and defines one RQT_HAVE_* per difference.
 */
#ifndef RQT_COMPAT_H
#define RQT_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/hrtimer.h>

#ifdef RQT_HAVE_RESV_CONFLICT
#define RQT_STS_RESV	BLK_STS_RESV_CONFLICT
#else
#define RQT_STS_RESV	BLK_STS_NEXUS
#endif

/* Type of a NUMA node in init_request */
#ifdef RQT_HAVE_INT_NODE
#define RQT_NODE	int
#else
#define RQT_NODE	unsigned int
#endif

#ifndef RQT_HAVE_SHOULD_MERGE
/* The block layer may always merge. */
#define BLK_MQ_F_SHOULD_MERGE	0
#endif

/**
 * rqt_timer_setup() - initialize a timer
 * @timer: the timer
 * @fn: its function
 */
static inline void rqt_timer_setup(struct hrtimer *timer,
				   enum hrtimer_restart (*fn)(struct hrtimer *timer))
{
#ifdef RQT_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, fn, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer->function = fn;
#endif
}

/**
 * struct rqt_limits - limits of a path, independent of the kernel version
 * @block_size: logical and physical block size in bytes
 * @max_sectors: maximum size of a request in sectors
 * @max_segments: maximum number of segments of a request
 * @write_cache: advertise a volatile cache, to receive flush and FUA
 * @discard: advertise discard
 * @write_zeroes: advertise write-zeroes
 */
struct rqt_limits {
	unsigned int	block_size;
	unsigned int	max_sectors;
	unsigned short	max_segments;
	bool		write_cache;
	bool		discard;
	bool		write_zeroes;
};

/* Discard and write-zeroes transfer no data, so we allow the maximum size. */
#define RQT_MAX_ZERO_SECTORS	(UINT_MAX >> SECTOR_SHIFT)

#ifdef RQT_HAVE_ALLOC_DISK_LIMITS
static inline struct gendisk *rqt_alloc_disk(struct blk_mq_tag_set *set,
					     const struct rqt_limits *l,
					     void *data)
{
	struct queue_limits lim = {
		.logical_block_size	= l->block_size,
		.physical_block_size	= l->block_size,
		.max_hw_sectors		= l->max_sectors,
		.max_segments		= l->max_segments,
	};

	if (l->discard) {
		lim.max_hw_discard_sectors = RQT_MAX_ZERO_SECTORS;
		lim.discard_granularity = l->block_size;
	}
	if (l->write_zeroes)
		lim.max_write_zeroes_sectors = RQT_MAX_ZERO_SECTORS;
	if (l->write_cache)
		lim.features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;

	return blk_mq_alloc_disk(set, &lim, data);
}
#else
static inline struct gendisk *rqt_alloc_disk(struct blk_mq_tag_set *set,
					     const struct rqt_limits *l,
					     void *data)
{
	struct gendisk *disk = blk_mq_alloc_disk(set, data);
	struct request_queue *q;

	if (IS_ERR(disk))
		return disk;

	q = disk->queue;
	blk_queue_logical_block_size(q, l->block_size);
	blk_queue_physical_block_size(q, l->block_size);
	blk_queue_max_hw_sectors(q, l->max_sectors);
	blk_queue_max_segments(q, l->max_segments);
	if (l->discard) {
		blk_queue_max_discard_sectors(q, RQT_MAX_ZERO_SECTORS);
		q->limits.discard_granularity = l->block_size;
	}
	if (l->write_zeroes)
		blk_queue_max_write_zeroes_sectors(q, RQT_MAX_ZERO_SECTORS);
	blk_queue_write_cache(q, l->write_cache, l->write_cache);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, q);

	return disk;
}
#endif

#endif /* RQT_COMPAT_H */
