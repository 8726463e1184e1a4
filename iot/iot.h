/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-io-timeout: what its files share.
 *
 * dm-io-timeout.c has clients and calls, dm-iot-region.c the states of a region,
 * dm-iot-send.c bios and memory.  include/linux/dm-io-timeout.h is the contract.
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

/* Neither sleeps nor complains: there is a reserve behind it. */
#define IOT_GFP		(GFP_NOWAIT | __GFP_NOWARN)

/* ms after which who waits for memory looks for it himself */
#define IOT_RETRY_MS	10

/**
 * struct dm_iot_client - one user's I/O
 * @devices: most regions of a call; constant, as the next three
 * @pages: of a piece that is copied
 * @handles: reserve of handles with @devices regions
 * @bounces: reserve of memory for pieces that are copied (struct iot_bounce)
 * @bios: whose front is a struct iot_bio
 * @wq: sends what the caller could not
 * @refs: the creator's, and one per handle
 * @calls: handles that the layer still works on
 * @wait: for a handle, or for @calls to be 0
 * @lock: all below, and what struct iot_region says. Taken in any context;
 *	innermost but for the timer's and the workqueue's own locks
 * @active: regions that have not ended
 * @zombies: regions that have ended, but whose sender or bios are not back
 * @waiting: regions that cannot be sent now
 * @notices: regions with states to report
 * @delivering: somebody is at @notices, and takes what comes
 * @timed: active regions with a timeout ahead of them, by deadline
 * @timed_last: the last of them, or NULL
 * @timer: goes off no later than the first of @timed is due
 * @due: the deadline that @timer is for
 * @retry: has all of @waiting tried again
 */
struct dm_iot_client {
	unsigned int devices;
	unsigned int pages;
	mempool_t handles;
	mempool_t bounces;
	struct bio_set bios;
	struct workqueue_struct *wq;
	refcount_t refs;
	atomic_t calls;
	wait_queue_head_t wait;

	spinlock_t lock;	/* what follows, and the regions' states */
	struct list_head active;
	struct list_head zombies;
	struct list_head waiting;
	struct list_head notices;
	bool delivering;
	struct rb_root_cached timed;
	struct rb_node *timed_last;
	struct timer_list timer;
	unsigned long due;
	struct delayed_work retry;
};

/**
 * struct iot_cursor - a place in the caller's memory
 * @type: of memory
 * @pl: the page that @offset counts from
 * @bvec: the bio_vec that @offset counts from
 * @addr: the address that @offset counts from
 * @offset: bytes; moves on to the next page or bio_vec only when that is used, as
 *	there may be none
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
 * @region: has a hold for it
 * @bounce: whose pages it has, or NULL: its own
 * @cursor: where its data are in the caller's memory
 * @iter: as it was sent
 * @bio: the last, as the bio_set wants it
 */
struct iot_bio {
	struct iot_region *region;
	struct iot_bounce *bounce;
	struct iot_cursor cursor;
	struct bvec_iter iter;
	struct bio bio;
};

/* Bits of iot_region.notes: states that notify has not been told. */
#define NOTE_TIMEOUT	BIT(0)
#define NOTE_END	BIT(1)

/* In iot_region.pins: more than pieces can be. */
#define PINS_DOOMED	BIT(30)

/**
 * struct iot_region - a region of a call
 * @handle: the call
 * @bdev: where; constant
 * @sector: constant
 * @count: constant
 * @sent: sectors that are in bios; the sender's
 * @cursor: into the caller's memory, of the next piece; the sender's
 * @holds: the sender and the bios; the region is finished when they are gone
 * @error: of the first bio that failed, or 0
 * @born: jiffies
 * @short_since: jiffies since when there was no memory for the next piece, or 0; the
 *	sender's
 * @pins: how many are just copying from or to the caller's memory, and %PINS_DOOMED:
 *	it is cancelled, by the last of them if there are any. That is set under the
 *	client's lock, the number changes without
 * @work: the sender, or who sends again, in place of the caller
 * @list: in the client's active or zombies; under the client's lock, as all below
 * @wait: in the client's waiting
 * @notice: in the client's notices
 * @timed: in the client's timed, if @is_timed
 * @deadline: jiffies
 * @again: bios that came back because the caller did not want to wait
 * @state: set with @ended
 * @notes: NOTE_*
 * @is_timed: see @timed
 * @started: somebody is sending it, or has sent it
 * @to_send: @work has to send it
 * @by_caller: dm_iot_io() sends it; that function's
 * @ended: the caller's memory is not ours any more
 * @timed_out: it was not in time
 * @busy: notify is running, by the client's notices
 * @first: the first piece, if it is small, or the only one without data: iot_first().
 *	As bytes, because a bio ends in an array of any length
 * @first_vecs: a page's worth of data, wherever it begins
 */
struct iot_region {
	struct dm_iot_handle *handle;
	struct block_device *bdev;
	sector_t sector;
	sector_t count;
	sector_t sent;
	struct iot_cursor cursor;
	atomic_t holds;
	int error;
	unsigned long born;
	unsigned long short_since;
	atomic_t pins;
	struct work_struct work;

	struct list_head list;
	struct list_head wait;
	struct list_head notice;
	struct rb_node timed;
	unsigned long deadline;
	struct bio_list again;
	enum dm_iot_state state;
	u8 notes;
	bool is_timed;
	bool started;
	bool to_send;
	bool by_caller;
	bool ended;
	bool timed_out;
	bool busy;

	u8 first[sizeof(struct iot_bio)] __aligned(__alignof__(struct iot_bio));
	struct bio_vec first_vecs[2];
};

/**
 * struct dm_iot_handle - a call
 * @client: alive as long as the handle
 * @opf: as the bios have it
 * @flags: DM_IOT_*
 * @notify: may be NULL with DM_IOT_SYNC
 * @context: for @notify
 * @timeout: in jiffies, or 0
 * @reserved: its memory is of the client's reserve
 * @copied: its data are copied
 * @memory: it has data
 * @refs: of those who hold the handle; the layer has one while @inner is not 0
 * @inner: regions that are not finished, states to be reported, work items, and
 *	dm_iot_io() until it has sent all it will
 * @left: regions whose end was not reported
 * @error: the first, for DM_IOT_SYNC
 * @done: @left is 0, for DM_IOT_SYNC
 * @num_regions: of @region
 * @region: the regions
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
	atomic_t inner;
	atomic_t left;
	int error;
	struct completion done;
	unsigned int num_regions;
	struct iot_region region[];
};

/**
 * struct iot_bounce - memory of the reserve for a piece that is copied
 * @page: as many as the client's pieces have
 */
struct iot_bounce {
	DECLARE_FLEX_ARRAY(struct page *, page);
};

static inline struct iot_bio *iot_first(struct iot_region *r)
{
	return (struct iot_bio *)r->first;
}

static inline struct dm_iot_client *client_of(struct iot_region *r)
{
	return r->handle->client;
}

/* dm-io-timeout.c */
void iot_inner_put(struct dm_iot_handle *h);

/* dm-iot-region.c */
int iot_start(struct dm_iot_handle *h);
bool iot_pin(struct iot_region *r);
void iot_unpin(struct iot_region *r);
void iot_drop(struct iot_region *r);
void iot_cancel(struct iot_region *r);
void iot_deliver(struct dm_iot_client *client);
void iot_queue_work(struct iot_region *r);
void iot_wait_for_memory(struct iot_region *r);
void iot_timer(struct timer_list *timer);
void iot_retry(struct work_struct *work);

/* dm-iot-send.c */
int iot_send_init(struct dm_iot_client *client, unsigned int pieces);
void iot_send_exit(struct dm_iot_client *client);
void iot_set_cursor(struct iot_region *r, const struct dm_iot_memory *memory,
		    u64 bytes);
void iot_send(struct iot_region *r, bool by_caller);
void iot_work(struct work_struct *work);

#endif /* DM_IOT_H */
