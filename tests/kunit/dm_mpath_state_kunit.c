// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of mpath/path.c and mpath/group.c on a running map
 * (dm_mpath_kunit.h).
 *
 * suite: dm_mpath_state		paths, groups and queueing: the state after each step
 */

#include "dm_mpath_kunit.h"

/* ---- paths and groups ---- */

enum deed {
	LOOK,
	FAIL,
	FAIL_SILENT,
	KEEP_DOWN,
	REINSTATE,
	ANSWERS,
	SWITCH,
	DISABLE,
	ENABLE,
};

/**
 * struct step - an event, followed by the choice of a path for I/O
 * @deed: the event
 * @nr: the number of its path or group
 * @group: the group of the chosen path; 0: none is usable
 * @letters: the groups' letters after that, as in the info line
 * @usable: the number of usable paths
 */
struct step {
	enum deed deed;
	unsigned int nr;
	unsigned int group;
	const char *letters;
	unsigned int usable;
};

struct walk_param {
	const char *name;
	struct step steps[14];
};

static const struct walk_param walk_params[] = {
	{ "failover", {
		{ LOOK, 0, 1, "AE", 4 },
		{ FAIL, 1, 1, "AE", 3 },
		{ FAIL, 2, 2, "EA", 2 },	/* the group's last path */
		{ REINSTATE, 1, 2, "EA", 3 },	/* no automatic failback */
		{ FAIL, 3, 2, "EA", 2 },
		{ FAIL, 4, 1, "AE", 1 },
		{ FAIL, 1, 0, "EE", 0 },
		{ REINSTATE, 4, 2, "EA", 1 },
		{ REINSTATE, 1, 2, "EA", 2 },
		{ FAIL, 4, 1, "AE", 1 },
	} },
	{ "other_group_first", {
		{ LOOK, 0, 1, "AE", 4 },
		{ FAIL, 3, 1, "AE", 3 },
		{ FAIL, 4, 1, "AE", 2 },
		{ FAIL, 1, 1, "AE", 1 },
		{ FAIL, 2, 0, "EE", 0 },
		{ REINSTATE, 3, 2, "EA", 1 },
		{ REINSTATE, 2, 2, "EA", 2 },
	} },
	{ "twice", {
		{ FAIL, 1, 1, "AE", 3 },
		{ FAIL, 1, 1, "AE", 3 },
		{ KEEP_DOWN, 1, 1, "AE", 3 },
		{ ANSWERS, 1, 1, "AE", 3 },
		{ REINSTATE, 1, 1, "AE", 4 },
		{ REINSTATE, 1, 1, "AE", 4 },
		{ ANSWERS, 2, 1, "AE", 4 },
	} },
	{ "kept_down", {
		{ KEEP_DOWN, 1, 1, "AE", 3 },
		{ ANSWERS, 1, 1, "AE", 3 },
		{ FAIL, 2, 2, "EA", 2 },
		{ ANSWERS, 2, 2, "EA", 3 },
		{ REINSTATE, 1, 2, "EA", 4 },
		{ FAIL, 1, 2, "EA", 3 },
		{ ANSWERS, 1, 2, "EA", 4 },	/* reinstating cleared admin_fail */
	} },
	{ "silent", {
		{ FAIL_SILENT, 1, 1, "AE", 3 },
		{ FAIL_SILENT, 2, 2, "EA", 2 },
		{ FAIL_SILENT, 3, 2, "EA", 1 },
		{ FAIL_SILENT, 4, 2, "EA", 1 },	/* the last path is kept */
		{ FAIL, 4, 0, "EE", 0 },
		{ ANSWERS, 4, 2, "EA", 1 },
	} },
	{ "switch", {
		{ LOOK, 0, 1, "AE", 4 },
		{ SWITCH, 2, 2, "EA", 4 },
		{ SWITCH, 2, 2, "EA", 4 },
		{ SWITCH, 1, 1, "AE", 4 },
		{ FAIL, 3, 1, "AE", 3 },
		{ FAIL, 4, 1, "AE", 2 },
		{ SWITCH, 2, 1, "AE", 2 },	/* no usable path there */
		{ REINSTATE, 3, 1, "AE", 3 },	/* and it is not remembered */
	} },
	{ "disable", {
		{ LOOK, 0, 1, "AE", 4 },
		{ DISABLE, 1, 2, "DA", 4 },
		{ DISABLE, 2, 1, "DD", 4 },	/* better than none */
		{ ENABLE, 2, 2, "DA", 4 },
		{ FAIL, 3, 2, "DA", 3 },
		{ FAIL, 4, 1, "DE", 2 },	/* the only usable one */
		{ REINSTATE, 4, 1, "DE", 3 },
		{ ENABLE, 1, 1, "AE", 3 },
		{ DISABLE, 2, 1, "AD", 3 },
		{ SWITCH, 2, 2, "EA", 3 },	/* enables all groups */
	} },
	{ "disabled_without_path", {
		{ LOOK, 0, 1, "AE", 4 },
		{ DISABLE, 1, 2, "DA", 4 },
		{ FAIL, 1, 2, "DA", 3 },
		{ FAIL, 2, 2, "DA", 2 },
		{ FAIL, 3, 2, "DA", 1 },
		{ FAIL, 4, 0, "DE", 0 },
		{ REINSTATE, 2, 1, "DE", 1 },
		{ ENABLE, 1, 1, "AE", 1 },
	} },
};

KUNIT_ARRAY_PARAM_DESC(walk, walk_params, name);

static void do_step(struct mpath *m, const struct step *s)
{
	switch (s->deed) {
	case LOOK:
		break;
	case FAIL:
		mpath_fail_path(path_nr(m, s->nr), "kunit");
		break;
	case FAIL_SILENT:
		mpath_fail_path_unless_last(path_nr(m, s->nr), "kunit");
		break;
	case KEEP_DOWN:
		mpath_admin_fail(path_nr(m, s->nr));
		break;
	case REINSTATE:
		mpath_admin_reinstate(path_nr(m, s->nr));
		break;
	case ANSWERS:
		mpath_probe_reinstate(path_nr(m, s->nr));
		break;
	case SWITCH:
		mpath_switch_group(m, m->groups[s->nr - 1]);
		break;
	case DISABLE:
	case ENABLE:
		mpath_bypass_group(m, m->groups[s->nr - 1], s->deed == DISABLE);
		break;
	}
}

static void expect_state(struct kunit *test, struct mpath *m, const struct step *s,
			 unsigned int step)
{
	struct mpath_path *path = mpath_find_path(m, 4096, REQ_OP_READ);
	char letters[3] = { mpath_group_letter(m, m->groups[0]),
			    mpath_group_letter(m, m->groups[1]) };
	unsigned int i, usable = 0, number;

	KUNIT_EXPECT_EQ_MSG(test, path ? path->group->number : 0, s->group, "step %u",
			    step);
	KUNIT_EXPECT_STREQ_MSG(test, letters, s->letters, "step %u", step);
	KUNIT_EXPECT_EQ_MSG(test, m->nr_usable, s->usable, "step %u", step);
	for (i = 1; i <= 4; i++) {
		usable += !path_nr(m, i)->failed;
		KUNIT_EXPECT_EQ(test, path_nr(m, i)->failed, !path_nr(m, i)->ps.usable);
	}
	KUNIT_EXPECT_EQ(test, usable, s->usable);
	if (path)
		KUNIT_EXPECT_FALSE(test, path->failed);

	spin_lock_irq(&m->lock);
	number = mpath_group_number(m);
	spin_unlock_irq(&m->lock);
	KUNIT_EXPECT_EQ(test, number, s->group ?: 1);
}

static void walk_test(struct kunit *test)
{
	const struct walk_param *p = test->param_value;
	struct mpath *m = mpath_start(test->priv, "0 0 " GROUPS_2X2);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(p->steps) && p->steps[i].letters; i++) {
		do_step(m, &p->steps[i]);
		expect_state(test, m, &p->steps[i], i);
	}
}

/* The info line counts each failure and each event once. */
static void count_test(struct kunit *test)
{
	struct mpath *m = mpath_start(test->priv, "0 0 " GROUPS_2X2);
	struct mpath_path *path = path_nr(m, 2);
	u32 events = dm_get_event_nr(((struct map *)test->priv)->md);
	int i;

	for (i = 0; i < 3; i++) {
		mpath_fail_path(path, "kunit");
		mpath_fail_path(path, "kunit");
		mpath_admin_reinstate(path);
		mpath_admin_reinstate(path);
	}
	KUNIT_EXPECT_EQ(test, path->fail_count, 3);
	flush_work(&m->event_work);
	KUNIT_EXPECT_GT(test, dm_get_event_nr(((struct map *)test->priv)->md), events);
}

#define SECOND_FIRST	"0 0 2 2 round-robin 0 1 1 %a 1 round-robin 0 1 1 %b 1"

/* The table may name another first group. A map without groups has no path. */
static void first_group_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, SECOND_FIRST);

	KUNIT_EXPECT_EQ(test, mpath_find_path(m, 0, REQ_OP_READ)->group->number, 2);
	map_suspend(map, NOFLUSH);
	map_swap(map, TARGET, "0 0 0 0");
	map_resume(map);
	m = mpath_in(map);
	KUNIT_EXPECT_NULL(test, mpath_find_path(m, 0, REQ_OP_READ));
	spin_lock_irq(&m->lock);
	KUNIT_EXPECT_EQ(test, mpath_group_number(m), 0);
	spin_unlock_irq(&m->lock);
}

/* ---- queueing during and after suspends ---- */

enum queue_deed { NOTHING, TURN_ON, TURN_OFF };

struct queue_param {
	const char *name;
	bool before;
	unsigned int flags;
	enum queue_deed deed;
	bool waits_meanwhile;
	bool after;
};

static const struct queue_param queue_params[] = {
	{ "flush_on", true, 0, NOTHING, false, true },
	{ "flush_off", false, 0, NOTHING, false, false },
	{ "flush_on_then_off", true, 0, TURN_OFF, false, false },
	{ "flush_off_then_on", false, 0, TURN_ON, false, true },
	{ "flush_on_then_on", true, 0, TURN_ON, false, true },
	{ "noflush_on", true, NOFLUSH, NOTHING, true, true },
	{ "noflush_off", false, NOFLUSH, NOTHING, true, false },
	{ "noflush_on_then_off", true, NOFLUSH, TURN_OFF, true, false },
	{ "noflush_off_then_on", false, NOFLUSH, TURN_ON, true, true },
};

KUNIT_ARRAY_PARAM_DESC(queue, queue_params, name);

/* A device holds a request, so that the suspend does not finish. */
static void queue_test(struct kunit *test)
{
	const struct queue_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, p->before ?
				      "1 queue_if_no_path 0 " ONE_GROUP : "0 0 " ONE_GROUP);
	struct io *io = io_submit(map, REQ_OP_WRITE, 0, 8, 0x11);

	KUNIT_EXPECT_EQ(test, mpath_may_wait(m), p->before);
	map_suspend_beside(map, p->flags);
	KUNIT_ASSERT_TRUE(test, COMES(READ_ONCE(m->suspending)));
	schedule_timeout_uninterruptible(HZ);
	KUNIT_EXPECT_EQ(test, mpath_may_wait(m), p->waits_meanwhile);
	if (p->deed != NOTHING)
		mpath_set_queueing(m, p->deed == TURN_ON);
	KUNIT_EXPECT_EQ(test, mpath_may_wait(m), p->waits_meanwhile);
	lower_end(&map->a, BLK_STS_OK);
	KUNIT_ASSERT_TRUE(test, COMES(completion_done(&map->suspended)));
	expect_end(test, io, BLK_STS_OK);
	map_resume(map);
	KUNIT_EXPECT_EQ(test, mpath_may_wait(m), p->after);
	KUNIT_EXPECT_FALSE(test, m->suspending);
}

/* An interrupted suspend restores the state. */
static void undo_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, "1 queue_if_no_path 0 " ONE_GROUP);

	mpath_presuspend(map_target(map));
	KUNIT_EXPECT_FALSE(test, mpath_may_wait(m));
	KUNIT_EXPECT_TRUE(test, m->draining);
	mpath_presuspend_undo(map_target(map));
	KUNIT_EXPECT_TRUE(test, mpath_may_wait(m));
	KUNIT_EXPECT_FALSE(test, m->draining);
}

/* ---- I/O without a usable path ---- */

static void fail_all(struct mpath *m)
{
	unsigned int i;

	for (i = 1; i <= m->nr_paths; i++)
		mpath_fail_path(path_nr(m, i), "kunit");
}

/*
 * I/O fails, or it waits until a path is reinstated, queueing is turned off, or
 * the map is suspended.
 */
static void no_path_test(struct kunit *test)
{
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, "0 0 " ONE_GROUP);
	struct io *io;

	fail_all(m);
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 0x11);
	expect_end(test, io, BLK_STS_IOERR);

	mpath_set_queueing(m, true);
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 0x22);
	schedule_timeout_uninterruptible(60 * HZ);
	KUNIT_EXPECT_EQ(test, io->ends, 0);
	mpath_admin_reinstate(path_nr(m, 2));
	KUNIT_EXPECT_TRUE(test, COMES(lower_end(&map->b, BLK_STS_OK)));
	expect_end(test, io, BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, all_are(lower_at(&map->b, 0), 0x22, SZ_4K));

	fail_all(m);
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 0x33);
	mpath_set_queueing(m, false);
	expect_end(test, io, BLK_STS_IOERR);

	mpath_set_queueing(m, true);
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 0x44);
	map_suspend(map, 0);
	expect_end(test, io, BLK_STS_IOERR);
	map_resume(map);
}

struct limit_param {
	const char *name;
	const char *text;
	/* Is queueing on again after a path was reinstated? */
	bool again;
};

static const struct limit_param limit_params[] = {
	{ "of_the_map", "3 queue_if_no_path no_path_timeout 5 0 " ONE_GROUP, true },
	{ "of_the_map_bio", "5 queue_if_no_path no_path_timeout 5 queue_mode bio 0 " ONE_GROUP,
	  true },
};

KUNIT_ARRAY_PARAM_DESC(limit, limit_params, name);

/*
 * Waiting I/O fails at the limit, within one tick. The time starts with the
 * failure of the last path.
 */
static void limit_test(struct kunit *test)
{
	const struct limit_param *p = test->param_value;
	struct map *map = test->priv;
	struct mpath *m = mpath_start(map, p->text);
	unsigned long failed;
	struct io *io;

	schedule_timeout_uninterruptible(20 * HZ);
	fail_all(m);
	failed = jiffies;
	io = io_submit(map, REQ_OP_WRITE, 0, 8, 0x11);
	expect_end(test, io, BLK_STS_IOERR);
	KUNIT_EXPECT_GE(test, jiffies - failed, 5 * HZ);
	KUNIT_EXPECT_LE(test, jiffies - failed, 5 * HZ + 6);
	KUNIT_EXPECT_FALSE(test, mpath_may_wait(m));

	mpath_admin_reinstate(path_nr(m, 1));
	KUNIT_EXPECT_EQ(test, mpath_may_wait(m), p->again);
	/* A path reinstated in time stops the limit. */
	fail_all(m);
	schedule_timeout_uninterruptible(4 * HZ);
	mpath_admin_reinstate(path_nr(m, 1));
	schedule_timeout_uninterruptible(4 * HZ);
	KUNIT_EXPECT_EQ(test, mpath_may_wait(m), p->again);
	/* If queueing was turned off by message, it stays off. */
	fail_all(m);
	schedule_timeout_uninterruptible(6 * HZ);
	mpath_set_queueing(m, false);
	mpath_admin_reinstate(path_nr(m, 1));
	KUNIT_EXPECT_FALSE(test, mpath_may_wait(m));
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(walk_test, walk_gen_params),
	KUNIT_CASE(count_test),
	KUNIT_CASE(first_group_test),
	KUNIT_CASE_PARAM(queue_test, queue_gen_params),
	KUNIT_CASE(undo_test),
	KUNIT_CASE(no_path_test),
	KUNIT_CASE_PARAM(limit_test, limit_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_mpath_state",
	.init = mpath_bench_init,
	.exit = mpath_bench_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
