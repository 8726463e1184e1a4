// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites of dm-io-timeout. They use disks whose completions the test
 * controls (dm_io_timeout_kunit.h).
 *
 * suite: dm_io_timeout_calls effect of a call on devices and memory
 * suite: dm_io_timeout_timeout TIMEOUT is reported in time, then the end
 * suite: dm_io_timeout_cancel cancellation by handle, by device, from notify
 * suite: dm_io_timeout_zombies I/O that overlaps a zombie, client destruction
 * suite: dm_io_timeout_bad_input errno of each invalid call, without any report
 * suite: dm_io_timeout_memory I/O without memory from the system
 * suite: dm_io_timeout_random one end per region, correct data at random events
 */

#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/kallsyms.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "dm_io_timeout_kunit.h"

static ulong seed;
module_param(seed, ulong, 0444);
MODULE_PARM_DESC(seed, "Seed of dm_io_timeout_random; 0 for a random one");

/* Size of a piece, and of a bio unless the device limits it, in bytes. */
#define PIECE		SZ_4K
#define PIECE_SECTORS	(PIECE >> SECTOR_SHIFT)
#define DEVICES		128

/* Disks, see struct iot_bench. */
enum { PLAIN, OTHER, SMALL, SLOW, DISKS };

/**
 * struct iot_bench - environment of a test case
 * @test: the case
 * @disk: @PLAIN and @OTHER have no limits, @SMALL accepts bios of at most 4
 *	KiB, and @SLOW does not support REQ_NOWAIT
 * @client: client for up to @DEVICES regions, with pieces of @PIECE
 * @large: client with pieces of 64 KiB
 * @watch: records the reports, unless a call has a watch of its own
 */
struct iot_bench {
	struct kunit *test;
	struct test_disk disk[DISKS];
	struct dm_iot_client *client;
	struct dm_iot_client *large;
	struct iot_watch *watch;
};

static int bench_init(struct kunit *test)
{
	struct iot_bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	test->priv = b;
	b->test = test;
	b->watch = watch_create(test);
	disk_create(test, &b->disk[PLAIN], 0, true);
	disk_create(test, &b->disk[OTHER], 0, true);
	disk_create(test, &b->disk[SMALL], 8, true);
	disk_create(test, &b->disk[SLOW], 0, false);
	b->client = dm_iot_client_create(DEVICES, 2, PIECE);
	if (IS_ERR(b->client))
		b->client = NULL;
	b->large = dm_iot_client_create(4, 2, SZ_64K);
	if (IS_ERR(b->large))
		b->large = NULL;
	KUNIT_ASSERT_NOT_NULL(test, b->client);
	KUNIT_ASSERT_NOT_NULL(test, b->large);
	return 0;
}

/* Complete all remaining bios, so that we can destroy the clients. */
static void release(struct iot_bench *b)
{
	struct test_disk *d;

	for (d = b->disk; d < b->disk + DISKS; d++) {
		spin_lock_irq(&d->lock);
		d->at_once = true;
		spin_unlock_irq(&d->lock);
		if (d->gate)
			complete_all(d->gate);
		disk_end_all(d, BLK_STS_OK);
	}
}

static void bench_exit(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	int i;

	if (!b)
		return;
	release(b);
	if (b->client)
		dm_iot_client_destroy(b->client);
	if (b->large)
		dm_iot_client_destroy(b->large);
	for (i = 0; i < DISKS; i++)
		disk_remove(&b->disk[i]);
}

/**
 * struct iot_bench_io - a call with one region
 * @opf: operation and flags
 * @disk: index of the disk
 * @sector: first sector
 * @count: number of sectors
 * @mem: kernel address of the data
 * @timeout: timeout in ms
 * @flags: DM_IOT_*
 * @client: client, or NULL for the default
 * @watch: watch, or NULL for the default
 * @handle: where to store the handle, or NULL
 */
struct iot_bench_io {
	blk_opf_t opf;
	int disk;
	sector_t sector;
	sector_t count;
	void *mem;
	unsigned int timeout;
	unsigned int flags;
	struct dm_iot_client *client;
	struct iot_watch *watch;
	struct dm_iot_handle **handle;
};

static int do_io(struct iot_bench *b, const struct iot_bench_io *io)
{
	struct dm_iot_region region = {
		.bdev = b->disk[io->disk].bdev,
		.sector = io->sector,
		.count = io->count,
	};
	struct dm_iot_control ctl = {
		.client = io->client ?: b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = io->mem },
		.opf = io->opf,
		.notify = watch_notify,
		.context = io->watch ?: b->watch,
		.timeout = io->timeout,
		.flags = io->flags,
	};

	return dm_iot_io(&ctl, 1, &region, io->handle);
}

static void start(struct iot_bench *b, const struct iot_bench_io *io)
{
	KUNIT_ASSERT_EQ(b->test, do_io(b, io), 0);
}

#define IO(b, ...)	do_io(b, &(struct iot_bench_io){ __VA_ARGS__ })
#define START(b, ...)	start(b, &(struct iot_bench_io){ __VA_ARGS__ })

static u8 *buffer(struct iot_bench *b, size_t bytes, u8 fill)
{
	u8 *mem = kunit_kmalloc(b->test, bytes, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(b->test, mem);
	memset(mem, fill, bytes);
	return mem;
}

static bool all_are(const void *mem, u8 fill, size_t bytes)
{
	return !memchr_inv(mem, fill, bytes);
}

static u8 *content(struct iot_bench *b, int disk, sector_t sector)
{
	return b->disk[disk].content + (sector << SECTOR_SHIFT);
}

/* Create a zombie on @disk that writes @fill to [@sector, @sector + @count). */
static void make_zombie(struct iot_bench *b, blk_opf_t opf, int disk,
			sector_t sector, sector_t count, u8 fill)
{
	u8 *mem = buffer(b, count << SECTOR_SHIFT, fill);
	struct iot_watch *w = watch_create(b->test);
	struct dm_iot_handle *h;

	START(b, opf, disk, sector, count, mem, .watch = w, .handle = &h);
	KUNIT_ASSERT_EQ(b->test, dm_iot_cancel_by_handle(b->client, h), 0);
	dm_iot_handle_put(h);
	KUNIT_EXPECT_STREQ(b->test, reported(w), "C");
	memset(mem, ~fill, count << SECTOR_SHIFT);
}

/* ---- calls ---- */

struct op_param {
	const char *name;
	blk_opf_t opf;
	sector_t count;
	blk_opf_t arrives;
};

static const struct op_param op_params[] = {
	{ "read", REQ_OP_READ, 8, REQ_OP_READ },
	{ "write", REQ_OP_WRITE, 8, REQ_OP_WRITE },
	{ "read_sync_meta", REQ_OP_READ | REQ_SYNC | REQ_META | REQ_PRIO, 8,
	  REQ_OP_READ | REQ_SYNC | REQ_META | REQ_PRIO },
	{ "read_ahead", REQ_OP_READ | REQ_RAHEAD, 8, REQ_OP_READ | REQ_RAHEAD },
	{ "write_fua", REQ_OP_WRITE | REQ_FUA | REQ_SYNC, 8,
	  REQ_OP_WRITE | REQ_FUA | REQ_SYNC },
	{ "write_preflush", REQ_OP_WRITE | REQ_PREFLUSH, 8,
	  REQ_OP_WRITE | REQ_PREFLUSH },
	{ "write_idle", REQ_OP_WRITE | REQ_IDLE | REQ_BACKGROUND, 8,
	  REQ_OP_WRITE | REQ_IDLE | REQ_BACKGROUND },
	{ "failfast", REQ_OP_READ | REQ_FAILFAST_MASK, 8,
	  REQ_OP_READ | REQ_FAILFAST_MASK },
	{ "flush", REQ_OP_FLUSH, 0, REQ_OP_WRITE | REQ_PREFLUSH },
	{ "discard", REQ_OP_DISCARD, 8, REQ_OP_DISCARD },
	{ "write_zeroes", REQ_OP_WRITE_ZEROES | REQ_NOUNMAP, 8,
	  REQ_OP_WRITE_ZEROES | REQ_NOUNMAP },
};

KUNIT_ARRAY_PARAM_DESC(op, op_params, name);

/* The device gets the requested operation and flags, and transfers the data. */
static void op_test(struct kunit *test)
{
	const struct op_param *p = test->param_value;
	struct iot_bench *b = test->priv;
	bool read = (p->opf & REQ_OP_MASK) == REQ_OP_READ;
	bool write = (p->opf & REQ_OP_MASK) == REQ_OP_WRITE;
	u8 *mem = buffer(b, SZ_4K, 0x11);

	memset(content(b, PLAIN, 0), 0x22, SZ_16K);
	START(b, p->opf, PLAIN, p->count ? 8 : 0, p->count, mem);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), 1);
	KUNIT_EXPECT_EQ(test, (__force u32)b->disk[PLAIN].opf,
			(__force u32)p->arrives);
	KUNIT_EXPECT_EQ(test, b->watch->notes, 0);

	KUNIT_EXPECT_TRUE(test, disk_end(&b->disk[PLAIN], 0, BLK_STS_OK));
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_TRUE(test, all_are(mem, read ? 0x22 : 0x11, SZ_4K));
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 8), write ? 0x11 :
					read || !p->count ? 0x22 : 0, SZ_4K));
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x22, SZ_4K));
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 16), 0x22, SZ_4K));
}

struct memory_param {
	const char *name;
	enum dm_iot_memory_type type;
	unsigned int offset;
	unsigned int flags;
};

static const struct memory_param memory_params[] = {
	{ "page_list", DM_IOT_PAGE_LIST, 0, 0 },
	{ "page_list_offset", DM_IOT_PAGE_LIST, 0x1234, 0 },
	{ "page_list_not_copied", DM_IOT_PAGE_LIST, 0x1200, DM_IOT_NO_CANCEL },
	{ "bvec", DM_IOT_BVEC, 0, 0 },
	{ "bvec_offset", DM_IOT_BVEC, 0x1234, 0 },
	{ "bvec_not_copied", DM_IOT_BVEC, 0x1200, DM_IOT_NO_CANCEL },
	{ "vmalloc", DM_IOT_VM, 0, 0 },
	{ "vmalloc_offset", DM_IOT_VM, 0x1234, 0 },
	{ "vmalloc_not_copied", DM_IOT_VM, 0x1200, DM_IOT_NO_CANCEL },
	{ "kernel", DM_IOT_KMEM, 0, 0 },
	{ "kernel_offset", DM_IOT_KMEM, 0x1234, 0 },
	{ "kernel_not_copied", DM_IOT_KMEM, 0x1200, DM_IOT_NO_CANCEL },
};

KUNIT_ARRAY_PARAM_DESC(memory, memory_params, name);

#define MEMORY_PAGES	8
#define MEMORY_SECTORS	20

/*
 * Memory of any type at @mem. If the type allows it, the pages are in reverse
 * order. @linear has them in the order of the page list or bio_vecs, in which
 * the layer should access them.
 */
struct any_memory {
	void *mem;
	u8 *linear[MEMORY_PAGES];
	struct page_list pl[MEMORY_PAGES];
	struct bio_vec bvec[MEMORY_PAGES * 2];
};

static struct any_memory *any_memory(struct iot_bench *b, const struct memory_param *p,
				     struct dm_iot_memory *m)
{
	struct any_memory *a = kunit_kzalloc(b->test, sizeof(*a), GFP_KERNEL);
	bool backwards = p->type == DM_IOT_PAGE_LIST || p->type == DM_IOT_BVEC;
	struct page *page;
	u8 *at;
	int i;

	KUNIT_ASSERT_NOT_NULL(b->test, a);
	if (p->type == DM_IOT_VM)
		a->mem = vzalloc(MEMORY_PAGES << PAGE_SHIFT);
	else
		a->mem = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
						  ilog2(MEMORY_PAGES));
	KUNIT_ASSERT_NOT_NULL(b->test, a->mem);
	for (i = 0; i < MEMORY_PAGES; i++) {
		at = a->mem + ((backwards ? MEMORY_PAGES - 1 - i : i) << PAGE_SHIFT);
		a->linear[i] = at;
		page = p->type == DM_IOT_VM ? vmalloc_to_page(at) : virt_to_page(at);
		a->pl[i].page = page;
		a->pl[i].next = i + 1 < MEMORY_PAGES ? &a->pl[i + 1] : NULL;
		/* Two bio_vecs per page. */
		bvec_set_page(&a->bvec[2 * i], page, 1536, 0);
		bvec_set_page(&a->bvec[2 * i + 1], page, PAGE_SIZE - 1536, 1536);
	}

	m->type = p->type;
	m->offset = p->offset;
	if (p->type == DM_IOT_PAGE_LIST)
		m->pl = a->pl;
	else if (p->type == DM_IOT_BVEC)
		m->bvec = a->bvec;
	else if (p->type == DM_IOT_VM)
		m->vma = a->mem;
	else
		m->addr = a->mem;
	return a;
}

static void free_memory(struct any_memory *a, const struct memory_param *p)
{
	if (p->type == DM_IOT_VM)
		vfree(a->mem);
	else
		free_pages((unsigned long)a->mem, ilog2(MEMORY_PAGES));
}

static u8 *byte_of(struct any_memory *a, unsigned int at)
{
	return &a->linear[at >> PAGE_SHIFT][offset_in_page(at)];
}

/*
 * A write to two regions sends the same memory to both. A read of two regions
 * stores their data one after the other, and does not change the memory around.
 */
static void memory_test(struct kunit *test)
{
	const struct memory_param *p = test->param_value;
	const unsigned int bytes = MEMORY_SECTORS << SECTOR_SHIFT;
	struct iot_bench *b = test->priv;
	struct dm_iot_region regions[] = {
		{ b->disk[PLAIN].bdev, 8, MEMORY_SECTORS },
		{ b->disk[SMALL].bdev, 1, MEMORY_SECTORS },
	};
	struct dm_iot_control ctl = {
		.client = b->client,
		.opf = REQ_OP_WRITE,
		.flags = DM_IOT_SYNC | p->flags,
	};
	struct any_memory *a = any_memory(b, p, &ctl.memory);
	unsigned int i, wrong = 0;
	u8 want;

	b->disk[PLAIN].at_once = true;
	b->disk[SMALL].at_once = true;
	for (i = 0; i < MEMORY_PAGES << PAGE_SHIFT; i++)
		*byte_of(a, i) = i * 7 + (i >> 8);
	KUNIT_EXPECT_EQ(test, dm_iot_io(&ctl, 2, regions, NULL), 0);
	for (i = 0; i < bytes; i++) {
		want = *byte_of(a, p->offset + i);
		wrong += content(b, PLAIN, 8)[i] != want;
		wrong += content(b, SMALL, 1)[i] != want;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);

	for (i = 0; i < bytes; i++) {
		content(b, PLAIN, 8)[i] = i * 3;
		content(b, SMALL, 1)[i] = i * 5 + 1;
	}
	regions[0].count = 12;
	for (i = 0; i < MEMORY_PAGES << PAGE_SHIFT; i++)
		*byte_of(a, i) = 0xee;
	ctl.opf = REQ_OP_READ;
	KUNIT_EXPECT_EQ(test, dm_iot_io(&ctl, 2, regions, NULL), 0);
	for (i = 0; i < MEMORY_PAGES << PAGE_SHIFT; i++) {
		unsigned int at = i - p->offset, first = 12 << SECTOR_SHIFT;

		if (i < p->offset || at >= first + bytes)
			want = 0xee;
		else if (at < first)
			want = at * 3;
		else
			want = (at - first) * 5 + 1;
		wrong += *byte_of(a, i) != want;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	free_memory(a, p);
}

/* Each of many regions is reported once, with its own index and state. */
static void many_regions_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_region *region =
		kunit_kcalloc(test, DEVICES, sizeof(*region), GFP_KERNEL);
	struct dm_iot_control ctl = {
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = buffer(b, SZ_4K, 0x33) },
		.opf = REQ_OP_WRITE,
		.notify = watch_notify,
		.context = b->watch,
	};
	unsigned int i, index;

	KUNIT_ASSERT_NOT_NULL(test, region);
	for (i = 0; i < DEVICES; i++)
		region[i] = (struct dm_iot_region){ b->disk[PLAIN].bdev, i * 8, 8 };
	KUNIT_ASSERT_EQ(test, dm_iot_io(&ctl, DEVICES, region, NULL), 0);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), DEVICES);

	/* Complete them in reverse order, every third with an error. */
	for (i = DEVICES; i-- > 0; )
		disk_end(&b->disk[PLAIN], i, i % 3 ? BLK_STS_OK : BLK_STS_MEDIUM);
	KUNIT_EXPECT_EQ(test, b->watch->notes, DEVICES);
	for (i = 0; i < DEVICES; i++) {
		const struct dm_iot_region_state *s = &b->watch->note[i].was;

		index = DEVICES - 1 - i;
		KUNIT_EXPECT_EQ(test, s->index, index);
		KUNIT_EXPECT_EQ(test, (int)s->state,
				(int)(index % 3 ? DM_IOT_OK : DM_IOT_ERROR));
		KUNIT_EXPECT_EQ(test, s->error_code, index % 3 ? 0 : -ENODATA);
	}
}

/* A region of the whole device is sent in pieces, and ends after the last. */
static void whole_device_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	const size_t bytes = DISK_SECTORS << SECTOR_SHIFT;
	struct dm_iot_region region = { b->disk[PLAIN].bdev, 0, DISK_SECTORS };
	struct dm_iot_control ctl = {
		.client = b->client,
		.memory = { .type = DM_IOT_VM, .vma = vmalloc(bytes) },
		.opf = REQ_OP_WRITE,
		.notify = watch_notify,
		.context = b->watch,
	};
	unsigned int left;

	KUNIT_ASSERT_NOT_NULL(test, ctl.memory.vma);
	memset(ctl.memory.vma, 0x44, bytes);
	KUNIT_EXPECT_EQ(test, dm_iot_io(&ctl, 1, &region, NULL), 0);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]),
			DISK_SECTORS / PIECE_SECTORS);
	for (left = DISK_SECTORS / PIECE_SECTORS; left; left--) {
		KUNIT_EXPECT_EQ(test, b->watch->notes, 0);
		disk_end(&b->disk[PLAIN], left / 2, BLK_STS_OK);
	}
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x44, bytes));
	vfree(ctl.memory.vma);
}

/* A region reports its first error, after all its pieces have completed. */
static void first_error_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	START(b, REQ_OP_READ, PLAIN, 0, 3 * PIECE_SECTORS, buffer(b, 3 * PIECE, 0));
	disk_end(&b->disk[PLAIN], 1, BLK_STS_NOSPC);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_IOERR);
	KUNIT_EXPECT_EQ(test, b->watch->notes, 0);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "E");
	KUNIT_EXPECT_EQ(test, b->watch->note[0].was.error_code, -ENOSPC);
}

/* A synchronous call returns the result of its region. */
static void sync_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_region region = { b->disk[PLAIN].bdev, 0, 8 };
	struct dm_iot_control ctl = {
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = buffer(b, SZ_4K, 0) },
		.opf = REQ_OP_READ,
		.timeout = 50,
		.flags = DM_IOT_SYNC,
	};
	unsigned long began;

	b->disk[PLAIN].at_once = true;
	KUNIT_EXPECT_EQ(test, dm_iot_io(&ctl, 1, &region, NULL), 0);
	b->disk[PLAIN].answer = BLK_STS_TRANSPORT;
	KUNIT_EXPECT_EQ(test, dm_iot_io(&ctl, 1, &region, NULL), -ENOLINK);

	/* Without notify, the region is cancelled on timeout. */
	b->disk[PLAIN].at_once = false;
	began = jiffies;
	KUNIT_EXPECT_EQ(test, dm_iot_io(&ctl, 1, &region, NULL), -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, jiffies - began, msecs_to_jiffies(50));
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), 1);
}

/* Caller and notify get the same handle, and it stays valid after the end. */
static void handle_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_client *client = dm_iot_client_create(1, 1, PIECE);
	struct dm_iot_handle *h = NULL;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, client);
	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), .client = client,
	      .handle = &h);
	KUNIT_EXPECT_NOT_NULL(test, h);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, dm_iot_handle_get(h), h);
	dm_iot_handle_put(h);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_PTR_EQ(test, b->watch->note[0].was.handle, h);

	/* After the end, cancelling has no effect and reports nothing. */
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(client, h), 0);
	dm_iot_client_destroy(client);
	dm_iot_handle_put(h);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
}

static struct kunit_case calls_cases[] = {
	KUNIT_CASE_PARAM(op_test, op_gen_params),
	KUNIT_CASE_PARAM(memory_test, memory_gen_params),
	KUNIT_CASE(many_regions_test),
	KUNIT_CASE(whole_device_test),
	KUNIT_CASE(first_error_test),
	KUNIT_CASE(sync_test),
	KUNIT_CASE(handle_test),
	{}
};

static struct kunit_suite calls_suite = {
	.name = "dm_io_timeout_calls",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = calls_cases,
};

/* ---- timeout ---- */

/* TIMEOUT is reported at least @ms after @began, and at most one tick later. */
static void expect_in_time(struct kunit *test, const struct iot_note *note,
			   unsigned long began, unsigned int ms)
{
	unsigned long took = note->when - began;

	KUNIT_EXPECT_EQ(test, (int)note->was.state, (int)DM_IOT_TIMEOUT);
	KUNIT_EXPECT_GE(test, took, msecs_to_jiffies(ms));
	/* One tick more: the call may have been made at the end of a tick. */
	KUNIT_EXPECT_LE(test, took, msecs_to_jiffies(ms) + 1);
}

/* TIMEOUT is reported in time, for short and for long timeouts. */
static void when_test(struct kunit *test)
{
	static const unsigned int ms[] = { 1, 10, 35, 600, 1000, 5000, 30000 };
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, SZ_4K, 0);
	unsigned long began;
	struct iot_watch *w;
	int i;

	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		w = watch_create(test);
		began = jiffies;
		START(b, REQ_OP_READ, PLAIN, 0, 8, mem, ms[i], .watch = w);
		schedule_timeout_uninterruptible(msecs_to_jiffies(ms[i]) + 10);
		KUNIT_EXPECT_TRUE(test, COMES(w->notes));
		expect_in_time(test, &w->note[0], began, ms[i]);
		disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
		KUNIT_EXPECT_STREQ(test, reported(w), "TO");
	}
}

/* Each region times out by its own deadline, in any order of the calls. */
static void order_test(struct kunit *test)
{
	static const unsigned int ms[] = { 80, 20, 60, 40, 100 };
	struct iot_bench *b = test->priv;
	struct iot_watch *w[ARRAY_SIZE(ms)];
	u8 *mem = buffer(b, SZ_4K, 0);
	unsigned long began = jiffies;
	int i;

	for (i = 0; i < ARRAY_SIZE(ms); i++) {
		w[i] = watch_create(test);
		START(b, REQ_OP_READ, PLAIN, 8 * i, 8, mem, ms[i], .watch = w[i]);
	}
	KUNIT_EXPECT_TRUE(test, COMES(w[4]->notes));
	for (i = 0; i < ARRAY_SIZE(ms); i++)
		expect_in_time(test, &w[i]->note[0], began, ms[i]);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	for (i = 0; i < ARRAY_SIZE(ms); i++)
		KUNIT_EXPECT_STREQ(test, reported(w[i]), "TO");
}

/* If a region ends in time, TIMEOUT is not reported, not even later. */
static void in_time_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), 30);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	msleep(100);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
}

/* After TIMEOUT, the region still ends once, with OK, ERROR or CANCELLED. */
static void then_ok_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, SZ_4K, 0);

	memset(content(b, PLAIN, 0), 0x55, SZ_4K);
	START(b, REQ_OP_READ, PLAIN, 0, 8, mem, 20);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->notes));
	msleep(100);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "T");
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TO");
	KUNIT_EXPECT_TRUE(test, all_are(mem, 0x55, SZ_4K));
}

static void then_error_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), 20);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->notes));
	disk_end(&b->disk[PLAIN], 0, BLK_STS_IOERR);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TE");
	KUNIT_EXPECT_EQ(test, b->watch->note[0].was.error_code, 0);
	KUNIT_EXPECT_EQ(test, b->watch->note[1].was.error_code, -EIO);
}

static void then_cancelled_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), 20);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->notes));
	dm_iot_cancel_by_device(b->client, b->disk[PLAIN].bdev);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TC");
	disk_end(&b->disk[PLAIN], 0, BLK_STS_IOERR);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TC");
	KUNIT_EXPECT_EQ(test, b->watch->note[1].was.error_code, 0);
}

/* With DM_IOT_CANCEL_ON_TIMEOUT, the region is cancelled at once. */
static void cancel_on_timeout_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), 20,
	      DM_IOT_CANCEL_ON_TIMEOUT);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->ends));
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TC");
	KUNIT_EXPECT_EQ(test, b->watch->note[0].when, b->watch->note[1].when);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TC");
}

/* TIMEOUT is also reported for a region that cannot be cancelled. */
static void not_cancellable_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), 20,
	      DM_IOT_NO_CANCEL);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->notes));
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TO");
}

struct sync_call {
	struct iot_bench *b;
	struct dm_iot_control ctl;
	struct dm_iot_region region;
	struct completion done;
	int r;
};

static int sync_thread(void *data)
{
	struct sync_call *s = data;

	s->r = dm_iot_io(&s->ctl, 1, &s->region, NULL);
	complete(&s->done);
	return 0;
}

/*
 * If a synchronous call has notify, it is not cancelled on timeout. It waits,
 * and notify may cancel it.
 */
static void sync_notify_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct sync_call *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->region = (struct dm_iot_region){ b->disk[PLAIN].bdev, 0, 8 };
	s->ctl = (struct dm_iot_control){
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = buffer(b, SZ_4K, 0) },
		.opf = REQ_OP_READ,
		.notify = watch_notify,
		.context = b->watch,
		.timeout = 20,
		.flags = DM_IOT_SYNC,
	};
	init_completion(&s->done);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test,
				     kthread_run(sync_thread, s, "kunit-sync"));
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->notes));
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&s->done));
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	wait_for_completion(&s->done);
	KUNIT_EXPECT_EQ(test, s->r, 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TO");
}

/*
 * If the queue of a device is full, a call with a timeout still returns at
 * once, and TIMEOUT is reported in time.
 */
static void full_queue_test(struct kunit *test)
{
	struct completion *gate = kunit_kzalloc(test, sizeof(*gate), GFP_KERNEL);
	struct iot_bench *b = test->priv;
	unsigned long began = jiffies;

	KUNIT_ASSERT_NOT_NULL(test, gate);
	init_completion(gate);
	b->disk[SLOW].gate = gate;
	START(b, REQ_OP_READ, SLOW, 0, 8, buffer(b, SZ_4K, 0), 30,
	      DM_IOT_CANCEL_ON_TIMEOUT);
	KUNIT_EXPECT_LE(test, jiffies - began, 1);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->ends));
	expect_in_time(test, &b->watch->note[0], began, 30);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TC");
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[SLOW]), 0);
}

/* If a device refuses a REQ_NOWAIT bio, a worker resubmits it once. */
static void again_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, SZ_4K, 0x66);

	b->disk[PLAIN].again = true;
	START(b, REQ_OP_WRITE, PLAIN, 0, 8, mem, 1000);
	KUNIT_EXPECT_TRUE(test, COMES(disk_held(&b->disk[PLAIN])));
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 2);
	KUNIT_EXPECT_FALSE(test, b->disk[PLAIN].opf & REQ_NOWAIT);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x66, SZ_4K));
}

/* If the user has set REQ_NOWAIT, the refusal is reported. */
static void nowait_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	b->disk[PLAIN].again = true;
	START(b, REQ_OP_WRITE | REQ_NOWAIT, PLAIN, 0, 8, buffer(b, SZ_4K, 0), 1000);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "E");
	KUNIT_EXPECT_EQ(test, b->watch->note[0].was.error_code, -EAGAIN);
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 1);
}

/*
 * A region that waits for a zombie times out like any other. If it is
 * cancelled, it is never sent.
 */
static void waiting_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	make_zombie(b, REQ_OP_WRITE, PLAIN, 0, 8, 0x01);
	START(b, REQ_OP_WRITE, PLAIN, 0, 8, buffer(b, SZ_4K, 0x02), 30,
	      DM_IOT_CANCEL_ON_TIMEOUT);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->ends));
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "TC");
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	msleep(50);
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 1);
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x01, SZ_4K));
}

static struct kunit_case timeout_cases[] = {
	KUNIT_CASE(when_test),
	KUNIT_CASE(order_test),
	KUNIT_CASE(in_time_test),
	KUNIT_CASE(then_ok_test),
	KUNIT_CASE(then_error_test),
	KUNIT_CASE(then_cancelled_test),
	KUNIT_CASE(cancel_on_timeout_test),
	KUNIT_CASE(not_cancellable_test),
	KUNIT_CASE(sync_notify_test),
	KUNIT_CASE(full_queue_test),
	KUNIT_CASE(again_test),
	KUNIT_CASE(nowait_test),
	KUNIT_CASE(waiting_test),
	{}
};

static struct kunit_suite timeout_suite = {
	.name = "dm_io_timeout_timeout",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = timeout_cases,
};

/* ---- cancel ---- */

/* After a cancelled read ends, late data do not reach the caller's memory. */
static void read_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, 4 * PIECE, 0xaa);
	struct dm_iot_handle *h;

	memset(content(b, PLAIN, 0), 0xdd, 4 * PIECE);
	START(b, REQ_OP_READ, PLAIN, 0, 4 * PIECE_SECTORS, mem, .handle = &h);
	/* Complete the third piece before we cancel. */
	disk_end(&b->disk[PLAIN], 2, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	KUNIT_EXPECT_TRUE(test, all_are(mem, 0xaa, 2 * PIECE));
	KUNIT_EXPECT_TRUE(test, all_are(mem + 2 * PIECE, 0xdd, PIECE));
	KUNIT_EXPECT_TRUE(test, all_are(mem + 3 * PIECE, 0xaa, PIECE));

	memset(mem, 0xbb, 4 * PIECE);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, all_are(mem, 0xbb, 4 * PIECE));
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	dm_iot_handle_put(h);
}

/* A late write contains the data that the memory had when it was sent. */
static void write_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, 4 * PIECE, 0xaa);
	struct dm_iot_handle *h;

	START(b, REQ_OP_WRITE, PLAIN, 0, 4 * PIECE_SECTORS, mem, .handle = &h);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	memset(mem, 0xbb, 4 * PIECE);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0xaa, 4 * PIECE));
	dm_iot_handle_put(h);
}

/* Cancel a write after the device has completed some of its split bios. */
static void split_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, SZ_64K, 0xaa);

	START(b, REQ_OP_WRITE, SMALL, 0, 128, mem, .client = b->large);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[SMALL]), 16);
	disk_end(&b->disk[SMALL], 15, BLK_STS_OK);
	disk_end(&b->disk[SMALL], 7, BLK_STS_OK);
	disk_end(&b->disk[SMALL], 0, BLK_STS_IOERR);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_device(b->large,
						      b->disk[SMALL].bdev), 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	memset(mem, 0xbb, SZ_64K);
	disk_end_all(&b->disk[SMALL], BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, SMALL, 0), 0, SZ_4K));
	KUNIT_EXPECT_TRUE(test, all_are(content(b, SMALL, 8), 0xaa, SZ_64K - SZ_4K));
}

/* If the device splits a piece of a read, we copy its data only as a whole. */
static void split_read_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, 2 * SZ_64K, 0xaa);

	memset(content(b, SMALL, 0), 0xdd, 2 * SZ_64K);
	START(b, REQ_OP_READ, SMALL, 0, 256, mem, .client = b->large);
	while (disk_held(&b->disk[SMALL]) > 8)
		disk_end(&b->disk[SMALL], 0, BLK_STS_OK);
	dm_iot_cancel_by_device(b->large, b->disk[SMALL].bdev);
	KUNIT_EXPECT_TRUE(test, all_are(mem, 0xdd, SZ_64K));
	KUNIT_EXPECT_TRUE(test, all_are(mem + SZ_64K, 0xaa, SZ_64K));
	disk_end_all(&b->disk[SMALL], BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, all_are(mem + SZ_64K, 0xaa, SZ_64K));
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
}

/* Cancelling by device affects only regions of this device and client. */
static void device_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct iot_watch *other = watch_create(test), *large = watch_create(test);
	u8 *mem = buffer(b, SZ_4K, 0);

	START(b, REQ_OP_READ, PLAIN, 0, 8, mem);
	START(b, REQ_OP_READ, PLAIN, 8, 8, mem);
	START(b, REQ_OP_READ, OTHER, 0, 8, mem, .watch = other);
	START(b, REQ_OP_READ, PLAIN, 0, 8, mem, .watch = large,
	      .client = b->large);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_device(b->client,
						      b->disk[PLAIN].bdev), 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "CC");
	KUNIT_EXPECT_EQ(test, other->notes + large->notes, 0);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_device(b->client,
						      b->disk[SLOW].bdev), 0);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	disk_end_all(&b->disk[OTHER], BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "CC");
	KUNIT_EXPECT_STREQ(test, reported(other), "O");
	KUNIT_EXPECT_STREQ(test, reported(large), "O");
}

/* Cancelling by handle affects only regions that have not ended. */
static void handle_of_many_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_region regions[] = {
		{ b->disk[PLAIN].bdev, 0, 8 },
		{ b->disk[OTHER].bdev, 0, 8 },
		{ b->disk[SMALL].bdev, 0, 8 },
	};
	struct dm_iot_control ctl = {
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = buffer(b, SZ_4K, 0) },
		.opf = REQ_OP_WRITE,
		.notify = watch_notify,
		.context = b->watch,
	};
	struct dm_iot_handle *h;

	KUNIT_ASSERT_EQ(test, dm_iot_io(&ctl, 3, regions, &h), 0);
	disk_end(&b->disk[OTHER], 0, BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), 0);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "OCC");
	KUNIT_EXPECT_EQ(test, b->watch->note[0].was.index, 1);
	KUNIT_EXPECT_EQ(test, b->watch->note[1].was.index, 0);
	KUNIT_EXPECT_EQ(test, b->watch->note[2].was.index, 2);
	dm_iot_handle_put(h);
}

/*
 * If a call cannot be cancelled, the functions return -EOPNOTSUPP and its I/O
 * continues. Other calls on the device are cancelled.
 */
static void no_cancel_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct iot_watch *w = watch_create(test);
	u8 *mem = buffer(b, SZ_4K, 0);
	struct dm_iot_handle *h;

	memset(content(b, PLAIN, 0), 0x77, SZ_4K);
	START(b, REQ_OP_READ, PLAIN, 0, 8, mem, .flags = DM_IOT_NO_CANCEL,
	      .handle = &h);
	START(b, REQ_OP_READ, PLAIN, 8, 8, buffer(b, SZ_4K, 0), .watch = w);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_device(b->client,
						      b->disk[PLAIN].bdev),
			-EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, reported(w), "C");
	KUNIT_EXPECT_EQ(test, b->watch->notes, 0);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_TRUE(test, all_are(mem, 0x77, SZ_4K));
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), 0);
	dm_iot_handle_put(h);
}

static void cancel_device_hook(struct iot_watch *w,
			       const struct dm_iot_region_state *state)
{
	struct iot_bench *b = w->data;

	dm_iot_cancel_by_device(b->client, b->disk[OTHER].bdev);
}

static void cancel_call_hook(struct iot_watch *w,
			     const struct dm_iot_region_state *state)
{
	struct iot_bench *b = w->data;

	dm_iot_cancel_by_handle(b->client, state->handle);
}

/* Notify cancels another call, which ends before the completion returns. */
static void from_notify_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct iot_watch *w = watch_create(test);
	u8 *mem = buffer(b, SZ_4K, 0);

	b->watch->hook = cancel_device_hook;
	b->watch->data = b;
	START(b, REQ_OP_READ, PLAIN, 0, 8, mem);
	START(b, REQ_OP_READ, OTHER, 0, 8, mem, .watch = w);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_STREQ(test, reported(w), "C");
}

/*
 * Notify cancels its own call: at TIMEOUT, at the end, and while other regions
 * of the call are being cancelled.
 */
static void own_from_notify_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_region *region =
		kunit_kcalloc(test, DEVICES, sizeof(*region), GFP_KERNEL);
	struct dm_iot_control ctl = {
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = buffer(b, SZ_4K, 0) },
		.opf = REQ_OP_WRITE,
		.notify = watch_notify,
		.context = b->watch,
		.timeout = 20,
	};
	unsigned int i, timeouts = 0;

	KUNIT_ASSERT_NOT_NULL(test, region);
	for (i = 0; i < DEVICES; i++)
		region[i] = (struct dm_iot_region){ b->disk[PLAIN].bdev, i * 8, 8 };
	b->watch->hook = cancel_call_hook;
	b->watch->data = b;
	KUNIT_ASSERT_EQ(test, dm_iot_io(&ctl, DEVICES, region, NULL), 0);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->ends == DEVICES));
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), DEVICES);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	KUNIT_EXPECT_EQ(test, b->watch->ends, DEVICES);
	for (i = 0; i < b->watch->notes; i++) {
		if (b->watch->note[i].was.state == DM_IOT_TIMEOUT)
			timeouts++;
		else
			KUNIT_EXPECT_EQ(test, (int)b->watch->note[i].was.state,
					(int)DM_IOT_CANCELLED);
	}
	KUNIT_EXPECT_GE(test, timeouts, 1);
	KUNIT_EXPECT_EQ(test, b->watch->notes, DEVICES + timeouts);
}

static void submit_hook(struct iot_watch *w, const struct dm_iot_region_state *state)
{
	struct iot_bench *b = w->data;

	/* We are in a bio completion, so we must not sleep. */
	if (w->ends < 100)
		IO(b, REQ_OP_WRITE, PLAIN, w->ends * 8, 8, w->note, 0,
		   DM_IOT_NO_WAIT);
}

/* Notify may submit the next call, so we build a chain of 100 calls. */
static void submit_from_notify_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	b->watch->hook = submit_hook;
	b->watch->data = b;
	b->disk[PLAIN].at_once = true;
	START(b, REQ_OP_WRITE, PLAIN, 0, 8, b->watch->note);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->ends == 100));
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 100);
}

static void put_hook(struct iot_watch *w, const struct dm_iot_region_state *state)
{
	struct dm_iot_handle **h = w->data;

	dm_iot_handle_put(*h);
}

/* Notify puts the last reference of the user. */
static void put_from_notify_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	static struct dm_iot_handle *h;

	b->watch->hook = put_hook;
	b->watch->data = &h;
	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), .handle = &h);
	dm_iot_cancel_by_device(b->client, b->disk[PLAIN].bdev);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
}

/* A region without data can be cancelled. */
static void flush_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	START(b, REQ_OP_FLUSH, PLAIN, 0, 0, NULL);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), 1);
	dm_iot_cancel_by_device(b->client, b->disk[PLAIN].bdev);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
}

static struct kunit_case cancel_cases[] = {
	KUNIT_CASE(read_test),
	KUNIT_CASE(write_test),
	KUNIT_CASE(split_test),
	KUNIT_CASE(split_read_test),
	KUNIT_CASE(device_test),
	KUNIT_CASE(handle_of_many_test),
	KUNIT_CASE(no_cancel_test),
	KUNIT_CASE(from_notify_test),
	KUNIT_CASE(own_from_notify_test),
	KUNIT_CASE(submit_from_notify_test),
	KUNIT_CASE(put_from_notify_test),
	KUNIT_CASE(flush_test),
	{}
};

static struct kunit_suite cancel_suite = {
	.name = "dm_io_timeout_cancel",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = cancel_cases,
};

/* ---- zombies ---- */

struct overlap_param {
	const char *name;
	blk_opf_t zombie;
	blk_opf_t newer;
	int disk;
	sector_t sector;
	sector_t count;
	bool waits;
};

/* The zombie occupies sectors [16, 32) of PLAIN. */
static const struct overlap_param overlap_params[] = {
	{ "write_same", REQ_OP_WRITE, REQ_OP_WRITE, PLAIN, 16, 16, true },
	{ "write_first_sector", REQ_OP_WRITE, REQ_OP_WRITE, PLAIN, 16, 1, true },
	{ "write_last_sector", REQ_OP_WRITE, REQ_OP_WRITE, PLAIN, 31, 1, true },
	{ "write_around", REQ_OP_WRITE, REQ_OP_WRITE, PLAIN, 15, 18, true },
	{ "write_into_begin", REQ_OP_WRITE, REQ_OP_WRITE, PLAIN, 8, 9, true },
	{ "write_before", REQ_OP_WRITE, REQ_OP_WRITE, PLAIN, 8, 8, false },
	{ "write_behind", REQ_OP_WRITE, REQ_OP_WRITE, PLAIN, 32, 8, false },
	{ "write_other_disk", REQ_OP_WRITE, REQ_OP_WRITE, OTHER, 16, 16, false },
	{ "read_behind_write", REQ_OP_WRITE, REQ_OP_READ, PLAIN, 16, 16, true },
	{ "discard_behind_write", REQ_OP_WRITE, REQ_OP_DISCARD, PLAIN, 16, 16, true },
	{ "flush_behind_write", REQ_OP_WRITE, REQ_OP_FLUSH, PLAIN, 0, 0, false },
	{ "write_behind_read", REQ_OP_READ, REQ_OP_WRITE, PLAIN, 16, 16, false },
	{ "write_behind_discard", REQ_OP_DISCARD, REQ_OP_WRITE, PLAIN, 16, 16, true },
	{ "write_behind_zeroes", REQ_OP_WRITE_ZEROES, REQ_OP_WRITE, PLAIN, 16, 16,
	  true },
};

KUNIT_ARRAY_PARAM_DESC(overlap, overlap_params, name);

/* A newer region waits only if it overlaps sectors the zombie may write. */
static void overlap_test(struct kunit *test)
{
	const struct overlap_param *p = test->param_value;
	struct iot_bench *b = test->priv;
	struct test_disk *d = &b->disk[p->disk];
	unsigned int before;

	make_zombie(b, p->zombie, PLAIN, 16, 16, 0x01);
	before = d->arrived;
	START(b, p->newer, p->disk, p->sector, p->count, buffer(b, SZ_16K, 0x02));
	msleep(50);
	KUNIT_EXPECT_EQ(test, d->arrived == before, p->waits);
	KUNIT_EXPECT_EQ(test, b->watch->notes, 0);

	/* After the first of two pieces, the zombie is not finished. */
	if ((p->zombie & REQ_OP_MASK) == REQ_OP_WRITE && p->waits) {
		disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
		msleep(50);
		KUNIT_EXPECT_EQ(test, d->arrived, before);
	}
	if (p->waits)
		disk_end_all(&b->disk[PLAIN], BLK_STS_IOERR);
	KUNIT_EXPECT_TRUE(test, COMES(d->arrived > before));
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	disk_end_all(&b->disk[OTHER], BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, COMES(b->watch->ends));
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
}

/*
 * If a call must not wait for a zombie, it fails with -EBUSY. Nothing is sent,
 * and nothing is reported.
 */
static void busy_test(struct kunit *test)
{
	const struct overlap_param *p = test->param_value;
	struct iot_bench *b = test->priv;
	struct dm_iot_handle *h = ERR_PTR(-1);
	unsigned int before;
	int r;

	make_zombie(b, p->zombie, PLAIN, 16, 16, 0x01);
	before = b->disk[PLAIN].arrived + b->disk[OTHER].arrived;
	r = IO(b, p->newer, p->disk, p->sector, p->count, buffer(b, SZ_16K, 0x02),
	       .flags = DM_IOT_NO_WAIT, .handle = &h);
	KUNIT_EXPECT_EQ(test, r, p->waits ? -EBUSY : 0);
	if (!r) {
		KUNIT_EXPECT_NOT_NULL(test, h);
		dm_iot_handle_put(h);
		return;
	}
	KUNIT_EXPECT_NULL(test, h);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	msleep(50);
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived + b->disk[OTHER].arrived, before);
	KUNIT_EXPECT_EQ(test, b->watch->notes, 0);
}

/* If one region overlaps a zombie, no region of the call is sent. */
static void busy_of_many_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_region regions[] = {
		{ b->disk[OTHER].bdev, 0, 8 },
		{ b->disk[PLAIN].bdev, 0, 8 },
	};
	struct dm_iot_control ctl = {
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = buffer(b, SZ_4K, 0) },
		.opf = REQ_OP_WRITE,
		.notify = watch_notify,
		.context = b->watch,
		.flags = DM_IOT_NO_WAIT,
	};

	make_zombie(b, REQ_OP_WRITE, PLAIN, 0, 8, 0x01);
	KUNIT_EXPECT_EQ(test, dm_iot_io(&ctl, 2, regions, NULL), -EBUSY);
	msleep(50);
	KUNIT_EXPECT_EQ(test, b->disk[OTHER].arrived, 0);
	KUNIT_EXPECT_EQ(test, b->watch->notes, 0);
}

/* All old data reach the disk before the new data, so the new data persist. */
static void content_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, SZ_16K, 0x02);

	make_zombie(b, REQ_OP_WRITE, PLAIN, 0, 64, 0x01);
	START(b, REQ_OP_WRITE, PLAIN, 8, 32, mem);
	msleep(50);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), 8);
	/* We complete the bios out of order. */
	while (disk_held(&b->disk[PLAIN]) > 1)
		disk_end(&b->disk[PLAIN], disk_held(&b->disk[PLAIN]) / 2, BLK_STS_OK);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x01, SZ_32K));
	KUNIT_EXPECT_TRUE(test, COMES(disk_held(&b->disk[PLAIN]) == 4));
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x01, SZ_4K));
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 8), 0x02, SZ_16K));
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 40), 0x01, SZ_4K * 3));
}

/* If a region overlaps two zombies, it waits for both. */
static void two_zombies_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	make_zombie(b, REQ_OP_WRITE, PLAIN, 0, 8, 0x01);
	make_zombie(b, REQ_OP_WRITE, PLAIN, 8, 8, 0x02);
	START(b, REQ_OP_WRITE, PLAIN, 4, 8, buffer(b, SZ_4K, 0x03));
	disk_end(&b->disk[PLAIN], 1, BLK_STS_OK);
	msleep(50);
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 2);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_TRUE(test, COMES(disk_held(&b->disk[PLAIN])));
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 4), 0x03, SZ_4K));
}

/*
 * If a region is cancelled while it waits for a zombie, it is never sent. Later
 * regions do not wait for it.
 */
static void cancelled_waiting_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct iot_watch *w = watch_create(test);
	struct dm_iot_handle *h;

	make_zombie(b, REQ_OP_WRITE, PLAIN, 0, 8, 0x01);
	START(b, REQ_OP_WRITE, PLAIN, 0, 16, buffer(b, SZ_8K, 0x02), .handle = &h);
	KUNIT_EXPECT_EQ(test, dm_iot_cancel_by_handle(b->client, h), 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	START(b, REQ_OP_WRITE, PLAIN, 8, 8, buffer(b, SZ_4K, 0x03), .watch = w);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), 2);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	msleep(50);
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 2);
	KUNIT_EXPECT_STREQ(test, reported(w), "O");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x01, SZ_4K));
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 8), 0x03, SZ_4K));
	dm_iot_handle_put(h);
}

/* Zombies of another client do not delay our I/O. */
static void other_client_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;

	make_zombie(b, REQ_OP_WRITE, PLAIN, 0, 8, 0x01);
	START(b, REQ_OP_READ, PLAIN, 0, 8, buffer(b, SZ_4K, 0), .client = b->large);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), 2);
}

struct destroy_call {
	struct dm_iot_client *client;
	struct completion done;
};

static int destroy_thread(void *data)
{
	struct destroy_call *d = data;

	dm_iot_client_destroy(d->client);
	complete(&d->done);
	return 0;
}

/*
 * The destruction of a client waits for its zombies without a time limit, and
 * logs the unresponsive device every 30 s. A handle may outlive the client.
 */
static void destroy_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct destroy_call *d = kunit_kzalloc(test, sizeof(*d), GFP_KERNEL);
	struct dm_iot_handle *h;

	KUNIT_ASSERT_NOT_NULL(test, d);
	init_completion(&d->done);
	d->client = dm_iot_client_create(1, 1, PIECE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, d->client);
	START(b, REQ_OP_WRITE, PLAIN, 0, 16, buffer(b, SZ_8K, 0x01),
	      .client = d->client, .handle = &h);
	dm_iot_cancel_by_handle(d->client, h);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(destroy_thread, d,
						       "kunit-destroy"));
	msleep(65 * MSEC_PER_SEC);
	KUNIT_EXPECT_FALSE(test, completion_done(&d->done));
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&d->done));
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	wait_for_completion(&d->done);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "C");
	dm_iot_handle_put(h);
}

static struct kunit_case zombies_cases[] = {
	KUNIT_CASE_PARAM(overlap_test, overlap_gen_params),
	KUNIT_CASE_PARAM(busy_test, overlap_gen_params),
	KUNIT_CASE(busy_of_many_test),
	KUNIT_CASE(content_test),
	KUNIT_CASE(two_zombies_test),
	KUNIT_CASE(cancelled_waiting_test),
	KUNIT_CASE(other_client_test),
	KUNIT_CASE_SLOW(destroy_test),
	{}
};

static struct kunit_suite zombies_suite = {
	.name = "dm_io_timeout_zombies",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = zombies_cases,
};

/* ---- bad input ---- */

/* A valid call. The functions of bad_params change it. */
struct bad_call {
	struct iot_bench *b;
	struct dm_iot_control ctl;
	unsigned int num;
	struct dm_iot_region region[2];
};

struct bad_param {
	const char *name;
	void (*spoil)(struct bad_call *c);
	int error;
};

#define SPOIL(name, ...)						\
static void name(struct bad_call *c)					\
{									\
	__VA_ARGS__;							\
}

static void make_read_only(struct bad_call *c)
{
	set_disk_ro(c->b->disk[OTHER].disk, true);
}

static void unnotified(struct bad_call *c)
{
	c->ctl.notify = NULL;
	c->ctl.timeout = 1;
}

SPOIL(nothing)
SPOIL(to_the_end, c->region[1].sector = DISK_SECTORS - 8)
SPOIL(longest_timeout, c->ctl.timeout = DM_IOT_MAX_TIMEOUT)
SPOIL(no_regions, c->num = 0)
SPOIL(too_many, c->num = DEVICES + 1)
SPOIL(no_device, c->region[1].bdev = NULL)
SPOIL(no_sectors, c->region[1].count = 0)
SPOIL(sectors_for_flush, c->ctl.opf = REQ_OP_FLUSH)
SPOIL(at_the_end, c->region[1].sector = DISK_SECTORS)
SPOIL(past_the_end, c->region[1].sector = DISK_SECTORS - 7)
SPOIL(sector_wraps, c->region[1].sector = ~(sector_t)0 - 3)
SPOIL(count_wraps, c->region[1].count = ~(sector_t)0 - 3)
SPOIL(read_only, make_read_only(c))
SPOIL(read_of_read_only, make_read_only(c), c->ctl.opf = REQ_OP_READ)
SPOIL(unknown_op, c->ctl.opf = REQ_OP_ZONE_RESET)
SPOIL(driver_op, c->ctl.opf = REQ_OP_DRV_IN)
SPOIL(odd_op, c->ctl.opf = (__force blk_opf_t)REQ_OP_MASK)
SPOIL(polled, c->ctl.opf |= REQ_POLLED)
SPOIL(integrity, c->ctl.opf |= REQ_INTEGRITY)
SPOIL(fua_read, c->ctl.opf = REQ_OP_READ | REQ_FUA)
SPOIL(preflush_discard, c->ctl.opf = REQ_OP_DISCARD | REQ_PREFLUSH)
SPOIL(unknown_flag, c->ctl.flags |= 0x10)
SPOIL(highest_flag, c->ctl.flags |= 1U << 31)
SPOIL(nobody_told, c->ctl.notify = NULL)
SPOIL(cancel_what_cannot, c->ctl.flags = DM_IOT_NO_CANCEL | DM_IOT_CANCEL_ON_TIMEOUT)
SPOIL(sync_what_cannot, c->ctl.flags = DM_IOT_NO_CANCEL | DM_IOT_SYNC, unnotified(c))
SPOIL(timeout_too_long, c->ctl.timeout = DM_IOT_MAX_TIMEOUT + 1)
SPOIL(endless_timeout, c->ctl.timeout = ~0U)
SPOIL(no_page_list, c->ctl.memory.type = DM_IOT_PAGE_LIST, c->ctl.memory.pl = NULL)
SPOIL(no_bvec, c->ctl.memory.type = DM_IOT_BVEC, c->ctl.memory.bvec = NULL)
SPOIL(no_vmalloc, c->ctl.memory.type = DM_IOT_VM, c->ctl.memory.vma = NULL)
SPOIL(no_address, c->ctl.memory.addr = NULL)
SPOIL(unknown_type, c->ctl.memory.type = 4)
SPOIL(odd_type, c->ctl.memory.type = -1)
SPOIL(not_aligned, c->ctl.flags |= DM_IOT_NO_CANCEL, c->ctl.memory.offset = 3)
SPOIL(copied_not_aligned, c->ctl.memory.offset = 3)

static const struct bad_param bad_params[] = {
	{ "good", nothing, 0 },
	{ "up_to_the_end", to_the_end, 0 },
	{ "longest_timeout", longest_timeout, 0 },
	{ "read_of_read_only", read_of_read_only, 0 },
	{ "copied_not_aligned", copied_not_aligned, 0 },
	{ "no_regions", no_regions, -EINVAL },
	{ "too_many_regions", too_many, -EINVAL },
	{ "no_device", no_device, -EINVAL },
	{ "no_sectors", no_sectors, -EINVAL },
	{ "sectors_for_a_flush", sectors_for_flush, -EINVAL },
	{ "at_the_end", at_the_end, -ENXIO },
	{ "past_the_end", past_the_end, -ENXIO },
	{ "sector_wraps", sector_wraps, -ENXIO },
	{ "count_wraps", count_wraps, -ENXIO },
	{ "read_only", read_only, -EROFS },
	{ "unknown_op", unknown_op, -EINVAL },
	{ "driver_op", driver_op, -EINVAL },
	{ "odd_op", odd_op, -EINVAL },
	{ "polled", polled, -EINVAL },
	{ "integrity", integrity, -EINVAL },
	{ "fua_read", fua_read, -EINVAL },
	{ "preflush_discard", preflush_discard, -EINVAL },
	{ "unknown_flag", unknown_flag, -EINVAL },
	{ "highest_flag", highest_flag, -EINVAL },
	{ "nobody_told", nobody_told, -EINVAL },
	{ "cancel_on_timeout_what_cannot", cancel_what_cannot, -EINVAL },
	{ "sync_cancel_what_cannot", sync_what_cannot, -EINVAL },
	{ "timeout_too_long", timeout_too_long, -ERANGE },
	{ "endless_timeout", endless_timeout, -ERANGE },
	{ "no_page_list", no_page_list, -EINVAL },
	{ "no_bvec", no_bvec, -EINVAL },
	{ "no_vmalloc", no_vmalloc, -EINVAL },
	{ "no_address", no_address, -EINVAL },
	{ "unknown_type", unknown_type, -EINVAL },
	{ "odd_type", odd_type, -EINVAL },
	{ "not_aligned", not_aligned, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_params, name);

/*
 * An invalid call fails with the documented errno. Nothing is sent or reported,
 * and the handle is not set.
 */
static void bad_call_test(struct kunit *test)
{
	const struct bad_param *p = test->param_value;
	struct iot_bench *b = test->priv;
	struct dm_iot_handle *untouched = ERR_PTR(-1), *h = untouched;
	struct bad_call *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->b = b;
	c->num = 2;
	c->region[0] = (struct dm_iot_region){ b->disk[PLAIN].bdev, 0, 8 };
	c->region[1] = (struct dm_iot_region){ b->disk[OTHER].bdev, 0, 8 };
	c->ctl = (struct dm_iot_control){
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = buffer(b, SZ_16K, 0) },
		.opf = REQ_OP_WRITE,
		.notify = watch_notify,
		.context = b->watch,
	};
	p->spoil(c);

	KUNIT_EXPECT_EQ(test, dm_iot_io(&c->ctl, c->num, c->region, &h), p->error);
	set_disk_ro(b->disk[OTHER].disk, false);
	if (p->error) {
		KUNIT_EXPECT_PTR_EQ(test, h, untouched);
		KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 0);
		KUNIT_EXPECT_EQ(test, b->disk[OTHER].arrived, 0);
		msleep(20);
		KUNIT_EXPECT_EQ(test, b->watch->notes, 0);
		return;
	}
	KUNIT_EXPECT_TRUE(test, COMES(b->disk[OTHER].arrived));
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	disk_end_all(&b->disk[OTHER], BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "OO");
	dm_iot_handle_put(h);
}

/* A region must be aligned to the logical block size. */
static void block_size_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct queue_limits lim =
		queue_limits_start_update(b->disk[PLAIN].disk->queue);
	u8 *mem = buffer(b, SZ_16K, 0);

	lim.logical_block_size = SZ_4K;
	KUNIT_ASSERT_EQ(test, queue_limits_commit_update(b->disk[PLAIN].disk->queue,
							 &lim), 0);
	KUNIT_EXPECT_EQ(test, IO(b, REQ_OP_READ, PLAIN, 1, 8, mem), -EINVAL);
	KUNIT_EXPECT_EQ(test, IO(b, REQ_OP_READ, PLAIN, 8, 12, mem), -EINVAL);
	KUNIT_EXPECT_EQ(test, IO(b, REQ_OP_DISCARD, PLAIN, 8, 1, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, b->disk[PLAIN].arrived, 0);
	KUNIT_EXPECT_EQ(test, IO(b, REQ_OP_READ, PLAIN, 8, 16, mem), 0);
}

/* A client with a max_size of 0 accepts only calls that need no copy. */
static void no_copies_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_client *client = dm_iot_client_create(1, 1, 0);
	u8 *mem = buffer(b, SZ_4K, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, client);
	b->disk[PLAIN].at_once = true;
	KUNIT_EXPECT_EQ(test, IO(b, REQ_OP_READ, PLAIN, 0, 8, mem,
				 .client = client), -EINVAL);
	KUNIT_EXPECT_EQ(test, b->watch->notes, 0);
	KUNIT_EXPECT_EQ(test, IO(b, REQ_OP_READ, PLAIN, 0, 8, mem, .client = client,
				 .flags = DM_IOT_NO_CANCEL), 0);
	KUNIT_EXPECT_EQ(test, IO(b, REQ_OP_FLUSH, PLAIN, 0, 0, NULL,
				 .client = client), 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "OO");
	dm_iot_client_destroy(client);
}

struct client_param {
	const char *name;
	unsigned int devices, min_ios, max_size;
	int error;
};

static const struct client_param client_params[] = {
	{ "least", 1, 1, 0, 0 },
	{ "one_byte", 1, 1, 1, 0 },
	{ "most_devices", DM_IOT_MAX_DEVICES, 1, PIECE, 0 },
	{ "most_ios", 1, DM_IOT_MAX_MIN_IOS, PIECE, 0 },
	{ "largest", 1, 1, DM_IOT_MAX_SIZE, 0 },
	{ "no_devices", 0, 1, PIECE, -EINVAL },
	{ "too_many_devices", DM_IOT_MAX_DEVICES + 1, 1, PIECE, -EINVAL },
	{ "endless_devices", ~0U, 1, PIECE, -EINVAL },
	{ "no_ios", 1, 0, PIECE, -EINVAL },
	{ "too_many_ios", 1, DM_IOT_MAX_MIN_IOS + 1, PIECE, -EINVAL },
	{ "too_large", 1, 1, DM_IOT_MAX_SIZE + 1, -EINVAL },
	{ "endless", 1, 1, ~0U, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(client, client_params, name);

static void client_test(struct kunit *test)
{
	const struct client_param *p = test->param_value;
	struct dm_iot_client *client;

	client = dm_iot_client_create(p->devices, p->min_ios, p->max_size);
	if (p->error) {
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(client), p->error);
		return;
	}
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, client);
	dm_iot_client_destroy(client);
}

static struct kunit_case bad_input_cases[] = {
	KUNIT_CASE_PARAM(bad_call_test, bad_gen_params),
	KUNIT_CASE(block_size_test),
	KUNIT_CASE(no_copies_test),
	KUNIT_CASE_PARAM(client_test, client_gen_params),
	{}
};

static struct kunit_suite bad_input_suite = {
	.name = "dm_io_timeout_bad_input",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = bad_input_cases,
};

/* ---- no memory ---- */

/* The fault injection is not accessible from a module. */
#if IS_ENABLED(CONFIG_FAILSLAB) && IS_ENABLED(CONFIG_FAIL_PAGE_ALLOC) && \
	!defined(MODULE)

/* These match static structures of mm/failslab.c and mm/fail_page_alloc.c. */
struct failslab {
	struct fault_attr attr;
	bool ignore_gfp_reclaim;
	bool cache_filter;
};

struct fail_page_alloc {
	struct fault_attr attr;
	bool ignore_gfp_highmem;
	bool ignore_gfp_reclaim;
	u32 min_order;
};

static struct failslab *slab_faults;
static struct fail_page_alloc *page_faults;

static int memory_init(struct kunit *test)
{
	slab_faults = (void *)kallsyms_lookup_name("failslab");
	page_faults = (void *)kallsyms_lookup_name("fail_page_alloc");
	KUNIT_ASSERT_NOT_NULL(test, slab_faults);
	KUNIT_ASSERT_NOT_NULL(test, page_faults);
	slab_faults->attr.verbose = 0;
	page_faults->attr.verbose = 0;
	page_faults->min_order = 0;
	return bench_init(test);
}

/*
 * Make all allocations fail that do not sleep, until we call feed(). This
 * affects the whole kernel, so keep the time short.
 */
static void starve(void)
{
	atomic_set(&slab_faults->attr.times, -1);
	atomic_set(&page_faults->attr.times, -1);
	slab_faults->attr.probability = 100;
	page_faults->attr.probability = 100;
}

static void feed(void)
{
	slab_faults->attr.probability = 0;
	page_faults->attr.probability = 0;
}

static void memory_exit(struct kunit *test)
{
	feed();
	slab_faults->ignore_gfp_reclaim = true;
	page_faults->ignore_gfp_reclaim = true;
	current->fail_nth = 0;
	bench_exit(test);
}

/* I/O succeeds with no memory except the client's reserve. */
static void reserve_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, 4 * PIECE, 0x21);

	b->disk[PLAIN].at_once = true;
	starve();
	IO(b, REQ_OP_WRITE, PLAIN, 0, 4 * PIECE_SECTORS, mem);
	memset(mem, 0, 4 * PIECE);
	IO(b, REQ_OP_READ, PLAIN, 0, 2 * PIECE_SECTORS, mem);
	IO(b, REQ_OP_READ, PLAIN, 2 * PIECE_SECTORS, PIECE_SECTORS,
	   mem + 2 * PIECE, .flags = DM_IOT_NO_CANCEL);
	IO(b, REQ_OP_FLUSH, PLAIN, 0, 0, NULL);
	feed();
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "OOOO");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x21, 4 * PIECE));
	KUNIT_EXPECT_TRUE(test, all_are(mem, 0x21, 3 * PIECE));
}

/*
 * If an unresponsive device occupies the whole reserve of one client, another
 * client is not affected.
 */
static void own_reserve_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_client *client = dm_iot_client_create(1, 1, PIECE);
	struct iot_watch *w = watch_create(test);
	u8 *mem = buffer(b, 2 * PIECE, 0x22);
	int r;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, client);
	b->disk[OTHER].at_once = true;
	starve();
	r = IO(b, REQ_OP_WRITE, PLAIN, 0, 2 * PIECE_SECTORS, mem,
	       .client = client, .watch = w);
	IO(b, REQ_OP_WRITE, OTHER, 0, 2 * PIECE_SECTORS, mem);
	msleep(50);
	feed();
	KUNIT_EXPECT_EQ(test, r, 0);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");

	/* When the first piece completes, the second one gets its memory. */
	starve();
	msleep(50);
	r = disk_held(&b->disk[PLAIN]);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	msleep(50);
	feed();
	KUNIT_EXPECT_EQ(test, r, 1);
	KUNIT_EXPECT_EQ(test, disk_held(&b->disk[PLAIN]), 1);
	disk_end(&b->disk[PLAIN], 0, BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(w), "O");
	KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), 0x22, 2 * PIECE));
	dm_iot_client_destroy(client);
}

/*
 * If there is no handle, a call fails when its timeout or the maximum wait
 * expires, or at once if it must not wait.
 */
static void no_handle_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_client *client = dm_iot_client_create(1, 1, PIECE);
	u8 *mem = buffer(b, PIECE, 0x23);
	unsigned long began, took[2];
	struct iot_watch *w = watch_create(test);
	int r[4];

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, client);
	starve();
	r[0] = IO(b, REQ_OP_WRITE, PLAIN, 0, 8, mem, .client = client);
	r[1] = IO(b, REQ_OP_WRITE, PLAIN, 8, 8, mem, .client = client,
		  .flags = DM_IOT_NO_WAIT, .watch = w);
	began = jiffies;
	r[2] = IO(b, REQ_OP_WRITE, PLAIN, 8, 8, mem, 40, .client = client, .watch = w);
	took[0] = jiffies - began;
	began = jiffies;
	r[3] = IO(b, REQ_OP_WRITE, PLAIN, 8, 8, mem, .client = client, .watch = w);
	took[1] = jiffies - began;
	feed();
	KUNIT_EXPECT_EQ(test, r[0], 0);
	KUNIT_EXPECT_EQ(test, r[1], -EAGAIN);
	KUNIT_EXPECT_EQ(test, r[2], -ENOMEM);
	KUNIT_EXPECT_EQ(test, r[3], -ENOMEM);
	KUNIT_EXPECT_GE(test, took[0], msecs_to_jiffies(40));
	KUNIT_EXPECT_LE(test, took[0], msecs_to_jiffies(40) + 2);
	KUNIT_EXPECT_GE(test, took[1], msecs_to_jiffies(DM_IOT_MEMORY_WAIT));
	KUNIT_EXPECT_EQ(test, w->notes, 0);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "O");
	dm_iot_client_destroy(client);
}

/*
 * An unresponsive device occupies the whole reserve. Regions of another device
 * end with an error after DM_IOT_MEMORY_WAIT. If they have a timeout or are
 * cancelled, they are reported earlier.
 */
static void silent_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	struct dm_iot_client *client = dm_iot_client_create(1, 4, PIECE);
	struct iot_watch *timed = watch_create(test), *given_up = watch_create(test);
	u8 *mem = buffer(b, 4 * PIECE, 0x24);
	struct dm_iot_handle *h = NULL;
	unsigned long began;
	unsigned int arrived;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, client);
	b->disk[OTHER].at_once = true;
	starve();
	IO(b, REQ_OP_WRITE, PLAIN, 64, 4 * PIECE_SECTORS, mem, .client = client,
	   .watch = watch_create(test));
	began = jiffies;
	IO(b, REQ_OP_WRITE, OTHER, 0, 8, mem, .client = client);
	IO(b, REQ_OP_WRITE, OTHER, 8, 8, mem, 50, DM_IOT_CANCEL_ON_TIMEOUT,
	   .client = client, .watch = timed);
	IO(b, REQ_OP_WRITE, OTHER, 16, 8, mem, .client = client,
	   .watch = given_up, .handle = &h);
	msleep(20);
	if (h)
		dm_iot_cancel_by_handle(client, h);
	msleep(DM_IOT_MEMORY_WAIT + 200);
	arrived = b->disk[OTHER].arrived;
	feed();
	KUNIT_EXPECT_NOT_NULL(test, h);
	if (h)
		dm_iot_handle_put(h);
	KUNIT_EXPECT_STREQ(test, reported(b->watch), "E");
	KUNIT_EXPECT_EQ(test, b->watch->note[0].was.error_code, -ENOMEM);
	KUNIT_EXPECT_GE(test, b->watch->note[0].when - began,
			msecs_to_jiffies(DM_IOT_MEMORY_WAIT));
	KUNIT_EXPECT_STREQ(test, reported(timed), "TC");
	KUNIT_EXPECT_STREQ(test, reported(given_up), "C");
	KUNIT_EXPECT_EQ(test, arrived, 0);
	disk_end_all(&b->disk[PLAIN], BLK_STS_OK);
	dm_iot_client_destroy(client);
}

/* If any one allocation of a call fails, the call still succeeds. */
static void nth_test(struct kunit *test)
{
	struct iot_bench *b = test->priv;
	u8 *mem = buffer(b, 4 * PIECE, 0);
	struct iot_watch *w;
	int nth, left, r;

	b->disk[PLAIN].at_once = true;
	for (nth = 1, left = 0; !left && nth < 100; nth++) {
		w = watch_create(test);
		memset(mem, nth, 4 * PIECE);
		current->fail_nth = nth;
		r = IO(b, REQ_OP_WRITE, PLAIN, 0, 4 * PIECE_SECTORS, mem, .watch = w);
		left = current->fail_nth;
		current->fail_nth = 0;
		KUNIT_EXPECT_EQ(test, r, 0);
		KUNIT_EXPECT_TRUE(test, COMES(w->ends));
		KUNIT_EXPECT_STREQ(test, reported(w), "O");
		KUNIT_EXPECT_TRUE(test, all_are(content(b, PLAIN, 0), nth, 4 * PIECE));
	}
	/* A call needs a handle, and a bio and a page per piece. */
	KUNIT_EXPECT_GT(test, nth, 5);
	KUNIT_EXPECT_LT(test, nth, 100);
}

/*
 * If any one allocation fails, dm_iot_client_create() either succeeds or
 * returns -ENOMEM.
 */
static void create_test(struct kunit *test)
{
	struct dm_iot_client *client;
	int nth, left, failed = 0;

	for (nth = 1, left = 0; !left && nth < 1000; nth++) {
		slab_faults->ignore_gfp_reclaim = false;
		page_faults->ignore_gfp_reclaim = false;
		current->fail_nth = nth;
		client = dm_iot_client_create(2, 2, 2 * PIECE);
		left = current->fail_nth;
		current->fail_nth = 0;
		slab_faults->ignore_gfp_reclaim = true;
		page_faults->ignore_gfp_reclaim = true;
		if (IS_ERR(client)) {
			KUNIT_EXPECT_EQ(test, PTR_ERR(client), -ENOMEM);
			failed++;
		} else {
			dm_iot_client_destroy(client);
		}
	}
	KUNIT_EXPECT_GT(test, failed, 5);
	KUNIT_EXPECT_LT(test, nth, 1000);
}

static struct kunit_case memory_cases[] = {
	KUNIT_CASE(reserve_test),
	KUNIT_CASE(own_reserve_test),
	KUNIT_CASE_SLOW(no_handle_test),
	KUNIT_CASE_SLOW(silent_test),
	KUNIT_CASE(nth_test),
	KUNIT_CASE(create_test),
	{}
};

static struct kunit_suite memory_suite = {
	.name = "dm_io_timeout_memory",
	.init = memory_init,
	.exit = memory_exit,
	.test_cases = memory_cases,
};

kunit_test_suite(memory_suite);

#endif

/* ---- random ---- */

#define ROUNDS		20000
#define SLOTS		16
#define SLOT_SECTORS	(2 * PIECE_SECTORS)
#define SLOT_BYTES	(SLOT_SECTORS << SECTOR_SHIFT)
#define AFTERWARDS	0x5a

/**
 * struct random_slot - sectors on two disks, with one call at a time
 * @nr: number of the slot, determines its sectors
 * @mem: memory of the calls; filled with @AFTERWARDS between calls
 * @handle: handle of the active call, or NULL
 * @op: operation of the active call
 * @fill: byte that the active call writes
 * @known: expected byte in the sectors of each disk, or -1 if unknown
 * @timeouts: number of TIMEOUT reports of the call, per region
 * @ends: number of ends of the call, per region
 * @end: final state, per region
 * @wrong_report: number of invalid reports
 * @wrong_answer: number of unexpected errors from dm_iot_io()
 * @wrong_memory: number of changes of @mem between calls
 * @wrong_data: number of reads that succeeded with wrong data
 */
struct random_slot {
	unsigned int nr;
	u8 *mem;
	struct dm_iot_handle *handle;
	enum req_op op;
	u8 fill;
	int known[2];
	unsigned int timeouts[2];
	unsigned int ends[2];
	enum dm_iot_state end[2];
	unsigned int wrong_report;
	unsigned int wrong_answer;
	unsigned int wrong_memory;
	unsigned int wrong_data;
};

struct random_run {
	struct iot_bench *b;
	struct rnd_state rnd;
	struct random_slot slot[SLOTS];
	unsigned int calls, busy, reports[4], verified;
};

static u32 below(struct random_run *run, u32 n)
{
	return prandom_u32_state(&run->rnd) % n;
}

static void random_notify(const struct dm_iot_region_state *state, void *context)
{
	struct random_slot *s = context;
	unsigned int i = state->index;

	if (state->handle != s->handle || i > 1 || s->ends[i])
		s->wrong_report++;
	else if (state->state != DM_IOT_TIMEOUT)
		s->end[i] = state->state;
	else if (s->timeouts[i]++)
		s->wrong_report++;
	if (i < 2 && state->state != DM_IOT_TIMEOUT)
		s->ends[i]++;
}

static void random_start(struct random_run *run, struct random_slot *s)
{
	static const blk_opf_t ops[] = {
		REQ_OP_READ, REQ_OP_READ, REQ_OP_WRITE, REQ_OP_WRITE | REQ_FUA,
		REQ_OP_DISCARD, REQ_OP_WRITE_ZEROES,
	};
	struct iot_bench *b = run->b;
	sector_t sector = s->nr * SLOT_SECTORS;
	struct dm_iot_region regions[] = {
		{ b->disk[PLAIN].bdev, sector, SLOT_SECTORS },
		{ b->disk[SMALL].bdev, sector, SLOT_SECTORS },
	};
	struct dm_iot_control ctl = {
		.client = b->client,
		.memory = { .type = DM_IOT_KMEM, .addr = s->mem },
		.opf = ops[below(run, ARRAY_SIZE(ops))],
		.notify = random_notify,
		.context = s,
		.timeout = below(run, 2) ? 0 : 10 * (1 + below(run, 5)),
	};
	int r;

	if (!below(run, 4))
		ctl.flags = DM_IOT_NO_CANCEL;
	else if (!below(run, 3))
		ctl.flags = DM_IOT_CANCEL_ON_TIMEOUT;
	if (!below(run, 4))
		ctl.flags |= DM_IOT_NO_WAIT;

	s->op = ctl.opf & REQ_OP_MASK;
	s->fill = 1 + below(run, 80);
	memset(s->mem, s->op == REQ_OP_WRITE ? s->fill : 0xff, 2 * SLOT_BYTES);
	memset(s->timeouts, 0, sizeof(s->timeouts));
	memset(s->ends, 0, sizeof(s->ends));
	r = dm_iot_io(&ctl, 2, regions, &s->handle);
	if (!r) {
		run->calls++;
		return;
	}
	s->handle = NULL;
	memset(s->mem, AFTERWARDS, 2 * SLOT_BYTES);
	run->busy++;
	if (r != -EBUSY || !(ctl.flags & DM_IOT_NO_WAIT))
		s->wrong_answer++;
}

/* The call has ended. Check its data, and update the expected bytes. */
static void random_harvest(struct random_run *run, struct random_slot *s)
{
	int i;

	for (i = 0; i < 2; i++) {
		run->reports[s->end[i]]++;
		run->reports[DM_IOT_TIMEOUT] += s->timeouts[i];
		if (s->op == REQ_OP_READ && s->end[i] == DM_IOT_OK &&
		    s->known[i] >= 0) {
			run->verified++;
			if (!all_are(s->mem + i * SLOT_BYTES, s->known[i], SLOT_BYTES))
				s->wrong_data++;
		}
		if (s->op == REQ_OP_READ)
			continue;
		if (s->end[i] != DM_IOT_OK)
			s->known[i] = -1;
		else
			s->known[i] = s->op == REQ_OP_WRITE ? s->fill : 0;
	}
	memset(s->mem, AFTERWARDS, 2 * SLOT_BYTES);
	dm_iot_handle_put(s->handle);
	s->handle = NULL;
}

/* Harvest an ended call, or check the memory and start the next call. */
static void random_turn(struct random_run *run, struct random_slot *s)
{
	if (s->handle) {
		if (s->ends[0] && s->ends[1])
			random_harvest(run, s);
		return;
	}
	if (!all_are(s->mem, AFTERWARDS, 2 * SLOT_BYTES))
		s->wrong_memory++;
	random_start(run, s);
}

static void random_event(struct random_run *run, struct random_slot *s)
{
	struct iot_bench *b = run->b;
	struct test_disk *d = &b->disk[below(run, 2) ? PLAIN : SMALL];
	unsigned int n = disk_held(d);

	switch (below(run, 16)) {
	case 0:
		schedule_timeout_uninterruptible(1);
		break;
	case 1:
		if (s->handle)
			dm_iot_cancel_by_handle(b->client, s->handle);
		break;
	case 2:
		if (!below(run, 8))
			dm_iot_cancel_by_device(b->client, d->bdev);
		break;
	default:
		if (n)
			disk_end(d, below(run, n),
				 below(run, 16) ? BLK_STS_OK : BLK_STS_IOERR);
	}
}

static bool random_ended(struct random_run *run)
{
	struct random_slot *s;

	disk_end_all(&run->b->disk[PLAIN], BLK_STS_OK);
	disk_end_all(&run->b->disk[SMALL], BLK_STS_OK);
	for (s = run->slot; s < run->slot + SLOTS; s++)
		if (s->handle && !(s->ends[0] && s->ends[1]))
			return false;
	return true;
}

/*
 * Random calls, completions, errors, cancellations and delays, reproducible
 * from a seed. We check that each region ends once, that TIMEOUT is reported at
 * most once and before the end, that memory does not change after the end, and
 * that each successful read returns the data of the last successful write.
 */
static void random_test(struct kunit *test)
{
	struct random_run *run = kunit_kzalloc(test, sizeof(*run), GFP_KERNEL);
	unsigned long from = seed ?: get_random_u32();
	unsigned int round;
	struct random_slot *s;

	KUNIT_ASSERT_NOT_NULL(test, run);
	kunit_info(test, "seed %lu\n", from);
	run->b = test->priv;
	prandom_seed_state(&run->rnd, from);
	for (s = run->slot; s < run->slot + SLOTS; s++) {
		s->nr = s - run->slot;
		s->mem = buffer(run->b, 2 * SLOT_BYTES, AFTERWARDS);
	}

	for (round = 0; round < ROUNDS; round++) {
		random_turn(run, &run->slot[below(run, SLOTS)]);
		random_event(run, &run->slot[below(run, SLOTS)]);
		cond_resched();
	}
	KUNIT_EXPECT_TRUE(test, COMES(random_ended(run)));
	msleep(100);
	for (s = run->slot; s < run->slot + SLOTS; s++) {
		if (s->handle) {
			KUNIT_EXPECT_EQ(test, s->ends[0], 1);
			KUNIT_EXPECT_EQ(test, s->ends[1], 1);
			random_harvest(run, s);
		}
		KUNIT_EXPECT_EQ(test, s->wrong_report, 0);
		KUNIT_EXPECT_EQ(test, s->wrong_answer, 0);
		KUNIT_EXPECT_EQ(test, s->wrong_memory, 0);
		KUNIT_EXPECT_EQ(test, s->wrong_data, 0);
	}
	kunit_info(test, "%u calls, %u busy; OK %u, TIMEOUT %u, CANCELLED %u, ERROR %u; %u reads verified\n",
		   run->calls, run->busy, run->reports[DM_IOT_OK],
		   run->reports[DM_IOT_TIMEOUT], run->reports[DM_IOT_CANCELLED],
		   run->reports[DM_IOT_ERROR], run->verified);
	/* Ensure that the run has covered all cases. */
	KUNIT_EXPECT_GT(test, run->busy, 10);
	KUNIT_EXPECT_GT(test, run->reports[DM_IOT_OK], 100);
	KUNIT_EXPECT_GT(test, run->reports[DM_IOT_TIMEOUT], 100);
	KUNIT_EXPECT_GT(test, run->reports[DM_IOT_CANCELLED], 100);
	KUNIT_EXPECT_GT(test, run->reports[DM_IOT_ERROR], 100);
	KUNIT_EXPECT_GT(test, run->verified, 100);
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE_SLOW(random_test),
	{}
};

static struct kunit_suite random_suite = {
	.name = "dm_io_timeout_random",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = random_cases,
};

kunit_test_suites(&calls_suite, &timeout_suite, &cancel_suite, &zombies_suite,
		  &bad_input_suite, &random_suite);

MODULE_DESCRIPTION("KUnit tests for dm-io-timeout");
MODULE_LICENSE("GPL");
