// SPDX-License-Identifier: GPL-2.0-only
/*
 * historical-service-time: choose the path on which a request is likely to
 * complete first, judging by the requests before it.
 *
 * For each path we keep a moving average of the time per request: the time
 * during which the path was busy, divided by the requests that completed
 * without an error in that time.  So if a path serves ten requests in parallel,
 * the average is a tenth of the latency.  The estimate for a new request is
 *
 *     (requests in flight + 1) * average
 *
 * and we choose the path with the smallest one.  If two averages differ by no
 * more than the factor <threshold>, they count as equal, and the path with
 * fewer requests in flight wins.  Among equal paths, each CPU rotates by
 * itself.
 *
 * An average expires.  If a path has completed nothing for as long as a few
 * requests should take, its average is stale and no longer makes it the
 * preferred path, because it may just have become slow.  If the path was idle
 * for PROBE_PERIODS times as long, we send one request to it, because it may
 * have become fast.
 *
 * Reading the clock dominates the cost.  So we time only one request in
 * SAMPLE_EVERY, or that many together.  A probe is always timed.
 *
 * Arguments: for the group [<base weight> [<threshold>]]; per path [<repeat
 * count>], by default 1, which has no effect (see round-robin.c).  The base
 * weight, 0 to 1023, is the weight of the old average against one new request,
 * in parts of 1024, by default 972.  If it is 0, we ignore the past. The old
 * average also loses weight with time: after one second without a sample we
 * ignore it.
 */

#include <linux/cache.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include <linux/dm-path-selector.h>

#include "../include/dm-arg.h"

#define DM_MSG_PREFIX "multipath historical-service-time"

/* Averages and weights have ten fractional bits. */
#define FIXED_SHIFT	10
#define FIXED_1		1024U

#define DEFAULT_WEIGHT	972	/* 0.95 */
#define SAMPLE_EVERY	32
#define PROBE_PERIODS	2

/*
 * We precompute the weights for NR_STEPS steps.  A step is one request, or 16.8
 * ms since the last sample, so the old average is ignored after about one
 * second.
 */
#define SPAN_SHIFT	24
#define NR_STEPS	63

/*
 * An average is below 2^36 ns, or 2^46 with the fractional bits.  So its
 * product with up to 2^17 requests in flight, or with the threshold, does not
 * overflow.
 */
#define MAX_SAMPLE_NS	((1ULL << 36) - 1)
#define MAX_THRESHOLD	0x20000U

/* Per CPU.  A race with another task only costs a suboptimal choice. */
struct hst_cpu {
	/* index of the path where the next search begins */
	unsigned int begin;
	/* jiffies of the last check for expired averages */
	unsigned long reviewed;
};

struct hst_group {
	struct hst_cpu __percpu *cpus;
	/* constant: weight of the old average after one step, two steps, ... */
	u16 weights[NR_STEPS];
	/* constant: the arguments as in the table, and their number */
	unsigned int argc;
	unsigned int base_weight;
	unsigned int threshold;
	/* constant: the threshold, limited to MAX_THRESHOLD */
	unsigned int max_ratio;
};

/* The age of an average. */
enum { FRESH, STALE, WANTS_PROBE };

/*
 * Any CPU writes here when a request starts or completes.  There is no lock: if
 * two requests start or complete at the same time, a sample may be lost,
 * counted twice, or start slightly late.  We tolerate this because later
 * samples correct the average.  The number in flight must not drift, so we
 * change it atomically.  The times are atomic64_t only to prevent torn reads on
 * 32-bit CPUs.
 *
 * Each path has its own cache line, to avoid false sharing between paths.
 */
struct hst_path {
	atomic_t in_flight;
	/* requests completed without an error since @begun */
	atomic_t ended;
	/* how often the path may become busy without a new sample */
	unsigned int skip;
	/* FRESH, STALE or WANTS_PROBE */
	unsigned int state;
	/* ns with ten fractional bits; FIXED_1 before the first sample */
	atomic64_t average;
	/* The times below are in ns, as ktime_get_ns(). */
	/* start of the current sample; 0: no sample is being taken */
	atomic64_t begun;
	/* end of the last sample; 0: long ago */
	atomic64_t sampled;
	/* end of the validity of the average */
	atomic64_t stale_after;
	/* constant */
	unsigned int repeat_count;
} ____cacheline_aligned_in_smp;

/* ---- arithmetic ---- */

/* weights[n] = base^(n + 1) */
static void make_weights(u16 weights[NR_STEPS], unsigned int base)
{
	unsigned int weight = base, i;

	for (i = 0; i < NR_STEPS; i++) {
		weights[i] = weight;
		weight = (weight * base + FIXED_1 / 2) >> FIXED_SHIFT;
	}
}

/* The weight of the old average, @nr requests and @ns after the last sample. */
static unsigned int weight_of_past(const u16 weights[NR_STEPS], unsigned int nr,
				   u64 ns)
{
	u64 steps = (ns >> SPAN_SHIFT) + nr - 1;

	return steps < NR_STEPS ? weights[steps] : 0;
}

static u64 new_average(u64 old, u64 sample, unsigned int weight)
{
	u64 sum = old * weight + sample * (FIXED_1 - weight);

	return (sum + FIXED_1 / 2) >> FIXED_SHIFT;
}

/*
 * For how long an average is valid: the next sample may be SAMPLE_EVERY
 * requests away, and the other paths of the group get requests in turn.
 */
static u64 period_ns(u64 average, unsigned int nr_paths)
{
	return (average >> FIXED_SHIFT) * (nr_paths + SAMPLE_EVERY);
}

static unsigned int state_of(u64 stale_after, u64 period, u64 now)
{
	if (now <= stale_after)
		return FRESH;
	if (now <= stale_after + (PROBE_PERIODS - 1) * period)
		return STALE;
	return WANTS_PROBE;
}

/**
 * struct hst_estimate - the estimate for a new request on a path
 * @average: average time per request, ns with ten fractional bits
 * @time: expected time until completion, same unit
 * @in_flight: requests in flight
 * @stale: the average has expired
 */
struct hst_estimate {
	u64 average;
	u64 time;
	unsigned int in_flight;
	bool stale;
};

/* Worse than the estimate of any path. */
static const struct hst_estimate no_path = {
	.average = U64_MAX,
	.time = U64_MAX,
	.in_flight = UINT_MAX,
};

static bool alike(u64 a, u64 b, unsigned int threshold)
{
	return max(a, b) <= min(a, b) * threshold;
}

/*
 * Is @a the better path?  We compare the times, unless the faster path is stale
 * or the averages count as equal.  Then we compare the requests in flight.
 */
static bool better(struct hst_estimate a, struct hst_estimate b,
		   unsigned int threshold)
{
	bool earlier = a.time < b.time;

	if ((earlier ? a.stale : b.stale) ||
	    (threshold > 1 && alike(a.average, b.average, threshold)))
		return a.in_flight < b.in_flight;
	return earlier;
}

/* ---- the methods ---- */

/*
 * Update the states, once per tick and CPU.  The coarse clock is cheap, and
 * accurate enough to detect expired averages.
 */
static void review(struct dm_ps *ps)
{
	u64 now = ktime_get_coarse_ns();
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++) {
		struct hst_path *hp = ps->paths[i]->ctx;
		u64 period = period_ns(atomic64_read(&hp->average),
				       ps->nr_paths);
		unsigned int state;

		state = state_of(atomic64_read(&hp->stale_after), period, now);
		if (READ_ONCE(hp->state) != state)
			WRITE_ONCE(hp->state, state);
	}
}

static struct dm_ps_path *
select_best(struct dm_ps *ps, struct hst_cpu *cpu, unsigned int threshold)
{
	struct dm_ps_path *best = NULL;
	struct hst_estimate best_e = no_path;
	unsigned int best_i = 0, left, i;

	i = cpu->begin;
	for (left = ps->nr_paths; left; left--, i++) {
		struct dm_ps_path *path;
		struct hst_path *hp;
		struct hst_estimate e;
		unsigned int state;

		if (i >= ps->nr_paths)
			i = 0;
		path = ps->paths[i];
		if (unlikely(!dm_ps_path_usable(path)))
			continue;

		hp = path->ctx;
		e.in_flight = atomic_read(&hp->in_flight);
		state = READ_ONCE(hp->state);
		if (unlikely(state == WANTS_PROBE) && !e.in_flight) {
			/* Ensure that this request is timed. */
			WRITE_ONCE(hp->skip, 0);
			best = path;
			best_i = i;
			break;
		}

		e.stale = state != FRESH;
		e.average = atomic64_read(&hp->average);
		e.time = e.average * (e.in_flight + 1);
		if (!better(e, best_e, threshold))
			continue;
		best = path;
		best_e = e;
		best_i = i;
	}
	cpu->begin = best_i + 1;
	return best;
}

/*
 * The fast path of select: if no path needs a probe, and the path with the
 * shortest time is fresh, then it wins.  Returns NULL if we need the full
 * comparison.
 */
static struct dm_ps_path *select_fresh(struct dm_ps *ps, struct hst_cpu *cpu)
{
	struct dm_ps_path *best = NULL;
	unsigned int best_i = 0, best_state = STALE, left, i;
	u64 least = U64_MAX;

	i = cpu->begin;
	for (left = ps->nr_paths; left; left--, i++) {
		struct dm_ps_path *path;
		struct hst_path *hp;
		unsigned int in_flight, state;
		u64 time;

		if (i >= ps->nr_paths)
			i = 0;
		path = ps->paths[i];
		if (unlikely(!dm_ps_path_usable(path)))
			continue;
		hp = path->ctx;
		state = READ_ONCE(hp->state);
		if (unlikely(state == WANTS_PROBE))
			return NULL;

		in_flight = atomic_read(&hp->in_flight);
		time = atomic64_read(&hp->average) * (in_flight + 1);
		if (time < least) {
			best = path;
			best_i = i;
			best_state = state;
			least = time;
		}
	}
	if (unlikely(best_state != FRESH))
		return NULL;
	cpu->begin = best_i + 1;
	return best;
}

/*
 * This and the other rare cases are not inlined, to avoid saving registers for
 * them on the fast path.
 */
static noinline struct dm_ps_path *select_slow(struct dm_ps *ps,
					       struct hst_cpu *cpu)
{
	struct hst_group *group = ps->ctx;
	unsigned long tick = jiffies;

	if (cpu->reviewed != tick) {
		cpu->reviewed = tick;
		review(ps);
	}
	return select_best(ps, cpu, group->max_ratio);
}

static struct dm_ps_path *hst_select(struct dm_ps *ps, size_t nr_bytes,
				     enum req_op op)
{
	struct hst_group *group = ps->ctx;
	struct hst_cpu *cpu = raw_cpu_ptr(group->cpus);
	unsigned long tick = jiffies;
	struct dm_ps_path *best;

	if (unlikely(cpu->reviewed != tick || group->max_ratio > 1))
		return select_slow(ps, cpu);
	best = select_fresh(ps, cpu);
	return likely(best) ? best : select_slow(ps, cpu);
}

/* Start a sample.  The path was idle before. */
static noinline void begin_sample(struct hst_path *hp)
{
	WRITE_ONCE(hp->skip, SAMPLE_EVERY - 1);
	atomic_set(&hp->ended, 0);
	atomic64_set(&hp->begun, ktime_get_ns());
}

static void hst_start_io(struct dm_ps *ps, struct dm_ps_path *path,
			 size_t nr_bytes, enum req_op op, const void *id)
{
	struct hst_path *hp = path->ctx;
	unsigned int skip;

	if (atomic_inc_return(&hp->in_flight) != 1)
		return;

	skip = READ_ONCE(hp->skip);
	if (unlikely(!skip)) {
		begin_sample(hp);
		return;
	}
	WRITE_ONCE(hp->skip, skip - 1);
	/* Drop an old sample, otherwise the idle time would count. */
	if (unlikely(atomic64_read(&hp->begun)))
		atomic64_set(&hp->begun, 0);
}

/* Add a sample: @nr requests completed without an error from @begun to @now. */
static void learn(struct dm_ps *ps, struct hst_path *hp, unsigned int nr,
		  u64 begun, u64 now)
{
	struct hst_group *group = ps->ctx;
	u64 ns = min(now - begun, MAX_SAMPLE_NS), average;
	u64 sampled = atomic64_read(&hp->sampled);
	unsigned int weight;

	weight = weight_of_past(group->weights, nr,
				now > sampled ? now - sampled : 0);
	average = new_average(atomic64_read(&hp->average),
			      div_u64(ns << FIXED_SHIFT, nr), weight);

	atomic64_set(&hp->average, average);
	atomic64_set(&hp->sampled, now);
	atomic64_set(&hp->stale_after, now + period_ns(average, ps->nr_paths));
	WRITE_ONCE(hp->state, FRESH);
}

/* If the path is still @busy, the next sample begins immediately. */
static noinline void end_sample(struct dm_ps *ps, struct hst_path *hp,
				unsigned int nr, u64 begun, bool busy)
{
	u64 now = ktime_get_ns();

	if (begun && likely(now > begun))
		learn(ps, hp, nr, begun, now);
	atomic_set(&hp->ended, 0);
	atomic64_set(&hp->begun, busy ? now : 0);
}

/* A sample ends after SAMPLE_EVERY requests, or when the path becomes idle. */
static void hst_end_io(struct dm_ps *ps, struct dm_ps_path *path,
		       size_t nr_bytes, const void *id, blk_status_t status)
{
	struct hst_path *hp = path->ctx;
	/* Read before the path becomes idle: then the next sample may begin. */
	u64 begun = atomic64_read(&hp->begun);
	bool idle = atomic_dec_and_test(&hp->in_flight);
	unsigned int nr;

	if (unlikely(status) || (idle && !begun))
		return;
	nr = atomic_inc_return(&hp->ended);
	if (idle || nr >= SAMPLE_EVERY)
		end_sample(ps, hp, nr, begun, !idle);
}

/* Probe the path and ignore its history: it may have changed meanwhile. */
static void hst_reinstate_path(struct dm_ps *ps, struct dm_ps_path *path)
{
	struct hst_path *hp = path->ctx;

	atomic64_set(&hp->begun, 0);
	atomic64_set(&hp->sampled, 0);
	atomic64_set(&hp->stale_after, 0);
	WRITE_ONCE(hp->state, WANTS_PROBE);
}

static int hst_parse_group(struct hst_group *group, unsigned int argc,
			   char **argv, char **error)
{
	if (argc > 2) {
		*error = "historical-service-time takes at most base weight and threshold";
		return -EINVAL;
	}
	if (argc > 0 && (dm_arg_uint(argv[0], &group->base_weight) ||
			 group->base_weight >= FIXED_1)) {
		*error = "the base weight is not a number from 0 to 1023";
		return -EINVAL;
	}
	if (argc > 1 && dm_arg_uint(argv[1], &group->threshold)) {
		*error = "the threshold is not a number";
		return -EINVAL;
	}
	group->argc = argc;
	return 0;
}

static int hst_create(struct dm_ps *ps, unsigned int argc, char **argv,
		      char **error)
{
	struct hst_group *group;
	int r = -ENOMEM;

	*error = "out of memory";
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return r;
	group->cpus = alloc_percpu(struct hst_cpu);
	if (!group->cpus)
		goto free_group;

	group->base_weight = DEFAULT_WEIGHT;
	r = hst_parse_group(group, argc, argv, error);
	if (r)
		goto free_cpus;
	make_weights(group->weights, group->base_weight);
	group->max_ratio = min(group->threshold, MAX_THRESHOLD);
	ps->ctx = group;
	return 0;

free_cpus:
	free_percpu(group->cpus);
free_group:
	kfree(group);
	return r;
}

static void hst_destroy(struct dm_ps *ps)
{
	struct hst_group *group = ps->ctx;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		kfree(ps->paths[i]->ctx);
	free_percpu(group->cpus);
	kfree(group);
}

static int hst_add_path(struct dm_ps *ps, struct dm_ps_path *path,
			unsigned int argc, char **argv, char **error)
{
	unsigned int repeat_count = 1;
	struct hst_path *hp;

	if (argc > 1) {
		*error = "historical-service-time takes at most the repeat count per path";
		return -EINVAL;
	}
	if (argc && dm_arg_uint(argv[0], &repeat_count)) {
		*error = "the repeat count is not a number";
		return -EINVAL;
	}

	hp = kzalloc(sizeof(*hp), GFP_KERNEL);
	if (!hp) {
		*error = "out of memory";
		return -ENOMEM;
	}
	atomic64_set(&hp->average, FIXED_1);
	hp->state = WANTS_PROBE;
	hp->repeat_count = repeat_count;
	path->ctx = hp;
	return 0;
}

static int hst_group_status(const struct hst_group *group, status_type_t type,
			    char *result, unsigned int maxlen)
{
	int sz = 0;

	/* Old versions of libmultipath expect no group arguments in info. */
	if (type != STATUSTYPE_TABLE) {
		DMEMIT("0 ");
		return sz;
	}

	DMEMIT("%u ", group->argc);
	if (group->argc > 0)
		DMEMIT("%u ", group->base_weight);
	if (group->argc > 1)
		DMEMIT("%u ", group->threshold);
	return sz;
}

static int hst_status(struct dm_ps *ps, struct dm_ps_path *path,
		      status_type_t type, char *result, unsigned int maxlen)
{
	struct hst_path *hp;
	int sz = 0;

	if (!path)
		return hst_group_status(ps->ctx, type, result, maxlen);

	hp = path->ctx;
	if (type == STATUSTYPE_TABLE)
		DMEMIT("%u ", hp->repeat_count);
	else if (type == STATUSTYPE_INFO)
		DMEMIT("%llu %d %llu ", (u64)atomic64_read(&hp->average),
		       atomic_read(&hp->in_flight),
		       (u64)atomic64_read(&hp->stale_after));
	return sz;
}

static struct dm_ps_type hst_type = {
	.name = "historical-service-time",
	.module = THIS_MODULE,
	.table_args = 1,
	.info_args = 3,
	.create = hst_create,
	.destroy = hst_destroy,
	.add_path = hst_add_path,
	.select = hst_select,
	.start_io = hst_start_io,
	.end_io = hst_end_io,
	.reinstate_path = hst_reinstate_path,
	.status = hst_status,
};

static int __init hst_init(void)
{
	return dm_ps_register(&hst_type);
}

static void __exit hst_exit(void)
{
	dm_ps_unregister(&hst_type);
}

module_init(hst_init);
module_exit(hst_exit);

MODULE_DESCRIPTION("Device-mapper: historical-service-time path selector of dm-mpath-rq");
MODULE_LICENSE("GPL");
