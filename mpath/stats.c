// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each path did, and what it has in flight: as text, for the message path_stats and
 * for debugfs.
 *
 * The numbers are taken without any lock, one after the other, while I/O goes on.  Ends
 * are read before beginnings, so nothing in flight is missed.
 *
 * The oldest I/O of a path: in request mode the map's requests that are in flight are
 * looked through, so this costs the I/O path one time stamp per request, in memory that
 * is there anyway.  Bios cannot be looked through; there it is how long the path has
 * ended nothing while something was in flight, as the guard has seen it
 * (dm-mpath-guard.c): the oldest is as old or older.
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "mpath/mpath.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "multipath"

/* ---- memory ---- */

/*
 * Each allocation for all CPUs is searched for from the beginning, and that is most of what
 * it takes to make a path: so the paths of a map have theirs together, but for very many,
 * as one must not be larger than this.
 */
#define BLOCK_PATHS	(PCPU_MIN_UNIT_SIZE / sizeof(struct mpath_stats))

static bool begins_block(const struct mpath_path *path)
{
	return (path->number - 1) % BLOCK_PATHS == 0;
}

static struct mpath_stats __percpu *alloc_block(struct mpath *m,
						struct mpath_path *path)
{
	size_t paths = min_t(size_t, m->nr_paths - (path->number - 1),
			     BLOCK_PATHS);

	return __alloc_percpu(paths * sizeof(struct mpath_stats),
			      __alignof__(struct mpath_stats));
}

/**
 * mpath_stats_alloc() - every path of a map gets its counters
 * @m: the map, in its constructor, with all its paths
 *
 * Context: process, may sleep.
 * Return: false: no memory; what is there goes with its paths.
 */
bool mpath_stats_alloc(struct mpath *m)
{
	struct mpath_stats __percpu *stats = NULL;
	struct mpath_path *path;

	list_for_each_entry(path, &m->paths, list) {
		stats = begins_block(path) ? alloc_block(m, path) : stats + 1;
		if (!stats)
			return false;
		path->stats = stats;
	}
	return true;
}

/**
 * mpath_stats_free() - a path's, and those of the others in one piece with it
 * @path: goes, as do these
 *
 * Context: process.
 */
void mpath_stats_free(struct mpath_path *path)
{
	if (begins_block(path))
		free_percpu(path->stats);
}

/* ---- counting ---- */

static enum mpath_error_class classify(blk_status_t status)
{
	switch (status) {
	case BLK_STS_TRANSPORT:
		return MPATH_ERROR_TRANSPORT;
	case BLK_STS_TIMEOUT:
		return MPATH_ERROR_TIMEOUT;
	case BLK_STS_OFFLINE:
		return MPATH_ERROR_OFFLINE;
	case BLK_STS_RESOURCE:
	case BLK_STS_DEV_RESOURCE:
	case BLK_STS_AGAIN:
		return MPATH_ERROR_BUSY;
	case BLK_STS_MEDIUM:
	case BLK_STS_PROTECTION:
		return MPATH_ERROR_MEDIUM;
	case BLK_STS_TARGET:
	case BLK_STS_NOTSUPP:
	case BLK_STS_NOSPC:
	case BLK_STS_RESV_CONFLICT:
		return MPATH_ERROR_TARGET;
	default:
		return MPATH_ERROR_IO;
	}
}

/**
 * mpath_count_rare() - an I/O has ended that is no read or write that ended well
 * @stats: of its path
 * @status: how it ended
 *
 * Context: any, hard irq included.
 */
void mpath_count_rare(struct mpath_stats __percpu *stats, blk_status_t status)
{
	if (status)
		this_cpu_inc(stats->errors[classify(status)]);
	else
		this_cpu_inc(stats->others);
}

/* ---- reading ---- */

struct totals {
	u64 chosen;
	u64 others;
	u64 sectors[2];
	u64 latency[2][MPATH_LATENCIES];
	u64 ios[2];
	u64 errors[MPATH_ERROR_CLASSES];
	u64 ended;
};

static void add_cpu(struct totals *sum, const struct mpath_stats *stats)
{
	unsigned int dir, i;

	for (dir = 0; dir < 2; dir++) {
		for (i = 0; i < MPATH_LATENCIES; i++) {
			u64 ios = READ_ONCE(stats->latency[dir][i]);

			sum->latency[dir][i] += ios;
			sum->ios[dir] += ios;
			sum->ended += ios;
		}
		sum->sectors[dir] += READ_ONCE(stats->sectors[dir]);
	}
	for (i = 0; i < MPATH_ERROR_CLASSES; i++) {
		u64 errors = READ_ONCE(stats->errors[i]);

		sum->errors[i] += errors;
		sum->ended += errors;
	}
	sum->others += READ_ONCE(stats->others);
	sum->ended += READ_ONCE(stats->others);
}

static u64 sum_chosen(const struct mpath_path *path)
{
	u64 chosen = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		chosen += READ_ONCE(per_cpu_ptr(path->stats, cpu)->chosen);
	return chosen;
}

static void sum_up(const struct mpath_path *path, struct totals *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu)
		add_cpu(sum, per_cpu_ptr(path->stats, cpu));
	/* What ended before was chosen before. */
	smp_rmb();
	sum->chosen = sum_chosen(path);
}

static u64 in_flight(const struct totals *sum)
{
	return sum->chosen > sum->ended ? sum->chosen - sum->ended : 0;
}

/**
 * mpath_read_progress() - has a path something to do, and does it?
 * @path: the path
 * @ended: how many I/Os have ended there, well or not, so far; those that its queue was
 *	too short of something to take are none
 *
 * Context: any; slow.
 * Return: how many are in flight.
 */
u64 mpath_read_progress(const struct mpath_path *path, u64 *ended)
{
	struct totals sum;

	sum_up(path, &sum);
	*ended = sum.ended - sum.errors[MPATH_ERROR_BUSY];
	return in_flight(&sum);
}

/**
 * mpath_read_chosen() - how many I/Os a path got so far
 * @path: the path
 *
 * Context: any; slow.
 */
u64 mpath_read_chosen(const struct mpath_path *path)
{
	return sum_chosen(path);
}

/* ---- what is in flight, in request mode ---- */

struct walk {
	struct mpath *m;
	u64 in_flight;
	/* By path number, from 0: since when its oldest request is there; 0: it has none. */
	u64 *since;
};

/*
 * What is written in one that was not mapped yet
 * is old, and may come from another table: the path is a number to compare, no more.
 */
static bool look_at(struct dm_rq_io *io, void *data)
{
	struct walk *walk = data;
	struct mpath_io *mio = dm_rq_io_data(io);
	struct mpath_path *mapped = READ_ONCE(mio->path), *path;
	u64 start = READ_ONCE(mio->start);

	walk->in_flight++;
	list_for_each_entry(path, &walk->m->paths, list) {
		u64 *since = &walk->since[path->number - 1];

		if (path != mapped)
			continue;
		if (start && (!*since || start < *since))
			*since = start;
		break;
	}
	return true;
}

/*
 * Bios that wait for a path are in flight for dm core, on no path; those that the worker
 * has in its hands are missed.
 */
static u64 waiting_bios(struct mpath *m)
{
	u64 waiting;

	spin_lock_irq(&m->lock);
	waiting = bio_list_size(&m->waiting);
	spin_unlock_irq(&m->lock);
	return waiting;
}

/* ---- as text ---- */

static const char *const error_names[MPATH_ERROR_CLASSES] = {
	[MPATH_ERROR_TRANSPORT] = "transport",
	[MPATH_ERROR_TIMEOUT] = "timeout",
	[MPATH_ERROR_OFFLINE] = "offline",
	[MPATH_ERROR_BUSY] = "busy",
	[MPATH_ERROR_MEDIUM] = "medium",
	[MPATH_ERROR_TARGET] = "target",
	[MPATH_ERROR_IO] = "io",
};

static int latency_text(const u64 *latency, const char *name, char *result,
			unsigned int maxlen)
{
	unsigned int i;
	int sz = 0;

	DMEMIT(" %s", name);
	for (i = 0; i < MPATH_LATENCIES; i++)
		DMEMIT(" %llu", latency[i]);
	return sz;
}

static u64 age_ms(u64 now, u64 since)
{
	return since && now > since ? div_u64(now - since, NSEC_PER_MSEC) : 0;
}

/* @since: when the oldest I/O began, or 0. */
static int path_text(struct mpath_path *path, const struct totals *sum,
		     u64 since, char *result, unsigned int maxlen)
{
	u64 now = ktime_get_ns();
	unsigned int i;
	int sz = 0;

	DMEMIT("path %s group %u state %c guard %s chosen %llu avoided %llu",
	       path->ps.dev->name, path->group->number,
	       READ_ONCE(path->failed) ? 'F' : 'A', mpath_guard_word(path),
	       sum->chosen, mpath_guard_avoided(path));
	DMEMIT(" in_flight %llu oldest_ms %llu", in_flight(sum),
	       in_flight(sum) ? age_ms(now, since) : 0);
	DMEMIT(" reads %llu read_sectors %llu writes %llu write_sectors %llu others %llu",
	       sum->ios[READ], sum->sectors[READ], sum->ios[WRITE],
	       sum->sectors[WRITE], sum->others);
	for (i = 0; i < MPATH_ERROR_CLASSES; i++)
		DMEMIT(" error_%s %llu", error_names[i], sum->errors[i]);
	sz += latency_text(sum->latency[READ], "read_us", result + sz,
			   maxlen - sz);
	sz += latency_text(sum->latency[WRITE], "write_us", result + sz,
			   maxlen - sz);
	DMEMIT("\n");
	return sz;
}

static int paths_text(struct mpath *m, const u64 *since, char *result,
		      unsigned int maxlen)
{
	struct totals *sum = kmalloc(sizeof(*sum), GFP_NOIO);
	unsigned int i, j;
	int sz = 0;

	if (!sum)
		return -ENOMEM;

	for (i = 0; i < m->nr_groups; i++) {
		struct mpath_group *group = m->groups[i];

		DMEMIT("group %u state %c selector %s paths %u\n",
		       group->number, mpath_group_letter(m, group),
		       group->ps.type->name, group->ps.nr_paths);
		for (j = 0; j < group->ps.nr_paths; j++) {
			struct mpath_path *path =
				mpath_path_of(group->ps.paths[j]);

			sum_up(path, sum);
			sz += path_text(path, sum, m->bio_mode ?
					READ_ONCE(path->busy_since) :
					since[path->number - 1],
					result + sz, maxlen - sz);
		}
	}
	kfree(sum);
	return sz;
}

static const char *suspend_word(struct mpath *m)
{
	if (dm_suspended(m->rq.ti))
		return "done";
	return READ_ONCE(m->suspending) ? "waits" : "no";
}

/**
 * mpath_stats_text() - the answer to path_stats
 * @m: the map
 * @result: where to; what does not fit is missing, at the end
 * @maxlen: room there
 *
 * Context: process, may sleep, but for no I/O: also while a suspend waits for this map.
 * Return: the number of characters; -ENOMEM.
 */
int mpath_stats_text(struct mpath *m, char *result, unsigned int maxlen)
{
	struct walk walk = { m };
	int sz = 0, r;

	/* One more, as there are maps without paths. */
	walk.since = kvcalloc(m->nr_paths + 1, sizeof(u64), GFP_NOIO);
	if (!walk.since)
		return -ENOMEM;
	if (m->bio_mode)
		walk.in_flight = waiting_bios(m);
	else
		dm_rq_visit_in_flight(&m->rq, look_at, &walk);

	DMEMIT("path_stats 1 time_ms %llu mode %s suspend %s %s %llu",
	       div_u64(ktime_get_ns(), NSEC_PER_MSEC),
	       m->bio_mode ? "bio" : "rq", suspend_word(m),
	       m->bio_mode ? "waiting" : "in_flight", walk.in_flight);
	DMEMIT(" stall_timeout %u groups %u paths %u\n", m->stall_timeout,
	       m->nr_groups, m->nr_paths);
	r = paths_text(m, walk.since, result + sz, maxlen - sz);
	kvfree(walk.since);
	return r < 0 ? r : sz + r;
}

/* ---- debugfs ---- */

static struct dentry *debugfs_root;

/* What a reader gets, all of it from the time when the file was opened. */
struct stats_text {
	size_t len;
	char text[];
};

#define MIN_TEXT	SZ_4K
#define MAX_TEXT	SZ_16M

static int keep_text(struct mpath *m, struct file *file)
{
	struct stats_text *kept;
	size_t size;
	int len;

	for (size = MIN_TEXT; size <= MAX_TEXT; size *= 2) {
		kept = kvmalloc(struct_size(kept, text, size), GFP_NOIO);
		if (!kept)
			return -ENOMEM;
		len = mpath_stats_text(m, kept->text, size);
		if (len >= 0 && len + 1 < size) {
			kept->len = len;
			file->private_data = kept;
			return 0;
		}
		kvfree(kept);
		if (len < 0)
			return len;
	}
	return -EFBIG;
}

/*
 * debugfs keeps the map while this runs, and not while the text is read: a suspend, which
 * has the file removed, must not wait for what may wait for I/O of the map.
 */
static int path_stats_open(struct inode *inode, struct file *file)
{
	unsigned int noio = memalloc_noio_save();
	int r = keep_text(inode->i_private, file);

	memalloc_noio_restore(noio);
	return r;
}

static ssize_t path_stats_read(struct file *file, char __user *to, size_t count,
			       loff_t *pos)
{
	struct stats_text *kept = file->private_data;

	return simple_read_from_buffer(to, count, pos, kept->text, kept->len);
}

static int path_stats_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

static const struct file_operations path_stats_fops = {
	.owner = THIS_MODULE,
	.open = path_stats_open,
	.read = path_stats_read,
	.llseek = default_llseek,
	.release = path_stats_release,
};

/**
 * mpath_debugfs_add() - the map's directory
 * @m: the map, whose table is the live one from now on
 *
 * Its name is that of the block device, which a map keeps when it gets another one.
 *
 * Context: process, may sleep.
 */
void mpath_debugfs_add(struct mpath *m)
{
	if (m->debugfs)
		return;
	m->debugfs = debugfs_create_dir(dm_disk(m->rq.md)->disk_name,
					debugfs_root);
	debugfs_create_file_unsafe("path_stats", 0400, m->debugfs, m,
				   &path_stats_fops);
}

/**
 * mpath_debugfs_remove() - it is gone, and nobody opens it any more
 * @m: the map
 *
 * Context: process, may sleep.
 */
void mpath_debugfs_remove(struct mpath *m)
{
	debugfs_remove(m->debugfs);
	m->debugfs = NULL;
}

/** mpath_stats_init() - once per module; without debugfs there is no directory */
void mpath_stats_init(void)
{
	debugfs_root = debugfs_create_dir("dm-mpath-rq", NULL);
}

/** mpath_stats_exit() - after the last map */
void mpath_stats_exit(void)
{
	debugfs_remove(debugfs_root);
}
