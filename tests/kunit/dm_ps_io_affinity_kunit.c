// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the io-affinity selector, on one CPU.
 *
 * suite: dm_ps_io_affinity	own path of a CPU, nearest paths, cpumasks
 */

#include "dm_ps_kunit.h"
#include "ps/io-affinity.c"

static void edges_test(struct kunit *test)
{
	expect_edges(test, &ioa_type, "1");
}

/* The first path that names the CPU owns it.  If that fails, we rotate. */
static void own_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &ioa_type, 4, "1");
	struct ioa_group *group = g->ps.ctx;
	int i, nr[4] = {};

	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);
	g->path[0].usable = false;
	this_cpu_write(group->cpus->turn, UINT_MAX - 150);
	for (i = 0; i < 300; i++)
		nr[chosen(g, 4096)]++;
	for (i = 1; i < 4; i++) {
		KUNIT_EXPECT_GE(test, nr[i], 99);
		KUNIT_EXPECT_LE(test, nr[i], 101);
	}
	g->path[0].usable = true;
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);
	KUNIT_EXPECT_EQ(test, ioa_misses(group), 0);
}

static const struct words_param words_params[] = {
	{ "one", "1", 0, "1 " },
	{ "as_given", "00000001", 0, "00000001 " },
	{ "none", "", -EINVAL },
	{ "empty_mask", "0", -EINVAL },
	{ "not_hexadecimal", "x", -EINVAL },
	{ "negative", "-1", -EINVAL },
	{ "too_many", "1 1", -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(words, words_params, name);

static void words_test(struct kunit *test)
{
	expect_words(test, &ioa_type, test->param_value);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(edges_test),
	KUNIT_CASE(own_test),
	KUNIT_CASE_PARAM(words_test, words_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_ps_io_affinity",
	.test_cases = cases,
};

kunit_test_suite(suite);
