// SPDX-License-Identifier: GPL-2.0-only
/*
 * Derive the disposition of a failed request from its status, and from the SCSI result and
 * sense data behind it: is the path to blame, and how do we proceed with the request?
 *
 * There are three tables.  We search each from the top, and the first row that matches
 * counts:
 *
 *	1. the block layer's status: some are passed up without looking further;
 *	2. for a SCSI path, the host byte: did the command reach the device?
 *	3. if it did, sense key and additional codes: the answer of the device.
 *
 * The stock target sees the status only, and fails the path for each status that is
 * not in table 1, and for a malformed request.  Our clones carry REQ_FAILFAST_DEV.  Thus
 * SCSI does not retry most commands that ended with a check condition, and we retry those
 * of the REPEAT and WAIT rows here, as often or for as long as SCSI would.  A command that
 * timed out is not retried on the same path: the next path gets the request.
 */

#include <linux/blk-mq.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_eh.h>

#include "mpath/mpath.h"
#include "dm-rq-blk.h"
#include "dm-rq-compat.h"

/* SCSI retries a command for a disk that often (SD_MAX_RETRIES). */
#define TRIES	5

/* ---- 1. the status ---- */

/**
 * mpath_is_path_error() - is the path possibly to blame for an error?
 * @status: of a clone; not BLK_STS_OK
 *
 * Context: any, hard irq included.
 * Return: true if another path could give a better answer. The caller then asks
 * mpath_decide_disposition(). False if the device has answered, or if the request is
 * malformed, so that each path would give the same answer.
 */
bool mpath_is_path_error(blk_status_t status)
{
	switch (status) {
	case BLK_STS_NOTSUPP:		/* unsupported command */
	case BLK_STS_NOSPC:		/* thin provisioning: out of space */
	case BLK_STS_TARGET:		/* permanent failure of the device */
	case BLK_STS_MEDIUM:		/* unreadable sectors */
	case BLK_STS_PROTECTION:	/* data and checksum do not match */
	case BLK_STS_RESV_CONFLICT:	/* reserved by another host */
	case BLK_STS_INVAL:		/* malformed, for instance misaligned */
		return false;
	default:
		return true;
	}
}

/**
 * mpath_status_text() - describe a path error for the log
 * @status: the status; one for which mpath_is_path_error() is true
 *
 * Context: any, hard irq included.
 */
const char *mpath_status_text(blk_status_t status)
{
	switch (status) {
	case BLK_STS_TRANSPORT:
		return "transport error";
	case BLK_STS_TIMEOUT:
		return "timeout";
	case BLK_STS_OFFLINE:
		return "device offline";
	case BLK_STS_AGAIN:
	case BLK_STS_RESOURCE:
	case BLK_STS_DEV_RESOURCE:
		return "out of resources";
	default:
		return "I/O error";
	}
}

/* If a path is not SCSI, we have only the status: is it one of the transport? */
static enum mpath_disposition decide_status(blk_status_t status)
{
	switch (status) {
	case BLK_STS_TRANSPORT:
	case BLK_STS_TIMEOUT:
	case BLK_STS_OFFLINE:
	case BLK_STS_AGAIN:
	case BLK_STS_RESOURCE:
	case BLK_STS_DEV_RESOURCE:
		return MPATH_PATH_FAILED;
	default:
		return MPATH_REJECTED;
	}
}

#if IS_ENABLED(CONFIG_SCSI)

struct mpath_dispositions {
	enum mpath_disposition first;	/* while SCSI would retry */
	enum mpath_disposition then;	/* afterwards */
};

#define WAIT		{ MPATH_TRY_LATER, MPATH_PATH_FAILED }
#define REPEAT		{ MPATH_TRY_AGAIN, MPATH_PATH_FAILED }
#define FAIL_PATH	{ MPATH_PATH_FAILED, MPATH_PATH_FAILED }
#define REJECT		{ MPATH_REJECTED, MPATH_REJECTED }

/* ---- 2. the host byte ---- */

/* The command did not end with an answer from the device. */
static struct mpath_dispositions host_dispositions(u8 host)
{
	/* SCSI retries a parity error, but not with REQ_FAILFAST_DEV. */
	if (host == DID_PARITY)
		return (struct mpath_dispositions)REPEAT;

	/*
	 * No connection, link lost, reset, aborted, timed out: we blame the path.
	 * SCSI has aborted a command that timed out before it completes our
	 * request.
	 */
	return (struct mpath_dispositions)FAIL_PATH;
}

/* ---- 3. the sense ---- */

#define ANY	0xff

/*
 * For some of these conditions SCSI waits or retries in spite of REQ_FAILFAST_DEV. Then
 * we see the error after SCSI has given up.  A flush with REQ_FAILFAST_DEV, however,
 * fails at once: rows that are marked "flush" make up for this.
 */
static const struct sense_row {
	u8 key, asc, from, to;	/* SPC-5; the qualifier is in [from, to] */
	bool flush;		/* matches a flush only */
	struct mpath_dispositions dispositions;
} sense_rows[] = {
	/* Becoming ready, or an operation is in progress, as an ALUA transition. */
	{ NOT_READY, 0x04, 0x01, 0x01, true, WAIT },
	{ NOT_READY, 0x04, 0x04, 0x0a, true, WAIT },
	{ NOT_READY, 0x04, 0x11, 0x11, true, WAIT },
	{ NOT_READY, 0x04, 0x14, 0x14, true, WAIT },
	{ NOT_READY, 0x04, 0x1a, 0x1b, true, WAIT },
	{ NOT_READY, 0x04, 0x1d, 0x1d, true, WAIT },
	/* Standby, unavailable, not ready for long: another controller may be ready. */
	{ NOT_READY, ANY, 0, ANY, false, FAIL_PATH },
	/* The device reports an event. It did not begin the command. */
	{ UNIT_ATTENTION, ANY, 0, ANY, true, REPEAT },
	/* SCSI has exhausted its own retries. */
	{ UNIT_ATTENTION, ANY, 0, ANY, false, FAIL_PATH },
	/* The device aborted the command, but may execute it the next time. */
	{ ABORTED_COMMAND, ANY, 0, ANY, false, REPEAT },
	/* No path can read these sectors. Most such errors have BLK_STS_MEDIUM. */
	{ MEDIUM_ERROR, ANY, 0, ANY, false, { MPATH_TRY_AGAIN, MPATH_PASS_UP } },
	/* This path does not lead to the logical unit (any more). */
	{ ILLEGAL_REQUEST, 0x25, 0x00, 0x00, false, FAIL_PATH },
	/* All others: the path fails, as with the stock target. */
	{ ANY, ANY, 0, ANY, false, REJECT },
};

static bool row_fits(const struct sense_row *row,
		     const struct scsi_sense_hdr *sense, bool flush)
{
	return (row->key == ANY || row->key == sense->sense_key) &&
	       (row->asc == ANY || row->asc == sense->asc) &&
	       row->from <= sense->ascq && sense->ascq <= row->to &&
	       (flush || !row->flush);
}

static struct mpath_dispositions sense_dispositions(struct scsi_cmnd *cmd, bool flush)
{
	const struct sense_row *row = sense_rows;
	struct scsi_sense_hdr sense;

	/* A status without sense data, for instance busy for too long. */
	if (!scsi_command_normalize_sense(cmd, &sense))
		return (struct mpath_dispositions)FAIL_PATH;
	/* The sense data are about an earlier command. This one did not begin. */
	if (scsi_sense_is_deferred(&sense))
		return (struct mpath_dispositions)REPEAT;

	while (!row_fits(row, &sense, flush))
		row++;
	return row->dispositions;
}

/*
 * With a deferred error the device reports the failure of an earlier command and does
 * not execute this one.  SCSI retries the command, but not with REQ_FAILFAST_DEV: then
 * the command fails.  A flush, however, has no bytes that could be left over, so that
 * SCSI completes it as successful.  We have to detect this ourselves.
 */
static bool is_deferred_error(struct request *clone)
{
	struct scsi_cmnd *cmd = blk_mq_rq_to_pdu(clone);
	struct scsi_sense_hdr sense;

	return dm_rq_scsi_prepared(clone) &&
	       host_byte(cmd->result) == DID_OK &&
	       scsi_status_is_check_condition(cmd->result) &&
	       scsi_command_normalize_sense(cmd, &sense) &&
	       scsi_sense_is_deferred(&sense);
}

/* Has the request been waiting for as long as SCSI would have retried it? */
static bool waited_enough(struct request *clone, struct request *rq)
{
	u64 limit = jiffies_to_nsecs(clone->timeout) * (TRIES + 1);
	u64 since = dm_rq_waiting_since(rq);

	return ktime_get_ns() - since > limit;
}

static enum mpath_disposition decide_scsi(struct request *clone, struct request *rq,
					  unsigned int repeats)
{
	struct scsi_cmnd *cmd = blk_mq_rq_to_pdu(clone);
	u8 host = host_byte(cmd->result);
	bool flush = req_op(clone) == REQ_OP_FLUSH;
	struct mpath_dispositions v;
	bool enough;

	/* The device's state refused the request before it became a command. */
	if (!dm_rq_scsi_prepared(clone))
		return MPATH_PATH_FAILED;

	v = host == DID_OK ? sense_dispositions(cmd, flush) : host_dispositions(host);
	if (v.first == MPATH_TRY_LATER)
		enough = waited_enough(clone, rq);
	else
		enough = repeats >= TRIES;
	return enough ? v.then : v.first;
}

/**
 * mpath_is_scsi() - do requests of a device carry a SCSI result and sense data?
 * @bdev: the device
 *
 * Context: process.
 */
bool mpath_is_scsi(struct block_device *bdev)
{
	struct device *parent = disk_to_dev(bdev->bd_disk)->parent;

	return parent && scsi_is_sdev_device(parent);
}

#else

static bool is_deferred_error(struct request *clone)
{
	return false;
}

static enum mpath_disposition decide_scsi(struct request *clone, struct request *rq,
					  unsigned int repeats)
{
	return MPATH_PATH_FAILED;
}

bool mpath_is_scsi(struct block_device *bdev)
{
	return false;
}

#endif

/**
 * mpath_decide_disposition() - decide about a failed request and its path
 * @clone: the clone, which has completed
 * @is_scsi: mpath_is_scsi() of its device
 * @status: its status; one for which mpath_is_path_error() is true
 * @rq: the request that it is a clone of
 * @repeats: how often a device has asked for another try of this request
 *
 * Context: any, hard irq included.
 */
enum mpath_disposition mpath_decide_disposition(struct request *clone, bool is_scsi,
						blk_status_t status, struct request *rq,
						unsigned int repeats)
{
	if (is_scsi && status == BLK_STS_IOERR)
		return decide_scsi(clone, rq, repeats);
	return decide_status(status);
}

/**
 * mpath_was_flushed() - did the device execute a flush that completed successfully?
 * @clone: the flush, which completed with BLK_STS_OK
 * @is_scsi: mpath_is_scsi() of its device
 *
 * Context: any, hard irq included.
 * Return: false if the device reported the deferred error of an earlier command
 * instead. Then mpath_decide_disposition() with BLK_STS_IOERR decides about the flush.
 */
bool mpath_was_flushed(struct request *clone, bool is_scsi)
{
	return !is_scsi || !is_deferred_error(clone);
}
