// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of a live map that the paths of its next table have to respect.
 *
 * dm core may keep the limits of a request-based map if a table is replaced after a noflush
 * suspend: requests of the old limits wait in the queue of the map.  If such a request is
 * only too large for a path, then dm-rq sends it in parts.  Otherwise no path of the new
 * table could execute it, and one after the other would fail.  Therefore the constructor
 * refuses such a path.  A refusal at the resume would leave the map suspended.
 */

#include <linux/blk-integrity.h>
#include <linux/blkdev.h>

#include "mpath/mpath.h"
#include "dm-rq-compat.h"

enum rule {
	SAME,
	AT_MOST,	/* the path's value must not be larger than the map's */
	AT_LEAST,	/* nor smaller */
	NO_OTHER_BITS,	/* the path's mask has no bit that the map's lacks */
	MULTIPLE,	/* 0 means no boundary; otherwise the path's is a multiple */
};

static bool fits(enum rule rule, unsigned long map, unsigned long path)
{
	switch (rule) {
	case SAME:
		return path == map;
	case AT_MOST:
		return path <= map;
	case AT_LEAST:
		return path >= map;
	case NO_OTHER_BITS:
		return !(path & ~map);
	case MULTIPLE:
		return !path || (map && !(path % map));
	}
	return false;
}

struct limit {
	const char *name;
	enum rule rule;
	unsigned long map;
	unsigned long path;
};

static bool find_conflict(const struct limit *limit, unsigned int nr, char *text, size_t size)
{
	for (; nr--; limit++) {
		if (fits(limit->rule, limit->map, limit->path))
			continue;
		scnprintf(text, size, "%s %lu, but the map has %lu", limit->name,
			  limit->path, limit->map);
		return true;
	}
	return false;
}

/* In sectors; 0 for a device without zones.  A zoned device rejects most writes of others. */
static unsigned int zone_sectors(struct request_queue *q)
{
	return blk_queue_is_zoned(q) ? q->limits.chunk_sectors : 0;
}

static bool any_request_conflicts(struct request_queue *map, struct request_queue *path,
				  char *text, size_t size)
{
	const struct limit limits[] = {
		{ "zone size", SAME, zone_sectors(map), zone_sectors(path) },
		{ "logical block size", AT_MOST, queue_logical_block_size(map),
		  queue_logical_block_size(path) },
		{ "DMA alignment mask", NO_OTHER_BITS, queue_dma_alignment(map),
		  queue_dma_alignment(path) },
		{ "virtual boundary mask", NO_OTHER_BITS, queue_virt_boundary(map),
		  queue_virt_boundary(path) },
	};

	return find_conflict(limits, ARRAY_SIZE(limits), text, size);
}

/* We must not send an atomic write in parts. */
static bool atomic_write_conflicts(struct request_queue *map, struct request_queue *path,
				   char *text, size_t size)
{
	const struct limit limits[] = {
		{ "atomic write unit maximum", AT_LEAST,
		  queue_atomic_write_unit_max_bytes(map),
		  queue_atomic_write_unit_max_bytes(path) },
		{ "atomic write unit minimum", AT_MOST,
		  queue_atomic_write_unit_min_bytes(map),
		  queue_atomic_write_unit_min_bytes(path) },
		{ "atomic write maximum", AT_LEAST, queue_atomic_write_max_bytes(map),
		  queue_atomic_write_max_bytes(path) },
		{ "atomic write boundary", MULTIPLE, queue_atomic_write_boundary_bytes(map),
		  queue_atomic_write_boundary_bytes(path) },
	};

	return queue_atomic_write_unit_max_bytes(map) &&
	       find_conflict(limits, ARRAY_SIZE(limits), text, size);
}

/* For instance "T10-DIF-TYPE1-CRC/8/512/0": bytes per interval, interval, tag size. */
static void profile_text(struct gendisk *disk, char *text, size_t size)
{
	struct blk_integrity *bi = blk_get_integrity(disk);

	if (!bi) {
		strscpy(text, "none", size);
		return;
	}
	scnprintf(text, size, "%s/%u/%u/%u", dm_rq_integrity_name(bi),
		  bio_integrity_bytes(bi, 1U << (bi->interval_exp - SECTOR_SHIFT)),
		  1U << bi->interval_exp, bi->tag_size);
}

/*
 * Without a profile of the map, requests have no integrity data, and most paths do
 * without.  One with metadata that are not protection information does not, because it
 * expects a buffer for them.
 */
static bool profile_conflicts(struct gendisk *map, struct gendisk *path, char *text,
			      size_t size)
{
	char wanted[40], profile[40];

	profile_text(map, wanted, sizeof(wanted));
	profile_text(path, profile, sizeof(profile));
	if (!strcmp(wanted, profile))
		return false;
	if (!blk_get_integrity(map) && !str_has_prefix(profile, "nop/"))
		return false;
	scnprintf(text, size, "integrity profile %s, but the map has %s", profile, wanted);
	return true;
}

/* We cannot send a request with integrity data in parts. */
static bool integrity_conflicts(struct gendisk *map, struct gendisk *path, char *text,
				size_t size)
{
	const struct limit limits[] = {
		{ "maximum of sectors", AT_LEAST, queue_max_sectors(map->queue),
		  queue_max_sectors(path->queue) },
		{ "maximum of segments", AT_LEAST, queue_max_segments(map->queue),
		  queue_max_segments(path->queue) },
		{ "maximum of integrity segments", AT_LEAST,
		  queue_max_integrity_segments(map->queue),
		  queue_max_integrity_segments(path->queue) },
	};

	return profile_conflicts(map, path, text, size) ||
	       (blk_get_integrity(map) &&
		find_conflict(limits, ARRAY_SIZE(limits), text, size));
}

/**
 * mpath_limits_conflict() - could a path not execute a request of the map?
 * @map: the disk of the map
 * @path: the disk of the path
 * @text: set to the first limit that does not fit, with both values
 * @size: size of @text
 *
 * A request that is only too large does not count, because dm-rq sends it in parts,
 * unless it has integrity data.
 *
 * Context: process.
 */
bool mpath_limits_conflict(struct gendisk *map, struct gendisk *path, char *text,
			   size_t size)
{
	return any_request_conflicts(map->queue, path->queue, text, size) ||
	       atomic_write_conflicts(map->queue, path->queue, text, size) ||
	       integrity_conflicts(map, path, text, size);
}
