// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of path_stats, for its message and for debugfs: the counters of each path,
 * and the number and age of its I/O in flight.
 *
 * In request mode we iterate over the map's requests in flight to find the oldest one
 * of each path.  This costs the I/O path one time stamp per request, in memory that
 * exists anyway.  We cannot iterate over bios.  In bio mode the age is the time since
 * stall.c saw the last progress of a busy path: the oldest bio is at least as old.
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "dm-rq-compat.h"

/* ---- I/O in flight ---- */

/**
 * struct mpath_scan - result of an iteration over the requests in flight
 * @m: the map
 * @in_flight: number of requests
 * @since: by path number, from 0: start time of the oldest request, 0 if there is none
 */
struct mpath_scan {
	struct mpath *m;
	u64 in_flight;
	u64 *since;
};

/*
 * A request that is not mapped yet may have stale data, even from another table.
 * Therefore we only compare mio->path and never dereference it.
 */
static bool scan_request(struct dm_rq_io *io, void *data)
{
	struct mpath_scan *scan = data;
	struct mpath_io *mio = dm_rq_io_data(io);
	struct mpath_path *mapped = READ_ONCE(mio->path), *path;
	u64 start = READ_ONCE(mio->start);

	scan->in_flight++;
	list_for_each_entry(path, &scan->m->paths, list) {
		u64 *since = &scan->since[path->number - 1];

		if (path != mapped)
			continue;
		if (start && (!*since || start < *since))
			*since = start;
		break;
	}
	return true;
}

/*
 * Bios that wait for a path are in flight for dm core, but on no path.  We do not see
 * those that the worker is just mapping.
 */
static u64 waiting_bios(struct mpath *m)
{
	u64 waiting;

	spin_lock_irq(&m->lock);
	waiting = bio_list_size(&m->bio.waiting);
	spin_unlock_irq(&m->lock);
	return waiting;
}

/* ---- the text ---- */

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

/* @since: start time of the oldest I/O, 0 if we know none */
static int path_text(struct mpath_path *path, const struct mpath_totals *sum,
		     u64 since, char *result, unsigned int maxlen)
{
	u64 now = ktime_get_ns();
	unsigned int i;
	int sz = 0;

	DMEMIT("path %s group %u state %c guard %s chosen %llu avoided %llu",
	       path->ps.dev->name, path->group->number,
	       READ_ONCE(path->failed) ? 'F' : 'A', mpath_stall_word(path),
	       sum->chosen, mpath_stall_diverted(path));
	DMEMIT(" in_flight %llu oldest_ms %llu", mpath_in_flight(sum),
	       mpath_in_flight(sum) ? age_ms(now, since) : 0);
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
	struct mpath_totals *sum = kmalloc(sizeof(*sum), GFP_NOIO);
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

			mpath_sum_up(path, sum);
			sz += path_text(path, sum, m->bio_mode ?
					READ_ONCE(path->stall.busy_since) :
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
 * mpath_path_stats_text() - print the answer to path_stats
 * @m: the map
 * @result: the buffer
 * @maxlen: its size; a longer text is truncated
 *
 * Context: process, may sleep, but does not wait for I/O, so that it works while a
 * suspend waits for this map.
 * Return: the number of characters; -ENOMEM.
 */
int mpath_path_stats_text(struct mpath *m, char *result, unsigned int maxlen)
{
	struct mpath_scan scan = { m };
	int sz = 0, r;

	/* One more, because a map may have no paths. */
	scan.since = kvcalloc(m->nr_paths + 1, sizeof(u64), GFP_NOIO);
	if (!scan.since)
		return -ENOMEM;
	if (m->bio_mode)
		scan.in_flight = waiting_bios(m);
	else
		dm_rq_in_flight_for_each(&m->rq, scan_request, &scan);

	DMEMIT("path_stats 1 time_ms %llu mode %s suspend %s %s %llu",
	       div_u64(ktime_get_ns(), NSEC_PER_MSEC),
	       m->bio_mode ? "bio" : "rq", suspend_word(m),
	       m->bio_mode ? "waiting" : "in_flight", scan.in_flight);
	DMEMIT(" stall_timeout %u groups %u paths %u\n", m->stall.timeout,
	       m->nr_groups, m->nr_paths);
	r = paths_text(m, scan.since, result + sz, maxlen - sz);
	kvfree(scan.since);
	return r < 0 ? r : sz + r;
}

/* ---- debugfs ---- */

static struct dentry *debugfs_root;

/* The text at the time when the file was opened. */
struct mpath_stats_text {
	size_t len;
	char text[];
};

#define MIN_TEXT	SZ_4K
#define MAX_TEXT	SZ_16M

static int keep_text(struct mpath *m, struct file *file)
{
	struct mpath_stats_text *kept;
	size_t size;
	int len;

	for (size = MIN_TEXT; size <= MAX_TEXT; size *= 2) {
		kept = kvmalloc(struct_size(kept, text, size), GFP_NOIO);
		if (!kept)
			return -ENOMEM;
		len = mpath_path_stats_text(m, kept->text, size);
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
 * debugfs protects the map only while this runs, not while the text is read.  A suspend
 * removes the file, and must not wait for a reader that waits for I/O of the map.
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
	struct mpath_stats_text *kept = file->private_data;

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
 * mpath_debugfs_add() - create the map's directory
 * @m: the map, whose table is the live one from now on
 *
 * The directory has the name of the block device, because a rename of the map does not
 * change that.
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
 * mpath_debugfs_remove() - remove the map's directory, and wait for those that open it
 * @m: the map
 *
 * Context: process, may sleep.
 */
void mpath_debugfs_remove(struct mpath *m)
{
	debugfs_remove(m->debugfs);
	m->debugfs = NULL;
}

/**
 * mpath_debugfs_init() - create the module's directory, if there is a debugfs
 *
 * Context: process.
 */
void mpath_debugfs_init(void)
{
	debugfs_root = debugfs_create_dir("dm-mpath-rq", NULL);
}

/**
 * mpath_debugfs_exit() - remove the module's directory
 *
 * Context: process, after the last map.
 */
void mpath_debugfs_exit(void)
{
	debugfs_remove(debugfs_root);
}
