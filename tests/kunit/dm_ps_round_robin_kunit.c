// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the round-robin selector.
 *
 * suite: dm_ps_round_robin	rotation, and failed paths
 */

#include "dm_ps_kunit.h"
#include "ps/round-robin.c"

static void edges_test(struct kunit *test)
{
	expect_edges(test, &rr_type, "1");
}

/* CPU 0 starts with the first path and rotates from there. */
static void turns_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &rr_type, 4, "1");
	int i;

	for (i = 0; i < 12; i++)
		KUNIT_EXPECT_EQ(test, chosen(g, 4096), i % 4);
}

/* If a path fails, its share is spread over all others. */
static void shares_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &rr_type, 4, "1");
	int i, nr[4] = {};

	g->path[1].usable = false;
	for (i = 0; i < 300; i++)
		nr[chosen(g, 4096)]++;
	KUNIT_EXPECT_EQ(test, nr[0], 100);
	KUNIT_EXPECT_EQ(test, nr[1], 0);
	KUNIT_EXPECT_EQ(test, nr[2], 100);
	KUNIT_EXPECT_EQ(test, nr[3], 100);
}

/* If the counter wraps, at most one path is chosen twice in a row. */
static void wrap_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &rr_type, 3, "1");
	struct rr_group *group = g->ps.ctx;
	int i, n, nr[3] = {}, last = -1, repeated = 0;

	this_cpu_write(*group->turn, UINT_MAX - 30);
	for (i = 0; i < 60; i++) {
		n = chosen(g, 4096);
		KUNIT_ASSERT_GE(test, n, 0);
		nr[n]++;
		repeated += n == last;
		last = n;
	}
	KUNIT_EXPECT_LE(test, repeated, 1);
	for (n = 0; n < 3; n++) {
		KUNIT_EXPECT_GE(test, nr[n], 19);
		KUNIT_EXPECT_LE(test, nr[n], 21);
	}
	KUNIT_EXPECT_PTR_EQ(test, nth_usable(&g->ps, UINT_MAX), &g->path[0]);
	KUNIT_EXPECT_PTR_EQ(test, nth_usable(&g->ps, 0), &g->path[0]);
}

static void words_test(struct kunit *test)
{
	expect_repeat_count(test, &rr_type);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(edges_test),
	KUNIT_CASE(turns_test),
	KUNIT_CASE(shares_test),
	KUNIT_CASE(wrap_test),
	KUNIT_CASE(words_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_ps_round_robin",
	.test_cases = cases,
};

kunit_test_suite(suite);
