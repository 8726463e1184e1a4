// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of mpath/error.c: each row of its tables, and the cases outside
 * of them.
 *
 * suite: dm_mpath_error		disposition by status, host byte and sense
 */

#include <kunit/test.h>
#include <linux/blk-mq.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_common.h>

#include "mpath/mpath.h"
#include "dm-rq-blk.h"

/* The number of retries; rows with "first" and "then" differ from there on. */
#define TRIES	5

/* A failed clone, with the command of a SCSI disk. */
struct failed {
	struct request clone;
	struct scsi_cmnd cmd;
	struct request rq;
	unsigned int repeats;
	u8 sense[SCSI_SENSE_BUFFERSIZE];
};

/* The driver's data are behind the request. */
static_assert(offsetof(struct failed, cmd) == sizeof(struct request));

static struct failed *failed_command(struct kunit *test, blk_opf_t opf)
{
	struct failed *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->clone.cmd_flags = opf;
	f->clone.rq_flags = RQF_DONTPREP;
	f->clone.timeout = 30 * HZ;
	f->cmd.sense_buffer = f->sense;
	f->rq.cmd_flags = opf;
	if (opf == REQ_OP_FLUSH)
		f->rq.rq_flags = RQF_FLUSH_SEQ;
	f->rq.start_time_ns = ktime_get_ns();
	return f;
}

static enum mpath_disposition judge(struct failed *f)
{
	return mpath_decide_disposition(&f->clone, true, BLK_STS_IOERR, &f->rq, f->repeats);
}

/* ---- the status ---- */

struct status_param {
	const char *name;
	blk_status_t status;
	bool path_error;
	enum mpath_disposition disposition;
};

static const struct status_param status_params[] = {
	{ "NOTSUPP", BLK_STS_NOTSUPP, false },
	{ "NOSPC", BLK_STS_NOSPC, false },
	{ "TARGET", BLK_STS_TARGET, false },
	{ "MEDIUM", BLK_STS_MEDIUM, false },
	{ "PROTECTION", BLK_STS_PROTECTION, false },
	{ "RESV_CONFLICT", BLK_STS_RESV_CONFLICT, false },
	{ "INVAL", BLK_STS_INVAL, false },
	{ "TRANSPORT", BLK_STS_TRANSPORT, true, MPATH_PATH_FAILED },
	{ "TIMEOUT", BLK_STS_TIMEOUT, true, MPATH_PATH_FAILED },
	{ "OFFLINE", BLK_STS_OFFLINE, true, MPATH_PATH_FAILED },
	{ "AGAIN", BLK_STS_AGAIN, true, MPATH_PATH_FAILED },
	{ "RESOURCE", BLK_STS_RESOURCE, true, MPATH_PATH_FAILED },
	{ "DEV_RESOURCE", BLK_STS_DEV_RESOURCE, true, MPATH_PATH_FAILED },
	{ "IOERR", BLK_STS_IOERR, true, MPATH_REJECTED },
	{ "DM_REQUEUE", BLK_STS_DM_REQUEUE, true, MPATH_REJECTED },
	{ "ZONE_OPEN_RESOURCE", BLK_STS_ZONE_OPEN_RESOURCE, true, MPATH_REJECTED },
	{ "ZONE_ACTIVE_RESOURCE", BLK_STS_ZONE_ACTIVE_RESOURCE, true, MPATH_REJECTED },
	{ "DURATION_LIMIT", BLK_STS_DURATION_LIMIT, true, MPATH_REJECTED },
	{ "unknown", (__force blk_status_t)0xff, true, MPATH_REJECTED },
};

KUNIT_ARRAY_PARAM_DESC(status, status_params, name);

/*
 * Errors of the device are passed up. For all other errors, the status decides
 * the disposition.
 */
static void status_test(struct kunit *test)
{
	const struct status_param *p = test->param_value;
	struct failed *f = failed_command(test, REQ_OP_READ);

	KUNIT_EXPECT_EQ(test, mpath_is_path_error(p->status), p->path_error);
	if (!p->path_error)
		return;
	KUNIT_EXPECT_EQ(test, (int)mpath_decide_disposition(&f->clone, false, p->status,
							    &f->rq, 0),
			(int)p->disposition);
	/* We only look at the SCSI result if the status is unspecific. */
	f->cmd.result = DID_PARITY << 16;
	if (p->status != BLK_STS_IOERR)
		KUNIT_EXPECT_EQ(test, (int)mpath_decide_disposition(&f->clone, true, p->status,
								    &f->rq, 0),
				(int)p->disposition);
}

/* ---- the host byte ---- */

struct mpath_dispositions {
	enum mpath_disposition first, then;
};

struct disposition_param {
	const char *name;
	u8 host;
	u8 key, asc, ascq;
	bool flush;
	struct mpath_dispositions dispositions;
};

#define FAILS		{ MPATH_PATH_FAILED, MPATH_PATH_FAILED }
#define REPEATS		{ MPATH_TRY_AGAIN, MPATH_PATH_FAILED }
#define MEDIUM		{ MPATH_TRY_AGAIN, MPATH_PASS_UP }
#define REJECTS		{ MPATH_REJECTED, MPATH_REJECTED }
#define HOST(host, ...)	{ #host, host, .dispositions = __VA_ARGS__ }

static const struct disposition_param host_params[] = {
	HOST(DID_NO_CONNECT, FAILS),
	HOST(DID_BUS_BUSY, FAILS),
	HOST(DID_TIME_OUT, FAILS),
	HOST(DID_BAD_TARGET, FAILS),
	HOST(DID_ABORT, FAILS),
	HOST(DID_PARITY, REPEATS),
	HOST(DID_ERROR, FAILS),
	HOST(DID_RESET, FAILS),
	HOST(DID_BAD_INTR, FAILS),
	HOST(DID_SOFT_ERROR, FAILS),
	HOST(DID_IMM_RETRY, FAILS),
	HOST(DID_REQUEUE, FAILS),
	HOST(DID_TRANSPORT_DISRUPTED, FAILS),
	HOST(DID_TRANSPORT_FAILFAST, FAILS),
	HOST(DID_TRANSPORT_MARGINAL, FAILS),
};

KUNIT_ARRAY_PARAM_DESC(host, host_params, name);

static void expect_dispositions(struct kunit *test, struct failed *f,
				const struct mpath_dispositions *v)
{
	static const unsigned int later[] = { TRIES, TRIES + 1, MPATH_MAX_REPEATS };
	int i;

	f->repeats = 0;
	KUNIT_EXPECT_EQ(test, (int)judge(f), (int)v->first);
	f->repeats = TRIES - 1;
	KUNIT_EXPECT_EQ(test, (int)judge(f), (int)v->first);
	for (i = 0; i < ARRAY_SIZE(later); i++) {
		f->repeats = later[i];
		KUNIT_EXPECT_EQ(test, (int)judge(f), (int)v->then);
	}
}

/* With an error of the transport, the sense is ignored. */
static void host_test(struct kunit *test)
{
	const struct disposition_param *p = test->param_value;
	struct failed *f = failed_command(test, REQ_OP_READ);

	f->cmd.result = p->host << 16;
	expect_dispositions(test, f, &p->dispositions);
	scsi_build_sense_buffer(0, f->sense, MEDIUM_ERROR, 0x11, 0);
	expect_dispositions(test, f, &p->dispositions);
}

/* ---- the sense ---- */

static const struct disposition_param sense_params[] = {
	{ "standby", 0, NOT_READY, 0x04, 0x0b, false, FAILS },
	{ "not_ready_no_medium", 0, NOT_READY, 0x3a, 0x00, false, FAILS },
	{ "becoming_ready_read", 0, NOT_READY, 0x04, 0x01, false, FAILS },
	{ "transition_read", 0, NOT_READY, 0x04, 0x0a, false, FAILS },
	{ "needs_start_flush", 0, NOT_READY, 0x04, 0x02, true, FAILS },
	{ "manual_flush", 0, NOT_READY, 0x04, 0x03, true, FAILS },
	{ "standby_flush", 0, NOT_READY, 0x04, 0x0b, true, FAILS },
	{ "unavailable_flush", 0, NOT_READY, 0x04, 0x0c, true, FAILS },
	{ "not_ready_10_flush", 0, NOT_READY, 0x04, 0x10, true, FAILS },
	{ "not_ready_12_flush", 0, NOT_READY, 0x04, 0x12, true, FAILS },
	{ "not_ready_13_flush", 0, NOT_READY, 0x04, 0x13, true, FAILS },
	{ "not_ready_15_flush", 0, NOT_READY, 0x04, 0x15, true, FAILS },
	{ "not_ready_19_flush", 0, NOT_READY, 0x04, 0x19, true, FAILS },
	{ "not_ready_1c_flush", 0, NOT_READY, 0x04, 0x1c, true, FAILS },
	{ "not_ready_1e_flush", 0, NOT_READY, 0x04, 0x1e, true, FAILS },
	{ "not_ready_00_flush", 0, NOT_READY, 0x04, 0x00, true, FAILS },
	{ "not_ready_ff_flush", 0, NOT_READY, 0x04, 0xff, true, FAILS },
	{ "not_ready_other_flush", 0, NOT_READY, 0x05, 0x01, true, FAILS },
	{ "attention_read", 0, UNIT_ATTENTION, 0x29, 0x00, false, FAILS },
	{ "attention_flush", 0, UNIT_ATTENTION, 0x29, 0x00, true, REPEATS },
	{ "attention_any_flush", 0, UNIT_ATTENTION, 0xff, 0xff, true, REPEATS },
	{ "aborted", 0, ABORTED_COMMAND, 0x47, 0x00, false, REPEATS },
	{ "aborted_flush", 0, ABORTED_COMMAND, 0x00, 0x00, true, REPEATS },
	{ "medium", 0, MEDIUM_ERROR, 0x11, 0x00, false, MEDIUM },
	{ "medium_write", 0, MEDIUM_ERROR, 0x0c, 0x02, true, MEDIUM },
	{ "no_such_unit", 0, ILLEGAL_REQUEST, 0x25, 0x00, false, FAILS },
	{ "no_such_unit_01", 0, ILLEGAL_REQUEST, 0x25, 0x01, false, REJECTS },
	{ "illegal_field", 0, ILLEGAL_REQUEST, 0x24, 0x00, false, REJECTS },
	{ "illegal_field_flush", 0, ILLEGAL_REQUEST, 0x24, 0x00, true, REJECTS },
	{ "hardware", 0, HARDWARE_ERROR, 0x44, 0x00, false, REJECTS },
	{ "no_sense_key", 0, NO_SENSE, 0x00, 0x00, false, REJECTS },
	{ "recovered", 0, RECOVERED_ERROR, 0x17, 0x00, false, REJECTS },
	{ "protect", 0, DATA_PROTECT, 0x27, 0x00, false, REJECTS },
	{ "blank", 0, BLANK_CHECK, 0x00, 0x00, false, REJECTS },
	{ "vendor", 0, 0x09, 0x80, 0x00, false, REJECTS },
	{ "overflow", 0, VOLUME_OVERFLOW, 0x00, 0x00, false, REJECTS },
	{ "miscompare", 0, MISCOMPARE, 0x1d, 0x00, false, REJECTS },
};

KUNIT_ARRAY_PARAM_DESC(sense, sense_params, name);

/* Both formats of the sense have the same disposition. */
static void sense_test(struct kunit *test)
{
	const struct disposition_param *p = test->param_value;
	struct failed *f = failed_command(test, p->flush ? REQ_OP_FLUSH : REQ_OP_READ);
	int desc;

	for (desc = 0; desc < 2; desc++) {
		memset(f->sense, 0, sizeof(f->sense));
		scsi_build_sense_buffer(desc, f->sense, p->key, p->asc, p->ascq);
		expect_dispositions(test, f, &p->dispositions);
	}
}

/* If there is no sense, or only garbage, the path fails. */
static void no_sense_test(struct kunit *test)
{
	static const struct mpath_dispositions fails = FAILS;
	struct failed *f = failed_command(test, REQ_OP_READ);

	expect_dispositions(test, f, &fails);
	memset(f->sense, 0xff, sizeof(f->sense));
	f->sense[0] = 0x50;
	expect_dispositions(test, f, &fails);
}

/* ---- deferred errors: the sense is that of an earlier command ---- */

/* The response codes are 0x70 and 0x72, or 0x71 and 0x73 if it is deferred. */
static void build_sense(struct failed *f, bool desc, bool deferred,
			const struct disposition_param *p)
{
	memset(f->sense, 0, sizeof(f->sense));
	scsi_build_sense_buffer(desc, f->sense, p->key, p->asc, p->ascq);
	f->sense[0] += deferred;
}

/* A command with deferred sense is retried, whatever the sense is. */
static void deferred_test(struct kunit *test)
{
	static const struct mpath_dispositions repeats = REPEATS;
	const struct disposition_param *p = test->param_value;
	struct failed *f = failed_command(test, p->flush ? REQ_OP_FLUSH : REQ_OP_READ);
	int desc;

	f->cmd.result = SAM_STAT_CHECK_CONDITION;
	for (desc = 0; desc < 2; desc++) {
		build_sense(f, desc, true, p);
		KUNIT_ASSERT_EQ(test, f->sense[0], desc ? 0x73 : 0x71);
		expect_dispositions(test, f, &repeats);
	}
}

/*
 * SCSI completes a flush with deferred sense without an error, although the
 * device did not carry it out.
 */
static void deferred_flush_test(struct kunit *test)
{
	const struct disposition_param *p = test->param_value;
	struct failed *f = failed_command(test, REQ_OP_FLUSH);
	int desc;

	f->cmd.result = SAM_STAT_CHECK_CONDITION;
	for (desc = 0; desc < 2; desc++) {
		build_sense(f, desc, true, p);
		KUNIT_EXPECT_FALSE(test, mpath_was_flushed(&f->clone, true));
		build_sense(f, desc, false, p);
		KUNIT_EXPECT_TRUE(test, mpath_was_flushed(&f->clone, true));
	}
}

/* Only the sense of this flush counts, not an old one in the buffer. */
static void flush_without_sense_test(struct kunit *test)
{
	static const struct disposition_param medium = { .key = MEDIUM_ERROR, .asc = 0x0c };
	struct failed *f = failed_command(test, REQ_OP_FLUSH);

	KUNIT_EXPECT_TRUE(test, mpath_was_flushed(&f->clone, true));
	f->cmd.result = SAM_STAT_CHECK_CONDITION;
	KUNIT_EXPECT_TRUE(test, mpath_was_flushed(&f->clone, true));
	build_sense(f, false, true, &medium);
	KUNIT_EXPECT_FALSE(test, mpath_was_flushed(&f->clone, true));

	KUNIT_EXPECT_TRUE(test, mpath_was_flushed(&f->clone, false));
	f->cmd.result = SAM_STAT_GOOD;
	KUNIT_EXPECT_TRUE(test, mpath_was_flushed(&f->clone, true));
	f->cmd.result = DID_RESET << 16 | SAM_STAT_CHECK_CONDITION;
	KUNIT_EXPECT_TRUE(test, mpath_was_flushed(&f->clone, true));
	f->cmd.result = SAM_STAT_CHECK_CONDITION;
	f->clone.rq_flags &= ~RQF_DONTPREP;
	KUNIT_EXPECT_TRUE(test, mpath_was_flushed(&f->clone, true));
}

static const u8 waits[] = { 0x01, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x11,
			    0x14, 0x1a, 0x1b, 0x1d };

/* A flush waits for a device to become ready, as long as SCSI would. */
static void wait_test(struct kunit *test)
{
	struct failed *f = failed_command(test, REQ_OP_FLUSH);
	u64 limit = (TRIES + 1) * 30ULL * NSEC_PER_SEC;
	int i;

	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		scsi_build_sense_buffer(0, f->sense, NOT_READY, 0x04, waits[i]);
		/* The time decides, not the number of retries. */
		for (f->repeats = 0; f->repeats < MPATH_MAX_REPEATS; f->repeats += 25) {
			f->rq.start_time_ns = ktime_get_ns();
			KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_TRY_LATER);
			f->rq.start_time_ns -= limit - NSEC_PER_SEC;
			KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_TRY_LATER);
			f->rq.start_time_ns -= 2 * NSEC_PER_SEC;
			KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_PATH_FAILED);
		}
	}
}

/*
 * If the block layer has not set the time of the request, then the field may be 0 or have
 * the time of an earlier request, and the wait begins now.
 */
static void wait_without_time_test(struct kunit *test)
{
	struct failed *f = failed_command(test, REQ_OP_FLUSH);
	u64 limit = (TRIES + 1) * 30ULL * NSEC_PER_SEC;
	const u64 stale[] = { 0, ktime_get_ns() - 2 * limit };
	int i;

	scsi_build_sense_buffer(0, f->sense, NOT_READY, 0x04, waits[0]);
	for (i = 0; i < ARRAY_SIZE(stale); i++) {
		f->rq.rq_flags = 0;
		f->rq.start_time_ns = stale[i];
		KUNIT_EXPECT_EQ(test, dm_rq_start_time_ns(&f->rq), 0);
		KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_TRY_LATER);
		KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_TRY_LATER);
		f->rq.start_time_ns -= limit + NSEC_PER_SEC;
		KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_PATH_FAILED);
	}
	f->rq.rq_flags = RQF_IO_STAT;
	f->rq.start_time_ns = ktime_get_ns();
	KUNIT_EXPECT_EQ(test, dm_rq_start_time_ns(&f->rq), f->rq.start_time_ns);
	KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_TRY_LATER);
}

/* A request that was never prepared as a command has no result. */
static void not_prepared_test(struct kunit *test)
{
	struct failed *f = failed_command(test, REQ_OP_READ);

	scsi_build_sense_buffer(0, f->sense, MEDIUM_ERROR, 0x11, 0);
	f->clone.rq_flags &= ~RQF_DONTPREP;
	KUNIT_EXPECT_EQ(test, (int)judge(f), (int)MPATH_PATH_FAILED);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(status_test, status_gen_params),
	KUNIT_CASE_PARAM(host_test, host_gen_params),
	KUNIT_CASE_PARAM(sense_test, sense_gen_params),
	KUNIT_CASE(no_sense_test),
	KUNIT_CASE_PARAM(deferred_test, sense_gen_params),
	KUNIT_CASE_PARAM(deferred_flush_test, sense_gen_params),
	KUNIT_CASE(flush_without_sense_test),
	KUNIT_CASE(wait_test),
	KUNIT_CASE(wait_without_time_test),
	KUNIT_CASE(not_prepared_test),
	{}
};

static struct kunit_suite suite = {
	.name = "dm_mpath_error",
	.test_cases = cases,
};

kunit_test_suite(suite);
