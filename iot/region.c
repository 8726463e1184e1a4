// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-io-timeout: the states of a region.
 *
 * Two things happen to a region, in either order: it ends, for the caller, and it
 * is finished: sender and bios are gone.  Where both come at once (the usual case)
 * the last bio's end reports the state itself.  A region that is cancelled ends
 * first, and is a zombie until it is finished.
 *
 * Who reports.  An end goes straight to notify if nothing else of the region is to
 * be reported or just being so.  All other states go through the client's list of
 * notices, which one context at a time works off: whoever finds nobody there.  So a
 * cancel from inside notify neither recurses nor overtakes.
 */

#include <linux/blkdev.h>
#include <linux/jiffies.h>

#include "iot/iot.h"

/* ---- reporting ---- */

static int sync_error(struct iot_region *r, enum dm_iot_state state)
{
	switch (state) {
	case DM_IOT_ERROR:
		return r->error;
	case DM_IOT_CANCELLED:
		return r->timed_out ? -ETIMEDOUT : -ECANCELED;
	default:
		return 0;
	}
}

/*
 * Any context, without the lock.  Whoever calls has something of the handle's
 * inner count; with the last end, the memory is no longer ours.
 */
static void report(struct iot_region *r, enum dm_iot_state state)
{
	struct dm_iot_handle *h = r->handle;
	int error = sync_error(r, state);

	if (h->notify) {
		const struct dm_iot_region_state now = {
			.index = r - h->region,
			.state = state,
			.error_code = state == DM_IOT_ERROR ? error : 0,
			.handle = h,
		};

		h->notify(&now, h->context);
	}
	if (!(h->flags & DM_IOT_SYNC) || state == DM_IOT_TIMEOUT)
		return;

	if (error)
		cmpxchg(&h->error, 0, error);
	if (atomic_dec_and_test(&h->left))
		complete(&h->done);
}

/* A region that is listed or busy is looked at again by whoever delivers. */
static void add_note(struct iot_region *r, unsigned int note)
{
	lockdep_assert_held(&client_of(r)->lock);

	if (!r->notes && !r->busy) {
		atomic_inc(&r->handle->inner);
		list_add_tail(&r->notice, &client_of(r)->notices);
	}
	r->notes |= note;
}

/**
 * iot_deliver() - report what is to be reported
 * @client: the client
 *
 * Returns at once if somebody is at it; he takes what was added before this call.
 *
 * Context: any, without the lock.
 */
void iot_deliver(struct dm_iot_client *client)
{
	enum dm_iot_state state;
	struct iot_region *r;
	unsigned long irq;
	bool last;

	spin_lock_irqsave(&client->lock, irq);
	if (client->delivering)
		goto out;

	client->delivering = true;
	while (!list_empty(&client->notices)) {
		r = list_first_entry(&client->notices, struct iot_region,
				     notice);
		list_del_init(&r->notice);
		if (r->notes & NOTE_TIMEOUT) {
			r->notes &= ~NOTE_TIMEOUT;
			state = DM_IOT_TIMEOUT;
		} else {
			r->notes &= ~NOTE_END;
			state = r->state;
		}
		r->busy = true;
		spin_unlock_irqrestore(&client->lock, irq);

		report(r, state);

		spin_lock_irqsave(&client->lock, irq);
		r->busy = false;
		if (r->notes) {
			list_add(&r->notice, &client->notices);
			continue;
		}
		/* With the last one, the call and the client may go. */
		last = list_empty(&client->notices);
		client->delivering = !last;
		spin_unlock_irqrestore(&client->lock, irq);

		iot_inner_put(r->handle);
		if (last)
			return;
		spin_lock_irqsave(&client->lock, irq);
	}
	client->delivering = false;
out:
	spin_unlock_irqrestore(&client->lock, irq);
}

/* ---- the end, for the caller ---- */

static void erase_timed(struct iot_region *r)
{
	struct dm_iot_client *client = client_of(r);

	if (client->timed_last == &r->timed)
		client->timed_last = rb_prev(&r->timed);
	rb_erase_cached(&r->timed, &client->timed);
	r->is_timed = false;
}

static void end_region(struct iot_region *r, enum dm_iot_state state)
{
	struct dm_iot_client *client = client_of(r);

	lockdep_assert_held(&client->lock);

	if (r->is_timed)
		erase_timed(r);
	r->state = state;
	WRITE_ONCE(r->ended, true);
}

static void end_cancelled(struct iot_region *r)
{
	end_region(r, DM_IOT_CANCELLED);
	list_move_tail(&r->list, &client_of(r)->zombies);
	add_note(r, NOTE_END);

	/* Nobody is at it: a worker finds it ended, and drops it. */
	if (!list_empty(&r->wait)) {
		list_del_init(&r->wait);
		r->to_send = true;
		iot_queue_work(r);
	}
}

/**
 * iot_cancel() - end a region, now or when the copying that goes on is done
 * @r: an active region that may be cancelled
 *
 * Context: any, under the lock; iot_deliver() has to follow.
 */
void iot_cancel(struct iot_region *r)
{
	lockdep_assert_held(&client_of(r)->lock);

	if (!(atomic_fetch_or(PINS_DOOMED, &r->pins) & ~PINS_DOOMED))
		end_cancelled(r);
}

/**
 * iot_pin() - keep a region from ending, to copy from or to the caller's memory
 * @r: the region; the caller has one of its holds
 *
 * Context: any. Until iot_unpin() as short as copying is.
 *
 * Return: false if it has ended, or is to.
 */
bool iot_pin(struct iot_region *r)
{
	if (likely(!(atomic_inc_return(&r->pins) & PINS_DOOMED)))
		return true;
	iot_unpin(r);
	return false;
}

/**
 * iot_unpin() - the copying is done
 * @r: the region; the caller has one of its holds
 *
 * Context: any.
 */
void iot_unpin(struct iot_region *r)
{
	struct dm_iot_client *client = client_of(r);
	unsigned long irq;

	if (likely(atomic_dec_return(&r->pins) != PINS_DOOMED))
		return;

	/* Nobody pins it any more, but whoever tried in vain comes here too. */
	spin_lock_irqsave(&client->lock, irq);
	if (!r->ended)
		end_cancelled(r);
	spin_unlock_irqrestore(&client->lock, irq);
	iot_deliver(client);
}

/* ---- finished: sender and bios are gone ---- */

static void finish(struct iot_region *r)
{
	struct dm_iot_client *client = client_of(r);
	bool deliver = false, kick = false;
	enum dm_iot_state state;
	unsigned long irq;

	spin_lock_irqsave(&client->lock, irq);
	list_del(&r->list);
	if (unlikely(r->ended)) {
		kick = !list_empty(&client->waiting);
		spin_unlock_irqrestore(&client->lock, irq);
	} else {
		state = r->error ? DM_IOT_ERROR : DM_IOT_OK;
		end_region(r, state);
		deliver = r->notes || r->busy;
		if (unlikely(deliver))
			add_note(r, NOTE_END);
		spin_unlock_irqrestore(&client->lock, irq);
		if (likely(!deliver))
			report(r, state);
	}

	if (unlikely(kick))
		mod_delayed_work(client->wq, &client->retry, 0);
	if (unlikely(deliver))
		iot_deliver(client);
	iot_inner_put(r->handle);
}

/**
 * iot_drop() - the sender, or a bio, is done with its region
 * @r: the region; may be gone after this
 *
 * Context: any.
 */
void iot_drop(struct iot_region *r)
{
	if (atomic_dec_and_test(&r->holds))
		finish(r);
}

/* ---- time ---- */

static bool due_before(struct rb_node *a, const struct rb_node *b)
{
	return time_before(rb_entry(a, struct iot_region, timed)->deadline,
			   rb_entry(b, struct iot_region, timed)->deadline);
}

/*
 * The timer wheel is late: by one tick, and by up to an eighth of a long time.  So the
 * timer is set for earlier, goes off for nothing, and is set again for what is left.
 */
static void wake_timer(struct dm_iot_client *client, unsigned long deadline)
{
	unsigned long left = deadline - jiffies;

	if (timer_pending(&client->timer) &&
	    !time_before(deadline, client->due))
		return;
	client->due = deadline;
	if ((long)left > 0)
		deadline -= left / 8 + 1;
	mod_timer(&client->timer, deadline);
}

/* True: nothing is due earlier.  What has just come is mostly due last. */
static bool insert_timed(struct iot_region *r)
{
	struct dm_iot_client *client = client_of(r);
	struct rb_node *last = client->timed_last;

	if (unlikely(last && due_before(&r->timed, last)))
		return rb_add_cached(&r->timed, &client->timed, due_before);

	rb_link_node(&r->timed, last, last ? &last->rb_right :
		     &client->timed.rb_root.rb_node);
	rb_insert_color_cached(&r->timed, &client->timed, !last);
	client->timed_last = &r->timed;
	return !last;
}

/*
 * The timer is not touched when a region ends in time.  It then goes off for
 * nothing, once for all that ended until then.
 */
static void add_timed(struct iot_region *r)
{
	struct dm_iot_client *client = client_of(r);

	lockdep_assert_held(&client->lock);

	r->deadline = r->born + r->handle->timeout;
	r->is_timed = true;
	if (insert_timed(r))
		wake_timer(client, r->deadline);
}

/**
 * iot_timer() - regions are due, or were
 * @timer: the client's
 *
 * Context: the timer's softirq.
 */
void iot_timer(struct timer_list *timer)
{
	struct dm_iot_client *client =
		container_of(timer, struct dm_iot_client, timer);
	struct iot_region *r;
	struct rb_node *first;
	unsigned long irq;

	spin_lock_irqsave(&client->lock, irq);
	while ((first = rb_first_cached(&client->timed))) {
		r = rb_entry(first, struct iot_region, timed);
		if (time_before(jiffies, r->deadline)) {
			wake_timer(client, r->deadline);
			break;
		}
		erase_timed(r);
		/* Somebody else's cancel is about to end it. */
		if (atomic_read(&r->pins) & PINS_DOOMED)
			continue;
		r->timed_out = true;
		add_note(r, NOTE_TIMEOUT);
		if (r->handle->flags & DM_IOT_CANCEL_ON_TIMEOUT)
			iot_cancel(r);
	}
	spin_unlock_irqrestore(&client->lock, irq);
	iot_deliver(client);
}

/* ---- waiting, and its end ---- */

/* The first sector on the disk, so that partitions can be compared. */
static sector_t on_disk(const struct iot_region *r)
{
	return r->bdev->bd_start_sect + r->sector;
}

/*
 * Is a zombie in the way?  Only one that may write is, and only once somebody has
 * begun to send it.
 */
static bool is_blocked(struct iot_region *r)
{
	struct iot_region *z;

	lockdep_assert_held(&client_of(r)->lock);

	/* A flush has no place. */
	if (!r->count)
		return false;
	list_for_each_entry(z, &client_of(r)->zombies, list) {
		if (z->started && z->count && op_is_write(z->handle->opf) &&
		    z->bdev->bd_disk == r->bdev->bd_disk &&
		    on_disk(z) < on_disk(r) + r->count &&
		    on_disk(r) < on_disk(z) + z->count)
			return true;
	}
	return false;
}

/**
 * iot_start() - the regions of a call are active; some may have to wait
 * @h: the call; those of its regions that it is to send have by_caller set
 *
 * Context: any.
 *
 * Return: 0, or -EBUSY if a region would have to wait, and must not; then none is
 * active.
 */
int iot_start(struct dm_iot_handle *h)
{
	struct dm_iot_client *client = h->client;
	struct iot_region *r;
	unsigned long irq;

	spin_lock_irqsave(&client->lock, irq);
	if (unlikely(!list_empty(&client->zombies)) &&
	    (h->flags & DM_IOT_NO_WAIT)) {
		for (r = h->region; r < h->region + h->num_regions; r++) {
			if (is_blocked(r)) {
				spin_unlock_irqrestore(&client->lock, irq);
				return -EBUSY;
			}
		}
	}
	for (r = h->region; r < h->region + h->num_regions; r++) {
		list_add_tail(&r->list, &client->active);
		if (h->timeout)
			add_timed(r);
		if (unlikely(!list_empty(&client->zombies)) && is_blocked(r)) {
			list_add_tail(&r->wait, &client->waiting);
		} else {
			r->started = true;
			r->by_caller = true;
		}
	}
	spin_unlock_irqrestore(&client->lock, irq);
	return 0;
}

/**
 * iot_queue_work() - leave a region to a worker
 * @r: the region; what is to be done was written to it under the lock
 *
 * Context: any; the caller has something of the handle's inner count.
 */
void iot_queue_work(struct iot_region *r)
{
	atomic_inc(&r->handle->inner);
	if (!queue_work(client_of(r)->wq, &r->work))
		atomic_dec(&r->handle->inner);
}

/**
 * iot_wait_for_memory() - the sender gives up for now
 * @r: the region, of which the caller is the sender
 *
 * If the region has ended, there is nothing to wait for: the sender is done.
 *
 * Context: any.
 */
void iot_wait_for_memory(struct iot_region *r)
{
	struct dm_iot_client *client = client_of(r);
	unsigned long irq;
	bool ended;

	spin_lock_irqsave(&client->lock, irq);
	ended = r->ended;
	if (!ended) {
		list_add_tail(&r->wait, &client->waiting);
		/* Memory that comes back before this counts too: so not never. */
		queue_delayed_work(client->wq, &client->retry,
				   msecs_to_jiffies(IOT_RETRY_MS));
	}
	spin_unlock_irqrestore(&client->lock, irq);

	if (ended)
		iot_drop(r);
}

/**
 * iot_retry() - something has changed: have the waiting regions sent
 * @work: the client's retry
 *
 * Context: a worker.
 */
void iot_retry(struct work_struct *work)
{
	struct dm_iot_client *client =
		container_of(to_delayed_work(work), struct dm_iot_client, retry);
	struct iot_region *r, *next;
	unsigned long irq;

	spin_lock_irqsave(&client->lock, irq);
	list_for_each_entry_safe(r, next, &client->waiting, wait) {
		if (!r->started && is_blocked(r))
			continue;
		list_del_init(&r->wait);
		r->started = true;
		r->to_send = true;
		iot_queue_work(r);
	}
	spin_unlock_irqrestore(&client->lock, irq);
}
