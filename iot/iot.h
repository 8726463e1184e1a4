/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-io-timeout: internal structures, and the functions that each file offers.
 *
 * The files form layers. Calls go down only, from the top of this list to its
 * bottom:
 *
 *	dm-io-timeout.c	the exported API: clients, calls, cancellation
 *	iot/send.c	bios, copying, submission
 *	iot/region.c	states of a region, reports, timeouts, waiting
 *	iot/handle.c	allocation and lifetime of handles
 *
 * include/linux/dm-io-timeout.h is the contract with the users of the API.
 *
 * Two words have a fixed meaning in all files. A region has *ended* when its
 * final state (OK, ERROR or CANCELLED) is set: from then on we do not access
 * the caller's memory. A region is *finished* when its sender and all its bios
 * have dropped their references.
 */
#ifndef DM_IOT_H
#define DM_IOT_H

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/dm-io-timeout.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/* Do not sleep or warn: we have a reserve for each allocation. */
#define IOT_GFP		(GFP_NOWAIT | __GFP_NOWARN)

/* Retry interval in ms while a region is out of memory. */
#define IOT_RETRY_MS	10

/**
 * struct dm_iot_client - a user of the layer, with memory reserves of its own
 * @devices: maximum number of regions per call; constant
 * @pages: pages per copied piece; constant
 * @handles: reserve of handles, each with room for @devices regions
 * @bounces: reserve of page sets for copied pieces (struct iot_bounce)
 * @bios: bio set; the front padding of its bios holds a struct iot_bio
 * @reserve: reserve of struct iot_bio, each with bio_vecs
 * @wq: workqueue for regions and bios that the caller could not send
 * @refs: one reference of the creator, and one per handle
 * @calls: number of handles with work pending
 * @wait: waiters for a reserved handle, or for @calls to become 0
 * @lock: protects all members below, and the members of struct iot_region from
 *	its list on. Taken in any context. We take no other lock inside it,
 *	except those of timers and workqueues
 * @active: regions that have not ended
 * @zombies: regions that have ended, but are not finished
 * @waiting: regions that cannot be sent yet
 * @reports: regions with states to report
 * @delivering: a context is working through @reports
 * @timed: active regions whose timeout has not expired, sorted by deadline
 * @timed_last: last node of @timed, or NULL
 * @timer: expires no later than the first deadline in @timed
 * @due: deadline for which @timer was set
 * @retry: sends the regions in @waiting
 */
struct dm_iot_client {
	unsigned int devices;
	unsigned int pages;
	mempool_t handles;
	mempool_t bounces;
	struct bio_set bios;
	mempool_t reserve;
	struct workqueue_struct *wq;
	refcount_t refs;
	atomic_t calls;
	wait_queue_head_t wait;

	spinlock_t lock;	/* see above */
	struct list_head active;
	struct list_head zombies;
	struct list_head waiting;
	struct list_head reports;
	bool delivering;
	struct rb_root_cached timed;
	struct rb_node *timed_last;
	struct timer_list timer;
	unsigned long due;
	struct delayed_work retry;
};

/**
 * struct iot_cursor - a position in the caller's memory
 * @type: type of memory
 * @pl: page list entry from which @offset counts
 * @bvec: bio_vec from which @offset counts
 * @addr: address from which @offset counts
 * @offset: bytes. May reach past the end of @pl or @bvec: we advance to the
 *	next entry only when we need data from it, because there may be none
 */
struct iot_cursor {
	enum dm_iot_memory_type type;
	union {
		const struct page_list *pl;
		const struct bio_vec *bvec;
		void *addr;
	};
	u64 offset;
};

/**
 * struct iot_bio - a piece of a region
 * @region: the region; the bio has one reference to it
 * @bounce: reserved page set that the bio uses, or NULL if its pages come from
 *	the system or from the caller
 * @vecs: %BIO_MAX_VECS bio_vecs if the piece is from the client's reserve, NULL
 *	if it is from the bio set
 * @cursor: position of its data in the caller's memory
 * @iter: iterator of @bio as it was submitted
 * @bio: the bio; the last member, as bio_alloc_bioset() requires
 */
struct iot_bio {
	struct iot_region *region;
	struct iot_bounce *bounce;
	struct bio_vec *vecs;
	struct iot_cursor cursor;
	struct bvec_iter iter;
	struct bio bio;
};

/* Bits of iot_region.to_report: states that notify has not been called for. */
#define REPORT_TIMEOUT	BIT(0)
#define REPORT_END	BIT(1)

/* Flag in iot_region.pins, above any possible number of pieces. */
#define PINS_CANCELLED	BIT(30)

/**
 * struct iot_region - a region of a call
 * @handle: the call; constant
 * @bdev: device; constant
 * @sector: first sector; constant
 * @count: number of sectors, 0 for a flush; constant
 * @sent: sectors that were put into bios; owned by the sender
 * @cursor: position of the next piece in the caller's memory; owned by the
 *	sender
 * @refs: one reference of the sender, and one per bio. The region is finished
 *	when the last one is dropped
 * @error: errno of the first bio that failed, or 0
 * @start: time of the call, in jiffies
 * @nomem_since: time at which the next piece began to wait for memory, in jiffies, or
 *	0 if it does not wait; owned by the sender
 * @pins: number of contexts that copy from or to the caller's memory, and
 *	%PINS_CANCELLED if the region is cancelled. If the region is pinned
 *	then, the last iot_unpin() ends it. The flag is set under the client's
 *	lock, the number changes without it
 * @work: sends the region, or resubmits its bios, in place of the caller
 * @list: entry in the client's active or zombies; under the client's lock, as
 *	all members below
 * @wait: entry in the client's waiting
 * @report: entry in the client's reports
 * @timed: node in the client's timed, if @is_timed
 * @deadline: end of the timeout, in jiffies
 * @resubmit: bios that the device refused because of our REQ_NOWAIT
 * @state: final state, valid if @ended
 * @to_report: REPORT_*
 * @is_timed: @timed is in the tree
 * @started: a sender has begun to send the region
 * @to_send: @work has to send the region
 * @by_caller: dm_iot_io() sends the region; owned by that function
 * @ended: the region has ended
 * @timed_out: the timeout expired before the region ended
 * @notifying: iot_deliver() is calling notify for the region
 * @first: the first piece if it is small or has no data, see iot_first(). An
 *	array of bytes, because struct bio ends in a flexible array
 * @first_vecs: enough for one page of data at any offset
 */
struct iot_region {
	struct dm_iot_handle *handle;
	struct block_device *bdev;
	sector_t sector;
	sector_t count;
	sector_t sent;
	struct iot_cursor cursor;
	atomic_t refs;
	int error;
	unsigned long start;
	unsigned long nomem_since;
	atomic_t pins;
	struct work_struct work;

	struct list_head list;
	struct list_head wait;
	struct list_head report;
	struct rb_node timed;
	unsigned long deadline;
	struct bio_list resubmit;
	enum dm_iot_state state;
	u8 to_report;
	bool is_timed;
	bool started;
	bool to_send;
	bool by_caller;
	bool ended;
	bool timed_out;
	bool notifying;

	u8 first[sizeof(struct iot_bio)] __aligned(__alignof__(struct iot_bio));
	struct bio_vec first_vecs[2];
};

/**
 * struct dm_iot_handle - a call
 * @client: the client; the handle has a reference to its memory
 * @opf: operation and flags of the bios
 * @flags: DM_IOT_*
 * @notify: callback; may be NULL with DM_IOT_SYNC
 * @context: argument for @notify
 * @timeout: timeout in jiffies, or 0
 * @reserved: the handle was allocated from the client's reserve
 * @copied: the data are copied to or from pages of our own
 * @memory: the call has data
 * @refs: references of the users, and one of the layer while @pending is not 0
 * @pending: regions that are not finished, states to report, queued work items,
 *	and dm_iot_io() itself until it has sent the regions
 * @left: number of regions whose end was not reported, for DM_IOT_SYNC
 * @error: first error, for DM_IOT_SYNC
 * @done: completed when @left becomes 0, for DM_IOT_SYNC
 * @num_regions: number of entries in @region
 * @region: the regions
 *
 * All members up to @memory, and @num_regions, are constant while regions are
 * active. The counters and @error are atomic.
 */
struct dm_iot_handle {
	struct dm_iot_client *client;
	blk_opf_t opf;
	unsigned int flags;
	dm_iot_notify_fn notify;
	void *context;
	unsigned long timeout;
	bool reserved;
	bool copied;
	bool memory;
	refcount_t refs;
	atomic_t pending;
	atomic_t left;
	int error;
	struct completion done;
	unsigned int num_regions;
	struct iot_region region[];
};

/**
 * struct iot_bounce - a reserved page set for one copied piece
 * @page: as many pages as the client has per piece
 */
struct iot_bounce {
	DECLARE_FLEX_ARRAY(struct page *, page);
};

static inline struct iot_bio *iot_first(struct iot_region *r)
{
	return (struct iot_bio *)r->first;
}

static inline struct dm_iot_client *iot_client_of(struct iot_region *r)
{
	return r->handle->client;
}

/* ---- iot/handle.c: allocation and lifetime of handles ---- */

/**
 * iot_handles_init() - create the slab cache of handles
 *
 * Context: process, at module load.
 *
 * Return: 0 or -ENOMEM.
 */
int iot_handles_init(void);

/**
 * iot_handles_exit() - destroy the slab cache of handles
 *
 * Context: process, at module unload. All handles must have been put.
 */
void iot_handles_exit(void);

/**
 * iot_client_put() - drop a reference to a client
 * @client: the client; must not be used afterwards
 *
 * The last reference frees the handle reserve and the client's memory.
 *
 * Context: any.
 */
void iot_client_put(struct dm_iot_client *client);

/**
 * iot_handle_alloc() - allocate the handle of a call
 * @ctl: the call
 * @num_regions: number of regions, at most the client's devices
 *
 * If the system has no memory, we use the client's reserve. If the reserve is
 * in use as well, we wait for a handle up to %DM_IOT_MEMORY_WAIT or the timeout
 * of the call, whichever is shorter.
 *
 * The caller must initialize all members, except reserved and those members of
 * the regions which the constructor sets.
 *
 * Context: process, may sleep; any context with %DM_IOT_NO_WAIT.
 *
 * Return: the handle; ERR_PTR(-EAGAIN) if there is none and the call must not
 * wait; ERR_PTR(-ENOMEM) if none became free in time.
 */
struct dm_iot_handle *iot_handle_alloc(const struct dm_iot_control *ctl,
				       unsigned int num_regions);

/**
 * iot_pending_put() - drop one pending count of a call
 * @h: the call; it and its client may be freed by this
 *
 * Drops the reference of the layer if nothing is pending any more.
 *
 * Context: any, without the client's lock.
 */
void iot_pending_put(struct dm_iot_handle *h);

/* ---- iot/region.c: states, reports, timeouts, waiting ---- */

/**
 * iot_activate() - make the regions of a call active
 * @h: the call
 *
 * Starts the timeouts. If a region overlaps a zombie, it is queued in the
 * client's waiting list. Otherwise we set its by_caller flag, and the caller
 * must send it.
 *
 * Context: any.
 *
 * Return: 0, or -EBUSY if a region overlaps a zombie and the call must not
 * wait. No region is active in that case.
 */
int iot_activate(struct dm_iot_handle *h);

/**
 * iot_pin() - keep a region from ending while we access the caller's memory
 * @r: the region; the caller has a reference
 *
 * Pair with iot_unpin(). In between, only copy, because a cancellation of the
 * region is delayed for as long.
 *
 * Context: any, without the client's lock.
 *
 * Return: false if the region is cancelled: do not access the memory, and do
 * not call iot_unpin().
 */
bool iot_pin(struct iot_region *r);

/**
 * iot_unpin() - allow a region to end again
 * @r: the region; the caller has a reference
 *
 * Ends the region if it was cancelled in the meantime, and may call notify.
 *
 * Context: any, without the client's lock.
 */
void iot_unpin(struct iot_region *r);

/**
 * iot_region_put() - drop the reference of the sender or of a bio
 * @r: the region; may be freed by this
 *
 * The last reference finishes the region, and may call notify.
 *
 * Context: any, without the client's lock.
 */
void iot_region_put(struct iot_region *r);

/**
 * iot_cancel() - cancel a region
 * @r: an active region of a call without %DM_IOT_NO_CANCEL
 *
 * The region ends now, or when the last context has unpinned it. The caller
 * must call iot_deliver() after it has released the lock.
 *
 * Context: any, under the client's lock.
 */
void iot_cancel(struct iot_region *r);

/**
 * iot_deliver() - call notify for all queued reports of a client
 * @client: the client
 *
 * If another context is delivering, this returns at once: that context also
 * delivers the reports which were queued before this call.
 *
 * Context: any, without the client's lock.
 */
void iot_deliver(struct dm_iot_client *client);

/**
 * iot_queue_work() - hand a region over to its work item
 * @r: the region; the caller has marked, under the client's lock, what to do
 *
 * Context: any. The caller has something pending for the handle.
 */
void iot_queue_work(struct iot_region *r);

/**
 * iot_wait_for_memory() - let a region wait for memory
 * @r: the region; the caller is the sender, and must not use it afterwards
 *
 * The region's work item continues to send it when memory may be available. If
 * the region has ended, this drops the sender's reference instead.
 *
 * Context: any, without the client's lock.
 */
void iot_wait_for_memory(struct iot_region *r);

/**
 * iot_timer() - report regions whose timeout has expired
 * @timer: the client's timer
 *
 * Context: softirq of the timer. May run early or with nothing to report.
 */
void iot_timer(struct timer_list *timer);

/**
 * iot_retry() - send waiting regions
 * @work: the client's retry
 *
 * Context: worker.
 */
void iot_retry(struct work_struct *work);

/* ---- iot/send.c: bios, copying, submission ---- */

/**
 * iot_send_init() - allocate a client's reserves of bios and page sets
 * @client: the client; its pages member is set
 * @pieces: number of pieces to reserve
 *
 * Context: process, may sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int iot_send_init(struct dm_iot_client *client, unsigned int pieces);

/**
 * iot_send_exit() - free the reserves of bios and page sets
 * @client: the client; it has no I/O outstanding
 *
 * Context: process, may sleep.
 */
void iot_send_exit(struct dm_iot_client *client);

/**
 * iot_set_cursor() - set the start of a region's data
 * @r: the region
 * @memory: memory of the call
 * @bytes: offset of the region's data in @memory, in addition to its own offset
 *
 * Context: any, before the region is active.
 */
void iot_set_cursor(struct iot_region *r, const struct dm_iot_memory *memory,
		    u64 bytes);

/**
 * iot_send() - send the rest of a region
 * @r: the region; the caller is the sender, and must not use it afterwards
 * @by_caller: true in the context of dm_iot_io(), false in a worker
 *
 * Context: process. May sleep if the device's queue is full, except in the
 * context of a call with a timeout.
 */
void iot_send(struct iot_region *r, bool by_caller);

/**
 * iot_work() - work function of a region
 * @work: the region's work
 *
 * Sends the region if it is marked to_send, and resubmits bios that the device
 * had refused.
 *
 * Context: worker, may sleep.
 */
void iot_work(struct work_struct *work);

#endif /* DM_IOT_H */
