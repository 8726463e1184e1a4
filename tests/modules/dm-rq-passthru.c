// SPDX-License-Identifier: GPL-2.0-only
/*
 * rq-passthru: a second target on dm-rq.  It shows that the core does not
 * depend on multipath, and lets tests choose each result of a target's methods.
 *
 * Table: <device> <first sector>. Messages, which take effect immediately:
 *	prep map|busy|park|kill
 *	first pass|hold
 *	end done|again|later
 * Info: number of calls of each method, and of map calls without an end_io:
 *	<prep> <map> <first> <end> <open>
 */

#include <linux/blk-mq.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "dm-rq.h"

#define DM_MSG_PREFIX "rq-passthru"

enum method { PREP, MAP, FIRST, END, METHODS };

struct passthru {
	struct dm_rq rq;
	struct dm_dev *dev;
	sector_t start;
	/* Results of the methods; each is one word, accessed without a lock. */
	enum dm_rq_map prep;
	enum dm_rq_error first;
	enum dm_rq_end end;
	atomic_t calls[METHODS];
	atomic_t open;
};

static struct passthru *passthru_of(struct dm_rq *drq)
{
	return container_of(drq, struct passthru, rq);
}

static enum dm_rq_map passthru_prep_map(struct dm_rq *drq, struct dm_rq_io *io,
					struct block_device **bdev)
{
	struct passthru *p = passthru_of(drq);

	atomic_inc(&p->calls[PREP]);
	*bdev = p->dev->bdev;
	return READ_ONCE(p->prep);
}

/* A driver reads the sector from the request or from its bios. */
static void passthru_map(struct dm_rq *drq, struct dm_rq_io *io,
			 struct request *clone)
{
	struct passthru *p = passthru_of(drq);
	struct bio *bio;

	atomic_inc(&p->calls[MAP]);
	atomic_inc(&p->open);
	if (!clone->bio)
		return;
	clone->__sector += p->start;
	__rq_for_each_bio(bio, clone)
		bio->bi_iter.bi_sector += p->start;
}

static enum dm_rq_error passthru_end_io_first(struct dm_rq *drq,
					      struct dm_rq_io *io,
					      blk_status_t status,
					      unsigned int bytes)
{
	struct passthru *p = passthru_of(drq);

	atomic_inc(&p->calls[FIRST]);
	return READ_ONCE(p->first);
}

static enum dm_rq_end passthru_end_io(struct dm_rq *drq, struct dm_rq_io *io,
				      struct request *clone,
				      blk_status_t status)
{
	struct passthru *p = passthru_of(drq);

	atomic_inc(&p->calls[END]);
	atomic_dec(&p->open);
	return READ_ONCE(p->end);
}

static const struct dm_rq_ops passthru_ops = {
	.prep_map = passthru_prep_map,
	.map = passthru_map,
	.end_io_first = passthru_end_io_first,
	.end_io = passthru_end_io,
};

static int passthru_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	unsigned long long start;
	struct passthru *p;
	int r;

	if (argc != 2 || kstrtoull(argv[1], 10, &start)) {
		ti->error = "expected <device> <first sector>";
		return -EINVAL;
	}

	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	r = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &p->dev);
	if (r) {
		ti->error = "device cannot be opened";
		kfree(p);
		return r;
	}

	r = dm_rq_init(&p->rq, ti, &passthru_ops);
	if (r) {
		dm_put_device(ti, p->dev);
		kfree(p);
		return r;
	}

	p->start = start;
	p->prep = DM_RQ_MAPPED;
	p->first = DM_RQ_PASS_UP;
	p->end = DM_RQ_DONE;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	return 0;
}

static void passthru_dtr(struct dm_target *ti)
{
	struct passthru *p = passthru_of(ti->private);

	dm_rq_exit(&p->rq);
	dm_put_device(ti, p->dev);
	kfree(p);
}

/* Return the index of @word in @words, or -1. */
static int place_of(const char *word, const char * const *words)
{
	int i;

	for (i = 0; words[i]; i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

static const char * const prep_words[] = { "map", "busy", "park", "kill", NULL };
static const char * const first_words[] = { "pass", "hold", NULL };
static const char * const end_words[] = { "done", "again", "later", NULL };

static int passthru_message(struct dm_target *ti, unsigned int argc,
			    char **argv, char *result, unsigned int maxlen)
{
	struct passthru *p = passthru_of(ti->private);
	int answer;

	if (argc != 2)
		return -EINVAL;

	if (!strcmp(argv[0], "prep")) {
		answer = place_of(argv[1], prep_words);
		if (answer < 0)
			return -EINVAL;
		WRITE_ONCE(p->prep, answer);
		dm_rq_wake(&p->rq);
	} else if (!strcmp(argv[0], "first")) {
		answer = place_of(argv[1], first_words);
		if (answer < 0)
			return -EINVAL;
		WRITE_ONCE(p->first, answer);
	} else if (!strcmp(argv[0], "end")) {
		answer = place_of(argv[1], end_words);
		if (answer < 0)
			return -EINVAL;
		WRITE_ONCE(p->end, answer);
	} else {
		return -EINVAL;
	}
	return 0;
}

static void passthru_status(struct dm_target *ti, status_type_t type,
			    unsigned int flags, char *result,
			    unsigned int maxlen)
{
	struct passthru *p = passthru_of(ti->private);
	int i, sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		for (i = 0; i < METHODS; i++)
			DMEMIT("%d ", atomic_read(&p->calls[i]));
		DMEMIT("%d", atomic_read(&p->open));
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %llu", p->dev->name, (unsigned long long)p->start);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",device_name=%s;", p->dev->name);
		break;
	}
}

static int passthru_iterate_devices(struct dm_target *ti,
				    iterate_devices_callout_fn fn, void *data)
{
	struct passthru *p = passthru_of(ti->private);

	return fn(ti, p->dev, p->start, ti->len, data);
}

static struct target_type passthru_target = {
	.name = "rq-passthru",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_IMMUTABLE,
	.module = THIS_MODULE,
	.ctr = passthru_ctr,
	.dtr = passthru_dtr,
	.clone_and_map_rq = dm_rq_clone_and_map,
	.io_hints = dm_rq_io_hints,
	.status = passthru_status,
	.message = passthru_message,
	.iterate_devices = passthru_iterate_devices,
};

static int __init passthru_init(void)
{
	return dm_register_target(&passthru_target);
}

static void __exit passthru_exit(void)
{
	dm_unregister_target(&passthru_target);
}

module_init(passthru_init);
module_exit(passthru_exit);

MODULE_DESCRIPTION("Device-mapper: pass-through target on dm-rq, for tests");
MODULE_LICENSE("GPL");
