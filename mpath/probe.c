// SPDX-License-Identifier: GPL-2.0-only
/*
 * The prober: which paths answer?
 *
 * A probe of a path is a read of its first logical block.  We send the probes of a batch
 * together, as regions of one dm_iot call (include/linux/dm-io-timeout.h), and wait no
 * longer than the timeout, whatever the devices do.
 *
 * A read that has not completed by then stays outstanding, and we send no other read to
 * that device meanwhile: later probes, of any map, share the outstanding read.  There is
 * one exception.  After a message has reinstated the path, an older read says nothing
 * about it, so we send a second one.  Therefore a silent device never has more than two
 * of our reads.
 *
 * Ownership: each probed device has a struct mpath_probe_dev with the buffers and with
 * a reference that keeps the device open.  All paths to the device share it, and an
 * outstanding read has a reference to it.  So maps are suspended, loaded and removed
 * without waiting for reads; only the unloading of the module waits.  We send the reads
 * with DM_IOT_NO_CANCEL, to ensure that a device does not use the buffer any more when
 * we are told that a read has completed.
 */

#include <linux/blkdev.h>
#include <linux/dm-io-timeout.h>
#include <linux/hashtable.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "mpath/mpath.h"
#include "mpath/probe.h"
#include "dm-rq-compat.h"

/* Regions per dm_iot call.  For more paths we make several calls at the same time. */
#define IO_REGIONS		64

/* Like the map's I/O, but never merged. */
#define PROBE_OPF		(REQ_OP_READ | REQ_SYNC | REQ_NOMERGE | \
				 REQ_FAILFAST_DEV | REQ_FAILFAST_TRANSPORT)

/**
 * struct mpath_probe_read - a read of a device
 * @dev: the device; constant
 * @block: buffer, whose content is ignored; constant
 * @waiters: the waiters for this read; under @probe_lock, as all below
 * @sent: time of its submission
 * @out: it is outstanding
 */
struct mpath_probe_read {
	struct mpath_probe_dev *dev;
	void *block;
	struct list_head waiters;
	ktime_t sent;
	bool out;
};

/*
 * One read, and another one after each reinstatement while all others are outstanding.
 * A checker may reinstate a path several times before SCSI gives up the first read.
 */
#define READS	4

/**
 * struct mpath_probe_dev - a device that is a path of one or more maps
 * @node: entry in @devices; under @devices_lock
 * @refs: references of paths and of outstanding reads. The last one is dropped under
 *	@devices_lock
 * @bdev: constant
 * @hold: reference that keeps the device open; constant
 * @sectors: size of a read; constant
 * @release: drops the last reference for a read, which must not sleep
 * @read: one is used only while those before it are outstanding
 */
struct mpath_probe_dev {
	struct hlist_node node;
	refcount_t refs;
	struct block_device *bdev;
	DM_RQ_DEV_REF *hold;
	sector_t sectors;
	struct work_struct release;
	struct mpath_probe_read read[READS];
};

/**
 * struct probe_io - context of a dm_iot call, freed after its last region
 * @left: number of regions that have not ended
 * @read: the read of each region
 * @block: the memory of each region
 * @region: needed during the call only
 */
struct probe_io {
	atomic_t left;
	struct mpath_probe_read *read[IO_REGIONS];
	struct bio_vec block[IO_REGIONS];
	struct dm_iot_region region[IO_REGIONS];
};

/* For all maps.  As probes copy no data, its reserve is small. */
static struct dm_iot_client *client;

/* Batches of probe_interval, and the closing of devices. */
static struct workqueue_struct *probe_wq;

static DEFINE_MUTEX(devices_lock);
static DEFINE_HASHTABLE(devices, 8);

/* Protects reads, waiters and batches; taken in any context. */
static DEFINE_SPINLOCK(probe_lock);

static struct mpath_probe_waiter *end_of(struct mpath_probe_batch *batch)
{
	return batch->waiter + batch->nr;
}

/* ---- devices ---- */

static struct mpath_probe_dev *find_probe_dev(struct block_device *bdev)
{
	struct mpath_probe_dev *p;

	lockdep_assert_held(&devices_lock);

	hash_for_each_possible(devices, p, node, (unsigned long)bdev)
		if (p->bdev == bdev)
			return p;
	return NULL;
}

static void release_work(struct work_struct *work)
{
	mpath_probe_dev_put(container_of(work, struct mpath_probe_dev, release));
}

static void free_probe_dev(struct mpath_probe_dev *p)
{
	unsigned int i;

	for (i = 0; i < READS; i++)
		kfree(p->read[i].block);
	kfree(p);
}

static int init_read(struct mpath_probe_dev *p, struct mpath_probe_read *read)
{
	read->dev = p;
	INIT_LIST_HEAD(&read->waiters);
	/* kmalloc() aligns a power of two to its size: suitable for any DMA. */
	read->block = kmalloc(p->sectors << SECTOR_SHIFT, GFP_KERNEL);
	return read->block ? 0 : -ENOMEM;
}

static struct mpath_probe_dev *new_probe_dev(struct dm_dev *dev)
{
	struct mpath_probe_dev *p;
	unsigned int i;
	int r = 0;

	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return ERR_PTR(-ENOMEM);
	refcount_set(&p->refs, 1);
	p->bdev = dev->bdev;
	INIT_WORK(&p->release, release_work);
	p->sectors = bdev_logical_block_size(dev->bdev) >> SECTOR_SHIFT;
	for (i = 0; !r && i < READS; i++)
		r = init_read(p, &p->read[i]);
	if (!r) {
		p->hold = dm_rq_hold_dev(dev);
		if (dm_rq_hold_failed(p->hold))
			r = PTR_ERR(p->hold);
	}
	if (r) {
		free_probe_dev(p);
		return ERR_PTR(r);
	}
	return p;
}

/**
 * mpath_probe_dev_get() - get the prober's object for the device of a path
 * @dev: the device, as in the table
 *
 * Everything that may sleep on an unresponsive device happens here, so that probes do
 * not.
 *
 * Context: process, may sleep.
 * Return: the object, to be released by mpath_probe_dev_put(); or an ERR_PTR().
 */
struct mpath_probe_dev *mpath_probe_dev_get(struct dm_dev *dev)
{
	struct mpath_probe_dev *p;

	mutex_lock(&devices_lock);
	p = find_probe_dev(dev->bdev);
	if (p) {
		refcount_inc(&p->refs);
	} else {
		p = new_probe_dev(dev);
		if (!IS_ERR(p))
			hash_add(devices, &p->node, (unsigned long)p->bdev);
	}
	mutex_unlock(&devices_lock);
	return p;
}

/**
 * mpath_probe_dev_put() - release the prober's object of a device
 * @p: the object; an outstanding read keeps it
 *
 * Context: process, may sleep.
 */
void mpath_probe_dev_put(struct mpath_probe_dev *p)
{
	if (!refcount_dec_and_mutex_lock(&p->refs, &devices_lock))
		return;
	hash_del(&p->node);
	mutex_unlock(&devices_lock);

	dm_rq_release_dev(p->hold);
	free_probe_dev(p);
}

/* Any context.  If this is the last reference, the work drops it. */
static void put_after_read(struct mpath_probe_dev *p)
{
	if (!refcount_dec_not_one(&p->refs))
		queue_work(probe_wq, &p->release);
}

/* ---- reads ---- */

/* A read has completed, or could not be sent.  Any context. */
static void answer_read(struct mpath_probe_read *read, int error)
{
	struct mpath_probe_waiter *waiter, *next;
	unsigned long flags;
	s64 us;

	spin_lock_irqsave(&probe_lock, flags);
	us = ktime_us_delta(ktime_get(), read->sent);
	list_for_each_entry_safe(waiter, next, &read->waiters, list) {
		list_del_init(&waiter->list);
		waiter->answered = true;
		waiter->error = error;
		waiter->us = us;
		if (!--waiter->batch->pending)
			complete(&waiter->batch->done);
	}
	read->out = false;
	spin_unlock_irqrestore(&probe_lock, flags);

	put_after_read(read->dev);
}

/*
 * Context: any, hard irq included.  We ignore DM_IOT_TIMEOUT, because the waiters for one
 * read may have different timeouts, which they measure themselves.
 */
static void read_state(const struct dm_iot_region_state *state, void *context)
{
	struct probe_io *io = context;

	if (state->state == DM_IOT_TIMEOUT)
		return;
	answer_read(io->read[state->index], state->error_code);
	if (atomic_dec_and_test(&io->left))
		kfree(io);
}

static int send_io(struct mpath_probe_read **reads, unsigned int nr,
		   unsigned int ms)
{
	struct dm_iot_control ctl = {
		.client = client,
		.memory = { .type = DM_IOT_BVEC },
		.opf = PROBE_OPF,
		.notify = read_state,
		.timeout = ms,
		.flags = DM_IOT_NO_CANCEL,
	};
	struct probe_io *io;
	unsigned int i;
	int r;

	io = kmalloc(sizeof(*io), GFP_NOIO);
	if (!io)
		return -ENOMEM;
	atomic_set(&io->left, nr);
	for (i = 0; i < nr; i++) {
		struct mpath_probe_dev *p = reads[i]->dev;

		io->read[i] = reads[i];
		io->block[i] = (struct bio_vec){
			.bv_page = virt_to_page(reads[i]->block),
			.bv_offset = offset_in_page(reads[i]->block),
			.bv_len = p->sectors << SECTOR_SHIFT,
		};
		io->region[i] = (struct dm_iot_region){
			.bdev = p->bdev,
			.count = p->sectors,
		};
	}
	ctl.memory.bvec = io->block;
	ctl.context = io;

	r = dm_iot_io(&ctl, nr, io->region, NULL);
	if (r)
		kfree(io);
	return r;
}

/* dm_iot refuses a call as a whole.  Then we send its reads one by one. */
static void send_reads(struct mpath_probe_read **reads, unsigned int nr,
		       unsigned int ms)
{
	unsigned int i;
	int r;

	r = send_io(reads, nr, ms);
	if (likely(!r))
		return;
	for (i = 0; i < nr; i++) {
		if (nr > 1 && r != -ENOMEM)
			r = send_io(&reads[i], 1, ms);
		if (r)
			answer_read(reads[i], r);
	}
}

/* ---- batches ---- */

/* @dev: 0 for all paths */
static bool is_probed(struct mpath_path *path, dev_t dev)
{
	return !dev || path->ps.dev->bdev->bd_dev == dev;
}

/**
 * mpath_probe_count() - number of paths that mpath_probe_paths() would probe
 * @m: the map
 * @dev: their device, or 0 for all paths
 */
unsigned int mpath_probe_count(struct mpath *m, dev_t dev)
{
	struct mpath_path *path;
	unsigned int nr = 0;

	list_for_each_entry(path, &m->paths, list)
		nr += is_probed(path, dev);
	return nr;
}

/* @nr: an upper limit for the number of paths */
static struct mpath_probe_batch *new_batch(struct mpath *m, unsigned int nr)
{
	struct mpath_probe_batch *batch;

	/* GFP_NOIO, because the I/O to wait for could be this map's. */
	batch = kvzalloc(struct_size(batch, waiter, nr), GFP_NOIO);
	if (!batch)
		return NULL;
	batch->m = m;
	init_completion(&batch->done);
	return batch;
}

static void add_to_batch(struct mpath_probe_batch *batch, struct mpath_path *path)
{
	batch->waiter[batch->nr].batch = batch;
	batch->waiter[batch->nr++].path = path;
}

/*
 * A read that was sent before the path was reinstated says nothing about the path,
 * because the fault that swallowed it may be over.
 */
static bool is_stale(struct mpath_probe_waiter *waiter, struct mpath_probe_read *read)
{
	return read->out && ktime_before(read->sent, waiter->reinstated);
}

/* If all reads are stale, then we take the path for silent, as it has been so far. */
static struct mpath_probe_read *read_for(struct mpath_probe_waiter *waiter)
{
	struct mpath_probe_read *read = waiter->path->probe.dev->read;
	struct mpath_probe_read *last = read + READS - 1;

	lockdep_assert_held(&probe_lock);

	while (read < last && is_stale(waiter, read))
		read++;
	return read;
}

static void enter_waiter(struct mpath_probe_waiter *waiter)
{
	struct mpath_probe_read *read;

	waiter->reinstated = READ_ONCE(waiter->path->probe.reinstated);
	read = read_for(waiter);
	waiter->read = read;
	waiter->is_stale = is_stale(waiter, read);
	list_add_tail(&waiter->list, &read->waiters);
	if (read->out)
		return;
	refcount_inc(&read->dev->refs);
	read->out = true;
	read->sent = ktime_get();
	waiter->sends = true;
}

/* Here we also decide which reads the batch has to send. */
static int enter_batch(struct mpath_probe_batch *batch)
{
	struct mpath_probe_waiter *waiter;
	struct mpath *m = batch->m;

	spin_lock_irq(&probe_lock);
	if (m->probe.stopped) {
		spin_unlock_irq(&probe_lock);
		return -EBUSY;
	}
	list_add(&batch->list, &m->probe.batches);
	batch->pending = batch->nr;
	if (!batch->nr)
		complete(&batch->done);
	for (waiter = batch->waiter; waiter < end_of(batch); waiter++)
		enter_waiter(waiter);
	spin_unlock_irq(&probe_lock);
	return 0;
}

static void send_batch(struct mpath_probe_batch *batch, unsigned int ms)
{
	struct mpath_probe_read *reads[IO_REGIONS];
	struct mpath_probe_waiter *waiter;
	unsigned int nr = 0;

	for (waiter = batch->waiter; waiter < end_of(batch); waiter++) {
		if (waiter->sends)
			reads[nr++] = waiter->read;
		if (nr == IO_REGIONS) {
			send_reads(reads, nr, ms);
			nr = 0;
		}
	}
	if (nr)
		send_reads(reads, nr, ms);
}

/* After this, no read touches the batch any more. */
static int leave_batch(struct mpath_probe_batch *batch)
{
	struct mpath_probe_waiter *waiter;
	int r;

	spin_lock_irq(&probe_lock);
	list_del(&batch->list);
	for (waiter = batch->waiter; waiter < end_of(batch); waiter++)
		list_del_init(&waiter->list);
	r = batch->stopped && batch->pending ? -EBUSY : 0;
	spin_unlock_irq(&probe_lock);
	return r;
}

static int wait_for_batch(struct mpath_probe_batch *batch, unsigned long until)
{
	unsigned long now = jiffies;
	long r;

	r = wait_for_completion_killable_timeout(&batch->done,
						 time_before(now, until) ?
						 until - now : 0);
	return r < 0 ? -EINTR : 0;
}

/* Probe the paths of @batch.  Returns 0, -EBUSY or -EINTR, as mpath_probe_paths(). */
static int run_batch(struct mpath_probe_batch *batch, unsigned int ms)
{
	/* Round up, because the current tick is partly over. */
	unsigned long until = jiffies + msecs_to_jiffies(ms) + 1;
	int r, left;

	r = enter_batch(batch);
	if (r)
		return r;
	send_batch(batch, ms);
	r = wait_for_batch(batch, until);
	left = leave_batch(batch);
	return r ?: left;
}

/**
 * mpath_probe_paths() - probe paths and wait for their answers
 * @m: the map
 * @dev: the device of the paths, or 0 for all paths
 * @ms: the timeout
 *
 * Context: process, may sleep, for the timeout and a tick at most.
 * Return: the results, to be freed by mpath_probe_free(); or an ERR_PTR(): -ENOMEM,
 * -EBUSY if the map is being suspended, -EINTR if the caller is being killed.
 */
struct mpath_probe_batch *mpath_probe_paths(struct mpath *m, dev_t dev,
					    unsigned int ms)
{
	struct mpath_probe_batch *batch;
	struct mpath_path *path;
	int r;

	batch = new_batch(m, mpath_probe_count(m, dev));
	if (!batch)
		return ERR_PTR(-ENOMEM);
	list_for_each_entry(path, &m->paths, list)
		if (is_probed(path, dev))
			add_to_batch(batch, path);
	r = run_batch(batch, ms);
	if (r) {
		mpath_probe_free(batch);
		return ERR_PTR(r);
	}
	return batch;
}

/**
 * mpath_probe_free() - free the results of mpath_probe_paths()
 * @batch: the results
 */
void mpath_probe_free(struct mpath_probe_batch *batch)
{
	kvfree(batch);
}

/* ---- consequences ---- */

enum probe_result {
	PROBE_GOOD,
	PROBE_SILENT,
	PROBE_BAD,
	PROBE_UNKNOWN,
};

/*
 * As with the map's I/O, an error that is not the path's is a good answer.  A lack of
 * memory says nothing about the path, and neither does the refusal of our read as
 * malformed.  The same holds for an error in a group that the hardware handler has not
 * activated: standby paths reject reads, as they should.
 */
static enum probe_result result_of(struct mpath *m,
				   struct mpath_probe_waiter *waiter)
{
	struct mpath_path *path = waiter->path;

	if (waiter->answered &&
	    (waiter->error == -ENOMEM || waiter->error == -EINVAL))
		return PROBE_UNKNOWN;
	if (waiter->answered &&
	    (!waiter->error ||
	     !mpath_is_path_error(errno_to_blk_status(waiter->error))))
		return PROBE_GOOD;
	/* Reinstated meanwhile: this result is stale. */
	if (READ_ONCE(path->probe.reinstated) != waiter->reinstated)
		return PROBE_UNKNOWN;
	if (!waiter->answered)
		return PROBE_SILENT;
	if (waiter->is_stale)
		return PROBE_UNKNOWN;
	if (m->handler.name && READ_ONCE(m->current_group) != path->group)
		return PROBE_UNKNOWN;
	return PROBE_BAD;
}

/**
 * mpath_probe_apply() - fail and reinstate paths according to the results of a probe
 * @batch: the results
 * @reinstate: called for each path with a good answer; NULL: reinstate none
 *
 * We reinstate paths first, and fail silent paths last, from the end of the table: the
 * last usable path is never failed for being silent.
 *
 * Context: process.
 */
void mpath_probe_apply(struct mpath_probe_batch *batch,
		       void (*reinstate)(struct mpath_path *path))
{
	struct mpath_probe_waiter *waiter;
	struct mpath *m = batch->m;

	if (reinstate)
		for (waiter = batch->waiter; waiter < end_of(batch); waiter++)
			if (result_of(m, waiter) == PROBE_GOOD)
				reinstate(waiter->path);
	for (waiter = batch->waiter; waiter < end_of(batch); waiter++)
		if (result_of(m, waiter) == PROBE_BAD)
			mpath_fail_path(waiter->path, "probe failed");
	for (waiter = end_of(batch); waiter-- > batch->waiter; )
		if (result_of(m, waiter) == PROBE_SILENT)
			mpath_fail_path_unless_last(waiter->path,
						    "probe timed out");
}

/* ---- the ioctl DM_MPATH_PROBE_PATHS ---- */

/* Fail the paths of @group that do not work.  Returns 0, -EBUSY, -EINTR or -ENOMEM. */
static int probe_group(struct mpath *m, struct mpath_group *group)
{
	struct mpath_probe_batch *batch;
	struct mpath_path *path;
	unsigned int i;
	int r;

	batch = new_batch(m, group->ps.nr_paths);
	if (!batch)
		return -ENOMEM;
	for (i = 0; i < group->ps.nr_paths; i++) {
		path = mpath_path_of(group->ps.paths[i]);
		if (!READ_ONCE(path->failed))
			add_to_batch(batch, path);
	}
	r = run_batch(batch, MPATH_PROBE_TIMEOUT_MS);
	if (!r)
		mpath_probe_apply(batch, NULL);
	mpath_probe_free(batch);
	return r;
}

/**
 * mpath_probe_current_group() - fail the paths of the current group that do not work
 * @m: the map
 *
 * We do not probe paths of other groups, because that could activate them.  For the same
 * reason we probe none while the current group is being activated, nor during a suspend.
 * If the group changes meanwhile, then an error fails no path that a hardware handler
 * would have to activate.
 *
 * Context: process, may sleep, for %MPATH_PROBE_TIMEOUT_MS and a tick at most.
 * Return: 0 if a path has not failed, in any group; -ENOTCONN if all have; -EINTR if the
 * caller is being killed; -ENOMEM.
 */
int mpath_probe_current_group(struct mpath *m)
{
	struct mpath_group *group = READ_ONCE(m->current_group);
	int r = 0;

	might_sleep();
	if (group)
		r = probe_group(m, group);
	if (r && r != -EBUSY)
		return r;
	return READ_ONCE(m->nr_usable) ? 0 : -ENOTCONN;
}

/* ---- probe_interval ---- */

static void probe_work(struct work_struct *work)
{
	struct mpath *m = container_of(to_delayed_work(work), struct mpath,
				       probe.work);
	unsigned long next = jiffies + msecs_to_jiffies(m->probe.interval);
	struct mpath_probe_batch *batch;

	batch = mpath_probe_paths(m, 0, min_t(unsigned int, m->probe.interval,
					      MPATH_PROBE_TIMEOUT_MS));
	if (!IS_ERR(batch)) {
		mpath_probe_apply(batch, mpath_probe_reinstate);
		mpath_probe_free(batch);
	} else if (PTR_ERR(batch) == -EBUSY) {
		return;
	}
	queue_delayed_work(probe_wq, &m->probe.work,
			   time_before(jiffies, next) ? next - jiffies : 0);
}

/**
 * mpath_probe_start() - permit probes, and start those of probe_interval
 * @m: the map, which is being resumed
 *
 * Context: process.
 */
void mpath_probe_start(struct mpath *m)
{
	spin_lock_irq(&probe_lock);
	m->probe.stopped = false;
	spin_unlock_irq(&probe_lock);

	if (m->probe.interval)
		queue_delayed_work(probe_wq, &m->probe.work,
				   msecs_to_jiffies(m->probe.interval));
}

/**
 * mpath_probe_stop() - stop waiting for answers, and permit no more probes
 * @m: the map, which will be suspended
 *
 * dm core's suspend waits for messages to return.  To keep it from waiting for probes, a
 * message that waits for one returns now.
 *
 * Context: process.
 */
void mpath_probe_stop(struct mpath *m)
{
	struct mpath_probe_batch *batch;

	spin_lock_irq(&probe_lock);
	m->probe.stopped = true;
	list_for_each_entry(batch, &m->probe.batches, list) {
		batch->stopped = true;
		complete(&batch->done);
	}
	spin_unlock_irq(&probe_lock);
}

/**
 * mpath_probe_end() - wait until the worker of probe_interval has ended
 * @m: the map, after mpath_probe_stop() or never resumed
 *
 * Context: process, may sleep, but does not wait for a device.
 */
void mpath_probe_end(struct mpath *m)
{
	cancel_delayed_work_sync(&m->probe.work);
}

/* ---- initialization ---- */

/**
 * mpath_probe_init_map() - initialize the prober's part of a map
 * @m: the map, in its constructor
 */
void mpath_probe_init_map(struct mpath *m)
{
	INIT_LIST_HEAD(&m->probe.batches);
	INIT_DELAYED_WORK(&m->probe.work, probe_work);
}

/**
 * mpath_probe_init() - initialize the prober
 *
 * Context: process, may sleep.
 * Return: 0 or an errno.
 */
int mpath_probe_init(void)
{
	/* Unbound, because each batch occupies its worker for up to the timeout. */
	probe_wq = alloc_workqueue("mpath-probe",
				   WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!probe_wq)
		return -ENOMEM;
	client = dm_iot_client_create(IO_REGIONS, 1, 0);
	if (IS_ERR(client)) {
		destroy_workqueue(probe_wq);
		return PTR_ERR(client);
	}
	return 0;
}

/**
 * mpath_probe_exit() - destroy the client and the workqueue
 *
 * Context: process, may sleep, until all reads have completed. dm_iot logs the devices
 * that it waits for every 30 seconds.
 */
void mpath_probe_exit(void)
{
	dm_iot_client_destroy(client);
	destroy_workqueue(probe_wq);
}
