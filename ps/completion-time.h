/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arithmetic of the completion-time selector: pure functions, to allow
 * KUnit to test them without a device.  See completion-time.c for the model.
 */
#ifndef DM_PS_COMPLETION_TIME_H
#define DM_PS_COMPLETION_TIME_H

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/math.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>
#include <linux/types.h>

/* Older samples are ignored. */
#define FORGET_MS	100U

/* A size class covers requests of up to 4 KiB << class. */
#define NR_CLASSES	10

/*
 * Costs are in ns, below 4.3 s. Values derived from them have ten fractional
 * bits.
 */
#define MAX_COST	U32_MAX
#define FIXED_SHIFT	10

/* Widths have eight fractional bits. */
#define WIDTH_SHIFT	8
#define WIDTH_1		((u32)BIT(WIDTH_SHIFT))
#define MAX_WIDTH	(WIDTH_1 << 12)

/* Weights of a sample, in parts of 256. */
#define MIN_WEIGHT	32U
#define FULL_WEIGHT	256U

/*
 * The load is one number, to allow a single atomic update: requests in the high
 * bits, bytes in the low bits.  4,096 requests of 4 GiB do not overflow the
 * bytes.
 */
#define LOAD_SHIFT	44
#define LOAD_REQUEST	BIT_ULL(LOAD_SHIFT)
#define LOAD_BYTES	(LOAD_REQUEST - 1)

static inline unsigned int class_of(size_t nr_bytes)
{
	if (likely(nr_bytes <= 4096))
		return 0;
	return min_t(unsigned int, fls((nr_bytes - 1) >> 12), NR_CLASSES - 1);
}

/* The weight of a sample if the previous one is @age_ms old. */
static inline unsigned int weight_of(unsigned int age_ms)
{
	if (age_ms >= FORGET_MS)
		return FULL_WEIGHT;
	return max(MIN_WEIGHT, age_ms * FULL_WEIGHT / FORGET_MS);
}

static inline u32 average(u32 old, u32 sample, unsigned int weight)
{
	s64 step = ((s64)sample - old) * weight / (s64)FULL_WEIGHT;

	return old + step;
}

/**
 * struct ct_line - the cost as a function of the size: a + b * bytes
 * @a: ns
 * @b: ns per byte, with ten fractional bits
 */
struct ct_line {
	u32 a;
	u32 b;
};

/*
 * The line through the smallest and the largest class in @known, of which at
 * least one bit is set.  The line is flat if large requests do not cost more
 * than small ones.
 */
static inline struct ct_line fit_line(const u32 cost[NR_CLASSES],
				      unsigned long known)
{
	unsigned int low = __ffs(known), high = __fls(known);
	u64 low_bytes = 4096ULL << low, bytes, rise;
	struct ct_line line = { .a = cost[low] };

	if (cost[high] <= cost[low])
		return line;
	bytes = (4096ULL << high) - low_bytes;
	rise = ((u64)(cost[high] - cost[low]) << FIXED_SHIFT);
	line.b = div64_u64(rise, bytes);
	line.a -= min_t(u64, line.a, (line.b * low_bytes) >> FIXED_SHIFT);
	return line;
}

static inline u32 cost_on(struct ct_line line, unsigned int class)
{
	u64 cost = line.a + (((u64)line.b * (4096ULL << class)) >> FIXED_SHIFT);

	return min_t(u64, cost, MAX_COST);
}

/* The time to serve all requests of @load one after the other, in ns. */
static inline u64 work_of(struct ct_line line, u64 load)
{
	return (load >> LOAD_SHIFT) * line.a +
	       (((load & LOAD_BYTES) * line.b) >> FIXED_SHIFT);
}

/* Did a request of cost @cost that took @ns wait for others? */
static inline bool has_waited(u64 ns, u32 cost)
{
	return ns > cost + cost / 2 + 10 * NSEC_PER_USEC;
}

/* Can we exclude that it waited?  If neither is true, we do not know. */
static inline bool has_not_waited(u64 ns, u32 cost)
{
	return ns <= cost + cost / 4;
}

/*
 * Adjust the weight of a sample of the cost.  With other requests in flight, a
 * sample above the cost may include some waiting, so it counts less.  A sample
 * below the cost includes none, so it counts more.  Therefore the cost
 * approaches the service time of a path with little load.
 */
static inline unsigned int weight_with(unsigned int requests, bool longer,
				       unsigned int weight)
{
	if (!longer)
		return max(weight, FULL_WEIGHT / 4);
	return requests > 1 ? weight / 4 : weight;
}

/*
 * The new width after a request that waited: it took @ns, with @work and
 * @requests in flight at its start, itself included.
 */
static inline u32 width_seen(u32 width, u64 work, u64 ns, unsigned int requests)
{
	u32 sample = min_t(u64, div64_u64(work << WIDTH_SHIFT, ns ?: 1),
			   (u64)min(requests, 4096U) << WIDTH_SHIFT);

	sample = max(sample, WIDTH_1);
	return width ? average(width, sample, FULL_WEIGHT / 4) : sample;
}

/* The new width after a request that did not wait, with @requests in flight. */
static inline u32 width_reached(u32 width, unsigned int requests)
{
	if (!width || requests < width >> WIDTH_SHIFT)
		return width;
	width = max(width, requests << WIDTH_SHIFT) + WIDTH_1;
	/* More than can be in flight, so the path has no limit. */
	return width >= MAX_WIDTH ? 0 : width;
}

/*
 * The longest service time for which a slower path is worth using, if the fast
 * path takes @ns and is full, and the first waiting request has already waited
 * @waited ns.
 *
 * A slower path with as many slots and a service time of s would serve ns / (ns
 * + s) of the requests.  If we use it, the waiting requests save that fraction
 * of their wait, while the request that takes it loses s - ns.  The sum is a
 * gain as long as s * s <= ns * (ns + waited).
 */
static inline u64 break_even_time(u64 ns, u64 waited)
{
	const u64 limit = BIT_ULL(31);

	if (ns > limit)
		return ns;
	return int_sqrt64(ns * (ns + min(waited, limit)));
}

#endif /* DM_PS_COMPLETION_TIME_H */
