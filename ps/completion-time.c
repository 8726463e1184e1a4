// SPDX-License-Identifier: GPL-2.0-only
/*
 * completion-time: the path on which this request is expected to end first.
 *
 * What is known of a path
 *
 *	cost	how long a request takes there that need not wait for others; one figure
 *		for each direction and size class (powers of two, 4 KiB to 2 MiB)
 *	width	how many the path serves at once: with more in flight they only wait
 *	load	requests and bytes in flight
 *
 * With the costs of the classes a line is drawn, cost = a + b * bytes, and with that
 *
 *	queue = (a * requests in flight + b * bytes in flight, this one included) / width
 *	time  = max(cost of this one, queue)
 *
 * A disk with many slots has a width of as many, and time is its cost as long as one
 * is free; a line that is full has a width of 1, and time grows with the bytes in front.
 *
 * Which one is taken.  Aim "throughput", the default: of the paths on which the request
 * would not wait, the one with the least time; if it would wait everywhere, the least
 * time; so no path is idle while requests wait for another one.  Aim "latency": the
 * least time, even if that means to wait, in the map's queue, for a path that is full;
 * until so many wait that with the slower path as well all of them end sooner by more
 * than it costs the one that takes it (time_in_line()).
 * Times that differ by less than a sixteenth are equal: then the least load wins, and
 * among equals the paths take turns, on each CPU by itself.  A path with nothing in
 * flight has no queue.
 * Beyond MAX_LOOK paths, that many are looked at for a request, always other ones.
 * The least cost of all is good enough for requests of that class in the same tick, on
 * a path with one request more in flight than the best one had: so where paths are
 * equal, the next one in turn is mostly the only one that is looked at.
 *
 * How it is learnt.  On each path one request per tick is timed, from map to end, and
 * what was in flight with it is noted.  If it took about the cost, nothing waited: the
 * cost is averaged, and a width that was reached is one larger.  If it took longer and
 * others were there, the load divided by its time is a sample of the width.  A sample
 * counts for an eighth, and for more, up to all, if what was known is older: after
 * FORGET_MS the past counts nothing.  One that may have waited a little counts less, one
 * that was faster more.  What did not end well is not counted.
 *
 * How a path that is not used is not forgotten.  It gets one request, to see, when it
 * was idle for PROBE_COSTS times the cost of its last one, but PROBE_MIN_MS at least and
 * PROBE_MAX_MS at most: so a path that was slow, and is fast again, is noticed within
 * that time, and to look costs 1/PROBE_COSTS of what one application can do.  If
 * another path has just become slow, a quarter of that has to do.  A path without
 * history, or back from a failure, gets one request at once, and no second one before
 * that has ended if there is another path.
 *
 * What is late.  Once per tick the request that is being timed is looked at.  If it is
 * out for LATE_COSTS times as long as it should be, and nothing else has ended, the
 * path gets nothing more before something ends there, unless all others are late too.
 *
 * What is full.  A device that has refused a request gets no other one before something
 * has ended there, or the next tick.  If no device takes it, the request waits in the
 * map's queue, in order: no new one overtakes it (in_order of the contract).
 *
 * Cost.  Two atomic operations per request, on the path's own cache line.  No lock: what
 * is learnt of a path is written by who holds its only sample, and read as it is.
 *
 * Arguments: for the group [throughput | latency]; per path [<repeat count>], which has
 * no effect (see dm-ps-round-robin.c).
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

#include "ps/completion-time.h"

#define DM_MSG_PREFIX "multipath completion-time"

#define MAX_LOOK	8U
#define PROBE_COSTS	64
#define PROBE_MIN_MS	100U
#define PROBE_MAX_MS	4000U
#define LATE_COSTS	4

/* ---- what is kept ---- */

/* What is good enough: below that key, as the search compares, with so many in flight. */
struct ct_good {
	u64 key;
	u32 requests;
	/* jiffies: when it was found */
	u32 tick;
};

/* Of a CPU; that another one may get in between is no harm. */
struct ct_cpu {
	/* where the next search begins */
	unsigned int begin;
	/* when it looked for what is late, and for what is to be probed */
	unsigned long reviewed;
	/* ns: for how long the last one that was refused had waited */
	u64 waited;
	struct ct_good good[2][NR_CLASSES];
};

struct ct_group {
	struct ct_cpu __percpu *cpus;
	/* constant */
	bool latency;
	/* constant: the aim was given */
	bool given;
};

/* Bits of ct_path.state. */
enum {
	CT_FULL,	/* has refused a request, and nothing has ended since */
	CT_LATE,	/* see above */
	CT_NEW,		/* nothing is known */
};

/* Of one direction. Read for each request; written by the holder of the sample. */
struct ct_costs {
	/* of the queue: ns with ten binary places, per request and per byte */
	u64 per_request;
	u32 per_byte;
	u32 cost[NR_CLASSES];
};

/* The request that is being timed. */
struct ct_sample {
	/* constant until the end; it with the others */
	u64 begun;
	u64 load;
	u8 class;
	u8 dir;
	/* as ktime_get_ns(): when something else has ended though it was late */
	u64 alive;
};

/*
 * The first cache line is written when a request starts or ends, by any CPU.  The
 * sample is taken by changing @timed from NULL to the id of its request, and belongs
 * to its start until that is sent, then to its end, which gives it back.
 */
struct ct_path {
	atomic64_t load;
	unsigned long state;
	const void *timed;
	/* constant */
	struct ct_group *group;
	/* jiffies: when it was taken last */
	unsigned long sampled;
	struct ct_sample sample;

	struct ct_costs costs[2] ____cacheline_aligned_in_smp;

	struct line line[2];
	/* classes in which something was measured, by direction */
	unsigned long known[2];
	/* jiffies: when */
	unsigned long known_at[2][NR_CLASSES];
	/* 0: no limit is known */
	u32 width;
	/* samples in a row that took twice as long as they should have */
	unsigned int slower;
	/* of the last sample */
	u32 last_cost;
	/* jiffies: the last sample; when to look what an idle path is like */
	unsigned long tried, probe_at;
	/* constant */
	unsigned int repeat_count;
};

/* ---- select ---- */

/* Better ones first. */
enum { AT_ONCE, WAITS, FULL, TRYING, LATE };

/* What is compared: the rank, and below it the time, in ns with ten binary places. */
#define RANK_SHIFT	60
#define MAX_TIME	(BIT_ULL(RANK_SHIFT) - 1)
#define NO_PATH		U64_MAX

/* A time that does not fit, of a million requests say, makes the rank a worse one. */
static u64 ranked(u64 rank, u64 time)
{
	return (rank << RANK_SHIFT) + time;
}

/* Of a path that something is special about. */
static noinline u64 estimate_special(const struct ct_path *cp, u64 time,
				     u64 requests)
{
	const struct ct_group *group = cp->group;
	unsigned long state = READ_ONCE(cp->state);
	u64 waited;

	if (state & BIT(CT_LATE))
		return ranked(LATE, time);
	if (state & BIT(CT_NEW))
		return ranked(TRYING, time);
	if (!(state & BIT(CT_FULL)))
		return ranked(AT_ONCE, time);

	/* The next slot is free in about that much of a request's time. */
	time += div64_u64(time, requests ?: 1);
	if (!group->latency)
		return ranked(FULL, time);
	waited = raw_cpu_ptr(group->cpus)->waited;
	if (waited)
		time = time_in_line(time >> FIXED_SHIFT, waited) << FIXED_SHIFT;
	return ranked(AT_ONCE, time);
}

/*
 * Of a path that has something to do, or that is not as it should be.  Not inline:
 * where all are idle, requests end at once, and each instruction counts.
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
		return ranked(WAITS, time);
	return ranked(AT_ONCE, time);
}

static __always_inline struct dm_ps_path *
select_best(struct dm_ps *ps, struct ct_cpu *cpu, size_t nr_bytes,
	    unsigned int dir)
{
	unsigned int class = class_of(nr_bytes), look = MAX_LOOK;
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
		/* Within the band the load decides. */
		if (key + band < least ||
		    (load < best_load && key - band <= least)) {
			best = path;
			best_load = load;
			next = i;
		}
		least = min(least, key);
		least_cost = min(least_cost, cost);
		if (unlikely(!--look))
			break;
	}
	/* After a part of them, the next part; else behind the one that is taken. */
	cpu->begin = look || left <= 1 ? next : i;
	/* Not what was the best: a path that is free again may be better by far. */
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

/* A path has become slow: what was slower may not be so any more. */
static void look_at_others(struct dm_ps *ps, const struct ct_path *slow)
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

/* How long should the request that is being timed take, in ns? */
static u64 should_take(const struct ct_path *cp)
{
	const struct ct_sample *sample = &cp->sample;
	const struct ct_costs *costs = &cp->costs[sample->dir];
	u64 queue = (sample->load >> LOAD_SHIFT) * costs->per_request +
		    (sample->load & LOAD_BYTES) * costs->per_byte;

	return max_t(u64, costs->cost[sample->class], queue >> FIXED_SHIFT);
}

static void look_for_late(struct dm_ps *ps, struct ct_path *cp, u64 now)
{
	u64 since = max(READ_ONCE(cp->sample.begun), READ_ONCE(cp->sample.alive));

	if (!READ_ONCE(cp->timed) || test_bit(CT_NEW, &cp->state) ||
	    now < since + LATE_COSTS * should_take(cp) + 2 * TICK_NSEC)
		return;
	if (!test_and_set_bit(CT_LATE, &cp->state))
		look_at_others(ps, cp);
}

/*
 * Once per tick and CPU.  The answer: a path that is to get the next request, whatever
 * the others are like, or NULL.
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
		look_for_late(ps, cp, now);
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
 * All of a path has become faster or slower by @new / @old, as one class has shown.
 * A class that was measured lately knows better.
 */
static void scale_others(struct ct_path *cp, const u32 *but, u32 old, u32 new)
{
	unsigned int dir, class;

	for (dir = 0; dir < 2; dir++)
		for (class = 0; class < NR_CLASSES; class++) {
			u32 *cost = &cp->costs[dir].cost[class];
			u64 scaled = div_u64((u64)*cost * new, old);

			if (cost != but && test_bit(class, &cp->known[dir]) &&
			    time_after(jiffies, cp->known_at[dir][class] +
				       msecs_to_jiffies(FORGET_MS)))
				WRITE_ONCE(*cost, clamp_t(u64, scaled, 1,
							  MAX_COST));
		}
}

/* From costs and width to what select reads. */
static void publish(struct ct_path *cp)
{
	unsigned int dir, class;

	for (dir = 0; dir < 2; dir++) {
		struct ct_costs *costs = &cp->costs[dir];
		u64 per_request = 0, per_byte = 0;
		struct line line;

		/* A direction that was never seen is as the other one. */
		line = cp->known[dir] ?
		       draw_line(costs->cost, cp->known[dir]) :
		       draw_line(cp->costs[!dir].cost, cp->known[!dir]);
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

/* A first figure for this class. */
static void begin_class(struct ct_path *cp, u64 ns, unsigned int dir,
			unsigned int class, unsigned int requests)
{
	u32 *cost = &cp->costs[dir].cost[class];

	/* What waited says nothing, if there is anything to go by. */
	if (requests <= 1 || !*cost || ns < *cost)
		WRITE_ONCE(*cost, ns);
	__set_bit(class, &cp->known[dir]);
}

/*
 * The request took @ns.  Its cost is what it took, less what it waited: as much as
 * width and load explain.
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
		/* The wait explains only a part: all has become slower. */
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
		look_at_others(ps, cp);
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
	/* What was learnt is seen by who takes the next sample. */
	smp_store_release(&cp->timed, NULL);
}

/* Something has ended on a path that was late or full. */
static noinline void is_alive(struct ct_path *cp)
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
		is_alive(cp);
	if (unlikely(READ_ONCE(cp->timed) == id))
		end_sample(ps, cp, status);
}

static bool ct_refused(struct dm_ps *ps, struct dm_ps_path *path,
		       size_t nr_bytes, enum req_op op, u64 waited)
{
	struct ct_group *group = ps->ctx;
	struct ct_path *cp = path->ctx;
	struct ct_cpu *cpu = raw_cpu_ptr(group->cpus);
	bool news = !test_and_set_bit(CT_FULL, &cp->state);

	if (!group->latency)
		return news;
	cpu->waited = waited;
	return select_best(ps, cpu, nr_bytes, op_is_write(op)) != path;
}

/* What it was like before it failed says little. */
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
	if (argc && dm_ps_number(argv[0], &repeat_count)) {
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

	/* Older versions of libmultipath expect no more in the info line. */
	if (type == STATUSTYPE_TABLE && group->given)
		DMEMIT("1 %s ", group->latency ? "latency" : "throughput");
	else
		DMEMIT("0 ");
	return sz;
}

/* Info: requests in flight; cost of a 4 KiB read, in us; width, 0: none known. */
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
