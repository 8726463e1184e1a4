// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware handlers (scsi_dh): attaching them to paths, and pg_init, by which they
 * make the paths of a group ready for I/O.
 *
 * A round of pg_init activates all usable paths of m->init_group at once.  The
 * handler answers for each; when it has answered for all, the group becomes the
 * current one, or another round begins, or another group is chosen.  Requests wait
 * from the choice of a group until it is the current one.
 */

#include <linux/slab.h>
#include <scsi/scsi_dh.h>

#include "mpath/mpath.h"
#include "mpath/trace.h"

#define DM_MSG_PREFIX "multipath"

/* ms before another round, unless the table says otherwise; as the stock target */
#define PG_INIT_DELAY_MS	2000

/* How long a suspend waits for a handler that does not answer. */
#define SUSPEND_WAIT_MS		5000

static struct workqueue_struct *handler_wq;

/* ---- pg_init ---- */

/* What a handler's answer for one path means. */
enum pg_init_answer {
	PATH_READY,
	RETRY_NOW,
	RETRY_LATER,
	OTHER_GROUP,
	PATH_BROKEN,
};

static enum pg_init_answer answer_of(int scsi_dh)
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
		/* The controller is at something else, new firmware maybe. */
		return OTHER_GROUP;
	default:
		return PATH_BROKEN;
	}
}

static void activate(struct mpath *m, struct mpath_path *path, bool later)
{
	unsigned int ms = m->pg_init_delay_ms;

	lockdep_assert_held(&m->lock);

	if (ms == MPATH_NO_DELAY)
		ms = PG_INIT_DELAY_MS;
	/* A suspend is waiting. */
	if (m->draining)
		later = false;
	if (queue_delayed_work(handler_wq, &path->activate,
			       later ? msecs_to_jiffies(ms) : 0))
		m->pg_init_running++;
}

/* Begin a round if one is wanted, and may be. */
static void begin_round(struct mpath *m)
{
	struct dm_ps *ps;
	unsigned int i;

	lockdep_assert_held(&m->lock);

	if (!m->init_group || !m->pg_init_required || m->pg_init_stopped ||
	    m->pg_init_running)
		return;

	m->pg_init_required = false;
	m->pg_init_count++;
	ps = &m->init_group->ps;
	for (i = 0; i < ps->nr_paths; i++)
		if (!mpath_path_of(ps->paths[i])->failed)
			activate(m, mpath_path_of(ps->paths[i]),
				 m->pg_init_delay);
}

/* The last answer of a round is there. */
static void end_round(struct mpath *m)
{
	lockdep_assert_held(&m->lock);

	begin_round(m);
	if (m->pg_init_running)
		return;

	if (m->init_group && !m->pg_init_required) {
		trace_mpath_switch_group(m, m->init_group->number);
		WRITE_ONCE(m->current_group, m->init_group);
		m->init_group = NULL;
	}
	if (!m->init_group)
		m->queue_io = false;
	mpath_wake(m);
	wake_up_all(&m->pg_init_wait);
}

/*
 * Another try for @path, with its group, or alone where its group is in use.
 * False: there were enough.
 */
static bool try_again(struct mpath *m, struct mpath_path *path, bool later)
{
	bool alone = path->group != m->init_group;
	unsigned int tries = alone ? path->tries : m->pg_init_count;

	lockdep_assert_held(&m->lock);

	if (tries > m->pg_init_retries || m->pg_init_stopped || m->draining)
		return false;

	if (alone) {
		path->tries++;
		activate(m, path, later);
	} else {
		m->pg_init_required = true;
		m->pg_init_delay = later;
	}
	return true;
}

/* Does anybody want to know what @path answers? */
static bool is_wanted(struct mpath *m, struct mpath_path *path)
{
	return path->group == m->init_group || path->group == m->current_group;
}

/* Draw the consequence of an answer for @path.  Takes the lock. */
static void act_on(struct mpath *m, struct mpath_path *path,
		   enum pg_init_answer answer, int scsi_dh)
{
	unsigned long flags;
	bool broken = answer == PATH_BROKEN, leave = false;

	spin_lock_irqsave(&m->lock, flags);
	switch (answer) {
	case PATH_READY:
		/* Not if somebody has disabled the group meanwhile. */
		if (path->group == m->init_group && !m->pg_init_required)
			path->group->bypassed = false;
		break;
	case RETRY_NOW:
	case RETRY_LATER:
		broken = is_wanted(m, path) &&
			 !try_again(m, path, answer == RETRY_LATER);
		break;
	case OTHER_GROUP:
		/* Groups may send us round and round, but not a suspend. */
		broken = m->draining;
		if (broken)
			break;
		leave = is_wanted(m, path);
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
			DMERR("%s: path %s: hardware handler %s: activation failed with %d",
			      mpath_name(m), path->ps.dev->name,
			      m->handler_name, scsi_dh);
		mpath_fail_path(m, path);
	}
}

/* The handler's answer for one path.  Context: its own; any. */
static void activated(void *data, int scsi_dh)
{
	struct mpath_path *path = data;
	struct mpath *m = path->m;
	unsigned long flags;

	act_on(m, path, answer_of(scsi_dh), scsi_dh);

	/* Once this path does not count as running and the lock is free, m may go. */
	spin_lock_irqsave(&m->lock, flags);
	if (!--m->pg_init_running)
		end_round(m);
	spin_unlock_irqrestore(&m->lock, flags);
}

static void activate_work(struct work_struct *work)
{
	struct mpath_path *path = container_of(to_delayed_work(work),
					       struct mpath_path, activate);
	struct request_queue *q = bdev_get_queue(path->ps.dev->bdev);

	if (!READ_ONCE(path->failed) && !blk_queue_dying(q))
		scsi_dh_activate(q, activated, path);
	else
		activated(path, SCSI_DH_DEV_OFFLINED);
}

/**
 * mpath_begin_pg_init() - make a group ready; it becomes the current one afterwards
 * @m: the map, locked
 * @group: the group; nothing happens if that is what is going on already
 *
 * Context: any. mpath_wake() follows.
 */
void mpath_begin_pg_init(struct mpath *m, struct mpath_group *group)
{
	lockdep_assert_held(&m->lock);

	if (m->init_group != group) {
		m->init_group = group;
		m->queue_io = true;
		m->pg_init_count = 0;
		m->pg_init_required = true;
		/* The last resort: do not hammer the controllers. */
		m->pg_init_delay = group->bypassed;
	}
	begin_round(m);
}

/**
 * mpath_activate_path() - make one path of a group in use ready
 * @m: the map, locked
 * @path: the path
 *
 * Context: any. Requests do not wait for it.
 */
void mpath_activate_path(struct mpath *m, struct mpath_path *path)
{
	lockdep_assert_held(&m->lock);

	if (m->pg_init_stopped)
		return;
	path->tries = 1;
	activate(m, path, false);
}

static void with_each_activation(struct mpath *m,
				 void (*fn)(struct delayed_work *activation))
{
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list)
		fn(&path->activate);
}

/* It counts as running all the time; the lock keeps activate() from counting it twice. */
static void begin_now(struct delayed_work *activation)
{
	if (cancel_delayed_work(activation))
		queue_delayed_work(handler_wq, activation, 0);
}

/**
 * mpath_hurry_pg_init() - what is put off begins now
 * @m: the map
 *
 * Context: process.
 */
void mpath_hurry_pg_init(struct mpath *m)
{
	spin_lock_irq(&m->lock);
	with_each_activation(m, begin_now);
	spin_unlock_irq(&m->lock);
}

/**
 * mpath_await_pg_init() - let what the handler has begun end, but not without limit
 * @m: the map
 *
 * A handler asks a device, and may do so for minutes.  A suspend is not to hang on
 * that: paths that work wait for it.  What is late is dealt with when it comes.
 *
 * Context: process, may sleep, up to %SUSPEND_WAIT_MS.
 * Return: false if it has not ended.
 */
bool mpath_await_pg_init(struct mpath *m)
{
	might_sleep();

	mpath_hurry_pg_init(m);
	if (wait_event_timeout(m->pg_init_wait, !READ_ONCE(m->pg_init_running),
			       msecs_to_jiffies(SUSPEND_WAIT_MS)))
		return true;

	DMWARN("%s: hardware handler %s has not answered yet: suspending without",
	       mpath_name(m), m->handler_name);
	return false;
}

static void end_activation(struct delayed_work *activation)
{
	flush_delayed_work(activation);
}

/**
 * mpath_end_pg_init() - nothing of the handler's touches @m any more
 * @m: the map, that goes; no I/O asks for pg_init any more
 *
 * Context: process, may sleep, for as long as the handler takes.
 */
void mpath_end_pg_init(struct mpath *m)
{
	might_sleep();

	mpath_hurry_pg_init(m);
	wait_event(m->pg_init_wait, !READ_ONCE(m->pg_init_running));

	/* Whoever woke us has let go of the lock, and of @m, after this. */
	spin_lock_irq(&m->lock);
	spin_unlock_irq(&m->lock);
	with_each_activation(m, end_activation);
}

/* ---- attaching ---- */

/* The handler that is attached counts, not the table's. */
static int retain(struct mpath *m, const char *attached)
{
	char *name;

	if (m->handler_name && !strcmp(m->handler_name, attached))
		return 0;

	name = kstrdup(attached, GFP_KERNEL);
	if (!name)
		return -ENOMEM;
	kfree(m->handler_name);
	m->handler_name = name;
	/* They are another handler's. */
	kfree(m->handler_params);
	m->handler_params = NULL;
	return 0;
}

static int attach(struct mpath *m, struct request_queue *q,
		  const char *attached)
{
	int r = 0;

	if (attached && (m->retain_handler || m->bio_mode))
		r = retain(m, attached);
	if (r || !m->handler_name)
		return r;

	r = scsi_dh_attach(q, m->handler_name);
	if (r == -EBUSY && attached) {
		r = retain(m, attached);
		if (!r)
			r = scsi_dh_attach(q, m->handler_name);
	}
	/* A kernel without handlers says SCSI_DH_NOSYS, which is no errno. */
	if (r > 0)
		return -EOPNOTSUPP;
	if (r || !m->handler_params)
		return r;
	return scsi_dh_set_params(q, m->handler_params);
}

/**
 * mpath_attach_handler() - attach the map's hardware handler to a path
 * @m: the map, being made
 * @path: the path, with its device
 *
 * With retain_attached_hw_handler, or if the device does not let go of it, the
 * handler that it has becomes the map's.
 *
 * Context: process, may sleep: loads the handler's module.
 * Return: 0 or an errno.
 */
int mpath_attach_handler(struct mpath *m, struct mpath_path *path)
{
	struct request_queue *q = bdev_get_queue(path->ps.dev->bdev);
	const char *attached;
	int r;

	might_sleep();
	INIT_DELAYED_WORK(&path->activate, activate_work);

	attached = scsi_dh_attached_handler_name(q, GFP_KERNEL);
	r = attach(m, q, attached);
	kfree(attached);
	return r;
}

/* ---- the module ---- */

int mpath_handler_init(void)
{
	handler_wq = alloc_workqueue("mpath-rq-handler", WQ_MEM_RECLAIM, 0);
	return handler_wq ? 0 : -ENOMEM;
}

void mpath_handler_exit(void)
{
	destroy_workqueue(handler_wq);
}
