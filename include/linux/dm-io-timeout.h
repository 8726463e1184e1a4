/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-io-timeout: block I/O with a timeout.
 *
 * One call sends I/O to several regions, possibly on several devices. Each
 * region has a state of its own, can time out, and can be cancelled.
 *
 * The caller first creates a client, for a number of regions per call, a number
 * of calls at a time, and a size of copied pieces. We reserve memory for each
 * client to ensure that its I/O makes progress if the system has no memory. No
 * client can use up the reserve of another one.
 *
 * States of a region (Documentation/dm-io-timeout.rst has a picture):
 *
 *	         +--> WAITING --+    for a zombie to finish, or for memory
 *	         |              v
 *	dm_iot_io() ---------> SENT ----> OK, ERROR
 *	                        |  \          ^
 *	                        |   +-> TIMEOUT (reported; the I/O continues)
 *	                        v        |
 *	                    CANCELLED <--+
 *
 * A zombie is a region that was cancelled while its device had not completed
 * all of its I/O.
 *
 * Rules:
 *
 *  - If we refuse a call, nothing is sent and notify is not called.
 *  - Otherwise every region ends exactly once, with OK, ERROR or CANCELLED.
 *    TIMEOUT is reported at most once per region, and before the end. Calls of
 *    notify for one region never overlap.
 *  - After the end of a region, we do not access its part of the caller's
 *    memory, regardless of what the device does. After a cancelled read, it
 *    contains the pieces that had completed before. A cancelled write may still
 *    reach the device, now or later, with the data that the memory had when the
 *    write was sent.
 *  - If a later I/O of the same client overlaps a zombie that writes, it is
 *    sent after the zombie has finished, to prevent old data from overwriting
 *    new data. Regions on different partitions of a disk are compared by their
 *    sectors on the disk.
 *  - We never send the same I/O to a device twice at a time. If we resend it,
 *    the device has returned it before.
 *
 * Ownership:
 *
 *  - When dm_iot_io() returns, the control, the array of regions, and what they
 *    point to belong to the caller again, except for the memory.
 *  - A region's part of the memory belongs to us until the region has ended.
 *    The page list or bio_vecs belong to us until all regions of the call have
 *    ended.
 *  - The caller must keep each device open until the last I/O to it, including
 *    that of zombies, has completed. If a region ends with OK or ERROR, its
 *    device has completed all its I/O. If a region was cancelled, only the
 *    return of dm_iot_client_destroy() tells.
 */
#ifndef _LINUX_DM_IO_TIMEOUT_H
#define _LINUX_DM_IO_TIMEOUT_H

#include <linux/bio.h>
#include <linux/dm-io.h>
#include <linux/types.h>

struct dm_iot_client;
struct dm_iot_handle;

/*
 * Maximum arguments of dm_iot_client_create() and dm_iot_io(): regions per
 * call, reserved calls, bytes per copied piece, and timeout in ms.
 */
#define DM_IOT_MAX_DEVICES	256
#define DM_IOT_MAX_MIN_IOS	1024
#define DM_IOT_MAX_SIZE		(BIO_MAX_VECS << PAGE_SHIFT)
#define DM_IOT_MAX_TIMEOUT	(24 * 60 * 60 * 1000)

/*
 * Maximum time in ms that a call waits for a handle, unless its timeout is
 * shorter, and that a region waits for memory without any progress. The region
 * then ends with ERROR and -ENOMEM. This prevents an unresponsive device, whose
 * I/O occupies the client's whole reserve, from blocking the I/O to other
 * devices forever.
 */
#define DM_IOT_MEMORY_WAIT	30000

/**
 * struct dm_iot_region - a range of sectors on a device
 * @bdev: device; opened by the caller, for writing unless the operation is a
 *	read
 * @sector: first sector, in units of 512 bytes
 * @count: number of sectors; 0 for a flush, and only for a flush
 */
struct dm_iot_region {
	struct block_device *bdev;
	sector_t sector;
	sector_t count;
};

/**
 * enum dm_iot_state - reported state of a region
 * @DM_IOT_OK: the region ended successfully
 * @DM_IOT_TIMEOUT: the region did not end within the timeout; its I/O continues
 * @DM_IOT_CANCELLED: the region was cancelled; the device may still process it
 * @DM_IOT_ERROR: the region ended with an error
 */
enum dm_iot_state {
	DM_IOT_OK,
	DM_IOT_TIMEOUT,
	DM_IOT_CANCELLED,
	DM_IOT_ERROR,
};

/**
 * struct dm_iot_region_state - report to notify
 * @index: index of the region in the array passed to dm_iot_io()
 * @state: state of the region
 * @error_code: negative errno of the first piece that failed if @state is
 *	%DM_IOT_ERROR, otherwise 0
 * @handle: handle of the call. If notify wants to keep it, it must take a
 *	reference with dm_iot_handle_get()
 *
 * Constant while notify runs, and not valid afterwards.
 */
struct dm_iot_region_state {
	unsigned int index;
	enum dm_iot_state state;
	int error_code;
	struct dm_iot_handle *handle;
};

/**
 * typedef dm_iot_notify_fn - called for each reported state of each region
 * @state: the report
 * @context: context of the control
 *
 * The callback may cancel regions, get and put handles, and call dm_iot_io()
 * with %DM_IOT_NO_WAIT and without %DM_IOT_SYNC. It may free the memory of the
 * call if all regions have ended.
 *
 * Context: any: hard interrupt, softirq of the timer, dm_iot_io(), or a
 * cancellation. Must not sleep. No lock of this layer is held. Calls for one
 * region never overlap; calls for different regions, even of one dm_iot_io(),
 * may run at the same time.
 */
typedef void (*dm_iot_notify_fn)(const struct dm_iot_region_state *state,
				 void *context);

/**
 * enum dm_iot_memory_type - type of the caller's memory
 * @DM_IOT_PAGE_LIST: list of pages
 * @DM_IOT_BVEC: array of bio_vecs
 * @DM_IOT_VM: address from vmalloc()
 * @DM_IOT_KMEM: address in the kernel's linear mapping
 */
enum dm_iot_memory_type {
	DM_IOT_PAGE_LIST,
	DM_IOT_BVEC,
	DM_IOT_VM,
	DM_IOT_KMEM,
};

/**
 * struct dm_iot_memory - the caller's memory
 * @type: type of memory, selects one of the following four members
 * @pl: page list; must be long enough
 * @bvec: bio_vecs; must be long enough
 * @vma: address from vmalloc()
 * @addr: address in the linear mapping
 * @offset: bytes to skip at the start of the memory
 *
 * A write sends the same data to all regions. A read stores the data of its
 * regions one after the other. Discard, write-zeroes and flush ignore this
 * structure.
 *
 * If the data are not copied (%DM_IOT_NO_CANCEL), the address and length of
 * each physical segment must match the DMA alignment of the device. Only the
 * start is checked.
 */
struct dm_iot_memory {
	enum dm_iot_memory_type type;
	union {
		struct page_list *pl;
		const struct bio_vec *bvec;
		void *vma;
		void *addr;
	};
	unsigned int offset;
};

/*
 * Flags of struct dm_iot_control:
 *
 * DM_IOT_CANCEL_ON_TIMEOUT: cancel a region when its timeout expires. We call
 *	notify with TIMEOUT, then with CANCELLED.
 * DM_IOT_NO_CANCEL: the call cannot be cancelled. This avoids the copy of the
 *	data.
 * DM_IOT_NO_WAIT: do not sleep in dm_iot_io(), except with DM_IOT_SYNC for the
 *	end of the regions. A worker sends the I/O. If a region overlaps a
 *	zombie, dm_iot_io() fails with -EBUSY; if there is no handle, it fails
 *	with -EAGAIN.
 * DM_IOT_SYNC: return from dm_iot_io() when all regions have ended.
 */
#define DM_IOT_CANCEL_ON_TIMEOUT	0x1
#define DM_IOT_NO_CANCEL		0x2
#define DM_IOT_NO_WAIT			0x4
#define DM_IOT_SYNC			0x8

/**
 * struct dm_iot_control - parameters that all regions of a call share
 * @client: the client
 * @memory: source or destination of the data
 * @opf: REQ_OP_READ, WRITE, FLUSH, DISCARD or WRITE_ZEROES, with any of
 *	REQ_FAILFAST_*, SYNC, META, PRIO, NOMERGE, IDLE, FUA, PREFLUSH, RAHEAD,
 *	BACKGROUND, NOWAIT and NOUNMAP. If a region is sent in several pieces,
 *	the flags apply to each of them
 * @notify: callback for each state of each region. May be NULL with DM_IOT_SYNC
 * @context: argument for @notify
 * @timeout: timeout in ms from the call on, or 0 for none. It may be reported
 *	one tick late
 * @flags: DM_IOT_*
 */
struct dm_iot_control {
	struct dm_iot_client *client;
	struct dm_iot_memory memory;
	blk_opf_t opf;
	dm_iot_notify_fn notify;
	void *context;
	unsigned int timeout;
	unsigned int flags;
};

struct dm_iot_client *dm_iot_client_create(unsigned int devices,
					   unsigned int min_ios,
					   unsigned int max_size);
void dm_iot_client_destroy(struct dm_iot_client *client);

int dm_iot_io(const struct dm_iot_control *ctl, unsigned int num_regions,
	      const struct dm_iot_region *regions,
	      struct dm_iot_handle **handle);

struct dm_iot_handle *dm_iot_handle_get(struct dm_iot_handle *handle);
void dm_iot_handle_put(struct dm_iot_handle *handle);

int dm_iot_cancel_by_handle(struct dm_iot_client *client,
			    struct dm_iot_handle *handle);
int dm_iot_cancel_by_device(struct dm_iot_client *client,
			    struct block_device *bdev);

#endif /* _LINUX_DM_IO_TIMEOUT_H */
