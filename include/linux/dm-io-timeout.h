/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm-io-timeout: block I/O to several regions in one call, each with a state of
 * its own, a timeout, and a way to give it up.
 *
 * A client is made for so many devices per call, so many calls at a time, and so
 * many bytes per copied piece.  Its reserves are its own: I/O of a client goes on
 * when there is no memory, whatever other clients do.
 *
 * The life of a region (Documentation/dm-io-timeout.rst has the picture)
 *
 *	         +--> WAITING --+    behind a zombie, or for memory
 *	         |              v
 *	dm_iot_io() ---------> SENT ----> OK, ERROR
 *	                        |  \          ^
 *	                        |   +-> TIMEOUT (a report; the I/O goes on)
 *	                        v        |
 *	                    CANCELLED <--+
 *
 * Rules that hold for all of it:
 *  - A call that returns an error has sent nothing, and nobody is notified.
 *  - Every region of another call ends exactly once, with OK, ERROR or CANCELLED.
 *    TIMEOUT comes at most once, before the end, and never alongside it: notify
 *    is not called for a region while it is still running for that region.
 *  - After a region's end nothing touches its part of the caller's memory, whatever
 *    the device does.  A cancelled read leaves in it what had arrived by then, in
 *    whole pieces; a cancelled write may or may not reach the device, later, with
 *    the content that the memory had when it was sent.
 *  - What a device still works on when its region is cancelled is a zombie.  A
 *    later I/O of the same client that overlaps a zombie that writes is not sent
 *    before that has ended.  Regions count as overlapping on one disk, through
 *    whatever partitions.
 *  - Nothing that was sent to a device is sent again before it has come back.
 *
 * Who owns what: the control, the array of regions, and what they point to but for
 * the memory are the caller's when dm_iot_io() returns.  A region's part of the memory
 * is the layer's until the region has ended, and the page list or bio_vecs that
 * describe it until all regions of the call have.  The devices must be open until the
 * last of their I/Os is back, also zombies: so until dm_iot_client_destroy() returns, or
 * forever to be sure.  The end of a region that was not cancelled says that the device
 * is done with it.
 */
#ifndef _LINUX_DM_IO_TIMEOUT_H
#define _LINUX_DM_IO_TIMEOUT_H

#include <linux/bio.h>
#include <linux/dm-io.h>
#include <linux/types.h>

struct dm_iot_client;
struct dm_iot_handle;

/* The largest values that dm_iot_client_create() and dm_iot_io() take. */
#define DM_IOT_MAX_DEVICES	256
#define DM_IOT_MAX_MIN_IOS	1024
#define DM_IOT_MAX_SIZE		(BIO_MAX_VECS << PAGE_SHIFT)
#define DM_IOT_MAX_TIMEOUT	(24 * 60 * 60 * 1000)

/*
 * ms that a call waits for a handle, if its timeout is not shorter, and that a region
 * waits for memory without getting on; it then ends with ERROR and -ENOMEM.  So a
 * device that is silent and has all the client's reserve does not hold up the others
 * for ever.
 */
#define DM_IOT_MEMORY_WAIT	30000

/**
 * struct dm_iot_region - where on a device
 * @bdev: the device, open, for writing if the region is written
 * @sector: the first sector, of 512 bytes
 * @count: sectors; 0 for a flush and only for that
 */
struct dm_iot_region {
	struct block_device *bdev;
	sector_t sector;
	sector_t count;
};

/**
 * enum dm_iot_state - what is known of a region
 * @DM_IOT_OK: it has ended well
 * @DM_IOT_TIMEOUT: it has not ended within the timeout, and goes on
 * @DM_IOT_CANCELLED: it was given up; the device may still work on it
 * @DM_IOT_ERROR: it has ended with an error
 */
enum dm_iot_state {
	DM_IOT_OK,
	DM_IOT_TIMEOUT,
	DM_IOT_CANCELLED,
	DM_IOT_ERROR,
};

/**
 * struct dm_iot_region_state - what notify is told
 * @index: of the region, in the array that dm_iot_io() was given
 * @state: its state
 * @error_code: with DM_IOT_ERROR the negative errno, of the first piece that
 *	failed; else 0
 * @handle: of the call. To keep it, dm_iot_handle_get()
 *
 * Does not change during the call of notify, and is gone after it.
 */
struct dm_iot_region_state {
	unsigned int index;
	enum dm_iot_state state;
	int error_code;
	struct dm_iot_handle *handle;
};

/**
 * typedef dm_iot_notify_fn - called for each state of each region
 * @state: of the region
 * @context: from the control
 *
 * Context: any; a hard interrupt, the timer's softirq, inside dm_iot_io() or inside
 * a cancel.  It may not sleep, and no lock of this layer is held.  Calls for
 * different regions, also of one call, may run at the same time; those for one
 * region do not.
 *
 * It may cancel, get and put handles, and call dm_iot_io() with DM_IOT_NO_WAIT and
 * without DM_IOT_SYNC.  It may free the memory of the call once the last region has
 * ended.
 */
typedef void (*dm_iot_notify_fn)(const struct dm_iot_region_state *state,
				 void *context);

/**
 * enum dm_iot_memory_type - how memory is described
 * @DM_IOT_PAGE_LIST: a list of pages
 * @DM_IOT_BVEC: an array of bio_vecs
 * @DM_IOT_VM: an address from vmalloc()
 * @DM_IOT_KMEM: an address of the kernel's linear mapping
 */
enum dm_iot_memory_type {
	DM_IOT_PAGE_LIST,
	DM_IOT_BVEC,
	DM_IOT_VM,
	DM_IOT_KMEM,
};

/**
 * struct dm_iot_memory - where from or to
 * @type: which of the following is meant
 * @pl: the list, of enough pages
 * @bvec: the array, of enough bytes
 * @vma: the address
 * @addr: the address
 * @offset: bytes to skip at the beginning
 *
 * A write sends the same memory to all regions.  A read puts its regions into the
 * memory one behind the other.  Discard, write-zeroes and flush have no memory, and
 * this is not looked at.
 *
 * Where nothing is copied (DM_IOT_NO_CANCEL), its place and the length of each of
 * its pieces suit the device's DMA alignment; the beginning is checked.
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
 * Flags of struct dm_iot_control.
 *
 * DM_IOT_CANCEL_ON_TIMEOUT: a region that times out is cancelled: notify is called
 *	with TIMEOUT, then with CANCELLED.
 * DM_IOT_NO_CANCEL: the call cannot be cancelled.  Its data are not copied.
 * DM_IOT_NO_WAIT: dm_iot_io() does not sleep but to wait for the end
 *	(DM_IOT_SYNC), and no region is queued behind a zombie: -EBUSY if one would
 *	be, -EAGAIN if there is no handle.  What is sent is sent by a worker.
 * DM_IOT_SYNC: dm_iot_io() returns when all regions have ended.
 */
#define DM_IOT_CANCEL_ON_TIMEOUT	0x1
#define DM_IOT_NO_CANCEL		0x2
#define DM_IOT_NO_WAIT			0x4
#define DM_IOT_SYNC			0x8

/**
 * struct dm_iot_control - what all regions of a call have in common
 * @client: the client
 * @memory: from or to where
 * @opf: REQ_OP_READ, WRITE, FLUSH, DISCARD or WRITE_ZEROES, with any of
 *	REQ_FAILFAST_*, SYNC, META, PRIO, NOMERGE, IDLE, FUA, PREFLUSH, RAHEAD,
 *	BACKGROUND, NOWAIT and NOUNMAP. Large regions go in pieces, and what is asked
 *	for is asked for each
 * @notify: called for each state of each region; not NULL without DM_IOT_SYNC
 * @context: for @notify
 * @timeout: ms from the call on, 0 is none; the report may be a tick late
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
