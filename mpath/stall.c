// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stall guard (feature stall_timeout), and the watch that it needs.
 *
 * A path that has I/O in flight and has ended none of it for stall_timeout is stalled.
 * While another path of its group is not, it gets nothing new: a command that a path
 * has swallowed costs the application what was sent there already, until the device's own
 * time-out, and no more.  What is in flight is left alone, and never sent a second time.
 * The first I/O that ends there ends the stall.  Where all paths of a group are stalled
 * all are used: it is the device that is slow, or all is lost anyway.
 *
 * A worker looks at the counters of all paths, four times in stall_timeout.  A path is
 * watched from the first look that finds something in flight there, and anew when
 * something has ended since the last look: so a stall is seen after stall_timeout at the
 * earliest, and a look later at the latest.  The I/O path has no part in it: the selectors
 * leave out what is not usable as before, and an end looks at one flag.
 */

#include "mpath/mpath.h"
#include "mpath/trace.h"

#define DM_MSG_PREFIX "multipath"

/* Bio mode without the guard: path_stats tells how long a path has been silent. */
#define BIO_LOOK_MS	1000

/* ---- who is set aside ---- */

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

/* For the statistics: what the others get while @path is set aside. */
static void set_aside(struct mpath_path *path, bool aside)
{
	u64 chosen;

	if (path->aside == aside)
		return;
	chosen = others_chosen(path);
	WRITE_ONCE(path->avoided, aside ? path->avoided - chosen :
					  path->avoided + chosen);
	WRITE_ONCE(path->aside, aside);
}

/**
 * mpath_settle_group() - after a change: which paths of a group may be selected?
 * @group: the group; the map is locked
 *
 * Those that have not failed and are not stalled; if there is none, the stalled ones.
 *
 * Context: any, hard irq included.
 */
void mpath_settle_group(struct mpath_group *group)
{
	struct dm_ps *ps = &group->ps;
	bool progress = false;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++) {
		struct mpath_path *path = mpath_path_of(ps->paths[i]);

		lockdep_assert_held(&path->m->lock);
		progress |= !path->failed && !path->stalled;
	}
	for (i = 0; i < ps->nr_paths; i++) {
		struct mpath_path *path = mpath_path_of(ps->paths[i]);
		bool aside = !path->failed && path->stalled && progress;

		set_aside(path, aside);
		WRITE_ONCE(path->ps.usable, !path->failed && !aside);
	}
}

/**
 * mpath_guard_progress() - something has ended on a path that is stalled
 * @path: the path
 *
 * Context: any, hard irq included.
 */
void mpath_guard_progress(struct mpath_path *path)
{
	struct mpath *m = path->m;
	unsigned long flags;
	bool stalled;

	spin_lock_irqsave(&m->lock, flags);
	stalled = path->stalled;
	WRITE_ONCE(path->stalled, false);
	if (stalled) {
		trace_mpath_guard(path, false);
		mpath_settle_group(path->group);
	}
	spin_unlock_irqrestore(&m->lock, flags);

	if (stalled)
		DMWARN_LIMIT("%s: path %s goes on", mpath_name(m),
			     path->ps.dev->name);
}

/* ---- the watch ---- */

/* True: it has ended nothing for @timeout_ns, and has something in flight. */
static bool is_silent(struct mpath_path *path, u64 now, u64 timeout_ns)
{
	u64 ended, in_flight = mpath_read_progress(path, &ended);

	if (!in_flight)
		WRITE_ONCE(path->busy_since, 0);
	else if (!path->busy_since || ended != path->ended)
		WRITE_ONCE(path->busy_since, now);
	path->ended = ended;
	return in_flight && now - path->busy_since >= timeout_ns;
}

static void note_stall(struct mpath *m, struct mpath_path *path)
{
	bool news;

	spin_lock_irq(&m->lock);
	news = !path->failed && !path->stalled;
	if (news) {
		trace_mpath_guard(path, true);
		WRITE_ONCE(path->stalled, true);
		mpath_settle_group(path->group);
	}
	spin_unlock_irq(&m->lock);

	if (news)
		DMWARN_LIMIT("%s: path %s has ended nothing for %u ms",
			     mpath_name(m), path->ps.dev->name,
			     m->stall_timeout);
}

/*
 * An end may have missed the flag that was set at the same moment, and may have been the
 * last: then it is seen here.
 */
static void look_at(struct mpath *m, struct mpath_path *path, u64 now)
{
	u64 timeout_ns = (u64)m->stall_timeout * NSEC_PER_MSEC;
	bool silent = is_silent(path, now, timeout_ns);

	if (silent && timeout_ns)
		note_stall(m, path);
	else if (READ_ONCE(path->stalled))
		mpath_guard_progress(path);
}

static void look_again(struct mpath *m)
{
	unsigned int ms = m->stall_timeout ? m->stall_timeout / 4 :
			  m->bio_mode ? BIO_LOOK_MS : 0;

	if (ms)
		queue_delayed_work(mpath_wq, &m->guard_work,
				   msecs_to_jiffies(ms));
}

static void visit_paths(struct mpath *m, u64 now,
			void (*fn)(struct mpath *m, struct mpath_path *path,
				   u64 now))
{
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list)
		fn(m, path, now);
}

static void look(struct work_struct *work)
{
	struct mpath *m = container_of(to_delayed_work(work), struct mpath,
				       guard_work);

	visit_paths(m, ktime_get_ns(), look_at);
	look_again(m);
}

static void forget(struct mpath *m, struct mpath_path *path, u64 now)
{
	WRITE_ONCE(path->busy_since, 0);
}

/**
 * mpath_guard_start() - look after the map's paths from now on, if it is to be
 * @m: the map, whose table is the live one, and which nobody looks after
 *
 * What was seen before, and may have ended long since, is forgotten.
 *
 * Context: process.
 */
void mpath_guard_start(struct mpath *m)
{
	visit_paths(m, 0, forget);
	look_again(m);
}

/**
 * mpath_guard_stop() - no longer
 * @m: the map
 *
 * Context: process, may sleep.
 */
void mpath_guard_stop(struct mpath *m)
{
	cancel_delayed_work_sync(&m->guard_work);
}

/**
 * mpath_guard_init() - nothing is watched yet
 * @m: the map, being made
 */
void mpath_guard_init(struct mpath *m)
{
	INIT_DELAYED_WORK(&m->guard_work, look);
}

/* ---- what is said of it ---- */

/**
 * mpath_guard_word() - for the info line and path_stats
 * @path: the path
 *
 * Return: "off", "ok" or "stalled".
 */
const char *mpath_guard_word(struct mpath_path *path)
{
	if (!path->m->stall_timeout)
		return "off";
	return READ_ONCE(path->stalled) ? "stalled" : "ok";
}

/**
 * mpath_guard_avoided() - how many I/Os went to others while the path was set aside
 * @path: the path
 *
 * Context: process.
 */
u64 mpath_guard_avoided(struct mpath_path *path)
{
	u64 avoided;

	if (!path->m->stall_timeout)
		return 0;

	spin_lock_irq(&path->m->lock);
	avoided = path->avoided;
	if (path->aside)
		avoided += others_chosen(path);
	spin_unlock_irq(&path->m->lock);
	return avoided;
}
