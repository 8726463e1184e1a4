/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm_io_timeout_kunit: disks whose completions the test controls, and a notify
 * callback that records all reports.
 */
#ifndef DM_IO_TIMEOUT_KUNIT_H
#define DM_IO_TIMEOUT_KUNIT_H

#include <kunit/test.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/dm-io-timeout.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/vmalloc.h>

#include "dm_wait_kunit.h"

#define DISK_SECTORS	2048

/* ---- disks ---- */

/**
 * struct test_disk - a disk in memory, under control of the test
 * @disk: the disk
 * @file: open file of the disk
 * @bdev: block device of @file
 * @content: data of the disk. We transfer the data of a bio when it completes,
 *	not earlier
 * @lock: protects @held, @arrived, @opf and @at_once
 * @held: bios that were submitted and have not completed, in order
 * @arrived: number of submitted bios
 * @opf: operation and flags of the last bio
 * @at_once: complete new bios at once, with the status @answer
 * @answer: see @at_once
 * @again: fail bios with REQ_NOWAIT, as a full queue does
 * @gate: if not NULL, submitters wait for this completion
 */
struct test_disk {
	struct gendisk *disk;
	struct file *file;
	struct block_device *bdev;
	u8 *content;
	spinlock_t lock;	/* see above */
	struct bio_list held;
	unsigned int arrived;
	blk_opf_t opf;
	bool at_once;
	blk_status_t answer;
	bool again;
	struct completion *gate;
};

static void move_data(struct test_disk *d, struct bio *bio)
{
	u8 *at = d->content + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	struct bvec_iter iter;
	struct bio_vec bv;

	switch (bio_op(bio)) {
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		memset(at, 0, bio->bi_iter.bi_size);
		break;
	case REQ_OP_READ:
		bio_for_each_segment(bv, bio, iter) {
			memcpy_to_bvec(&bv, at);
			at += bv.bv_len;
		}
		break;
	case REQ_OP_WRITE:
		bio_for_each_segment(bv, bio, iter) {
			memcpy_from_bvec(at, &bv);
			at += bv.bv_len;
		}
		break;
	default:
		break;
	}
}

static void disk_complete(struct test_disk *d, struct bio *bio,
			  blk_status_t status)
{
	/* If a split part of the bio has failed, keep its status. */
	if (status)
		bio->bi_status = status;
	else
		move_data(d, bio);
	bio_endio(bio);
}

static void disk_submit_bio(struct bio *bio)
{
	struct test_disk *d = bio->bi_bdev->bd_disk->private_data;
	bool refused, at_once;
	blk_status_t answer;

	if (d->gate)
		wait_for_completion(d->gate);
	bio = bio_split_to_limits(bio);
	if (!bio)
		return;

	spin_lock_irq(&d->lock);
	d->arrived++;
	d->opf = bio->bi_opf;
	refused = d->again && (bio->bi_opf & REQ_NOWAIT);
	at_once = d->at_once;
	answer = d->answer;
	if (!refused && !at_once)
		bio_list_add(&d->held, bio);
	spin_unlock_irq(&d->lock);

	if (refused)
		disk_complete(d, bio, BLK_STS_AGAIN);
	else if (at_once)
		disk_complete(d, bio, answer);
}

static const struct block_device_operations disk_ops = {
	.submit_bio = disk_submit_bio,
};

/* Remove the @nth held bio and return it, or NULL if there is none. */
static struct bio *take_held(struct test_disk *d, unsigned int nth)
{
	struct bio_list rest = BIO_EMPTY_LIST;
	struct bio *bio, *found = NULL;

	spin_lock_irq(&d->lock);
	while ((bio = bio_list_pop(&d->held))) {
		if (nth-- == 0)
			found = bio;
		else
			bio_list_add(&rest, bio);
	}
	d->held = rest;
	spin_unlock_irq(&d->lock);
	return found;
}

/* Complete the @nth held bio. Return false if there is none. */
static bool disk_end(struct test_disk *d, unsigned int nth, blk_status_t status)
{
	struct bio *bio = take_held(d, nth);

	if (bio)
		disk_complete(d, bio, status);
	return bio;
}

static void disk_end_all(struct test_disk *d, blk_status_t status)
{
	while (disk_end(d, 0, status))
		;
}

static unsigned int disk_held(struct test_disk *d)
{
	unsigned int n;

	spin_lock_irq(&d->lock);
	n = bio_list_size(&d->held);
	spin_unlock_irq(&d->lock);
	return n;
}

/*
 * Bios are limited to @max_sectors, or not limited if 0. If @nowait, the disk
 * supports REQ_NOWAIT.
 */
static void disk_create(struct kunit *test, struct test_disk *d,
			unsigned int max_sectors, bool nowait)
{
	struct queue_limits lim = {
		.features = BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA |
			    (nowait ? BLK_FEAT_NOWAIT : 0),
		.max_hw_sectors = max_sectors ?: DISK_SECTORS,
		.max_hw_discard_sectors = DISK_SECTORS,
		.max_write_zeroes_sectors = DISK_SECTORS,
	};
	static atomic_t number = ATOMIC_INIT(0);
	struct file *file;
	int r;

	spin_lock_init(&d->lock);
	bio_list_init(&d->held);
	d->content = vzalloc(DISK_SECTORS << SECTOR_SHIFT);
	KUNIT_ASSERT_NOT_NULL(test, d->content);
	d->disk = blk_alloc_disk(&lim, NUMA_NO_NODE);
	if (IS_ERR(d->disk))
		d->disk = NULL;
	KUNIT_ASSERT_NOT_NULL(test, d->disk);
	d->disk->fops = &disk_ops;
	d->disk->private_data = d;
	d->disk->flags |= GENHD_FL_NO_PART;
	snprintf(d->disk->disk_name, DISK_NAME_LEN, "kunit%d",
		 atomic_inc_return(&number));
	set_capacity(d->disk, DISK_SECTORS);
	r = add_disk(d->disk);
	if (r) {
		put_disk(d->disk);
		d->disk = NULL;
	}
	KUNIT_ASSERT_EQ(test, r, 0);

	file = bdev_file_open_by_dev(disk_devt(d->disk),
				     BLK_OPEN_READ | BLK_OPEN_WRITE, d, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	d->file = file;
	d->bdev = file_bdev(file);
}

static void disk_remove(struct test_disk *d)
{
	if (d->file)
		bdev_fput(d->file);
	/* Kernel threads close files in delayed work: wait for that. */
	flush_delayed_fput();
	if (d->disk) {
		del_gendisk(d->disk);
		put_disk(d->disk);
	}
	vfree(d->content);
}

/* ---- reports ---- */

/**
 * struct iot_watch - record of all reports
 * @lock: protects @notes, @ends and @note
 * @notes: number of reports
 * @ends: number of reports that are ends
 * @note: content and time, in jiffies, of each report
 * @hook: called after a report was recorded, or NULL
 * @data: for @hook
 * @text: result of reported()
 */
struct iot_watch {
	spinlock_t lock;	/* see above */
	unsigned int notes;
	unsigned int ends;
	struct iot_note {
		struct dm_iot_region_state was;
		unsigned long when;
	} note[512];
	void (*hook)(struct iot_watch *w, const struct dm_iot_region_state *state);
	void *data;
	char text[513];
};

static void watch_notify(const struct dm_iot_region_state *state, void *context)
{
	struct iot_watch *w = context;
	unsigned long irq;

	spin_lock_irqsave(&w->lock, irq);
	if (w->notes < ARRAY_SIZE(w->note)) {
		w->note[w->notes].was = *state;
		w->note[w->notes].when = jiffies;
	}
	w->notes++;
	if (state->state != DM_IOT_TIMEOUT)
		w->ends++;
	spin_unlock_irqrestore(&w->lock, irq);
	if (w->hook)
		w->hook(w, state);
}

static struct iot_watch *watch_create(struct kunit *test)
{
	struct iot_watch *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, w);
	spin_lock_init(&w->lock);
	return w;
}

/* All states in order, as letters: O(K), T(IMEOUT), C(ANCELLED), E(RROR). */
static const char *reported(struct iot_watch *w)
{
	unsigned int i;

	for (i = 0; i < min(w->notes, ARRAY_SIZE(w->note)); i++)
		w->text[i] = "OTCE"[w->note[i].was.state];
	w->text[i] = '\0';
	return w->text;
}

#endif /* DM_IO_TIMEOUT_KUNIT_H */
