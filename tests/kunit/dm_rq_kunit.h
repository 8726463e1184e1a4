/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm_rq_*_kunit, dm_mpath_*_kunit: request-based disks whose completions the test
 * decides, maps on them, and the I/O of who uses a map. dm_rq_bench_kunit.c has the code.
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
 * struct lower - a disk that is below a map
 * @tags: of @disk
 * @disk: the disk
 * @name: as tables have it
 * @content: what is on it. Data move when a request is completed, not before
 * @lock: the following
 * @held: requests that came and are not completed, in order
 * @arrived: requests that came and were not refused
 * @opf: of the last one
 * @sector: of the last one
 * @bytes: of the last one
 * @bios: of the last one
 * @refusals: so many more are refused
 * @refused: so many were
 * @refusal: how
 * @busy: it says so to who asks before
 * @at_once: what comes is completed, with @answer
 * @answer: see @at_once
 */
struct lower {
	struct blk_mq_tag_set tags;
	struct gendisk *disk;
	char name[16];
	u8 *content;
	spinlock_t lock;	/* what follows */
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

/* @depth: requests at a time; @flags: BLK_MQ_F_* */
void lower_create(struct kunit *test, struct lower *l, unsigned int depth,
		  unsigned int flags);
void lower_remove(struct lower *l);
unsigned int lower_held(struct lower *l);
/* The oldest that is held ends, with its first @well bytes well.  False: there is none. */
bool lower_end_after(struct lower *l, unsigned int well, blk_status_t status);
void lower_refuse(struct lower *l, unsigned int times, blk_status_t refusal);
/* What is held ends, and what comes does so at once. */
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
 * @test: the case
 * @a: a disk
 * @b: another one
 * @md: the map
 * @table: its live table
 * @file: it is open
 * @bdev: of @file
 * @suspend_work: a suspend beside the case
 * @suspend_flags: how
 * @suspend_error: what it came to
 * @suspended: it is over
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

/* In @text of a table, %a and %b are the names of the disks. */
char *map_text(struct map *map, const char *text);
void map_create(struct kunit *test, struct map *map);
void map_start(struct map *map, const char *target, const char *text);
void map_remove(struct map *map);
/* In place of the live table; the map is suspended, and stays so. */
void map_swap(struct map *map, const char *target, const char *text);
/* The same, or an errno for a table that is refused. */
int map_try_swap(struct map *map, const char *target, const char *text);
void map_suspend(struct map *map, unsigned int flags);
void map_suspend_beside(struct map *map, unsigned int flags);
void map_resume(struct map *map);
struct dm_target *map_target(struct map *map);

/* ---- who uses a map ---- */

/**
 * struct io - a bio of a map's user
 * @mem: its memory, that of @bytes
 * @bytes: as it was submitted
 * @ends: how often it has ended
 * @status: how
 */
struct io {
	u8 *mem;
	unsigned int bytes;
	unsigned int ends;
	blk_status_t status;
};

struct io *io_submit(struct map *map, blk_opf_t opf, sector_t sector,
		     unsigned int sectors, u8 fill);
/* So many, one behind the other, which come as one request. */
void io_submit_merged(struct map *map, blk_opf_t opf, sector_t sector,
		      unsigned int sectors, unsigned int nr, struct io **ios);
/* It ends once, with that status. */
void expect_end(struct kunit *test, struct io *io, blk_status_t status);

#define EXPECT_STATUS(test, got, wanted) \
	KUNIT_EXPECT_EQ(test, (__force int)(got), (__force int)(wanted))

static inline bool all_are(const void *mem, u8 fill, size_t bytes)
{
	return !memchr_inv(mem, fill, bytes);
}

/* ---- a target that does as it is told: "kunit-rq %a %b" ---- */

/**
 * struct script - what the target says, and what it was asked
 * @prep: to prep_map
 * @to_b: it names the second disk, not the first
 * @wakes_in_prep: so often it wakes what is parked while it is asked
 * @room_elsewhere: to no_room: yes, on the other disk
 * @first: to end_io_first
 * @end: to end_io
 * @other_then: after an end_io the other disk is named
 * @preps: prep_map was asked
 * @maps: map
 * @rooms: no_room
 * @firsts: end_io_first
 * @ends: end_io
 * @first_status: what it was told last
 * @first_bytes: what it was told last
 * @end_status: what it was told last
 * @tries: of the request that it was asked about last
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
};

#define SCRIPT_TABLE	"%a %b"

/**
 * struct rq_bench - what each case of dm_rq_* has
 * @map: with the target, running
 * @script: of the target
 */
struct rq_bench {
	struct map map;
	struct script script;
};

int rq_bench_init(struct kunit *test);
void rq_bench_exit(struct kunit *test);
struct dm_rq *rq_bench_core(struct rq_bench *b);
/* As rq_bench_init(), with other disks: the case begins anew. */
void rq_bench_again(struct kunit *test, unsigned int depth, unsigned int flags);

#endif /* DM_RQ_KUNIT_H */
