// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of mpath/limits.c: which limits of a path conflict with those of
 * a live map.
 *
 * suite: dm_mpath_limits		limits of new paths against those of the live map
 */

#include <linux/blk-integrity.h>

#include "dm_mpath_kunit.h"

/* The map, and the path. */
struct disks {
	struct lower map;
	struct lower path;
};

static int bench_init(struct kunit *test)
{
	struct disks *disks = kunit_kzalloc(test, sizeof(*disks), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, disks);
	test->priv = disks;
	lower_create(test, &disks->map, 4, 0);
	lower_create(test, &disks->path, 4, 0);
	return 0;
}

static void bench_exit(struct kunit *test)
{
	struct disks *disks = test->priv;

	lower_remove(&disks->map);
	lower_remove(&disks->path);
}

/* @wanted: NULL if the limits of the path fit */
static void expect_conflict(struct kunit *test, const char *wanted)
{
	struct disks *disks = test->priv;
	char text[128] = "";
	bool found = mpath_limits_conflict(disks->map.disk, disks->path.disk, text,
					   sizeof(text));

	KUNIT_EXPECT_EQ(test, found, !!wanted);
	KUNIT_EXPECT_STREQ(test, text, wanted ?: "");
}

enum member {
	LOGICAL_BLOCK,
	DMA_ALIGNMENT,
	VIRT_BOUNDARY,
	UNIT_MAX,
	UNIT_MIN,
	ATOMIC_MAX,
	ATOMIC_BOUNDARY,
	MAX_SECTORS,
	MAX_SEGMENTS,
	INTEGRITY_SEGMENTS,
	DISCARD,
	ZEROES,
};

static void set_member(struct queue_limits *limits, enum member member, unsigned int value)
{
	switch (member) {
	case LOGICAL_BLOCK:
		limits->logical_block_size = value;
		break;
	case DMA_ALIGNMENT:
		limits->dma_alignment = value;
		break;
	case VIRT_BOUNDARY:
		limits->virt_boundary_mask = value;
		break;
	case UNIT_MAX:
		limits->atomic_write_unit_max = value;
		break;
	case UNIT_MIN:
		limits->atomic_write_unit_min = value;
		break;
	case ATOMIC_MAX:
		limits->atomic_write_max_sectors = value >> SECTOR_SHIFT;
		break;
	case ATOMIC_BOUNDARY:
		limits->atomic_write_boundary_sectors = value >> SECTOR_SHIFT;
		break;
	case MAX_SECTORS:
		limits->max_sectors = value;
		break;
	case MAX_SEGMENTS:
		limits->max_segments = value;
		break;
	case INTEGRITY_SEGMENTS:
		limits->max_integrity_segments = value;
		break;
	case DISCARD:
		limits->max_discard_sectors = value;
		break;
	case ZEROES:
		limits->max_write_zeroes_sectors = value;
		break;
	}
}

struct limit_param {
	const char *name;
	enum member member;
	unsigned int map;
	unsigned int path;
	const char *conflict;
};

static const struct limit_param limit_params[] = {
	{ "block_larger", LOGICAL_BLOCK, 512, 4096,
	  "logical block size 4096, but the map has 512" },
	{ "block_smaller", LOGICAL_BLOCK, 4096, 512 },
	{ "dma_stricter", DMA_ALIGNMENT, 3, 511, "DMA alignment mask 511, but the map has 3" },
	{ "dma_weaker", DMA_ALIGNMENT, 511, 3 },
	{ "virt_boundary_new", VIRT_BOUNDARY, 0, 4095,
	  "virtual boundary mask 4095, but the map has 0" },
	{ "virt_boundary_wider", VIRT_BOUNDARY, 4095, 8191,
	  "virtual boundary mask 8191, but the map has 4095" },
	{ "virt_boundary_same", VIRT_BOUNDARY, 4095, 4095 },
	{ "virt_boundary_none", VIRT_BOUNDARY, 4095, 0 },
	{ "max_sectors", MAX_SECTORS, 1024, 8 },
	{ "max_segments", MAX_SEGMENTS, 128, 1 },
	{ "discard", DISCARD, 1024, 0 },
	{ "write_zeroes", ZEROES, 1024, 0 },
};

KUNIT_ARRAY_PARAM_DESC(limit, limit_params, name);

/* Set the limit of the parameter for map and path, and expect its conflict. */
static void expect_param(struct kunit *test)
{
	const struct limit_param *p = test->param_value;
	struct disks *disks = test->priv;

	set_member(&disks->map.disk->queue->limits, p->member, p->map);
	set_member(&disks->path.disk->queue->limits, p->member, p->path);
	expect_conflict(test, p->conflict);
}

/* Limits that concern every request */
static void limit_test(struct kunit *test)
{
	expect_conflict(test, NULL);
	expect_param(test);
}

static const struct limit_param atomic_params[] = {
	{ "same", UNIT_MAX, 65536, 65536 },
	{ "none_on_path", UNIT_MAX, 65536, 0,
	  "atomic write unit maximum 0, but the map has 65536" },
	{ "none_on_map", UNIT_MAX, 0, 65536 },
	{ "unit_max_smaller", UNIT_MAX, 65536, 4096,
	  "atomic write unit maximum 4096, but the map has 65536" },
	{ "unit_max_larger", UNIT_MAX, 4096, 65536 },
	{ "unit_min_larger", UNIT_MIN, 512, 4096,
	  "atomic write unit minimum 4096, but the map has 512" },
	{ "unit_min_smaller", UNIT_MIN, 4096, 512 },
	{ "max_smaller", ATOMIC_MAX, 131072, 65536,
	  "atomic write maximum 65536, but the map has 131072" },
	{ "max_larger", ATOMIC_MAX, 65536, 131072 },
	{ "boundary_new", ATOMIC_BOUNDARY, 0, 65536,
	  "atomic write boundary 65536, but the map has 0" },
	{ "boundary_none", ATOMIC_BOUNDARY, 65536, 0 },
	{ "boundary_multiple", ATOMIC_BOUNDARY, 65536, 131072 },
	{ "boundary_part", ATOMIC_BOUNDARY, 65536, 32768,
	  "atomic write boundary 32768, but the map has 65536" },
};

KUNIT_ARRAY_PARAM_DESC(atomic, atomic_params, name);

/* Limits that count if the map announces atomic writes */
static void atomic_test(struct kunit *test)
{
	struct disks *disks = test->priv;

	set_member(&disks->map.disk->queue->limits, UNIT_MAX, 4096);
	set_member(&disks->path.disk->queue->limits, UNIT_MAX, 4096);
	expect_param(test);
}

#ifdef CONFIG_BLK_DEV_INTEGRITY

/* The member for the size has different names. We set all bytes to the size. */
static void set_profile(struct lower *l, u8 bytes, u8 tag_size)
{
	struct blk_integrity *bi = &l->disk->queue->limits.integrity;

	memset(bi, bytes, sizeof(*bi));
	bi->csum_type = BLK_INTEGRITY_CSUM_CRC;
	bi->flags = BLK_INTEGRITY_REF_TAG;
	bi->interval_exp = SECTOR_SHIFT;
	bi->tag_size = tag_size;
}

static void clear_profile(struct lower *l)
{
	memset(&l->disk->queue->limits.integrity, 0, sizeof(struct blk_integrity));
}

#define MAP_PROFILE	"T10-DIF-TYPE1-CRC/8/512/2"

/* A map with a profile takes only paths with the same one. */
static void integrity_test(struct kunit *test)
{
	struct disks *disks = test->priv;

	set_profile(&disks->path, 8, 2);
	expect_conflict(test, NULL);
	set_profile(&disks->map, 8, 2);
	expect_conflict(test, NULL);
	set_profile(&disks->path, 8, 0);
	expect_conflict(test, "integrity profile T10-DIF-TYPE1-CRC/8/512/0, but the map has "
			MAP_PROFILE);
	set_profile(&disks->path, 16, 2);
	expect_conflict(test, "integrity profile T10-DIF-TYPE1-CRC/16/512/2, but the map has "
			MAP_PROFILE);
	clear_profile(&disks->path);
	expect_conflict(test, "integrity profile none, but the map has " MAP_PROFILE);
	clear_profile(&disks->map);
}

/* A path that wants metadata which are not protection information */
static void metadata_test(struct kunit *test)
{
	struct disks *disks = test->priv;

	set_profile(&disks->path, 8, 0);
	disks->path.disk->queue->limits.integrity.csum_type = BLK_INTEGRITY_CSUM_NONE;
	disks->path.disk->queue->limits.integrity.flags = 0;
	expect_conflict(test, "integrity profile nop/8/512/0, but the map has none");
	clear_profile(&disks->path);
}

static const struct limit_param integrity_size_params[] = {
	{ "max_sectors", MAX_SECTORS, 1024, 8,
	  "maximum of sectors 8, but the map has 1024" },
	{ "max_sectors_larger", MAX_SECTORS, 8, 1024 },
	{ "max_segments", MAX_SEGMENTS, 128, 64,
	  "maximum of segments 64, but the map has 128" },
	{ "integrity_segments", INTEGRITY_SEGMENTS, 128, 1,
	  "maximum of integrity segments 1, but the map has 128" },
	{ "discard", DISCARD, 1024, 0 },
};

KUNIT_ARRAY_PARAM_DESC(integrity_size, integrity_size_params, name);

/* Limits that count because a request with integrity data is not split */
static void integrity_size_test(struct kunit *test)
{
	struct disks *disks = test->priv;

	set_profile(&disks->map, 8, 2);
	set_profile(&disks->path, 8, 2);
	expect_param(test);
	clear_profile(&disks->path);
	clear_profile(&disks->map);
}

#else

static void integrity_test(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_BLK_DEV_INTEGRITY");
}

#endif

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(limit_test, limit_gen_params),
	KUNIT_CASE_PARAM(atomic_test, atomic_gen_params),
	KUNIT_CASE(integrity_test),
#ifdef CONFIG_BLK_DEV_INTEGRITY
	KUNIT_CASE(metadata_test),
	KUNIT_CASE_PARAM(integrity_size_test, integrity_size_gen_params),
#endif
	{}
};

static struct kunit_suite suite = {
	.name = "dm_mpath_limits",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
