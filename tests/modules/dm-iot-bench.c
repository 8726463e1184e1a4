// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures the cost of a 4 KiB I/O through dm-io-timeout and through dm_io(),
 * in a guest whose clock counts instructions (scripts/bench iot).
 *
 * Each read of /sys/kernel/debug/dm-iot-bench takes a measurement, and prints
 * lines of CONFIGURATION, FIGURE and VALUE, separated by tabs:
 *
 * If "outstanding" is not set, we issue one I/O at a time to a device that
 * completes it inline: reads and writes, asynchronous and synchronous.
 *
 * If "outstanding" is set, we issue as many reads at a time (we avoid writes
 * because they would be throttled). The device must complete them from a timer
 * interrupt, after all of them are issued. We wait in a loop with a known cost
 * per turn, and subtract the cost of the wait.
 *
 * If "slow" is also set, we issue one read at a time, while as many other reads
 * are outstanding on that second device.
 */

#include <linux/blkdev.h>
#include <linux/debugfs.h>
#include <linux/dm-io.h>
#include <linux/dm-io-timeout.h>
#include <linux/highmem.h>
#include <linux/ioprio.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/timer.h>

#ifndef IOT_HAVE_TIMER_DESTROY
#define timer_destroy_on_stack	destroy_timer_on_stack
#endif

#define WARM_UP		200
#define IOS		1000
#define CALIBRATE_MS	100
/* Long enough to never expire. */
#define TIMEOUT_MS	10000

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "Name of the block device");

static char *slow;
module_param(slow, charp, 0444);
MODULE_PARM_DESC(slow, "Name of a second block device, which completes outstanding I/Os late");

static unsigned int outstanding;
module_param(outstanding, uint, 0444);
MODULE_PARM_DESC(outstanding, "Number of I/Os at a time; 0 for one at a time, completed inline");

static struct block_device *bdev, *slow_bdev;
static struct dm_io_client *stock_client;
static struct dm_iot_client *client;
static void *memory;

/* Number of issued I/Os that have not completed. */
struct sent_ios {
	atomic_t left;
	struct completion done;
};

static struct sent_ios here = { .done = COMPLETION_INITIALIZER(here.done) };
static struct sent_ios there = { .done = COMPLETION_INITIALIZER(there.done) };
static atomic_t errors;
static unsigned long timed;	/* I/Os with a timeout */

static const struct bench_way {
	const char *name;
	bool stock;
	unsigned int timeout;
	unsigned int flags;
} ways[] = {
	{ "stock dm_io", .stock = true },
	{ "ours, not cancellable", .flags = DM_IOT_NO_CANCEL },
	{ "ours, not cancellable, timeout", .flags = DM_IOT_NO_CANCEL,
	  .timeout = TIMEOUT_MS },
	{ "ours, copied" },
	{ "ours, copied, timeout", .timeout = TIMEOUT_MS },
};

/* ---- one I/O, issued by either layer ---- */

static void ended(struct sent_ios *sent, bool bad)
{
	if (bad)
		atomic_inc(&errors);
	if (atomic_dec_and_test(&sent->left))
		complete(&sent->done);
}

#ifdef IOT_HAVE_DM_IO_UNSUP
static void stock_notify(unsigned long error, unsigned long unsup, void *context)
{
	ended(context, error || unsup);
}

static int stock_dm_io(struct dm_io_request *req, struct dm_io_region *where)
{
	return dm_io(req, 1, where, NULL, NULL, IOPRIO_DEFAULT);
}
#else
static void stock_notify(unsigned long error, void *context)
{
	ended(context, error);
}

static int stock_dm_io(struct dm_io_request *req, struct dm_io_region *where)
{
	return dm_io(req, 1, where, NULL, IOPRIO_DEFAULT);
}
#endif

static struct block_device *bdev_of(struct sent_ios *sent)
{
	return sent == &there ? slow_bdev : bdev;
}

/* If @sent is NULL, the I/O is synchronous. */
static int stock_io(blk_opf_t opf, struct sent_ios *sent)
{
	struct dm_io_region where = {
		.bdev = bdev_of(sent),
		.count = PAGE_SECTORS,
	};
	struct dm_io_request req = {
		.bi_opf = opf,
		.mem.type = DM_IO_KMEM,
		.mem.ptr.addr = memory,
		.notify.fn = sent ? stock_notify : NULL,
		.notify.context = sent,
		.client = stock_client,
	};

	return stock_dm_io(&req, &where);
}

static void our_notify(const struct dm_iot_region_state *state, void *context)
{
	ended(context, state->state != DM_IOT_OK);
}

static void our_sync_notify(const struct dm_iot_region_state *state, void *context)
{
	if (state->state != DM_IOT_OK)
		atomic_inc(&errors);
}

/*
 * A synchronous call without notify is cancelled on timeout. A call which
 * cannot be cancelled therefore needs a callback if it has a timeout.
 */
static dm_iot_notify_fn our_notify_of(const struct bench_way *way, struct sent_ios *sent)
{
	if (sent)
		return our_notify;
	return way->timeout && (way->flags & DM_IOT_NO_CANCEL) ?
		our_sync_notify : NULL;
}

static int our_io(const struct bench_way *way, blk_opf_t opf, struct sent_ios *sent)
{
	struct dm_iot_region where = {
		.bdev = bdev_of(sent),
		.count = PAGE_SECTORS,
	};
	struct dm_iot_control ctl = {
		.client = client,
		.memory = { .type = DM_IOT_KMEM, .addr = memory },
		.opf = opf,
		.notify = our_notify_of(way, sent),
		.context = sent,
		.timeout = way->timeout,
		.flags = way->flags | (sent ? 0 : DM_IOT_SYNC),
	};

	return dm_iot_io(&ctl, 1, &where, NULL);
}

/* We set REQ_SYNC on synchronous I/O, because dm_io() does so too. */
static void submit(const struct bench_way *way, blk_opf_t opf, struct sent_ios *sent)
{
	int r;

	if (way->stock)
		r = stock_io(opf, sent);
	else
		r = our_io(way, sent ? opf : opf | REQ_SYNC, sent);
	if (r)
		atomic_inc(&errors);
	if (way->timeout)
		timed++;
}

/* ---- one at a time ---- */

static void one(const struct bench_way *way, blk_opf_t opf, bool sync)
{
	if (sync) {
		submit(way, opf, NULL);
		return;
	}
	atomic_set(&here.left, 1);
	reinit_completion(&here.done);
	submit(way, opf, &here);
	wait_for_completion_io(&here.done);
}

static u64 cost_of_one(const struct bench_way *way, blk_opf_t opf, bool sync)
{
	unsigned int i;
	u64 begun;

	for (i = 0; i < WARM_UP; i++)
		one(way, opf, sync);
	begun = ktime_get_ns();
	for (i = 0; i < IOS; i++)
		one(way, opf, sync);
	return (ktime_get_ns() - begun) / IOS;
}

/* Additional work of a copied I/O: allocate a page, copy 4 KiB, free it. */
static int copy_once(void)
{
	struct page *page = alloc_page(GFP_NOWAIT | __GFP_NOWARN);
	void *own;

	if (!page)
		return -ENOMEM;
	own = kmap_local_page(page);
	memcpy(own, memory, PAGE_SIZE);
	kunmap_local(own);
	__free_page(page);
	return 0;
}

static u64 cost_of_copy(void)
{
	unsigned int i;
	u64 begun = ktime_get_ns();

	for (i = 0; i < IOS; i++)
		if (copy_once())
			atomic_inc(&errors);
	return (ktime_get_ns() - begun) / IOS;
}

static void show_one(struct seq_file *m)
{
	const struct bench_way *way;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		seq_printf(m, "%s\tasync write\t%llu\n", way->name,
			   cost_of_one(way, REQ_OP_WRITE, false));
		seq_printf(m, "%s\tasync read\t%llu\n", way->name,
			   cost_of_one(way, REQ_OP_READ, false));
		seq_printf(m, "%s\tsync write\t%llu\n", way->name,
			   cost_of_one(way, REQ_OP_WRITE, true));
		seq_printf(m, "%s\tsync read\t%llu\n", way->name,
			   cost_of_one(way, REQ_OP_READ, true));
	}
	seq_printf(m, "the copy itself\tasync write\t%llu\n", cost_of_copy());
	seq_printf(m, "-\tI/Os with a timeout\t%lu\n", timed);
}

/* ---- many at a time ---- */

/* Wait until nothing is outstanding, and return the number of turns it took. */
static noinline u64 wait_in_turns(void)
{
	u64 turns = 0;

	while (atomic_read(&here.left))
		turns++;
	return turns;
}

static void calibrated(struct timer_list *timer)
{
	atomic_set(&here.left, 0);
}

/* Measure the cost of a turn in 1/1024 ns, including timer ticks. */
static u64 cost_of_turn(void)
{
	struct timer_list timer;
	u64 begun, turns;

	timer_setup_on_stack(&timer, calibrated, 0);
	atomic_set(&here.left, 1);
	begun = ktime_get_ns();
	mod_timer(&timer, jiffies + msecs_to_jiffies(CALIBRATE_MS));
	turns = wait_in_turns();
	begun = ktime_get_ns() - begun;
	timer_delete_sync(&timer);
	timer_destroy_on_stack(&timer);
	return (begun << 10) / turns;
}

static void submit_many(const struct bench_way *way, struct sent_ios *sent)
{
	unsigned int n;

	atomic_set(&sent->left, outstanding);
	for (n = 0; n < outstanding; n++)
		submit(way, REQ_OP_READ, sent);
	if (atomic_read(&sent->left) != outstanding)
		atomic_inc(&errors);
}

static u64 cost_of_many(const struct bench_way *way, unsigned int rounds, u64 turn)
{
	u64 begun, turns = 0;
	unsigned int i;

	begun = ktime_get_ns();
	for (i = 0; i < rounds; i++) {
		submit_many(way, &here);
		turns += wait_in_turns();
	}
	begun = ktime_get_ns() - begun;
	return (begun - ((turns * turn) >> 10)) / (rounds * outstanding);
}

static void show_many(struct seq_file *m)
{
	u64 turn = cost_of_turn();
	const struct bench_way *way;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		cost_of_many(way, DIV_ROUND_UP(WARM_UP, outstanding), turn);
		seq_printf(m, "%s\t%u outstanding\t%llu\n", way->name, outstanding,
			   cost_of_many(way, DIV_ROUND_UP(2 * IOS, outstanding),
					turn));
	}
}

/* ---- one at a time, among many ---- */

static u64 cost_among_others(const struct bench_way *way)
{
	u64 cost;

	reinit_completion(&there.done);
	submit_many(way, &there);
	cost = cost_of_one(way, REQ_OP_READ, false);
	if (atomic_read(&there.left) != outstanding)
		atomic_inc(&errors);
	wait_for_completion_io(&there.done);
	return cost;
}

static void show_among_others(struct seq_file *m)
{
	const struct bench_way *way;

	for (way = ways; way < ways + ARRAY_SIZE(ways); way++)
		seq_printf(m, "%s\tread among %u\t%llu\n", way->name,
			   outstanding, cost_among_others(way));
}

/* ---- files ---- */

static int bench_show(struct seq_file *m, void *unused)
{
	atomic_set(&errors, 0);
	timed = 0;
	if (slow)
		show_among_others(m);
	else if (outstanding)
		show_many(m);
	else
		show_one(m);
	return atomic_read(&errors) ? -EIO : 0;
}
DEFINE_SHOW_ATTRIBUTE(bench);

#ifdef IOT_HAVE_BDEV_FILE
static struct file *file, *slow_file;

static int open_device(const char *name, struct block_device **to,
		       struct file **holder)
{
	*holder = bdev_file_open_by_path(name, BLK_OPEN_READ | BLK_OPEN_WRITE,
					 NULL, NULL);
	if (IS_ERR(*holder))
		return PTR_ERR(*holder);
	*to = file_bdev(*holder);
	return 0;
}

static int open_devices(void)
{
	int r = open_device(device, &bdev, &file);

	if (r || !slow)
		return r;
	r = open_device(slow, &slow_bdev, &slow_file);
	if (r)
		fput(file);
	return r;
}

static void close_devices(void)
{
	fput(file);
	if (slow)
		fput(slow_file);
}
#else
#define MODE (FMODE_READ | FMODE_WRITE)

static int open_devices(void)
{
	bdev = blkdev_get_by_path(device, MODE, NULL);
	if (IS_ERR(bdev) || !slow)
		return PTR_ERR_OR_ZERO(bdev);
	slow_bdev = blkdev_get_by_path(slow, MODE, NULL);
	if (IS_ERR(slow_bdev))
		blkdev_put(bdev, MODE);
	return PTR_ERR_OR_ZERO(slow_bdev);
}

static void close_devices(void)
{
	blkdev_put(bdev, MODE);
	if (slow)
		blkdev_put(slow_bdev, MODE);
}
#endif

static struct dentry *dentry;

static int __init bench_init(void)
{
	int r;

	if (!device || (slow && !outstanding))
		return -EINVAL;
	memory = (void *)get_zeroed_page(GFP_KERNEL);
	if (!memory)
		return -ENOMEM;
	r = open_devices();
	if (r)
		goto bad_device;
	stock_client = dm_io_client_create();
	if (IS_ERR(stock_client)) {
		r = PTR_ERR(stock_client);
		goto bad_stock;
	}
	client = dm_iot_client_create(1, 16, PAGE_SIZE);
	if (IS_ERR(client)) {
		r = PTR_ERR(client);
		goto bad_client;
	}
	dentry = debugfs_create_file("dm-iot-bench", 0400, NULL, NULL,
				     &bench_fops);
	return 0;

bad_client:
	dm_io_client_destroy(stock_client);
bad_stock:
	close_devices();
bad_device:
	free_page((unsigned long)memory);
	return r;
}

static void __exit bench_exit(void)
{
	debugfs_remove(dentry);
	dm_iot_client_destroy(client);
	dm_io_client_destroy(stock_client);
	close_devices();
	free_page((unsigned long)memory);
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("Measures dm-io-timeout beside dm_io()");
MODULE_LICENSE("GPL");
