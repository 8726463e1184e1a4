// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wakes: after a state change, we map I/O again that waits for a path.  Requests wait in
 * the requeue list of the map's queue (dm-rq), bios in m->bio.waiting.
 */

#include "mpath/mpath.h"
#include "mpath/trace.h"

struct workqueue_struct *mpath_wq;
struct workqueue_struct *mpath_handler_wq;

/*
 * For the owner of a bio in flight, which it gives to the worker.  When the worker ends the
 * last bio in flight, a suspend may end and @m be freed.  Under the lock, a worker that
 * runs already cannot take the bio before we have queued it again.
 */
static void queue_worker(struct mpath *m)
{
	lockdep_assert_held(&m->lock);
	queue_work(mpath_wq, &m->bio.work);
}

/**
 * mpath_bio_wait() - let a bio wait for a path
 * @m: the map
 * @bio: the bio
 * @wakes: rq.wakes from before the caller looked for a path. A later wake may have
 *	emptied the list before @bio was on it. Then we queue the worker ourselves
 *
 * After the return, the caller may touch neither @bio nor @m.
 *
 * Context: any.
 */
void mpath_bio_wait(struct mpath *m, struct bio *bio, int wakes)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	bio_list_add(&m->bio.waiting, bio);
	/* Pairs with the barrier in wake_bios(): one of us sees the other. */
	smp_mb();
	if (atomic_read(&m->rq.wakes) != wakes)
		queue_worker(m);
	spin_unlock_irqrestore(&m->lock, flags);
}

/**
 * mpath_bio_retry() - let the worker map a bio again
 * @m: the map
 * @bio: the bio
 *
 * After the return, the caller may touch neither @bio nor @m.
 *
 * Context: any.
 */
void mpath_bio_retry(struct mpath *m, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&m->lock, flags);
	bio_list_add(&m->bio.waiting, bio);
	queue_worker(m);
	spin_unlock_irqrestore(&m->lock, flags);
}

static void wake_bios(struct mpath *m)
{
	/* After the caller's change: pairs with the acquire in map_bio(). */
	smp_mb__before_atomic();
	atomic_inc(&m->rq.wakes);
	/* Before the worker takes the list: pairs with mpath_bio_wait(). */
	smp_mb__after_atomic();
	queue_work(mpath_wq, &m->bio.work);
}

/**
 * mpath_wake() - map all waiting I/O again
 * @m: the map, locked or not
 *
 * Context: any, hard irq included.
 */
void mpath_wake(struct mpath *m)
{
	trace_mpath_wake(m, READ_ONCE(m->nr_usable));
	if (m->bio_mode)
		wake_bios(m);
	else
		dm_rq_wake(&m->rq);
}

/**
 * mpath_wake_and_wait() - map all waiting I/O again and wait until this is done
 * @m: the map
 *
 * Context: process, may sleep.
 */
void mpath_wake_and_wait(struct mpath *m)
{
	if (m->bio_mode) {
		wake_bios(m);
		flush_work(&m->bio.work);
	} else {
		dm_rq_wake_and_wait(&m->rq);
	}
}

/**
 * mpath_wake_init() - allocate the workqueues
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int mpath_wake_init(void)
{
	/* Unbound: the work is rare, and must not wait for a busy CPU. */
	mpath_wq = alloc_workqueue("mpath-rq", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!mpath_wq)
		return -ENOMEM;
	mpath_handler_wq = alloc_workqueue("mpath-rq-handler",
					   WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!mpath_handler_wq) {
		destroy_workqueue(mpath_wq);
		return -ENOMEM;
	}
	return 0;
}

/**
 * mpath_wake_exit() - destroy the workqueues
 *
 * Context: process, after the last map.
 */
void mpath_wake_exit(void)
{
	destroy_workqueue(mpath_handler_wq);
	destroy_workqueue(mpath_wq);
}
