// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-io-timeout: bios, copying, submission.
 *
 * A region is sent in pieces, one bio each. If the call may be cancelled, we
 * copy the data of each piece to or from pages of our own. They come from the
 * system while it has memory. If it has none, the piece takes a complete set
 * from the client's reserve. It never keeps some of the pages while it needs
 * more, to avoid deadlocks between pieces.
 *
 * We never sleep for memory here: if there is none, the region is put on a list
 * and a worker continues. A caller with a timeout does not sleep for a full
 * queue of the device either. We send its bios with REQ_NOWAIT. If the device
 * refuses one of them only because of that flag, a worker resubmits it without.
 */

#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "iot/iot.h"

/* Size of a piece without data. Must fit in bi_size, which counts bytes. */
#define NO_DATA_SECTORS	((sector_t)SZ_1G >> SECTOR_SHIFT)

static struct iot_bio *iot_bio_of(struct bio *bio)
{
	return container_of(bio, struct iot_bio, bio);
}

/* ---- the caller's memory ---- */

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

/*
 * Return how many of the @want bytes at @c lie within one page, and set @page
 * and @offset to their location.
 */
static unsigned int segment_in_page(struct iot_cursor *c, unsigned int want,
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

/* copy_page() is faster than memcpy(), and most parts are a full page. */
static void copy_part(void *to, const void *from, unsigned int len)
{
	if (likely(len == PAGE_SIZE))
		copy_page(to, (void *)from);
	else
		memcpy(to, from, len);
}

/*
 * Copy @len bytes between the caller's memory at @c and our page at @own, and
 * advance @c. We access vmalloc() memory by its own address, because with some
 * caches another mapping of the same page may see different data.
 */
static void copy_data(struct iot_cursor *c, void *own, unsigned int len,
		      bool to_caller)
{
	unsigned int offset, n;
	struct page *page;
	void *theirs;

	for (; len; len -= n, own += n, c->offset += n) {
		n = segment_in_page(c, len, &page, &offset);
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

/* Copy a whole piece, and return the cursor behind its data. */
static struct iot_cursor copy_piece(struct iot_bio *io, bool to_caller)
{
	struct iot_cursor c = io->cursor;
	struct bio_vec *bv = io->bio.bi_io_vec;
	void *own;
	int i;

	for (i = 0; i < io->bio.bi_vcnt; i++, bv++) {
		own = kmap_local_page(bv->bv_page);
		copy_data(&c, own, bv->bv_len, to_caller);
		kunmap_local(own);
	}
	return c;
}

/* ---- our own pages ---- */

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

static void free_piece_pages(struct iot_bio *io)
{
	struct dm_iot_client *client = iot_client_of(io->region);
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

/*
 * Add pages of our own to a piece of @bytes. If there is no memory, return
 * false with no page added.
 */
static bool add_own_pages(struct iot_bio *io, unsigned int bytes)
{
	struct dm_iot_client *client = iot_client_of(io->region);
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
	free_piece_pages(io);
	bio->bi_vcnt = 0;
	bio->bi_iter.bi_size = 0;
	io->bounce = mempool_alloc(&client->bounces, IOT_GFP);
	return io->bounce && add_own_pages(io, bytes);
}

/*
 * Add the caller's pages, at most @bytes and as many as fit into the bio, and
 * advance the region's cursor. The bio must end at a logical block boundary, so
 * a partial block at its end is left for the next piece.
 */
static void add_callers_pages(struct iot_bio *io, unsigned int bytes)
{
	struct iot_region *r = io->region;
	struct bio *bio = &io->bio;
	unsigned int offset, n, excess;
	struct page *page;

	for (; bytes && bio->bi_vcnt < bio->bi_max_vecs; bytes -= n) {
		n = segment_in_page(&r->cursor, bytes, &page, &offset);
		__bio_add_page(bio, page, n, offset);
		r->cursor.offset += n;
	}
	excess = bio->bi_iter.bi_size &
		 (bdev_logical_block_size(r->bdev) - 1);
	if (unlikely(excess)) {
		bio->bi_iter.bi_size -= excess;
		r->cursor = io->cursor;
		r->cursor.offset += bio->bi_iter.bi_size;
	}
	if (r->cursor.type == DM_IOT_VM)
		flush_kernel_vmap_range(io->cursor.addr + io->cursor.offset,
					bio->bi_iter.bi_size);
}

/* ---- bios ---- */

static void free_reserve(void *element, void *data)
{
	struct iot_bio *io = element;

	kfree(io->vecs);
	kfree(io);
}

static void *alloc_reserve(gfp_t gfp, void *data)
{
	struct iot_bio *io = kmalloc(sizeof(*io), gfp);

	if (!io)
		return NULL;
	io->vecs = kmalloc_array(BIO_MAX_VECS, sizeof(*io->vecs), gfp);
	if (!io->vecs) {
		kfree(io);
		return NULL;
	}
	return io;
}

/*
 * A bio set also has a reserve, but an allocation that must not sleep may not get
 * it.
 */
static noinline struct bio *alloc_bio(struct iot_region *r, unsigned int vecs,
				      blk_opf_t opf)
{
	struct dm_iot_client *client = iot_client_of(r);
	struct iot_bio *io;
	struct bio *bio;

	bio = bio_alloc_bioset(r->bdev, vecs, opf, IOT_GFP, &client->bios);
	if (likely(bio)) {
		iot_bio_of(bio)->vecs = NULL;
		return bio;
	}
	io = mempool_alloc(&client->reserve, IOT_GFP);
	if (!io)
		return NULL;
	bio_init(&io->bio, r->bdev, vecs ? io->vecs : NULL, vecs, opf);
	return &io->bio;
}

/* Use the region's embedded bio for a small first piece. */
static struct bio *get_bio(struct iot_region *r, unsigned int vecs, blk_opf_t opf)
{
	struct bio *bio = &iot_first(r)->bio;

	if (unlikely(r->sent || vecs > ARRAY_SIZE(r->first_vecs)))
		return alloc_bio(r, vecs, opf);
	bio_init(bio, r->bdev, vecs ? r->first_vecs : NULL, vecs, opf);
	return bio;
}

static noinline void free_bio(struct iot_bio *io)
{
	if (likely(!io->vecs)) {
		bio_put(&io->bio);
		return;
	}
	bio_uninit(&io->bio);
	mempool_free(io, &iot_client_of(io->region)->reserve);
}

static void put_bio(struct iot_bio *io)
{
	if (likely(io == iot_first(io->region)))
		bio_uninit(&io->bio);
	else
		free_bio(io);
}

/* ---- completion ---- */

static void finish_bio(struct iot_bio *io)
{
	struct iot_region *r = io->region;
	struct dm_iot_client *client = iot_client_of(r);

	free_piece_pages(io);
	put_bio(io);
	/*
	 * An unlocked check suffices: regions that wait for memory also poll, and
	 * finish_region() kicks those that wait for a zombie.
	 */
	if (unlikely(!list_empty_careful(&client->waiting)))
		mod_delayed_work(client->wq, &client->retry, 0);
	iot_region_put(r);
}

/*
 * The device refused the bio because submission would have had to wait. A
 * worker can wait, so let it submit the bio again.
 */
static void resubmit_later(struct iot_bio *io)
{
	struct iot_region *r = io->region;
	struct dm_iot_client *client = iot_client_of(r);
	unsigned long irq;

	io->bio.bi_status = BLK_STS_OK;
	io->bio.bi_opf = r->handle->opf;
	io->bio.bi_iter = io->iter;
	/* If the bio was split, its completion has decremented this. */
	atomic_set(&io->bio.__bi_remaining, 1);

	spin_lock_irqsave(&client->lock, irq);
	bio_list_add(&r->resubmit, &io->bio);
	iot_queue_work(r);
	spin_unlock_irqrestore(&client->lock, irq);
}

/* Context: completion of the driver, possibly hard irq, or submit_bio(). */
static void end_bio(struct bio *bio)
{
	struct iot_bio *io = iot_bio_of(bio);
	struct iot_region *r = io->region;
	struct dm_iot_handle *h = r->handle;

	if (unlikely(bio->bi_status)) {
		if (bio->bi_status == BLK_STS_AGAIN &&
		    (bio->bi_opf & REQ_NOWAIT) && !(h->opf & REQ_NOWAIT)) {
			resubmit_later(io);
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
	finish_bio(io);
}

/* ---- sending ---- */

/*
 * Prepare the next piece in @next, or set it to NULL if the region has ended.
 * Return false if there is no memory.
 */
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
		/* The data may start within a page: allow one more vector. */
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
				free_piece_pages(io);
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

/*
 * An unresponsive device may hold the whole reserve forever. To keep other
 * regions from hanging as well, we let them fail after DM_IOT_MEMORY_WAIT.
 */
static bool nomem_timed_out(struct iot_region *r)
{
	if (!r->nomem_since)
		r->nomem_since = jiffies ?: 1;
	if (time_before(jiffies, r->nomem_since +
				 msecs_to_jiffies(DM_IOT_MEMORY_WAIT)))
		return false;
	cmpxchg(&r->error, 0, -ENOMEM);
	return true;
}

void iot_send(struct iot_region *r, bool by_caller)
{
	bool nowait = by_caller && r->handle->timeout;
	struct bio *bio;

	do {
		if (unlikely(!next_piece(r, nowait, &bio))) {
			if (nomem_timed_out(r))
				break;
			iot_wait_for_memory(r);
			return;
		}
		r->nomem_since = 0;
		if (unlikely(!bio))
			break;
		if (unlikely(r->handle->memory && !bio->bi_iter.bi_size)) {
			/* A full bio did not contain one logical block. */
			cmpxchg(&r->error, 0, -EINVAL);
			put_bio(iot_bio_of(bio));
			break;
		}
		atomic_inc(&r->refs);
		submit_bio(bio);
		if (likely(r->sent == r->count))
			break;
		cond_resched();
	} while (true);
	iot_region_put(r);
}

void iot_work(struct work_struct *work)
{
	struct iot_region *r = container_of(work, struct iot_region, work);
	struct dm_iot_handle *h = r->handle;
	struct bio_list bios;
	unsigned long irq;
	struct bio *bio;
	bool send, ended;

	spin_lock_irqsave(&h->client->lock, irq);
	bios = r->resubmit;
	bio_list_init(&r->resubmit);
	send = r->to_send;
	r->to_send = false;
	ended = r->ended;
	spin_unlock_irqrestore(&h->client->lock, irq);

	while ((bio = bio_list_pop(&bios))) {
		if (ended) {
			finish_bio(iot_bio_of(bio));
			continue;
		}
		/* The first completion has dropped the bio's cgroup. */
		bio_set_dev(bio, r->bdev);
		submit_bio(bio);
	}
	if (send)
		iot_send(r, false);
	iot_pending_put(h);
}

/* ---- setup ---- */

int iot_send_init(struct dm_iot_client *client, unsigned int pieces)
{
	int r;

	r = bioset_init(&client->bios, BIO_POOL_SIZE,
			offsetof(struct iot_bio, bio), BIOSET_NEED_BVECS);
	if (r)
		return r;
	r = mempool_init(&client->reserve, pieces, alloc_reserve, free_reserve,
			 client);
	if (!r && client->pages)
		r = mempool_init(&client->bounces, pieces, alloc_bounce,
				 free_bounce, client);
	if (r)
		iot_send_exit(client);
	return r;
}

void iot_send_exit(struct dm_iot_client *client)
{
	mempool_exit(&client->bounces);
	mempool_exit(&client->reserve);
	bioset_exit(&client->bios);
}
