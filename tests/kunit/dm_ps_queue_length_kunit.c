// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the queue-length selector.
 *
 * suite: dm_ps_queue_length	the path with the fewest requests in flight
 */

#include "dm_ps_kunit.h"
#include "ps/queue-length.c"

static void edges_test(struct kunit *test)
{
	expect_edges(test, &ql_type, "1");
}

/* We choose the path with the fewest requests, and rotate among equal ones. */
static void fewest_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &ql_type, 3, "1");
	struct ql_group *group = g->ps.ctx;
	struct ql_path *qp[3];
	int i;

	for (i = 0; i < 3; i++)
		qp[i] = g->path[i].ctx;
	for (i = 0; i < 9; i++)
		KUNIT_EXPECT_EQ(test, chosen(g, 4096), i % 3);
	this_cpu_write(*group->begin, UINT_MAX);
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);

	atomic_set(&qp[0]->in_flight, 7);
	atomic_set(&qp[1]->in_flight, 6);
	atomic_set(&qp[2]->in_flight, 8);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, chosen(g, SIZE_MAX), 1);
	atomic_set(&qp[0]->in_flight, INT_MAX - 1);
	atomic_set(&qp[1]->in_flight, INT_MAX);
	atomic_set(&qp[2]->in_flight, INT_MAX);
	KUNIT_EXPECT_EQ(test, chosen(g, 0), 0);
}

/* Outstanding requests are balanced, and completed ones no longer count. */
static void balance_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &ql_type, 4, "1");
	int i, n, nr[4] = {};

	g->path[2].usable = false;
	for (i = 0; i < 300; i++) {
		n = chosen(g, i * 512);
		KUNIT_ASSERT_GE(test, n, 0);
		nr[n]++;
		ql_start_io(&g->ps, &g->path[n], i * 512, REQ_OP_READ, g);
	}
	KUNIT_EXPECT_EQ(test, nr[0], 100);
	KUNIT_EXPECT_EQ(test, nr[1], 100);
	KUNIT_EXPECT_EQ(test, nr[2], 0);
	KUNIT_EXPECT_EQ(test, nr[3], 100);
	g->path[2].usable = true;
	KUNIT_EXPECT_EQ(test, chosen(g, 0), 2);
	for (n = 0; n < 4; n++)
		while (nr[n]--)
			ql_end_io(&g->ps, &g->path[n], 0, g, BLK_STS_TRANSPORT);
	for (n = 0; n < 4; n++)
		KUNIT_EXPECT_EQ(test, atomic_read(&((struct ql_path *)
						    g->path[n].ctx)->in_flight), 0);
}

static void words_test(struct kunit *test)
{
	expect_repeat_count(test, &ql_type);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(edges_test),
	KUNIT_CASE(fewest_test),
	KUNIT_CASE(balance_test),
	KUNIT_CASE(words_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_ps_queue_length",
	.test_cases = cases,
};

kunit_test_suite(suite);
