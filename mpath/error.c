// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a status, and the SCSI result and sense behind it, to a verdict: whose fault
 * is an error, and so what becomes of the request?
 *
 * Three tables, each read from the top, the first row that fits counts:
 *
 *	1. the block layer's status: what is passed up, whatever is behind it;
 *	2. for a SCSI path, the host byte: did the command reach the device at all?
 *	3. and if so, sense key and codes: what did the device say?
 *
 * The stock target sees only the status, and fails the path for all that (1) does not
 * list.  Requests to SCSI paths carry REQ_FAILFAST_DEV, so what SCSI would have
 * retried on the same path after a check condition, before a status came of it, is
 * retried here (MPATH_TRY_AGAIN, as often as there).  A time-out is not: the next
 * path gets that request.
 */

#include <linux/blk-mq.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_eh.h>

#include "mpath/mpath.h"
#include "dm-rq-compat.h"

/* As often as SCSI retries a command on a disk (SD_MAX_RETRIES). */
#define TRIES	5

/* ---- 1. the status ---- */

/**
 * mpath_is_path_error() - could another path give a better answer?
 * @status: what a clone ended with; not BLK_STS_OK
 *
 * Context: any, hard irq included.
 * Return: true if the path may be to blame, and mpath_judge() is to be asked. False if
 * the device has answered: every path would say the same.
 */
bool mpath_is_path_error(blk_status_t status)
{
	switch (status) {
	case BLK_STS_NOTSUPP:		/* the device does not know the command */
	case BLK_STS_NOSPC:		/* it is full (thin provisioning) */
	case BLK_STS_TARGET:		/* it failed the command, for good */
	case BLK_STS_MEDIUM:		/* it cannot read that place */
	case BLK_STS_PROTECTION:	/* the data do not match their checksum */
	case BLK_STS_RESV_CONFLICT:	/* another host has reserved it */
		return false;
	default:
		return true;
	}
}

/* What is a transport's, for paths that say no more than a status. */
static enum mpath_verdict judge_status(blk_status_t status)
{
	switch (status) {
	case BLK_STS_TRANSPORT:		/* the link, or the fabric */
	case BLK_STS_TIMEOUT:		/* no answer */
	case BLK_STS_OFFLINE:		/* nobody there */
	case BLK_STS_AGAIN:
	case BLK_STS_RESOURCE:
	case BLK_STS_DEV_RESOURCE:
		return MPATH_PATH_FAILED;
	default:
		return MPATH_REJECTED;
	}
}

#if IS_ENABLED(CONFIG_SCSI)

struct verdicts {
	enum mpath_verdict first;	/* as long as SCSI would try */
	enum mpath_verdict then;
};

#define WAIT		{ MPATH_TRY_LATER, MPATH_PATH_FAILED }
#define REPEAT		{ MPATH_TRY_AGAIN, MPATH_PATH_FAILED }
#define FAIL_PATH	{ MPATH_PATH_FAILED, MPATH_PATH_FAILED }
#define REJECT		{ MPATH_REJECTED, MPATH_REJECTED }

/* ---- 2. the host byte ---- */

/* The command did not end with an answer of the device's. */
static struct verdicts host_verdicts(u8 host)
{
	/* Garbled on the way; SCSI retries that, but not with REQ_FAILFAST_DEV. */
	if (host == DID_PARITY)
		return (struct verdicts)REPEAT;

	/*
	 * No connection, link lost, reset, aborted, timed out: the way there.  A
	 * command that timed out has been aborted before it came back to us.
	 */
	return (struct verdicts)FAIL_PATH;
}

/* ---- 3. the sense ---- */

#define ANY	0xff

/*
 * Some of it SCSI waits for, or repeats, whatever the flags: that comes to us when it
 * has given up.  Not so for a flush: with REQ_FAILFAST_DEV it ends at once.
 */
static const struct sense_row {
	u8 key, asc, from, to;	/* SPC; the qualifier is in [from, to] */
	bool flush;		/* only for a flush */
	struct verdicts verdicts;
} sense_rows[] = {
	/* Becoming ready; an operation is in progress, ALUA transition is one. */
	{ NOT_READY, 0x04, 0x01, 0x01, true, WAIT },
	{ NOT_READY, 0x04, 0x04, 0x0a, true, WAIT },
	{ NOT_READY, 0x04, 0x11, 0x11, true, WAIT },
	{ NOT_READY, 0x04, 0x14, 0x14, true, WAIT },
	{ NOT_READY, 0x04, 0x1a, 0x1b, true, WAIT },
	{ NOT_READY, 0x04, 0x1d, 0x1d, true, WAIT },
	/* Another controller may be ready: standby, unavailable, still not ready. */
	{ NOT_READY, ANY, 0, ANY, false, FAIL_PATH },
	/* News, not an error; the command did not begin. */
	{ UNIT_ATTENTION, ANY, 0, ANY, true, REPEAT },
	/* News without end. */
	{ UNIT_ATTENTION, ANY, 0, ANY, false, FAIL_PATH },
	/* The device gave up on it, and may not the next time. */
	{ ABORTED_COMMAND, ANY, 0, ANY, false, REPEAT },
	/* The place is bad by every path; most of these have a status of their own. */
	{ MEDIUM_ERROR, ANY, 0, ANY, false, { MPATH_TRY_AGAIN, MPATH_PASS_UP } },
	/* This path does not lead to that unit (any more). */
	{ ILLEGAL_REQUEST, 0x25, 0x00, 0x00, false, FAIL_PATH },
	/* As the stock target: the path fails. */
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

static struct verdicts sense_verdicts(struct scsi_cmnd *cmd, bool flush)
{
	const struct sense_row *row = sense_rows;
	struct scsi_sense_hdr sense;

	/* A status without sense: busy for too long, for instance. */
	if (!scsi_command_normalize_sense(cmd, &sense))
		return (struct verdicts)FAIL_PATH;
	/* It is about an earlier command; this one did not begin. */
	if (scsi_sense_is_deferred(&sense))
		return (struct verdicts)REPEAT;

	while (!row_fits(row, &sense, flush))
		row++;
	return row->verdicts;
}

/*
 * A deferred error is news of an earlier command, in place of carrying out this one.
 * SCSI repeats the command.  With REQ_FAILFAST_DEV it does not, and makes an error of
 * it; but not for a flush, which has no bytes that could be left to do: that ends well.
 */
static bool is_deferred_error(struct request *clone)
{
	struct scsi_cmnd *cmd = blk_mq_rq_to_pdu(clone);
	struct scsi_sense_hdr sense;

	return (clone->rq_flags & RQF_DONTPREP) &&
	       host_byte(cmd->result) == DID_OK &&
	       scsi_status_is_check_condition(cmd->result) &&
	       scsi_command_normalize_sense(cmd, &sense) &&
	       scsi_sense_is_deferred(&sense);
}

/* SCSI gives a command so long in all. */
static bool waited_enough(struct request *clone, struct request *rq)
{
	u64 limit = jiffies_to_nsecs(clone->timeout) * (TRIES + 1);

	return ktime_get_ns() - rq->start_time_ns > limit;
}

static enum mpath_verdict judge_scsi(struct request *clone,
				     const struct dm_rq_io *io)
{
	struct scsi_cmnd *cmd = blk_mq_rq_to_pdu(clone);
	u8 host = host_byte(cmd->result);
	bool flush = req_op(clone) == REQ_OP_FLUSH;
	struct verdicts v;
	bool enough;

	/* Refused before it was a command, by the state of the device. */
	if (!(clone->rq_flags & RQF_DONTPREP))
		return MPATH_PATH_FAILED;

	v = host == DID_OK ? sense_verdicts(cmd, flush) : host_verdicts(host);
	if (v.first == MPATH_TRY_LATER)
		enough = waited_enough(clone, dm_rq_request(io));
	else
		enough = io->tries >= TRIES;
	return enough ? v.then : v.first;
}

/**
 * mpath_is_scsi() - do requests of this device carry a SCSI result and sense?
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

static enum mpath_verdict judge_scsi(struct request *clone,
				     const struct dm_rq_io *io)
{
	return MPATH_PATH_FAILED;
}

bool mpath_is_scsi(struct block_device *bdev)
{
	return false;
}

#endif

/**
 * mpath_judge() - whose fault is it?
 * @clone: the request that failed, at its end
 * @is_scsi: mpath_is_scsi() of its device
 * @status: how; one for which mpath_is_path_error() is true
 * @io: the request it is the clone of
 *
 * Context: any, hard irq included.
 */
enum mpath_verdict mpath_judge(struct request *clone, bool is_scsi,
			       blk_status_t status, const struct dm_rq_io *io)
{
	if (is_scsi && status == BLK_STS_IOERR)
		return judge_scsi(clone, io);
	return judge_status(status);
}

/**
 * mpath_was_flushed() - has the device carried out a flush that ended well?
 * @clone: the flush, at its end, which was BLK_STS_OK
 * @is_scsi: mpath_is_scsi() of its device
 *
 * Context: any, hard irq included.
 * Return: false if the device had an error of an earlier command to tell instead. Then
 * mpath_judge() with BLK_STS_IOERR says what becomes of the flush.
 */
bool mpath_was_flushed(struct request *clone, bool is_scsi)
{
	return !is_scsi || !is_deferred_error(clone);
}
