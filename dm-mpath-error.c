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
 * retried here (MPATH_TRY_AGAIN, as often as there): on a path that answers.
 */

#include <linux/blk-mq.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_eh.h>

#include "dm-mpath.h"
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

/* ---- 2. the host byte ---- */

struct verdicts {
	enum mpath_verdict first;	/* up to TRIES times */
	enum mpath_verdict then;
};

/* The command did not end with an answer of the device's. */
static struct verdicts host_verdicts(u8 host)
{
	/* Garbled on the way; SCSI retries that, but not with REQ_FAILFAST_DEV. */
	if (host == DID_PARITY)
		return (struct verdicts){ MPATH_TRY_AGAIN, MPATH_PATH_FAILED };

	/*
	 * No connection, link lost, reset, aborted, timed out: the way there.  A
	 * command that timed out has been aborted before it came back to us.
	 */
	return (struct verdicts){ MPATH_PATH_FAILED, MPATH_PATH_FAILED };
}

/* ---- 3. the sense ---- */

#define ANY	0xff

static const struct sense_row {
	u8 key, asc, ascq;	/* SPC, "Sense key and additional sense code" */
	struct verdicts verdicts;
} sense_rows[] = {
	/* Another controller may be ready: standby, unavailable, becoming ready. */
	{ NOT_READY,	   ANY,  ANY, { MPATH_PATH_FAILED, MPATH_PATH_FAILED } },
	/* News, not an error; the command did not begin. */
	{ UNIT_ATTENTION,  ANY,  ANY, { MPATH_TRY_AGAIN, MPATH_PATH_FAILED } },
	/* The device gave up on it, and may not the next time. */
	{ ABORTED_COMMAND, ANY,  ANY, { MPATH_TRY_AGAIN, MPATH_PATH_FAILED } },
	/* The place is bad by every path; most of these have a status of their own. */
	{ MEDIUM_ERROR,	   ANY,  ANY, { MPATH_TRY_AGAIN, MPATH_PASS_UP } },
	/* This path does not lead to that unit (any more). */
	{ ILLEGAL_REQUEST, 0x25, 0,   { MPATH_PATH_FAILED, MPATH_PATH_FAILED } },
	/* As the stock target: the path fails. */
	{ HARDWARE_ERROR,  ANY,  ANY, { MPATH_REJECTED, MPATH_REJECTED } },
	{ ILLEGAL_REQUEST, ANY,  ANY, { MPATH_REJECTED, MPATH_REJECTED } },
	{ ANY,		   ANY,  ANY, { MPATH_REJECTED, MPATH_REJECTED } },
};

static bool row_fits(const struct sense_row *row,
		     const struct scsi_sense_hdr *sense)
{
	return (row->key == ANY || row->key == sense->sense_key) &&
	       (row->asc == ANY || row->asc == sense->asc) &&
	       (row->ascq == ANY || row->ascq == sense->ascq);
}

static struct verdicts sense_verdicts(struct scsi_cmnd *cmd)
{
	const struct sense_row *row = sense_rows;
	struct scsi_sense_hdr sense;

	/* A status without sense: busy for too long, for instance. */
	if (!scsi_command_normalize_sense(cmd, &sense))
		return (struct verdicts){ MPATH_PATH_FAILED, MPATH_PATH_FAILED };
	/* It is about an earlier command; this one did not begin. */
	if (scsi_sense_is_deferred(&sense))
		return (struct verdicts){ MPATH_TRY_AGAIN, MPATH_PATH_FAILED };

	while (!row_fits(row, &sense))
		row++;
	return row->verdicts;
}

static enum mpath_verdict judge_scsi(struct request *clone, unsigned int tries)
{
	struct scsi_cmnd *cmd = blk_mq_rq_to_pdu(clone);
	u8 host = host_byte(cmd->result);
	struct verdicts v;

	/* Refused before it was a command, by the state of the device. */
	if (!(clone->rq_flags & RQF_DONTPREP))
		return MPATH_PATH_FAILED;

	v = host == DID_OK ? sense_verdicts(cmd) : host_verdicts(host);
	return tries < TRIES ? v.first : v.then;
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

static enum mpath_verdict judge_scsi(struct request *clone, unsigned int tries)
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
 * @tries: how often the request has been mapped again
 *
 * Context: any, hard irq included.
 */
enum mpath_verdict mpath_judge(struct request *clone, bool is_scsi,
			       blk_status_t status, unsigned int tries)
{
	if (is_scsi && status == BLK_STS_IOERR)
		return judge_scsi(clone, tries);
	return judge_status(status);
}
