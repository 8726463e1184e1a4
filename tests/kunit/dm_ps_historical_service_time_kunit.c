// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the historical-service-time selector and its arithmetic.
 *
 * suite: dm_ps_historical_service_time	weights, averages, age, comparison
 */

#include "dm_ps_kunit.h"
#include "ps/historical-service-time.c"

/* The largest average, see MAX_SAMPLE_NS. */
#define MOST_AVERAGE	(MAX_SAMPLE_NS << FIXED_SHIFT)

static void edges_test(struct kunit *test)
{
	expect_edges(test, &hst_type, "1");
}

/* The weights are falling powers of the base.  A base of 0 ignores the past. */
static void weights_test(struct kunit *test)
{
	static const unsigned int bases[] = { 0, 1, 512, DEFAULT_WEIGHT, 1023 };
	u16 weights[NR_STEPS];
	int i, j;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		make_weights(weights, bases[i]);
		KUNIT_EXPECT_EQ(test, weights[0], bases[i]);
		for (j = 1; j < NR_STEPS; j++)
			KUNIT_EXPECT_LE(test, weights[j], weights[j - 1]);
	}
	/* (1023/1024)^63 is 0.940.  Each step may round by half a unit. */
	KUNIT_EXPECT_GE(test, weights[NR_STEPS - 1], 930);
	KUNIT_EXPECT_LE(test, weights[NR_STEPS - 1], 994);
	make_weights(weights, 512);
	KUNIT_EXPECT_EQ(test, weights[1], 256);
	KUNIT_EXPECT_EQ(test, weights[9], 1);
}

/* A step is one request or 2^24 ns.  After the last step we ignore the past. */
static void steps_test(struct kunit *test)
{
	u16 weights[NR_STEPS];
	int i;

	for (i = 0; i < NR_STEPS; i++)
		weights[i] = 1000 - i;
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, 1, 0), 1000);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, 1, (1 << 24) - 1), 1000);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, 1, 1 << 24), 999);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, 32, 0), 1000 - 31);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, 32, 31ULL << 24), 1000 - 62);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, 32, 32ULL << 24), 0);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, NR_STEPS, 0), 1000 - 62);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, NR_STEPS + 1, 0), 0);
	KUNIT_EXPECT_EQ(test, weight_of_past(weights, UINT_MAX, U64_MAX), 0);
}

/* The average lies between the old value and the sample, without overflow. */
static void average_test(struct kunit *test)
{
	static const u64 values[] = { 0, 1, FIXED_1, 1000 * FIXED_1,
				      (u64)U32_MAX + 1, MOST_AVERAGE };
	static const unsigned int weights[] = { 0, 1, 512, DEFAULT_WEIGHT, 1023 };
	int i, j, k;
	u64 a;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		for (j = 0; j < ARRAY_SIZE(values); j++) {
			for (k = 0; k < ARRAY_SIZE(weights); k++) {
				a = new_average(values[i], values[j], weights[k]);
				KUNIT_EXPECT_GE(test, a, min(values[i], values[j]));
				KUNIT_EXPECT_LE(test, a, max(values[i], values[j]));
			}
		}
		KUNIT_EXPECT_EQ(test, new_average(7, values[i], 0), values[i]);
	}
	KUNIT_EXPECT_EQ(test, new_average(0, 1024, 512), 512);
}

/* An average is fresh, then stale for a period, then it wants a probe. */
static void age_test(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, period_ns(FIXED_1 - 1, 4), 0);
	KUNIT_EXPECT_EQ(test, period_ns(FIXED_1, 4), 4 + SAMPLE_EVERY);
	KUNIT_EXPECT_EQ(test, period_ns(MOST_AVERAGE, 1024),
			MAX_SAMPLE_NS * (1024 + SAMPLE_EVERY));
	KUNIT_EXPECT_EQ(test, state_of(1000, 100, 0), FRESH);
	KUNIT_EXPECT_EQ(test, state_of(1000, 100, 1000), FRESH);
	KUNIT_EXPECT_EQ(test, state_of(1000, 100, 1001), STALE);
	KUNIT_EXPECT_EQ(test, state_of(1000, 100, 1100), STALE);
	KUNIT_EXPECT_EQ(test, state_of(1000, 100, 1101), WANTS_PROBE);
	KUNIT_EXPECT_EQ(test, state_of(0, 0, 1), WANTS_PROBE);
}

struct candidate {
	unsigned int in_flight;
	u64 average;
	bool stale;
};

struct better_param {
	const char *name;
	struct candidate a, b;
	unsigned int threshold;
	bool better;
};

/* Placeholder if there is no second path. */
#define NO_PATH		{ UINT_MAX, U64_MAX, false }

static struct hst_estimate estimate(const struct candidate *c)
{
	if (c->in_flight == UINT_MAX)
		return no_path;
	return (struct hst_estimate){
		.average = c->average,
		.time = (c->in_flight + 1ULL) * c->average,
		.in_flight = c->in_flight,
		.stale = c->stale,
	};
}

static const struct better_param better_params[] = {
	{ "alike", { 0, 10, false }, { 0, 10, false }, 1, false },
	{ "faster", { 0, 9, false }, { 0, 10, false }, 1, true },
	{ "slower", { 0, 10, false }, { 0, 9, false }, 1, false },
	{ "faster_but_busy", { 2, 5, false }, { 0, 14, false }, 1, false },
	{ "faster_though_busy", { 1, 5, false }, { 0, 14, false }, 1, true },
	{ "stale_would_win", { 1, 1, true }, { 0, 9, false }, 1, false },
	{ "stale_has_fewer", { 0, 1, true }, { 1, 9, false }, 1, true },
	{ "stale_would_lose", { 1, 9, false }, { 0, 20, true }, 1, true },
	{ "within_threshold", { 1, 10, false }, { 0, 30, false }, 3, false },
	{ "beyond_threshold", { 1, 10, false }, { 0, 31, false }, 3, true },
	{ "threshold_0", { 1, 10, false }, { 0, 21, false }, 0, true },
	{ "anything_is_better_than_none", { 1000, MOST_AVERAGE, false },
	  NO_PATH, 1, true },
	{ "stale_is_better_than_none", { 1000, MOST_AVERAGE, true },
	  NO_PATH, MAX_THRESHOLD, true },
	{ "most_alike", { 0, MOST_AVERAGE, false },
	  { 1, MOST_AVERAGE, false }, MAX_THRESHOLD, true },
	{ "most_against_least", { 0, MOST_AVERAGE, false },
	  { 0x1ffff, FIXED_1, false }, 1, false },
};

KUNIT_ARRAY_PARAM_DESC(better, better_params, name);

static void better_test(struct kunit *test)
{
	const struct better_param *p = test->param_value;

	struct hst_estimate a = estimate(&p->a), b = estimate(&p->b);

	KUNIT_EXPECT_EQ(test, better(a, b, p->threshold), p->better);
	if (p->better)
		KUNIT_EXPECT_FALSE(test, better(b, a, p->threshold));
}

/* Set the average of path @nr, and make it fresh. */
static void measured(struct ps_group *g, int nr, u64 average)
{
	struct hst_path *hp = g->path[nr].ctx;

	atomic64_set(&hp->average, average);
	atomic64_set(&hp->stale_after, U64_MAX / 2);
	hp->state = FRESH;
}

/* The shortest time wins.  A path without history is probed first, and once. */
static void select_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &hst_type, 3, "1");
	int i;

	/* Each idle path gets a probe. */
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, chosen(g, 4096), i);
		hst_start_io(&g->ps, &g->path[i], 4096, REQ_OP_READ, g);
	}
	for (i = 0; i < 3; i++) {
		hst_end_io(&g->ps, &g->path[i], 4096, g, BLK_STS_IOERR);
		measured(g, i, 10000 * FIXED_1);
	}
	measured(g, 1, 1000 * FIXED_1);
	/* Path 1 is ten times as fast, so it gets nine requests first. */
	for (i = 0; i < 9; i++) {
		KUNIT_EXPECT_EQ(test, chosen(g, 4096), 1);
		hst_start_io(&g->ps, &g->path[1], 4096, REQ_OP_READ, g);
	}
	hst_start_io(&g->ps, &g->path[1], 4096, REQ_OP_READ, g);
	KUNIT_EXPECT_NE(test, chosen(g, 4096), 1);
	g->path[0].usable = false;
	g->path[2].usable = false;
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 1);
	/* A reinstated path is probed. */
	g->path[2].usable = true;
	hst_reinstate_path(&g->ps, &g->path[2]);
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 2);
	while (i-- >= 0)
		hst_end_io(&g->ps, &g->path[1], 4096, g, BLK_STS_OK);
}

struct group_param {
	const char *name;
	unsigned int argc;
	char *argv[3];
	int error;
	const char *table;
	unsigned int ratio;
};

static const struct group_param group_params[] = {
	{ "none", 0, {}, 0, "0 ", 0 },
	{ "weight_0", 1, { "0" }, 0, "1 0 ", 0 },
	{ "weight_most", 1, { "1023" }, 0, "1 1023 ", 0 },
	{ "weight_too_much", 1, { "1024" }, -EINVAL },
	{ "weight_wraps", 1, { "4294967297" }, -EINVAL },
	{ "weight_negative", 1, { "-1" }, -EINVAL },
	{ "threshold", 2, { "972", "3" }, 0, "2 972 3 ", 3 },
	{ "threshold_most", 2, { "972", "4294967295" }, 0, "2 972 4294967295 ",
	  MAX_THRESHOLD },
	{ "threshold_wraps", 2, { "972", "4294967296" }, -EINVAL },
	{ "too_many", 3, { "1", "1", "1" }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(group, group_params, name);

/* Check the group's arguments, and that the table prints them as given. */
static void group_test(struct kunit *test)
{
	const struct group_param *p = test->param_value;
	struct ps_group *g = group_alloc(test, &hst_type);
	char *error = NULL, text[64];
	struct hst_group *group;
	int r;

	r = hst_create(&g->ps, p->argc, (char **)p->argv, &error);
	g->made = !r;
	KUNIT_EXPECT_EQ(test, r, p->error);
	if (r) {
		KUNIT_EXPECT_NOT_NULL(test, error);
		return;
	}
	group = g->ps.ctx;
	KUNIT_EXPECT_EQ(test, group->max_ratio, p->ratio);
	hst_status(&g->ps, NULL, STATUSTYPE_TABLE, text, sizeof(text));
	KUNIT_EXPECT_STREQ(test, text, p->table);
}

static void words_test(struct kunit *test)
{
	expect_repeat_count(test, &hst_type);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(edges_test),
	KUNIT_CASE(weights_test),
	KUNIT_CASE(steps_test),
	KUNIT_CASE(average_test),
	KUNIT_CASE(age_test),
	KUNIT_CASE_PARAM(better_test, better_gen_params),
	KUNIT_CASE(select_test),
	KUNIT_CASE_PARAM(group_test, group_gen_params),
	KUNIT_CASE(words_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_ps_historical_service_time",
	.test_cases = cases,
};

kunit_test_suite(suite);
