/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of each path, always on: one set per CPU, so that counting costs few
 * instructions and no shared cache line.
 *
 * An I/O costs two increments at its submission and completion, one addition, and one
 * read of the clock at its completion.  We take the time of its submission from the
 * clone's start_time_ns, if the block layer has already set it for its own statistics.
 * (That is the time of the clone's allocation.  Requests that are submitted as a batch
 * may share the time of the first one.)  Otherwise we read the clock here, too.
 *
 * We never reset the counters: a reader computes rates from two readings.
 */
#ifndef DM_MPATH_STATS_H
#define DM_MPATH_STATS_H

#include <linux/bitops.h>
#include <linux/blk_types.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/percpu.h>

/*
 * Number of latency buckets, in us: bucket 0 is below 1, bucket n is from 2^(n - 1) to
 * below 2^n, and the last one also has all latencies of 4.2 s and more.
 */
#define MPATH_LATENCIES	24

/**
 * enum mpath_error_class - class of an I/O error on a path
 * @MPATH_ERROR_TRANSPORT: failure of the link or fabric
 * @MPATH_ERROR_TIMEOUT: no answer in time
 * @MPATH_ERROR_OFFLINE: the device is offline or gone
 * @MPATH_ERROR_BUSY: shortage of a resource, also if the device's queue rejected the
 *	request
 * @MPATH_ERROR_MEDIUM: medium error, or a wrong checksum of the data
 * @MPATH_ERROR_TARGET: the device refused it: unsupported, full, reserved, failed
 * @MPATH_ERROR_IO: all others
 * @MPATH_ERROR_CLASSES: number of classes
 */
enum mpath_error_class {
	MPATH_ERROR_TRANSPORT,
	MPATH_ERROR_TIMEOUT,
	MPATH_ERROR_OFFLINE,
	MPATH_ERROR_BUSY,
	MPATH_ERROR_MEDIUM,
	MPATH_ERROR_TARGET,
	MPATH_ERROR_IO,
	MPATH_ERROR_CLASSES,
};

/**
 * struct mpath_stats - counters of one path on one CPU
 * @chosen: I/Os that were sent to the path
 * @others: successful I/Os other than reads and writes (flush, discard ..)
 * @sectors: sectors of successful reads and writes
 * @latency: successful reads and writes by latency; their sum is the number of them
 * @errors: I/Os that failed, by class
 */
struct mpath_stats {
	unsigned long chosen;
	unsigned long others;
	unsigned long sectors[2];
	unsigned long latency[2][MPATH_LATENCIES];
	unsigned long errors[MPATH_ERROR_CLASSES];
};

/**
 * struct mpath_totals - sums of a path's counters over all CPUs
 * @chosen: as in struct mpath_stats
 * @others: as in struct mpath_stats
 * @sectors: as in struct mpath_stats
 * @latency: as in struct mpath_stats
 * @ios: number of successful reads and writes
 * @errors: as in struct mpath_stats
 * @ended: number of completions, successful or not
 */
struct mpath_totals {
	u64 chosen;
	u64 others;
	u64 sectors[2];
	u64 latency[2][MPATH_LATENCIES];
	u64 ios[2];
	u64 errors[MPATH_ERROR_CLASSES];
	u64 ended;
};

/* Count an I/O that is sent to the path.  Context: any. */
static inline void mpath_count_start(struct mpath_stats __percpu *stats)
{
	this_cpu_inc(stats->chosen);
}

void mpath_count_rare(struct mpath_stats __percpu *stats, blk_status_t status);

/* Count a successful I/O of @op and @nr_bytes that took @ns.  Context: any. */
static inline void mpath_count_done(struct mpath_stats __percpu *stats,
				    enum req_op op, unsigned int nr_bytes,
				    u64 ns)
{
	unsigned int dir = (__force unsigned int)op;
	unsigned int bucket;

	/* REQ_OP_READ and REQ_OP_WRITE equal the directions READ and WRITE. */
	if (unlikely(dir > WRITE)) {
		mpath_count_rare(stats, BLK_STS_OK);
		return;
	}
	bucket = fls64(div_u64(ns, NSEC_PER_USEC));
	bucket = min_t(unsigned int, bucket, MPATH_LATENCIES - 1);
	this_cpu_inc(stats->latency[dir][bucket]);
	this_cpu_add(stats->sectors[dir], nr_bytes >> SECTOR_SHIFT);
}

#endif /* DM_MPATH_STATS_H */
