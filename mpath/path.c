// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failing and reinstating paths, and the limits on waiting for one.
 *
 * We report each change, in this order, to the selector (under the lock), to udev and
 * as dm event (from a worker), and to waiting I/O (by a wake).
 */

#include <linux/moduleparam.h>

#include "mpath/mpath.h"
#include "mpath/trace.h"
#include "dm-uevent.h"

#define DM_MSG_PREFIX "multipath"

/* Delay (ms) before another round of pg_init by default; as the stock target's. */
#define PG_INIT_DELAY_MS	2000

static unsigned int no_path_timeout_secs;
module_param_named(queue_if_no_path_timeout_secs, no_path_timeout_secs, uint,
		   0644);
MODULE_PARM_DESC(queue_if_no_path_timeout_secs,
		 "Seconds without a path after which queue_if_no_path goes off, for maps without no_path_timeout (default 0: never)");

/* ---- waiting without a usable path ---- */

/**
 * mpath_start_no_path_timer() - start the time limit if I/O has to wait from now on
 * @m: the map, locked
 *
 * Context: any, hard irq included.
 */
void mpath_start_no_path_timer(struct mpath *m)
{
	unsigned long secs = m->no_path.timeout ?:
			     READ_ONCE(no_path_timeout_secs);

	lockdep_assert_held(&m->lock);

	if (secs && m->queue_if_no_path && !m->nr_usable)
		mod_delayed_work(mpath_wq, &m->no_path.work, secs * HZ);
}

/*
 * The map's own limit turns queue_if_no_path off until a path is reinstated.  The limit
 * for all maps turns it off until the administrator sends queue_if_no_path, as with
 * the stock target.
 */
static void no_path_work(struct work_struct *work)
{
	struct mpath *m = container_of(to_delayed_work(work), struct mpath,
				       no_path.work);
	bool expired;

	spin_lock_irq(&m->lock);
	expired = m->queue_if_no_path && !m->nr_usable;
	if (expired) {
		WRITE_ONCE(m->queue_if_no_path, false);
		m->no_path.rearm = m->no_path.timeout;
	}
	spin_unlock_irq(&m->lock);

	if (expired) {
		mpath_warn(m, "no usable path within the time limit: failing queued I/O");
		mpath_wake(m);
	}
}

/**
 * mpath_init_no_path() - initialize the time limit
 * @m: the map, in its constructor
 */
void mpath_init_no_path(struct mpath *m)
{
	INIT_DELAYED_WORK(&m->no_path.work, no_path_work);
}

/* To keep waiting I/O from delaying a flush suspend, we leave this to the resume then. */
static void turn_on_queueing(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	if (m->draining)
		m->no_path.saved_queueing = true;
	else
		WRITE_ONCE(m->queue_if_no_path, true);
}

/**
 * mpath_set_queueing() - turn queue_if_no_path on or off
 * @m: the map
 * @on: I/O without a usable path waits; otherwise it fails, including waiting I/O
 *
 * Context: any.
 */
void mpath_set_queueing(struct mpath *m, bool on)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	m->no_path.saved_queueing = false;
	m->no_path.rearm = false;
	if (on)
		turn_on_queueing(m);
	else
		WRITE_ONCE(m->queue_if_no_path, false);
	mpath_start_no_path_timer(m);
	spin_unlock_irqrestore(&m->lock, flags);

	if (!on)
		mpath_wake(m);
}

/**
 * mpath_may_wait() - may I/O wait if no path is usable?
 * @m: the map
 *
 * During a noflush suspend we let it wait in any case, because the next table may have
 * paths.
 *
 * Context: any, hard irq included.
 * Return: false if such I/O has to fail.
 */
bool mpath_may_wait(struct mpath *m)
{
	return READ_ONCE(m->queue_if_no_path) ||
	       dm_noflush_suspending(m->rq.ti);
}

/* ---- failing a path ---- */

static void report_path(struct mpath_path *path, enum dm_uevent_type type)
{
	struct mpath *m = path->m;

	lockdep_assert_held(&m->lock);

	dm_path_uevent(type, m->rq.ti, path->ps.dev->name, m->nr_usable);
	schedule_work(&m->event_work);
}

static void fail_path(struct mpath_path *path, bool spare_last,
		      const char *reason)
{
	struct dm_ps *ps = &path->group->ps;
	struct mpath *m = path->m;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (path->failed || (spare_last && m->nr_usable == 1)) {
		spin_unlock_irqrestore(&m->lock, flags);
		return;
	}

	WRITE_ONCE(path->failed, true);
	WRITE_ONCE(path->stall.stalled, false);
	mpath_update_usable(path->group);
	if (ps->type->fail_path)
		ps->type->fail_path(ps, &path->ps);
	path->fail_count++;
	WRITE_ONCE(m->nr_usable, m->nr_usable - 1);
	trace_mpath_fail(path);
	mpath_start_no_path_timer(m);
	report_path(path, DM_UEVENT_PATH_FAILED);
	spin_unlock_irqrestore(&m->lock, flags);

	mpath_path_warn(path, " failed: %s", reason);
}

/**
 * mpath_fail_path() - fail a path: no more I/O is sent there
 * @path: the path; if it has failed already, nothing happens
 * @reason: for the log
 *
 * Context: any, hard irq included.
 */
void mpath_fail_path(struct mpath_path *path, const char *reason)
{
	fail_path(path, false, reason);
}

/**
 * mpath_fail_path_unless_last() - fail a path, unless it is the last usable one
 * @path: the path, which may only be slow
 * @reason: for the log
 *
 * Context: any, hard irq included.
 */
void mpath_fail_path_unless_last(struct mpath_path *path, const char *reason)
{
	fail_path(path, true, reason);
}

/**
 * mpath_admin_fail() - fail a path until the administrator reinstates it
 * @path: the path
 *
 * Context: any.
 */
void mpath_admin_fail(struct mpath_path *path)
{
	struct mpath *m = path->m;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	path->admin_failed = true;
	spin_unlock_irqrestore(&m->lock, flags);

	fail_path(path, false, "by message");
}

/* ---- reinstating a path ---- */

/**
 * mpath_forget_group() - let the next I/O choose the group
 * @m: the map, locked
 *
 * Context: any, hard irq included.
 */
void mpath_forget_group(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	WRITE_ONCE(m->current_group, NULL);
	m->pg_init.group = NULL;
}

/**
 * mpath_queue_activation() - have the hardware handler activate a path
 * @m: the map, locked
 * @path: the path
 * @later: after the delay of pg_init; at once if a suspend waits
 *
 * Context: any, hard irq included.
 */
void mpath_queue_activation(struct mpath *m, struct mpath_path *path,
			    bool later)
{
	unsigned int ms = m->pg_init.delay_ms;

	lockdep_assert_held(&m->lock);

	if (ms == MPATH_NO_DELAY)
		ms = PG_INIT_DELAY_MS;
	if (m->draining)
		later = false;
	if (queue_delayed_work(mpath_handler_wq, &path->activate,
			       later ? msecs_to_jiffies(ms) : 0))
		m->pg_init.running++;
}

/*
 * If @path is the first usable one, we let the next I/O choose and activate its group.
 * If @path joins the group in use, we activate the path only, and I/O does not wait.
 */
static void activate_reinstated(struct mpath *m, struct mpath_path *path)
{
	lockdep_assert_held(&m->lock);

	if (!m->handler.name)
		return;
	if (m->nr_usable == 1) {
		mpath_forget_group(m);
		return;
	}
	if (path->group != m->current_group &&
	    path->group != m->pg_init.group)
		return;
	if (m->pg_init.stopped)
		return;
	path->activations = 1;
	mpath_queue_activation(m, path, false);
}

static void reinstate_path(struct mpath_path *path, bool by_admin,
			   const char *reason)
{
	struct dm_ps *ps = &path->group->ps;
	struct mpath *m = path->m;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (by_admin)
		path->admin_failed = false;
	if (!path->failed || path->admin_failed) {
		spin_unlock_irqrestore(&m->lock, flags);
		return;
	}

	WRITE_ONCE(path->failed, false);
	if (by_admin)
		WRITE_ONCE(path->probe.reinstated, ktime_get());
	mpath_update_usable(path->group);
	if (ps->type->reinstate_path)
		ps->type->reinstate_path(ps, &path->ps);
	WRITE_ONCE(m->nr_usable, m->nr_usable + 1);
	trace_mpath_reinstate(path);
	if (m->no_path.rearm)
		turn_on_queueing(m);
	m->no_path.rearm = false;
	cancel_delayed_work(&m->no_path.work);
	activate_reinstated(m, path);
	report_path(path, DM_UEVENT_PATH_REINSTATED);
	spin_unlock_irqrestore(&m->lock, flags);

	mpath_path_warn(path, " reinstated: %s", reason);
	mpath_wake(m);
}

/**
 * mpath_admin_reinstate() - reinstate a path, as the administrator asked
 * @path: the path; if it has not failed, nothing happens
 *
 * Context: any.
 */
void mpath_admin_reinstate(struct mpath_path *path)
{
	reinstate_path(path, true, "by message");
}

/**
 * mpath_probe_reinstate() - reinstate a path that answers probes
 * @path: the path; if the administrator has failed it, nothing happens
 *
 * Context: any.
 */
void mpath_probe_reinstate(struct mpath_path *path)
{
	reinstate_path(path, false, "it answers probes");
}
