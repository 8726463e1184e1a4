/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments of tables and messages, shared by the multipath target and the path
 * selectors: both parse parts of the same table.
 *
 * dm_read_arg() of device-mapper does not fit.  Selectors get argc and argv
 * instead of a struct dm_arg_set, and its sscanf() silently wraps a number of
 * more than 32 bits instead of rejecting it.
 */
#ifndef DM_ARG_H
#define DM_ARG_H

#include <linux/ctype.h>
#include <linux/kstrtox.h>

/**
 * dm_arg_uint() - convert an argument to an unsigned number
 * @arg: decimal digits; a sign, which kstrtouint() alone accepts, is an error
 * @value: the number; unchanged on error
 *
 * Context: any.
 * Return: 0, -EINVAL or -ERANGE.
 */
static inline int dm_arg_uint(const char *arg, unsigned int *value)
{
	return isdigit(*arg) ? kstrtouint(arg, 10, value) : -EINVAL;
}

#endif /* DM_ARG_H */
