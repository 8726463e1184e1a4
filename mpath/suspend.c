// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suspend and resume: dm core suspends a map to replace its table or to remove it.
 */

#include <linux/ctype.h>

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "mpath/probe.h"
#include "dm-rq-compat.h"

/**
 * mpath_presuspend() - presuspend method
 * @ti: the target
 *
 * A flush suspend waits for all I/O.  To keep I/O from waiting for a path meanwhile, we
 * turn queueing off until the resume.  In a noflush suspend we leave waiting requests in
 * the requeue list, for the next table.  In both we do so with requests that wait for a
 * hardware handler.
 *
 * Context: process, may sleep.
 */
void mpath_presuspend(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	WRITE_ONCE(m->suspending, true);
	mpath_probe_stop(m);
	if (dm_noflush_suspending(ti)) {
		/* Waiting bios count as in flight: give them back to dm core. */
		if (m->bio_mode)
			mpath_wake_and_wait(m);
		return;
	}

	spin_lock_irq(&m->lock);
	m->no_path.saved_queueing |= m->queue_if_no_path;
	WRITE_ONCE(m->queue_if_no_path, false);
	m->draining = true;
	spin_unlock_irq(&m->lock);

	mpath_pg_init_expedite(m);
	/* Waiting bios are in flight, unlike waiting requests. */
	if (m->bio_mode && !mpath_pg_init_wait_timeout(m))
		WRITE_ONCE(m->bio.handler_late, true);
	mpath_wake_and_wait(m);
}

static void end_suspend(struct mpath *m)
{
	WRITE_ONCE(m->suspending, false);
	spin_lock_irq(&m->lock);
	if (m->no_path.saved_queueing)
		WRITE_ONCE(m->queue_if_no_path, true);
	m->no_path.saved_queueing = false;
	m->draining = false;
	m->pg_init.stopped = false;
	WRITE_ONCE(m->bio.handler_late, false);
	mpath_start_no_path_timer(m);
	spin_unlock_irq(&m->lock);

	/* Some I/O waits only because of the noflush suspend. */
	mpath_wake(m);
	mpath_probe_start(m);
}

/**
 * mpath_presuspend_undo() - presuspend_undo method: the suspend was interrupted
 * @ti: the target
 *
 * Context: process.
 */
void mpath_presuspend_undo(struct dm_target *ti)
{
	end_suspend(mpath_of(ti));
}

static void flush_works(struct mpath *m)
{
	mpath_probe_end(m);
	cancel_delayed_work_sync(&m->no_path.work);
	if (m->bio_mode)
		flush_work(&m->bio.work);
	flush_work(&m->event_work);
}

/**
 * mpath_postsuspend() - postsuspend method
 * @ti: the target
 *
 * No event is raised after this, except for late results of a hardware handler.
 *
 * Context: process, may sleep.
 */
void mpath_postsuspend(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	mpath_debugfs_remove(m);
	mpath_stall_stop(m);
	mpath_pg_init_stop(m);
	mpath_pg_init_wait_timeout(m);
	flush_works(m);
}

/**
 * mpath_stop() - ensure that no work of a map is left
 * @m: the map, without I/O, which will be freed
 *
 * Context: process, may sleep, until activations by the hardware handler have ended.
 */
void mpath_stop(struct mpath *m)
{
	might_sleep();

	mpath_debugfs_remove(m);
	mpath_stall_stop(m);
	mpath_pg_init_stop(m);
	mpath_pg_init_drain(m);
	flush_works(m);
}

/**
 * mpath_set_name() - copy the map's name for log messages
 * @m: the map
 *
 * Paths may fail in hard irq context, where we must not take dm core's lock of the name.
 * Therefore a rename shows after the next resume.  If a log message races with this
 * function, it may have a mix of two names.
 *
 * Context: process, may sleep.
 */
void mpath_set_name(struct mpath *m)
{
	char name[DM_NAME_LEN];
	char *c;

	if (dm_copy_name_and_uuid(m->rq.md, name, NULL))
		strscpy(name, dm_disk(m->rq.md)->disk_name, sizeof(name));
	/* dm permits any character but '/', and a log line must stay one line. */
	for (c = name; *c; c++)
		if (!isprint(*c))
			*c = '?';
	if (strcmp(name, m->name))
		strscpy(m->name, name, sizeof(m->name));
}

/* No write is sent to a path before the map has what the path needs. */
static void inherit_features(struct mpath *m)
{
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list)
		dm_rq_inherit_features(dm_disk(m->rq.md), path->ps.dev->bdev->bd_disk);
}

/**
 * mpath_resume() - resume method
 * @ti: the target
 *
 * Context: process, may sleep.
 */
void mpath_resume(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	mpath_set_name(m);
	if (!m->bio_mode)
		inherit_features(m);
	end_suspend(m);
	mpath_stall_start(m);
	mpath_debugfs_add(m);
}

static void event_work(struct work_struct *work)
{
	struct mpath *m = container_of(work, struct mpath, event_work);

	dm_table_event(m->rq.ti->table);
}

/**
 * mpath_init_state() - initialize the state of a map without groups
 * @m: the map, zeroed
 *
 * Context: process.
 */
void mpath_init_state(struct mpath *m)
{
	spin_lock_init(&m->lock);
	INIT_LIST_HEAD(&m->paths);
	m->queue_io = true;
	m->pg_init.delay_ms = MPATH_NO_DELAY;
	init_waitqueue_head(&m->pg_init.wait);
	INIT_LIST_HEAD(&m->stacking.list);
	INIT_WORK(&m->event_work, event_work);
	mpath_init_no_path(m);
	mpath_probe_init_map(m);
	mpath_stall_init(m);
}
