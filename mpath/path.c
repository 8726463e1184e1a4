// SPDX-License-Identifier: GPL-2.0-only
/*
 * What changes the state of a map: which group is used, which paths have failed,
 * whether requests wait when none is left and for how long, and what a suspend does
 * to that.
 *
 * Every change is told to whom it concerns, in this order: the selector (under the
 * lock), udev and dm events (from a worker), the parked requests (a wake).
 */

#include <linux/moduleparam.h>

#include "mpath/mpath.h"
#include "mpath/trace.h"
#include "dm-uevent.h"

#define DM_MSG_PREFIX "multipath"

static unsigned int no_path_timeout_secs;
module_param_named(queue_if_no_path_timeout_secs, no_path_timeout_secs, uint,
		   0644);
MODULE_PARM_DESC(queue_if_no_path_timeout_secs,
		 "Seconds without a path after which queue_if_no_path goes off, for maps without no_path_timeout (default 0: never)");

/* ---- choosing a group ---- */

static struct mpath_path *select_in(struct mpath_group *group, size_t nr_bytes,
				    enum req_op op)
{
	struct dm_ps_path *path = group->ps.type->select(&group->ps, nr_bytes, op);

	return path ? mpath_path_of(path) : NULL;
}

static struct mpath_path *select_in_any(struct mpath *m, bool bypassed,
					size_t nr_bytes, enum req_op op)
{
	struct mpath_path *path = NULL;
	unsigned int i;

	for (i = 0; i < m->nr_groups && !path; i++)
		if (m->groups[i]->bypassed == bypassed)
			path = select_in(m->groups[i], nr_bytes, op);
	return path;
}

/*
 * The order of preference: the group that was asked for; the one in use, as long
 * as it has a path; then the groups in the order of the table, those that are
 * disabled last.
 */
static struct mpath_path *select_preferred(struct mpath *m, size_t nr_bytes,
					   enum req_op op)
{
	struct mpath_path *path = NULL;
	struct mpath_group *in_use;

	lockdep_assert_held(&m->lock);

	if (m->next_group)
		path = select_in(m->next_group, nr_bytes, op);
	m->next_group = NULL;
	in_use = m->current_group ?: m->init_group;
	if (!path && in_use)
		path = select_in(in_use, nr_bytes, op);
	if (!path)
		path = select_in_any(m, false, nr_bytes, op);
	if (!path)
		path = select_in_any(m, true, nr_bytes, op);
	return path;
}

static void forget_group(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	WRITE_ONCE(m->current_group, NULL);
	m->init_group = NULL;
}

/* @group is the one to use, from now on or when its handler has made it ready. */
static bool use_group(struct mpath *m, struct mpath_group *group)
{
	lockdep_assert_held(&m->lock);

	if (group == m->current_group)
		return true;
	if (m->handler_name) {
		WRITE_ONCE(m->current_group, NULL);
		mpath_begin_pg_init(m, group);
		return false;
	}
	m->queue_io = false;
	trace_mpath_switch_group(m, group->number);
	WRITE_ONCE(m->current_group, group);
	return true;
}

/**
 * mpath_choose_path() - a path, from whichever group has one
 * @m: the map
 * @nr_bytes: of the request; 0: none in particular
 * @op: of the request
 *
 * The way out for an I/O path that has found no current group, or no usable path
 * in it.
 *
 * Context: queue_rq, worker or process; must not sleep.
 * Return: a path that was usable a moment ago; NULL if there is none;
 * ERR_PTR(-EAGAIN) if there is one and its group is being made ready: mpath_wake()
 * follows.
 */
struct mpath_path *mpath_choose_path(struct mpath *m, size_t nr_bytes,
				     enum req_op op)
{
	struct mpath_path *path = NULL;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (m->nr_usable)
		path = select_preferred(m, nr_bytes, op);
	if (!path) {
		m->queue_io = false;
		forget_group(m);
	} else if (!use_group(m, path->group)) {
		path = ERR_PTR(-EAGAIN);
	}
	spin_unlock_irqrestore(&m->lock, flags);
	return path;
}

/**
 * mpath_group_number() - the group that table and info lines name
 * @m: the map, locked
 *
 * Return: the group to be used next, or in use; 1 if that is still open; 0 for a
 * map without groups.
 */
unsigned int mpath_group_number(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	if (m->next_group)
		return m->next_group->number;
	if (m->current_group)
		return m->current_group->number;
	if (m->init_group)
		return m->init_group->number;
	return m->nr_groups ? 1 : 0;
}

/**
 * mpath_switch_group() - use this group from now on, if it has a usable path
 * @m: the map
 * @group: the group; none is disabled any more
 *
 * Context: any.
 */
void mpath_switch_group(struct mpath *m, struct mpath_group *group)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&m->lock, flags);
	for (i = 0; i < m->nr_groups; i++)
		m->groups[i]->bypassed = false;
	m->next_group = group;
	forget_group(m);
	spin_unlock_irqrestore(&m->lock, flags);

	schedule_work(&m->event_work);
}

/**
 * mpath_bypass_group() - disable or enable a group
 * @m: the map
 * @group: the group
 * @bypass: use it only if no other has a usable path
 *
 * The group in use is chosen anew.
 *
 * Context: any.
 */
void mpath_bypass_group(struct mpath *m, struct mpath_group *group,
			bool bypass)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	group->bypassed = bypass;
	forget_group(m);
	spin_unlock_irqrestore(&m->lock, flags);

	schedule_work(&m->event_work);
}

/* ---- the time limit of waiting ---- */

/* The clock runs while requests would wait for a path. */
static void start_no_path_clock(struct mpath *m)
{
	unsigned long secs = m->no_path_timeout ?:
			     READ_ONCE(no_path_timeout_secs);

	lockdep_assert_held(&m->lock);

	if (secs && m->queue_if_no_path && !m->nr_usable)
		mod_delayed_work(mpath_wq, &m->no_path_work, secs * HZ);
}

/*
 * A limit of the map's own ends the waiting until a path comes back.  The limit of
 * all maps ends it until somebody says queue_if_no_path, as in the stock target.
 */
static void no_path_for_too_long(struct work_struct *work)
{
	struct mpath *m = container_of(to_delayed_work(work), struct mpath,
				       no_path_work);
	bool expired;

	spin_lock_irq(&m->lock);
	expired = m->queue_if_no_path && !m->nr_usable;
	if (expired) {
		WRITE_ONCE(m->queue_if_no_path, false);
		m->rearm_queueing = m->no_path_timeout;
	}
	spin_unlock_irq(&m->lock);

	if (expired) {
		DMWARN("%s: no path for too long: failing queued I/O",
		       mpath_name(m));
		mpath_wake(m);
	}
}

/* A suspend that flushes must not be held up: it does this at its end. */
static void turn_on_queueing(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	if (m->draining)
		m->saved_queueing = true;
	else
		WRITE_ONCE(m->queue_if_no_path, true);
}

/* ---- paths fail and come back ---- */

static void tell_user_space(struct mpath *m, struct mpath_path *path,
			    enum dm_uevent_type type)
{
	lockdep_assert_held(&m->lock);

	dm_path_uevent(type, m->rq.ti, path->ps.dev->name, m->nr_usable);
	schedule_work(&m->event_work);
}

static void fail_path(struct mpath *m, struct mpath_path *path, bool spare_last)
{
	struct dm_ps *ps = &path->group->ps;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (path->failed || (spare_last && m->nr_usable == 1)) {
		spin_unlock_irqrestore(&m->lock, flags);
		return;
	}

	WRITE_ONCE(path->failed, true);
	WRITE_ONCE(path->stalled, false);
	mpath_settle_group(path->group);
	if (ps->type->fail_path)
		ps->type->fail_path(ps, &path->ps);
	path->fail_count++;
	WRITE_ONCE(m->nr_usable, m->nr_usable - 1);
	trace_mpath_fail(path);
	start_no_path_clock(m);
	tell_user_space(m, path, DM_UEVENT_PATH_FAILED);
	spin_unlock_irqrestore(&m->lock, flags);

	DMWARN("%s: Failing path %s.", mpath_name(m), path->ps.dev->name);
}

/**
 * mpath_fail_path() - do not use this path any more
 * @m: the map
 * @path: the path; nothing happens if it has failed already
 *
 * Context: any, hard irq included.
 */
void mpath_fail_path(struct mpath *m, struct mpath_path *path)
{
	fail_path(m, path, false);
}

/**
 * mpath_fail_silent_path() - the same, unless it is the last
 * @m: the map
 * @path: the path, of which nothing is known but that it takes long
 *
 * Context: any, hard irq included.
 */
void mpath_fail_silent_path(struct mpath *m, struct mpath_path *path)
{
	fail_path(m, path, true);
}

/**
 * mpath_keep_down() - somebody has said that this path is not to be used
 * @m: the map
 * @path: the path
 *
 * Context: any.
 */
void mpath_keep_down(struct mpath *m, struct mpath_path *path)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	path->kept_down = true;
	spin_unlock_irqrestore(&m->lock, flags);

	fail_path(m, path, false);
}

/* A path that comes into the group in use; the first one starts a group afresh. */
static void make_ready(struct mpath *m, struct mpath_path *path)
{
	lockdep_assert_held(&m->lock);

	if (!m->handler_name)
		return;
	if (m->nr_usable == 1)
		forget_group(m);
	else if (path->group == m->current_group ||
		 path->group == m->init_group)
		mpath_activate_path(m, path);
}

static void reinstate_path(struct mpath *m, struct mpath_path *path, bool told)
{
	struct dm_ps *ps = &path->group->ps;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (told)
		path->kept_down = false;
	if (!path->failed || path->kept_down) {
		spin_unlock_irqrestore(&m->lock, flags);
		return;
	}

	WRITE_ONCE(path->failed, false);
	if (told)
		WRITE_ONCE(path->reinstated, ktime_get());
	mpath_settle_group(path->group);
	if (ps->type->reinstate_path)
		ps->type->reinstate_path(ps, &path->ps);
	WRITE_ONCE(m->nr_usable, m->nr_usable + 1);
	trace_mpath_reinstate(path);
	if (m->rearm_queueing)
		turn_on_queueing(m);
	m->rearm_queueing = false;
	cancel_delayed_work(&m->no_path_work);
	make_ready(m, path);
	tell_user_space(m, path, DM_UEVENT_PATH_REINSTATED);
	spin_unlock_irqrestore(&m->lock, flags);

	DMWARN("%s: Reinstating path %s.", mpath_name(m), path->ps.dev->name);
	mpath_wake(m);
}

/**
 * mpath_reinstate_path() - use this path again
 * @m: the map
 * @path: the path; nothing happens if it has not failed
 *
 * Context: any.
 */
void mpath_reinstate_path(struct mpath *m, struct mpath_path *path)
{
	reinstate_path(m, path, true);
}

/**
 * mpath_reinstate_answering() - the same, if nobody has said that it is to stay down
 * @m: the map
 * @path: the path, which has answered
 *
 * Context: any.
 */
void mpath_reinstate_answering(struct mpath *m, struct mpath_path *path)
{
	reinstate_path(m, path, false);
}

/* ---- no path ---- */

/**
 * mpath_may_wait() - with no usable path: wait for one, or end with an error?
 * @m: the map
 *
 * During a noflush suspend everything waits: the next table may have paths.
 *
 * Context: any, hard irq included.
 */
bool mpath_may_wait(struct mpath *m)
{
	return READ_ONCE(m->queue_if_no_path) ||
	       dm_noflush_suspending(m->rq.ti);
}

/**
 * mpath_set_queueing() - queue_if_no_path, on or off
 * @m: the map
 * @on: wait; off: those that wait end with an error
 *
 * Context: any.
 */
void mpath_set_queueing(struct mpath *m, bool on)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	m->saved_queueing = false;
	m->rearm_queueing = false;
	if (on)
		turn_on_queueing(m);
	else
		WRITE_ONCE(m->queue_if_no_path, false);
	start_no_path_clock(m);
	spin_unlock_irqrestore(&m->lock, flags);

	if (!on)
		mpath_wake(m);
}

/**
 * mpath_wake() - ask again about everything that waits
 * @m: the map, locked or not
 *
 * Context: any, hard irq included.
 */
void mpath_wake(struct mpath *m)
{
	trace_mpath_wake(m, READ_ONCE(m->nr_usable));
	if (m->bio_mode)
		mpath_bio_wake(m);
	else
		dm_rq_wake(&m->rq);
}

/* ---- suspend and resume ---- */

/* Process context; may sleep. */
static void wake_and_wait(struct mpath *m)
{
	if (m->bio_mode) {
		mpath_bio_wake(m);
		flush_work(&m->bio_work);
	} else {
		dm_rq_wake_and_wait(&m->rq);
	}
}

/**
 * mpath_presuspend() - presuspend method
 * @ti: the target
 *
 * A suspend that flushes waits for every request, so none may wait for a path:
 * queueing is off until resume.  A noflush suspend leaves parked requests where
 * they are, for the table that comes next; so do both with requests that wait for a
 * hardware handler.
 */
void mpath_presuspend(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	WRITE_ONCE(m->suspending, true);
	mpath_probe_stop(m);
	if (dm_noflush_suspending(ti)) {
		/* Waiting bios are in flight, for dm core; it takes them back. */
		if (m->bio_mode)
			wake_and_wait(m);
		return;
	}

	spin_lock_irq(&m->lock);
	m->saved_queueing |= m->queue_if_no_path;
	WRITE_ONCE(m->queue_if_no_path, false);
	m->draining = true;
	spin_unlock_irq(&m->lock);

	mpath_hurry_pg_init(m);
	/* Parked requests are not in flight; waiting bios are. */
	if (m->bio_mode && !mpath_await_pg_init(m))
		WRITE_ONCE(m->handler_late, true);
	wake_and_wait(m);
}

static void restore_queueing(struct mpath *m)
{
	WRITE_ONCE(m->suspending, false);
	spin_lock_irq(&m->lock);
	if (m->saved_queueing)
		WRITE_ONCE(m->queue_if_no_path, true);
	m->saved_queueing = false;
	m->draining = false;
	m->pg_init_stopped = false;
	WRITE_ONCE(m->handler_late, false);
	start_no_path_clock(m);
	spin_unlock_irq(&m->lock);

	/* What waited only because of a noflush suspend waits no longer. */
	mpath_wake(m);
	mpath_probe_start(m);
}

/**
 * mpath_presuspend_undo() - the suspend was interrupted
 * @ti: the target
 */
void mpath_presuspend_undo(struct dm_target *ti)
{
	restore_queueing(mpath_of(ti));
}

/* No I/O asks for pg_init any more, and no answer does. */
static void stop_pg_init(struct mpath *m)
{
	spin_lock_irq(&m->lock);
	m->pg_init_stopped = true;
	spin_unlock_irq(&m->lock);
}

static void flush_works(struct mpath *m)
{
	mpath_probe_end(m);
	cancel_delayed_work_sync(&m->no_path_work);
	if (m->bio_mode)
		flush_work(&m->bio_work);
	flush_work(&m->event_work);
}

/**
 * mpath_postsuspend() - postsuspend method: no event after a suspend
 * @ti: the target
 *
 * But for those of a hardware handler that is very late.
 */
void mpath_postsuspend(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	mpath_debugfs_remove(m);
	mpath_guard_stop(m);
	stop_pg_init(m);
	mpath_await_pg_init(m);
	flush_works(m);
}

/**
 * mpath_stop() - nothing touches the map any more
 * @m: the map, without I/O, that goes
 *
 * Context: process, may sleep, for as long as the hardware handler takes for what it
 * has begun.
 */
void mpath_stop(struct mpath *m)
{
	might_sleep();

	mpath_debugfs_remove(m);
	mpath_guard_stop(m);
	stop_pg_init(m);
	mpath_end_pg_init(m);
	flush_works(m);
}

/**
 * mpath_resume() - resume method
 * @ti: the target
 */
void mpath_resume(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	restore_queueing(m);
	mpath_guard_start(m);
	mpath_debugfs_add(m);
}

/* ---- set-up ---- */

static void event_work(struct work_struct *work)
{
	struct mpath *m = container_of(work, struct mpath, event_work);

	dm_table_event(m->rq.ti->table);
}

/**
 * mpath_init_state() - the state of a map without groups
 * @m: the map, zeroed
 */
void mpath_init_state(struct mpath *m)
{
	spin_lock_init(&m->lock);
	INIT_LIST_HEAD(&m->paths);
	m->queue_io = true;
	INIT_LIST_HEAD(&m->stack);
	init_waitqueue_head(&m->pg_init_wait);
	INIT_DELAYED_WORK(&m->no_path_work, no_path_for_too_long);
	INIT_WORK(&m->event_work, event_work);
	mpath_probe_init_map(m);
	mpath_guard_init(m);
}
