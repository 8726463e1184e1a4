// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of dm-rq: suspends, with requests in each possible place
 * (dm_rq_kunit.h).
 *
 * suite: dm_rq_suspend		each request completes once over suspends, with its status and data
 */

#include "dm_rq_kunit.h"

/* Place of the requests when the suspend begins. */
enum place { WITH_DEVICE, PARKED, BUSY, PUT_OFF };

struct place_param {
	const char *name;
	enum place place;
	unsigned int flags;
	/* The suspend returns without a completion by the device. */
	bool at_once;
	blk_status_t comes;
	/* The requests complete after the resume, by way of the next table. */
	bool from_next_table;
};

static const struct place_param place_params[] = {
	{ "flush_with_device", WITH_DEVICE, 0, false, BLK_STS_OK, false },
	{ "noflush_with_device", WITH_DEVICE, NOFLUSH, false, BLK_STS_OK, false },
	{ "flush_parked", PARKED, 0, true, BLK_STS_IOERR, false },
	{ "noflush_parked", PARKED, NOFLUSH, true, BLK_STS_OK, true },
	{ "flush_busy", BUSY, 0, true, BLK_STS_OK, true },
	{ "noflush_busy", BUSY, NOFLUSH, true, BLK_STS_OK, true },
	{ "flush_put_off", PUT_OFF, 0, false, BLK_STS_OK, false },
	{ "noflush_put_off", PUT_OFF, NOFLUSH, true, BLK_STS_OK, true },
};

KUNIT_ARRAY_PARAM_DESC(place, place_params, name);

#define IOS	3

static void bring_to(struct rq_bench *b, enum place place, struct io **ios)
{
	int i;

	if (place == PARKED)
		b->script.prep = DM_RQ_PARK;
	if (place == BUSY)
		lower_refuse(&b->map.a, UINT_MAX, BLK_STS_RESOURCE);
	for (i = 0; i < IOS; i++)
		ios[i] = io_submit(&b->map, REQ_OP_WRITE, 64 * i, 8, i + 1);
	if (place != PUT_OFF)
		return;
	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN_LATER;
	for (i = 0; i < IOS; i++)
		lower_end(&b->map.a, BLK_STS_DEV_RESOURCE);
}

static bool suspend_is_over(struct rq_bench *b)
{
	return COMES(completion_done(&b->map.suspended));
}

static unsigned int ended(struct io **ios)
{
	unsigned int i, ends = 0;

	for (i = 0; i < IOS; i++)
		ends += ios[i]->ends;
	return ends;
}

static void expect_data(struct kunit *test, struct lower *l)
{
	int i;

	for (i = 0; i < IOS; i++)
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 64 * i), i + 1, SZ_4K));
}

/*
 * A suspend only waits for requests that a device has.  The next table, which
 * has the disks in the opposite order, maps the others.
 */
static void place_test(struct kunit *test)
{
	const struct place_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct io *ios[IOS];
	int i;

	bring_to(b, p->place, ios);
	map_suspend_beside(&b->map, p->flags);
	if (!p->at_once) {
		schedule_timeout_uninterruptible(5 * HZ);
		KUNIT_EXPECT_FALSE(test, completion_done(&b->map.suspended));
		KUNIT_EXPECT_EQ(test, ended(ios), 0);
		for (i = 0; i < IOS; i++)
			lower_end(&b->map.a, BLK_STS_OK);
	}
	KUNIT_ASSERT_TRUE(test, suspend_is_over(b));
	KUNIT_EXPECT_EQ(test, b->map.suspend_error, 0);
	KUNIT_EXPECT_EQ(test, ended(ios), p->from_next_table ? 0 : IOS);
	if (!p->at_once)
		expect_data(test, &b->map.a);

	/* A suspended map dispatches no requests, however long we wait. */
	lower_refuse(&b->map.a, 0, BLK_STS_OK);
	b->script.prep = DM_RQ_MAPPED;
	b->script.preps = 0;
	schedule_timeout_uninterruptible(5 * HZ);
	KUNIT_EXPECT_EQ(test, b->script.preps, 0);
	KUNIT_EXPECT_EQ(test, b->script.maps, b->script.ends);

	map_swap(&b->map, "kunit-rq", "%b %a");
	map_resume(&b->map);
	b->map.b.at_once = true;
	lower_release(&b->map.b, BLK_STS_OK);
	for (i = 0; i < IOS; i++)
		expect_end(test, ios[i], p->comes);
	KUNIT_EXPECT_EQ(test, b->map.b.arrived, p->from_next_table ? IOS : 0);
	if (p->from_next_table)
		expect_data(test, &b->map.b);
}

/* An error of the device is handled in the same way during a suspend. */
struct error_param {
	const char *name;
	unsigned int flags;
	enum dm_rq_error first;
	enum dm_rq_end end;
	enum dm_rq_map then;
	blk_status_t comes;
	bool from_next_table;
};

static const struct error_param error_params[] = {
	{ "flush_passed_up", 0, DM_RQ_PASS_UP, DM_RQ_DONE, DM_RQ_MAPPED, BLK_STS_TIMEOUT },
	{ "noflush_passed_up", NOFLUSH, DM_RQ_PASS_UP, DM_RQ_DONE, DM_RQ_MAPPED,
	  BLK_STS_TIMEOUT },
	{ "flush_done", 0, DM_RQ_HOLD, DM_RQ_DONE, DM_RQ_MAPPED, BLK_STS_TIMEOUT },
	{ "flush_killed", 0, DM_RQ_HOLD, DM_RQ_AGAIN, DM_RQ_KILL, BLK_STS_IOERR },
	{ "flush_again", 0, DM_RQ_HOLD, DM_RQ_AGAIN, DM_RQ_MAPPED, BLK_STS_OK },
	{ "noflush_again", NOFLUSH, DM_RQ_HOLD, DM_RQ_AGAIN, DM_RQ_MAPPED, BLK_STS_OK },
	{ "noflush_parked", NOFLUSH, DM_RQ_HOLD, DM_RQ_AGAIN, DM_RQ_PARK, BLK_STS_OK, true },
	{ "flush_later", 0, DM_RQ_HOLD, DM_RQ_AGAIN_LATER, DM_RQ_MAPPED, BLK_STS_OK, true },
	{ "noflush_later", NOFLUSH, DM_RQ_HOLD, DM_RQ_AGAIN_LATER, DM_RQ_MAPPED,
	  BLK_STS_OK, true },
};

KUNIT_ARRAY_PARAM_DESC(error, error_params, name);

static void error_test(struct kunit *test)
{
	const struct error_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct io *ios[IOS];
	int i;

	bring_to(b, WITH_DEVICE, ios);
	map_suspend_beside(&b->map, p->flags);
	schedule_timeout_uninterruptible(1);
	b->script.first = p->first;
	b->script.end = p->end;
	b->script.prep = p->then;
	for (i = 0; i < IOS; i++)
		lower_end(&b->map.a, BLK_STS_TIMEOUT);
	if (p->first == DM_RQ_HOLD && p->end == DM_RQ_AGAIN && p->then == DM_RQ_MAPPED) {
		KUNIT_EXPECT_TRUE(test, COMES(lower_held(&b->map.a) == IOS));
		KUNIT_EXPECT_FALSE(test, completion_done(&b->map.suspended));
		for (i = 0; i < IOS; i++)
			lower_end(&b->map.a, BLK_STS_OK);
	}
	KUNIT_ASSERT_TRUE(test, suspend_is_over(b));
	KUNIT_EXPECT_EQ(test, ended(ios), p->from_next_table ? 0 : IOS);

	b->script.prep = DM_RQ_MAPPED;
	map_swap(&b->map, "kunit-rq", "%b %a");
	b->map.b.at_once = true;
	map_resume(&b->map);
	for (i = 0; i < IOS; i++)
		expect_end(test, ios[i], p->comes);
	/* The next table does not know the request. */
	if (p->from_next_table)
		KUNIT_EXPECT_EQ(test, b->script.tries, 0);
	if (!p->comes)
		expect_data(test, p->from_next_table ? &b->map.b : &b->map.a);
}

/* A request that arrives while the map is suspended waits for the resume. */
static void meanwhile_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *ios[2];

	map_suspend(&b->map, NOFLUSH);
	ios[0] = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	ios[1] = io_submit(&b->map, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 0);
	schedule_timeout_uninterruptible(HZ);
	KUNIT_EXPECT_EQ(test, b->script.preps, 0);
	b->map.a.at_once = true;
	map_resume(&b->map);
	expect_end(test, ios[0], BLK_STS_OK);
	expect_end(test, ios[1], BLK_STS_OK);
}

/* A suspend also waits for a request that a worker has. */
static void worker_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	rq_bench_again(test, 8, BLK_MQ_F_BLOCKING);
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	map_suspend_beside(&b->map, NOFLUSH);
	KUNIT_EXPECT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_OK)));
	KUNIT_ASSERT_TRUE(test, suspend_is_over(b));
	expect_end(test, io, BLK_STS_OK);
	map_resume(&b->map);
}

/* Many suspends during retries: no request is lost or completes twice. */
static void many_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *ios[40];
	int i;

	b->script.first = DM_RQ_HOLD;
	for (i = 0; i < 40; i++) {
		b->script.end = i & 1 ? DM_RQ_AGAIN_LATER : DM_RQ_AGAIN;
		b->script.prep = i % 3 ? DM_RQ_MAPPED : DM_RQ_PARK;
		ios[i] = io_submit(&b->map, REQ_OP_WRITE, i * 8, 8, i + 1);
		while (lower_held(&b->map.a))
			lower_end(&b->map.a, BLK_STS_TRANSPORT);
		b->map.a.at_once = true;
		map_suspend_beside(&b->map, NOFLUSH);
		lower_release(&b->map.a, BLK_STS_OK);
		KUNIT_ASSERT_TRUE(test, suspend_is_over(b));
		b->map.a.at_once = false;
		map_resume(&b->map);
	}
	b->script.prep = DM_RQ_MAPPED;
	b->map.a.at_once = true;
	lower_release(&b->map.a, BLK_STS_OK);
	dm_rq_wake(rq_bench_core(b));
	for (i = 0; i < 40; i++) {
		expect_end(test, ios[i], BLK_STS_OK);
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, i * 8), i + 1, SZ_4K));
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(place_test, place_gen_params),
	KUNIT_CASE_PARAM(error_test, error_gen_params),
	KUNIT_CASE(meanwhile_test),
	KUNIT_CASE(worker_test),
	KUNIT_CASE(many_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_rq_suspend",
	.init = rq_bench_init,
	.exit = rq_bench_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
