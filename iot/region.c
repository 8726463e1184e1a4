// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-io-timeout: the states of a region.
 *
 * A region ends when its final state is set, and is finished when its sender
 * and all its bios have dropped their references (see iot.h). Usually both
 * happen at once, when the last bio completes. If a region is cancelled, it
 * ends first, and is a zombie until it is finished.
 *
 * Reports: the completion of the last bio calls notify directly if no other
 * state of the region is queued or being reported. We queue all other states in
 * the client's list of reports, and one context at a time works through it.
 * This ensures that notify recurses by one level at most if it cancels a region,
 * and that we report the states of a region in order.
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
 * Context: any, without the lock. The caller has something pending for the
 * handle. Once we have reported the last end, the user may free its memory.
 */
static void call_notify(struct iot_region *r, enum dm_iot_state state)
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

/*
 * If the region is listed or notify is running for it, iot_deliver() checks
 * to_report again, so we must not list the region a second time.
 */
static void queue_report(struct iot_region *r, unsigned int which)
{
	lockdep_assert_held(&iot_client_of(r)->lock);

	if (!r->to_report && !r->notifying) {
		atomic_inc(&r->handle->pending);
		list_add_tail(&r->report, &iot_client_of(r)->reports);
	}
	r->to_report |= which;
}

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
	while (!list_empty(&client->reports)) {
		r = list_first_entry(&client->reports, struct iot_region,
				     report);
		list_del_init(&r->report);
		if (r->to_report & REPORT_TIMEOUT) {
			r->to_report &= ~REPORT_TIMEOUT;
			state = DM_IOT_TIMEOUT;
		} else {
			r->to_report &= ~REPORT_END;
			state = r->state;
		}
		r->notifying = true;
		spin_unlock_irqrestore(&client->lock, irq);

		call_notify(r, state);

		spin_lock_irqsave(&client->lock, irq);
		r->notifying = false;
		if (r->to_report) {
			list_add(&r->report, &client->reports);
			continue;
		}
		/*
		 * If this was the last report, iot_pending_put() may free the
		 * client. Do not touch it afterwards.
		 */
		last = list_empty(&client->reports);
		client->delivering = !last;
		spin_unlock_irqrestore(&client->lock, irq);

		iot_pending_put(r->handle);
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
	struct dm_iot_client *client = iot_client_of(r);

	if (client->timed_last == &r->timed)
		client->timed_last = rb_prev(&r->timed);
	rb_erase_cached(&r->timed, &client->timed);
	r->is_timed = false;
}

static void end_region(struct iot_region *r, enum dm_iot_state state)
{
	struct dm_iot_client *client = iot_client_of(r);

	lockdep_assert_held(&client->lock);

	if (r->is_timed)
		erase_timed(r);
	r->state = state;
	WRITE_ONCE(r->ended, true);
}

static void end_cancelled(struct iot_region *r)
{
	end_region(r, DM_IOT_CANCELLED);
	list_move_tail(&r->list, &iot_client_of(r)->zombies);
	queue_report(r, REPORT_END);

	/*
	 * No context is sending a region that waits. Queue its work item, which
	 * sees that the region has ended and drops the sender's reference.
	 */
	if (!list_empty(&r->wait)) {
		list_del_init(&r->wait);
		r->to_send = true;
		iot_queue_work(r);
	}
}

void iot_cancel(struct iot_region *r)
{
	lockdep_assert_held(&iot_client_of(r)->lock);

	if (!(atomic_fetch_or(PINS_CANCELLED, &r->pins) & ~PINS_CANCELLED))
		end_cancelled(r);
}

bool iot_pin(struct iot_region *r)
{
	if (likely(!(atomic_inc_return(&r->pins) & PINS_CANCELLED)))
		return true;
	iot_unpin(r);
	return false;
}

void iot_unpin(struct iot_region *r)
{
	struct dm_iot_client *client = iot_client_of(r);
	unsigned long irq;

	if (likely(atomic_dec_return(&r->pins) != PINS_CANCELLED))
		return;

	/*
	 * This was the last pin of a cancelled region. Failed attempts to pin
	 * get here too, so another context may have ended the region already.
	 */
	spin_lock_irqsave(&client->lock, irq);
	if (!r->ended)
		end_cancelled(r);
	spin_unlock_irqrestore(&client->lock, irq);
	iot_deliver(client);
}

/* ---- finished: the last reference is gone ---- */

static void finish_region(struct iot_region *r)
{
	struct dm_iot_client *client = iot_client_of(r);
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
		deliver = r->to_report || r->notifying;
		if (unlikely(deliver))
			queue_report(r, REPORT_END);
		spin_unlock_irqrestore(&client->lock, irq);
		if (likely(!deliver))
			call_notify(r, state);
	}

	if (unlikely(kick))
		mod_delayed_work(client->wq, &client->retry, 0);
	if (unlikely(deliver))
		iot_deliver(client);
	iot_pending_put(r->handle);
}

void iot_region_put(struct iot_region *r)
{
	if (atomic_dec_and_test(&r->refs))
		finish_region(r);
}

/* ---- timeouts ---- */

static bool due_before(struct rb_node *a, const struct rb_node *b)
{
	return time_before(rb_entry(a, struct iot_region, timed)->deadline,
			   rb_entry(b, struct iot_region, timed)->deadline);
}

/*
 * The timer wheel expires late: by one tick, and by up to an eighth of a long
 * timeout. To compensate we set the timer early by as much. If it then expires
 * too early, iot_timer() sets it again for the time that is left.
 */
static void set_timer(struct dm_iot_client *client, unsigned long deadline)
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

/*
 * Returns true if no other region is due earlier. A new region is usually due
 * last, so try that position first to avoid a search.
 */
static bool insert_timed(struct iot_region *r)
{
	struct dm_iot_client *client = iot_client_of(r);
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
 * When a region ends in time we leave the timer alone. It then expires with
 * nothing to report, but only once for all the regions which ended until then.
 */
static void add_timed(struct iot_region *r)
{
	struct dm_iot_client *client = iot_client_of(r);

	lockdep_assert_held(&client->lock);

	r->deadline = r->start + r->handle->timeout;
	r->is_timed = true;
	if (insert_timed(r))
		set_timer(client, r->deadline);
}

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
			set_timer(client, r->deadline);
			break;
		}
		erase_timed(r);
		/* Already cancelled; the last iot_unpin() will end it. */
		if (atomic_read(&r->pins) & PINS_CANCELLED)
			continue;
		r->timed_out = true;
		queue_report(r, REPORT_TIMEOUT);
		if (r->handle->flags & DM_IOT_CANCEL_ON_TIMEOUT)
			iot_cancel(r);
	}
	spin_unlock_irqrestore(&client->lock, irq);
	iot_deliver(client);
}

/* ---- waiting ---- */

/* Sector on the whole disk, so that we can compare regions of partitions. */
static sector_t on_disk(const struct iot_region *r)
{
	return r->bdev->bd_start_sect + r->sector;
}

/*
 * Does the region overlap a zombie that may still write? A zombie which was
 * never started has no bios, so it cannot.
 */
static bool is_blocked(struct iot_region *r)
{
	struct iot_region *z;

	lockdep_assert_held(&iot_client_of(r)->lock);

	/* A flush has no sectors. */
	if (!r->count)
		return false;
	list_for_each_entry(z, &iot_client_of(r)->zombies, list) {
		if (z->started && z->count && op_is_write(z->handle->opf) &&
		    z->bdev->bd_disk == r->bdev->bd_disk &&
		    on_disk(z) < on_disk(r) + r->count &&
		    on_disk(r) < on_disk(z) + z->count)
			return true;
	}
	return false;
}

int iot_activate(struct dm_iot_handle *h)
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

void iot_queue_work(struct iot_region *r)
{
	atomic_inc(&r->handle->pending);
	if (!queue_work(iot_client_of(r)->wq, &r->work))
		atomic_dec(&r->handle->pending);
}

void iot_wait_for_memory(struct iot_region *r)
{
	struct dm_iot_client *client = iot_client_of(r);
	unsigned long irq;
	bool ended;

	spin_lock_irqsave(&client->lock, irq);
	ended = r->ended;
	if (!ended) {
		list_add_tail(&r->wait, &client->waiting);
		/*
		 * We cannot rely on a completing bio to queue the retry,
		 * because it may have freed its memory before the region was
		 * listed.
		 */
		queue_delayed_work(client->wq, &client->retry,
				   msecs_to_jiffies(IOT_RETRY_MS));
	}
	spin_unlock_irqrestore(&client->lock, irq);

	if (ended)
		iot_region_put(r);
}

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
