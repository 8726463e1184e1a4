/* SPDX-License-Identifier: GPL-2.0-only */
/* For suites: waiting until something comes, in the kernel's time. */
#ifndef DM_WAIT_KUNIT_H
#define DM_WAIT_KUNIT_H

#include <linux/jiffies.h>
#include <linux/sched.h>

/* Lets a tick pass, unless @end has come. */
static inline bool tick_before(unsigned long end)
{
	if (!time_before(jiffies, end))
		return false;
	schedule_timeout_uninterruptible(1);
	return true;
}

/* True once @cond is; false if it is not within 20 s. */
#define COMES(cond)							\
({									\
	unsigned long __end = jiffies + 20 * HZ;			\
	bool __came;							\
									\
	do {								\
		__came = (cond);					\
	} while (!__came && tick_before(__end));			\
	__came;								\
})

#endif /* DM_WAIT_KUNIT_H */
