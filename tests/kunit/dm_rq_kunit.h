/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fixture of the suites dm_rq_* and dm_mpath_*: request-based disks whose
 * requests the test completes, maps on these disks, and bios of a user of the
 * map.  The code is in dm_rq_bench_kunit.c.
 */
#ifndef DM_RQ_KUNIT_H
#define DM_RQ_KUNIT_H

#include <kunit/test.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/workqueue.h>

#include "../../../dm.h"
#include "dm-rq.h"
#include "dm_wait_kunit.h"

#define LOWER_SECTORS	2048

/* ---- disks ---- */

/**
 * struct lower - a disk below a map
 * @tags: tag set of @disk
 * @disk: the disk
 * @name: device number, for tables
 * @content: data of the disk. We copy data when a request is completed, not
 *	before
 * @lock: protects the following members
 * @held: requests not yet completed, in the order of their arrival
 * @arrived: number of requests, without refused ones
 * @opf: operation and flags of the last request
 * @sector: sector of the last request
 * @bytes: size of the last request
 * @bios: number of bios of the last request
 * @refusals: number of requests to refuse from now on
 * @refused: number of refused requests
 * @refusal: status for refused requests
 * @busy: result of the busy method; not under @lock
 * @at_once: complete each request as soon as it arrives, with @answer
 * @answer: status for completions, see @at_once
 */
struct lower {
	struct blk_mq_tag_set tags;
	struct gendisk *disk;
	char name[16];
	u8 *content;
	spinlock_t lock;	/* protects the following members */
	struct list_head held;
	unsigned int arrived;
	blk_opf_t opf;
	sector_t sector;
	unsigned int bytes;
	unsigned int bios;
	unsigned int refusals;
	unsigned int refused;
	blk_status_t refusal;
	bool busy;
	bool at_once;
	blk_status_t answer;
};

/* @depth is the size of the tag set, @flags are BLK_MQ_F_*. */
void lower_create(struct kunit *test, struct lower *l, unsigned int depth,
		  unsigned int flags);
void lower_remove(struct lower *l);
unsigned int lower_held(struct lower *l);
/*
 * Complete the oldest held request: its first @well bytes without error, the
 * rest with @status.  Return false if no request is held.
 */
bool lower_end_after(struct lower *l, unsigned int well, blk_status_t status);
void lower_refuse(struct lower *l, unsigned int times, blk_status_t refusal);
/* Complete all held requests, and each new request on arrival. */
void lower_release(struct lower *l, blk_status_t status);

static inline bool lower_end(struct lower *l, blk_status_t status)
{
	return lower_end_after(l, 0, status);
}

static inline u8 *lower_at(struct lower *l, sector_t sector)
{
	return l->content + (sector << SECTOR_SHIFT);
}

/* ---- maps ---- */

/**
 * struct map - a map on two disks
 * @test: the test case
 * @a: first disk
 * @b: second disk
 * @md: the map
 * @table: its live table
 * @file: the open map
 * @bdev: block device of @file
 * @suspend_work: suspends the map while the test case runs
 * @suspend_flags: flags of the suspend
 * @suspend_error: result of the suspend
 * @suspended: completed when the suspend has returned
 */
struct map {
	struct kunit *test;
	struct lower a;
	struct lower b;
	struct mapped_device *md;
	struct dm_table *table;
	struct file *file;
	struct block_device *bdev;
	struct work_struct suspend_work;
	unsigned int suspend_flags;
	int suspend_error;
	struct completion suspended;
};

#define NOFLUSH		DM_SUSPEND_NOFLUSH_FLAG

/* Replace %a and %b in the @text of a table by the names of the disks. */
char *map_text(struct map *map, const char *text);
void map_create(struct kunit *test, struct map *map);
void map_start(struct map *map, const char *target, const char *text);
void map_remove(struct map *map);
/* Replace the live table.  The map must be suspended, and stays suspended. */
void map_swap(struct map *map, const char *target, const char *text);
/* As map_swap(), but return a negative error if the table is rejected. */
int map_try_swap(struct map *map, const char *target, const char *text);
void map_suspend(struct map *map, unsigned int flags);
void map_suspend_beside(struct map *map, unsigned int flags);
void map_resume(struct map *map);
struct dm_target *map_target(struct map *map);

/* ---- users of a map ---- */

/**
 * struct io - a bio submitted to a map
 * @mem: its data
 * @bytes: size of @mem
 * @ends: number of completions
 * @status: status of the last completion
 */
struct io {
	u8 *mem;
	unsigned int bytes;
	unsigned int ends;
	blk_status_t status;
};

struct io *io_submit(struct map *map, blk_opf_t opf, sector_t sector,
		     unsigned int sectors, u8 fill);
/* Submit @nr consecutive bios that the block layer merges into one request. */
void io_submit_merged(struct map *map, blk_opf_t opf, sector_t sector,
		      unsigned int sectors, unsigned int nr, struct io **ios);
/* Expect that @io completes once, with @status. */
void expect_end(struct kunit *test, struct io *io, blk_status_t status);

#define EXPECT_STATUS(test, got, wanted) \
	KUNIT_EXPECT_EQ(test, (__force int)(got), (__force int)(wanted))

static inline bool all_are(const void *mem, u8 fill, size_t bytes)
{
	return !memchr_inv(mem, fill, bytes);
}

/* ---- a target whose answers the test sets: "kunit-rq %a %b" ---- */

/**
 * struct script - answers of the target, and a record of the calls
 * @prep: result of prep_map
 * @to_b: prep_map chooses the second disk, not the first
 * @wakes_in_prep: number of prep_map calls that wake parked requests and then
 *	park
 * @room_elsewhere: result of device_full; if true, prep_map changes to the
 *	other disk
 * @first: result of end_io_first
 * @end: result of end_io
 * @other_then: prep_map chooses the second disk after a call of end_io_first
 * @preps: number of prep_map calls
 * @maps: number of map calls
 * @rooms: number of device_full calls
 * @firsts: number of end_io_first calls
 * @ends: number of end_io calls
 * @first_status: status in the last call of end_io_first
 * @first_bytes: size in the last call of end_io_first
 * @end_status: status in the last call of end_io
 * @tries: tries of the request in the last call of prep_map
 * @again: again, likewise
 */
struct script {
	enum dm_rq_map prep;
	bool to_b;
	unsigned int wakes_in_prep;
	bool room_elsewhere;
	enum dm_rq_error first;
	enum dm_rq_end end;
	bool other_then;
	unsigned int preps;
	unsigned int maps;
	unsigned int rooms;
	unsigned int firsts;
	unsigned int ends;
	blk_status_t first_status;
	unsigned int first_bytes;
	blk_status_t end_status;
	u8 tries;
	bool again;
};

#define SCRIPT_TABLE	"%a %b"

/**
 * struct rq_bench - fixture of each case of dm_rq_*
 * @map: a running map with the target
 * @script: script of the target
 */
struct rq_bench {
	struct map map;
	struct script script;
};

int rq_bench_init(struct kunit *test);
void rq_bench_exit(struct kunit *test);
struct dm_rq *rq_bench_core(struct rq_bench *b);
/* Start the case again with new disks; see lower_create() for the arguments. */
void rq_bench_again(struct kunit *test, unsigned int depth, unsigned int flags);

#endif /* DM_RQ_KUNIT_H */
