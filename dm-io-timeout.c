// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-io-timeout: clients, calls, cancellation.
 *
 * include/linux/dm-io-timeout.h is the contract with our users. iot/iot.h lists
 * the files of this module and what each of them offers.
 */

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "iot/iot.h"

#define DM_MSG_PREFIX "io timeout"

#define KNOWN_FLAGS (DM_IOT_CANCEL_ON_TIMEOUT | DM_IOT_NO_CANCEL | \
		     DM_IOT_NO_WAIT | DM_IOT_SYNC)

/*
 * We reject request flags that change how a bio is completed, such as
 * REQ_POLLED, or that announce a payload which we do not attach, such as
 * REQ_INTEGRITY.
 */
#define KNOWN_REQ_FLAGS (REQ_FAILFAST_MASK | REQ_SYNC | REQ_META | REQ_PRIO | \
			 REQ_NOMERGE | REQ_IDLE | REQ_FUA | REQ_PREFLUSH | \
			 REQ_RAHEAD | REQ_BACKGROUND | REQ_NOWAIT | REQ_NOUNMAP)

/*
 * While dm_iot_client_destroy() waits, it logs the devices it waits for: how
 * often in seconds, and how many devices at most.
 */
#define REPORT_SECONDS	30
#define REPORT_DEVICES	8

static enum req_op op_of(blk_opf_t opf)
{
	return (__force enum req_op)(opf & (__force blk_opf_t)REQ_OP_MASK);
}

/* ---- clients ---- */

/**
 * dm_iot_client_create() - create a client with its own memory reserves
 * @devices: maximum number of regions per call, 1 to %DM_IOT_MAX_DEVICES
 * @min_ios: number of calls that can make progress at the same time even if the
 *	system has no memory, 1 to %DM_IOT_MAX_MIN_IOS. More calls may be active
 *	while there is memory
 * @max_size: maximum size in bytes of a copied piece, up to %DM_IOT_MAX_SIZE;
 *	rounded up to full pages. We send a larger region in several pieces. If
 *	@max_size is 0, calls with data must use %DM_IOT_NO_CANCEL
 *
 * The reserve is @devices times @min_ios pieces of @max_size. It is not shared
 * with other clients.
 *
 * Context: process, may sleep.
 *
 * Return: the client, or ERR_PTR(-EINVAL) if an argument is out of range, or
 * ERR_PTR(-ENOMEM).
 */
struct dm_iot_client *dm_iot_client_create(unsigned int devices,
					   unsigned int min_ios,
					   unsigned int max_size)
{
	struct dm_iot_client *client;
	int r;

	if (!devices || devices > DM_IOT_MAX_DEVICES ||
	    !min_ios || min_ios > DM_IOT_MAX_MIN_IOS ||
	    max_size > DM_IOT_MAX_SIZE)
		return ERR_PTR(-EINVAL);

	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return ERR_PTR(-ENOMEM);
	client->devices = devices;
	client->pages = DIV_ROUND_UP(max_size, PAGE_SIZE);
	refcount_set(&client->refs, 1);
	init_waitqueue_head(&client->wait);
	spin_lock_init(&client->lock);
	INIT_LIST_HEAD(&client->active);
	INIT_LIST_HEAD(&client->zombies);
	INIT_LIST_HEAD(&client->waiting);
	INIT_LIST_HEAD(&client->reports);
	client->timed = RB_ROOT_CACHED;
	timer_setup(&client->timer, iot_timer, 0);
	INIT_DELAYED_WORK(&client->retry, iot_retry);

	r = mempool_init_kmalloc_pool(&client->handles, min_ios,
				      struct_size_t(struct dm_iot_handle,
						    region, devices));
	if (r)
		goto bad_handles;
	r = iot_send_init(client, devices * min_ios);
	if (r)
		goto bad_send;
	/*
	 * One work item per region, so that a region which blocks in the queue
	 * of its device does not block regions of other devices.
	 */
	client->wq = alloc_workqueue("dm_iot", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!client->wq) {
		r = -ENOMEM;
		goto bad_wq;
	}
	return client;

bad_wq:
	iot_send_exit(client);
bad_send:
	mempool_exit(&client->handles);
bad_handles:
	kfree(client);
	return ERR_PTR(r);
}
EXPORT_SYMBOL_GPL(dm_iot_client_create);

/* A device with outstanding I/O: number of regions, start of the oldest. */
struct iot_outstanding {
	struct block_device *bdev;
	unsigned int regions;
	unsigned long start;
};

static void add_outstanding(struct iot_outstanding *all,
			    struct list_head *regions)
{
	struct iot_region *r;
	struct iot_outstanding *o;

	list_for_each_entry(r, regions, list) {
		for (o = all; o < all + REPORT_DEVICES; o++) {
			if (!o->bdev) {
				o->bdev = r->bdev;
				o->start = r->start;
			}
			if (o->bdev != r->bdev)
				continue;
			o->regions++;
			if (time_before(r->start, o->start))
				o->start = r->start;
			break;
		}
	}
}

/*
 * The devices are still open, because their users must keep them open until
 * dm_iot_client_destroy() returns.
 */
static void report_outstanding(struct dm_iot_client *client)
{
	struct iot_outstanding all[REPORT_DEVICES] = {};
	struct iot_outstanding *o;

	spin_lock_irq(&client->lock);
	add_outstanding(all, &client->active);
	add_outstanding(all, &client->zombies);
	spin_unlock_irq(&client->lock);

	for (o = all; o < all + REPORT_DEVICES && o->bdev; o++)
		DMWARN("%pg (%u:%u): waiting for %u I/Os, the oldest issued %lu s ago",
		       o->bdev, MAJOR(o->bdev->bd_dev), MINOR(o->bdev->bd_dev),
		       o->regions, (jiffies - o->start) / HZ);
	if (all[0].bdev)
		DMWARN("these devices may still access memory: restore, reset or remove them");
}

/**
 * dm_iot_client_destroy() - wait for all I/O of a client, then free the client
 * @client: the client; must not be used once this is called
 *
 * We wait until all regions have ended, all states are reported, and all bios
 * have completed. This includes the bios of cancelled regions, because their
 * devices may still access our pages. There is no time limit, and we do not
 * cancel outstanding regions. While we wait, we log the devices every 30
 * seconds.
 *
 * Handles may be put later.
 *
 * Context: process, may sleep. Not from notify.
 */
void dm_iot_client_destroy(struct dm_iot_client *client)
{
	while (!wait_event_timeout(client->wait, !atomic_read(&client->calls),
				   REPORT_SECONDS * HZ))
		report_outstanding(client);

	timer_delete_sync(&client->timer);
	cancel_delayed_work_sync(&client->retry);
	destroy_workqueue(client->wq);
	iot_send_exit(client);
	iot_client_put(client);
}
EXPORT_SYMBOL_GPL(dm_iot_client_destroy);

/* ---- setup of a call ---- */

static void init_region(struct iot_region *r, struct dm_iot_handle *h,
			const struct dm_iot_region *where)
{
	r->handle = h;
	r->bdev = where->bdev;
	r->sector = where->sector;
	r->count = where->count;
	r->sent = 0;
	atomic_set(&r->refs, 1);
	r->error = 0;
	r->start = jiffies;
	r->nomem_since = 0;
	atomic_set(&r->pins, 0);
	INIT_WORK(&r->work, iot_work);
	r->to_report = 0;
	r->is_timed = false;
	r->started = false;
	r->to_send = false;
	r->by_caller = false;
	r->ended = false;
	r->timed_out = false;
	r->notifying = false;
}

static void init_handle(struct dm_iot_handle *h,
			const struct dm_iot_control *ctl, bool memory,
			unsigned int num_regions,
			const struct dm_iot_region *regions)
{
	u64 bytes = 0;
	unsigned int i;

	h->client = ctl->client;
	h->opf = ctl->opf;
	h->flags = ctl->flags;
	h->notify = ctl->notify;
	h->context = ctl->context;
	h->timeout = 0;
	h->memory = memory;
	h->copied = memory && !(ctl->flags & DM_IOT_NO_CANCEL);
	refcount_set(&h->refs, 1);
	atomic_set(&h->pending, num_regions + 1);
	atomic_set(&h->left, num_regions);
	h->error = 0;
	if (h->flags & DM_IOT_SYNC)
		init_completion(&h->done);
	h->num_regions = num_regions;

	/* The block layer wants a flush as an empty write with PREFLUSH. */
	if (op_of(h->opf) == REQ_OP_FLUSH)
		h->opf = REQ_OP_WRITE | REQ_PREFLUSH |
			 (h->opf & ~(__force blk_opf_t)REQ_OP_MASK);
	/* Round up: the current tick is partly over. */
	if (ctl->timeout)
		h->timeout = msecs_to_jiffies(ctl->timeout) + 1;
	if ((h->flags & DM_IOT_SYNC) && !h->notify && h->timeout)
		h->flags |= DM_IOT_CANCEL_ON_TIMEOUT;

	for (i = 0; i < num_regions; i++) {
		init_region(&h->region[i], h, &regions[i]);
		if (!memory)
			continue;
		iot_set_cursor(&h->region[i], &ctl->memory, bytes);
		if (!op_is_write(h->opf))
			bytes += (u64)regions[i].count << SECTOR_SHIFT;
	}
}

/* ---- validation of a call ---- */

static int check_memory(const struct dm_iot_memory *m,
			const struct block_device *bdev, bool copied)
{
	u64 first = m->offset;

	switch (m->type) {
	case DM_IOT_PAGE_LIST:
		if (!m->pl)
			return -EINVAL;
		break;
	case DM_IOT_BVEC:
		if (!m->bvec)
			return -EINVAL;
		first += m->bvec->bv_offset;
		break;
	case DM_IOT_VM:
	case DM_IOT_KMEM:
		if (!m->addr)
			return -EINVAL;
		first += (unsigned long)m->addr;
		break;
	default:
		return -EINVAL;
	}
	if (!copied &&
	    (first & bdev_dma_alignment((struct block_device *)bdev)))
		return -EINVAL;
	return 0;
}

static int check_region(const struct dm_iot_control *ctl, bool memory,
			const struct dm_iot_region *r)
{
	sector_t size;

	if (!r->bdev)
		return -EINVAL;
	if (op_is_write(ctl->opf) && bdev_read_only(r->bdev))
		return -EROFS;
	if (op_of(ctl->opf) == REQ_OP_FLUSH)
		return r->count ? -EINVAL : 0;

	if (!r->count || ((r->sector | r->count) &
			  ((bdev_logical_block_size(r->bdev) >> SECTOR_SHIFT) - 1)))
		return -EINVAL;
	size = bdev_nr_sectors(r->bdev);
	if (r->sector >= size || r->count > size - r->sector)
		return -ENXIO;
	return memory ? check_memory(&ctl->memory, r->bdev,
				     !(ctl->flags & DM_IOT_NO_CANCEL)) : 0;
}

static int check_call(const struct dm_iot_control *ctl, bool *memory,
		      unsigned int num_regions,
		      const struct dm_iot_region *regions)
{
	bool cancels = ctl->flags & DM_IOT_CANCEL_ON_TIMEOUT;
	unsigned int i;
	int r;

	*memory = false;
	switch (op_of(ctl->opf)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		*memory = true;
		break;
	case REQ_OP_FLUSH:
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		break;
	default:
		return -EINVAL;
	}
	if ((ctl->opf & ~(__force blk_opf_t)REQ_OP_MASK) & ~KNOWN_REQ_FLAGS)
		return -EINVAL;
	/* The block layer would warn about FUA or PREFLUSH without a write. */
	if (op_of(ctl->opf) != REQ_OP_WRITE && op_is_flush(ctl->opf))
		return -EINVAL;

	if (!num_regions || num_regions > ctl->client->devices ||
	    (ctl->flags & ~KNOWN_FLAGS) ||
	    (!ctl->notify && !(ctl->flags & DM_IOT_SYNC)))
		return -EINVAL;
	if (ctl->timeout > DM_IOT_MAX_TIMEOUT)
		return -ERANGE;
	if (!ctl->notify && ctl->timeout)
		cancels = true;
	if (ctl->flags & DM_IOT_NO_CANCEL ? cancels :
					    *memory && !ctl->client->pages)
		return -EINVAL;

	for (i = 0; i < num_regions; i++) {
		r = check_region(ctl, *memory, &regions[i]);
		if (r)
			return r;
	}
	return 0;
}

/* ---- calls ---- */

static void send_regions(struct dm_iot_handle *h)
{
	struct iot_region *r;
	unsigned long irq;

	for (r = h->region; r < h->region + h->num_regions; r++) {
		if (!r->by_caller)
			continue;
		/*
		 * A call with a timeout must not block on a full queue. If the
		 * device does not support REQ_NOWAIT, let a worker send.
		 */
		if (likely(!(h->flags & DM_IOT_NO_WAIT) &&
			   (!h->timeout || bdev_nowait(r->bdev)))) {
			iot_send(r, true);
			continue;
		}
		spin_lock_irqsave(&h->client->lock, irq);
		r->to_send = true;
		iot_queue_work(r);
		spin_unlock_irqrestore(&h->client->lock, irq);
	}
}

/**
 * dm_iot_io() - read, write, flush, discard or zero regions
 * @ctl: operation, memory, callback, and options of the call
 * @num_regions: number of @regions, 1 to the client's maximum
 * @regions: the regions
 * @handle: NULL, or where to store the handle of the call, for example for
 *	dm_iot_cancel_by_handle(). Stored before notify is called for the first
 *	time. Drop the reference with dm_iot_handle_put()
 *
 * We call notify for each state of each region, possibly before this function
 * returns.
 *
 * With %DM_IOT_SYNC, we return when all regions have ended, and notify, if not
 * NULL, was called for all of them. If notify is NULL, we cancel a region when
 * its timeout expires.
 *
 * Context: process, may sleep. If the system is out of memory and the reserve
 * is in use, we wait for a handle up to %DM_IOT_MEMORY_WAIT or the timeout. If
 * there is no timeout, we also wait for a full queue of a device, as
 * submit_bio() does. With %DM_IOT_NO_WAIT and without %DM_IOT_SYNC: any
 * context. The caller may hold locks which notify does not take.
 *
 * Return: 0 on success. With %DM_IOT_SYNC, the error of the first region that
 * did not succeed: -ETIMEDOUT if it was cancelled after its timeout, -ECANCELED
 * if it was cancelled otherwise, or the error of its I/O.
 *
 * In case of the following errors, nothing was sent and notify is not called:
 *
 * * -EINVAL: invalid number of regions; unknown operation or flag; FUA or
 *   PREFLUSH without a write; neither notify nor %DM_IOT_SYNC;
 *   %DM_IOT_NO_CANCEL together with cancellation on timeout; data to copy
 *   although the client's max_size is 0; no device; no sectors, or sectors for
 *   a flush; sectors not aligned to the logical block size; unknown memory
 *   type; no memory, or memory not aligned
 * * -ERANGE: the timeout is larger than %DM_IOT_MAX_TIMEOUT
 * * -EROFS: not a read, and a device is read-only. We cannot see how the caller
 *   has opened the device, because the block layer does not tell
 * * -ENXIO: a region reaches past the end of its device
 * * -EBUSY: with %DM_IOT_NO_WAIT, a region overlaps a zombie
 * * -EAGAIN: with %DM_IOT_NO_WAIT, there is no memory for a handle
 * * -ENOMEM: without %DM_IOT_NO_WAIT, there was no memory for a handle in time
 */
int dm_iot_io(const struct dm_iot_control *ctl, unsigned int num_regions,
	      const struct dm_iot_region *regions,
	      struct dm_iot_handle **handle)
{
	struct dm_iot_client *client = ctl->client;
	bool memory, sync = ctl->flags & DM_IOT_SYNC;
	struct dm_iot_handle *h;
	int r;

	if (sync || !(ctl->flags & DM_IOT_NO_WAIT))
		might_sleep();

	r = check_call(ctl, &memory, num_regions, regions);
	if (r)
		return r;
	h = iot_handle_alloc(ctl, num_regions);
	if (IS_ERR(h))
		return PTR_ERR(h);
	init_handle(h, ctl, memory, num_regions, regions);
	refcount_inc(&client->refs);
	atomic_inc(&client->calls);
	/* A reference for the caller, or for us to wait on. */
	if (handle || sync)
		refcount_inc(&h->refs);
	if (handle)
		*handle = h;

	r = iot_activate(h);
	if (unlikely(r)) {
		if (handle || sync)
			dm_iot_handle_put(h);
		if (handle)
			*handle = NULL;
		atomic_set(&h->pending, 1);
		iot_pending_put(h);
		return r;
	}
	send_regions(h);
	iot_pending_put(h);
	if (!sync)
		return 0;

	wait_for_completion_io(&h->done);
	r = READ_ONCE(h->error);
	if (!handle)
		dm_iot_handle_put(h);
	return r;
}
EXPORT_SYMBOL_GPL(dm_iot_io);

/* ---- cancellation ---- */

/* Under the client's lock. The caller must call iot_deliver() afterwards. */
static int cancel_region(struct iot_region *r)
{
	if (r->handle->flags & DM_IOT_NO_CANCEL)
		return -EOPNOTSUPP;
	iot_cancel(r);
	return 0;
}

/**
 * dm_iot_cancel_by_handle() - cancel the active regions of a call
 * @client: the client of the call
 * @handle: the call; the caller has a reference
 *
 * Each active region ends with %DM_IOT_CANCELLED, and we call notify for it
 * before this function returns. There are two exceptions. If a context is
 * reporting states of this client (possibly the caller, from within notify), that
 * context calls notify later. If we are copying data of the region, it ends when
 * the copy is done.
 *
 * Context: any, including notify.
 *
 * Return: 0, even if all regions had ended; -EINVAL if the handle belongs to
 * another client; -EOPNOTSUPP if a region is active and the call has
 * %DM_IOT_NO_CANCEL.
 */
int dm_iot_cancel_by_handle(struct dm_iot_client *client,
			    struct dm_iot_handle *handle)
{
	struct iot_region *r;
	unsigned long irq;
	int ret = 0;

	if (handle->client != client)
		return -EINVAL;

	spin_lock_irqsave(&client->lock, irq);
	for (r = handle->region; r < handle->region + handle->num_regions; r++) {
		if (!r->ended)
			ret = cancel_region(r) ?: ret;
	}
	spin_unlock_irqrestore(&client->lock, irq);
	iot_deliver(client);
	return ret;
}
EXPORT_SYMBOL_GPL(dm_iot_cancel_by_handle);

/**
 * dm_iot_cancel_by_device() - cancel the active regions on a device
 * @client: the client whose regions to cancel
 * @bdev: the device, as given in the regions
 *
 * Applies to all calls of the client. See dm_iot_cancel_by_handle() for the
 * time at which notify is called.
 *
 * Context: any, including notify.
 *
 * Return: 0, even if there was no active region; -EOPNOTSUPP if a region was
 * not cancelled because its call has %DM_IOT_NO_CANCEL. The others are
 * cancelled.
 */
int dm_iot_cancel_by_device(struct dm_iot_client *client,
			    struct block_device *bdev)
{
	struct iot_region *r, *next;
	unsigned long irq;
	int ret = 0;

	spin_lock_irqsave(&client->lock, irq);
	list_for_each_entry_safe(r, next, &client->active, list) {
		if (r->bdev == bdev)
			ret = cancel_region(r) ?: ret;
	}
	spin_unlock_irqrestore(&client->lock, irq);
	iot_deliver(client);
	return ret;
}
EXPORT_SYMBOL_GPL(dm_iot_cancel_by_device);

/* ---- module ---- */

static int __init iot_init(void)
{
	return iot_handles_init();
}

static void __exit iot_exit(void)
{
	iot_handles_exit();
}

module_init(iot_init);
module_exit(iot_exit);

MODULE_DESCRIPTION("Device-mapper: block I/O with timeout, state and cancel per region");
MODULE_LICENSE("GPL");
