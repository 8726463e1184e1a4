// SPDX-License-Identifier: GPL-2.0-only
/*
 * completion-time: choose the path on which this request is expected to
 * complete first.
 *
 * Model
 *
 * For each path we keep
 *
 *	cost	the service time of a request without waiting for others, for
 *		each direction and size class (powers of two, 4 KiB to 2 MiB)
 *	width	the number of requests served in parallel; if more are in
 *		flight, the rest wait
 *	load	the requests and bytes in flight
 *
 * We fit a line through the costs of the classes, cost = a + b * bytes, and
 * estimate
 *
 *	queue = (a * requests + b * bytes) / width
 *	time  = max(cost of this request, queue)
 *
 * where requests and bytes are those in flight plus this one.  The width of a
 * disk with many slots is their number, so the time equals the cost while a
 * slot is free.  The width of a saturated link is 1, so the time grows with the
 * bytes in flight.
 *
 * Choice
 *
 * With aim "throughput", the default, we prefer paths on which the request does
 * not wait, and take the one with the shortest time.  If the request would wait
 * on every path, we also take the shortest time.  This avoids idle paths while
 * requests wait for another one.
 *
 * With aim "latency" we take the shortest time even if the request then waits
 * for a full path, in the map's queue.  If the queue gets long, we also use the
 * slower path as soon as this saves all waiting requests together more time
 * than it costs the request that takes it (break_even_time()).
 *
 * Times within a sixteenth of each other count as equal.  Then the lowest load
 * wins, and among equal loads each CPU rotates through the paths.  A path with
 * nothing in flight has no queue.
 *
 * We examine at most MAX_EXAMINED paths per request, and continue behind them
 * for the next one.  A path is accepted without a further search if its
 * estimate is below the lowest cost that this CPU saw in the current tick for
 * this class, plus a sixteenth, and it has at most one request more in flight
 * than the path chosen then.  So with equal paths, we mostly examine only the
 * next one in turn.
 *
 * Learning
 *
 * On each path we time one request per tick, from map to completion, and record
 * the load at its start.  If the request took about its cost, it did not wait: we
 * average the cost, and if the width was reached, we increment it.  If it took
 * longer and other requests were in flight, the load divided by its time is a
 * sample of the width.  A sample has a weight of at least an eighth.  The
 * weight grows with the age of the value, up to 1 after FORGET_MS.  A sample
 * that may include some waiting has less weight, and a sample below the cost
 * has more.  Failed requests are ignored.
 *
 * Probing
 *
 * To notice when a slow path has recovered, we send one request to a path that
 * was idle for PROBE_COSTS times the cost of its last request, but at least
 * PROBE_MIN_MS and at most PROBE_MAX_MS.  This bounds the cost of probing to
 * 1/PROBE_COSTS of the throughput of a single-threaded application.  If another
 * path has just become slow, a quarter of that time is enough.  A path
 * without history, or a reinstated one, gets one request immediately, and no
 * second one until the first has completed, unless no other path is left.
 *
 * Late paths
 *
 * Once per tick we check the request being timed.  If it is outstanding
 * for LATE_COSTS times its expected time and nothing else has completed on the
 * path, the path gets no request until something completes there, unless all
 * paths are late.
 *
 * Full paths
 *
 * A device that has refused a request gets no other request until one completes
 * there, or until the next tick.  If all devices refuse it, the request waits
 * in the map's queue.  New requests do not overtake it (in_order of the
 * contract).
 *
 * Overhead
 *
 * Each request costs two atomic operations on the path's own cache line.  There
 * is no lock: only the owner of a path's single sample updates the model, and
 * readers tolerate a partial update.
 *
 * Arguments: for the group [throughput | latency]; per path [<repeat count>],
 * which has no effect (see round-robin.c).
 */

#include <linux/blk_types.h>
#include <linux/cache.h>
#include <linux/jiffies.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include <linux/dm-path-selector.h>

#include "../include/dm-arg.h"
#include "completion-time.h"

#define DM_MSG_PREFIX "multipath completion-time"

#define MAX_EXAMINED	8U
#define PROBE_COSTS	64
#define PROBE_MIN_MS	100U
#define PROBE_MAX_MS	4000U
#define LATE_COSTS	4

/* ---- state ---- */

/*
 * A path is accepted without a further search if its key is below @key and at
 * most @requests are in flight there.
 */
struct ct_good {
	u64 key;
	u32 requests;
	/* time of the search, low 32 bits of jiffies */
	u32 tick;
};

/* Per CPU.  A race with another task only costs a suboptimal choice. */
struct ct_cpu {
	/* index of the path where the next search begins */
	unsigned int begin;
	/* jiffies of the last check for late paths and paths to probe */
	unsigned long reviewed;
	/* how long the last refused request had waited, in ns */
	u64 waited;
	struct ct_good good[2][NR_CLASSES];
};

struct ct_group {
	struct ct_cpu __percpu *cpus;
	/* constant */
	bool latency;
	/* constant: the table states the aim */
	bool given;
};

/* Bits of ct_path.state. */
enum {
	CT_FULL,	/* refused a request, and none has completed since */
	CT_LATE,	/* the request being timed is overdue */
	CT_NEW,		/* no history, or reinstated */
};

/* Per direction.  Read for each request; written by the owner of the sample. */
struct ct_costs {
	/*
	 * queueing time per request and per byte: ns with ten fractional bits
	 */
	u64 per_request;
	u32 per_byte;
	u32 cost[NR_CLASSES];
};

/* The request being timed. */
struct ct_sample {
	/*
	 * start time (ktime_get_ns()) and load at the start, this request
	 * included
	 */
	u64 begun;
	u64 load;
	u8 class;
	u8 dir;
	/* last completion of another request while the path was late, in ns */
	u64 alive;
};

/*
 * Any CPU writes the first cache line when a request starts or completes.  A
 * CPU takes the sample by changing @timed from NULL to the id of its request.
 * The sample then belongs to the submitter until the request is sent, and after
 * that to the completion handler, which releases it.
 */
struct ct_path {
	atomic64_t load;
	unsigned long state;
	const void *timed;
	/* jiffies when the sample was last taken */
	unsigned long sampled;
	struct ct_sample sample;

	struct ct_costs costs[2] ____cacheline_aligned_in_smp;
	/* constant */
	struct ct_group *group;

	struct ct_line line[2];
	/* bitmap of the classes with a measured cost, by direction */
	unsigned long known[2];
	/* jiffies of the last measurement */
	unsigned long known_at[2][NR_CLASSES];
	/* 0: no limit known */
	u32 width;
	/* number of consecutive samples above twice the cost */
	unsigned int slower;
	/* time of the last sample, in ns */
	u32 last_cost;
	/*
	 * jiffies of the last sample, and of the next probe if the path stays
	 * idle
	 */
	unsigned long tried, probe_at;
	/* constant */
	unsigned int repeat_count;
};

/*
 * All members that requests write fit in one cache line of 64 bytes.  User-space
 * builds of this file, such as simulators, have no static_assert().
 */
#ifdef static_assert
static_assert(offsetof(struct ct_path, sample) + sizeof(struct ct_sample) <= 64);
#endif

/* ---- select ---- */

/* Best first. */
enum {
	RANK_AT_ONCE,		/* the request does not wait */
	RANK_QUEUED,		/* it waits for others on the path */
	RANK_FULL,
	RANK_UNKNOWN,		/* no request has completed on it yet */
	RANK_LATE,
};

/*
 * The search key: the rank in the high bits, the time below (ns, ten fractional
 * bits).
 */
#define RANK_SHIFT	60
#define MAX_TIME	(BIT_ULL(RANK_SHIFT) - 1)
#define NO_PATH		U64_MAX

/*
 * If the time overflows, for example with a million requests, the rank gets
 * worse.
 */
static u64 ranked(u64 rank, u64 time)
{
	return (rank << RANK_SHIFT) + time;
}

/* The key of a path with a state bit set. */
static noinline u64 estimate_special(const struct ct_path *cp, u64 time,
				     u64 requests)
{
	const struct ct_group *group = cp->group;
	unsigned long state = READ_ONCE(cp->state);
	u64 waited;

	if (state & BIT(CT_LATE))
		return ranked(RANK_LATE, time);
	if (state & BIT(CT_NEW))
		return ranked(RANK_UNKNOWN, time);
	if (!(state & BIT(CT_FULL)))
		return ranked(RANK_AT_ONCE, time);

	/*
	 * On average, a slot becomes free after 1/requests of the service time.
	 */
	time += div64_u64(time, requests ?: 1);
	if (!group->latency)
		return ranked(RANK_FULL, time);
	waited = raw_cpu_ptr(group->cpus)->waited;
	if (waited)
		time = break_even_time(time >> FIXED_SHIFT, waited) <<
		       FIXED_SHIFT;
	return ranked(RANK_AT_ONCE, time);
}

/*
 * The key of a path with requests in flight or a state bit set.  Not inlined,
 * to keep the search over idle paths short: there each instruction counts.
 */
static noinline u64 estimate_busy(const struct ct_path *cp,
				  const struct ct_costs *costs, u64 load,
				  size_t nr_bytes, u64 cost)
{
	u64 requests = load >> LOAD_SHIFT;
	u64 queue = (requests + 1) * READ_ONCE(costs->per_request) +
		    ((load & LOAD_BYTES) + nr_bytes) * READ_ONCE(costs->per_byte);
	u64 time = max(queue, cost);

	if (unlikely(READ_ONCE(cp->state)))
		return estimate_special(cp, time, requests);
	if (time > cost + (cost >> 3) && !cp->group->latency)
		return ranked(RANK_QUEUED, time);
	return ranked(RANK_AT_ONCE, time);
}

static __always_inline struct dm_ps_path *
select_best(struct dm_ps *ps, struct ct_cpu *cpu, size_t nr_bytes,
	    unsigned int dir)
{
	unsigned int class = class_of(nr_bytes), budget = MAX_EXAMINED;
	struct ct_good *good = &cpu->good[dir][class];
	u64 enough = good->tick == (u32)cpu->reviewed ? good->key : 0;
	unsigned int i = cpu->begin, next = i, left;
	u64 least = NO_PATH, best_load = U64_MAX, least_cost = MAX_TIME;
	struct dm_ps_path *best = NULL;

	for (left = ps->nr_paths; left; left--) {
		const struct ct_costs *costs;
		struct dm_ps_path *path;
		struct ct_path *cp;
		u64 cost, key, band, load;

		if (i >= ps->nr_paths)
			i = 0;
		path = ps->paths[i++];
		if (unlikely(!dm_ps_path_usable(path)))
			continue;

		cp = path->ctx;
		costs = &cp->costs[dir];
		load = atomic64_read(&cp->load);
		cost = (u64)READ_ONCE(costs->cost[class]) << FIXED_SHIFT;
		key = cost;
		band = key >> 4;
		if (load || unlikely(READ_ONCE(cp->state))) {
			key = estimate_busy(cp, costs, load, nr_bytes, cost);
			band = (key & MAX_TIME) >> 4;
		}
		if (key < enough && load >> LOAD_SHIFT <= good->requests) {
			cpu->begin = i;
			return path;
		}
		/*
		 * If the keys differ by less than the band, the load decides.
		 */
		if (key + band < least ||
		    (load < best_load && key - band <= least)) {
			best = path;
			best_load = load;
			next = i;
		}
		least = min(least, key);
		least_cost = min(least_cost, cost);
		if (unlikely(!--budget))
			break;
	}
	/*
	 * If we did not examine all paths, continue with the rest; else rotate.
	 */
	cpu->begin = budget || left <= 1 ? next : i;
	/*
	 * Remember the lowest cost, not the best key: a path that becomes idle
	 * again may be much better than the best path of now.
	 */
	good->tick = cpu->reviewed;
	good->key = least_cost + (least_cost >> 4);
	good->requests = (best_load >> LOAD_SHIFT) + 1;
	return best;
}

static unsigned long probe_after(u32 cost)
{
	unsigned int ms = div_u64((u64)cost * PROBE_COSTS, NSEC_PER_MSEC);

	return msecs_to_jiffies(clamp(ms, PROBE_MIN_MS, PROBE_MAX_MS));
}

/*
 * @slow has become slow, so probe the others early: one of them may be faster
 * now.
 */
static void probe_others_soon(struct dm_ps *ps, const struct ct_path *slow)
{
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++) {
		struct ct_path *cp = ps->paths[i]->ctx;
		unsigned long at;

		if (cp == slow)
			continue;
		at = READ_ONCE(cp->tried) +
		     probe_after(READ_ONCE(cp->last_cost)) / 4;
		if (time_before(at, READ_ONCE(cp->probe_at)))
			WRITE_ONCE(cp->probe_at, at);
	}
}

/* The expected time of the request being timed, in ns. */
static u64 expected_time(const struct ct_path *cp)
{
	const struct ct_sample *sample = &cp->sample;
	const struct ct_costs *costs = &cp->costs[sample->dir];
	u64 queue = (sample->load >> LOAD_SHIFT) * costs->per_request +
		    (sample->load & LOAD_BYTES) * costs->per_byte;

	return max_t(u64, costs->cost[sample->class], queue >> FIXED_SHIFT);
}

static void check_late(struct dm_ps *ps, struct ct_path *cp, u64 now)
{
	u64 since = max(READ_ONCE(cp->sample.begun), READ_ONCE(cp->sample.alive));

	if (!READ_ONCE(cp->timed) || test_bit(CT_NEW, &cp->state) ||
	    now < since + LATE_COSTS * expected_time(cp) + 2 * TICK_NSEC)
		return;
	if (!test_and_set_bit(CT_LATE, &cp->state))
		probe_others_soon(ps, cp);
}

/*
 * Runs once per tick and CPU.  Returns a path to probe with the next request,
 * whatever the other paths are like, or NULL.
 */
static struct dm_ps_path *review(struct dm_ps *ps)
{
	u64 now = ktime_get_ns();
	unsigned long tick = jiffies;
	struct dm_ps_path *probe = NULL;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++) {
		struct dm_ps_path *path = ps->paths[i];
		struct ct_path *cp = path->ctx;

		if (!dm_ps_path_usable(path))
			continue;
		if (test_bit(CT_FULL, &cp->state))
			clear_bit(CT_FULL, &cp->state);
		check_late(ps, cp, now);
		if (!probe && !atomic64_read(&cp->load) &&
		    (test_bit(CT_NEW, &cp->state) ||
		     time_after_eq(tick, READ_ONCE(cp->probe_at)))) {
			WRITE_ONCE(cp->probe_at, tick + probe_after(cp->last_cost));
			probe = path;
		}
	}
	return probe;
}

static struct dm_ps_path *ct_select(struct dm_ps *ps, size_t nr_bytes,
				    enum req_op op)
{
	struct ct_group *group = ps->ctx;
	struct ct_cpu *cpu = raw_cpu_ptr(group->cpus);
	unsigned long tick = jiffies;

	if (unlikely(cpu->reviewed != tick)) {
		struct dm_ps_path *probe;

		cpu->reviewed = tick;
		probe = review(ps);
		if (probe)
			return probe;
	}
	return select_best(ps, cpu, nr_bytes, op_is_write(op));
}

/* ---- learning ---- */

/*
 * A large change in one class means that the whole path has changed, so scale
 * the other costs by @new / @old.  Skip @changed itself and the classes with a
 * recent measurement.
 */
static void scale_others(struct ct_path *cp, const u32 *changed, u32 old, u32 new)
{
	unsigned int dir, class;

	for (dir = 0; dir < 2; dir++)
		for (class = 0; class < NR_CLASSES; class++) {
			u32 *cost = &cp->costs[dir].cost[class];
			u64 scaled = div_u64((u64)*cost * new, old);

			if (cost != changed && test_bit(class, &cp->known[dir]) &&
			    time_after(jiffies, cp->known_at[dir][class] +
				       msecs_to_jiffies(FORGET_MS)))
				WRITE_ONCE(*cost, clamp_t(u64, scaled, 1,
							  MAX_COST));
		}
}

/* Compute the values that select() reads from costs and width. */
static void publish(struct ct_path *cp)
{
	unsigned int dir, class;

	for (dir = 0; dir < 2; dir++) {
		struct ct_costs *costs = &cp->costs[dir];
		u64 per_request = 0, per_byte = 0;
		struct ct_line line;

		/* With no samples in this direction, use the other's. */
		line = cp->known[dir] ?
		       fit_line(costs->cost, cp->known[dir]) :
		       fit_line(cp->costs[!dir].cost, cp->known[!dir]);
		cp->line[dir] = line;
		for (class = 0; class < NR_CLASSES; class++)
			if (!test_bit(class, &cp->known[dir]))
				WRITE_ONCE(costs->cost[class],
					   cost_on(line, class));

		if (cp->width) {
			per_request = div_u64((u64)line.a <<
					      (FIXED_SHIFT + WIDTH_SHIFT),
					      cp->width);
			per_byte = div_u64((u64)line.b << WIDTH_SHIFT,
					   cp->width);
		}
		WRITE_ONCE(costs->per_request, per_request);
		WRITE_ONCE(costs->per_byte, per_byte);
	}
}

/* Record the first sample of a class. */
static void begin_class(struct ct_path *cp, u64 ns, unsigned int dir,
			unsigned int class, unsigned int requests)
{
	u32 *cost = &cp->costs[dir].cost[class];

	/*
	 * Prefer the fitted cost to the time of a request that may have waited.
	 */
	if (requests <= 1 || !*cost || ns < *cost)
		WRITE_ONCE(*cost, ns);
	__set_bit(class, &cp->known[dir]);
}

/*
 * Update the model: the timed request took @ns.  If width and load explain a
 * part of that as waiting, only the rest counts as cost.
 */
static void learn(struct dm_ps *ps, struct ct_path *cp, u64 ns)
{
	const struct ct_sample *sample = &cp->sample;
	unsigned int dir = sample->dir, class = sample->class;
	unsigned int requests = sample->load >> LOAD_SHIFT;
	u32 *cost = &cp->costs[dir].cost[class], old = *cost, new;
	unsigned long age = jiffies - cp->known_at[dir][class];
	unsigned int weight = weight_of(jiffies_to_msecs(min(age, HZ * 10UL)));
	u64 took = ns;

	ns = clamp_t(u64, ns, 1, MAX_COST);
	if (!test_bit(class, &cp->known[dir])) {
		begin_class(cp, ns, dir, class, requests);
		goto out;
	}

	if (requests > 1 && has_waited(ns, old)) {
		u64 work = work_of(cp->line[dir], sample->load), expected;

		cp->width = width_seen(cp->width, work, ns, requests);
		expected = max_t(u64, old, div64_u64(work << WIDTH_SHIFT,
						     cp->width));
		if (took <= expected + expected / 4)
			goto seen;
		/* The wait explains only a part: the path has become slower. */
		ns = clamp_t(u64, div64_u64(old * took, expected), 1,
			     MAX_COST);
	} else if (has_not_waited(ns, old)) {
		cp->width = width_reached(cp->width, requests);
	}

	weight = weight_with(requests, ns > old, weight);
	cp->slower = ns / 2 > old ? cp->slower + 1 : 0;
	if (cp->slower > 1)
		weight = max(weight, FULL_WEIGHT / (requests > 1 ? 4 : 2));
	new = max(average(old, ns, weight), 1U);
	WRITE_ONCE(*cost, new);
	if (new / 2 > old || new < old / 2)
		scale_others(cp, cost, old, new);
	if (cp->slower > 1)
		probe_others_soon(ps, cp);
seen:
	ns = took;
out:
	cp->known_at[dir][class] = jiffies;
	WRITE_ONCE(cp->last_cost, min_t(u64, ns, MAX_COST));
	publish(cp);
}

/* ---- the other methods ---- */

static noinline void begin_sample(struct ct_path *cp, u64 load, size_t nr_bytes,
				  enum req_op op, const void *id)
{
	struct ct_sample *sample = &cp->sample;

	if ((op != REQ_OP_READ && op != REQ_OP_WRITE) ||
	    cmpxchg(&cp->timed, NULL, id))
		return;
	WRITE_ONCE(cp->sampled, jiffies);
	sample->load = load;
	sample->class = class_of(nr_bytes);
	sample->dir = op_is_write(op);
	WRITE_ONCE(sample->alive, 0);
	WRITE_ONCE(sample->begun, ktime_get_ns());
}

static void ct_start_io(struct dm_ps *ps, struct dm_ps_path *path,
			size_t nr_bytes, enum req_op op, const void *id)
{
	struct ct_path *cp = path->ctx;
	u64 load = atomic64_add_return(LOAD_REQUEST + nr_bytes, &cp->load);
	unsigned long tick = jiffies;

	if (unlikely(READ_ONCE(cp->sampled) != tick && !READ_ONCE(cp->timed)))
		begin_sample(cp, load, nr_bytes, op, id);
}

static noinline void end_sample(struct dm_ps *ps, struct ct_path *cp,
				blk_status_t status)
{
	u64 now = ktime_get_ns();

	if (likely(!status)) {
		learn(ps, cp, now - cp->sample.begun);
		WRITE_ONCE(cp->tried, jiffies);
		WRITE_ONCE(cp->probe_at, jiffies + probe_after(cp->last_cost));
		clear_bit(CT_NEW, &cp->state);
	}
	/*
	 * Pairs with cmpxchg(): the next owner of the sample must see our
	 * updates.
	 */
	smp_store_release(&cp->timed, NULL);
}

/* A request has completed on a path that was late or full. */
static noinline void clear_late(struct ct_path *cp)
{
	if (test_bit(CT_FULL, &cp->state))
		clear_bit(CT_FULL, &cp->state);
	if (test_bit(CT_LATE, &cp->state)) {
		WRITE_ONCE(cp->sample.alive, ktime_get_ns());
		clear_bit(CT_LATE, &cp->state);
	}
}

static void ct_end_io(struct dm_ps *ps, struct dm_ps_path *path,
		      size_t nr_bytes, const void *id, blk_status_t status)
{
	struct ct_path *cp = path->ctx;

	atomic64_sub(LOAD_REQUEST + nr_bytes, &cp->load);
	if (unlikely(READ_ONCE(cp->state)))
		clear_late(cp);
	if (unlikely(READ_ONCE(cp->timed) == id))
		end_sample(ps, cp, status);
}

static bool ct_refused(struct dm_ps *ps, struct dm_ps_path *path,
		       size_t nr_bytes, enum req_op op, u64 waited)
{
	struct ct_group *group = ps->ctx;
	struct ct_path *cp = path->ctx;
	struct ct_cpu *cpu = raw_cpu_ptr(group->cpus);
	bool newly_full = !test_and_set_bit(CT_FULL, &cp->state);

	if (!group->latency)
		return newly_full;
	cpu->waited = waited;
	return select_best(ps, cpu, nr_bytes, op_is_write(op)) != path;
}

/*
 * The history from before the failure may be wrong, so start with one request.
 */
static void ct_reinstate_path(struct dm_ps *ps, struct dm_ps_path *path)
{
	struct ct_path *cp = path->ctx;

	clear_bit(CT_FULL, &cp->state);
	clear_bit(CT_LATE, &cp->state);
	set_bit(CT_NEW, &cp->state);
}

static int ct_parse_group(struct ct_group *group, unsigned int argc,
			  char **argv, char **error)
{
	if (argc > 1) {
		*error = "completion-time takes at most the aim";
		return -EINVAL;
	}
	if (!argc)
		return 0;

	group->given = true;
	group->latency = !strcmp(argv[0], "latency");
	if (!group->latency && strcmp(argv[0], "throughput")) {
		*error = "the aim is neither throughput nor latency";
		return -EINVAL;
	}
	return 0;
}

static int ct_create(struct dm_ps *ps, unsigned int argc, char **argv,
		     char **error)
{
	struct ct_group *group;
	int r = -ENOMEM;

	*error = "out of memory";
	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return r;
	group->cpus = alloc_percpu(struct ct_cpu);
	if (!group->cpus)
		goto free_group;

	r = ct_parse_group(group, argc, argv, error);
	if (r)
		goto free_cpus;
	ps->ctx = group;
	ps->in_order = true;
	return 0;

free_cpus:
	free_percpu(group->cpus);
free_group:
	kfree(group);
	return r;
}

static void ct_destroy(struct dm_ps *ps)
{
	struct ct_group *group = ps->ctx;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		kfree(ps->paths[i]->ctx);
	free_percpu(group->cpus);
	kfree(group);
}

static int ct_add_path(struct dm_ps *ps, struct dm_ps_path *path,
		       unsigned int argc, char **argv, char **error)
{
	unsigned int repeat_count = 1;
	struct ct_path *cp;

	if (argc > 1) {
		*error = "completion-time takes at most the repeat count per path";
		return -EINVAL;
	}
	if (argc && dm_arg_uint(argv[0], &repeat_count)) {
		*error = "the repeat count is not a number";
		return -EINVAL;
	}

	cp = kzalloc(sizeof(*cp), GFP_KERNEL);
	if (!cp) {
		*error = "out of memory";
		return -ENOMEM;
	}
	cp->group = ps->ctx;
	cp->repeat_count = repeat_count;
	cp->sampled = jiffies - 1;
	cp->state = BIT(CT_NEW);
	path->ctx = cp;
	return 0;
}

static int ct_group_status(const struct ct_group *group, status_type_t type,
			   char *result, unsigned int maxlen)
{
	int sz = 0;

	/*
	 * Old versions of libmultipath reject group arguments in the info line.
	 */
	if (type == STATUSTYPE_TABLE && group->given)
		DMEMIT("1 %s ", group->latency ? "latency" : "throughput");
	else
		DMEMIT("0 ");
	return sz;
}

/*
 * Info: requests in flight; cost of a 4 KiB read in us; width, 0 if not known.
 */
static int ct_status(struct dm_ps *ps, struct dm_ps_path *path,
		     status_type_t type, char *result, unsigned int maxlen)
{
	struct ct_path *cp;
	int sz = 0;

	if (!path)
		return ct_group_status(ps->ctx, type, result, maxlen);

	cp = path->ctx;
	if (type == STATUSTYPE_TABLE)
		DMEMIT("%u ", cp->repeat_count);
	else if (type == STATUSTYPE_INFO)
		DMEMIT("%llu %u %u ",
		       (u64)atomic64_read(&cp->load) >> LOAD_SHIFT,
		       READ_ONCE(cp->costs[READ].cost[0]) / (u32)NSEC_PER_USEC,
		       READ_ONCE(cp->width) >> WIDTH_SHIFT);
	return sz;
}

static struct dm_ps_type ct_type = {
	.name = "completion-time",
	.module = THIS_MODULE,
	.table_args = 1,
	.info_args = 3,
	.create = ct_create,
	.destroy = ct_destroy,
	.add_path = ct_add_path,
	.select = ct_select,
	.start_io = ct_start_io,
	.end_io = ct_end_io,
	.refused = ct_refused,
	.reinstate_path = ct_reinstate_path,
	.status = ct_status,
};

static int __init ct_init(void)
{
	return dm_ps_register(&ct_type);
}

static void __exit ct_exit(void)
{
	dm_ps_unregister(&ct_type);
}

module_init(ct_init);
module_exit(ct_exit);

MODULE_DESCRIPTION("Device-mapper: completion-time path selector of dm-mpath-rq");
MODULE_LICENSE("GPL");
