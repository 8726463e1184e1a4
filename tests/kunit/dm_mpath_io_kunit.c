// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites of the multipath target with I/O: errors and paths in both
 * modes, stall detection, the prober, messages, and their texts
 * (dm_mpath_kunit.h).
 *
 * suite: dm_mpath_io              errors, paths and suspends, in request and in
 * bio mode suite: dm_mpath_messages messages, status lines, probes, stalls and
 * path_stats
 */

#include "dm_mpath_kunit.h"
#include "dm-rq-compat.h"

#define RQ		"0 0 " ONE_GROUP
#define BIO		"2 queue_mode bio 0 " ONE_GROUP
#define RQ_QUEUEING	"1 queue_if_no_path 0 " ONE_GROUP
#define BIO_QUEUEING	"3 queue_if_no_path queue_mode bio 0 " ONE_GROUP

/* ---- errors ---- */

struct error_param {
	const char *name;
	const char *text;
	blk_status_t first;
	blk_status_t second;
	blk_status_t comes;
	/* The number of usable paths afterwards */
	unsigned int usable;
};

static const struct error_param error_params[] = {
	{ "rq_well", RQ, BLK_STS_OK, BLK_STS_OK, BLK_STS_OK, 2 },
	{ "rq_path", RQ, BLK_STS_TRANSPORT, BLK_STS_OK, BLK_STS_OK, 1 },
	{ "rq_timeout", RQ, BLK_STS_TIMEOUT, BLK_STS_OK, BLK_STS_OK, 1 },
	{ "rq_both_paths", RQ, BLK_STS_TRANSPORT, BLK_STS_OFFLINE, BLK_STS_OFFLINE, 0 },
	{ "rq_data", RQ, BLK_STS_MEDIUM, BLK_STS_OK, BLK_STS_MEDIUM, 2 },
	{ "rq_target", RQ, BLK_STS_TARGET, BLK_STS_OK, BLK_STS_TARGET, 2 },
	{ "rq_shortage", RQ, BLK_STS_RESOURCE, BLK_STS_OK, BLK_STS_OK, 1 },
	{ "rq_shortage_everywhere", RQ, BLK_STS_RESOURCE, BLK_STS_DEV_RESOURCE,
	  BLK_STS_DEV_RESOURCE, 0 },
	{ "rq_rejected", RQ, BLK_STS_IOERR, BLK_STS_OK, BLK_STS_OK, 1 },
	{ "rq_rejected_twice", RQ, BLK_STS_IOERR, BLK_STS_IOERR, BLK_STS_IOERR, 0 },
	{ "rq_guarded", "1 error_guard 0 " ONE_GROUP, BLK_STS_IOERR, BLK_STS_IOERR,
	  BLK_STS_IOERR, 1 },
	{ "rq_guarded_differs", "1 error_guard 0 " ONE_GROUP, BLK_STS_IOERR,
	  BLK_STS_TRANSPORT, BLK_STS_TRANSPORT, 0 },
	{ "bio_well", BIO, BLK_STS_OK, BLK_STS_OK, BLK_STS_OK, 2 },
	{ "bio_path", BIO, BLK_STS_TRANSPORT, BLK_STS_OK, BLK_STS_OK, 1 },
	{ "bio_both_paths", BIO, BLK_STS_TRANSPORT, BLK_STS_OFFLINE, BLK_STS_OFFLINE, 0 },
	{ "bio_data", BIO, BLK_STS_MEDIUM, BLK_STS_OK, BLK_STS_MEDIUM, 2 },
};

KUNIT_ARRAY_PARAM_DESC(error, error_params, name);

/*
 * An error of the path is not passed up while another path is usable. An error
 * of the data is passed up at once.
 */
static void error_test(struct kunit *test)
{
	const struct error_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, p->text);
	struct io *io = io_submit(map, REQ_OP_WRITE, 32, 8, 0x55);
	bool moves = p->first && p->first != p->comes;

	if (p->first == p->second)
		moves = !!p->first;
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&map->a, p->first)));
	if (moves) {
		KUNIT_ASSERT_TRUE(test, COMES(lower_held(&map->b) == 1));
		KUNIT_EXPECT_EQ(test, io->ends, 0);
		KUNIT_EXPECT_EQ(test, map->b.sector, 32);
		KUNIT_EXPECT_EQ(test, map->b.bytes, SZ_4K);
		lower_end(&map->b, p->second);
	}
	expect_end(test, io, p->comes);
	KUNIT_EXPECT_EQ(test, m->nr_usable, p->usable);
	if (!p->comes)
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(moves ? &map->b : &map->a, 32),
						0x55, SZ_4K));
}

struct op_param {
	const char *name;
	blk_opf_t opf;
	unsigned int sectors;
};

static const struct op_param op_params[] = {
	{ "read", REQ_OP_READ, 8 },
	{ "write_fua", REQ_OP_WRITE | REQ_FUA, 8 },
	{ "flush", REQ_OP_WRITE | REQ_PREFLUSH, 0 },
	{ "discard", REQ_OP_DISCARD, 64 },
	{ "write_zeroes", REQ_OP_WRITE_ZEROES, 64 },
};

KUNIT_ARRAY_PARAM_DESC(op, op_params, name);

/* A path fails during each of the operations. */
static void expect_failover(struct kunit *test, const char *text)
{
	const struct op_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, text);
	struct io *io;

	memset(lower_at(&map->b, 0), 0x66, SZ_64K);
	io = io_submit(map, p->opf, 0, p->sectors, 0x55);
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&map->a, BLK_STS_TRANSPORT)));
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&map->b, BLK_STS_OK)));
	expect_end(test, io, BLK_STS_OK);
	if (io->mem)
		KUNIT_EXPECT_FALSE(test, memcmp(io->mem, lower_at(&map->b, 0), io->bytes));
	else
		KUNIT_EXPECT_TRUE(test, all_are(lower_at(&map->b, 0), 0, io->bytes));
	KUNIT_EXPECT_EQ(test, m->nr_usable, 1);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 1)->failed);
}

static void rq_op_test(struct kunit *test)
{
	expect_failover(test, RQ);
}

static void bio_op_test(struct kunit *test)
{
	expect_failover(test, BIO);
}

/* ---- waiting and suspending ---- */

struct wait_param {
	const char *name;
	const char *text;
	unsigned int flags;
	/* The result of I/O that waits at the time of the suspend */
	blk_status_t comes;
	bool from_next_table;
};

/*
 * There is no case for a noflush suspend in bio mode. Until dm core has stopped
 * the map, we exchange the bios with it again and again. With
 * time-travel=inf-cpu, time does not pass during that, so it would never end.
 * The guest tests cover this case.
 */
static const struct wait_param wait_params[] = {
	{ "rq_flush", RQ_QUEUEING, 0, BLK_STS_IOERR, false },
	{ "rq_noflush", RQ_QUEUEING, NOFLUSH, BLK_STS_OK, true },
	{ "bio_flush", BIO_QUEUEING, 0, BLK_STS_IOERR, false },
};

KUNIT_ARRAY_PARAM_DESC(wait, wait_params, name);

static void wait_test(struct kunit *test)
{
	const struct wait_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, p->text);
	struct io *ios[2];
	unsigned int i;

	/*
	 * One request fails on the last path; another one arrives after that.
	 */
	ios[0] = io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	mpath_fail_path(path_nr(m, 2), "kunit");
	KUNIT_ASSERT_TRUE(test, COMES(lower_end(&map->a, BLK_STS_TRANSPORT)));
	ios[1] = io_submit(map, REQ_OP_WRITE, 64, 8, 2);
	schedule_timeout_uninterruptible(30 * HZ);
	KUNIT_EXPECT_EQ(test, m->nr_usable, 0);
	KUNIT_EXPECT_EQ(test, ios[0]->ends + ios[1]->ends, 0);

	map_suspend(map, p->flags);
	KUNIT_EXPECT_EQ(test, ios[0]->ends + ios[1]->ends, p->from_next_table ? 0 : 2);
	map_swap(map, TARGET, p->text);
	map->a.at_once = true;
	map->b.at_once = true;
	map_resume(map);
	for (i = 0; i < 2; i++) {
		expect_end(test, ios[i], p->comes);
		if (p->from_next_table)
			KUNIT_EXPECT_EQ(test, all_are(lower_at(&map->a, 64 * i), i + 1, SZ_4K) +
					all_are(lower_at(&map->b, 64 * i), i + 1, SZ_4K), 1);
	}
}

/* In both modes, waiting I/O is sent when a path is reinstated. */
static void back_test(struct kunit *test)
{
	const struct wait_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, p->text);
	struct io *io;

	mpath_fail_path(path_nr(m, 1), "kunit");
	mpath_fail_path(path_nr(m, 2), "kunit");
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	schedule_timeout_uninterruptible(HZ);
	mpath_admin_reinstate(path_nr(m, 2));
	KUNIT_EXPECT_TRUE(test, COMES(lower_end(&map->b, BLK_STS_OK)));
	expect_end(test, io, BLK_STS_OK);
}

/*
 * If both disks report that they are busy, the map's queue keeps the request.
 */
static void busy_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct io *io;

	mpath_start(map, RQ);
	map->a.busy = true;
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	lower_release(&map->a, BLK_STS_OK);
	lower_release(&map->b, BLK_STS_OK);
	expect_end(test, io, BLK_STS_OK);
	map->b.busy = true;
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	schedule_timeout_uninterruptible(HZ);
	KUNIT_EXPECT_EQ(test, io->ends, 0);
	map->a.busy = false;
	expect_end(test, io, BLK_STS_OK);
}

/* A full device: the selector chooses another one. */
static void full_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct io *io;

	mpath_start(map, "0 0 1 1 completion-time 0 2 1 %a 1 %b 1");
	lower_refuse(&map->a, 3, BLK_STS_DEV_RESOURCE);
	lower_refuse(&map->b, 3, BLK_STS_RESOURCE);
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	KUNIT_EXPECT_TRUE(test, COMES(lower_held(&map->a) + lower_held(&map->b) == 1));
	lower_release(&map->a, BLK_STS_OK);
	lower_release(&map->b, BLK_STS_OK);
	expect_end(test, io, BLK_STS_OK);
}

static const char *const selectors[] = {
	"round-robin 0", "service-time 0", "queue-length 0", "historical-service-time 0",
	"io-affinity 0", "completion-time 0",
};

KUNIT_ARRAY_PARAM(selector, selectors, NULL);

/*
 * With each selector, requests of all sizes end while a path fails and returns.
 */
static void selector_test(struct kunit *test)
{
	const char *selector = *(const char *const *)test->param_value;
	struct map *map = test->priv;
	char text[128];
	struct io *io;
	struct mpath *m;
	int i;

	snprintf(text, sizeof(text), "1 queue_if_no_path 0 1 1 %s 2 1 %%a 1 %%b 1", selector);
	m = mpath_start(map, text);
	map->a.at_once = true;
	map->b.at_once = true;
	for (i = 0; i < 200; i++) {
		if (i == 60)
			mpath_fail_path(path_nr(m, 1), "kunit");
		if (i == 120)
			mpath_admin_reinstate(path_nr(m, 1));
		io = io_submit(map, i & 1 ? REQ_OP_READ : REQ_OP_WRITE, 8 * (i % 64),
			       1 + i % 64, i);
		expect_end(test, io, BLK_STS_OK);
	}
	KUNIT_EXPECT_EQ(test, map->a.arrived + map->b.arrived, 200);
	KUNIT_EXPECT_GE(test, map->b.arrived, 60);
}

/* ---- devices ---- */

/* An ioctl uses the path that a request would use. */
static void ioctl_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, RQ);
	struct dm_target *ti = map_target(map);
	struct block_device *bdev;

	KUNIT_EXPECT_EQ(test, dm_rq_prepare_ioctl(ti, &bdev), 0);
	KUNIT_EXPECT_PTR_EQ(test, bdev, path_nr(m, 1)->ps.dev->bdev);
	mpath_fail_path(path_nr(m, 1), "kunit");
	mpath_fail_path(path_nr(m, 2), "kunit");
	KUNIT_EXPECT_EQ(test, dm_rq_prepare_ioctl(ti, &bdev), -EIO);
	mpath_set_queueing(m, true);
	KUNIT_EXPECT_EQ(test, dm_rq_prepare_ioctl(ti, &bdev), -ENOTCONN);
}

static struct kunit_case io_cases[] = {
	KUNIT_CASE_PARAM(error_test, error_gen_params),
	KUNIT_CASE_PARAM(rq_op_test, op_gen_params),
	KUNIT_CASE_PARAM(bio_op_test, op_gen_params),
	KUNIT_CASE_PARAM(wait_test, wait_gen_params),
	KUNIT_CASE_PARAM(back_test, wait_gen_params),
	KUNIT_CASE(busy_test),
	KUNIT_CASE(full_test),
	KUNIT_CASE_PARAM(selector_test, selector_gen_params),
	KUNIT_CASE(ioctl_test),
	{}
};

static struct kunit_suite io_suite = {
	.name = "dm_mpath_io",
	.init = mpath_bench_init,
	.exit = mpath_bench_exit,
	.test_cases = io_cases,
};

/* ---- messages ---- */

#define TEXT	4096

/* Send @words, with devices for %a and %b. The answer is in @text. */
static int message(struct map *map, const char *words, char *text, unsigned int size)
{
	char **argv, *copy = map_text(map, words);
	int argc, r;

	KUNIT_ASSERT_EQ(map->test, dm_split_args(&argc, &argv, copy), 0);
	text[0] = '\0';
	r = mpath_message(map_target(map), argc, argv, text, size);
	kfree(argv);
	return r;
}

static char *text_of(struct kunit *test)
{
	char *text = kunit_kzalloc(test, TEXT, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, text);
	return text;
}

static bool has(struct map *map, const char *text, const char *part)
{
	return strstr(text, map_text(map, part));
}

struct message_param {
	const char *name;
	const char *words;
	int r;
	/* The info line after the message and an I/O. NULL: unchanged */
	const char *info;
};

static const struct message_param message_params[] = {
	{ "queue", "queue_if_no_path", 0 },
	{ "upper_case", "QUEUE_IF_NO_PATH", 0 },
	{ "queue_words", "queue_if_no_path 1", -EINVAL },
	{ "fail_if", "fail_if_no_path", 0 },
	{ "switch", "switch_group 2", 0,
	  "2 0 0 0 2 2 E 0 2 0 %a A 0 %b A 0 A 0 2 0 %a A 0 %b A 0 " },
	{ "switch_to_0", "switch_group 0", -EINVAL },
	{ "switch_to_3", "switch_group 3", -EINVAL },
	{ "switch_to_word", "switch_group x", -EINVAL },
	{ "switch_nowhere", "switch_group", -EINVAL },
	{ "disable", "disable_group 1", 0,
	  "2 0 0 0 2 2 D 0 2 0 %a A 0 %b A 0 A 0 2 0 %a A 0 %b A 0 " },
	{ "enable", "enable_group 1", 0 },
	{ "fail", "fail_path %a", 0, "2 0 0 0 2 1 A 0 2 0 %a F 1 %b A 0 E 0 2 0 %a F 1 %b A 0 " },
	{ "fail_unknown", "fail_path 1:250", -EINVAL },
	{ "fail_no_device", "fail_path no-such-device", -ENODEV },
	{ "reinstate", "reinstate_path %b", 0 },
	{ "reinstate_nothing", "reinstate_path", -EINVAL },
	{ "unknown", "fly", -EINVAL },
	{ "probe_words", "probe_paths 0", -EINVAL },
	{ "probe_words_more", "probe_paths 100 reinstate now", -EINVAL },
	{ "probe_too_long", "probe_paths 60001", -EINVAL },
	{ "probe_nothing", "probe_path", -EINVAL },
	{ "probe_unknown", "probe_path 1:250", -EINVAL },
	{ "stats_words", "path_stats now", -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(message, message_params, name);

/* The message returns the expected result, has its effect, and no other. */
static void message_test(struct kunit *test)
{
	const struct message_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, "0 0 " GROUPS_2X2);
	const char *info = p->info ?: "2 0 0 0 2 1 A 0 2 0 %a A 0 %b A 0 E 0 2 0 %a A 0 %b A 0 ";
	char *text = text_of(test);
	int r;

	mpath_find_path(m, 0, REQ_OP_READ);
	r = message(map, p->words, text, TEXT);
	/* The error for an unknown device name depends on the kernel. */
	if (p->r == -ENODEV)
		KUNIT_EXPECT_LT(test, r, 0);
	else
		KUNIT_EXPECT_EQ(test, r, p->r);
	mpath_find_path(m, 0, REQ_OP_READ);
	mpath_status(map_target(map), STATUSTYPE_INFO, 0, text, TEXT);
	KUNIT_EXPECT_STREQ(test, text, map_text(map, info));
	KUNIT_EXPECT_EQ(test, mpath_may_wait(m), !strcasecmp(p->words, "queue_if_no_path"));
}

/* A suspended map refuses messages, but shows its I/O in flight. */
static void suspended_test(struct kunit *test)
{
	struct map *map = test->priv;
	char *text = text_of(test);

	mpath_start(map, RQ);
	map_suspend(map, NOFLUSH);
	KUNIT_EXPECT_EQ(test, message(map, "queue_if_no_path", text, TEXT), -EBUSY);
	KUNIT_EXPECT_EQ(test, message(map, "fly", text, TEXT), -EBUSY);
	KUNIT_EXPECT_EQ(test, message(map, "path_stats", text, TEXT), 1);
	KUNIT_EXPECT_TRUE(test, has(map, text, " suspend done in_flight 0 "));
}

/* ---- status lines ---- */

#define ALL_FEATURES	"12 queue_if_no_path pg_init_retries 3 pg_init_delay_msecs 100 " \
			"no_path_timeout 60 error_guard probe_interval 5000 " \
			"stall_timeout 1000 "
#define ALL_WORDS	ALL_FEATURES "0 2 1 service-time 0 2 2 %a 1 1 %b 1 2 " \
			"queue-length 0 1 1 %a 1 "
#define INFO_WORDS	"2 0 0 0 2 1 A 0 2 3 %a A 0 0 1 ok %b F 1 0 2 ok E 0 1 2 %a A 0 0 ok "

/* multipathd compares the table with its own text, so we print the same. */
static void lines_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, ALL_WORDS);
	char *text = text_of(test), *info;

	mpath_status(map_target(map), STATUSTYPE_TABLE, 0, text, TEXT);
	KUNIT_EXPECT_STREQ(test, text, map_text(map, ALL_WORDS));
	mpath_find_path(m, 0, REQ_OP_READ);
	mpath_fail_path(path_nr(m, 2), "kunit");
	mpath_status(map_target(map), STATUSTYPE_INFO, 0, text, TEXT);
	info = map_text(map, INFO_WORDS);
	KUNIT_EXPECT_STREQ(test, text, info);
	mpath_status(map_target(map), STATUSTYPE_IMA, 0, text, TEXT);
	KUNIT_EXPECT_TRUE(test, has(map, text, ",nr_priority_groups=2,pg_state_0=A"));
	KUNIT_EXPECT_TRUE(test, has(map, text, ",is_active_0_1=F,fail_count_0_1=1"));
}

/* A buffer that is too small is filled, so that dm core tries a larger one. */
static void small_room_test(struct kunit *test)
{
	struct map *map = test->priv;
	char *text = text_of(test);
	unsigned int size;

	mpath_start(map, RQ);
	for (size = 1; size < 90; size += 11) {
		KUNIT_EXPECT_EQ(test, message(map, "probe_paths", text, size), 1);
		KUNIT_EXPECT_EQ(test, strlen(text), size - 1);
		KUNIT_EXPECT_EQ(test, message(map, "path_stats", text, size), 1);
		KUNIT_EXPECT_EQ(test, strlen(text), size - 1);
	}
	KUNIT_EXPECT_EQ(test, map->a.arrived + map->b.arrived, 0);
}

/* ---- probes ---- */

/* A silent disk fails its path. When it answers, the path is reinstated. */
static void probe_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, RQ);
	char *text = text_of(test), *line;

	map->a.at_once = true;
	KUNIT_EXPECT_EQ(test, message(map, "probe_paths 500", text, TEXT), 1);
	line = strchr(text, '\n');
	KUNIT_ASSERT_NOT_NULL(test, line);
	KUNIT_EXPECT_TRUE(test, strstarts(text, map_text(map, "%a OK ")));
	KUNIT_EXPECT_STREQ(test, line + 1, map_text(map, "%b TIMEOUT\n"));
	KUNIT_EXPECT_FALSE(test, path_nr(m, 1)->failed);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 2)->failed);

	/*
	 * The old read is still in flight, so no other one is sent. The path
	 * does not fail a second time for it.
	 */
	KUNIT_EXPECT_EQ(test, message(map, "probe_path %b 100 reinstate", text, TEXT), 1);
	KUNIT_EXPECT_STREQ(test, text, map_text(map, "%b TIMEOUT\n"));
	KUNIT_EXPECT_EQ(test, map->b.arrived, 1);
	lower_release(&map->b, BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 2)->failed);
	KUNIT_EXPECT_EQ(test, message(map, "probe_path %b reinstate", text, TEXT), 1);
	KUNIT_EXPECT_TRUE(test, strstarts(text, map_text(map, "%b OK ")));
	KUNIT_EXPECT_FALSE(test, path_nr(m, 2)->failed);

	/*
	 * This is an error of the path. An error of the data counts as an
	 * answer.
	 */
	lower_release(&map->b, BLK_STS_TRANSPORT);
	KUNIT_EXPECT_EQ(test, message(map, "probe_path %b", text, TEXT), 1);
	KUNIT_EXPECT_TRUE(test, strstarts(text, map_text(map, "%b ERROR ")));
	KUNIT_EXPECT_TRUE(test, path_nr(m, 2)->failed);
	lower_release(&map->b, BLK_STS_MEDIUM);
	KUNIT_EXPECT_EQ(test, message(map, "probe_path %b reinstate", text, TEXT), 1);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 2)->failed);
}

/*
 * With probe_interval, all paths are reinstated except those failed by message.
 */
static void interval_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, "2 probe_interval 2000 0 " ONE_GROUP);
	char *text = text_of(test);

	map->a.at_once = true;
	map->b.at_once = true;
	mpath_fail_path(path_nr(m, 1), "kunit");
	KUNIT_EXPECT_EQ(test, message(map, "fail_path %b", text, TEXT), 0);
	schedule_timeout_uninterruptible(5 * HZ);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 1)->failed);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 2)->failed);

	/* A suspended map is not probed. */
	map_suspend(map, NOFLUSH);
	map->a.arrived = 0;
	schedule_timeout_uninterruptible(10 * HZ);
	KUNIT_EXPECT_EQ(test, map->a.arrived, 0);
	map_resume(map);
	schedule_timeout_uninterruptible(5 * HZ);
	KUNIT_EXPECT_GE(test, map->a.arrived, 2);

	/* The last path is kept although it is silent. */
	map->a.at_once = false;
	schedule_timeout_uninterruptible(10 * HZ);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 1)->failed);
	KUNIT_EXPECT_EQ(test, lower_held(&map->a), 1);
}

struct probing {
	struct work_struct work;
	struct map *map;
	char *text;
	int r;
	struct completion done;
};

static void probing_work(struct work_struct *work)
{
	struct probing *p = container_of(work, struct probing, work);

	p->r = message(p->map, "probe_paths 60000", p->text, TEXT);
	complete(&p->done);
}

/* A message that waits for silent paths does not delay a suspend. */
static void stopped_probe_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct probing *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	mpath_start(map, RQ);
	p->map = map;
	p->text = text_of(test);
	INIT_WORK(&p->work, probing_work);
	init_completion(&p->done);
	schedule_work(&p->work);
	KUNIT_EXPECT_TRUE(test, COMES(lower_held(&map->a) + lower_held(&map->b) == 2));
	map_suspend(map, NOFLUSH);
	KUNIT_EXPECT_TRUE(test, COMES(completion_done(&p->done)));
	flush_work(&p->work);
	KUNIT_EXPECT_EQ(test, p->r, -EBUSY);
}

/* ---- stall detection and path_stats ---- */

struct guard_param {
	const char *name;
	const char *text;
};

static const struct guard_param guard_params[] = {
	{ "rq", "2 stall_timeout 1000 0 " ONE_GROUP },
	{ "bio", "4 stall_timeout 1000 queue_mode bio 0 " ONE_GROUP },
};

KUNIT_ARRAY_PARAM_DESC(guard, guard_params, name);

/* A path that swallows a request gets no more until one completes. */
static void guard_test(struct kunit *test)
{
	const struct guard_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, p->text);
	char *text = text_of(test);
	struct io *stuck, *io;
	int i;

	map->b.at_once = true;
	stuck = io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	schedule_timeout_uninterruptible(HZ / 2);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 1)->stall.stalled);
	schedule_timeout_uninterruptible(HZ + HZ / 4);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 1)->stall.stalled);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 1)->failed);
	for (i = 0; i < 10; i++) {
		io = io_submit(map, REQ_OP_WRITE, 64, 8, 2);
		expect_end(test, io, BLK_STS_OK);
	}
	KUNIT_EXPECT_EQ(test, map->a.arrived, 1);
	KUNIT_EXPECT_EQ(test, message(map, "path_stats", text, TEXT), 1);
	KUNIT_EXPECT_TRUE(test, has(map, text, "path %a group 1 state A guard stalled "));
	KUNIT_EXPECT_TRUE(test, has(map, text, " chosen 1 avoided 10 in_flight 1 "));
	lower_end(&map->a, BLK_STS_OK);
	expect_end(test, stuck, BLK_STS_OK);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 1)->stall.stalled);

	/* If all paths of a group are stalled, all of them are used. */
	map->b.at_once = false;
	for (i = 0; i < 2; i++)
		io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	schedule_timeout_uninterruptible(2 * HZ);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 1)->stall.stalled && path_nr(m, 2)->stall.stalled);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 1)->ps.usable && path_nr(m, 2)->ps.usable);
}

struct class_param {
	blk_status_t status;
	const char *class;
};

static const struct class_param classes[] = {
	{ BLK_STS_TRANSPORT, "error_transport 1" },
	{ BLK_STS_TIMEOUT, "error_timeout 1" },
	{ BLK_STS_OFFLINE, "error_offline 1" },
	{ BLK_STS_AGAIN, "error_busy 1" },
	{ BLK_STS_PROTECTION, "error_medium 1" },
	{ BLK_STS_NOSPC, "error_target 1" },
	{ BLK_STS_INVAL, "error_io 1" },
};

/* Each I/O is counted once, in its own class. */
static void stats_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, "0 0 1 1 round-robin 0 1 1 %a 1");
	char *text = text_of(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		lower_release(&map->a, classes[i].status);
		mpath_admin_reinstate(path_nr(m, 1));
		expect_end(test, io_submit(map, REQ_OP_WRITE, 0, 8, 1), classes[i].status);
	}
	lower_release(&map->a, BLK_STS_OK);
	mpath_admin_reinstate(path_nr(m, 1));
	expect_end(test, io_submit(map, REQ_OP_WRITE, 0, 8, 1), BLK_STS_OK);
	expect_end(test, io_submit(map, REQ_OP_READ, 0, 16, 1), BLK_STS_OK);
	expect_end(test, io_submit(map, REQ_OP_DISCARD, 0, 16, 1), BLK_STS_OK);
	map->a.at_once = false;
	io_submit(map, REQ_OP_WRITE, 0, 8, 1);
	schedule_timeout_uninterruptible(3 * HZ);

	KUNIT_EXPECT_EQ(test, message(map, "path_stats", text, TEXT), 1);
	for (i = 0; i < ARRAY_SIZE(classes); i++)
		KUNIT_EXPECT_TRUE(test, has(map, text, classes[i].class));
	KUNIT_EXPECT_TRUE(test, has(map, text, " chosen 11 avoided 0 in_flight 1 oldest_ms 3"));
	KUNIT_EXPECT_TRUE(test, has(map, text, " reads 1 read_sectors 16 "));
	KUNIT_EXPECT_TRUE(test, has(map, text, " writes 1 write_sectors 8 others 1 "));
}

static struct kunit_case message_cases[] = {
	KUNIT_CASE_PARAM(message_test, message_gen_params),
	KUNIT_CASE(suspended_test),
	KUNIT_CASE(lines_test),
	KUNIT_CASE(small_room_test),
	KUNIT_CASE(probe_test),
	KUNIT_CASE(interval_test),
	KUNIT_CASE(stopped_probe_test),
	KUNIT_CASE_PARAM(guard_test, guard_gen_params),
	KUNIT_CASE(stats_test),
	{}
};

static struct kunit_suite message_suite = {
	.name = "dm_mpath_messages",
	.init = mpath_bench_init,
	.exit = mpath_bench_exit,
	.test_cases = message_cases,
};

kunit_test_suites(&io_suite, &message_suite);
