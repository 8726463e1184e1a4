/* SPDX-License-Identifier: GPL-2.0-only */
/* KUnit suites: wait for a condition, in the kernel's time. */
#ifndef DM_WAIT_KUNIT_H
#define DM_WAIT_KUNIT_H

#include <linux/jiffies.h>
#include <linux/sched.h>

/* Sleep for a tick.  Return false if @end has passed. */
static inline bool tick_before(unsigned long end)
{
	if (!time_before(jiffies, end))
		return false;
	schedule_timeout_uninterruptible(1);
	return true;
}

/* Wait until @cond is true.  False: @cond stayed false for 20 s. */
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
