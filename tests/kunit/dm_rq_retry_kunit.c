// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of dm-rq: completion of requests by lower queues (dm_rq_kunit.h).
 *
 * suite: dm_rq_retry		errors that are passed up, held or retried
 */

#include <linux/ktime.h>

#include "dm-rq-blk.h"
#include "dm_rq_kunit.h"

/* ---- a request that fails as a whole ---- */

enum shape { LENT, BIOS, CLONED, FLUSH, PARTS };

struct fail_param {
	const char *name;
	blk_status_t status;
	enum dm_rq_error first;
	enum dm_rq_end end;
	blk_status_t comes;
};

static const struct fail_param fail_params[] = {
	{ "passed_up", BLK_STS_MEDIUM, DM_RQ_PASS_UP, DM_RQ_AGAIN, BLK_STS_MEDIUM },
	{ "held_done", BLK_STS_TIMEOUT, DM_RQ_HOLD, DM_RQ_DONE, BLK_STS_TIMEOUT },
	{ "again", BLK_STS_IOERR, DM_RQ_HOLD, DM_RQ_AGAIN, BLK_STS_OK },
	{ "again_later", BLK_STS_DEV_RESOURCE, DM_RQ_HOLD, DM_RQ_AGAIN_LATER, BLK_STS_OK },
};

KUNIT_ARRAY_PARAM_DESC(fail, fail_params, name);

static unsigned int submit_shape(struct rq_bench *b, enum shape shape, struct io **ios)
{
	struct queue_limits *lim = &b->map.a.disk->queue->limits;

	switch (shape) {
	case BIOS:
		io_submit_merged(&b->map, REQ_OP_WRITE, 0, 8, 4, ios);
		return 4;
	case CLONED:
		ios[0] = io_submit(&b->map, REQ_OP_DISCARD, 0, 8, 0);
		return 1;
	case FLUSH:
		ios[0] = io_submit(&b->map, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 0);
		return 1;
	case PARTS:
		rq_bench_core(b)->check_limits = true;
		lim->max_sectors = 8;
		fallthrough;
	case LENT:
		ios[0] = io_submit(&b->map, REQ_OP_WRITE, 0, 32, 1);
		return 1;
	}
	return 0;
}

/* Number of end_io_first calls: one, one per part, or one per bio. */
static unsigned int questions(const struct fail_param *p, enum shape shape, unsigned int bios)
{
	if (p->first == DM_RQ_HOLD)
		return 1;
	return shape == PARTS ? 2 : bios;
}

/* The request was sent to the other device, after the delay if there is one. */
static void expect_retry(struct kunit *test, const struct fail_param *p, ktime_t failed)
{
	struct rq_bench *b = test->priv;
	bool later = p->end == DM_RQ_AGAIN_LATER;

	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.b) == 1));
	if (later)
		KUNIT_EXPECT_GE(test, ktime_ms_delta(ktime_get(), failed), DM_RQ_LATER_MS);
	KUNIT_EXPECT_EQ(test, b->script.tries, !later);
}

/* Each bio completes once, when its real status is known. */
static void expect_failure(struct kunit *test, enum shape shape)
{
	const struct fail_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	bool retried = !p->comes;
	unsigned int i, nr;
	ktime_t failed;
	struct io *ios[4];

	b->script.first = p->first;
	b->script.end = p->end;
	b->script.other_then = true;
	/* If an error of one part is passed up, then the other parts follow. */
	b->map.b.at_once = !retried;
	b->map.b.answer = p->status;
	nr = submit_shape(b, shape, ios);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	failed = ktime_get();
	lower_end(&b->map.a, p->status);
	if (retried) {
		expect_retry(test, p, failed);
		for (i = 0; i < nr; i++)
			KUNIT_EXPECT_EQ(test, ios[i]->ends, 0);
		lower_release(&b->map.b, BLK_STS_OK);
	}
	for (i = 0; i < nr; i++) {
		expect_end(test, ios[i], p->comes);
		if (retried && ios[i]->mem)
			KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.b, i * 8), i + 1,
							ios[i]->bytes));
	}
	EXPECT_STATUS(test, b->script.first_status, p->status);
	KUNIT_EXPECT_EQ(test, b->script.firsts, questions(p, shape, nr));
}

static void lent_test(struct kunit *test)
{
	expect_failure(test, LENT);
}

static void bios_test(struct kunit *test)
{
	expect_failure(test, BIOS);
}

static void cloned_test(struct kunit *test)
{
	expect_failure(test, CLONED);
}

static void flush_test(struct kunit *test)
{
	expect_failure(test, FLUSH);
}

static void parts_test(struct kunit *test)
{
	expect_failure(test, PARTS);
}

/* ---- a part of a request succeeds ---- */

struct part_param {
	const char *name;
	unsigned int well;
	enum dm_rq_error first;
	enum dm_rq_end end;
	/* Number of bios that complete before the rest is remapped. */
	unsigned int over;
	blk_status_t rest;
};

static const struct part_param part_params[] = {
	{ "pass_up_after_two", 2 * SZ_4K, DM_RQ_PASS_UP, DM_RQ_DONE, 2, BLK_STS_MEDIUM },
	{ "pass_up_in_the_third", 2 * SZ_4K + 512, DM_RQ_PASS_UP, DM_RQ_DONE, 2,
	  BLK_STS_MEDIUM },
	{ "done_after_three", 3 * SZ_4K, DM_RQ_HOLD, DM_RQ_DONE, 3, BLK_STS_MEDIUM },
	{ "again_from_the_first", 512, DM_RQ_HOLD, DM_RQ_AGAIN, 0, BLK_STS_OK },
	{ "again_from_the_second", SZ_4K, DM_RQ_HOLD, DM_RQ_AGAIN, 1, BLK_STS_OK },
	{ "again_in_the_last", 3 * SZ_4K + 2048, DM_RQ_HOLD, DM_RQ_AGAIN, 3, BLK_STS_OK },
	{ "later_from_the_third", 2 * SZ_4K, DM_RQ_HOLD, DM_RQ_AGAIN_LATER, 2, BLK_STS_OK },
};

KUNIT_ARRAY_PARAM_DESC(part, part_params, name);

/* Completed bios stay completed; the other device gets the remaining bios. */
static void part_test(struct kunit *test)
{
	const struct part_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct io *ios[4];
	unsigned int i;

	b->script.first = p->first;
	b->script.end = p->end;
	b->script.other_then = true;
	memset(lower_at(&b->map.b, 0), 0x77, SZ_64K);
	io_submit_merged(&b->map, REQ_OP_WRITE, 16, 8, 4, ios);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	lower_end_after(&b->map.a, p->well, BLK_STS_MEDIUM);
	if (!p->rest) {
		KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.b) == 1));
		KUNIT_EXPECT_EQ(test, b->map.b.sector, 16 + p->over * 8);
		KUNIT_EXPECT_EQ(test, b->map.b.bytes, (4 - p->over) * SZ_4K);
		KUNIT_EXPECT_EQ(test, b->map.b.bios, 4 - p->over);
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_EQ(test, ios[i]->ends, i < p->over);
		lower_end(&b->map.b, BLK_STS_OK);
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.b, 0), 0x77,
						(16 + p->over * 8) << SECTOR_SHIFT));
	}
	for (i = 0; i < 4; i++) {
		expect_end(test, ios[i], i < p->over ? BLK_STS_OK : p->rest);
		if (!p->rest && i >= p->over)
			KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.b, 16 + i * 8),
							i + 1, SZ_4K));
	}
}

/* A request with one bio is remapped, or fails, as a whole. */
static void lent_part_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN;
	b->script.other_then = true;
	io = io_submit(&b->map, REQ_OP_WRITE, 16, 32, 0x44);
	lower_end_after(&b->map.a, SZ_4K, BLK_STS_IOERR);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.b) == 1));
	KUNIT_EXPECT_EQ(test, b->script.first_bytes, io->bytes);
	KUNIT_EXPECT_EQ(test, b->map.b.sector, 16);
	KUNIT_EXPECT_EQ(test, b->map.b.bytes, io->bytes);
	/* The device completes it in two steps, both without error. */
	lower_end_after(&b->map.b, SZ_8K, BLK_STS_OK);
	expect_end(test, io, BLK_STS_OK);

	b->script.first = DM_RQ_PASS_UP;
	b->script.to_b = false;
	io = io_submit(&b->map, REQ_OP_READ, 16, 32, 0x44);
	lower_end_after(&b->map.a, SZ_4K, BLK_STS_MEDIUM);
	expect_end(test, io, BLK_STS_MEDIUM);
}

/* A request is split; the first part succeeds, the second fails once. */
static void parted_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *ios[1];

	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN;
	submit_shape(b, PARTS, ios);
	lower_end(&b->map.a, BLK_STS_OK);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	KUNIT_EXPECT_EQ(test, b->map.a.sector, 8);
	lower_end(&b->map.a, BLK_STS_IOERR);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	KUNIT_EXPECT_EQ(test, b->map.a.sector, 8);
	lower_release(&b->map.a, BLK_STS_OK);
	expect_end(test, ios[0], BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 5);
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, 0), 1, ios[0]->bytes));
}

/* ---- several retries ---- */

/* The counter of each next request starts at 0.  The first one has the same tag. */
static void expect_no_history(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io[4];
	int i;

	for (i = 0; i < ARRAY_SIZE(io); i++) {
		io[i] = io_submit(&b->map, REQ_OP_WRITE, 16 * i, 8, 0x11);
		KUNIT_EXPECT_EQ(test, b->script.tries, 0);
	}
	lower_release(&b->map.a, BLK_STS_OK);
	for (i = 0; i < ARRAY_SIZE(io); i++)
		expect_end(test, io[i], BLK_STS_OK);
}

/* The target decides about the number of retries; the counter saturates. */
static void tries_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;
	int i;

	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	for (i = 0; i < 300; i++) {
		KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
		KUNIT_ASSERT_EQ(test, b->script.tries, min(i, U8_MAX));
		lower_end(&b->map.a, BLK_STS_TRANSPORT);
	}
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_OK)));
	expect_end(test, io, BLK_STS_OK);
	expect_no_history(test);
}

/* If there is no path for a held request, then it is parked or killed. */
static void held_then_parked_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io, *killed;

	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	killed = io_submit(&b->map, REQ_OP_WRITE, 8, 8, 0x22);
	b->script.prep = DM_RQ_PARK;
	lower_end(&b->map.a, BLK_STS_TRANSPORT);
	KUNIT_EXPECT_TRUE(test, COMES(b->script.preps == 3));
	KUNIT_EXPECT_TRUE(test, b->script.again);
	b->script.prep = DM_RQ_KILL;
	lower_end(&b->map.a, BLK_STS_TRANSPORT);
	expect_end(test, killed, BLK_STS_IOERR);
	KUNIT_EXPECT_EQ(test, io->ends, 0);
	b->script.prep = DM_RQ_MAPPED;
	dm_rq_wake(rq_bench_core(b));
	KUNIT_EXPECT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	/* The request keeps its history, but the target may be another one. */
	KUNIT_EXPECT_EQ(test, b->script.tries, 1);
	KUNIT_EXPECT_FALSE(test, b->script.again);
	lower_end(&b->map.a, BLK_STS_OK);
	expect_end(test, io, BLK_STS_OK);
	expect_no_history(test);
}

/* If the device of a held request is full, then no wake is needed. */
static void held_then_busy_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	lower_refuse(&b->map.a, 4, BLK_STS_DEV_RESOURCE);
	lower_end(&b->map.a, BLK_STS_TRANSPORT);
	KUNIT_EXPECT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	/* The worker has given the request back to the block layer. */
	KUNIT_EXPECT_EQ(test, b->script.tries, 1);
	KUNIT_EXPECT_FALSE(test, b->script.again);
	lower_end(&b->map.a, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, b->map.a.refused, 4);
	expect_end(test, io, BLK_STS_OK);
}

/* A step of a flush sequence waits until the previous one has succeeded. */
static void sequence_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN;
	io = io_submit(&b->map, REQ_OP_WRITE | REQ_PREFLUSH, 0, 8, 0x11);
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_TRANSPORT)));
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	KUNIT_EXPECT_EQ(test, (__force u32)(b->map.a.opf & REQ_OP_MASK),
			(__force u32)REQ_OP_FLUSH);
	lower_end(&b->map.a, BLK_STS_OK);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a) == 1));
	KUNIT_EXPECT_EQ(test, (__force u32)(b->map.a.opf & REQ_OP_MASK),
			(__force u32)REQ_OP_WRITE);
	lower_end(&b->map.a, BLK_STS_TRANSPORT);
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_OK)));
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, 0), 0x11, SZ_4K));
}

/* If a flush fails permanently, then the data that follow it are not sent. */
static void failed_sequence_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	io = io_submit(&b->map, REQ_OP_WRITE | REQ_PREFLUSH, 0, 8, 0x11);
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_TARGET)));
	expect_end(test, io, BLK_STS_TARGET);
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 1);

	io = io_submit(&b->map, REQ_OP_WRITE | REQ_PREFLUSH, 0, 8, 0x11);
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_OK)));
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_MEDIUM)));
	expect_end(test, io, BLK_STS_MEDIUM);
}

/* Without iostats, a request has the time of an earlier one until somebody asks. */
static void marked_test(struct kunit *test)
{
	struct request *rq = kunit_kzalloc(test, sizeof(*rq), GFP_KERNEL);
	u64 since;

	KUNIT_ASSERT_NOT_NULL(test, rq);
	rq->start_time_ns = 1;
	KUNIT_EXPECT_FALSE(test, dm_rq_is_marked(rq));
	dm_rq_mark_retried(rq);
	KUNIT_EXPECT_TRUE(test, dm_rq_is_marked(rq));
	since = dm_rq_waiting_since(rq);
	KUNIT_EXPECT_GT(test, since, 1);
	dm_rq_mark_retried(rq);
	KUNIT_EXPECT_EQ(test, dm_rq_waiting_since(rq), since);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(lent_test, fail_gen_params),
	KUNIT_CASE_PARAM(bios_test, fail_gen_params),
	KUNIT_CASE_PARAM(cloned_test, fail_gen_params),
	KUNIT_CASE_PARAM(flush_test, fail_gen_params),
	KUNIT_CASE_PARAM(parts_test, fail_gen_params),
	KUNIT_CASE_PARAM(part_test, part_gen_params),
	KUNIT_CASE(lent_part_test),
	KUNIT_CASE(parted_test),
	KUNIT_CASE(tries_test),
	KUNIT_CASE(held_then_parked_test),
	KUNIT_CASE(held_then_busy_test),
	KUNIT_CASE(marked_test),
	KUNIT_CASE(sequence_test),
	KUNIT_CASE(failed_sequence_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_rq_retry",
	.init = rq_bench_init,
	.exit = rq_bench_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
