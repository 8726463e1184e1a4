// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of mpath/handler.c: pg_init with a hardware handler whose answers
 * the case chooses, on the disk of scsi_debug. No I/O is sent to it.
 *
 * suite: dm_mpath_handler	pg_init of groups, answers of hardware handlers
 */

#include <linux/device.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_dh.h>
#include <scsi/scsi_host.h>

#include "dm_mpath_kunit.h"
#include "dm-rq-compat.h"

/* The first disk of sd */
#define DISK		"8:0"
#define GROUPS		"2 1 round-robin 0 2 1 %a 1 %a 1 round-robin 0 1 1 %a 1"

/* ---- the handler ---- */

#define MAX_ASKED	16

/* Activations without an answer, in order */
static struct asked {
	activate_complete fn;
	struct mpath_path *path;
} asked[MAX_ASKED];
static unsigned int nr_asked;
static DEFINE_SPINLOCK(asked_lock);
/* At the end of a case, answer each activation at once. */
static bool at_once;
static char params[64];

static int dh_attach(struct scsi_device *sdev)
{
	return SCSI_DH_OK;
}

static void dh_detach(struct scsi_device *sdev)
{
}

static int dh_activate(struct scsi_device *sdev, activate_complete fn, void *data)
{
	bool now;

	spin_lock_irq(&asked_lock);
	now = at_once || nr_asked == MAX_ASKED;
	if (!now)
		asked[nr_asked++] = (struct asked){ fn, data };
	spin_unlock_irq(&asked_lock);
	if (now)
		fn(data, SCSI_DH_OK);
	return 0;
}

static int dh_set_params(struct scsi_device *sdev, const char *words)
{
	const char *second = words + strlen(words) + 1;

	snprintf(params, sizeof(params), "%s %s", words, second);
	if (!strcmp(second, "bad"))
		return -EINVAL;
	if (!strcmp(second, "failed"))
		return SCSI_DH_DEV_FAILED;
	return strcmp(second, "nosys") ? 0 : -SCSI_DH_NOSYS;
}

static struct scsi_device_handler dh = {
	.name = "kunit",
	.module = THIS_MODULE,
	.attach = dh_attach,
	.detach = dh_detach,
	.activate = dh_activate,
	.set_params = dh_set_params,
};

/* A device that already has a handler keeps it instead of this one. */
static struct scsi_device_handler late_dh = {
	.name = "late-kunit",
	.module = THIS_MODULE,
	.attach = dh_attach,
	.detach = dh_detach,
	.activate = dh_activate,
};

/* Answer the oldest activation. Returns the path's number, or 0. */
static unsigned int answer(int outcome)
{
	struct asked a = {};

	spin_lock_irq(&asked_lock);
	if (nr_asked) {
		a = asked[0];
		memmove(asked, asked + 1, --nr_asked * sizeof(asked[0]));
	}
	spin_unlock_irq(&asked_lock);
	if (!a.fn)
		return 0;
	a.fn(a.path, outcome);
	return a.path->number;
}

static void answer_all(int outcome)
{
	while (answer(outcome))
		;
}

/* ---- setup ---- */

static int suite_init(struct kunit_suite *suite)
{
	wait_for_device_probe();
	return scsi_register_device_handler(&dh) ?:
	       scsi_register_device_handler(&late_dh);
}

/* We must not attach a handler or a map to any other disk. */
static bool is_scsi_debug(void)
{
	struct file *file = bdev_file_open_by_dev(MKDEV(8, 0), BLK_OPEN_READ, NULL, NULL);
	struct device *parent;
	bool is;

	if (IS_ERR(file))
		return false;
	parent = disk_to_dev(file_bdev(file)->bd_disk)->parent;
	is = parent && scsi_is_sdev_device(parent) &&
	     !strcmp(to_scsi_device(parent)->host->hostt->proc_name, "scsi_debug");
	bdev_fput(file);
	return is;
}

static int bench_init(struct kunit *test)
{
	struct map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	if (!is_scsi_debug())
		kunit_skip(test, "needs the disk of CONFIG_SCSI_DEBUG as " DISK);
	test->priv = map;
	at_once = false;
	strscpy(map->a.name, DISK, sizeof(map->a.name));
	map_create(test, map);
	return 0;
}

static void bench_exit(struct kunit *test)
{
	struct map *map = test->priv;

	if (!map)
		return;
	at_once = true;
	answer_all(SCSI_DH_OK);
	map_remove(map);
}

/* The group that I/O would use: its number, 0 for none, or -EAGAIN to wait. */
static int looked_for(struct mpath *m)
{
	struct mpath_path *path = mpath_find_path(m, 4096, REQ_OP_READ);

	if (IS_ERR_OR_NULL(path))
		return PTR_ERR(path);
	return path->group->number;
}

static bool comes_asked(unsigned int nr)
{
	return COMES(READ_ONCE(nr_asked) == nr);
}

/* Start pg_init of the first group: both of its paths are being activated. */
static struct mpath *begin(struct kunit *test, const char *text)
{
	struct mpath *m = mpath_start(test->priv, text);

	KUNIT_EXPECT_TRUE(test, m->queue_io);
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_ASSERT_TRUE(test, comes_asked(2));
	KUNIT_EXPECT_EQ(test, m->pg_init.count, 1);
	return m;
}

/* Also complete it, so that the first group is in use. */
static struct mpath *begin_ready(struct kunit *test, const char *text)
{
	struct mpath *m = begin(test, text);

	answer_all(SCSI_DH_OK);
	KUNIT_EXPECT_EQ(test, looked_for(m), 1);
	return m;
}

/* ---- answers ---- */

/* I/O waits for the answers of all paths, and each is activated only once. */
static void ready_test(struct kunit *test)
{
	struct mpath *m = begin(test, "0 1 kunit " GROUPS);

	KUNIT_EXPECT_EQ(test, mpath_group_letter(m, m->groups[0]), 'A');
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_OK), 1);
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_EXPECT_PTR_EQ(test, m->current_group, NULL);
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_OK), 2);
	KUNIT_EXPECT_PTR_EQ(test, m->current_group, m->groups[0]);
	KUNIT_EXPECT_FALSE(test, m->queue_io);
	KUNIT_EXPECT_EQ(test, looked_for(m), 1);
	schedule_timeout_uninterruptible(60 * HZ);
	KUNIT_EXPECT_EQ(test, nr_asked, 0);
}

enum outcome { READY, TRIED_AGAIN, OTHER_GROUP, BROKEN };

struct answer_param {
	const char *name;
	int answer;
	/* With pg_init_retries, and without it */
	enum outcome retries;
	enum outcome none;
	unsigned int delay_ms;
};

#define ANSWER(which, ...)	{ #which, SCSI_DH_##which, __VA_ARGS__ }

static const struct answer_param answer_params[] = {
	ANSWER(OK, READY, READY, 0),
	ANSWER(RETRY, TRIED_AGAIN, BROKEN, 2000),
	ANSWER(IMM_RETRY, TRIED_AGAIN, BROKEN, 0),
	ANSWER(RES_TEMP_UNAVAIL, TRIED_AGAIN, BROKEN, 0),
	ANSWER(DEV_TEMP_BUSY, OTHER_GROUP, OTHER_GROUP, 0),
	ANSWER(DEV_FAILED, BROKEN, BROKEN, 0),
	ANSWER(DEV_UNSUPP, BROKEN, BROKEN, 0),
	ANSWER(DEVICE_MAX, BROKEN, BROKEN, 0),
	ANSWER(NOTCONN, BROKEN, BROKEN, 0),
	ANSWER(CONN_FAILURE, BROKEN, BROKEN, 0),
	ANSWER(TRANSPORT_MAX, BROKEN, BROKEN, 0),
	ANSWER(IO, BROKEN, BROKEN, 0),
	ANSWER(INVALID_IO, BROKEN, BROKEN, 0),
	ANSWER(TIMED_OUT, BROKEN, BROKEN, 0),
	ANSWER(DEV_OFFLINED, BROKEN, BROKEN, 0),
	ANSWER(NOMEM, BROKEN, BROKEN, 0),
	ANSWER(NOSYS, BROKEN, BROKEN, 0),
	ANSWER(DRIVER_MAX, BROKEN, BROKEN, 0),
};

KUNIT_ARRAY_PARAM_DESC(answer, answer_params, name);

/* Path 1 gets the answer @p, path 2 succeeds. */
static void expect_outcome(struct kunit *test, struct mpath *m,
			   const struct answer_param *p, enum outcome outcome)
{
	unsigned long answered = jiffies;

	answer(p->answer);
	answer(SCSI_DH_OK);
	switch (outcome) {
	case READY:
		KUNIT_EXPECT_EQ(test, looked_for(m), 1);
		break;
	case TRIED_AGAIN:
		KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
		KUNIT_EXPECT_TRUE(test, comes_asked(2));
		KUNIT_EXPECT_GE(test, jiffies_to_msecs(jiffies - answered), p->delay_ms);
		/* The timer wheel rounds up, by an eighth at most. */
		KUNIT_EXPECT_LE(test, jiffies_to_msecs(jiffies - answered),
				p->delay_ms + p->delay_ms / 8 + 50);
		KUNIT_EXPECT_EQ(test, m->pg_init.count, 2);
		answer_all(SCSI_DH_OK);
		KUNIT_EXPECT_EQ(test, looked_for(m), 1);
		break;
	case OTHER_GROUP:
		KUNIT_EXPECT_TRUE(test, m->groups[0]->bypassed);
		KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
		KUNIT_EXPECT_TRUE(test, comes_asked(1));
		KUNIT_EXPECT_EQ(test, answer(SCSI_DH_OK), 3);
		KUNIT_EXPECT_EQ(test, looked_for(m), 2);
		break;
	case BROKEN:
		KUNIT_EXPECT_EQ(test, looked_for(m), 1);
		break;
	}
	KUNIT_EXPECT_EQ(test, path_nr(m, 1)->failed, outcome == BROKEN);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 2)->failed);
}

static void answer_test(struct kunit *test)
{
	const struct answer_param *p = test->param_value;
	struct mpath *m = begin(test, "2 pg_init_retries 3 1 kunit " GROUPS);

	expect_outcome(test, m, p, p->retries);
}

static void last_answer_test(struct kunit *test)
{
	const struct answer_param *p = test->param_value;
	struct mpath *m = begin(test, "0 1 kunit " GROUPS);

	expect_outcome(test, m, p, p->none);
}

/* We retry with the delay of the table. If all retries fail, the path fails. */
static void retries_test(struct kunit *test)
{
	struct mpath *m = begin(test, "4 pg_init_retries 2 pg_init_delay_msecs 700 1 kunit "
				GROUPS);
	unsigned long start = jiffies;
	unsigned int round;

	for (round = 1; round <= 2; round++) {
		answer_all(SCSI_DH_RETRY);
		KUNIT_ASSERT_TRUE(test, comes_asked(2));
		KUNIT_EXPECT_EQ(test, m->pg_init.count, round + 1);
	}
	KUNIT_EXPECT_GE(test, jiffies - start, msecs_to_jiffies(1400));
	KUNIT_EXPECT_LE(test, jiffies - start, msecs_to_jiffies(1400) + 6);
	answer_all(SCSI_DH_RETRY);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 1)->failed);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 2)->failed);
	/* Now the other group is used. */
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, comes_asked(1));
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_OK), 3);
	KUNIT_EXPECT_EQ(test, looked_for(m), 2);
}

/* ---- changes during pg_init ---- */

/* After a switch to another group, answers for the first one are ignored. */
static void switch_test(struct kunit *test)
{
	struct mpath *m = begin(test, "2 pg_init_retries 3 1 kunit " GROUPS);

	mpath_switch_group(m, m->groups[1]);
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_RETRY), 1);
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_DEV_TEMP_BUSY), 2);
	KUNIT_ASSERT_TRUE(test, comes_asked(1));
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_OK), 3);
	KUNIT_EXPECT_EQ(test, looked_for(m), 2);
	KUNIT_EXPECT_FALSE(test, path_nr(m, 1)->failed);
}

/* A path fails during its activation: an answer does not reinstate it. */
static void fail_test(struct kunit *test)
{
	struct mpath *m = begin(test, "0 1 kunit " GROUPS);

	mpath_fail_path(path_nr(m, 1), "kunit");
	mpath_fail_path(path_nr(m, 2), "kunit");
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	answer_all(SCSI_DH_OK);
	KUNIT_EXPECT_TRUE(test, comes_asked(1));
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_NOSYS), 3);
	KUNIT_EXPECT_EQ(test, looked_for(m), 0);
	KUNIT_EXPECT_EQ(test, m->nr_usable, 0);
	/* The first reinstated path starts pg_init of its group. */
	mpath_admin_reinstate(path_nr(m, 2));
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, comes_asked(1));
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_OK), 2);
	KUNIT_EXPECT_EQ(test, looked_for(m), 1);
}

/*
 * A path reinstated in the current group is activated alone, and I/O continues.
 */
static void alone_test(struct kunit *test)
{
	struct mpath *m = begin_ready(test, "2 pg_init_retries 1 1 kunit " GROUPS);

	mpath_fail_path(path_nr(m, 1), "kunit");
	KUNIT_EXPECT_EQ(test, looked_for(m), 1);
	mpath_admin_reinstate(path_nr(m, 1));
	KUNIT_EXPECT_EQ(test, looked_for(m), 1);
	KUNIT_ASSERT_TRUE(test, comes_asked(1));
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_IMM_RETRY), 1);
	KUNIT_ASSERT_TRUE(test, comes_asked(1));
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_IMM_RETRY), 1);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 1)->failed);
	KUNIT_EXPECT_EQ(test, nr_asked, 0);
	KUNIT_EXPECT_EQ(test, m->pg_init.count, 1);
	/* In any other group, a reinstated path is not activated. */
	mpath_fail_path(path_nr(m, 3), "kunit");
	mpath_admin_reinstate(path_nr(m, 3));
	schedule_timeout_uninterruptible(HZ);
	KUNIT_EXPECT_EQ(test, nr_asked, 0);
}

/* If all groups are disabled, one of them is activated again after a delay. */
static void last_resort_test(struct kunit *test)
{
	struct mpath *m = begin(test, "0 1 kunit " GROUPS);
	unsigned long start;

	answer_all(SCSI_DH_DEV_TEMP_BUSY);
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_ASSERT_TRUE(test, comes_asked(1));
	answer_all(SCSI_DH_DEV_TEMP_BUSY);
	start = jiffies;
	KUNIT_EXPECT_EQ(test, looked_for(m), -EAGAIN);
	KUNIT_ASSERT_TRUE(test, comes_asked(2));
	KUNIT_EXPECT_GE(test, jiffies - start, 2 * HZ);
	answer_all(SCSI_DH_OK);
	KUNIT_EXPECT_EQ(test, looked_for(m), 1);
	/* Its activation succeeded, so it is enabled again. */
	KUNIT_EXPECT_FALSE(test, m->groups[0]->bypassed);
	KUNIT_EXPECT_TRUE(test, m->groups[1]->bypassed);
}

/* ---- suspends ---- */

/* A delayed retry does not delay a suspend: the retry is started at once. */
static void hurry_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = begin(test, "4 pg_init_retries 5 pg_init_delay_msecs 60000 1 kunit "
				GROUPS);
	unsigned long start;

	answer_all(SCSI_DH_RETRY);
	schedule_timeout_uninterruptible(HZ);
	KUNIT_EXPECT_EQ(test, nr_asked, 0);
	start = jiffies;
	map_suspend_beside(map, 0);
	KUNIT_ASSERT_TRUE(test, comes_asked(2));
	answer_all(SCSI_DH_OK);
	KUNIT_ASSERT_TRUE(test, COMES(completion_done(&map->suspended)));
	KUNIT_EXPECT_LT(test, jiffies - start, HZ);
	KUNIT_EXPECT_TRUE(test, m->pg_init.stopped);
	map_resume(map);
	KUNIT_EXPECT_FALSE(test, m->pg_init.stopped);
	KUNIT_EXPECT_EQ(test, looked_for(m), 1);
}

/*
 * If a handler does not answer, the suspend finishes; a late answer is
 * harmless.
 */
static void late_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = begin(test, "0 1 kunit " GROUPS);
	unsigned long start = jiffies;

	map_suspend_beside(map, NOFLUSH);
	KUNIT_ASSERT_TRUE(test, COMES(completion_done(&map->suspended)));
	KUNIT_EXPECT_GE(test, jiffies - start, 5 * HZ);
	KUNIT_EXPECT_LE(test, jiffies - start, 6 * HZ);
	answer_all(SCSI_DH_RETRY);
	KUNIT_EXPECT_EQ(test, m->pg_init.running, 0);
	schedule_timeout_uninterruptible(5 * HZ);
	KUNIT_EXPECT_EQ(test, nr_asked, 0);
	map_resume(map);
}

/* While a suspend drains, paths fail instead of being retried later. */
static void drain_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = begin(test, "2 pg_init_retries 5 1 kunit " GROUPS);

	mpath_presuspend(map_target(map));
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_RETRY), 1);
	KUNIT_EXPECT_EQ(test, answer(SCSI_DH_DEV_TEMP_BUSY), 2);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 1)->failed);
	KUNIT_EXPECT_TRUE(test, path_nr(m, 2)->failed);
	mpath_presuspend_undo(map_target(map));
}

/* ---- attaching ---- */

struct attach_param {
	const char *name;
	const char *text;
	/* The handler in the table line; NULL: the table is refused. */
	const char *handler;
	const char *params;
	int error;
};

static const struct attach_param attach_params[] = {
	{ "plain", "0 1 kunit " GROUPS, "1 kunit ", "" },
	{ "with_words", "0 3 kunit one two " GROUPS, "1 kunit ", "2 one" },
	{ "bad_words", "0 2 kunit bad " GROUPS, NULL, "1 bad", -EINVAL },
	{ "code", "0 2 kunit failed " GROUPS, "1 kunit ", "1 failed" },
	{ "nosys", "0 2 kunit nosys " GROUPS, NULL, "1 nosys", -EOPNOTSUPP },
	{ "unknown", "0 1 no-such " GROUPS, DM_RQ_RETAIN_IMPLIED ? "1 kunit " : NULL, "",
	  -EINVAL },
	{ "retained", "1 retain_attached_hw_handler 1 late-kunit " GROUPS, "1 kunit ", "" },
	{ "retained_same", "1 retain_attached_hw_handler 1 kunit " GROUPS, "1 kunit ", "" },
	{ "retained_words", "1 retain_attached_hw_handler 2 late-kunit one " GROUPS,
	  "1 kunit ", "" },
	{ "not_let_go", "0 2 late-kunit one " GROUPS, "1 kunit ", "" },
	{ "none", "0 0 " GROUPS, DM_RQ_RETAIN_IMPLIED ? "1 kunit " : "0 ", "" },
};

KUNIT_ARRAY_PARAM_DESC(attach, attach_params, name);

static void attach_test(struct kunit *test)
{
	const struct attach_param *p = test->param_value;
	struct map *map = test->priv;
	char *text = kunit_kzalloc(test, 512, GFP_KERNEL);
	struct mpath *m;
	int r;

	KUNIT_ASSERT_NOT_NULL(test, text);
	/* Attach this handler to the disk first. */
	mpath_start(map, "0 1 kunit " GROUPS);
	params[0] = '\0';
	map_suspend(map, NOFLUSH);
	r = map_try_swap(map, TARGET, p->text);
	KUNIT_EXPECT_EQ(test, r, p->handler ? 0 : p->error);
	map_resume(map);
	KUNIT_EXPECT_STREQ(test, params, p->params);
	if (r)
		return;
	m = mpath_in(map);
	mpath_status(map_target(map), STATUSTYPE_TABLE, 0, text, 512);
	KUNIT_EXPECT_PTR_NE(test, strstr(text, p->handler), NULL);
	KUNIT_EXPECT_EQ(test, looked_for(m), m->handler.name ? -EAGAIN : 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(ready_test),
	KUNIT_CASE_PARAM(answer_test, answer_gen_params),
	KUNIT_CASE_PARAM(last_answer_test, answer_gen_params),
	KUNIT_CASE(retries_test),
	KUNIT_CASE(switch_test),
	KUNIT_CASE(fail_test),
	KUNIT_CASE(alone_test),
	KUNIT_CASE(last_resort_test),
	KUNIT_CASE(hurry_test),
	KUNIT_CASE(late_test),
	KUNIT_CASE(drain_test),
	KUNIT_CASE_PARAM(attach_test, attach_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_mpath_handler",
	.suite_init = suite_init,
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
