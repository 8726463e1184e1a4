// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-io-timeout: bios and memory.
 *
 * A region goes in pieces, a bio each.  A piece of a call that may be cancelled has
 * pages of its own: from the system while there are any, else a whole set from the
 * client's reserve, so that a piece never holds a part of what it needs.
 *
 * Nothing here waits for memory: the region does, and a worker goes on.  With a
 * timeout, the caller does not wait for a device's queue either: his bios are
 * REQ_NOWAIT, and a worker sends again what comes back for that reason alone.
 */

#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "iot/iot.h"

/* Pieces without data: so large, and no larger, that bi_size holds them. */
#define NO_DATA_SECTORS	((sector_t)SZ_1G >> SECTOR_SHIFT)

static struct iot_bio *iot_bio_of(struct bio *bio)
{
	return container_of(bio, struct iot_bio, bio);
}

/* ---- the caller's memory ---- */

/**
 * iot_set_cursor() - where a region's data begin
 * @r: the region
 * @memory: of the call
 * @bytes: how far behind the beginning of that
 *
 * Context: any.
 */
void iot_set_cursor(struct iot_region *r, const struct dm_iot_memory *memory,
		    u64 bytes)
{
	struct iot_cursor *c = &r->cursor;

	c->type = memory->type;
	switch (memory->type) {
	case DM_IOT_PAGE_LIST:
		c->pl = memory->pl;
		break;
	case DM_IOT_BVEC:
		c->bvec = memory->bvec;
		break;
	case DM_IOT_VM:
		c->addr = memory->vma;
		break;
	case DM_IOT_KMEM:
		c->addr = memory->addr;
		break;
	}
	c->offset = memory->offset + bytes;
}

/* So many of @want bytes, at @c, are in one page; finds it and the place in it. */
static unsigned int piece_of_page(struct iot_cursor *c, unsigned int want,
				  struct page **page, unsigned int *offset)
{
	size_t at = 0;

	switch (c->type) {
	case DM_IOT_PAGE_LIST:
		while (c->offset >= PAGE_SIZE) {
			c->pl = c->pl->next;
			c->offset -= PAGE_SIZE;
		}
		*page = c->pl->page;
		at = c->offset;
		break;
	case DM_IOT_BVEC:
		while (c->offset >= c->bvec->bv_len) {
			c->offset -= c->bvec->bv_len;
			c->bvec++;
		}
		want = min_t(u64, want, c->bvec->bv_len - c->offset);
		at = c->bvec->bv_offset + c->offset;
		*page = c->bvec->bv_page + (at >> PAGE_SHIFT);
		break;
	case DM_IOT_VM:
		*page = vmalloc_to_page(c->addr + c->offset);
		at = (size_t)c->addr + c->offset;
		break;
	case DM_IOT_KMEM:
		*page = virt_to_page(c->addr + c->offset);
		at = (size_t)c->addr + c->offset;
		break;
	}
	*offset = offset_in_page(at);
	return min_t(unsigned int, want, PAGE_SIZE - *offset);
}

/* Mostly it is a page, and for that there are better instructions. */
static void copy_part(void *to, const void *from, unsigned int len)
{
	if (likely(len == PAGE_SIZE))
		copy_page(to, (void *)from);
	else
		memcpy(to, from, len);
}

/*
 * Copy @len bytes between the caller's memory at @c, which moves on, and the page at
 * @own.  vmalloc's memory by its address: another mapping of it may not see the same.
 */
static void copy(struct iot_cursor *c, void *own, unsigned int len, bool to_caller)
{
	unsigned int offset, n;
	struct page *page;
	void *theirs;

	for (; len; len -= n, own += n, c->offset += n) {
		n = piece_of_page(c, len, &page, &offset);
		if (c->type == DM_IOT_VM)
			theirs = c->addr + c->offset;
		else
			theirs = kmap_local_page(page) + offset;
		copy_part(to_caller ? theirs : own, to_caller ? own : theirs,
			  n);
		if (c->type == DM_IOT_VM)
			continue;
		if (to_caller)
			flush_dcache_page(page);
		kunmap_local(theirs);
	}
}

/* All of a piece that has pages of its own.  Moves a copy of its cursor. */
static struct iot_cursor copy_piece(struct iot_bio *io, bool to_caller)
{
	struct iot_cursor c = io->cursor;
	struct bio_vec *bv = io->bio.bi_io_vec;
	void *own;
	int i;

	for (i = 0; i < io->bio.bi_vcnt; i++, bv++) {
		own = kmap_local_page(bv->bv_page);
		copy(&c, own, bv->bv_len, to_caller);
		kunmap_local(own);
	}
	return c;
}

/* ---- our own ---- */

static void free_bounce(void *element, void *data)
{
	struct dm_iot_client *client = data;
	struct iot_bounce *bounce = element;
	unsigned int i;

	for (i = 0; i < client->pages && bounce->page[i]; i++)
		__free_page(bounce->page[i]);
	kfree(bounce);
}

static void *alloc_bounce(gfp_t gfp, void *data)
{
	struct dm_iot_client *client = data;
	struct iot_bounce *bounce;
	unsigned int i;

	bounce = kcalloc(client->pages, sizeof(bounce->page[0]), gfp);
	if (!bounce)
		return NULL;
	for (i = 0; i < client->pages; i++) {
		bounce->page[i] = alloc_page(gfp);
		if (!bounce->page[i]) {
			free_bounce(bounce, client);
			return NULL;
		}
	}
	return bounce;
}

static void free_pages_of(struct iot_bio *io)
{
	struct dm_iot_client *client = client_of(io->region);
	int i;

	if (!io->region->handle->copied)
		return;
	if (io->bounce) {
		mempool_free(io->bounce, &client->bounces);
		return;
	}
	for (i = 0; i < io->bio.bi_vcnt; i++)
		__free_page(io->bio.bi_io_vec[i].bv_page);
}

/* Pages of its own for a piece of @bytes.  False: there are none, and it has none. */
static bool add_own_pages(struct iot_bio *io, unsigned int bytes)
{
	struct dm_iot_client *client = client_of(io->region);
	struct bio *bio = &io->bio;
	struct page *page;
	unsigned int n;
	int i = 0;

	for (; bytes; bytes -= n) {
		n = min_t(unsigned int, bytes, PAGE_SIZE);
		page = io->bounce ? io->bounce->page[i++] : alloc_page(IOT_GFP);
		if (unlikely(!page))
			break;
		__bio_add_page(bio, page, n, 0);
	}
	if (likely(!bytes))
		return true;

	bytes += bio->bi_iter.bi_size;
	free_pages_of(io);
	bio->bi_vcnt = 0;
	bio->bi_iter.bi_size = 0;
	io->bounce = mempool_alloc(&client->bounces, IOT_GFP);
	return io->bounce && add_own_pages(io, bytes);
}

/*
 * The caller's pages, up to @bytes, or as many as fit; the piece ends at the end of a
 * logical block.  The region's cursor moves on.
 */
static void add_callers_pages(struct iot_bio *io, unsigned int bytes)
{
	struct iot_region *r = io->region;
	struct bio *bio = &io->bio;
	unsigned int offset, n, too_much;
	struct page *page;

	for (; bytes && bio->bi_vcnt < bio->bi_max_vecs; bytes -= n) {
		n = piece_of_page(&r->cursor, bytes, &page, &offset);
		__bio_add_page(bio, page, n, offset);
		r->cursor.offset += n;
	}
	too_much = bio->bi_iter.bi_size &
		   (bdev_logical_block_size(r->bdev) - 1);
	if (unlikely(too_much)) {
		bio->bi_iter.bi_size -= too_much;
		r->cursor = io->cursor;
		r->cursor.offset += bio->bi_iter.bi_size;
	}
	if (r->cursor.type == DM_IOT_VM)
		flush_kernel_vmap_range(io->cursor.addr + io->cursor.offset,
					bio->bi_iter.bi_size);
}

/* ---- bios ---- */

/* The region's own for a first piece that is small, else one of the client's. */
static struct bio *get_bio(struct iot_region *r, unsigned int vecs, blk_opf_t opf)
{
	struct bio *bio = &iot_first(r)->bio;

	if (unlikely(r->sent || vecs > ARRAY_SIZE(r->first_vecs)))
		return bio_alloc_bioset(r->bdev, vecs, opf, IOT_GFP,
					&client_of(r)->bios);
	bio_init(bio, r->bdev, vecs ? r->first_vecs : NULL, vecs, opf);
	return bio;
}

static void put_bio(struct iot_bio *io)
{
	if (likely(io == iot_first(io->region)))
		bio_uninit(&io->bio);
	else
		bio_put(&io->bio);
}

/* ---- the end of a bio ---- */

static void drop_bio(struct iot_bio *io)
{
	struct iot_region *r = io->region;
	struct dm_iot_client *client = client_of(r);

	free_pages_of(io);
	put_bio(io);
	/* A guess without the lock is enough: who waits looks himself, later. */
	if (unlikely(!list_empty_careful(&client->waiting)))
		mod_delayed_work(client->wq, &client->retry, 0);
	iot_drop(r);
}

/* It was not sent at all, as it would have had to wait: a worker can. */
static void send_again(struct iot_bio *io)
{
	struct iot_region *r = io->region;
	struct dm_iot_client *client = client_of(r);
	unsigned long irq;

	io->bio.bi_status = BLK_STS_OK;
	io->bio.bi_opf = r->handle->opf;
	io->bio.bi_iter = io->iter;
	/* A split below has counted it down. */
	atomic_set(&io->bio.__bi_remaining, 1);

	spin_lock_irqsave(&client->lock, irq);
	bio_list_add(&r->again, &io->bio);
	iot_queue_work(r);
	spin_unlock_irqrestore(&client->lock, irq);
}

/*
 * Context: the driver's completion, hard irq possible; or inside submit_bio().
 */
static void end_bio(struct bio *bio)
{
	struct iot_bio *io = iot_bio_of(bio);
	struct iot_region *r = io->region;
	struct dm_iot_handle *h = r->handle;

	if (unlikely(bio->bi_status)) {
		if (bio->bi_status == BLK_STS_AGAIN &&
		    (bio->bi_opf & REQ_NOWAIT) && !(h->opf & REQ_NOWAIT)) {
			send_again(io);
			return;
		}
		cmpxchg(&r->error, 0, blk_status_to_errno(bio->bi_status));
	} else if (h->memory && !op_is_write(h->opf)) {
		if (h->copied && iot_pin(r)) {
			copy_piece(io, true);
			iot_unpin(r);
		} else if (!h->copied && io->cursor.type == DM_IOT_VM) {
			invalidate_kernel_vmap_range(io->cursor.addr +
						     io->cursor.offset,
						     io->iter.bi_size);
		}
	}
	drop_bio(io);
}

/* ---- sending ---- */

/* The next piece in @next, or NULL if the region has ended.  False: no memory. */
static bool next_piece(struct iot_region *r, bool nowait, struct bio **next)
{
	struct dm_iot_handle *h = r->handle;
	struct dm_iot_client *client = h->client;
	sector_t left = r->count - r->sent;
	unsigned int bytes = 0, vecs = 0;
	struct iot_bio *io;
	struct bio *bio;

	*next = NULL;
	if (READ_ONCE(r->ended))
		return true;

	if (h->memory) {
		vecs = h->copied ? client->pages : BIO_MAX_VECS;
		bytes = min_t(u64, (u64)left << SECTOR_SHIFT,
			      (u64)vecs << PAGE_SHIFT);
		/* One more, as it may begin in the middle of a page. */
		if (h->copied || r->cursor.type != DM_IOT_BVEC)
			vecs = min_t(unsigned int, vecs,
				     DIV_ROUND_UP(bytes, PAGE_SIZE) + !h->copied);
	}
	bio = get_bio(r, vecs, nowait ? h->opf | REQ_NOWAIT : h->opf);
	if (unlikely(!bio))
		return false;

	io = iot_bio_of(bio);
	io->region = r;
	io->bounce = NULL;
	io->cursor = r->cursor;
	bio->bi_iter.bi_sector = r->sector + r->sent;
	bio->bi_end_io = end_bio;

	if (h->copied) {
		if (!add_own_pages(io, bytes)) {
			put_bio(io);
			return false;
		}
		if (op_is_write(h->opf)) {
			if (iot_pin(r)) {
				r->cursor = copy_piece(io, false);
				iot_unpin(r);
			}
			if (unlikely(READ_ONCE(r->ended))) {
				free_pages_of(io);
				put_bio(io);
				return true;
			}
		} else {
			r->cursor.offset += bytes;
		}
	} else if (h->memory) {
		add_callers_pages(io, bytes);
	} else {
		bio->bi_iter.bi_size =
			min(left, NO_DATA_SECTORS) << SECTOR_SHIFT;
	}
	io->iter = bio->bi_iter;
	r->sent += bio_sectors(bio);
	*next = bio;
	return true;
}

/* A silent device may have all that the client has put by, for ever. */
static bool out_of_patience(struct iot_region *r)
{
	if (!r->short_since)
		r->short_since = jiffies ?: 1;
	if (time_before(jiffies, r->short_since +
				 msecs_to_jiffies(DM_IOT_MEMORY_WAIT)))
		return false;
	cmpxchg(&r->error, 0, -ENOMEM);
	return true;
}

/**
 * iot_send() - send what was not sent of a region
 * @r: the region, of which the caller is the sender; may be gone after this
 * @by_caller: in the context of dm_iot_io()
 *
 * Context: process; sleeps if the device's queue is full, but for a caller with a
 * timeout.
 */
void iot_send(struct iot_region *r, bool by_caller)
{
	bool nowait = by_caller && r->handle->timeout;
	struct bio *bio;

	do {
		if (unlikely(!next_piece(r, nowait, &bio))) {
			if (out_of_patience(r))
				break;
			iot_wait_for_memory(r);
			return;
		}
		r->short_since = 0;
		if (unlikely(!bio))
			break;
		if (unlikely(r->handle->memory && !bio->bi_iter.bi_size)) {
			/* Pieces of memory that add up to no logical block. */
			cmpxchg(&r->error, 0, -EINVAL);
			put_bio(iot_bio_of(bio));
			break;
		}
		atomic_inc(&r->holds);
		submit_bio(bio);
		if (likely(r->sent == r->count))
			break;
		cond_resched();
	} while (true);
	iot_drop(r);
}

/**
 * iot_work() - send a region, or pieces of it that came back unsent
 * @work: of the region
 *
 * Context: a worker.
 */
void iot_work(struct work_struct *work)
{
	struct iot_region *r = container_of(work, struct iot_region, work);
	struct dm_iot_handle *h = r->handle;
	struct bio_list again;
	unsigned long irq;
	struct bio *bio;
	bool send, ended;

	spin_lock_irqsave(&h->client->lock, irq);
	again = r->again;
	bio_list_init(&r->again);
	send = r->to_send;
	r->to_send = false;
	ended = r->ended;
	spin_unlock_irqrestore(&h->client->lock, irq);

	while ((bio = bio_list_pop(&again))) {
		if (ended) {
			drop_bio(iot_bio_of(bio));
			continue;
		}
		/* Its end has taken its cgroup away. */
		bio_set_dev(bio, r->bdev);
		submit_bio(bio);
	}
	if (send)
		iot_send(r, false);
	iot_inner_put(h);
}

/* ---- set-up ---- */

/**
 * iot_send_init() - a client's reserves for bios and copies
 * @client: the client, with the size of a piece
 * @pieces: how many
 *
 * Context: process.
 *
 * Return: 0 or -ENOMEM.
 */
int iot_send_init(struct dm_iot_client *client, unsigned int pieces)
{
	int r;

	r = bioset_init(&client->bios, pieces, offsetof(struct iot_bio, bio),
			BIOSET_NEED_BVECS);
	if (r || !client->pages)
		return r;
	r = mempool_init(&client->bounces, pieces, alloc_bounce, free_bounce,
			 client);
	if (r)
		bioset_exit(&client->bios);
	return r;
}

/**
 * iot_send_exit() - the reverse
 * @client: the client, with no I/O left
 *
 * Context: process.
 */
void iot_send_exit(struct dm_iot_client *client)
{
	if (client->pages)
		mempool_exit(&client->bounces);
	bioset_exit(&client->bios);
}
