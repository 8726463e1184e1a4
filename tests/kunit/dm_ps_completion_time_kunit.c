// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the completion-time selector.
 *
 * suite: dm_ps_completion_time	costs, lines, widths, and the choice of a path
 */

#include "dm_ps_kunit.h"
#include "ps/completion-time.c"

#define SAME(wanted, got) \
	KUNIT_EXPECT_EQ(test, (u64)(got), (u64)(wanted))

static void edges_test(struct kunit *test)
{
	expect_edges(test, &ct_type, "1");
}

static void classes_test(struct kunit *test)
{
	/* Not a constant, to avoid a sparse warning about dead code. */
	static size_t zero;

	SAME(0, class_of(zero));
	SAME(0, class_of(4096));
	SAME(1, class_of(4097));
	SAME(1, class_of(8192));
	SAME(2, class_of(8193));
	SAME(8, class_of(1 << 20));
	SAME(NR_CLASSES - 1, class_of(2 << 20));
	SAME(NR_CLASSES - 1, class_of(UINT_MAX));
}

static void averages_test(struct kunit *test)
{
	SAME(MIN_WEIGHT, weight_of(0));
	SAME(FULL_WEIGHT / 2, weight_of(FORGET_MS / 2));
	SAME(FULL_WEIGHT, weight_of(FORGET_MS));
	SAME(FULL_WEIGHT, weight_of(UINT_MAX));
	SAME(2000, average(1000, 2000, FULL_WEIGHT));
	SAME(1125, average(1000, 2000, MIN_WEIGHT));
	SAME(1875, average(2000, 1000, MIN_WEIGHT));
	SAME(MAX_COST, average(0, MAX_COST, FULL_WEIGHT));
	SAME(0, average(MAX_COST, 0, FULL_WEIGHT));
	/* A sample with possible waiting has less weight, a faster one more. */
	SAME(MIN_WEIGHT, weight_with(1, true, MIN_WEIGHT));
	SAME(MIN_WEIGHT / 4, weight_with(2, true, MIN_WEIGHT));
	SAME(FULL_WEIGHT / 4, weight_with(2, false, MIN_WEIGHT));
}

static void lines_test(struct kunit *test)
{
	u32 cost[NR_CLASSES] = { [0] = 100000, [8] = 10000000 };
	struct ct_line line = fit_line(cost, BIT(0));

	SAME(100000, line.a);
	SAME(0, line.b);
	SAME(100000, cost_on(line, 8));

	/* 4 KiB in 100 us, 1 MiB in 10 ms: 9.47 ns per byte. */
	line = fit_line(cost, BIT(0) | BIT(8));
	SAME(9705, line.b);
	SAME(100000, cost_on(line, 0));
	SAME(1, cost_on(line, 8) > 9990000 && cost_on(line, 8) <= 10000000);

	/* If large requests are faster, the line is flat. */
	cost[8] = 50000;
	line = fit_line(cost, BIT(0) | BIT(8));
	SAME(0, line.b);

	/* A fitted cost is limited to MAX_COST. */
	cost[0] = 1;
	cost[1] = MAX_COST;
	line = fit_line(cost, BIT(0) | BIT(1));
	SAME(MAX_COST, cost_on(line, NR_CLASSES - 1));
}

static void widths_test(struct kunit *test)
{
	struct ct_line line = { .a = 1000000 };
	u64 eight = work_of(line, 8 * LOAD_REQUEST + 8 * 4096);

	SAME(8000000, eight);
	SAME(0, has_waited(1400000, 1000000));
	SAME(1, has_waited(1600000, 1000000));
	SAME(0, has_waited(9000, 1000));	/* a few us of noise */
	SAME(1, has_not_waited(1250000, 1000000));
	SAME(0, has_not_waited(1250001, 1000000));

	/* Serial; two in parallel; at least 1; at most the number in flight. */
	SAME(WIDTH_1, width_seen(0, eight, 8000000, 8));
	SAME(2 * WIDTH_1, width_seen(0, eight, 4000000, 8));
	SAME(WIDTH_1, width_seen(0, eight, 80000000, 8));
	SAME(8 * WIDTH_1, width_seen(0, eight, 1, 8));
	SAME(8 * WIDTH_1, width_seen(0, eight, 0, 8));
	/* A sample has a weight of a quarter. */
	SAME(4 * WIDTH_1 - WIDTH_1 * 3 / 4, width_seen(4 * WIDTH_1, eight, 8000000, 8));

	SAME(0, width_reached(0, 8));
	SAME(8 * WIDTH_1, width_reached(8 * WIDTH_1, 7));
	SAME(9 * WIDTH_1, width_reached(8 * WIDTH_1, 8));
	SAME(0, width_reached(8 * WIDTH_1, 5000));
}

static void lines_of_waiters_test(struct kunit *test)
{
	SAME(1000000, break_even_time(1000000, 0));
	/* With 1 ms and a wait of 7 ms, a path of 2.8 ms is worth using. */
	SAME(2828427, break_even_time(1000000, 7000000));
	/* A path of 10 ms is worth using after a wait of 99 ms. */
	SAME(10000000, break_even_time(1000000, 99000000));
	SAME(1, break_even_time(MAX_COST, U64_MAX) >= MAX_COST);
	SAME(1, break_even_time(BIT_ULL(31), U64_MAX) > BIT_ULL(31));
}

/* A path with old samples: 4 KiB reads of 20 ms and 64 KiB reads of 20 us. */
static struct ct_path *old_path(struct kunit *test)
{
	struct ct_path *cp = kunit_kzalloc(test, sizeof(*cp), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, cp);
	cp->costs[READ].cost[0] = 20000000;
	cp->costs[READ].cost[4] = 20000;
	cp->known[READ] = BIT(0) | BIT(4);
	cp->known_at[READ][0] = jiffies - HZ;
	cp->known_at[READ][4] = jiffies - HZ;
	publish(cp);
	return cp;
}

/* A large change in one class scales the others, but not itself again. */
static void changes_test(struct kunit *test)
{
	struct ct_path *cp = old_path(test);
	struct dm_ps ps = { };

	cp->sample = (struct ct_sample){ .load = LOAD_REQUEST + 4096 };
	learn(&ps, cp, 1000000);
	SAME(1000000, cp->costs[READ].cost[0]);
	SAME(1000, cp->costs[READ].cost[4]);

	/* A cost must not become 0, to avoid a division by zero. */
	cp = old_path(test);
	cp->sample = (struct ct_sample){ .load = LOAD_REQUEST + 4096 };
	learn(&ps, cp, 1);
	SAME(1, cp->costs[READ].cost[0]);
	SAME(1, cp->costs[READ].cost[4]);
	cp->sample.load += LOAD_REQUEST + 4096;
	learn(&ps, cp, 1000000000);
	SAME(1, cp->costs[READ].cost[0] > 1);
}

/*
 * Set the cost of a read of any size to @us, with a width of 8, and prevent
 * probes of the path.
 */
static struct ct_path *known_path(struct ps_group *g, unsigned int i, u32 us)
{
	struct ct_path *cp = g->path[i].ctx;
	unsigned int class;

	for (class = 0; class < NR_CLASSES; class++)
		cp->costs[READ].cost[class] = us * NSEC_PER_USEC;
	cp->costs[READ].per_request = (u64)us * NSEC_PER_USEC << FIXED_SHIFT >> 3;
	cp->probe_at = jiffies + 1000 * HZ;
	cp->state = 0;
	return cp;
}

static void choice_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &ct_type, 2, "1");
	struct ct_path *fast = known_path(g, 0, 100), *slow = known_path(g, 1, 10000);
	int i;

	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);

	/* If the fast path has a long queue, the idle one is better. */
	atomic64_set(&fast->load, 200 * (LOAD_REQUEST + 4096));
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 1);
	set_bit(CT_LATE, &slow->state);
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);
	clear_bit(CT_LATE, &slow->state);
	atomic64_set(&fast->load, LOAD_REQUEST + 4096);
	KUNIT_EXPECT_EQ(test, chosen(g, 4096), 0);
	/* The largest load must not overflow. */
	atomic64_set(&fast->load, -1);
	atomic64_set(&slow->load, 4095 * LOAD_REQUEST);
	KUNIT_EXPECT_EQ(test, chosen(g, SZ_4M), 1);
}

/* A shortcut is valid until the tick ends, even if its 32 bits wrap then. */
static void ticks_test(struct kunit *test)
{
	struct ps_group *g = group_of(test, &ct_type, 2, "1");
	struct ct_cpu *cpu = kunit_kzalloc(test, sizeof(*cpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, cpu);
	cpu->reviewed = U32_MAX;
	known_path(g, 0, 100);
	known_path(g, 1, 10000);
	KUNIT_EXPECT_PTR_EQ(test, select_best(&g->ps, cpu, 4096, READ), &g->path[0]);
	known_path(g, 1, 50);
	cpu->begin = 0;
	KUNIT_EXPECT_PTR_EQ(test, select_best(&g->ps, cpu, 4096, READ), &g->path[0]);
	cpu->reviewed++;
	cpu->begin = 0;
	KUNIT_EXPECT_PTR_EQ(test, select_best(&g->ps, cpu, 4096, READ), &g->path[1]);
}

static const struct aim_param {
	const char *name;
	char *words[2];
	int error;
	bool latency;
} aim_params[] = {
	{ "none", },
	{ "throughput", { "throughput" }, },
	{ "latency", { "latency" }, 0, true },
	{ "nonsense", { "nonsense" }, -EINVAL },
	{ "longer", { "latency1" }, -EINVAL },
	{ "empty", { "" }, -EINVAL },
	{ "two", { "latency", "latency" }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(aim, aim_params, name);

static void aim_test(struct kunit *test)
{
	const struct aim_param *p = test->param_value;
	unsigned int argc = !!p->words[0] + !!p->words[1];
	char *words[2] = { p->words[0], p->words[1] }, *error = NULL;
	struct dm_ps ps = { .type = &ct_type };
	int r = ct_create(&ps, argc, words, &error);

	KUNIT_EXPECT_EQ(test, r, p->error);
	if (r) {
		KUNIT_EXPECT_NOT_NULL(test, error);
		return;
	}
	KUNIT_EXPECT_EQ(test, ((struct ct_group *)ps.ctx)->latency, p->latency);
	ct_destroy(&ps);
}

static void words_test(struct kunit *test)
{
	expect_repeat_count(test, &ct_type);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(edges_test),
	KUNIT_CASE(classes_test),
	KUNIT_CASE(averages_test),
	KUNIT_CASE(lines_test),
	KUNIT_CASE(widths_test),
	KUNIT_CASE(lines_of_waiters_test),
	KUNIT_CASE(changes_test),
	KUNIT_CASE(choice_test),
	KUNIT_CASE(ticks_test),
	KUNIT_CASE_PARAM(aim_test, aim_gen_params),
	KUNIT_CASE(words_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_ps_completion_time",
	.test_cases = cases,
};

kunit_test_suite(suite);
