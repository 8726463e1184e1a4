// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of dm-rq: dispatch of requests to lower queues (dm_rq_kunit.h).
 *
 * suite: dm_rq_map		dispatch of operations and bios, and devices that refuse requests
 */

#include <linux/fault-inject.h>
#include <linux/kallsyms.h>

#include "dm_rq_kunit.h"

/* ---- requests that the device receives ---- */

struct op_param {
	const char *name;
	blk_opf_t opf;
	unsigned int sectors;
	blk_opf_t arrives;
	unsigned int requests;
};

static const struct op_param op_params[] = {
	{ "read", REQ_OP_READ, 8, REQ_OP_READ, 1 },
	{ "read_ahead", REQ_OP_READ | REQ_RAHEAD, 8,
	  REQ_OP_READ | REQ_RAHEAD | REQ_FAILFAST_MASK, 1 },
	{ "read_meta", REQ_OP_READ | REQ_META | REQ_PRIO | REQ_SYNC, 8,
	  REQ_OP_READ | REQ_META | REQ_PRIO | REQ_SYNC, 1 },
	{ "write", REQ_OP_WRITE, 8, REQ_OP_WRITE, 1 },
	{ "write_one_sector", REQ_OP_WRITE | REQ_SYNC, 1, REQ_OP_WRITE | REQ_SYNC, 1 },
	{ "write_fua", REQ_OP_WRITE | REQ_FUA, 8, REQ_OP_WRITE | REQ_FUA | REQ_SYNC, 1 },
	{ "failfast", REQ_OP_WRITE | REQ_FAILFAST_MASK, 8,
	  REQ_OP_WRITE | REQ_FAILFAST_MASK, 1 },
	{ "flush", REQ_OP_WRITE | REQ_PREFLUSH, 0, REQ_OP_FLUSH, 1 },
	{ "flush_and_write", REQ_OP_WRITE | REQ_PREFLUSH, 8, REQ_OP_WRITE | REQ_SYNC, 2 },
	{ "flush_and_fua", REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, 8,
	  REQ_OP_WRITE | REQ_FUA | REQ_SYNC, 2 },
	{ "discard", REQ_OP_DISCARD, 64, REQ_OP_DISCARD, 1 },
	{ "write_zeroes", REQ_OP_WRITE_ZEROES | REQ_NOUNMAP, 64,
	  REQ_OP_WRITE_ZEROES | REQ_NOUNMAP, 1 },
};

KUNIT_ARRAY_PARAM_DESC(op, op_params, name);

/* Flags of the operation, without those for the block layer. */
#define SAME_FLAGS	(REQ_OP_MASK | REQ_FUA | REQ_RAHEAD | REQ_META | REQ_PRIO | \
			 REQ_SYNC | REQ_NOUNMAP | REQ_FAILFAST_MASK)

/* The device gets the same operation and sector, and transfers the data. */
static void op_test(struct kunit *test)
{
	const struct op_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	enum req_op op = p->opf & REQ_OP_MASK;
	const size_t bytes = p->sectors << SECTOR_SHIFT;
	unsigned int i;
	struct io *io;

	memset(lower_at(l, 0), 0x22, 256 << SECTOR_SHIFT);
	io = io_submit(&b->map, p->opf, 64, p->sectors, 0x11);
	for (i = 1; i <= p->requests; i++) {
		KUNIT_ASSERT_TRUE(test, COMES(lower_held(l)));
		KUNIT_EXPECT_EQ(test, l->arrived, i);
		KUNIT_EXPECT_EQ(test, io->ends, 0);
		KUNIT_EXPECT_TRUE(test, lower_end(l, BLK_STS_OK));
	}
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, (__force u32)(l->opf & SAME_FLAGS), (__force u32)p->arrives);
	KUNIT_EXPECT_EQ(test, l->bytes, bytes);
	if (bytes)
		KUNIT_EXPECT_EQ(test, l->sector, 64);
	KUNIT_EXPECT_EQ(test, b->map.b.arrived, 0);

	if (io->mem)
		KUNIT_EXPECT_TRUE(test, all_are(io->mem, op == REQ_OP_READ ? 0x22 : 0x11,
						bytes));
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 64), op == REQ_OP_WRITE ? 0x11 :
					op == REQ_OP_READ ? 0x22 : 0, bytes));
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 0), 0x22, 64 << SECTOR_SHIFT));
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 64 + p->sectors), 0x22, SZ_4K));

	KUNIT_EXPECT_EQ(test, b->script.maps, p->requests);
	KUNIT_EXPECT_EQ(test, b->script.ends, p->requests);
	KUNIT_EXPECT_EQ(test, b->script.firsts, 0);
}

/* The bios of a request are dispatched together and complete one by one. */
static void bios_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *ios[6];
	unsigned int i;

	io_submit_merged(&b->map, REQ_OP_WRITE, 128, 8, 6, ios);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(&b->map.a)));
	KUNIT_EXPECT_EQ(test, b->map.a.bios, 6);
	KUNIT_EXPECT_EQ(test, b->map.a.bytes, 6 * SZ_4K);
	lower_end(&b->map.a, BLK_STS_OK);
	for (i = 0; i < 6; i++) {
		expect_end(test, ios[i], BLK_STS_OK);
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, 128 + 8 * i), i + 1,
						SZ_4K));
	}
}

/* If the bio of a request is chained, then the clone does not use it. */
static void chained_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	/* The block layer splits the bio and chains the parts. */
	b->map.a.at_once = true;
	dm_disk(b->map.md)->queue->limits.max_sectors = 16;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 64, 0x33);
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 4);
	KUNIT_EXPECT_EQ(test, b->map.a.bytes, 16 << SECTOR_SHIFT);
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, 0), 0x33, io->bytes));
}

/* ---- answers of the target ---- */

static void kill_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	b->script.prep = DM_RQ_KILL;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	expect_end(test, io, BLK_STS_IOERR);
	io = io_submit(&b->map, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0, 0);
	expect_end(test, io, BLK_STS_IOERR);
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 0);
	KUNIT_EXPECT_EQ(test, b->script.maps, 0);
}

/* DM_RQ_BUSY: the block layer keeps the request and dispatches it again. */
static void busy_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	b->script.prep = DM_RQ_BUSY;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	KUNIT_EXPECT_TRUE(test, COMES(b->script.preps > 3));
	KUNIT_EXPECT_EQ(test, io->ends, 0);
	b->script.prep = DM_RQ_MAPPED;
	KUNIT_EXPECT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_OK)));
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, 0), 0x11, SZ_4K));
}

/* A parked request is not dispatched again before a wake. */
static void park_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *ios[3];
	int i;

	b->script.prep = DM_RQ_PARK;
	for (i = 0; i < 3; i++)
		ios[i] = io_submit(&b->map, REQ_OP_WRITE, i * 64, 8, i + 1);
	schedule_timeout_uninterruptible(HZ);
	KUNIT_EXPECT_EQ(test, b->script.preps, 3);
	dm_rq_wake(rq_bench_core(b));
	KUNIT_EXPECT_TRUE(test, COMES(b->script.preps == 6));
	schedule_timeout_uninterruptible(HZ);
	KUNIT_EXPECT_EQ(test, b->script.preps, 6);

	b->script.prep = DM_RQ_MAPPED;
	dm_rq_wake_and_wait(rq_bench_core(b));
	KUNIT_EXPECT_EQ(test, lower_held(&b->map.a), 3);
	lower_release(&b->map.a, BLK_STS_OK);
	for (i = 0; i < 3; i++) {
		expect_end(test, ios[i], BLK_STS_OK);
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, i * 64), i + 1,
						SZ_4K));
	}
}

/* A wake between the target's decision and the requeue list is not lost. */
static void wake_early_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	b->map.a.at_once = true;
	b->script.wakes_in_prep = 3;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, b->script.preps, 4);
}

/* ---- devices that refuse requests ---- */

struct refuse_param {
	const char *name;
	blk_status_t refusal;
	blk_opf_t opf;
	unsigned int sectors;
	unsigned int bios;
};

static const struct refuse_param refuse_params[] = {
	{ "lent", BLK_STS_RESOURCE, REQ_OP_WRITE, 8, 1 },
	{ "lent_dev", BLK_STS_DEV_RESOURCE, REQ_OP_WRITE, 8, 1 },
	{ "read", BLK_STS_DEV_RESOURCE, REQ_OP_READ, 8, 1 },
	{ "bios", BLK_STS_RESOURCE, REQ_OP_WRITE, 8, 4 },
	{ "bios_dev", BLK_STS_DEV_RESOURCE, REQ_OP_WRITE, 8, 4 },
	{ "cloned", BLK_STS_RESOURCE, REQ_OP_DISCARD, 8, 1 },
	{ "flush", BLK_STS_DEV_RESOURCE, REQ_OP_WRITE | REQ_PREFLUSH, 0, 1 },
};

KUNIT_ARRAY_PARAM_DESC(refuse, refuse_params, name);

/* A refused request is unchanged, and is sent once the device accepts it. */
static void refuse_test(struct kunit *test)
{
	const struct refuse_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct io *ios[4];
	unsigned int i;

	lower_refuse(l, 5, p->refusal);
	io_submit_merged(&b->map, p->opf, 0, p->sectors, p->bios, ios);
	KUNIT_ASSERT_TRUE(test, COMES(lower_held(l)));
	KUNIT_EXPECT_EQ(test, l->refused, 5);
	KUNIT_EXPECT_EQ(test, l->arrived, 1);
	KUNIT_EXPECT_EQ(test, b->script.maps, 6);
	KUNIT_EXPECT_EQ(test, b->script.ends, 5);
	KUNIT_EXPECT_EQ(test, b->script.firsts, 0);
	EXPECT_STATUS(test, b->script.end_status, p->refusal);
	lower_end(l, BLK_STS_OK);
	for (i = 0; i < p->bios; i++) {
		expect_end(test, ios[i], BLK_STS_OK);
		if (p->opf == REQ_OP_WRITE)
			KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, i * 8), i + 1, SZ_4K));
	}
}

/* The queue of the device is full: a request must complete first. */
static void full_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *first, *second;

	rq_bench_again(test, 1, 0);
	first = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	second = io_submit(&b->map, REQ_OP_WRITE, 64, 8, 0x22);
	KUNIT_EXPECT_TRUE(test, COMES(b->script.preps > 3));
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 1);
	/* Without a clone, map is not called. */
	KUNIT_EXPECT_EQ(test, b->script.maps, 1);
	lower_end(&b->map.a, BLK_STS_OK);
	expect_end(test, first, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, second->ends, 0);
	KUNIT_EXPECT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_OK)));
	expect_end(test, second, BLK_STS_OK);
}

/* If a device is full, then the target may choose another one. */
static void no_room_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	b->script.room_elsewhere = true;
	lower_refuse(&b->map.a, 1, BLK_STS_RESOURCE);
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	KUNIT_EXPECT_EQ(test, lower_held(&b->map.b), 1);
	KUNIT_EXPECT_EQ(test, b->script.rooms, 1);
	lower_end(&b->map.b, BLK_STS_OK);
	expect_end(test, io, BLK_STS_OK);

	lower_refuse(&b->map.a, UINT_MAX, BLK_STS_RESOURCE);
	lower_refuse(&b->map.b, UINT_MAX, BLK_STS_DEV_RESOURCE);
	b->script.preps = 0;
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	KUNIT_EXPECT_TRUE(test, COMES(b->script.preps > 3 * DM_RQ_MAX_REFUSALS));
	KUNIT_EXPECT_EQ(test, b->script.preps % (DM_RQ_MAX_REFUSALS + 1), 0);
	lower_release(&b->map.a, BLK_STS_OK);
	lower_release(&b->map.b, BLK_STS_OK);
	expect_end(test, io, BLK_STS_OK);
}

/* If a lower queue may sleep, then a worker inserts the request. */
static void blocking_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct io *io;

	rq_bench_again(test, 8, BLK_MQ_F_BLOCKING);
	lower_refuse(&b->map.a, 2, BLK_STS_RESOURCE);
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 8, 0x11);
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 0);
	KUNIT_EXPECT_TRUE(test, COMES(lower_end(&b->map.a, BLK_STS_OK)));
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, b->map.a.refused, 2);
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(&b->map.a, 0), 0x11, SZ_4K));
}

struct gone_param {
	const char *name;
	enum dm_rq_error first;
	blk_opf_t opf;
	blk_status_t status;
};

static const struct gone_param gone_params[] = {
	{ "pass_up", DM_RQ_PASS_UP, REQ_OP_WRITE, BLK_STS_TRANSPORT },
	{ "pass_up_flush", DM_RQ_PASS_UP, REQ_OP_WRITE | REQ_PREFLUSH, BLK_STS_TRANSPORT },
	{ "hold", DM_RQ_HOLD, REQ_OP_WRITE, BLK_STS_OK },
	{ "hold_flush", DM_RQ_HOLD, REQ_OP_WRITE | REQ_PREFLUSH, BLK_STS_OK },
};

KUNIT_ARRAY_PARAM_DESC(gone, gone_params, name);

/* If a device is gone, we get no clone: end_io_first is called, but not map. */
static void gone_test(struct kunit *test)
{
	const struct gone_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct io *io;

	b->script.first = p->first;
	b->script.other_then = true;
	b->map.b.at_once = true;
	blk_mark_disk_dead(b->map.a.disk);
	io = io_submit(&b->map, p->opf, 0, p->opf & REQ_PREFLUSH ? 0 : 8, 0x11);
	expect_end(test, io, p->status);
	KUNIT_EXPECT_EQ(test, b->script.firsts, 1);
	EXPECT_STATUS(test, b->script.first_status, BLK_STS_TRANSPORT);
	KUNIT_EXPECT_EQ(test, b->script.first_bytes, 0);
	KUNIT_EXPECT_EQ(test, b->script.maps, p->status ? 0 : 1);
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 0);
}

/* ---- requests that are too large ---- */

struct large_param {
	const char *name;
	blk_opf_t opf;
	unsigned int sectors;
	unsigned int bios;
	unsigned int max_sectors;
	unsigned int max_segments;
	unsigned int requests;
	/* 0: no limit */
	unsigned int segment_bytes;
};

static const struct large_param large_params[] = {
	{ "write", REQ_OP_WRITE, 64, 1, 16, 128, 4 },
	{ "read", REQ_OP_READ, 64, 1, 16, 128, 4 },
	{ "odd", REQ_OP_WRITE, 63, 1, 16, 128, 4 },
	/* The last two bios fit into one request. */
	{ "bios", REQ_OP_WRITE, 8, 8, 16, 128, 7 },
	{ "large_bios", REQ_OP_WRITE, 32, 2, 16, 128, 4 },
	{ "segments", REQ_OP_WRITE, 8, 4, 256, 2, 3 },
	/* Twelve segments are six sectors. */
	{ "small_segments", REQ_OP_WRITE, 8, 1, 256, 12, 2, 256 },
	/* A sector has two segments, and seven of them are three sectors. */
	{ "odd_segments", REQ_OP_READ, 8, 1, 256, 7, 3, 256 },
	{ "discard", REQ_OP_DISCARD, 256, 1, 64, 128, 4 },
	{ "write_zeroes", REQ_OP_WRITE_ZEROES, 256, 1, 64, 128, 4 },
};

KUNIT_ARRAY_PARAM_DESC(large, large_params, name);

static void lower_limits(struct lower *l, unsigned int max_sectors,
			 unsigned int max_segments)
{
	struct queue_limits *lim = &l->disk->queue->limits;

	lim->max_sectors = max_sectors;
	lim->max_hw_sectors = max_sectors;
	lim->max_segments = max_segments;
	lim->max_discard_sectors = max_sectors;
	lim->max_write_zeroes_sectors = max_sectors;
}

static void expect_same(struct kunit *test, const struct io *io, const u8 *content)
{
	KUNIT_EXPECT_EQ(test, memcmp(io->mem, content, io->bytes), 0);
}

/*
 * If the limits of a device have shrunk since the table was loaded, then a
 * request is split, and each bio completes once, with all its data.  In the
 * second round, dm-rq measures requests before it sends them.
 */
static void large_test(struct kunit *test)
{
	const struct large_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	unsigned int i, round;
	struct io *ios[8];

	l->at_once = true;
	lower_limits(l, p->max_sectors, p->max_segments);
	if (p->segment_bytes)
		l->disk->queue->limits.max_segment_size = p->segment_bytes;
	for (round = 0; round < 2; round++) {
		l->arrived = 0;
		b->script.maps = 0;
		b->script.ends = 0;
		memset(lower_at(l, 0), 0x77, 512 << SECTOR_SHIFT);
		io_submit_merged(&b->map, p->opf, 0, p->sectors, p->bios, ios);
		for (i = 0; i < p->bios; i++) {
			expect_end(test, ios[i], BLK_STS_OK);
			if (ios[i]->mem)
				expect_same(test, ios[i], lower_at(l, i * p->sectors));
		}
		if (!ios[0]->mem)
			KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 0), 0, ios[0]->bytes));
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, p->bios * p->sectors), 0x77,
						SZ_4K));
		KUNIT_EXPECT_EQ(test, l->arrived, p->requests);
		KUNIT_EXPECT_EQ(test, b->script.maps, b->script.ends);
		/* One was refused in the first round, and none in the second. */
		KUNIT_EXPECT_EQ(test, b->script.maps, p->requests + !round);
	}
	KUNIT_EXPECT_TRUE(test, rq_bench_core(b)->check_limits);
}

/* A device that takes requests of this size has another reason to refuse a part. */
static void refused_part_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct io *io;

	l->at_once = true;
	lower_limits(l, 16, 128);
	rq_bench_core(b)->check_limits = true;
	b->script.first = DM_RQ_HOLD;
	b->script.end = DM_RQ_AGAIN;
	lower_refuse(l, 1, BLK_STS_IOERR);
	io = io_submit(&b->map, REQ_OP_WRITE, 0, 64, 0x11);
	expect_end(test, io, BLK_STS_OK);
	expect_same(test, io, lower_at(l, 0));
	KUNIT_EXPECT_EQ(test, b->script.firsts, 1);
	KUNIT_EXPECT_EQ(test, l->arrived, 4);
	/* The retries of a part do not count for the rest. */
	KUNIT_EXPECT_EQ(test, b->script.tries, 0);
}

struct ranges_param {
	const char *name;
	unsigned int max;
	unsigned int requests;
};

static const struct ranges_param ranges_params[] = {
	{ "1", 1, 3 },
	{ "2", 2, 2 },
	{ "4", 4, 1 },
};

KUNIT_ARRAY_PARAM_DESC(ranges, ranges_params, name);

/*
 * A discard of several ranges, of which the device takes fewer per request than
 * the map.  Only these ranges are discarded.
 */
static void ranges_test(struct kunit *test)
{
	static const sector_t sectors[] = { 0, 1000, 1008 };
	const struct ranges_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct blk_plug plug;
	struct io *ios[3];
	int i;

	l->at_once = true;
	dm_disk(b->map.md)->queue->limits.max_discard_segments = 4;
	l->disk->queue->limits.max_discard_segments = p->max;
	memset(lower_at(l, 0), 0x77, LOWER_SECTORS << SECTOR_SHIFT);
	blk_start_plug(&plug);
	for (i = 0; i < 3; i++)
		ios[i] = io_submit(&b->map, REQ_OP_DISCARD, sectors[i], 8, 0);
	blk_finish_plug(&plug);
	for (i = 0; i < 3; i++)
		expect_end(test, ios[i], BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, l->arrived, p->requests);
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 0), 0, SZ_4K));
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 8), 0x77, 992 << SECTOR_SHIFT));
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 1000), 0, SZ_8K));
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, 1016), 0x77, 1032 << SECTOR_SHIFT));
}

/* The limit of a secure erase is its own, not that of a discard. */
static void secure_erase_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct io *io;

	dm_disk(b->map.md)->queue->limits.max_secure_erase_sectors = 256;
	l->disk->queue->limits.max_secure_erase_sectors = 64;
	l->disk->queue->limits.max_discard_sectors = 8;
	rq_bench_core(b)->check_limits = true;
	l->at_once = true;
	io = io_submit(&b->map, REQ_OP_SECURE_ERASE, 0, 128, 0);
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, l->arrived, 2);
	KUNIT_EXPECT_EQ(test, l->bytes, 64 << SECTOR_SHIFT);
}

static void atomic_limits(struct gendisk *disk, unsigned int sectors)
{
	struct queue_limits *lim = &disk->queue->limits;

	lim->atomic_write_max_sectors = sectors;
	lim->atomic_write_unit_min = SECTOR_SIZE;
	lim->atomic_write_unit_max = sectors << SECTOR_SHIFT;
}

/*
 * An atomic write is not split.  If it is larger than the device allows, then it
 * fails, and the status says that the path is not the reason.
 */
static void atomic_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct io *io;
	int i;

	l->at_once = true;
	lower_limits(l, 8, 128);
	atomic_limits(l->disk, 32);
	atomic_limits(dm_disk(b->map.md), 64);
	for (i = 0; i < 2; i++) {
		l->arrived = 0;
		io = io_submit(&b->map, REQ_OP_WRITE | REQ_ATOMIC, 0, 32, 0x55);
		expect_end(test, io, BLK_STS_OK);
		KUNIT_EXPECT_EQ(test, l->arrived, 1);
		KUNIT_EXPECT_EQ(test, l->bytes, io->bytes);
		KUNIT_EXPECT_TRUE(test, l->opf & REQ_ATOMIC);
		expect_same(test, io, lower_at(l, 0));

		io = io_submit(&b->map, REQ_OP_WRITE | REQ_ATOMIC, 64, 64, 0x66);
		expect_end(test, io, BLK_STS_INVAL);
		EXPECT_STATUS(test, b->script.first_status, BLK_STS_INVAL);
		KUNIT_EXPECT_EQ(test, l->arrived, 1);
		rq_bench_core(b)->check_limits = true;
	}
	KUNIT_EXPECT_EQ(test, b->script.maps, b->script.ends);
}

struct atomic_param {
	const char *name;
	unsigned int max_segments;
	unsigned int max_atomic;
};

static const struct atomic_param atomic_params[] = {
	{ "segments", 1, 64 },
	{ "atomic_size", 128, 8 },
};

KUNIT_ARRAY_PARAM_DESC(atomic, atomic_params, name);

/* An atomic write of several bios, of which the device takes one at a time */
static void atomic_bios_test(struct kunit *test)
{
	const struct atomic_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct io *ios[4];
	int i, round;

	l->at_once = true;
	lower_limits(l, 128, p->max_segments);
	atomic_limits(l->disk, p->max_atomic);
	atomic_limits(dm_disk(b->map.md), 64);
	for (round = 0; round < 2; round++) {
		l->arrived = 0;
		io_submit_merged(&b->map, REQ_OP_WRITE | REQ_ATOMIC, 0, 8, 4, ios);
		for (i = 0; i < 4; i++) {
			expect_end(test, ios[i], BLK_STS_OK);
			expect_same(test, ios[i], lower_at(l, 8 * i));
		}
		KUNIT_EXPECT_EQ(test, l->arrived, 4);
		KUNIT_EXPECT_EQ(test, l->bytes, SZ_4K);
		KUNIT_EXPECT_TRUE(test, l->opf & REQ_ATOMIC);
		KUNIT_EXPECT_EQ(test, b->script.maps, b->script.ends);
	}
	KUNIT_EXPECT_TRUE(test, rq_bench_core(b)->check_limits);
}

struct none_param {
	const char *name;
	blk_opf_t opf;
};

static const struct none_param none_params[] = {
	{ "discard", REQ_OP_DISCARD },
	{ "write_zeroes", REQ_OP_WRITE_ZEROES },
};

KUNIT_ARRAY_PARAM_DESC(none, none_params, name);

/* If a device has disabled an operation, then the map disables it, too. */
static void none_test(struct kunit *test)
{
	const struct none_param *p = test->param_value;
	struct rq_bench *b = test->priv;
	struct queue_limits *lim = &dm_disk(b->map.md)->queue->limits;
	struct io *io;

	lower_limits(&b->map.a, 0, 128);
	io = io_submit(&b->map, p->opf, 0, 64, 0);
	expect_end(test, io, BLK_STS_NOTSUPP);
	KUNIT_EXPECT_EQ(test, b->map.a.arrived, 0);
	KUNIT_EXPECT_EQ(test, b->script.firsts, 1);
	KUNIT_EXPECT_EQ(test, b->script.ends, 1);
	if (p->opf == REQ_OP_DISCARD)
		KUNIT_EXPECT_EQ(test, lim->max_discard_sectors, 0);
	else
		KUNIT_EXPECT_EQ(test, lim->max_write_zeroes_sectors, 0);
}

/* ---- out of memory ---- */

#if IS_ENABLED(CONFIG_FAILSLAB)
/* First member of a static structure in mm/failslab.c. */
static struct fault_attr *slab_faults;

static void starve(bool on)
{
	slab_faults = (void *)kallsyms_lookup_name("failslab");
	if (!slab_faults)
		return;
	slab_faults->verbose = 0;
	atomic_set(&slab_faults->times, on ? -1 : 1);
	slab_faults->probability = on ? 100 : 0;
}

/* If the bio pool is empty, then requests are mapped bio by bio. */
static void memory_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct io *ios[36][4];
	unsigned int i, j, in_parts;

	/* The pool has 64 bios.  Map all requests while memory is short. */
	b->script.prep = DM_RQ_PARK;
	for (i = 0; i < 36; i++)
		io_submit_merged(&b->map, REQ_OP_WRITE, i * 40, 8, 4, ios[i]);
	b->script.prep = DM_RQ_MAPPED;
	starve(true);
	dm_rq_wake_and_wait(rq_bench_core(b));
	starve(false);
	KUNIT_ASSERT_NOT_NULL(test, slab_faults);
	KUNIT_EXPECT_TRUE(test, COMES(lower_held(l) == 36));
	KUNIT_EXPECT_EQ(test, l->bios, 1);
	in_parts = 36 - 64 / 4;
	lower_release(l, BLK_STS_OK);
	for (i = 0; i < 36; i++) {
		for (j = 0; j < 4; j++) {
			expect_end(test, ios[i][j], BLK_STS_OK);
			KUNIT_EXPECT_TRUE(test, all_are(lower_at(l, i * 40 + j * 8), j + 1,
							SZ_4K));
		}
	}
	KUNIT_EXPECT_GE(test, l->arrived, 36 + in_parts);
}

/*
 * A discard needs a bio of its own, and the map's reserve has 16.  A request that gets
 * none waits, but its device is not full: the target is not told so.
 */
static void reserve_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	struct lower *l = &b->map.a;
	struct io *ios[20];
	int i;

	b->script.prep = DM_RQ_PARK;
	for (i = 0; i < 20; i++)
		ios[i] = io_submit(&b->map, REQ_OP_DISCARD, i * 40, 8, 0);
	b->script.prep = DM_RQ_MAPPED;
	starve(true);
	dm_rq_wake_and_wait(rq_bench_core(b));
	starve(false);
	KUNIT_ASSERT_NOT_NULL(test, slab_faults);
	KUNIT_EXPECT_EQ(test, b->script.rooms, 0);
	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_TRUE(test, COMES(lower_held(l) > 0));
		lower_end(l, BLK_STS_OK);
	}
	for (i = 0; i < 20; i++)
		expect_end(test, ios[i], BLK_STS_OK);
	/* Each was parked and mapped, and at least one had to wait. */
	KUNIT_EXPECT_GT(test, b->script.preps, 40);
}
#else
static void memory_test(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAILSLAB");
}

static void reserve_test(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAILSLAB");
}
#endif

/* ---- requests in flight ---- */

static bool count_one(struct dm_rq_io *io, void *data)
{
	unsigned int *count = data;

	++*count;
	return true;
}

/* Parked requests are not in flight. */
static void in_flight_test(struct kunit *test)
{
	struct rq_bench *b = test->priv;
	unsigned int i, count = 0;

	dm_rq_in_flight_for_each(rq_bench_core(b), count_one, &count);
	KUNIT_EXPECT_EQ(test, count, 0);
	for (i = 0; i < 5; i++)
		io_submit(&b->map, REQ_OP_WRITE, i * 64, 8, 0);
	b->script.prep = DM_RQ_PARK;
	for (i = 5; i < 8; i++)
		io_submit(&b->map, REQ_OP_WRITE, i * 64, 8, 0);
	dm_rq_in_flight_for_each(rq_bench_core(b), count_one, &count);
	KUNIT_EXPECT_EQ(test, count, 5);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(op_test, op_gen_params),
	KUNIT_CASE(bios_test),
	KUNIT_CASE(chained_test),
	KUNIT_CASE(kill_test),
	KUNIT_CASE(busy_test),
	KUNIT_CASE(park_test),
	KUNIT_CASE(wake_early_test),
	KUNIT_CASE_PARAM(refuse_test, refuse_gen_params),
	KUNIT_CASE(full_test),
	KUNIT_CASE(no_room_test),
	KUNIT_CASE(blocking_test),
	KUNIT_CASE_PARAM(gone_test, gone_gen_params),
	KUNIT_CASE_PARAM(large_test, large_gen_params),
	KUNIT_CASE(refused_part_test),
	KUNIT_CASE_PARAM(ranges_test, ranges_gen_params),
	KUNIT_CASE(secure_erase_test),
	KUNIT_CASE(atomic_test),
	KUNIT_CASE_PARAM(atomic_bios_test, atomic_gen_params),
	KUNIT_CASE_PARAM(none_test, none_gen_params),
	KUNIT_CASE(memory_test),
	KUNIT_CASE(reserve_test),
	KUNIT_CASE(in_flight_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_rq_map",
	.init = rq_bench_init,
	.exit = rq_bench_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
