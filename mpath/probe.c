// SPDX-License-Identifier: GPL-2.0-only
/*
 * The path prober: which paths answer?
 *
 * A probe of a path is a read of its first logical block.  Those of a round go
 * together, as regions of one dm_iot call (include/linux/dm-io-timeout.h), and who has
 * asked waits no longer than the timeout, whatever the devices do.
 *
 * What has not come back by then stays with its device, which is sent no other
 * meanwhile: who asks next, for the same map or another one, waits for that same read.
 * Only when a message has reinstated the path since, its silence is old news, and it is
 * sent one other.  So a silent device has two of ours at most, however often it is asked.
 *
 * Who owns what.  A device that is probed has a struct mpath_probed, with the memory
 * that is read into and a hold that keeps the device open.  The paths that are that
 * device share it, and its read has a reference of its own: maps are suspended, loaded
 * and removed without waiting for it.  Only the module waits, when it is unloaded.  The
 * reads are DM_IOT_NO_CANCEL, so their end says that the device is done with them.
 */

#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/dm-io-timeout.h>
#include <linux/hashtable.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "mpath/mpath.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "multipath"

#define DEFAULT_TIMEOUT_MS	1000
#define MAX_TIMEOUT_MS		60000

/* Regions of a call; for more paths there are more calls, at the same time. */
#define CALL_REGIONS		64

/* 12 characters of a device, a word, 20 digits */
#define MAX_LINE		48

/* As an I/O of the map, but by itself. */
#define PROBE_OPF		(REQ_OP_READ | REQ_SYNC | REQ_NOMERGE | \
				 REQ_FAILFAST_DEV | REQ_FAILFAST_TRANSPORT)

/**
 * struct probe_read - a read of a device
 * @probed: the device; constant
 * @block: what is read is put there, and not looked at; constant
 * @asks: who waits for it; under @answer_lock, as all below
 * @sent: when it was
 * @out: it is not back
 */
struct probe_read {
	struct mpath_probed *probed;
	void *block;
	struct list_head asks;
	ktime_t sent;
	bool out;
};

/* The usual one, and one for a path that came back while that is out. */
#define READS	2

/**
 * struct mpath_probed - a device that is a path, of one map or several
 * @node: in @devices; under @devices_lock
 * @refs: of paths, and of each read that is not back. The last goes under
 *	@devices_lock
 * @bdev: constant
 * @hold: keeps it open; constant
 * @sectors: of a read; constant
 * @release: gives back the last reference, where a read could not
 * @read: the second only while the first is out
 */
struct mpath_probed {
	struct hlist_node node;
	refcount_t refs;
	struct block_device *bdev;
	struct dm_rq_hold hold;
	sector_t sectors;
	struct work_struct release;
	struct probe_read read[READS];
};

/**
 * struct ask - a path of a round
 * @list: in the read's asks, until it is answered
 * @round: constant
 * @path: constant
 * @read: constant, and the device's
 * @sends: that is this round's to send; the round's own
 * @reinstated: the path's, when it was asked; the round's own
 * @answered: the read has come back; under @answer_lock, as the next two, and
 *	constant when the round is over
 * @error: of the read, 0 or a negative errno
 * @us: between its sending and its end
 */
struct ask {
	struct list_head list;
	struct round *round;
	struct mpath_path *path;
	struct probe_read *read;
	ktime_t reinstated;
	bool sends;
	bool answered;
	int error;
	s64 us;
};

/**
 * struct round - paths that are asked at the same time
 * @m: the map
 * @list: in the map's probe_rounds; under @answer_lock, as the next two
 * @pending: paths without an answer
 * @stopped: the map is being suspended
 * @done: nothing is pending, or it is stopped
 * @nr: of @ask
 * @ask: in the order of the table
 */
struct round {
	struct mpath *m;
	struct list_head list;
	unsigned int pending;
	bool stopped;
	struct completion done;
	unsigned int nr;
	struct ask ask[];
};

/**
 * struct call - what is dm_iot's until the last region has ended
 * @left: regions that have not
 * @read: of each region
 * @block: where each is read to
 * @region: only for the call itself
 */
struct call {
	atomic_t left;
	struct probe_read *read[CALL_REGIONS];
	struct bio_vec block[CALL_REGIONS];
	struct dm_iot_region region[CALL_REGIONS];
};

/* Of all maps: a probe copies nothing, so the reserve is small. */
static struct dm_iot_client *client;

/* Rounds of probe_interval, and the closing of devices. */
static struct workqueue_struct *probe_wq;

/* Makes devices known and forgets them. */
static DEFINE_MUTEX(devices_lock);
static DEFINE_HASHTABLE(devices, 8);

/* What is asked, and answered; taken in any context. */
static DEFINE_SPINLOCK(answer_lock);

/* ---- devices ---- */

static struct mpath_probed *find_probed(struct block_device *bdev)
{
	struct mpath_probed *p;

	lockdep_assert_held(&devices_lock);

	hash_for_each_possible(devices, p, node, (unsigned long)bdev)
		if (p->bdev == bdev)
			return p;
	return NULL;
}

static void release_work(struct work_struct *work)
{
	mpath_probed_put(container_of(work, struct mpath_probed, release));
}

static void free_probed(struct mpath_probed *p)
{
	unsigned int i;

	for (i = 0; i < READS; i++)
		kfree(p->read[i].block);
	kfree(p);
}

static int init_read(struct mpath_probed *p, struct probe_read *read)
{
	read->probed = p;
	INIT_LIST_HEAD(&read->asks);
	/* Of such a size, kmalloc() aligns to it: good for any DMA. */
	read->block = kmalloc(p->sectors << SECTOR_SHIFT, GFP_KERNEL);
	return read->block ? 0 : -ENOMEM;
}

static struct mpath_probed *new_probed(struct dm_dev *dev)
{
	struct mpath_probed *p;
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
	if (!r)
		r = dm_rq_hold_dev(dev, &p->hold);
	if (r) {
		free_probed(p);
		return ERR_PTR(r);
	}
	return p;
}

/**
 * mpath_probed_get() - a device is a path
 * @dev: the device, as the table has it
 *
 * Context: process, may sleep: what can sleep on a device that does not answer is
 * done now, and not when it is to be probed.
 * Return: what is to be given back with mpath_probed_put(); an ERR_PTR().
 */
struct mpath_probed *mpath_probed_get(struct dm_dev *dev)
{
	struct mpath_probed *p;

	mutex_lock(&devices_lock);
	p = find_probed(dev->bdev);
	if (p) {
		refcount_inc(&p->refs);
	} else {
		p = new_probed(dev);
		if (!IS_ERR(p))
			hash_add(devices, &p->node, (unsigned long)p->bdev);
	}
	mutex_unlock(&devices_lock);
	return p;
}

/**
 * mpath_probed_put() - it is a path no longer
 * @p: the device; a read that is not back keeps it
 *
 * Context: process, may sleep.
 */
void mpath_probed_put(struct mpath_probed *p)
{
	if (!refcount_dec_and_mutex_lock(&p->refs, &devices_lock))
		return;
	hash_del(&p->node);
	mutex_unlock(&devices_lock);

	dm_rq_release_dev(&p->hold);
	free_probed(p);
}

/* Any context.  The work has the last reference, which only it gives back. */
static void put_after_read(struct mpath_probed *p)
{
	if (!refcount_dec_not_one(&p->refs))
		queue_work(probe_wq, &p->release);
}

/* ---- reads ---- */

/* Any context: the read is back, or was not sent. */
static void answer(struct probe_read *read, int error)
{
	struct ask *ask, *next;
	unsigned long flags;
	s64 us;

	spin_lock_irqsave(&answer_lock, flags);
	us = ktime_us_delta(ktime_get(), read->sent);
	list_for_each_entry_safe(ask, next, &read->asks, list) {
		list_del_init(&ask->list);
		ask->answered = true;
		ask->error = error;
		ask->us = us;
		if (!--ask->round->pending)
			complete(&ask->round->done);
	}
	read->out = false;
	spin_unlock_irqrestore(&answer_lock, flags);

	put_after_read(read->probed);
}

/*
 * Context: any, hard irq included.  DM_IOT_TIMEOUT is no news: those who wait for the
 * same read may have different timeouts, and have a clock each.
 */
static void read_state(const struct dm_iot_region_state *state, void *context)
{
	struct call *call = context;

	if (state->state == DM_IOT_TIMEOUT)
		return;
	answer(call->read[state->index], state->error_code);
	if (atomic_dec_and_test(&call->left))
		kfree(call);
}

static int send_call(struct probe_read **reads, unsigned int nr,
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
	struct call *call;
	unsigned int i;
	int r;

	call = kmalloc(sizeof(*call), GFP_NOIO);
	if (!call)
		return -ENOMEM;
	atomic_set(&call->left, nr);
	for (i = 0; i < nr; i++) {
		struct mpath_probed *p = reads[i]->probed;

		call->read[i] = reads[i];
		call->block[i] = (struct bio_vec){
			.bv_page = virt_to_page(reads[i]->block),
			.bv_offset = offset_in_page(reads[i]->block),
			.bv_len = p->sectors << SECTOR_SHIFT,
		};
		call->region[i] = (struct dm_iot_region){
			.bdev = p->bdev,
			.count = p->sectors,
		};
	}
	ctl.memory.bvec = call->block;
	ctl.context = call;

	r = dm_iot_io(&ctl, nr, call->region, NULL);
	if (r)
		kfree(call);
	return r;
}

/* A call is refused as a whole: then each device gets the answer that is its own. */
static void send_reads(struct probe_read **reads, unsigned int nr,
		       unsigned int ms)
{
	unsigned int i;
	int r;

	r = send_call(reads, nr, ms);
	if (likely(!r))
		return;
	for (i = 0; i < nr; i++) {
		if (nr > 1 && r != -ENOMEM)
			r = send_call(&reads[i], 1, ms);
		if (r)
			answer(reads[i], r);
	}
}

/* ---- rounds ---- */

/* The device of @path, or with 0 any. */
static bool is_asked(struct mpath_path *path, dev_t dev)
{
	return !dev || path->ps.dev->bdev->bd_dev == dev;
}

static unsigned int count_paths(struct mpath *m, dev_t dev)
{
	struct mpath_path *path;
	unsigned int nr = 0;

	list_for_each_entry(path, &m->paths, list)
		nr += is_asked(path, dev);
	return nr;
}

static struct round *new_round(struct mpath *m, dev_t dev)
{
	unsigned int nr = count_paths(m, dev);
	struct mpath_path *path;
	struct round *round;

	/* Not to wait for I/O: it may be this map's. */
	round = kvzalloc(struct_size(round, ask, nr), GFP_NOIO);
	if (!round)
		return NULL;
	round->m = m;
	init_completion(&round->done);
	list_for_each_entry(path, &m->paths, list) {
		if (!is_asked(path, dev))
			continue;
		round->ask[round->nr].round = round;
		round->ask[round->nr++].path = path;
	}
	return round;
}

/*
 * A read that was sent before the path was reinstated says nothing of it: it may have
 * been swallowed by what is over.
 */
static struct probe_read *read_for(struct ask *ask)
{
	struct probe_read *read = ask->path->probed->read;

	lockdep_assert_held(&answer_lock);

	if (read->out && ktime_before(read->sent, ask->reinstated))
		read++;
	return read;
}

/* Says whose reads are to be sent. */
static int enter_round(struct round *round)
{
	struct mpath *m = round->m;
	struct ask *ask;

	spin_lock_irq(&answer_lock);
	if (m->probe_stopped) {
		spin_unlock_irq(&answer_lock);
		return -EBUSY;
	}
	list_add(&round->list, &m->probe_rounds);
	round->pending = round->nr;
	if (!round->nr)
		complete(&round->done);
	for (ask = round->ask; ask < round->ask + round->nr; ask++) {
		struct probe_read *read;

		ask->reinstated = READ_ONCE(ask->path->reinstated);
		read = read_for(ask);
		ask->read = read;
		list_add_tail(&ask->list, &read->asks);
		if (read->out)
			continue;
		refcount_inc(&read->probed->refs);
		read->out = true;
		read->sent = ktime_get();
		ask->sends = true;
	}
	spin_unlock_irq(&answer_lock);
	return 0;
}

static void send_round(struct round *round, unsigned int ms)
{
	struct probe_read *reads[CALL_REGIONS];
	unsigned int nr = 0;
	struct ask *ask;

	for (ask = round->ask; ask < round->ask + round->nr; ask++) {
		if (ask->sends)
			reads[nr++] = ask->read;
		if (nr == CALL_REGIONS) {
			send_reads(reads, nr, ms);
			nr = 0;
		}
	}
	if (nr)
		send_reads(reads, nr, ms);
}

/* From now on nothing comes to it. */
static int leave_round(struct round *round)
{
	struct ask *ask;
	int r;

	spin_lock_irq(&answer_lock);
	list_del(&round->list);
	for (ask = round->ask; ask < round->ask + round->nr; ask++)
		list_del_init(&ask->list);
	r = round->stopped && round->pending ? -EBUSY : 0;
	spin_unlock_irq(&answer_lock);
	return r;
}

static int wait_for_round(struct round *round, unsigned long until)
{
	unsigned long now = jiffies;
	long r;

	r = wait_for_completion_killable_timeout(&round->done,
						 time_before(now, until) ?
						 until - now : 0);
	return r < 0 ? -EINTR : 0;
}

/*
 * Ask the paths of @m that are @dev, or all, and wait for @ms at most.
 *
 * Process context.  Returns the round, to be freed by kvfree(); or an ERR_PTR():
 * -ENOMEM, -EBUSY if the map is being suspended, -EINTR if the caller is to die.
 */
static struct round *ask_paths(struct mpath *m, dev_t dev, unsigned int ms)
{
	/* A tick has begun already. */
	unsigned long until = jiffies + msecs_to_jiffies(ms) + 1;
	struct round *round;
	int r, left;

	round = new_round(m, dev);
	if (!round)
		return ERR_PTR(-ENOMEM);
	r = enter_round(round);
	if (r)
		goto free_round;
	send_round(round, ms);
	r = wait_for_round(round, until);
	left = leave_round(round);
	r = r ?: left;
	if (r)
		goto free_round;
	return round;

free_round:
	kvfree(round);
	return ERR_PTR(r);
}

/* ---- what the answers come to ---- */

enum finding {
	FOUND_GOOD,
	FOUND_SILENT,
	FOUND_BAD,
	FOUND_NOTHING,
};

/*
 * An error that is the data's is an answer, as for the map's I/O.  A shortage says
 * nothing of the path.  Nor does the error of a group that its hardware handler has
 * not made ready: standby paths refuse to read, and are good for what they are for.
 */
static enum finding judge(struct mpath *m, struct ask *ask)
{
	if (ask->answered &&
	    (!ask->error ||
	     !mpath_is_path_error(errno_to_blk_status(ask->error))))
		return FOUND_GOOD;
	/* Somebody knows better since. */
	if (READ_ONCE(ask->path->reinstated) != ask->reinstated)
		return FOUND_NOTHING;
	if (!ask->answered)
		return FOUND_SILENT;
	if (ask->error == -ENOMEM ||
	    (m->handler_name && READ_ONCE(m->current_group) != ask->path->group))
		return FOUND_NOTHING;
	return FOUND_BAD;
}

/*
 * Those that are back first, and those that are silent last, from the end of the
 * table: one that is usable has to stay if there is no other.
 */
static void act_on(struct round *round,
		   void (*reinstate)(struct mpath *m, struct mpath_path *path))
{
	struct ask *end = round->ask + round->nr, *ask;
	struct mpath *m = round->m;

	for (ask = round->ask; reinstate && ask < end; ask++)
		if (judge(m, ask) == FOUND_GOOD)
			reinstate(m, ask->path);
	for (ask = round->ask; ask < end; ask++)
		if (judge(m, ask) == FOUND_BAD)
			mpath_fail_path(m, ask->path);
	for (ask = end; ask-- > round->ask; )
		if (judge(m, ask) == FOUND_SILENT)
			mpath_fail_silent_path(m, ask->path);
}

/* ---- messages ---- */

static void round_text(struct round *round, char *result, unsigned int maxlen)
{
	struct ask *ask;
	int sz = 0;

	result[0] = '\0';
	for (ask = round->ask; ask < round->ask + round->nr; ask++) {
		DMEMIT("%s ", ask->path->ps.dev->name);
		if (!ask->answered)
			DMEMIT("TIMEOUT\n");
		else if (ask->error)
			DMEMIT("ERROR %d\n", -ask->error);
		else
			DMEMIT("OK %lld\n", ask->us);
	}
}

/*
 * dm core tells user space to come again with more room when the result is full: that
 * has to be known before the paths are asked.
 */
static bool is_too_small(struct mpath *m, dev_t dev, char *result,
			 unsigned int maxlen)
{
	if (count_paths(m, dev) * MAX_LINE + 1 < maxlen)
		return false;
	if (maxlen) {
		memset(result, ' ', maxlen - 1);
		result[maxlen - 1] = '\0';
	}
	return true;
}

/* [<timeout ms>] [reinstate] */
static int parse_words(struct mpath *m, const char *verb, unsigned int argc,
		       char **argv, unsigned int *ms, bool *reinstate)
{
	*ms = DEFAULT_TIMEOUT_MS;
	if (argc && !dm_ps_number(argv[0], ms) && *ms && *ms <= MAX_TIMEOUT_MS) {
		argc--;
		argv++;
	}
	*reinstate = argc && !strcasecmp(argv[0], "reinstate");
	if (*reinstate) {
		argc--;
		argv++;
	}
	if (!argc)
		return 0;
	DMWARN("%s: message %s: expected [<timeout 1..%u ms>] [reinstate], got '%.32s'",
	       mpath_name(m), verb, MAX_TIMEOUT_MS, argv[0]);
	return -EINVAL;
}

/**
 * mpath_probe_message() - probe_paths, and probe_path
 * @m: the map, not suspended
 * @argc: number of words
 * @argv: the words, the first is one of the two
 * @result: a line per path: its device, and OK and microseconds, TIMEOUT, or ERROR and
 *	the errno
 * @maxlen: room there
 *
 * Context: process, may sleep, as long as it was told to and a tick. A suspend ends
 * that.
 * Return: 1: there is a result; -EINVAL for a word or a path that is unknown, and what
 * the kernel says of a device's name, each with a line in the log; -EBUSY if the map is
 * suspended meanwhile, -EINTR if the caller is to die, -ENOMEM: then no path has failed
 * or come back by this.
 */
int mpath_probe_message(struct mpath *m, unsigned int argc, char **argv,
			char *result, unsigned int maxlen)
{
	bool all = !strcasecmp(argv[0], "probe_paths"), reinstate;
	unsigned int words = all ? 1 : 2, ms;
	struct round *round;
	dev_t dev = 0;
	int r;

	if (argc < words) {
		DMWARN("%s: message %s: expected a device, got nothing",
		       mpath_name(m), argv[0]);
		return -EINVAL;
	}
	r = parse_words(m, argv[0], argc - words, argv + words, &ms,
			&reinstate);
	if (!r && !all)
		r = mpath_device_arg(m, argv[1], &dev);
	if (r)
		return r;
	if (is_too_small(m, dev, result, maxlen))
		return 1;

	round = ask_paths(m, dev, ms);
	if (IS_ERR(round))
		return PTR_ERR(round);
	round_text(round, result, maxlen);
	act_on(round, reinstate ? mpath_reinstate_path : NULL);
	kvfree(round);
	return 1;
}

/* ---- probe_interval ---- */

static void probe_work(struct work_struct *work)
{
	struct mpath *m = container_of(to_delayed_work(work), struct mpath,
				       probe_work);
	unsigned long next = jiffies + msecs_to_jiffies(m->probe_interval);
	struct round *round;

	round = ask_paths(m, 0, min_t(unsigned int, m->probe_interval,
				      DEFAULT_TIMEOUT_MS));
	if (!IS_ERR(round)) {
		act_on(round, mpath_reinstate_answering);
		kvfree(round);
	} else if (PTR_ERR(round) == -EBUSY) {
		return;
	}
	queue_delayed_work(probe_wq, &m->probe_work,
			   time_before(jiffies, next) ? next - jiffies : 0);
}

/**
 * mpath_probe_start() - the map is in use: it may be probed
 * @m: the map
 *
 * Context: process.
 */
void mpath_probe_start(struct mpath *m)
{
	spin_lock_irq(&answer_lock);
	m->probe_stopped = false;
	spin_unlock_irq(&answer_lock);

	if (m->probe_interval)
		queue_delayed_work(probe_wq, &m->probe_work,
				   msecs_to_jiffies(m->probe_interval));
}

/**
 * mpath_probe_stop() - the map is going to be suspended: nobody waits for answers
 * @m: the map
 *
 * A message that is waiting holds up a suspend: it returns now.
 *
 * Context: process.
 */
void mpath_probe_stop(struct mpath *m)
{
	struct round *round;

	spin_lock_irq(&answer_lock);
	m->probe_stopped = true;
	list_for_each_entry(round, &m->probe_rounds, list) {
		round->stopped = true;
		complete(&round->done);
	}
	spin_unlock_irq(&answer_lock);
}

/**
 * mpath_probe_end() - no probe of the map's own touches it any more
 * @m: the map, after mpath_probe_stop() or never in use
 *
 * Context: process, may sleep, but not for a device.
 */
void mpath_probe_end(struct mpath *m)
{
	cancel_delayed_work_sync(&m->probe_work);
}

/* ---- set-up ---- */

/**
 * mpath_probe_init_map() - the fields of a map
 * @m: the map, zeroed
 *
 * Context: process.
 */
void mpath_probe_init_map(struct mpath *m)
{
	INIT_LIST_HEAD(&m->probe_rounds);
	INIT_DELAYED_WORK(&m->probe_work, probe_work);
}

/**
 * mpath_probe_init() - set up for all maps
 *
 * Context: process.
 * Return: 0 or an errno.
 */
int mpath_probe_init(void)
{
	/* Many at a time: a round waits for its timeout. */
	probe_wq = alloc_workqueue("mpath-probe",
				   WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!probe_wq)
		return -ENOMEM;
	client = dm_iot_client_create(CALL_REGIONS, 1, 0);
	if (IS_ERR(client)) {
		destroy_workqueue(probe_wq);
		return PTR_ERR(client);
	}
	return 0;
}

/**
 * mpath_probe_exit() - the reverse
 *
 * Context: process, may sleep, until every read has come back: dm_iot names the
 * devices that are waited for, every 30 seconds.
 */
void mpath_probe_exit(void)
{
	dm_iot_client_destroy(client);
	destroy_workqueue(probe_wq);
}
