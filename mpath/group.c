// SPDX-License-Identifier: GPL-2.0-only
/*
 * The choice of the priority group that gets I/O, and pg_init, by which a hardware
 * handler makes the paths of a group ready.
 *
 * In a round of pg_init we activate all usable paths of m->pg_init.group at the same
 * time.  The handler gives us a result for each path.  After the last one, the group
 * becomes the current group, or we begin another round, or we choose another group.
 * I/O waits from the choice of a group until it is the current group.
 */

#include <scsi/scsi_dh.h>

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "mpath/trace.h"

#define DM_MSG_PREFIX "multipath"

/* A suspend waits this long (ms) for a handler that does not answer. */
#define SUSPEND_WAIT_MS		5000

/* ---- pg_init: rounds ---- */

/* Begin a round if one is required and permitted. */
static void begin_round(struct mpath *m)
{
	struct dm_ps *ps;
	unsigned int i;

	lockdep_assert_held(&m->lock);

	if (!m->pg_init.group || !m->pg_init.required || m->pg_init.stopped ||
	    m->pg_init.running)
		return;

	m->pg_init.required = false;
	m->pg_init.count++;
	ps = &m->pg_init.group->ps;
	for (i = 0; i < ps->nr_paths; i++)
		if (!mpath_path_of(ps->paths[i])->failed)
			mpath_queue_activation(m, mpath_path_of(ps->paths[i]),
					       m->pg_init.delay);
}

/* All results of a round have arrived. */
static void end_round(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	begin_round(m);
	if (m->pg_init.running)
		return;

	if (m->pg_init.group && !m->pg_init.required) {
		trace_mpath_switch_group(m, m->pg_init.group->number);
		WRITE_ONCE(m->current_group, m->pg_init.group);
		m->pg_init.group = NULL;
	}
	if (!m->pg_init.group)
		m->queue_io = false;
	mpath_wake(m);
	wake_up_all(&m->pg_init.wait);
}

/* Activate @group; it becomes the current group afterwards.  mpath_wake() follows. */
static void begin_pg_init(struct mpath *m, struct mpath_group *group)
{
	lockdep_assert_held(&m->lock);

	if (m->pg_init.group != group) {
		m->pg_init.group = group;
		m->queue_io = true;
		m->pg_init.count = 0;
		m->pg_init.required = true;
		/* A bypassed group is our last choice: give its controllers time. */
		m->pg_init.delay = group->bypassed;
	}
	begin_round(m);
}

/* ---- pg_init: the handler's results ---- */

/* Our action for a result. */
enum pg_init_action {
	PATH_READY,
	RETRY_NOW,
	RETRY_LATER,
	OTHER_GROUP,
	PATH_BROKEN,
};

static enum pg_init_action action_for(int scsi_dh)
{
	switch (scsi_dh) {
	case SCSI_DH_OK:
		return PATH_READY;
	case SCSI_DH_RETRY:
		return RETRY_LATER;
	case SCSI_DH_IMM_RETRY:
	case SCSI_DH_RES_TEMP_UNAVAIL:
		return RETRY_NOW;
	case SCSI_DH_DEV_TEMP_BUSY:
		/* The controller is busy, possibly with a firmware update. */
		return OTHER_GROUP;
	default:
		return PATH_BROKEN;
	}
}

/*
 * Activate @path once more: with its group, or alone if its group is in use.  Return
 * false if the retries are exhausted, or if a suspend permits none.
 */
static bool retry_activation(struct mpath *m, struct mpath_path *path,
			     bool later)
{
	bool alone = path->group != m->pg_init.group;
	unsigned int tries = alone ? path->activations : m->pg_init.count;

	lockdep_assert_held(&m->lock);

	if (tries > m->pg_init.retries || m->pg_init.stopped || m->draining)
		return false;

	if (alone) {
		path->activations++;
		mpath_queue_activation(m, path, later);
	} else {
		m->pg_init.required = true;
		m->pg_init.delay = later;
	}
	return true;
}

/*
 * The group of @path is, or will be, the current one.  Otherwise we neither retry nor
 * leave the group.
 */
static bool is_group_in_use(struct mpath *m, struct mpath_path *path)
{
	return path->group == m->pg_init.group ||
	       path->group == m->current_group;
}

/* Takes the lock. */
static void handle_result(struct mpath *m, struct mpath_path *path,
			  enum pg_init_action action, int scsi_dh)
{
	bool broken = action == PATH_BROKEN, leave = false;
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	switch (action) {
	case PATH_READY:
		/* Unless a message has disabled the group meanwhile. */
		if (path->group == m->pg_init.group && !m->pg_init.required)
			path->group->bypassed = false;
		break;
	case RETRY_NOW:
	case RETRY_LATER:
		broken = is_group_in_use(m, path) &&
			 !retry_activation(m, path, action == RETRY_LATER);
		break;
	case OTHER_GROUP:
		/*
		 * Busy groups could send us from one to the other forever. While
		 * draining, fail the path instead.
		 */
		broken = m->draining;
		if (broken)
			break;
		leave = is_group_in_use(m, path);
		path->group->bypassed = true;
		schedule_work(&m->event_work);
		break;
	case PATH_BROKEN:
		break;
	}
	spin_unlock_irqrestore(&m->lock, flags);

	if (leave)
		mpath_bypass_group(m, path->group, true);
	if (broken) {
		if (!path->failed)
			mpath_path_err(path, ": hardware handler %s: activation failed with %d",
				       m->handler.name, scsi_dh);
		mpath_fail_path(path, "activation failed");
	}
}

/* The handler calls this with its result for one path, in any context. */
static void activation_done(void *data, int scsi_dh)
{
	struct mpath_path *path = data;
	struct mpath *m = path->m;
	unsigned long flags;

	handle_result(m, path, action_for(scsi_dh), scsi_dh);

	/*
	 * As soon as this path does not count as running any more and we have
	 * released the lock, m may be freed.
	 */
	spin_lock_irqsave(&m->lock, flags);
	if (!--m->pg_init.running)
		end_round(m);
	spin_unlock_irqrestore(&m->lock, flags);
}

static void activate_work(struct work_struct *work)
{
	struct mpath_path *path = container_of(to_delayed_work(work),
					       struct mpath_path, activate);
	struct request_queue *q = bdev_get_queue(path->ps.dev->bdev);

	if (!READ_ONCE(path->failed) && !blk_queue_dying(q))
		scsi_dh_activate(q, activation_done, path);
	else
		activation_done(path, SCSI_DH_DEV_OFFLINED);
}

/**
 * mpath_init_activation() - initialize the activation of a path
 * @path: the path, in the constructor of its map
 */
void mpath_init_activation(struct mpath_path *path)
{
	INIT_DELAYED_WORK(&path->activate, activate_work);
}

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
 * The order of preference: the group that the administrator asked for; the group in
 * use as long as it has a path; then the groups in the order of the table, bypassed
 * ones last.
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
	in_use = m->current_group ?: m->pg_init.group;
	if (!path && in_use)
		path = select_in(in_use, nr_bytes, op);
	if (!path)
		path = select_in_any(m, false, nr_bytes, op);
	if (!path)
		path = select_in_any(m, true, nr_bytes, op);
	return path;
}

/* Make @group the current one, now (true) or after the hardware handler activated it. */
static bool use_group(struct mpath *m, struct mpath_group *group)
{
	lockdep_assert_held(&m->lock);

	if (group == m->current_group)
		return true;
	if (m->handler.name) {
		WRITE_ONCE(m->current_group, NULL);
		begin_pg_init(m, group);
		return false;
	}
	m->queue_io = false;
	trace_mpath_switch_group(m, group->number);
	WRITE_ONCE(m->current_group, group);
	return true;
}

/**
 * mpath_choose_path() - choose a group, and a path of it
 * @m: the map
 * @nr_bytes: size of the request or bio; 0 if it has none
 * @op: its operation
 *
 * Slow path: there is no current group, or no usable path in it.
 *
 * Context: queue_rq, worker or process; must not sleep.
 * Return: a path that was usable a moment ago; NULL if there is none;
 * ERR_PTR(-EAGAIN) if its group is being activated: mpath_wake() follows.
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
		mpath_forget_group(m);
	} else if (!use_group(m, path->group)) {
		path = ERR_PTR(-EAGAIN);
	}
	spin_unlock_irqrestore(&m->lock, flags);
	return path;
}

/**
 * mpath_switch_group() - use a group from now on, if it has a usable path
 * @m: the map
 * @group: the group. No group is bypassed any more
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
	mpath_forget_group(m);
	spin_unlock_irqrestore(&m->lock, flags);

	schedule_work(&m->event_work);
}

/**
 * mpath_bypass_group() - disable or enable a group
 * @m: the map
 * @group: the group
 * @bypass: use it only if no other group has a usable path
 *
 * The next I/O chooses the group anew.
 *
 * Context: any.
 */
void mpath_bypass_group(struct mpath *m, struct mpath_group *group,
			bool bypass)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	group->bypassed = bypass;
	mpath_forget_group(m);
	spin_unlock_irqrestore(&m->lock, flags);

	schedule_work(&m->event_work);
}

/* ---- for status lines ---- */

/**
 * mpath_group_number() - number of the group that table and info lines name
 * @m: the map, locked
 *
 * Return: the group to use next, or in use; 1 if none is chosen; 0 for a map without
 * groups.
 */
unsigned int mpath_group_number(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	if (m->next_group)
		return m->next_group->number;
	if (m->current_group)
		return m->current_group->number;
	if (m->pg_init.group)
		return m->pg_init.group->number;
	return m->nr_groups ? 1 : 0;
}

/**
 * mpath_group_letter() - state of a group for the info line
 * @m: the map, locked or not
 * @group: the group
 *
 * Return: 'D' disabled, 'A' active, 'E' enabled.
 */
char mpath_group_letter(struct mpath *m, struct mpath_group *group)
{
	if (group->bypassed)
		return 'D';
	return group == m->current_group || group == m->pg_init.group ? 'A' :
								       'E';
}

/* ---- pg_init during a suspend ---- */

static void visit_activations(struct mpath *m,
			      void (*fn)(struct delayed_work *activation))
{
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list)
		fn(&path->activate);
}

/*
 * The path counts as running all the time.  We hold the lock, to prevent
 * mpath_queue_activation() from counting it a second time.
 */
static void expedite(struct delayed_work *activation)
{
	if (cancel_delayed_work(activation))
		queue_delayed_work(mpath_handler_wq, activation, 0);
}

/**
 * mpath_pg_init_expedite() - begin delayed activations now
 * @m: the map
 *
 * Context: process.
 */
void mpath_pg_init_expedite(struct mpath *m)
{
	spin_lock_irq(&m->lock);
	visit_activations(m, expedite);
	spin_unlock_irq(&m->lock);
}

/**
 * mpath_pg_init_stop() - begin no new round or retry until the resume
 * @m: the map
 *
 * Context: process.
 */
void mpath_pg_init_stop(struct mpath *m)
{
	spin_lock_irq(&m->lock);
	m->pg_init.stopped = true;
	spin_unlock_irq(&m->lock);
}

/**
 * mpath_pg_init_wait_timeout() - wait for activations, but not forever
 * @m: the map
 *
 * A handler sends commands to a device, which may take minutes.  A suspend must not
 * hang on that, because working paths wait for the suspend.  We handle late results
 * when they arrive.
 *
 * Context: process, may sleep, up to %SUSPEND_WAIT_MS.
 * Return: false if activations are still running.
 */
bool mpath_pg_init_wait_timeout(struct mpath *m)
{
	might_sleep();

	mpath_pg_init_expedite(m);
	if (wait_event_timeout(m->pg_init.wait, !READ_ONCE(m->pg_init.running),
			       msecs_to_jiffies(SUSPEND_WAIT_MS)))
		return true;

	mpath_warn(m, "suspending without waiting for hardware handler %s, which has not answered for %u ms",
		   m->handler.name, SUSPEND_WAIT_MS);
	return false;
}

static void flush_activation(struct delayed_work *activation)
{
	flush_delayed_work(activation);
}

/**
 * mpath_pg_init_drain() - wait until no activation touches @m any more
 * @m: the map, which will be freed; no I/O asks for pg_init any more
 *
 * Context: process, may sleep, for as long as the handler takes.
 */
void mpath_pg_init_drain(struct mpath *m)
{
	might_sleep();

	mpath_pg_init_expedite(m);
	wait_event(m->pg_init.wait, !READ_ONCE(m->pg_init.running));

	/* The context that woke us has released the lock, and m, after this. */
	spin_lock_irq(&m->lock);
	spin_unlock_irq(&m->lock);
	visit_activations(m, flush_activation);
}
