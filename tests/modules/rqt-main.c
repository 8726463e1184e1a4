// SPDX-License-Identifier: GPL-2.0
/*
 * rqt: several request-based paths to one memory store.
 *
 * A request arrives in rqt_queue_rq(). Under the path's lock we count and
 * record the request and make a plan for it: refuse it, or start it and
 * complete it in some way. If the plan says so, the request then waits for a
 * release, a timer or a worker. It completes in rqt_finish(). The plan
 * determines both the data that are transferred and the status that is
 * reported.
 */
#include <linux/bitmap.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "rqt.h"

static unsigned int paths = 2;
module_param(paths, uint, 0444);
MODULE_PARM_DESC(paths, "Number of paths to the store (default 2)");

static unsigned int size_mb = 64;
module_param(size_mb, uint, 0444);
MODULE_PARM_DESC(size_mb, "Size of the store in MiB (default 64)");

static unsigned int nr_hw_queues = 1;
module_param(nr_hw_queues, uint, 0444);
MODULE_PARM_DESC(nr_hw_queues, "Hardware queues per path (default 1)");

static unsigned int slots = 64;
module_param(slots, uint, 0444);
MODULE_PARM_DESC(slots, "Depth of a hardware queue (default 64)");

static unsigned int logical_block_size = 512;
module_param(logical_block_size, uint, 0444);
MODULE_PARM_DESC(logical_block_size, "Logical block size (default 512)");

static unsigned int max_sectors_kb = 512;
module_param(max_sectors_kb, uint, 0444);
MODULE_PARM_DESC(max_sectors_kb, "Largest request in KiB (default 512)");

static bool blocking;
module_param(blocking, bool, 0444);
MODULE_PARM_DESC(blocking, "Queues are BLK_MQ_F_BLOCKING (default 0)");

static bool write_cache = true;
module_param(write_cache, bool, 0444);
MODULE_PARM_DESC(write_cache, "Advertise a write cache and FUA (default 1)");

static bool discard = true;
module_param(discard, bool, 0444);
MODULE_PARM_DESC(discard, "Advertise discard (default 1)");

static bool write_zeroes = true;
module_param(write_zeroes, bool, 0444);
MODULE_PARM_DESC(write_zeroes, "Advertise write-zeroes (default 1)");

static bool power_loss;
module_param(power_loss, bool, 0444);
MODULE_PARM_DESC(power_loss, "The write cache is lost with the power (default 0)");

static unsigned int record_size = 4096;
module_param(record_size, uint, 0444);
MODULE_PARM_DESC(record_size, "Requests kept in a path's record (default 4096)");

struct rqt_path **rqt_paths;
unsigned int rqt_nr_paths;

static int rqt_major;
static u8 *rqt_store;
static struct workqueue_struct *rqt_wq;
static atomic64_t rqt_seq = ATOMIC64_INIT(0);

/* Properties of a request */

enum rqt_op rqt_op(struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return RQT_READ;
	case REQ_OP_WRITE:
		return RQT_WRITE;
	case REQ_OP_FLUSH:
		return RQT_FLUSH;
	case REQ_OP_DISCARD:
		return RQT_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return RQT_WRITE_ZEROES;
	default:
		return RQT_OTHER;
	}
}

unsigned int rqt_nr_bios(struct request *rq)
{
	unsigned int nr = 0;
	struct bio *bio;

	__rq_for_each_bio(bio, rq)
		nr++;
	return nr;
}

static struct rqt_path *rqt_rq_path(struct request *rq)
{
	return rq->q->queuedata;
}

/* The store */

/*
 * With power_loss, rqt_store has the contents as seen through the write cache,
 * and rqt_stable those on stable storage.  A page in which both may differ is
 * dirty.  A flush, or FUA, copies it to stable storage.
 */
#define RQT_PAGES	((unsigned long)size_mb << (20 - PAGE_SHIFT))

/* Protects the following, and writes to both stores; taken in hard irq. */
static DEFINE_SPINLOCK(rqt_power_lock);
static u8 *rqt_stable;
static unsigned long *rqt_dirty;
static struct rqt_power rqt_power;

/* Account for a write of the bytes @from to @to of the store. */
static void rqt_written(struct request *rq, size_t from, size_t to)
{
	lockdep_assert_held(&rqt_power_lock);

	if (rq->cmd_flags & REQ_FUA)
		memcpy(rqt_stable + from, rqt_store + from, to - from);
	else
		bitmap_set(rqt_dirty, from >> PAGE_SHIFT,
			   (PAGE_ALIGN(to) - 1) / PAGE_SIZE - (from >> PAGE_SHIFT) + 1);
}

/* Empty the cache.  Without @keep, some dirty pages are lost at random. */
static void rqt_empty_cache(bool keep)
{
	unsigned long page;

	lockdep_assert_held(&rqt_power_lock);

	for_each_set_bit(page, rqt_dirty, RQT_PAGES) {
		u8 *cached = rqt_store + (page << PAGE_SHIFT);
		u8 *safe = rqt_stable + (page << PAGE_SHIFT);

		if (keep || get_random_u32() & 1) {
			memcpy(safe, cached, PAGE_SIZE);
			rqt_power.kept += !keep;
		} else {
			memcpy(cached, safe, PAGE_SIZE);
			rqt_power.lost++;
		}
	}
	bitmap_zero(rqt_dirty, RQT_PAGES);
}

/**
 * rqt_set_power - cut or restore the power of the store
 * @on: restore the power
 *
 * Without power every request fails with BLK_STS_OFFLINE, including a request
 * with another plan if its data has not been transferred.
 *
 * Return: 0; -EOPNOTSUPP without power_loss
 */
int rqt_set_power(bool on)
{
	if (!power_loss)
		return -EOPNOTSUPP;
	spin_lock_irq(&rqt_power_lock);
	if (!on && !rqt_power.off) {
		rqt_empty_cache(false);
		rqt_power.cuts++;
	}
	rqt_power.off = !on;
	spin_unlock_irq(&rqt_power_lock);
	return 0;
}

struct rqt_power rqt_get_power(void)
{
	struct rqt_power power;

	spin_lock_irq(&rqt_power_lock);
	power = rqt_power;
	spin_unlock_irq(&rqt_power_lock);
	return power;
}

/* Transfer the bytes from @from to @to, counted from the request's start. */
static void rqt_copy(struct request *rq, unsigned int from, unsigned int to)
{
	u8 *store = rqt_store + (blk_rq_pos(rq) << SECTOR_SHIFT);
	struct req_iterator iter;
	unsigned int pos = 0;
	struct bio_vec bv;

	rq_for_each_segment(bv, rq, iter) {
		unsigned int start = max(from, pos);
		unsigned int end = min(to, pos + bv.bv_len);

		if (start < end) {
			u8 *data = bvec_kmap_local(&bv);

			if (req_op(rq) == REQ_OP_READ)
				memcpy(data + start - pos, store + start,
				       end - start);
			else
				memcpy(store + start, data + start - pos,
				       end - start);
			kunmap_local(data);
		}
		pos += bv.bv_len;
	}
}

static void rqt_transfer_range(struct request *rq, unsigned int from,
			       unsigned int to)
{
	size_t start = blk_rq_pos(rq) << SECTOR_SHIFT;

	if (from >= to)
		return;

	switch (rqt_op(rq)) {
	case RQT_READ:
	case RQT_WRITE:
		rqt_copy(rq, from, to);
		break;
	case RQT_DISCARD:
	case RQT_WRITE_ZEROES:
		memset(rqt_store + start + from, 0, to - from);
		break;
	default:
		return;
	}
	if (power_loss && rqt_op(rq) != RQT_READ)
		rqt_written(rq, start + from, start + to);
}

static void rqt_transfer_planned(struct request *rq, const struct rqt_plan *plan)
{
	unsigned int bytes = blk_rq_bytes(rq);

	if (plan->status == BLK_STS_OK || plan->torn) {
		rqt_transfer_range(rq, 0, bytes);
		return;
	}
	rqt_transfer_range(rq, 0, plan->fail_from);
	rqt_transfer_range(rq, plan->fail_to, bytes);
}

/* Change a plan: the whole request fails. */
static void rqt_plan_failure(struct request *rq, struct rqt_plan *plan,
			     blk_status_t status)
{
	plan->status = status;
	plan->end_status = status;
	plan->fail_from = 0;
	plan->fail_to = blk_rq_bytes(rq);
	plan->late = false;
}

/*
 * Transfer the data of the parts that succeed. Do this before the first byte
 * completes, because the plan counts from the start of the whole request.
 */
static void rqt_transfer(struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	struct rqt_plan *plan = &cmd->plan;
	unsigned long flags;

	if (!power_loss) {
		rqt_transfer_planned(rq, plan);
		return;
	}
	spin_lock_irqsave(&rqt_power_lock, flags);
	if (rqt_power.off)
		rqt_plan_failure(rq, plan, BLK_STS_OFFLINE);
	else if (rqt_op(rq) != RQT_FLUSH)
		rqt_transfer_planned(rq, plan);
	else if (plan->status == BLK_STS_OK || plan->torn)
		rqt_empty_cache(true);
	spin_unlock_irqrestore(&rqt_power_lock, flags);
}

/* The record */

static struct rqt_record *rqt_record_at(struct rqt_path *path, u64 pos)
{
	struct rqt_record *r = &path->ring[pos % path->ring_size];

	return r->pos == pos ? r : NULL;
}

static void rqt_record_start(struct rqt_path *path, struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	struct rqt_record *r = &path->ring[path->head % path->ring_size];
	bool data = rqt_op(rq) != RQT_FLUSH;

	cmd->pos = path->head++;
	*r = (struct rqt_record) {
		.seq		= atomic64_inc_return(&rqt_seq),
		.pos		= cmd->pos,
		.ns		= ktime_get_ns(),
		.sector		= data ? blk_rq_pos(rq) : 0,
		.sectors	= blk_rq_sectors(rq),
		.path		= path->nr,
		.bios		= rqt_nr_bios(rq),
		.segments	= data ? blk_rq_nr_phys_segments(rq) : 0,
		.flags		= rq->cmd_flags,
		.op		= rqt_op(rq),
		.outcome	= RQT_IN_FLIGHT,
	};
}

/* When a request completes, a newer one may have overwritten its entry. */
static void rqt_record_outcome(struct rqt_path *path, struct rqt_cmd *cmd,
			       enum rqt_outcome outcome, blk_status_t status)
{
	struct rqt_record *r = rqt_record_at(path, cmd->pos);

	if (!r)
		return;
	r->outcome = outcome;
	r->status = status;
	r->fail_from = cmd->plan.fail_from;
	r->fail_to = cmd->plan.fail_to;
	r->part = outcome == RQT_ENDED && r->sectors &&
		  r->fail_to - r->fail_from < r->sectors << SECTOR_SHIFT &&
		  status != BLK_STS_OK;
}

/* Completion */

/* Account for a completion; must be called before the request completes. */
static void rqt_account_end(struct rqt_path *path, struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	unsigned long flags;
	bool waiting;

	spin_lock_irqsave(&path->lock, flags);
	path->ended++;
	path->hctx_inflight[rq->mq_hctx->queue_num]--;
	if (cmd->plan.status != BLK_STS_OK)
		path->stats.errors++;
	rqt_record_outcome(path, cmd, RQT_ENDED, cmd->plan.status);
	waiting = path->waiting;
	path->waiting = false;
	spin_unlock_irqrestore(&path->lock, flags);

	/*
	 * While we own the request, the queue cannot go away. The block
	 * layer itself restarts the hardware queue of the request, so this
	 * is for the other hardware queues.
	 */
	if (waiting)
		blk_mq_run_hw_queues(rq->q, true);
}

/* Complete the rest of a request: the failed range and the bytes after it. */
static void rqt_finish_rest(struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	struct rqt_plan plan = cmd->plan;

	rqt_account_end(rqt_rq_path(rq), rq);
	atomic_set(&cmd->state, RQT_CMD_IDLE);

	if (plan.fail_to > plan.fail_from &&
	    !blk_update_request(rq, plan.status,
				plan.fail_to - plan.fail_from)) {
		__blk_mq_end_request(rq, plan.end_status);
		return;
	}
	/* A successful request, a flush, or a successful last part. */
	blk_mq_end_request(rq, plan.end_status);
}

/* The context that changes the state from OWNED completes the request. */
static bool rqt_claim(struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	struct rqt_path *path = rqt_rq_path(rq);
	unsigned long flags;
	int state;

	state = atomic_cmpxchg(&cmd->state, RQT_CMD_OWNED, RQT_CMD_ENDING);
	if (state == RQT_CMD_OWNED)
		return true;

	spin_lock_irqsave(&path->lock, flags);
	path->double_ends++;
	spin_unlock_irqrestore(&path->lock, flags);
	WARN_ONCE(1, "rqt%u: tag %d ended twice, state %d\n", path->nr, rq->tag,
		  state);
	return false;
}

/**
 * rqt_finish - complete a request as planned
 * @rq: a request, owned by us
 *
 * Context: any. The request, or its failed rest, completes here or, after
 * rqt_plan.later_us, in the timer.
 */
static void rqt_finish(struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);

	if (!rqt_claim(rq))
		return;
	if (cmd->plan.late)
		rqt_transfer(rq);

	if (cmd->plan.fail_from)
		blk_update_request(rq, BLK_STS_OK, cmd->plan.fail_from);
	if (cmd->plan.later_us) {
		cmd->rest = true;
		hrtimer_start(&cmd->timer,
			      ns_to_ktime(cmd->plan.later_us * NSEC_PER_USEC),
			      HRTIMER_MODE_REL);
		return;
	}
	rqt_finish_rest(rq);
}

static void rqt_work(struct work_struct *work)
{
	struct rqt_cmd *cmd = container_of(work, struct rqt_cmd, work);

	rqt_finish(blk_mq_rq_from_pdu(cmd));
}

/* Complete the request in the context configured for the path. */
static void rqt_answer(struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);

	switch (cmd->complete) {
	case RQT_SOFTIRQ:
		blk_mq_complete_request(rq);
		break;
	case RQT_WORK:
		queue_work(rqt_wq, &cmd->work);
		break;
	default:
		rqt_finish(rq);
		break;
	}
}

static enum hrtimer_restart rqt_timer(struct hrtimer *timer)
{
	struct rqt_cmd *cmd = container_of(timer, struct rqt_cmd, timer);
	struct request *rq = blk_mq_rq_from_pdu(cmd);

	if (cmd->rest)
		rqt_finish_rest(rq);
	else
		rqt_answer(rq);
	return HRTIMER_NORESTART;
}

static void rqt_answer_after(struct request *rq, u64 ns)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);

	if (ns || cmd->complete == RQT_TIMER)
		hrtimer_start(&cmd->timer, ns_to_ktime(ns), HRTIMER_MODE_REL);
	else
		rqt_answer(rq);
}

/* Holding */

/* Hold a request, unless a release has come since we admitted it. */
static bool rqt_park(struct rqt_path *path, struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	unsigned long flags;
	bool parked;

	spin_lock_irqsave(&path->lock, flags);
	parked = cmd->releases == path->releases;
	if (parked) {
		list_add_tail(&cmd->node, &path->held);
		path->stats.held++;
		rqt_record_outcome(path, cmd, RQT_HELD, BLK_STS_OK);
	}
	spin_unlock_irqrestore(&path->lock, flags);
	return parked;
}

/**
 * rqt_release - complete all held requests in the order of their arrival
 * @path: the path
 * @status: BLK_STS_OK to follow the plan, or the error with which they fail
 */
void rqt_release(struct rqt_path *path, blk_status_t status)
{
	struct rqt_cmd *cmd, *next;
	LIST_HEAD(held);

	spin_lock_irq(&path->lock);
	path->releases++;
	list_splice_init(&path->held, &held);
	spin_unlock_irq(&path->lock);

	list_for_each_entry_safe(cmd, next, &held, node) {
		struct request *rq = blk_mq_rq_from_pdu(cmd);

		list_del_init(&cmd->node);
		if (status != BLK_STS_OK)
			rqt_plan_failure(rq, &cmd->plan, status);
		rqt_answer_after(rq, 0);
	}
}

/* Submission */

/**
 * rqt_set_slots - set the maximum number of requests of a path
 * @path: the path
 * @nr: 1 to rqt_path.max_slots
 */
void rqt_set_slots(struct rqt_path *path, unsigned int nr)
{
	spin_lock_irq(&path->lock);
	path->slots = nr;
	/* Under the lock, to prevent deletion of the disk meanwhile. */
	if (!path->gone)
		blk_mq_run_hw_queues(path->disk->queue, true);
	spin_unlock_irq(&path->lock);
}

/* Service time: all requests share the wire, but each slot has its own time. */
static u64 rqt_service_ns(struct rqt_path *path, struct request *rq,
			  const struct rqt_plan *plan)
{
	u64 ns = (path->service_us + plan->delay_us) * NSEC_PER_USEC;
	u64 now;

	lockdep_assert_held(&path->lock);

	if (!path->mbps || rqt_op(rq) > RQT_WRITE)
		return ns;

	now = ktime_get_ns();
	path->wire_free_ns = max(path->wire_free_ns, now) +
			     div64_u64(blk_rq_bytes(rq) * 1000ULL, path->mbps);
	return ns + path->wire_free_ns - now;
}

static void rqt_plan(struct rqt_path *path, struct request *rq,
		     struct rqt_plan *plan)
{
	memset(plan, 0, sizeof(*plan));

	if (path->gone) {
		rqt_plan_failure(rq, plan, path->gone);
	} else if (path->dead) {
		rqt_plan_failure(rq, plan, BLK_STS_TRANSPORT);
	} else if (rqt_op(rq) == RQT_OTHER) {
		rqt_plan_failure(rq, plan, BLK_STS_NOTSUPP);
	} else if (path->hold) {
		plan->hold = true;
		plan->late = path->hold == RQT_HOLD_LATE;
	} else {
		rqt_rules_apply(path, rq, plan);
	}
}

/*
 * BLK_STS_DEV_RESOURCE promises that the queue will be run again. The
 * completion of a request of the same hardware queue does so. If there is
 * none, let the block layer retry after a delay.
 */
static blk_status_t rqt_busy(struct rqt_path *path, struct blk_mq_hw_ctx *hctx,
			     blk_status_t status)
{
	path->stats.busy++;
	return path->hctx_inflight[hctx->queue_num] ? status : BLK_STS_RESOURCE;
}

static bool rqt_full(struct rqt_path *path)
{
	if (path->gone || path->started - path->ended < path->slots)
		return false;
	path->waiting = true;
	return true;
}

/* Record only requests that a rule refuses: full slots would flood it. */
static blk_status_t rqt_refuse(struct rqt_path *path,
			       struct blk_mq_hw_ctx *hctx, struct request *rq)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	blk_status_t status = cmd->plan.refuse;

	rqt_record_start(path, rq);
	rqt_record_outcome(path, cmd, RQT_REFUSED, status);
	if (status == BLK_STS_RESOURCE || status == BLK_STS_DEV_RESOURCE)
		return rqt_busy(path, hctx, status);
	path->stats.refused++;
	return status;
}

static void rqt_account_start(struct rqt_path *path,
			      struct blk_mq_hw_ctx *hctx, struct request *rq)
{
	struct rqt_stats *s = &path->stats;

	path->started++;
	path->hctx_inflight[hctx->queue_num]++;
	s->requests[rqt_op(rq)]++;
	s->bios += rqt_nr_bios(rq);
	s->sectors += blk_rq_sectors(rq);
	if (rq->cmd_flags & REQ_FUA)
		s->fua++;
	s->max_inflight = max_t(u64, s->max_inflight,
				path->started - path->ended);
}

/**
 * rqt_admit - refuse a request or plan its completion
 * @path: the path
 * @hctx: hardware queue of the request
 * @rq: the request, not started
 * @ns: set to the delay before completion
 *
 * Return: BLK_STS_OK if we accept the request, else the result of queue_rq
 */
static blk_status_t rqt_admit(struct rqt_path *path, struct blk_mq_hw_ctx *hctx,
			      struct request *rq, u64 *ns)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);
	blk_status_t status = BLK_STS_OK;
	unsigned long flags;

	/* A real device reports an error, too. */
	if (blk_rq_sectors(rq) &&
	    blk_rq_pos(rq) + blk_rq_sectors(rq) > get_capacity(rq->q->disk))
		return BLK_STS_IOERR;

	spin_lock_irqsave(&path->lock, flags);
	if (rqt_full(path)) {
		status = rqt_busy(path, hctx, BLK_STS_DEV_RESOURCE);
		goto out;
	}
	rqt_plan(path, rq, &cmd->plan);
	if (cmd->plan.refuse) {
		status = rqt_refuse(path, hctx, rq);
		goto out;
	}

	cmd->complete = path->complete;
	cmd->releases = path->releases;
	cmd->rest = false;
	*ns = path->gone || path->dead ? 0 : rqt_service_ns(path, rq, &cmd->plan);
	rqt_account_start(path, hctx, rq);
	rqt_record_start(path, rq);
out:
	spin_unlock_irqrestore(&path->lock, flags);
	return status;
}

static blk_status_t rqt_queue_rq(struct blk_mq_hw_ctx *hctx,
				 const struct blk_mq_queue_data *bd)
{
	struct rqt_path *path = hctx->queue->queuedata;
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(bd->rq);
	struct request *rq = bd->rq;
	blk_status_t status;
	u64 ns;

	might_sleep_if(hctx->flags & BLK_MQ_F_BLOCKING);

	status = rqt_admit(path, hctx, rq, &ns);
	if (status != BLK_STS_OK)
		return status;

	WARN_ONCE(atomic_cmpxchg(&cmd->state, RQT_CMD_IDLE, RQT_CMD_OWNED) !=
		  RQT_CMD_IDLE, "rqt%u: tag %d started twice\n", path->nr,
		  rq->tag);
	blk_mq_start_request(rq);

	if (!cmd->plan.late)
		rqt_transfer(rq);
	if (cmd->plan.hold && rqt_park(path, rq))
		return BLK_STS_OK;
	rqt_answer_after(rq, ns);
	return BLK_STS_OK;
}

/* We own the request during any delay, so we restart the timer. */
static enum blk_eh_timer_return rqt_timeout(struct request *rq)
{
	struct rqt_path *path = rqt_rq_path(rq);
	unsigned long flags;

	spin_lock_irqsave(&path->lock, flags);
	path->stats.timeouts++;
	spin_unlock_irqrestore(&path->lock, flags);
	return BLK_EH_RESET_TIMER;
}

static int rqt_init_request(struct blk_mq_tag_set *set, struct request *rq,
			    unsigned int hctx_idx, RQT_NODE numa_node)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);

	atomic_set(&cmd->state, RQT_CMD_IDLE);
	INIT_LIST_HEAD(&cmd->node);
	INIT_WORK(&cmd->work, rqt_work);
	rqt_timer_setup(&cmd->timer, rqt_timer);
	return 0;
}

/* The timer function that completed the request may still be running. */
static void rqt_exit_request(struct blk_mq_tag_set *set, struct request *rq,
			     unsigned int hctx_idx)
{
	struct rqt_cmd *cmd = blk_mq_rq_to_pdu(rq);

	hrtimer_cancel(&cmd->timer);
}

static const struct blk_mq_ops rqt_mq_ops = {
	.queue_rq	= rqt_queue_rq,
	.complete	= rqt_finish,
	.timeout	= rqt_timeout,
	.init_request	= rqt_init_request,
	.exit_request	= rqt_exit_request,
};

static const struct block_device_operations rqt_fops = {
	.owner	= THIS_MODULE,
};

/* Disks */

/**
 * rqt_remove - delete the disk of a path; references to it stay valid
 * @path: the path
 * @status: status of held and later requests
 *
 * Deletion of a disk waits for its requests.  To avoid a deadlock, we must not
 * hold any of them.
 */
void rqt_remove(struct rqt_path *path, blk_status_t status)
{
	if (test_and_set_bit(0, &path->removing))
		return;

	spin_lock_irq(&path->lock);
	path->gone = status;
	spin_unlock_irq(&path->lock);
	rqt_release(path, status);
	blk_mq_run_hw_queues(path->disk->queue, true);
	del_gendisk(path->disk);
}

static int rqt_add_tags(struct rqt_path *path)
{
	struct blk_mq_tag_set *set = &path->set;

	set->ops = &rqt_mq_ops;
	set->nr_hw_queues = nr_hw_queues;
	set->queue_depth = slots;
	set->numa_node = NUMA_NO_NODE;
	set->cmd_size = sizeof(struct rqt_cmd);
	set->flags = BLK_MQ_F_SHOULD_MERGE;
	if (blocking)
		set->flags |= BLK_MQ_F_BLOCKING;
	return blk_mq_alloc_tag_set(set);
}

static int rqt_add_disk(struct rqt_path *path)
{
	const struct rqt_limits limits = {
		.block_size	= logical_block_size,
		.max_sectors	= max_sectors_kb << (10 - SECTOR_SHIFT),
		.max_segments	= 256,
		.write_cache	= write_cache,
		.discard	= discard,
		.write_zeroes	= write_zeroes,
	};
	struct gendisk *disk = rqt_alloc_disk(&path->set, &limits, path);
	int ret;

	if (IS_ERR(disk))
		return PTR_ERR(disk);

	disk->major = rqt_major;
	disk->first_minor = path->nr;
	disk->minors = 1;
	disk->flags = GENHD_FL_NO_PART;
	disk->fops = &rqt_fops;
	snprintf(disk->disk_name, DISK_NAME_LEN, "rqt%u", path->nr);
	set_capacity(disk, (sector_t)size_mb << (20 - SECTOR_SHIFT));

	path->disk = disk;
	ret = add_disk(disk);
	if (ret)
		put_disk(disk);
	return ret;
}

static void rqt_init_path(struct rqt_path *path, unsigned int nr)
{
	path->nr = nr;
	spin_lock_init(&path->lock);
	INIT_LIST_HEAD(&path->held);
	INIT_LIST_HEAD(&path->rules);
	path->ring_size = record_size;
	/* blk-mq may have allocated fewer queues than we requested. */
	path->max_slots = path->set.queue_depth * path->set.nr_hw_queues;
	path->slots = path->max_slots;
}

static struct rqt_path *rqt_create(unsigned int nr)
{
	struct rqt_path *path = kzalloc(sizeof(*path), GFP_KERNEL);
	int ret;

	if (!path)
		return ERR_PTR(-ENOMEM);

	ret = rqt_add_tags(path);
	if (ret)
		goto out_path;
	rqt_init_path(path, nr);

	ret = -ENOMEM;
	path->ring = vcalloc(path->ring_size, sizeof(*path->ring));
	path->hctx_inflight = kcalloc(path->set.nr_hw_queues,
				      sizeof(*path->hctx_inflight), GFP_KERNEL);
	if (!path->ring || !path->hctx_inflight)
		goto out_memory;

	ret = rqt_add_disk(path);
	if (ret)
		goto out_memory;
	return path;

out_memory:
	kfree(path->hctx_inflight);
	vfree(path->ring);
	blk_mq_free_tag_set(&path->set);
out_path:
	kfree(path);
	return ERR_PTR(ret);
}

static void rqt_destroy(struct rqt_path *path)
{
	rqt_remove(path, BLK_STS_IOERR);
	put_disk(path->disk);
	blk_mq_free_tag_set(&path->set);
	rqt_rules_clear(path);
	kfree(path->hctx_inflight);
	vfree(path->ring);
	kfree(path);
}

/* The module */

static void rqt_destroy_all(void)
{
	while (rqt_nr_paths)
		rqt_destroy(rqt_paths[--rqt_nr_paths]);
	kfree(rqt_paths);
}

static int rqt_create_all(void)
{
	rqt_paths = kcalloc(paths, sizeof(*rqt_paths), GFP_KERNEL);
	if (!rqt_paths)
		return -ENOMEM;

	while (rqt_nr_paths < paths) {
		struct rqt_path *path = rqt_create(rqt_nr_paths);

		if (IS_ERR(path)) {
			rqt_destroy_all();
			return PTR_ERR(path);
		}
		rqt_paths[rqt_nr_paths++] = path;
	}
	return 0;
}

static int rqt_check_params(void)
{
	if (!paths || paths > 256 || !size_mb || size_mb > 65536 ||
	    !nr_hw_queues || !slots || slots > BLK_MQ_MAX_DEPTH ||
	    !is_power_of_2(logical_block_size) ||
	    logical_block_size < SECTOR_SIZE ||
	    logical_block_size > PAGE_SIZE ||
	    max_sectors_kb < PAGE_SIZE >> 10 || max_sectors_kb > 65536 ||
	    !record_size || record_size > 1 << 20)
		return -EINVAL;
	return 0;
}

static void rqt_free_stores(void)
{
	vfree(rqt_store);
	vfree(rqt_stable);
	bitmap_free(rqt_dirty);
}

static int rqt_alloc_stores(void)
{
	rqt_store = vzalloc((size_t)size_mb << 20);
	if (!rqt_store)
		return -ENOMEM;
	if (!power_loss)
		return 0;
	rqt_stable = vzalloc((size_t)size_mb << 20);
	rqt_dirty = bitmap_zalloc(RQT_PAGES, GFP_KERNEL);
	if (rqt_stable && rqt_dirty)
		return 0;
	rqt_free_stores();
	return -ENOMEM;
}

static int __init rqt_init(void)
{
	int ret = rqt_check_params();

	if (!ret)
		ret = rqt_alloc_stores();
	if (ret)
		return ret;

	ret = -ENOMEM;
	rqt_wq = alloc_workqueue("rqt", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!rqt_wq)
		goto out_store;

	rqt_major = register_blkdev(0, "rqt");
	if (rqt_major < 0) {
		ret = rqt_major;
		goto out_wq;
	}

	ret = rqt_create_all();
	if (ret)
		goto out_blkdev;
	ret = rqt_debugfs_init();
	if (ret)
		goto out_paths;
	return 0;

out_paths:
	rqt_destroy_all();
out_blkdev:
	unregister_blkdev(rqt_major, "rqt");
out_wq:
	destroy_workqueue(rqt_wq);
out_store:
	rqt_free_stores();
	return ret;
}

static void __exit rqt_exit(void)
{
	rqt_debugfs_exit();
	rqt_destroy_all();
	unregister_blkdev(rqt_major, "rqt");
	destroy_workqueue(rqt_wq);
	rqt_free_stores();
}

module_init(rqt_init);
module_exit(rqt_exit);

MODULE_DESCRIPTION("Test block driver: one store, many paths, faults by rule");
MODULE_LICENSE("GPL");
