// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU counters of each path (stats.h): allocation, rare events, and their sums.
 *
 * We read them without a lock while I/O continues.  We read completions before
 * submissions, to ensure that the difference never misses an I/O in flight.
 */

#include "mpath/mpath.h"
#include "dm-rq-compat.h"

/* ---- memory ---- */

/*
 * The percpu allocator scans linearly, which would dominate the cost of creating a
 * path.  Therefore we allocate the counters of a map's paths in blocks as large as
 * the allocator allows.
 */
#define BLOCK_PATHS	(PCPU_MIN_UNIT_SIZE / sizeof(struct mpath_stats))

static bool begins_block(const struct mpath_path *path)
{
	return (path->number - 1) % BLOCK_PATHS == 0;
}

static struct mpath_stats __percpu *alloc_block(struct mpath *m,
						struct mpath_path *path)
{
	size_t paths = min_t(size_t, m->nr_paths - (path->number - 1),
			     BLOCK_PATHS);

	return __alloc_percpu(paths * sizeof(struct mpath_stats),
			      __alignof__(struct mpath_stats));
}

/**
 * mpath_stats_alloc() - allocate the counters of all paths of a map
 * @m: the map, in its constructor, with all its paths
 *
 * Context: process, may sleep.
 * Return: false if there is no memory. mpath_stats_free() then frees, path by path,
 * the counters that were allocated.
 */
bool mpath_stats_alloc(struct mpath *m)
{
	struct mpath_stats __percpu *stats = NULL;
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list) {
		stats = begins_block(path) ? alloc_block(m, path) : stats + 1;
		if (!stats)
			return false;
		path->stats = stats;
	}
	return true;
}

/**
 * mpath_stats_free() - free the block of counters that begins with a path
 * @path: the path, being freed with all others of its map
 *
 * Context: process.
 */
void mpath_stats_free(struct mpath_path *path)
{
	if (begins_block(path))
		free_percpu(path->stats);
}

/* ---- counting ---- */

static enum mpath_error_class classify(blk_status_t status)
{
	switch (status) {
	case BLK_STS_TRANSPORT:
		return MPATH_ERROR_TRANSPORT;
	case BLK_STS_TIMEOUT:
		return MPATH_ERROR_TIMEOUT;
	case BLK_STS_OFFLINE:
		return MPATH_ERROR_OFFLINE;
	case BLK_STS_RESOURCE:
	case BLK_STS_DEV_RESOURCE:
	case BLK_STS_AGAIN:
		return MPATH_ERROR_BUSY;
	case BLK_STS_MEDIUM:
	case BLK_STS_PROTECTION:
		return MPATH_ERROR_MEDIUM;
	case BLK_STS_TARGET:
	case BLK_STS_NOTSUPP:
	case BLK_STS_NOSPC:
	case BLK_STS_RESV_CONFLICT:
		return MPATH_ERROR_TARGET;
	default:
		return MPATH_ERROR_IO;
	}
}

/**
 * mpath_count_rare() - count a completion other than a successful read or write
 * @stats: the counters of its path
 * @status: its status
 *
 * Context: any, hard irq included.
 */
void mpath_count_rare(struct mpath_stats __percpu *stats, blk_status_t status)
{
	if (status)
		this_cpu_inc(stats->errors[classify(status)]);
	else
		this_cpu_inc(stats->others);
}

/* ---- reading ---- */

static void add_cpu(struct mpath_totals *sum, const struct mpath_stats *stats)
{
	unsigned int dir, i;

	for (dir = 0; dir < 2; dir++) {
		for (i = 0; i < MPATH_LATENCIES; i++) {
			u64 ios = READ_ONCE(stats->latency[dir][i]);

			sum->latency[dir][i] += ios;
			sum->ios[dir] += ios;
			sum->ended += ios;
		}
		sum->sectors[dir] += READ_ONCE(stats->sectors[dir]);
	}
	for (i = 0; i < MPATH_ERROR_CLASSES; i++) {
		u64 errors = READ_ONCE(stats->errors[i]);

		sum->errors[i] += errors;
		sum->ended += errors;
	}
	sum->others += READ_ONCE(stats->others);
	sum->ended += READ_ONCE(stats->others);
}

static u64 sum_chosen(const struct mpath_path *path)
{
	u64 chosen = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		chosen += READ_ONCE(per_cpu_ptr(path->stats, cpu)->chosen);
	return chosen;
}

/**
 * mpath_sum_up() - add up the counters of a path over all CPUs
 * @path: the path
 * @sum: the result
 *
 * Context: any; slow.
 */
void mpath_sum_up(const struct mpath_path *path, struct mpath_totals *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu)
		add_cpu(sum, per_cpu_ptr(path->stats, cpu));
	/* Each completion we have seen was counted as chosen before. */
	smp_rmb();
	sum->chosen = sum_chosen(path);
}

/**
 * mpath_in_flight() - number of I/Os that were sent to a path and have not completed
 * @sum: the totals of the path
 */
u64 mpath_in_flight(const struct mpath_totals *sum)
{
	return sum->chosen > sum->ended ? sum->chosen - sum->ended : 0;
}

/**
 * mpath_read_progress() - read the numbers by which stall detection sees progress
 * @path: the path
 * @ended: set to the number of completions so far, successful or not. Requests that
 *	the path's queue rejected for lack of a resource do not count
 *
 * Context: any; slow.
 * Return: the number of I/Os in flight.
 */
u64 mpath_read_progress(const struct mpath_path *path, u64 *ended)
{
	struct mpath_totals sum;

	mpath_sum_up(path, &sum);
	*ended = sum.ended - sum.errors[MPATH_ERROR_BUSY];
	return mpath_in_flight(&sum);
}

/**
 * mpath_read_chosen() - number of I/Os that a path got so far
 * @path: the path
 *
 * Context: any; slow.
 */
u64 mpath_read_chosen(const struct mpath_path *path)
{
	return sum_chosen(path);
}
