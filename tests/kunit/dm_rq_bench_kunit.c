// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fixture of the suites of dm-rq and of the multipath target, see
 * dm_rq_kunit.h.
 */

#include <linux/file.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "../../../dm-core.h"
#include "dm_rq_kunit.h"

/* ---- disks ---- */

/* A driver for one range does not look at the bios. */
static void discard(struct lower *l, struct request *rq)
{
	struct bio *bio;

	if (queue_max_discard_segments(rq->q) == 1) {
		memset(lower_at(l, blk_rq_pos(rq)), 0, blk_rq_bytes(rq));
		return;
	}
	__rq_for_each_bio(bio, rq)
		memset(lower_at(l, bio->bi_iter.bi_sector), 0, bio->bi_iter.bi_size);
}

static void move_data(struct lower *l, struct request *rq)
{
	u8 *at = lower_at(l, blk_rq_pos(rq));
	struct req_iterator iter;
	struct bio_vec bv;

	switch (req_op(rq)) {
	case REQ_OP_DISCARD:
		discard(l, rq);
		break;
	case REQ_OP_WRITE_ZEROES:
		memset(at, 0, blk_rq_bytes(rq));
		break;
	case REQ_OP_READ:
		rq_for_each_segment(bv, rq, iter) {
			memcpy_to_bvec(&bv, at);
			at += bv.bv_len;
		}
		break;
	case REQ_OP_WRITE:
		rq_for_each_segment(bv, rq, iter) {
			memcpy_from_bvec(at, &bv);
			at += bv.bv_len;
		}
		break;
	default:
		break;
	}
}

/* Complete a request with interrupts off, as in the interrupt of a driver. */
static void complete_request(struct lower *l, struct request *rq,
			     unsigned int well, blk_status_t status)
{
	unsigned long irq;

	if (!status)
		move_data(l, rq);
	local_irq_save(irq);
	if (!well || blk_update_request(rq, BLK_STS_OK, well))
		blk_mq_end_request(rq, status);
	else
		__blk_mq_end_request(rq, BLK_STS_OK);
	local_irq_restore(irq);
}

static void note_request(struct lower *l, struct request *rq)
{
	struct bio *bio;

	l->arrived++;
	l->opf = rq->cmd_flags;
	l->sector = blk_rq_pos(rq);
	l->bytes = blk_rq_bytes(rq);
	l->bios = 0;
	__rq_for_each_bio(bio, rq)
		l->bios++;
}

static blk_status_t lower_queue_rq(struct blk_mq_hw_ctx *hctx,
				   const struct blk_mq_queue_data *bd)
{
	struct request *rq = bd->rq;
	struct lower *l = rq->q->queuedata;
	blk_status_t answer;
	bool at_once;

	if (hctx->flags & BLK_MQ_F_BLOCKING)
		might_sleep();
	spin_lock_irq(&l->lock);
	if (l->refusals) {
		l->refusals--;
		l->refused++;
		spin_unlock_irq(&l->lock);
		return l->refusal;
	}
	note_request(l, rq);
	blk_mq_start_request(rq);
	at_once = l->at_once;
	answer = l->answer;
	if (!at_once)
		list_add_tail(&rq->queuelist, &l->held);
	spin_unlock_irq(&l->lock);

	if (at_once)
		complete_request(l, rq, 0, answer);
	return BLK_STS_OK;
}

static bool lower_busy(struct request_queue *q)
{
	struct lower *l = q->queuedata;

	return READ_ONCE(l->busy);
}

static const struct blk_mq_ops lower_mq_ops = {
	.queue_rq = lower_queue_rq,
	.busy = lower_busy,
};

static const struct block_device_operations lower_ops = {};

static struct request *take_oldest(struct lower *l)
{
	struct request *rq;

	spin_lock_irq(&l->lock);
	rq = list_first_entry_or_null(&l->held, struct request, queuelist);
	if (rq)
		list_del_init(&rq->queuelist);
	spin_unlock_irq(&l->lock);
	return rq;
}

bool lower_end_after(struct lower *l, unsigned int well, blk_status_t status)
{
	struct request *rq = take_oldest(l);

	if (rq)
		complete_request(l, rq, well, status);
	return rq;
}

unsigned int lower_held(struct lower *l)
{
	unsigned int n;

	spin_lock_irq(&l->lock);
	n = list_count_nodes(&l->held);
	spin_unlock_irq(&l->lock);
	return n;
}

void lower_refuse(struct lower *l, unsigned int times, blk_status_t refusal)
{
	spin_lock_irq(&l->lock);
	l->refusals = times;
	l->refusal = refusal;
	spin_unlock_irq(&l->lock);
}

void lower_release(struct lower *l, blk_status_t status)
{
	spin_lock_irq(&l->lock);
	l->at_once = true;
	l->answer = status;
	l->refusals = 0;
	spin_unlock_irq(&l->lock);
	while (lower_end(l, status))
		;
}

void lower_create(struct kunit *test, struct lower *l, unsigned int depth,
		  unsigned int flags)
{
	struct queue_limits lim = {
		.features = BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA,
		.max_hw_sectors = LOWER_SECTORS,
		.max_hw_discard_sectors = LOWER_SECTORS,
		.max_write_zeroes_sectors = LOWER_SECTORS,
	};
	static atomic_t number = ATOMIC_INIT(0);
	struct gendisk *disk;
	int r;

	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->held);
	l->content = vzalloc(LOWER_SECTORS << SECTOR_SHIFT);
	KUNIT_ASSERT_NOT_NULL(test, l->content);
	l->tags.ops = &lower_mq_ops;
	l->tags.nr_hw_queues = 1;
	l->tags.queue_depth = depth;
	l->tags.numa_node = NUMA_NO_NODE;
	l->tags.flags = flags;
	KUNIT_ASSERT_EQ(test, blk_mq_alloc_tag_set(&l->tags), 0);
	disk = blk_mq_alloc_disk(&l->tags, &lim, l);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, disk);
	disk->fops = &lower_ops;
	disk->flags |= GENHD_FL_NO_PART;
	snprintf(disk->disk_name, DISK_NAME_LEN, "lower%d",
		 atomic_inc_return(&number));
	set_capacity(disk, LOWER_SECTORS);
	r = add_disk(disk);
	if (r)
		put_disk(disk);
	KUNIT_ASSERT_EQ(test, r, 0);
	l->disk = disk;
	snprintf(l->name, sizeof(l->name), "%u:%u", MAJOR(disk_devt(disk)),
		 MINOR(disk_devt(disk)));
}

void lower_remove(struct lower *l)
{
	if (l->disk) {
		del_gendisk(l->disk);
		put_disk(l->disk);
	}
	if (l->tags.tags)
		blk_mq_free_tag_set(&l->tags);
	vfree(l->content);
	memset(l, 0, sizeof(*l));
}

/* ---- maps ---- */

static void suspend_work(struct work_struct *work)
{
	struct map *map = container_of(work, struct map, suspend_work);

	map->suspend_error = dm_suspend(map->md, map->suspend_flags);
	complete(&map->suspended);
}

void map_create(struct kunit *test, struct map *map)
{
	map->test = test;
	INIT_WORK(&map->suspend_work, suspend_work);
	init_completion(&map->suspended);
	KUNIT_ASSERT_EQ(test, dm_create(DM_ANY_MINOR, &map->md), 0);
}

char *map_text(struct map *map, const char *text)
{
	const size_t size = 512;
	char *full = kunit_kzalloc(map->test, size, GFP_KERNEL);
	size_t n = 0;

	KUNIT_ASSERT_NOT_NULL(map->test, full);
	for (; *text && n < size - 20; text++) {
		if (*text == '%')
			n += scnprintf(full + n, size - n, "%s", *++text == 'a' ?
				       map->a.name : map->b.name);
		else
			full[n++] = *text;
	}
	return full;
}

/* The caller holds the map's type lock, as dm core's ioctl does. */
static int new_table(struct map *map, const char *target, const char *text,
		     struct dm_table **table)
{
	int r;

	r = dm_table_create(table, BLK_OPEN_READ | BLK_OPEN_WRITE, 1, map->md);
	if (r)
		return r;
	r = dm_table_add_target(*table, target, 0, LOWER_SECTORS,
				map_text(map, text)) ?: dm_table_complete(*table);
	if (r)
		dm_table_destroy(*table);
	return r;
}

void map_start(struct map *map, const char *target, const char *text)
{
	struct kunit *test = map->test;
	struct dm_table *table;
	struct file *file;
	int r;

	dm_lock_md_type(map->md);
	r = new_table(map, target, text, &table);
	if (!r) {
		map->md->type = dm_table_get_type(table);
		r = dm_setup_md_queue(map->md, table);
		if (r)
			dm_table_destroy(table);
	}
	dm_unlock_md_type(map->md);
	KUNIT_ASSERT_EQ(test, r, 0);

	KUNIT_ASSERT_EQ(test, dm_suspend(map->md, 0), 0);
	KUNIT_ASSERT_NULL(test, dm_swap_table(map->md, table));
	map->table = table;
	KUNIT_ASSERT_EQ(test, dm_resume(map->md), 0);

	file = bdev_file_open_by_dev(disk_devt(dm_disk(map->md)),
				     BLK_OPEN_READ | BLK_OPEN_WRITE, map, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	map->file = file;
	map->bdev = file_bdev(file);
}

int map_try_swap(struct map *map, const char *target, const char *text)
{
	struct dm_table *table, *old;
	int r;

	dm_lock_md_type(map->md);
	r = new_table(map, target, text, &table);
	dm_unlock_md_type(map->md);
	if (r)
		return r;
	old = dm_swap_table(map->md, table);
	if (IS_ERR(old)) {
		dm_table_destroy(table);
		return PTR_ERR(old);
	}
	map->table = table;
	dm_sync_table(map->md);
	dm_table_destroy(old);
	return 0;
}

void map_swap(struct map *map, const char *target, const char *text)
{
	KUNIT_ASSERT_EQ(map->test, map_try_swap(map, target, text), 0);
}

void map_suspend(struct map *map, unsigned int flags)
{
	KUNIT_ASSERT_EQ(map->test, dm_suspend(map->md, flags), 0);
}

void map_suspend_beside(struct map *map, unsigned int flags)
{
	map->suspend_flags = flags;
	reinit_completion(&map->suspended);
	schedule_work(&map->suspend_work);
}

void map_resume(struct map *map)
{
	KUNIT_ASSERT_EQ(map->test, dm_resume(map->md), 0);
}

struct dm_target *map_target(struct map *map)
{
	return dm_table_find_target(map->table, 0);
}

void map_remove(struct map *map)
{
	if (!map->md)
		return;
	flush_work(&map->suspend_work);
	if (dm_suspended_md(map->md) && map->table)
		dm_resume(map->md);
	if (map->file)
		bdev_fput(map->file);
	/* The kernel defers the final close to task work or to a work item. */
	flush_delayed_fput();
	dm_put(map->md);
	dm_destroy(map->md);
	map->md = NULL;
	map->table = NULL;
	map->file = NULL;
}

/* ---- users of a map ---- */

static void io_end(struct bio *bio)
{
	struct io *io = bio->bi_private;

	io->status = bio->bi_status;
	io->ends++;
	bio_put(bio);
}

struct io *io_submit(struct map *map, blk_opf_t opf, sector_t sector,
		     unsigned int sectors, u8 fill)
{
	enum req_op op = opf & REQ_OP_MASK;
	bool data = sectors && (op == REQ_OP_READ || op == REQ_OP_WRITE);
	struct kunit *test = map->test;
	struct io *io = kunit_kzalloc(test, sizeof(*io), GFP_KERNEL);
	struct bio *bio;

	KUNIT_ASSERT_NOT_NULL(test, io);
	io->bytes = sectors << SECTOR_SHIFT;
	bio = bio_alloc(map->bdev, 1, opf, GFP_KERNEL);
	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = io_end;
	bio->bi_private = io;
	if (data) {
		io->mem = kunit_kmalloc(test, io->bytes, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, io->mem);
		memset(io->mem, fill, io->bytes);
		__bio_add_page(bio, virt_to_page(io->mem), io->bytes,
			       offset_in_page(io->mem));
	} else {
		bio->bi_iter.bi_size = io->bytes;
	}
	submit_bio(bio);
	return io;
}

void io_submit_merged(struct map *map, blk_opf_t opf, sector_t sector,
		      unsigned int sectors, unsigned int nr, struct io **ios)
{
	struct blk_plug plug;
	unsigned int i;

	blk_start_plug(&plug);
	for (i = 0; i < nr; i++)
		ios[i] = io_submit(map, opf, sector + i * sectors, sectors, i + 1);
	blk_finish_plug(&plug);
}

void expect_end(struct kunit *test, struct io *io, blk_status_t status)
{
	KUNIT_EXPECT_TRUE(test, COMES(READ_ONCE(io->ends)));
	KUNIT_EXPECT_EQ(test, io->ends, 1);
	EXPECT_STATUS(test, io->status, status);
}

/* ---- a target whose answers the test sets ---- */

struct told_target {
	struct dm_rq rq;
	struct dm_dev *dev[2];
	struct script *script;
};

/* The script of the running test case. */
static struct script *the_script;

static struct script *script_of(struct dm_rq *drq)
{
	return container_of(drq, struct told_target, rq)->script;
}

static enum dm_rq_map told_prep_map(struct dm_rq *drq, struct dm_rq_io *io,
				    struct block_device **bdev)
{
	struct told_target *t = container_of(drq, struct told_target, rq);
	struct script *s = t->script;

	s->preps++;
	s->tries = io->tries;
	s->again = io->again;
	*bdev = t->dev[s->to_b]->bdev;
	if (!s->wakes_in_prep)
		return s->prep;
	s->wakes_in_prep--;
	dm_rq_wake(drq);
	return DM_RQ_PARK;
}

static void told_map(struct dm_rq *drq, struct dm_rq_io *io, struct request *clone)
{
	script_of(drq)->maps++;
}

static bool told_device_full(struct dm_rq *drq, struct dm_rq_io *io)
{
	struct script *s = script_of(drq);

	s->rooms++;
	if (s->room_elsewhere)
		s->to_b = !s->to_b;
	return s->room_elsewhere;
}

static enum dm_rq_error told_end_io_first(struct dm_rq *drq, struct dm_rq_io *io,
					  blk_status_t status, unsigned int bytes)
{
	struct script *s = script_of(drq);

	s->firsts++;
	s->first_status = status;
	s->first_bytes = bytes;
	if (s->other_then)
		s->to_b = true;
	return s->first;
}

static enum dm_rq_end told_end_io(struct dm_rq *drq, struct dm_rq_io *io,
				  struct request *clone, blk_status_t status)
{
	struct script *s = script_of(drq);

	s->ends++;
	s->end_status = status;
	return s->end;
}

static const struct dm_rq_ops told_ops = {
	.io_data_size = sizeof(u64),
	.prep_map = told_prep_map,
	.map = told_map,
	.device_full = told_device_full,
	.end_io_first = told_end_io_first,
	.end_io = told_end_io,
};

static void told_dtr(struct dm_target *ti)
{
	struct told_target *t = container_of(ti->private, struct told_target, rq);
	int i;

	for (i = 0; i < 2; i++)
		if (t->dev[i])
			dm_put_device(ti, t->dev[i]);
	dm_rq_exit(&t->rq);
	kfree(t);
}

static int told_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct told_target *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int i, r;

	if (!t)
		return -ENOMEM;
	t->script = the_script;
	r = dm_rq_init(&t->rq, ti, &told_ops);
	for (i = 0; i < 2 && !r; i++)
		r = dm_get_device(ti, argv[i], dm_table_get_mode(ti->table),
				  &t->dev[i]);
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->private = &t->rq;
	if (r)
		told_dtr(ti);
	return r;
}

/* A suspend with flush waits for all requests, so none may stay parked. */
static void told_presuspend(struct dm_target *ti)
{
	struct script *s = script_of(ti->private);

	if (dm_noflush_suspending(ti))
		return;
	if (s->prep == DM_RQ_PARK)
		s->prep = DM_RQ_KILL;
	dm_rq_wake_and_wait(ti->private);
}

static void told_resume(struct dm_target *ti)
{
	dm_rq_wake(ti->private);
}

static int told_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn,
				void *data)
{
	struct told_target *t = container_of(ti->private, struct told_target, rq);

	return fn(ti, t->dev[0], 0, ti->len, data) ?:
	       fn(ti, t->dev[1], 0, ti->len, data);
}

static struct target_type told_type = {
	.name = "kunit-rq",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_IMMUTABLE,
	.module = THIS_MODULE,
	.ctr = told_ctr,
	.dtr = told_dtr,
	.clone_and_map_rq = dm_rq_clone_and_map,
	.io_hints = dm_rq_io_hints,
	.presuspend = told_presuspend,
	.resume = told_resume,
	.iterate_devices = told_iterate_devices,
};

struct dm_rq *rq_bench_core(struct rq_bench *b)
{
	return map_target(&b->map)->private;
}

static void build(struct kunit *test, struct rq_bench *b, unsigned int depth,
		  unsigned int flags)
{
	the_script = &b->script;
	lower_create(test, &b->map.a, depth, flags);
	lower_create(test, &b->map.b, depth, flags);
	map_create(test, &b->map);
	map_start(&b->map, "kunit-rq", SCRIPT_TABLE);
	/* The resume kicked the requeue list: wait for its work. */
	dm_rq_wake_and_wait(rq_bench_core(b));
	memset(&b->script, 0, sizeof(b->script));
}

/* Complete all requests left behind by the test case. */
static void tear_down(struct rq_bench *b)
{
	b->script.prep = DM_RQ_MAPPED;
	b->script.end = DM_RQ_DONE;
	lower_release(&b->map.a, BLK_STS_OK);
	lower_release(&b->map.b, BLK_STS_OK);
	if (b->map.table)
		dm_rq_wake_and_wait(rq_bench_core(b));
	map_remove(&b->map);
	lower_remove(&b->map.a);
	lower_remove(&b->map.b);
}

void rq_bench_again(struct kunit *test, unsigned int depth, unsigned int flags)
{
	struct rq_bench *b = test->priv;

	tear_down(b);
	build(test, b, depth, flags);
}

int rq_bench_init(struct kunit *test)
{
	struct rq_bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_ASSERT_EQ(test, dm_register_target(&told_type), 0);
	test->priv = b;
	build(test, b, 128, 0);
	return 0;
}

void rq_bench_exit(struct kunit *test)
{
	struct rq_bench *b = test->priv;

	if (!b)
		return;
	tear_down(b);
	dm_unregister_target(&told_type);
	/* Each map call was followed by exactly one end_io call. */
	KUNIT_EXPECT_EQ(test, b->script.maps, b->script.ends);
}
