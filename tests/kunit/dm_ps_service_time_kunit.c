// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the service-time selector.
 *
 * suite: dm_ps_service_time	comparison of two paths, including limits
 */

#include "dm_ps_kunit.h"
#include "ps/service-time.c"

/* The limit on the bytes in flight, see st_earlier(). */
#define MOST_BYTES	((1ULL << 53) - 1)

struct earlier_param {
	const char *name;
	u64 a_bytes;
	unsigned int a;
	u64 b_bytes;
	unsigned int b;
	size_t nr_bytes;
	bool earlier;
};

static const struct earlier_param earlier_params[] = {
	{ "idle_alike", 0, 1, 0, 1, 4096, false },
	{ "less_of_alike", 4095, 1, 4096, 1, 4096, true },
	{ "more_of_alike", 4097, 1, 4096, 1, 4096, false },
	{ "idle_faster", 0, 2, 0, 1, 4096, true },
	{ "idle_slower", 0, 1, 0, 2, 4096, false },
	{ "nothing_anywhere", 0, 2, 0, 1, 0, true },
	{ "tie_faster", 4096, 2, 0, 1, 4096, true },
	{ "tie_slower", 0, 1, 4096, 2, 4096, false },
	{ "faster_but_busy", 4097, 2, 0, 1, 4096, false },
	{ "slower_but_idle", 0, 1, 4097, 2, 4096, true },
	{ "spare", 0, 0, MOST_BYTES, 1, 4096, false },
	{ "not_the_spare", MOST_BYTES, 1, 0, 0, 4096, true },
	{ "two_spares", 1, 0, 2, 0, 4096, true },
	{ "two_spares_alike", 2, 0, 2, 0, 4096, false },
	{ "most_against_most", MOST_BYTES, 100, MOST_BYTES, 99, UINT_MAX, true },
	{ "most_against_idle", MOST_BYTES, 100, 0, 1, UINT_MAX, false },
	{ "idle_against_most", 0, 1, MOST_BYTES, 100, UINT_MAX, true },
	{ "beyond_32_bits", 1ULL << 32, 1, (1ULL << 32) + 1, 1, 0, true },
	{ "product_beyond_32_bits", 1ULL << 31, 3, 1ULL << 31, 4, 0, false },
};

KUNIT_ARRAY_PARAM_DESC(earlier, earlier_params, name);

static void earlier_test(struct kunit *test)
{
	const struct earlier_param *p = test->param_value;

	KUNIT_EXPECT_EQ(test, st_earlier(p->a_bytes, p->a, p->b_bytes, p->b,
					 p->nr_bytes), p->earlier);
	/* The reverse comparison must be false. */
	if (p->earlier)
		KUNIT_EXPECT_FALSE(test, st_earlier(p->b_bytes, p->b, p->a_bytes,
						    p->a, p->nr_bytes));
}

static void edges_test(struct kunit *test)
{
	expect_edges(test, &st_type, "1 1");
}

/* Idle paths rotate, even if the saved start index is out of range. */
static void turns_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &st_type, 3, "1 1");
	struct st_group *group = g->ps.ctx;
	int i;

	for (i = 0; i < 9; i++)
		KUNIT_EXPECT_EQ(test, chosen(g, 4096), i % 3);
	this_cpu_write(*group->begin, UINT_MAX);
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);
}

/* Shares follow the throughput, and completed requests no longer count. */
static void shares_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &st_type, 1, "1 3");
	unsigned int nr[3] = {}, i;
	int n;

	KUNIT_ASSERT_EQ(test, add_path(g, "1 1"), 0);
	KUNIT_ASSERT_EQ(test, add_path(g, "1 0"), 0);
	for (i = 0; i < 400; i++) {
		n = chosen(g, 4096);
		KUNIT_ASSERT_GE(test, n, 0);
		nr[n]++;
		st_start_io(&g->ps, &g->path[n], 4096, REQ_OP_READ, g);
	}
	KUNIT_EXPECT_EQ(test, nr[0], 300);
	KUNIT_EXPECT_EQ(test, nr[1], 100);
	KUNIT_EXPECT_EQ(test, nr[2], 0);
	for (i = 0; i < 300; i++)
		st_end_io(&g->ps, &g->path[0], 4096, g, i & 1 ? BLK_STS_IOERR : BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);
	g->path[0].usable = false;
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 1);
	g->path[1].usable = false;
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 2);
}

static const struct words_param words_params[] = {
	{ "none", "", 0, "1 1 " },
	{ "repeat_count", "1000", 0, "1000 1 " },
	{ "throughput_zero", "1 0", 0, "1 0 " },
	{ "throughput_most", "1 100", 0, "1 100 " },
	{ "throughput_too_much", "1 101", -EINVAL },
	{ "throughput_wraps", "1 4294967296", -EINVAL },
	{ "repeat_count_most", "4294967295 1", 0, "4294967295 1 " },
	{ "repeat_count_wraps", "4294967297 1", -EINVAL },
	{ "negative", "1 -1", -EINVAL },
	{ "sign", "+1", -EINVAL },
	{ "word", "fast", -EINVAL },
	{ "too_many", "1 1 1", -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(words, words_params, name);

static void words_test(struct kunit *test)
{
	expect_words(test, &st_type, test->param_value);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(earlier_test, earlier_gen_params),
	KUNIT_CASE(edges_test),
	KUNIT_CASE(turns_test),
	KUNIT_CASE(shares_test),
	KUNIT_CASE_PARAM(words_test, words_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_ps_service_time",
	.test_cases = cases,
};

kunit_test_suite(suite);
