// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of mpath/table.c. Guest tests load many tables as well. Here we
 * also do so under KASAN, with each word missing, and without memory.
 *
 * suite: dm_mpath_grammar		tables that are accepted and printed, or refused
 */

#include <kunit/test.h>
#include <linux/blk-mq.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "../../../dm.h"
#include "mpath/mpath.h"
#include "dm-rq-compat.h"

#define SECTORS		2048
#define TEXT		512

/**
 * struct map - a map with no table but that of the case
 * @tags: tags of @disk
 * @disk: the request-based disk of a path
 * @md: the map
 * @table: a table of @md without targets, which is never bound
 * @name: the path's name in tables
 */
struct map {
	struct blk_mq_tag_set tags;
	struct gendisk *disk;
	struct mapped_device *md;
	struct dm_table *table;
	char name[16];
};

static blk_status_t path_queue_rq(struct blk_mq_hw_ctx *hctx,
				  const struct blk_mq_queue_data *bd)
{
	blk_mq_start_request(bd->rq);
	blk_mq_end_request(bd->rq, BLK_STS_OK);
	return BLK_STS_OK;
}

static const struct blk_mq_ops path_mq_ops = {
	.queue_rq = path_queue_rq,
};

static const struct block_device_operations path_ops = {};

static void path_create(struct kunit *test, struct map *map)
{
	struct gendisk *disk;

	map->tags.ops = &path_mq_ops;
	map->tags.nr_hw_queues = 1;
	map->tags.queue_depth = 4;
	map->tags.numa_node = NUMA_NO_NODE;
	KUNIT_ASSERT_EQ(test, blk_mq_alloc_tag_set(&map->tags), 0);
	disk = blk_mq_alloc_disk(&map->tags, NULL, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, disk);
	disk->fops = &path_ops;
	disk->flags |= GENHD_FL_NO_PART;
	strscpy(disk->disk_name, "kunit-path", DISK_NAME_LEN);
	set_capacity(disk, SECTORS);
	if (add_disk(disk)) {
		put_disk(disk);
		KUNIT_FAIL_AND_ABORT(test, "no disk");
	}
	map->disk = disk;
	snprintf(map->name, sizeof(map->name), "%u:%u",
		 MAJOR(disk_devt(disk)), MINOR(disk_devt(disk)));
}

static int map_init(struct kunit *test)
{
	struct map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	test->priv = map;
	path_create(test, map);
	KUNIT_ASSERT_EQ(test, dm_create(DM_ANY_MINOR, &map->md), 0);
	KUNIT_ASSERT_EQ(test, dm_table_create(&map->table,
					      BLK_OPEN_READ | BLK_OPEN_WRITE, 1,
					      map->md), 0);
	return 0;
}

static void map_exit(struct kunit *test)
{
	struct map *map = test->priv;

	if (!map)
		return;
	if (map->table)
		dm_table_destroy(map->table);
	if (map->md) {
		dm_put(map->md);
		dm_destroy(map->md);
	}
	if (map->disk) {
		del_gendisk(map->disk);
		put_disk(map->disk);
	}
	if (map->tags.tags)
		blk_mq_free_tag_set(&map->tags);
}

/* Returns @text with the path's name for %s; the caller frees it. */
static char *with_name(struct kunit *test, const char *text)
{
	struct map *map = test->priv;
	char *full = kunit_kzalloc(test, TEXT, GFP_KERNEL);
	const char *at;
	size_t n = 0;

	KUNIT_ASSERT_NOT_NULL(test, full);
	for (at = text; *at && n < TEXT - 20; at++) {
		if (*at == '%')
			n += scnprintf(full + n, TEXT - n, "%s", map->name);
		else
			full[n++] = *at;
	}
	return full;
}

/*
 * Returns the constructor's result; prints the target to @printed, destroys it.
 */
static int load(struct kunit *test, unsigned int argc, char **argv, char *printed,
		char **error)
{
	struct map *map = test->priv;
	struct dm_target ti = { .table = map->table, .len = SECTORS };
	struct mpath *m;
	int r;

	r = mpath_ctr(&ti, argc, argv);
	*error = ti.error;
	if (r)
		return r;
	m = mpath_of(&ti);
	spin_lock_irq(&m->lock);
	mpath_table_text(m, printed, TEXT);
	spin_unlock_irq(&m->lock);
	mpath_dtr(&ti);
	return 0;
}

static int load_text(struct kunit *test, const char *text, char *printed, char **error)
{
	char **argv, *words = kstrdup(text, GFP_KERNEL);
	int argc, r;

	KUNIT_ASSERT_NOT_NULL(test, words);
	KUNIT_ASSERT_EQ(test, dm_split_args(&argc, &argv, words), 0);
	r = load(test, argc, argv, printed, error);
	kfree(argv);
	kfree(words);
	return r;
}

struct table_param {
	const char *name;
	const char *text;
	const char *printed;	/* NULL: printed as given */
	int error;
	const char *why;
};

static const struct table_param good_params[] = {
	{ "nothing", "0 0 0 0 " },
	{ "one_path", "0 0 1 1 round-robin 0 1 1 % 1 " },
	{ "as_multipathd", "1 queue_if_no_path 0 1 1 service-time 0 1 2 % 1000 1 " },
	{ "no_words_per_path", "0 0 1 1 service-time 0 1 0 % ",
	  "0 0 1 1 service-time 0 1 2 % 1 1 " },
	{ "two_groups", "0 0 2 2 service-time 0 1 2 % 1 1 queue-length 0 1 1 % 1 " },
	{ "path_twice", "0 0 1 1 round-robin 0 2 1 % 1 % 1 " },
	{ "group_arguments", "0 0 1 1 historical-service-time 2 972 3 1 1 % 1 " },
	{ "rq_mode", "2 queue_mode rq 0 1 1 round-robin 0 1 1 % 1 ",
	  "0 0 1 1 round-robin 0 1 1 % 1 " },
	{ "error_guard", "1 error_guard 0 1 1 round-robin 0 1 1 % 1 " },
	{ "retries", "2 pg_init_retries 50 0 1 1 round-robin 0 1 1 % 1 " },
	{ "delay", "2 pg_init_delay_msecs 60000 0 1 1 round-robin 0 1 1 % 1 " },
};

KUNIT_ARRAY_PARAM_DESC(good, good_params, name);

/* The table is accepted, and its printed form is read as the same table. */
static void expect_good(struct kunit *test, const char *table, const char *wanted)
{
	char *text = with_name(test, table), *error = NULL;
	char *printed = kunit_kzalloc(test, TEXT, GFP_KERNEL);
	char *again = kunit_kzalloc(test, TEXT, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, printed);
	KUNIT_ASSERT_NOT_NULL(test, again);
	KUNIT_ASSERT_EQ_MSG(test, load_text(test, text, printed, &error), 0, "%s",
			    error);
	KUNIT_EXPECT_STREQ(test, printed, with_name(test, wanted));
	KUNIT_ASSERT_EQ(test, load_text(test, printed, again, &error), 0);
	KUNIT_EXPECT_STREQ(test, again, printed);
}

static void good_test(struct kunit *test)
{
	const struct table_param *p = test->param_value;

	expect_good(test, p->text, p->printed ?: p->text);
}

#define BIO_MODE	"queue_mode bio 0 1 1 round-robin 0 1 1 % 1 "

/* Attached handlers are kept. The line says so where the stock target's does. */
static void retain_test(struct kunit *test)
{
	expect_good(test, "1 retain_attached_hw_handler 0 0 0 ",
		    DM_RQ_RETAIN_IMPLIED ? "0 0 0 0 " : "1 retain_attached_hw_handler 0 0 0 ");
	expect_good(test, "2 " BIO_MODE,
		    DM_RQ_RETAIN_IMPLIED ?
		    "2 " BIO_MODE : "3 retain_attached_hw_handler " BIO_MODE);
}

/* Counts announce the words that follow, so a truncated table is refused. */
static void truncated_test(struct kunit *test)
{
	const struct table_param *p = test->param_value;
	char *text = with_name(test, p->text), *error;
	char *printed = kunit_kzalloc(test, TEXT, GFP_KERNEL);
	char **argv, *words = kstrdup(text, GFP_KERNEL);
	int argc, nr;

	KUNIT_ASSERT_NOT_NULL(test, printed);
	KUNIT_ASSERT_NOT_NULL(test, words);
	KUNIT_ASSERT_EQ(test, dm_split_args(&argc, &argv, words), 0);
	for (nr = 0; nr < argc; nr++) {
		error = NULL;
		KUNIT_EXPECT_EQ(test, load(test, nr, argv, printed, &error), -EINVAL);
		KUNIT_EXPECT_NOT_NULL(test, error);
	}
	kfree(argv);
	kfree(words);
}

static const struct table_param bad_params[] = {
	{ "empty", "", .error = -EINVAL,
	  .why = "number of feature words: missing, expected 0..16" },
	{ "not_a_number", "x", .error = -EINVAL,
	  .why = "number of feature words: expected 0..16, got 'x'" },
	{ "wraps", "4294967296", .error = -EINVAL,
	  .why = "number of feature words: expected 0..16, got '4294967296'" },
	{ "unknown_feature", "1 foo 0 1 1 round-robin 0 1 1 % 1", .error = -EINVAL,
	  .why = "unknown feature 'foo'" },
	{ "queue_mode", "2 queue_mode fast 0 0 0", .error = -EINVAL,
	  .why = "feature queue_mode: expected bio, rq or mq, got 'fast'" },
	{ "error_guard_in_bio_mode", "3 queue_mode bio error_guard 0 0 0", .error = -EINVAL,
	  .why = "feature error_guard: needs queue_mode rq or mq" },
	{ "first_group_0", "0 0 1 0 round-robin 0 1 1 % 1", .error = -EINVAL,
	  .why = "first group: expected 1..1, got '0'" },
	{ "first_group_2", "0 0 1 2 round-robin 0 1 1 % 1", .error = -EINVAL,
	  .why = "first group: expected 1..1, got '2'" },
	{ "unknown_selector", "0 0 1 1 no-such 0 1 1 % 1", .error = -EINVAL,
	  .why = "unknown path selector 'no-such'" },
	{ "left_over", "0 0 1 1 round-robin 0 1 1 % 1 more", .error = -EINVAL,
	  .why = "1 words left over after the last group, from 'more'" },
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_params, name);

static void bad_test(struct kunit *test)
{
	const struct table_param *p = test->param_value;
	char *printed = kunit_kzalloc(test, TEXT, GFP_KERNEL), *error = NULL;

	KUNIT_ASSERT_NOT_NULL(test, printed);
	KUNIT_EXPECT_EQ(test, load_text(test, with_name(test, p->text), printed,
					&error), p->error);
	KUNIT_EXPECT_STREQ(test, error, p->why);
}

/* ---- random tables ---- */

#define ROUNDS		4000
#define MAX_ARGS	64

/*
 * The seed of the round chooses the words, and is in the message of a failure.
 */
static const char *const random_words[] = {
	"", "0", "1", "2", "3", "16", "17", "1024", "1025", "65536", "2147483648",
	"4294967295", "4294967296", "18446744073709551616", "-1", "+1", "0x1", "1x",
	"%", "%x", "0:0", ":", "/", "x", "queue_if_no_path", "queue_mode", "bio", "mq",
	"pg_init_retries", "pg_init_delay_msecs", "no_path_timeout", "stall_timeout",
	"probe_interval", "error_guard", "retain_attached_hw_handler", "alua",
	"round-robin", "service-time", "queue-length", "historical-service-time",
	"io-affinity", "completion-time", "latency", "throughput",
	"a-word-that-is-longer-than-any-name-of-a-selector-or-a-feature-can-be",
};

static char *random_word(struct kunit *test, struct rnd_state *rnd)
{
	struct map *map = test->priv;
	const char *word;

	word = random_words[prandom_u32_state(rnd) % ARRAY_SIZE(random_words)];
	return strcmp(word, "%") ? (char *)word : map->name;
}

/* Remove, add or replace one word. */
static int change_word(struct kunit *test, struct rnd_state *rnd, int argc,
		       char **argv)
{
	int at = argc ? prandom_u32_state(rnd) % argc : 0;

	switch (prandom_u32_state(rnd) % (argc ? 5 : 1)) {
	case 0:
		if (argc == MAX_ARGS)
			return argc;
		memmove(argv + at + 1, argv + at, (argc - at) * sizeof(*argv));
		argv[at] = random_word(test, rnd);
		return argc + 1;
	case 1:
		memmove(argv + at, argv + at + 1,
			(argc - at - 1) * sizeof(*argv));
		return argc - 1;
	case 2:
		return at;
	default:
		argv[at] = random_word(test, rnd);
		return argc;
	}
}

/* Change words of a good table: it is refused with a reason, or read back. */
static void random_round(struct kunit *test, unsigned int seed, char *printed,
			 char *again, unsigned int *taken)
{
	char *words, *copy, **split, *argv[MAX_ARGS], *error = NULL;
	const struct table_param *p;
	struct rnd_state rnd;
	int argc, changes, r;

	prandom_seed_state(&rnd, seed);
	p = &good_params[prandom_u32_state(&rnd) % ARRAY_SIZE(good_params)];
	words = with_name(test, p->text);
	copy = kstrdup(words, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	kunit_kfree(test, words);
	KUNIT_ASSERT_EQ(test, dm_split_args(&argc, &split, copy), 0);
	memcpy(argv, split, argc * sizeof(*argv));
	kfree(split);

	for (changes = 1 + prandom_u32_state(&rnd) % 3; changes; changes--)
		argc = change_word(test, &rnd, argc, argv);
	r = load(test, argc, argv, printed, &error);
	if (r) {
		KUNIT_EXPECT_LT_MSG(test, r, 0, "seed %u", seed);
		KUNIT_EXPECT_NOT_NULL_MSG(test, error, "seed %u", seed);
	} else {
		++*taken;
		KUNIT_EXPECT_EQ_MSG(test, load_text(test, printed, again, &error),
				    0, "seed %u: '%s': %s", seed, printed, error);
		KUNIT_EXPECT_STREQ_MSG(test, again, printed, "seed %u", seed);
	}
	kfree(copy);
}

static void random_test(struct kunit *test)
{
	char *printed = kunit_kzalloc(test, TEXT, GFP_KERNEL);
	char *again = kunit_kzalloc(test, TEXT, GFP_KERNEL);
	unsigned int first = get_random_u32(), taken = 0, i;

	KUNIT_ASSERT_NOT_NULL(test, printed);
	KUNIT_ASSERT_NOT_NULL(test, again);
	for (i = 0; i < ROUNDS; i++)
		random_round(test, first + i, printed, again, &taken);
	kunit_info(test, "%u rounds from seed %u, %u tables taken\n", ROUNDS,
		   first, taken);
	/* If fewer tables were accepted, this would not test much. */
	KUNIT_EXPECT_GT(test, taken, ROUNDS / 400);
	KUNIT_EXPECT_LT(test, taken, ROUNDS / 2);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(good_test, good_gen_params),
	KUNIT_CASE(retain_test),
	KUNIT_CASE_PARAM(truncated_test, good_gen_params),
	KUNIT_CASE_PARAM(bad_test, bad_gen_params),
	KUNIT_CASE(random_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_mpath_grammar",
	.init = map_init,
	.exit = map_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
