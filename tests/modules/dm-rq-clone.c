// SPDX-License-Identifier: GPL-2.0-only
/*
 * rq-clone: a target on dm-rq that compares each clone with one made by
 * blk_rq_prep_clone().  If the block layer gets a field that a clone has to
 * inherit from its request, then we find it, without knowing its name: before
 * dm-rq makes the clone, we fill the memory of the request with a pattern,
 * except for the members that belong to the request itself.
 *
 * Table: <device>.
 * Info: number of clones, clones of a part, members that differed, and the
 * offset of the last one in struct request:
 *	<clones> <parts> <differences> <offset>
 */

#include <linux/blk-mq.h>
#include <linux/device-mapper.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "dm-rq.h"

#define DM_MSG_PREFIX "rq-clone"
#define PATTERN	0x5a

struct clone_target {
	struct dm_rq rq;
	struct dm_dev *dev;
	atomic_t clones;
	atomic_t parts;
	atomic_t differences;
	atomic_t offset;
};

/**
 * struct clone_io - our data of a request
 * @before: the request before we wrote the pattern
 * @marked: is the pattern in the request?
 */
struct clone_io {
	struct request before;
	bool marked;
};

struct byte_range {
	const void *start;
	size_t size;
};

/* Only the addresses of its members matter. */
static const struct request any;

#define MEMBER(member)	{ &(member), sizeof(member) }

/*
 * Members in which a clone differs from its request, or which describe where a
 * request is: allocation, tag, state, lists, time, accounting, completion.
 */
static const struct byte_range own[] = {
	MEMBER(any.q),
	MEMBER(any.mq_ctx),
	MEMBER(any.mq_hctx),
	MEMBER(any.cmd_flags),
	MEMBER(any.rq_flags),
	MEMBER(any.tag),
	MEMBER(any.internal_tag),
	MEMBER(any.timeout),
	MEMBER(any.bio),
	MEMBER(any.biotail),
	MEMBER(any.queuelist),
	MEMBER(any.part),
#ifdef CONFIG_BLK_RQ_ALLOC_TIME
	MEMBER(any.alloc_time_ns),
#endif
	MEMBER(any.start_time_ns),
	MEMBER(any.io_start_time_ns),
#ifdef CONFIG_BLK_WBT
	MEMBER(any.wbt_flags),
#endif
	MEMBER(any.stats_sectors),
	/* blk_insert_cloned_request() counts them again. */
	MEMBER(any.nr_phys_segments),
	/* dm-rq uses blk_rq_prep_clone() if a bio has such data. */
#ifdef CONFIG_BLK_DEV_INTEGRITY
	MEMBER(any.nr_integrity_segments),
#endif
#ifdef CONFIG_BLK_INLINE_ENCRYPTION
	MEMBER(any.crypt_ctx),
	MEMBER(any.crypt_keyslot),
#endif
	MEMBER(any.state),
	MEMBER(any.ref),
	MEMBER(any.deadline),
	MEMBER(any.hash),
	MEMBER(any.rb_node),
	/* Only RQF_SPECIAL_PAYLOAD gives it a meaning; a driver sets both. */
	MEMBER(any.special_vec),
	MEMBER(any.elv),
	MEMBER(any.flush),
	MEMBER(any.fifo_time),
	MEMBER(any.end_io),
	MEMBER(any.end_io_data),
};

static const struct byte_range position[] = {
	MEMBER(any.__data_len),
	MEMBER(any.__sector),
};

static bool is_in(size_t at, const struct byte_range *ranges, size_t nr)
{
	const void *byte = (const u8 *)&any + at;
	size_t i;

	for (i = 0; i < nr; i++)
		if (byte >= ranges[i].start && byte < ranges[i].start + ranges[i].size)
			return true;
	return false;
}

static bool is_own(size_t at)
{
	return is_in(at, own, ARRAY_SIZE(own));
}

static bool is_position(size_t at)
{
	return is_in(at, position, ARRAY_SIZE(position));
}

static struct clone_target *target_of(struct dm_rq *drq)
{
	return container_of(drq, struct clone_target, rq);
}

static void mark(struct request *rq, struct clone_io *cio)
{
	u8 *bytes = (u8 *)rq;
	size_t i;

	memcpy(&cio->before, rq, sizeof(*rq));
	cio->marked = true;
	for (i = 0; i < sizeof(*rq); i++)
		if (!is_own(i) && !is_position(i))
			bytes[i] = PATTERN;
}

static void unmark(struct request *rq, struct clone_io *cio)
{
	const u8 *before = (const u8 *)&cio->before;
	u8 *bytes = (u8 *)rq;
	size_t i;

	if (!cio->marked)
		return;
	cio->marked = false;
	for (i = 0; i < sizeof(*rq); i++)
		if (!is_own(i) && !is_position(i))
			bytes[i] = before[i];
}

/* @theirs has what blk_rq_prep_clone() makes of the whole request. */
static void expect_part(struct request *theirs, const struct request *ours)
{
	theirs->__data_len = ours->__data_len;
#ifdef RQT_HAVE_GAP_BIT
	theirs->phys_gap_bit = min_not_zero(theirs->phys_gap_bit,
					    ours->bio->bi_bvec_gap_bit);
#endif
}

static void compare(struct clone_target *t, const struct request *ours,
		    struct request *rq)
{
	struct request *theirs = kmemdup(ours, sizeof(*ours), GFP_ATOMIC);
	bool part = blk_rq_bytes(ours) < blk_rq_bytes(rq);
	size_t i;

	if (!theirs)
		return;
	theirs->bio = NULL;
	theirs->biotail = NULL;
	if (blk_rq_prep_clone(theirs, rq, NULL, GFP_ATOMIC, NULL, NULL))
		goto out;
	if (part)
		expect_part(theirs, ours);
	for (i = 0; i < sizeof(*ours); i++) {
		if (is_own(i) || ((const u8 *)theirs)[i] == ((const u8 *)ours)[i])
			continue;
		atomic_inc(&t->differences);
		atomic_set(&t->offset, i);
	}
	atomic_inc(part ? &t->parts : &t->clones);
	blk_rq_unprep_clone(theirs);
out:
	kfree(theirs);
}

static enum dm_rq_map clone_prep_map(struct dm_rq *drq, struct dm_rq_io *io,
				     struct block_device **bdev)
{
	struct request *rq = dm_rq_request(io);
	struct clone_io *cio = dm_rq_io_data(io);

	*bdev = target_of(drq)->dev->bdev;
	cio->marked = false;
	/* A request without data has nothing to inherit. */
	if (rq->bio)
		mark(rq, cio);
	return DM_RQ_MAPPED;
}

static void clone_map(struct dm_rq *drq, struct dm_rq_io *io, struct request *clone)
{
	struct request *rq = dm_rq_request(io);
	struct clone_io *cio = dm_rq_io_data(io);

	if (cio->marked)
		compare(target_of(drq), clone, rq);
	unmark(rq, cio);
}

/* There is no clone, and the block layer may keep the request. */
static bool clone_device_full(struct dm_rq *drq, struct dm_rq_io *io)
{
	unmark(dm_rq_request(io), dm_rq_io_data(io));
	return false;
}

static enum dm_rq_error clone_end_io_first(struct dm_rq *drq, struct dm_rq_io *io,
					   blk_status_t status, unsigned int bytes)
{
	return DM_RQ_PASS_UP;
}

static enum dm_rq_end clone_end_io(struct dm_rq *drq, struct dm_rq_io *io,
				   struct request *clone, blk_status_t status)
{
	return DM_RQ_DONE;
}

static const struct dm_rq_ops clone_ops = {
	.io_data_size = sizeof(struct clone_io),
	.prep_map = clone_prep_map,
	.map = clone_map,
	.device_full = clone_device_full,
	.end_io_first = clone_end_io_first,
	.end_io = clone_end_io,
};

static int clone_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct clone_target *t;
	int r;

	if (argc != 1) {
		ti->error = "expected <device>";
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	r = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &t->dev);
	if (r) {
		ti->error = "device cannot be opened";
		goto out;
	}
	r = dm_rq_init(&t->rq, ti, &clone_ops);
	if (r) {
		dm_put_device(ti, t->dev);
		goto out;
	}
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	return 0;

out:
	kfree(t);
	return r;
}

static void clone_dtr(struct dm_target *ti)
{
	struct clone_target *t = target_of(ti->private);

	dm_put_device(ti, t->dev);
	kfree(t);
}

static void clone_status(struct dm_target *ti, status_type_t type,
			 unsigned int flags, char *result, unsigned int maxlen)
{
	struct clone_target *t = target_of(ti->private);
	int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		DMEMIT("%d %d %d %d", atomic_read(&t->clones), atomic_read(&t->parts),
		       atomic_read(&t->differences), atomic_read(&t->offset));
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s", t->dev->name);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",device_name=%s;", t->dev->name);
		break;
	}
}

static int clone_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn,
				 void *data)
{
	struct clone_target *t = target_of(ti->private);

	return fn(ti, t->dev, 0, ti->len, data);
}

static struct target_type clone_target_type = {
	.name = "rq-clone",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_IMMUTABLE,
	.module = THIS_MODULE,
	.ctr = clone_ctr,
	.dtr = clone_dtr,
	.clone_and_map_rq = dm_rq_clone_and_map,
	.io_hints = dm_rq_io_hints,
	.status = clone_status,
	.iterate_devices = clone_iterate_devices,
};

static int __init clone_init(void)
{
	return dm_register_target(&clone_target_type);
}

static void __exit clone_exit(void)
{
	dm_unregister_target(&clone_target_type);
}

module_init(clone_init);
module_exit(clone_exit);

MODULE_DESCRIPTION("Device-mapper: compares the clones of dm-rq with those of the block layer");
MODULE_LICENSE("GPL");
