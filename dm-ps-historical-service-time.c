// SPDX-License-Identifier: GPL-2.0-only
/*
 * historical-service-time: the path on which a request is likely to end first, going
 * by how long those before it took.
 *
 * Per path a moving average is kept of the time that one request costs there: the
 * time in which the path had anything to do, divided by the requests that ended well
 * in it.  So a path that serves ten at once costs a tenth of what each of them waits.
 * With that, a request is expected to take
 *
 *     (requests in flight + 1) * average
 *
 * and the smallest wins.  Averages that differ by no more than the factor
 * <threshold> count as equal: then the fewest requests in flight win.  Among equals
 * the paths take turns, on each CPU by itself.
 *
 * An average grows old.  A path that has ended nothing for as long as a few requests
 * should take is stale, and no longer preferred for its average: it may just have
 * become slow.  One that was idle for PROBE_PERIODS times as long is given one
 * request, as it may have become fast.
 *
 * To look at the clock is dear compared with the rest.  So only one request in
 * SAMPLE_EVERY is timed, or that many together.
 *
 * Arguments: for the group [<base weight> [<threshold>]]; per path [<repeat count>],
 * by default 1, which has no effect (see dm-ps-round-robin.c).  The base weight, 0
 * to 1023, is what the past counts against one request, in parts of 1024, by default
 * 972; 0 is not at all.  Time works the same way: a path that was idle for a second
 * is judged by what it does now.
 */

#include <linux/cache.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include <linux/dm-path-selector.h>

#define DM_MSG_PREFIX "multipath historical-service-time"

/* Averages and weights have ten binary places. */
#define FIXED_SHIFT	10
#define FIXED_1		1024U

#define DEFAULT_WEIGHT	972	/* 0.95 */
#define SAMPLE_EVERY	8
#define PROBE_PERIODS	4

/*
 * Weights are computed beforehand for up to so many steps.  A step is a request, or
 * 16.8 ms since the last sample: behind a second of rest the past does not count.
 */
#define SPAN_SHIFT	24
#define NR_STEPS	63

/*
 * An average is below 2^36 ns, with its places 2^46; with 2^17 requests in flight, or
 * as the threshold, no product overflows.
 */
#define MAX_SAMPLE_NS	((1ULL << 36) - 1)
#define MAX_FACTOR	0x20000U

/* Of a CPU; that another one may be asked in the middle of it is no harm. */
struct hst_cpu {
	/* where the next search begins */
	unsigned int begin;
	/* ktime_get_coarse_ns(), and the jiffy in which it was */
	unsigned long jiffy;
	u64 now;
};

struct hst_group {
	struct hst_cpu __percpu *cpus;
	/* constant: what the past counts after so many steps and one */
	u16 weights[NR_STEPS];
	/* constant: as given; @argc of the two were */
	unsigned int argc;
	unsigned int base_weight;
	unsigned int threshold;
};

/*
 * Any CPU writes here when a request starts or ends.  There is no lock: if two
 * requests start or end at once, a sample of the average may be lost, be counted
 * twice, or begin a moment too late.  It is one of many that an estimate is made of,
 * and the next one corrects it.  The count in flight must not drift, so that one is
 * changed atomically; the times are atomic64_t only so that a CPU with words of 32
 * bits does not read half of a new one.
 *
 * Each path in a cache line of its own: a busy one does not slow its neighbour.
 */
struct hst_path {
	atomic_t in_flight;
	/* requests that ended well since @begun */
	atomic_t ended;
	/* so many times that the path becomes busy are not timed */
	unsigned int skip;
	/* constant */
	unsigned int repeat_count;
	/* ns with ten binary places; FIXED_1 as long as nothing was measured */
	atomic64_t average;
	/* what follows as ktime_get_ns(): the sample in the making; 0: none is */
	atomic64_t begun;
	/* the last sample; 0: long ago */
	atomic64_t sampled;
	atomic64_t stale_after;
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

/* What it counts after @nr requests, and @ns since the last sample. */
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
 * How long an average is good: the next sample may be SAMPLE_EVERY requests away, and
 * the other paths of the group have their turns.
 */
static u64 period_ns(u64 average, unsigned int nr_paths)
{
	return (average >> FIXED_SHIFT) * (nr_paths + SAMPLE_EVERY);
}

/* What a path is expected to do. */
struct estimate {
	u64 average;
	u64 stale_after;
	unsigned int in_flight;
	bool stale;
	bool wants_probe;
};

static u64 expected_time(const struct estimate *e)
{
	return e->average * min(e->in_flight + 1, MAX_FACTOR);
}

static bool alike(u64 a, u64 b, unsigned int threshold)
{
	return max(a, b) <= min(a, b) * min(threshold, MAX_FACTOR);
}

/* Should a request rather go to @a than to @b? */
static bool better(const struct estimate *a, const struct estimate *b,
		   unsigned int threshold)
{
	u64 time_a, time_b;

	if (unlikely(a->wants_probe != b->wants_probe))
		return a->wants_probe;
	if (unlikely(a->wants_probe))
		return a->stale_after < b->stale_after;
	if (alike(a->average, b->average, threshold))
		return a->in_flight < b->in_flight;

	time_a = expected_time(a);
	time_b = expected_time(b);
	if (time_a < time_b ? a->stale : b->stale)
		return a->in_flight < b->in_flight;
	return time_a < time_b;
}

/* ---- the methods ---- */

/* The time by the last tick: good enough to tell what is old, and cheap. */
static u64 about_now(struct hst_group *group)
{
	struct hst_cpu *cpu = raw_cpu_ptr(group->cpus);
	unsigned long jiffy = jiffies;

	if (unlikely(cpu->jiffy != jiffy)) {
		cpu->now = ktime_get_coarse_ns();
		cpu->jiffy = jiffy;
	}
	return cpu->now;
}

static void look_at(const struct hst_path *hp, u64 now, unsigned int nr_paths,
		    struct estimate *e)
{
	e->average = atomic64_read(&hp->average);
	e->stale_after = atomic64_read(&hp->stale_after);
	e->in_flight = atomic_read(&hp->in_flight);
	e->stale = now > e->stale_after;
	e->wants_probe = e->stale && !e->in_flight &&
			 now > e->stale_after + (PROBE_PERIODS - 1) *
			       period_ns(e->average, nr_paths);
}

static struct dm_ps_path *hst_select(struct dm_ps *ps, size_t nr_bytes)
{
	struct hst_group *group = ps->ctx;
	struct dm_ps_path *best = NULL;
	struct estimate best_e = { }, e;
	unsigned int best_i = 0, left, i;
	u64 now = about_now(group);

	i = this_cpu_read(group->cpus->begin);
	for (left = ps->nr_paths; left; left--, i++) {
		struct dm_ps_path *path;

		if (i >= ps->nr_paths)
			i = 0;
		path = ps->paths[i];
		if (unlikely(!dm_ps_path_usable(path)))
			continue;

		look_at(path->ctx, now, ps->nr_paths, &e);
		if (best && !better(&e, &best_e, group->threshold))
			continue;
		best = path;
		best_e = e;
		best_i = i;
	}
	this_cpu_write(group->cpus->begin, best_i + 1);

	if (unlikely(best_e.wants_probe)) {
		struct hst_path *hp = best->ctx;

		WRITE_ONCE(hp->skip, 0);
	}
	return best;
}

/* The path was idle. */
static void begin_sample(struct hst_path *hp)
{
	unsigned int skip = READ_ONCE(hp->skip);

	if (likely(skip)) {
		WRITE_ONCE(hp->skip, skip - 1);
		/* Or the idle time would be counted. */
		if (unlikely(atomic64_read(&hp->begun)))
			atomic64_set(&hp->begun, 0);
		return;
	}
	WRITE_ONCE(hp->skip, SAMPLE_EVERY - 1);
	atomic_set(&hp->ended, 0);
	atomic64_set(&hp->begun, ktime_get_ns());
}

static void hst_start_io(struct dm_ps *ps, struct dm_ps_path *path,
			 size_t nr_bytes)
{
	struct hst_path *hp = path->ctx;

	if (atomic_inc_return(&hp->in_flight) == 1)
		begin_sample(hp);
}

/* @nr requests have ended well between @begun and @now. */
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
}

/* A sample ends with its last request, or when the path becomes idle. */
static void hst_end_io(struct dm_ps *ps, struct dm_ps_path *path,
		       size_t nr_bytes, blk_status_t status)
{
	struct hst_path *hp = path->ctx;
	u64 begun = atomic64_read(&hp->begun), now;
	int busy = atomic_dec_return(&hp->in_flight);
	unsigned int nr;

	if (unlikely(status) || (!busy && !begun))
		return;
	nr = atomic_inc_return(&hp->ended);
	if (busy && nr < SAMPLE_EVERY)
		return;

	now = ktime_get_ns();
	if (begun && likely(now > begun))
		learn(ps, hp, nr, begun, now);
	atomic_set(&hp->ended, 0);
	atomic64_set(&hp->begun, busy ? now : 0);
}

/* What it was like before it failed says little: it is probed, and judged anew. */
static void hst_reinstate_path(struct dm_ps *ps, struct dm_ps_path *path)
{
	struct hst_path *hp = path->ctx;

	atomic64_set(&hp->begun, 0);
	atomic64_set(&hp->sampled, 0);
	atomic64_set(&hp->stale_after, 0);
}

static int hst_parse_group(struct hst_group *group, unsigned int argc,
			   char **argv, char **error)
{
	if (argc > 2) {
		*error = "historical-service-time takes at most base weight and threshold";
		return -EINVAL;
	}
	if (argc > 0 && (kstrtouint(argv[0], 10, &group->base_weight) ||
			 group->base_weight >= FIXED_1)) {
		*error = "the base weight is not a number from 0 to 1023";
		return -EINVAL;
	}
	if (argc > 1 && kstrtouint(argv[1], 10, &group->threshold)) {
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
	if (argc && kstrtouint(argv[0], 10, &repeat_count)) {
		*error = "the repeat count is not a number";
		return -EINVAL;
	}

	hp = kzalloc(sizeof(*hp), GFP_KERNEL);
	if (!hp) {
		*error = "out of memory";
		return -ENOMEM;
	}
	atomic64_set(&hp->average, FIXED_1);
	hp->repeat_count = repeat_count;
	path->ctx = hp;
	return 0;
}

static int hst_group_status(const struct hst_group *group, status_type_t type,
			    char *result, unsigned int maxlen)
{
	int sz = 0;

	/* Older versions of libmultipath expect no more in the info line. */
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
