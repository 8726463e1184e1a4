// SPDX-License-Identifier: GPL-2.0-only
/*
 * rqt-deferred: turn sense data with the qualifier 0x71 into a deferred error.
 *
 * A test can set the sense key and the codes of scsi_debug, but not the
 * response code.  We change the response code before SCSI evaluates the sense
 * data.  Thus an error for which the test sets the ASCQ 0x71 becomes an error
 * of an earlier command (response code 0x71 for 0x70, 0x73 for 0x72).
 */

#include <linux/kprobes.h>
#include <linux/module.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_eh.h>

#define MAGIC_ASCQ	0x71

/* Entry of scsi_decide_disposition(struct scsi_cmnd *). */
static int defer(struct kprobe *probe, struct pt_regs *regs)
{
	struct scsi_cmnd *cmd = (struct scsi_cmnd *)regs_get_kernel_argument(regs, 0);
	struct scsi_sense_hdr sense;

	if (scsi_status_is_check_condition(cmd->result) &&
	    scsi_command_normalize_sense(cmd, &sense) &&
	    sense.ascq == MAGIC_ASCQ)
		cmd->sense_buffer[0] |= 1;
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "scsi_decide_disposition",
	.pre_handler = defer,
};

static int __init deferred_init(void)
{
	return register_kprobe(&probe);
}

static void __exit deferred_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(deferred_init);
module_exit(deferred_exit);

MODULE_DESCRIPTION("Deferred SCSI errors for tests");
MODULE_LICENSE("GPL");
