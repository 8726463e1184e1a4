// SPDX-License-Identifier: GPL-2.0-only
/*
 * What changes the state of a map: which group is used, which paths have failed,
 * whether requests wait when none is left, and what a suspend does to that.
 *
 * Every change is told to whom it concerns, in this order: the selector (under the
 * lock), udev and dm events (from a worker), the parked requests (a wake).
 */

#include "dm-mpath.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "multipath"

/* ---- choosing a group ---- */

static struct mpath_path *select_in(struct mpath_group *group, size_t nr_bytes)
{
	struct dm_ps_path *path = group->ps.type->select(&group->ps, nr_bytes);

	return path ? mpath_path_of(path) : NULL;
}

static struct mpath_path *select_in_any(struct mpath *m, bool bypassed,
					size_t nr_bytes)
{
	struct mpath_path *path = NULL;
	unsigned int i;

	for (i = 0; i < m->nr_groups && !path; i++)
		if (m->groups[i]->bypassed == bypassed)
			path = select_in(m->groups[i], nr_bytes);
	return path;
}

/*
 * The order of preference: the group that was asked for; the one in use, as long
 * as it has a path; then the groups in the order of the table, those that are
 * disabled last.
 */
static struct mpath_path *select_preferred(struct mpath *m, size_t nr_bytes)
{
	struct mpath_path *path = NULL;

	lockdep_assert_held(&m->lock);

	if (m->next_group)
		path = select_in(m->next_group, nr_bytes);
	m->next_group = NULL;
	if (!path && m->current_group)
		path = select_in(m->current_group, nr_bytes);
	if (!path)
		path = select_in_any(m, false, nr_bytes);
	if (!path)
		path = select_in_any(m, true, nr_bytes);
	return path;
}

/**
 * mpath_choose_path() - a path, from whichever group has one
 * @m: the map
 * @nr_bytes: of the request; 0: none in particular
 *
 * The way out for an I/O path that has found no current group, or no usable path
 * in it.
 *
 * Context: queue_rq, worker or process; must not sleep.
 * Return: a path that was usable a moment ago; NULL if there is none.
 */
struct mpath_path *mpath_choose_path(struct mpath *m, size_t nr_bytes)
{
	struct mpath_path *path = NULL;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	m->queue_io = false;
	if (m->nr_usable)
		path = select_preferred(m, nr_bytes);
	WRITE_ONCE(m->current_group, path ? path->group : NULL);
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
	WRITE_ONCE(m->current_group, NULL);
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
	WRITE_ONCE(m->current_group, NULL);
	spin_unlock_irqrestore(&m->lock, flags);

	schedule_work(&m->event_work);
}

/* ---- paths fail and come back ---- */

static void tell_user_space(struct mpath *m, struct mpath_path *path,
			    enum dm_uevent_type type)
{
	lockdep_assert_held(&m->lock);

	dm_path_uevent(type, m->rq.ti, path->ps.dev->name, m->nr_usable);
	schedule_work(&m->event_work);
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
	struct dm_ps *ps = &path->group->ps;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (!path->ps.usable) {
		spin_unlock_irqrestore(&m->lock, flags);
		return;
	}

	WRITE_ONCE(path->ps.usable, false);
	if (ps->type->fail_path)
		ps->type->fail_path(ps, &path->ps);
	path->fail_count++;
	WRITE_ONCE(m->nr_usable, m->nr_usable - 1);
	tell_user_space(m, path, DM_UEVENT_PATH_FAILED);
	spin_unlock_irqrestore(&m->lock, flags);

	DMWARN("%s: Failing path %s.", mpath_name(m), path->ps.dev->name);
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
	struct dm_ps *ps = &path->group->ps;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	if (path->ps.usable) {
		spin_unlock_irqrestore(&m->lock, flags);
		return;
	}

	WRITE_ONCE(path->ps.usable, true);
	if (ps->type->reinstate_path)
		ps->type->reinstate_path(ps, &path->ps);
	WRITE_ONCE(m->nr_usable, m->nr_usable + 1);
	tell_user_space(m, path, DM_UEVENT_PATH_REINSTATED);
	spin_unlock_irqrestore(&m->lock, flags);

	DMWARN("%s: Reinstating path %s.", mpath_name(m), path->ps.dev->name);
	dm_rq_wake(&m->rq);
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
	WRITE_ONCE(m->queue_if_no_path, on);
	m->saved_queueing = false;
	spin_unlock_irqrestore(&m->lock, flags);

	if (!on)
		dm_rq_wake(&m->rq);
}

/* ---- suspend and resume ---- */

/**
 * mpath_presuspend() - presuspend method
 * @ti: the target
 *
 * A suspend that flushes waits for every request, so none may wait for a path:
 * queueing is off until resume.  A noflush suspend leaves parked requests where
 * they are, for the table that comes next.
 */
void mpath_presuspend(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	if (dm_noflush_suspending(ti))
		return;

	spin_lock_irq(&m->lock);
	m->saved_queueing |= m->queue_if_no_path;
	WRITE_ONCE(m->queue_if_no_path, false);
	spin_unlock_irq(&m->lock);

	dm_rq_wake_and_wait(&m->rq);
}

static void restore_queueing(struct mpath *m)
{
	spin_lock_irq(&m->lock);
	if (m->saved_queueing)
		WRITE_ONCE(m->queue_if_no_path, true);
	m->saved_queueing = false;
	spin_unlock_irq(&m->lock);

	/* What waited only because of a noflush suspend waits no longer. */
	dm_rq_wake(&m->rq);
}

/**
 * mpath_presuspend_undo() - the suspend was interrupted
 * @ti: the target
 */
void mpath_presuspend_undo(struct dm_target *ti)
{
	restore_queueing(mpath_of(ti));
}

/**
 * mpath_postsuspend() - postsuspend method: no event after a suspend
 * @ti: the target
 */
void mpath_postsuspend(struct dm_target *ti)
{
	flush_work(&mpath_of(ti)->event_work);
}

/**
 * mpath_resume() - resume method
 * @ti: the target
 */
void mpath_resume(struct dm_target *ti)
{
	restore_queueing(mpath_of(ti));
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
	m->queue_io = true;
	INIT_WORK(&m->event_work, event_work);
}
