// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-io-timeout: allocation and lifetime of handles.
 *
 * Handles come from the system while it has memory, and otherwise from their
 * client's reserve. A user may keep a handle after the call and even after the
 * client was destroyed, therefore each handle has a reference to its client.
 */

#include <linux/export.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "iot/iot.h"

/* Handles with one region (the common case), already constructed. */
static struct kmem_cache *single_cache;

/*
 * Set the members that are in this same state again whenever a handle is freed.
 * dm_iot_io() initializes the others for each call.
 */
static void construct_regions(struct dm_iot_handle *h, unsigned int num_regions)
{
	struct iot_region *r;

	for (r = h->region; r < h->region + num_regions; r++) {
		memset(&r->cursor, 0, sizeof(r->cursor));
		INIT_LIST_HEAD(&r->wait);
		INIT_LIST_HEAD(&r->report);
		bio_list_init(&r->resubmit);
	}
}

static void construct_single(void *handle)
{
	construct_regions(handle, 1);
}

int __init iot_handles_init(void)
{
	single_cache = kmem_cache_create("dm_iot_handle",
					 struct_size_t(struct dm_iot_handle,
						       region, 1),
					 0, 0, construct_single);
	return single_cache ? 0 : -ENOMEM;
}

void iot_handles_exit(void)
{
	kmem_cache_destroy(single_cache);
}

static struct dm_iot_handle *new_handle(unsigned int num_regions)
{
	struct dm_iot_handle *h;

	if (likely(num_regions == 1))
		return kmem_cache_alloc(single_cache, IOT_GFP);
	h = kmalloc(struct_size(h, region, num_regions), IOT_GFP);
	if (h)
		construct_regions(h, num_regions);
	return h;
}

static void free_new_handle(struct dm_iot_handle *h)
{
	if (likely(h->num_regions == 1))
		kmem_cache_free(single_cache, h);
	else
		kfree(h);
}

static struct dm_iot_handle *reserved_handle(struct dm_iot_client *client,
					     unsigned int num_regions)
{
	struct dm_iot_handle *h = mempool_alloc(&client->handles, IOT_GFP);

	if (h) {
		construct_regions(h, num_regions);
		h->reserved = true;
	}
	return h;
}

/* Out of line, to keep the common case of iot_handle_alloc() short. */
static noinline struct dm_iot_handle *
alloc_from_reserve(const struct dm_iot_control *ctl, unsigned int num_regions)
{
	struct dm_iot_client *client = ctl->client;
	unsigned int ms = DM_IOT_MEMORY_WAIT;
	struct dm_iot_handle *h;

	if (ctl->flags & DM_IOT_NO_WAIT)
		return reserved_handle(client, num_regions) ?: ERR_PTR(-EAGAIN);

	if (ctl->timeout)
		ms = min(ms, ctl->timeout);
	wait_event_timeout(client->wait,
			   (h = reserved_handle(client, num_regions)),
			   msecs_to_jiffies(ms));
	return h ?: ERR_PTR(-ENOMEM);
}

struct dm_iot_handle *iot_handle_alloc(const struct dm_iot_control *ctl,
				       unsigned int num_regions)
{
	struct dm_iot_handle *h = new_handle(num_regions);

	if (unlikely(!h))
		return alloc_from_reserve(ctl, num_regions);
	h->reserved = false;
	return h;
}

void iot_client_put(struct dm_iot_client *client)
{
	if (!refcount_dec_and_test(&client->refs))
		return;
	mempool_exit(&client->handles);
	kfree(client);
}

/**
 * dm_iot_handle_get() - take a reference to a handle
 * @handle: a handle which the caller has a reference to, or which notify was
 *	called with
 *
 * Drop the reference with dm_iot_handle_put().
 *
 * Context: any, including notify.
 *
 * Return: @handle.
 */
struct dm_iot_handle *dm_iot_handle_get(struct dm_iot_handle *handle)
{
	refcount_inc(&handle->refs);
	return handle;
}
EXPORT_SYMBOL_GPL(dm_iot_handle_get);

/**
 * dm_iot_handle_put() - drop a reference to a handle
 * @handle: a handle from dm_iot_io() or dm_iot_handle_get(); must not be used
 *	afterwards
 *
 * This does not affect the call: its I/O continues and is reported. Put a
 * handle soon after the call has ended, because it occupies memory, possibly of
 * the client's reserve.
 *
 * Context: any, including notify. The client may have been destroyed.
 */
void dm_iot_handle_put(struct dm_iot_handle *handle)
{
	struct dm_iot_client *client = handle->client;

	if (!refcount_dec_and_test(&handle->refs))
		return;
	if (unlikely(handle->reserved)) {
		mempool_free(handle, &client->handles);
		wake_up(&client->wait);
	} else {
		free_new_handle(handle);
	}
	iot_client_put(client);
}
EXPORT_SYMBOL_GPL(dm_iot_handle_put);

void iot_pending_put(struct dm_iot_handle *h)
{
	if (!atomic_dec_and_test(&h->pending))
		return;
	/*
	 * When calls becomes 0, dm_iot_client_destroy() may return. We still
	 * have the handle, whose reference keeps the client's memory valid.
	 */
	if (atomic_dec_and_test(&h->client->calls))
		wake_up(&h->client->wait);
	dm_iot_handle_put(h);
}
