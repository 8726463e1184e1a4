/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The prober: reads that tell whether paths answer.  See the head of probe.c.
 */
#ifndef DM_MPATH_PROBE_H
#define DM_MPATH_PROBE_H

#include <linux/completion.h>
#include <linux/list.h>

#include "mpath/mpath.h"

#define MPATH_PROBE_TIMEOUT_MS		1000
#define MPATH_PROBE_MAX_TIMEOUT_MS	60000

struct mpath_probe_batch;
struct mpath_probe_read;

/**
 * struct mpath_probe_waiter - a path of a batch, which waits for a read of its device
 * @list: entry in read->waiters until the read is answered
 * @batch: the batch; constant
 * @path: the path; constant
 * @read: the read, which belongs to the device; constant
 * @reinstated: path->probe.reinstated when the batch began; the batch's own
 * @is_stale: the read was sent before the path was reinstated; the batch's own
 * @sends: this batch sends the read; the batch's own
 * @answered: the read has completed; prober's lock, constant after the batch, as are
 *	the next two
 * @error: of the read, 0 or a negative errno
 * @us: time between its submission and its completion
 */
struct mpath_probe_waiter {
	struct list_head list;
	struct mpath_probe_batch *batch;
	struct mpath_path *path;
	struct mpath_probe_read *read;
	ktime_t reinstated;
	bool is_stale;
	bool sends;
	bool answered;
	int error;
	s64 us;
};

/**
 * struct mpath_probe_batch - paths that are probed at the same time
 * @m: the map
 * @list: entry in m->probe.batches; prober's lock, as the next two
 * @pending: number of paths without an answer
 * @stopped: the map is being suspended
 * @done: completed when nothing is pending, or when @stopped is set
 * @nr: number of @waiter
 * @waiter: in the order of the table
 */
struct mpath_probe_batch {
	struct mpath *m;
	struct list_head list;
	unsigned int pending;
	bool stopped;
	struct completion done;
	unsigned int nr;
	struct mpath_probe_waiter waiter[];
};

struct mpath_probe_dev *mpath_probe_dev_get(struct dm_dev *dev);
void mpath_probe_dev_put(struct mpath_probe_dev *p);

unsigned int mpath_probe_count(struct mpath *m, dev_t dev);
struct mpath_probe_batch *mpath_probe_paths(struct mpath *m, dev_t dev,
					    unsigned int ms);
void mpath_probe_apply(struct mpath_probe_batch *batch,
		       void (*reinstate)(struct mpath_path *path));
void mpath_probe_free(struct mpath_probe_batch *batch);
int mpath_probe_current_group(struct mpath *m);

void mpath_probe_start(struct mpath *m);
void mpath_probe_stop(struct mpath *m);
void mpath_probe_end(struct mpath *m);
void mpath_probe_init_map(struct mpath *m);
int mpath_probe_init(void);
void mpath_probe_exit(void);

#endif /* DM_MPATH_PROBE_H */
