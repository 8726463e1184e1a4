// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-io-timeout: clients, calls, handles, cancel.
 *
 * include/linux/dm-io-timeout.h is the contract, dm-iot.h says what is where.
 */

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "iot/iot.h"

#define DM_MSG_PREFIX "io-timeout"

#define KNOWN_FLAGS (DM_IOT_CANCEL_ON_TIMEOUT | DM_IOT_NO_CANCEL | \
		     DM_IOT_NO_WAIT | DM_IOT_SYNC)

/* All but those that say who completes the bio, or what else it carries. */
#define KNOWN_REQ_FLAGS (REQ_FAILFAST_MASK | REQ_SYNC | REQ_META | REQ_PRIO | \
			 REQ_NOMERGE | REQ_IDLE | REQ_FUA | REQ_PREFLUSH | \
			 REQ_RAHEAD | REQ_BACKGROUND | REQ_NOWAIT | REQ_NOUNMAP)

/* Seconds after which destroy says whom it waits for, and how many it names. */
#define REPORT_SECONDS	30
#define REPORT_DEVICES	8

static enum req_op op_of(blk_opf_t opf)
{
	return (__force enum req_op)(opf & (__force blk_opf_t)REQ_OP_MASK);
}

/* ---- clients ---- */

static void client_put(struct dm_iot_client *client)
{
	if (!refcount_dec_and_test(&client->refs))
		return;
	mempool_exit(&client->handles);
	kfree(client);
}

/**
 * dm_iot_client_create() - a client with reserves of its own
 * @devices: most regions of a call, 1 to %DM_IOT_MAX_DEVICES
 * @min_ios: calls that go on at the same time without any memory from the system, 1
 *	to %DM_IOT_MAX_MIN_IOS. (More may, while there is memory.)
 * @max_size: bytes of a copied piece, up to %DM_IOT_MAX_SIZE, rounded up to pages;
 *	larger regions go in several. 0: calls with data need %DM_IOT_NO_CANCEL
 *
 * The reserve is @devices times @min_ios pieces of @max_size.
 *
 * Context: process, may sleep.
 *
 * Return: the client, or an ERR_PTR(): -EINVAL, an argument is out of range; -ENOMEM.
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
	INIT_LIST_HEAD(&client->notices);
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
	/* Many at a time: one that hangs in a device's queue holds up nobody. */
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

struct silent {
	struct block_device *bdev;
	unsigned int regions;
	unsigned long born;
};

static void add_silent(struct silent *all, struct list_head *regions)
{
	struct iot_region *r;
	struct silent *s;

	list_for_each_entry(r, regions, list) {
		for (s = all; s < all + REPORT_DEVICES; s++) {
			if (!s->bdev) {
				s->bdev = r->bdev;
				s->born = r->born;
			}
			if (s->bdev != r->bdev)
				continue;
			s->regions++;
			if (time_before(r->born, s->born))
				s->born = r->born;
			break;
		}
	}
}

/* The devices are open: destroy, which calls this, has not returned. */
static void report_silent(struct dm_iot_client *client)
{
	struct silent all[REPORT_DEVICES] = {};
	struct silent *s;

	spin_lock_irq(&client->lock);
	add_silent(all, &client->active);
	add_silent(all, &client->zombies);
	spin_unlock_irq(&client->lock);

	for (s = all; s < all + REPORT_DEVICES && s->bdev; s++)
		DMWARN("%pg: waiting for %u I/Os that have not come back, for up to %lu s",
		       s->bdev, s->regions,
		       (jiffies - s->born) / HZ);
}

/**
 * dm_iot_client_destroy() - the client goes, once its I/O has
 * @client: the client
 *
 * Waits until all regions have ended, everything was reported and every bio is back,
 * those of zombies included, however long that takes: a device may still write to
 * that memory.  It does not cancel.  While it waits it names the devices in the
 * kernel's log, every 30 seconds.
 *
 * Nothing may be called with @client from now on.  Handles may be put later.
 *
 * Context: process, may sleep; not from notify.
 */
void dm_iot_client_destroy(struct dm_iot_client *client)
{
	while (!wait_event_timeout(client->wait, !atomic_read(&client->calls),
				   REPORT_SECONDS * HZ))
		report_silent(client);

	timer_delete_sync(&client->timer);
	cancel_delayed_work_sync(&client->retry);
	destroy_workqueue(client->wq);
	iot_send_exit(client);
	client_put(client);
}
EXPORT_SYMBOL_GPL(dm_iot_client_destroy);

/* ---- handles ---- */

/* Handles with one region, constructed: the usual ones. */
static struct kmem_cache *single_cache;

/* What is again as it was when all is over. init_region() sets the rest. */
static void construct_regions(struct dm_iot_handle *h, unsigned int num_regions)
{
	struct iot_region *r;

	for (r = h->region; r < h->region + num_regions; r++) {
		memset(&r->cursor, 0, sizeof(r->cursor));
		INIT_LIST_HEAD(&r->wait);
		INIT_LIST_HEAD(&r->notice);
		bio_list_init(&r->again);
	}
}

static void construct_single(void *handle)
{
	construct_regions(handle, 1);
}

/* From the system; what init_handle() writes is not there yet. */
static struct dm_iot_handle *new_handle(unsigned int num_regions)
{
	struct dm_iot_handle *h;

	if (likely(num_regions == 1))
		return kmem_cache_alloc(single_cache, IOT_GFP);
	h = kmalloc(struct_size(h, region, num_regions), IOT_GFP);
	if (h)
		construct_regions(h, num_regions);
	return h;
}

static void free_new_handle(struct dm_iot_handle *h)
{
	if (likely(h->num_regions == 1))
		kmem_cache_free(single_cache, h);
	else
		kfree(h);
}

/**
 * dm_iot_handle_get() - keep a handle
 * @handle: which is held by somebody, or is just being reported
 *
 * Context: any.
 *
 * Return: @handle.
 */
struct dm_iot_handle *dm_iot_handle_get(struct dm_iot_handle *handle)
{
	refcount_inc(&handle->refs);
	return handle;
}
EXPORT_SYMBOL_GPL(dm_iot_handle_get);

/**
 * dm_iot_handle_put() - keep it no longer
 * @handle: from dm_iot_io() or dm_iot_handle_get()
 *
 * The call goes on, whoever holds its handle.  A handle that is kept after the call
 * keeps memory, which may be of the client's reserve.
 *
 * Context: any; also after the client was destroyed.
 */
void dm_iot_handle_put(struct dm_iot_handle *handle)
{
	struct dm_iot_client *client = handle->client;

	if (!refcount_dec_and_test(&handle->refs))
		return;
	if (unlikely(handle->reserved)) {
		mempool_free(handle, &client->handles);
		wake_up(&client->wait);
	} else {
		free_new_handle(handle);
	}
	client_put(client);
}
EXPORT_SYMBOL_GPL(dm_iot_handle_put);

/**
 * iot_inner_put() - the layer has one thing less to do with a call
 * @h: the call; may be gone after this, and its client too
 *
 * Context: any, without the client's lock.
 */
void iot_inner_put(struct dm_iot_handle *h)
{
	if (!atomic_dec_and_test(&h->inner))
		return;
	/* The handle keeps the client's memory, destroyed or not. */
	if (atomic_dec_and_test(&h->client->calls))
		wake_up(&h->client->wait);
	dm_iot_handle_put(h);
}

static struct dm_iot_handle *reserved_handle(struct dm_iot_client *client,
					     unsigned int num_regions)
{
	struct dm_iot_handle *h = mempool_alloc(&client->handles, IOT_GFP);

	if (h) {
		construct_regions(h, num_regions);
		h->reserved = true;
	}
	return h;
}

static struct dm_iot_handle *alloc_handle(struct dm_iot_client *client,
					  const struct dm_iot_control *ctl,
					  unsigned int num_regions)
{
	unsigned int ms = DM_IOT_MEMORY_WAIT;
	struct dm_iot_handle *h;

	h = new_handle(num_regions);
	if (likely(h)) {
		h->reserved = false;
		return h;
	}
	if (ctl->flags & DM_IOT_NO_WAIT)
		return reserved_handle(client, num_regions) ?: ERR_PTR(-EAGAIN);

	if (ctl->timeout)
		ms = min(ms, ctl->timeout);
	wait_event_timeout(client->wait,
			   (h = reserved_handle(client, num_regions)),
			   msecs_to_jiffies(ms));
	return h ?: ERR_PTR(-ENOMEM);
}

static void init_region(struct iot_region *r, struct dm_iot_handle *h,
			const struct dm_iot_region *where)
{
	r->handle = h;
	r->bdev = where->bdev;
	r->sector = where->sector;
	r->count = where->count;
	r->sent = 0;
	atomic_set(&r->holds, 1);
	r->error = 0;
	r->born = jiffies;
	r->short_since = 0;
	atomic_set(&r->pins, 0);
	INIT_WORK(&r->work, iot_work);
	r->notes = 0;
	r->is_timed = false;
	r->started = false;
	r->to_send = false;
	r->by_caller = false;
	r->ended = false;
	r->timed_out = false;
	r->busy = false;
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
	atomic_set(&h->inner, num_regions + 1);
	atomic_set(&h->left, num_regions);
	h->error = 0;
	if (h->flags & DM_IOT_SYNC)
		init_completion(&h->done);
	h->num_regions = num_regions;

	/* What is flushed is what was written: the block layer knows only this. */
	if (op_of(h->opf) == REQ_OP_FLUSH)
		h->opf = REQ_OP_WRITE | REQ_PREFLUSH |
			 (h->opf & ~(__force blk_opf_t)REQ_OP_MASK);
	/* A tick has begun already. */
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

/* ---- what a call may ask for ---- */

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
	/* The block layer would warn. */
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
		/* Who has little time does not wait for a device's queue. */
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
 * @ctl: what, and how
 * @num_regions: 1 to the client's devices
 * @regions: where
 * @handle: NULL, or where to put the handle of the call, for dm_iot_cancel_by_handle();
 *	to be put with dm_iot_handle_put(). It is there before notify is called
 *
 * Notify is called for each state of each region, and may be before this returns.
 *
 * With %DM_IOT_SYNC it returns when all regions have ended and notify, if there is
 * one, has been called for all; without notify, a region that times out is
 * cancelled.
 *
 * Context: process, may sleep: for a handle, if memory is short and the client's
 * reserve in use, up to %DM_IOT_MEMORY_WAIT or the timeout; without a timeout also
 * for the device's queue, as submit_bio().  With %DM_IOT_NO_WAIT and without
 * %DM_IOT_SYNC: any.  Any lock may be held that notify does not take.
 *
 * Return: 0, and with %DM_IOT_SYNC the error of the first region that did not end
 * well: its error, -ETIMEDOUT if it was cancelled after its timeout, or -ECANCELED.
 * Or an error, and then nothing was sent and notify is not called:
 *
 * * -EINVAL: no regions or too many; operation or flag unknown; FUA or PREFLUSH without
 *   a write; neither notify nor %DM_IOT_SYNC; cancelled on timeout and
 *   %DM_IOT_NO_CANCEL; to be copied, and the client has no memory for that; no device;
 *   no sectors, or sectors for a flush; not at a logical block; type of memory
 *   unknown; no memory, or not aligned
 * * -ERANGE: timeout larger than %DM_IOT_MAX_TIMEOUT
 * * -EROFS: not a read, and a device is read-only. (How it was opened, the block
 *   layer does not tell: that is up to the caller.)
 * * -ENXIO: a region reaches past the end of its device
 * * -EBUSY: with %DM_IOT_NO_WAIT, a region overlaps a zombie
 * * -EAGAIN: with %DM_IOT_NO_WAIT, no memory for a handle
 * * -ENOMEM: without it, and none in time
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
	h = alloc_handle(client, ctl, num_regions);
	if (IS_ERR(h))
		return PTR_ERR(h);
	init_handle(h, ctl, memory, num_regions, regions);
	refcount_inc(&client->refs);
	atomic_inc(&client->calls);
	if (handle || sync)
		dm_iot_handle_get(h);
	if (handle)
		*handle = h;

	r = iot_start(h);
	if (unlikely(r)) {
		if (handle || sync)
			dm_iot_handle_put(h);
		if (handle)
			*handle = NULL;
		atomic_set(&h->inner, 1);
		iot_inner_put(h);
		return r;
	}
	send_regions(h);
	iot_inner_put(h);
	if (!sync)
		return 0;

	wait_for_completion_io(&h->done);
	r = READ_ONCE(h->error);
	if (!handle)
		dm_iot_handle_put(h);
	return r;
}
EXPORT_SYMBOL_GPL(dm_iot_io);

/* ---- cancel ---- */

/* Under the lock; iot_deliver() has to follow. */
static int cancel_region(struct iot_region *r)
{
	if (r->handle->flags & DM_IOT_NO_CANCEL)
		return -EOPNOTSUPP;
	iot_cancel(r);
	return 0;
}

/**
 * dm_iot_cancel_by_handle() - end what has not ended of a call
 * @client: of the call
 * @handle: which the caller holds
 *
 * Each region of the call that is active ends with %DM_IOT_CANCELLED; notify has
 * been called for it when this returns, or is about to be by whoever is just
 * reporting states of this client.  A region whose data are just being copied ends
 * when that is done.
 *
 * Context: any; also from notify.
 *
 * Return: 0, also if all had ended; -EINVAL if the handle is another client's;
 * -EOPNOTSUPP if a region is active and cannot be cancelled.
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
 * dm_iot_cancel_by_device() - end what has not ended on a device
 * @client: the client, whose calls are meant
 * @bdev: the device, as the regions name it
 *
 * Otherwise as dm_iot_cancel_by_handle().
 *
 * Context: any; also from notify.
 *
 * Return: 0, also if there was nothing; -EOPNOTSUPP if a region on @bdev is active and
 * cannot be cancelled; the others were.
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
	single_cache = kmem_cache_create("dm_iot_handle",
					 struct_size_t(struct dm_iot_handle,
						       region, 1),
					 0, 0, construct_single);
	return single_cache ? 0 : -ENOMEM;
}

static void __exit iot_exit(void)
{
	kmem_cache_destroy(single_cache);
}

module_init(iot_init);
module_exit(iot_exit);

MODULE_DESCRIPTION("Device-mapper: block I/O with timeout, state and cancel per region");
MODULE_LICENSE("GPL");
