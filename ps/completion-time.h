/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arithmetic of completion-time: pure functions.  What they are for is said in
 * dm-ps-completion-time.c.
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

/* Behind so long a time the past counts nothing. */
#define FORGET_MS	100U

/* Size classes: up to 4 KiB << class. */
#define NR_CLASSES	10

/* Costs are ns, below 4.3 s. What is computed from them has ten binary places. */
#define MAX_COST	U32_MAX
#define FIXED_SHIFT	10

/* Widths have eight. */
#define WIDTH_SHIFT	8
#define WIDTH_1		((u32)BIT(WIDTH_SHIFT))
#define MAX_WIDTH	(WIDTH_1 << 12)

/* A sample counts for so much of 256 at least. */
#define MIN_WEIGHT	32U
#define FULL_WEIGHT	256U

/* The load is one number: requests above, bytes below. 4,096 requests of 4 GiB fit. */
#define LOAD_SHIFT	44
#define LOAD_REQUEST	BIT_ULL(LOAD_SHIFT)
#define LOAD_BYTES	(LOAD_REQUEST - 1)

static inline unsigned int class_of(size_t nr_bytes)
{
	if (likely(nr_bytes <= 4096))
		return 0;
	return min_t(unsigned int, fls((nr_bytes - 1) >> 12), NR_CLASSES - 1);
}

/* The weight of a sample if what it is added to is @age_ms old. */
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

/* cost = a + b * bytes, through the smallest and the largest class that is known */
struct line {
	u32 a;		/* ns */
	u32 b;		/* ns per byte, with ten binary places */
};

static inline struct line draw_line(const u32 cost[NR_CLASSES],
				    unsigned long known)
{
	unsigned int low = __ffs(known), high = __fls(known);
	u64 low_bytes = 4096ULL << low, bytes, rise;
	struct line line = { .a = cost[low] };

	if (cost[high] <= cost[low])
		return line;
	bytes = (4096ULL << high) - low_bytes;
	rise = ((u64)(cost[high] - cost[low]) << FIXED_SHIFT);
	line.b = div64_u64(rise, bytes);
	line.a -= min_t(u64, line.a, (line.b * low_bytes) >> FIXED_SHIFT);
	return line;
}

static inline u32 cost_on(struct line line, unsigned int class)
{
	u64 cost = line.a + (((u64)line.b * (4096ULL << class)) >> FIXED_SHIFT);

	return min_t(u64, cost, MAX_COST);
}

/* What it would take to serve @load one after the other, in ns. */
static inline u64 work_of(struct line line, u64 load)
{
	return (load >> LOAD_SHIFT) * line.a +
	       (((load & LOAD_BYTES) * line.b) >> FIXED_SHIFT);
}

/* Did a request that took @ns, and should have @cost, wait for others? */
static inline bool has_waited(u64 ns, u32 cost)
{
	return ns > cost + cost / 2 + 10 * NSEC_PER_USEC;
}

/* ... or for sure not? */
static inline bool has_not_waited(u64 ns, u32 cost)
{
	return ns <= cost + cost / 4;
}

/*
 * What took longer than it should, with others there, may have waited a little, and
 * what was faster has not: costs are what is seen of a path with little to do.
 */
static inline unsigned int weight_with(unsigned int requests, bool longer,
				       unsigned int weight)
{
	if (!longer)
		return max(weight, FULL_WEIGHT / 4);
	return requests > 1 ? weight / 4 : weight;
}

/* The new width, after a request that waited @ns and had @work with it. */
static inline u32 width_seen(u32 width, u64 work, u64 ns, unsigned int requests)
{
	u32 sample = min_t(u64, div64_u64(work << WIDTH_SHIFT, ns ?: 1),
			   (u64)min(requests, 4096U) << WIDTH_SHIFT);

	sample = max(sample, WIDTH_1);
	return width ? average(width, sample, FULL_WEIGHT / 4) : sample;
}

/* ... after one that did not wait, with so many there. */
static inline u32 width_reached(u32 width, unsigned int requests)
{
	if (!width || requests < width >> WIDTH_SHIFT)
		return width;
	width = max(width, requests << WIDTH_SHIFT) + WIDTH_1;
	/* More than can be in flight: there is no limit. */
	return width >= MAX_WIDTH ? 0 : width;
}

/*
 * What a path that takes @ns and is full is to be compared with, where the first in
 * line has waited @waited already.  A slower path of as many slots, which takes s,
 * would serve ns / (ns + s) of them; so if it is used, all that wait end sooner by
 * that much of what they wait, and the one that takes it ends later, by s - ns.  The
 * first is more as long as s * s <= ns * (ns + waited).
 */
static inline u64 time_in_line(u64 ns, u64 waited)
{
	const u64 limit = BIT_ULL(31);

	if (ns > limit)
		return ns;
	return int_sqrt64(ns * (ns + min(waited, limit)));
}

#endif /* DM_PS_COMPLETION_TIME_H */
