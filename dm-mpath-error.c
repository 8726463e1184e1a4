// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose fault is an error: the path's, or the data's?  One table.
 */

#include "dm-mpath.h"
#include "dm-rq-compat.h"

/**
 * mpath_is_path_error() - could another path give a better answer?
 * @status: what a clone ended with; not BLK_STS_OK
 *
 * Context: any, hard irq included.
 * Return: true if the path is to blame: it fails, and the request goes to another
 * one.  False if the device has answered: every path would say the same.
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
