/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each path did: always counted, on each CPU by itself, in few instructions.
 *
 * An I/O costs two increments on its way down and up, one addition and one look at the
 * clock, at its end.  When it began the block layer knows already: it puts a time into
 * each request for its own statistics.  (That is when the clone was allocated; on 6.12
 * requests that are submitted together may share the time of the first of them.)
 *
 * Nothing here is ever reset, so who wants rates takes the difference of two readings.
 * What is in flight is what was chosen and has not ended.
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
 * Latencies in us: the first bucket is below 1, number n from 2^(n - 1) to below 2^n, and
 * the last one takes all from 4.2 s on.
 */
#define MPATH_LATENCIES	24

/**
 * enum mpath_error_class - how an I/O ended on a path, if not well
 * @MPATH_ERROR_TRANSPORT: the link, or the fabric
 * @MPATH_ERROR_TIMEOUT: no answer
 * @MPATH_ERROR_OFFLINE: nobody there
 * @MPATH_ERROR_BUSY: short of something, also where the device's queue did not take it
 * @MPATH_ERROR_MEDIUM: the place is bad, or the data do not match their checksum
 * @MPATH_ERROR_TARGET: the device has refused it: unknown, full, reserved, failed
 * @MPATH_ERROR_IO: all else
 * @MPATH_ERROR_CLASSES: how many there are
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
 * struct mpath_stats - of one path on one CPU
 * @chosen: I/Os that were sent there
 * @others: I/Os that ended well and are neither read nor write (flush, discard ..)
 * @sectors: of reads and writes that ended well
 * @latency: reads and writes that ended well, by how long they took. Their number is
 *	the sum
 * @errors: I/Os that did not end well
 */
struct mpath_stats {
	unsigned long chosen;
	unsigned long others;
	unsigned long sectors[2];
	unsigned long latency[2][MPATH_LATENCIES];
	unsigned long errors[MPATH_ERROR_CLASSES];
};

/* An I/O goes to the path.  Any context. */
static inline void mpath_count_start(struct mpath_stats __percpu *stats)
{
	this_cpu_inc(stats->chosen);
}

void mpath_count_rare(struct mpath_stats __percpu *stats, blk_status_t status);

/* An I/O of @op and @nr_bytes has ended well, in @ns.  Any context. */
static inline void mpath_count_done(struct mpath_stats __percpu *stats,
				    enum req_op op, unsigned int nr_bytes,
				    u64 ns)
{
	unsigned int dir = (__force unsigned int)op;
	unsigned int bucket;

	/* These two are directions as well. */
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
