// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stall detection (feature stall_timeout).
 *
 * A path is stalled if it has I/O in flight and completed none of it for
 * stall_timeout.  As long as another path of the group is not stalled, we sideline a
 * stalled path: the selector does not use it.  So a path that swallows commands costs
 * the application only the I/O that we sent there before, until the device's own
 * timeout.  We leave I/O in flight alone and never send it a second time.  The first
 * completion on the path ends the stall.  If all paths of a group are stalled, we use
 * all of them, because then the device is slow, or no path is better than another.
 *
 * A worker reads the counters of all paths four times per stall_timeout.  It watches a
 * path from the first check that finds I/O in flight, and restarts the time when a
 * check finds new completions.  Therefore it detects a stall after stall_timeout at
 * the earliest and one check later at the latest.  The I/O path has no part in this:
 * selectors skip unusable paths anyway, and a completion tests one flag.
 */

#include "mpath/mpath.h"
#include "mpath/trace.h"

#define DM_MSG_PREFIX "multipath"

/* In bio mode we check even without stall_timeout, because path_stats needs the times. */
#define BIO_CHECK_MS	1000

/* ---- usable paths ---- */

static u64 others_chosen(struct mpath_path *path)
{
	struct dm_ps *ps = &path->group->ps;
	u64 chosen = 0;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		if (ps->paths[i] != &path->ps)
			chosen += mpath_read_chosen(mpath_path_of(ps->paths[i]));
	return chosen;
}

/* We also account the I/Os that other paths get while @path is sidelined. */
static void set_sidelined(struct mpath_path *path, bool sidelined)
{
	u64 chosen;

	if (path->stall.sidelined == sidelined)
		return;
	chosen = others_chosen(path);
	WRITE_ONCE(path->stall.diverted,
		   sidelined ? path->stall.diverted - chosen :
			       path->stall.diverted + chosen);
	WRITE_ONCE(path->stall.sidelined, sidelined);
}

/**
 * mpath_update_usable() - after a state change, tell the selector which paths to use
 * @group: the group; the map is locked
 *
 * These are the paths that have neither failed nor stalled. If there are none, we use
 * stalled paths, too.
 *
 * Context: any, hard irq included.
 */
void mpath_update_usable(struct mpath_group *group)
{
	struct dm_ps *ps = &group->ps;
	bool progress = false;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++) {
		struct mpath_path *path = mpath_path_of(ps->paths[i]);

		lockdep_assert_held(&path->m->lock);
		progress |= !path->failed && !path->stall.stalled;
	}
	for (i = 0; i < ps->nr_paths; i++) {
		struct mpath_path *path = mpath_path_of(ps->paths[i]);
		bool sidelined = !path->failed && path->stall.stalled &&
				 progress;

		set_sidelined(path, sidelined);
		WRITE_ONCE(path->ps.usable, !path->failed && !sidelined);
	}
}

/**
 * mpath_stall_progress() - handle a completion on a stalled path: the stall ends
 * @path: the path
 *
 * Context: any, hard irq included.
 */
void mpath_stall_progress(struct mpath_path *path)
{
	struct mpath *m = path->m;
	unsigned long flags;
	bool stalled;

	spin_lock_irqsave(&m->lock, flags);
	stalled = path->stall.stalled;
	WRITE_ONCE(path->stall.stalled, false);
	if (stalled) {
		trace_mpath_guard(path, false);
		mpath_update_usable(path->group);
	}
	spin_unlock_irqrestore(&m->lock, flags);

	if (stalled)
		mpath_path_warn_limit(path, ": I/O resumed");
}

/* ---- the worker ---- */

/* True if @path has I/O in flight and completed none for @timeout_ns. */
static bool is_silent(struct mpath_path *path, u64 now, u64 timeout_ns)
{
	u64 ended, in_flight = mpath_read_progress(path, &ended);

	if (!in_flight)
		WRITE_ONCE(path->stall.busy_since, 0);
	else if (!path->stall.busy_since || ended != path->stall.ended)
		WRITE_ONCE(path->stall.busy_since, now);
	path->stall.ended = ended;
	return in_flight && now - path->stall.busy_since >= timeout_ns;
}

static void mark_stalled(struct mpath *m, struct mpath_path *path)
{
	bool changed;

	spin_lock_irq(&m->lock);
	changed = !path->failed && !path->stall.stalled;
	if (changed) {
		trace_mpath_guard(path, true);
		WRITE_ONCE(path->stall.stalled, true);
		mpath_update_usable(path->group);
	}
	spin_unlock_irq(&m->lock);

	if (changed)
		mpath_path_warn_limit(path,
				      " stalled: no completion for %u ms",
				      m->stall.timeout);
}

/*
 * A completion that raced with mark_stalled() may have missed the flag, and may have
 * been the last one.  Then the next check ends the stall.
 */
static void check_path(struct mpath *m, struct mpath_path *path, u64 now)
{
	u64 timeout_ns = (u64)m->stall.timeout * NSEC_PER_MSEC;
	bool silent = is_silent(path, now, timeout_ns);

	if (silent && timeout_ns)
		mark_stalled(m, path);
	else if (READ_ONCE(path->stall.stalled))
		mpath_stall_progress(path);
}

static void schedule_check(struct mpath *m)
{
	unsigned int ms = m->stall.timeout ? m->stall.timeout / 4 :
			  m->bio_mode ? BIO_CHECK_MS : 0;

	if (ms)
		queue_delayed_work(mpath_wq, &m->stall.work,
				   msecs_to_jiffies(ms));
}

static void stall_check(struct work_struct *work)
{
	struct mpath *m = container_of(to_delayed_work(work), struct mpath,
				       stall.work);
	struct mpath_path *path;
	u64 now = ktime_get_ns();

	list_for_each_entry(path, &m->paths, list)
		check_path(m, path, now);
	schedule_check(m);
}

/**
 * mpath_stall_start() - start the checks, if they are configured
 * @m: the map, whose table is the live one, and whose checks do not run
 *
 * We discard the times of earlier checks, because that I/O may have completed long ago.
 *
 * Context: process.
 */
void mpath_stall_start(struct mpath *m)
{
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list)
		WRITE_ONCE(path->stall.busy_since, 0);
	schedule_check(m);
}

/**
 * mpath_stall_stop() - stop the checks
 * @m: the map
 *
 * Context: process, may sleep.
 */
void mpath_stall_stop(struct mpath *m)
{
	cancel_delayed_work_sync(&m->stall.work);
}

/**
 * mpath_stall_init() - initialize stall detection
 * @m: the map, in its constructor
 */
void mpath_stall_init(struct mpath *m)
{
	INIT_DELAYED_WORK(&m->stall.work, stall_check);
}

/* ---- for status lines ---- */

/**
 * mpath_stall_word() - the state that info line and path_stats show
 * @path: the path
 *
 * Return: "off", "ok" or "stalled".
 */
const char *mpath_stall_word(struct mpath_path *path)
{
	if (!path->m->stall.timeout)
		return "off";
	return READ_ONCE(path->stall.stalled) ? "stalled" : "ok";
}

/**
 * mpath_stall_diverted() - number of I/Os that other paths got while this one was
 *	sidelined
 * @path: the path
 *
 * Context: process.
 */
u64 mpath_stall_diverted(struct mpath_path *path)
{
	u64 diverted;

	if (!path->m->stall.timeout)
		return 0;

	spin_lock_irq(&path->m->lock);
	diverted = path->stall.diverted;
	if (path->stall.sidelined)
		diverted += others_chosen(path);
	spin_unlock_irq(&path->m->lock);
	return diverted;
}
