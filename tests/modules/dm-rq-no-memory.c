// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make blk_rq_prep_clone() fail with -ENOMEM in every n-th call: Debian's
 * kernels have no fault injection, and a test cannot provoke such a memory
 * shortage.
 *
 * A kprobe at the first instruction of the function redirects the call to
 * another function.
 */

#include <linux/kprobes.h>
#include <linux/module.h>

static unsigned int every = 1;
module_param(every, uint, 0644);
MODULE_PARM_DESC(every, "Fail every n-th call (1: all)");

static atomic_t calls = ATOMIC_INIT(0);

static int failed;
module_param(failed, int, 0444);
MODULE_PARM_DESC(failed, "Number of calls that failed");

static noinline int instead(void)
{
	return -ENOMEM;
}

static int no_memory(struct kprobe *probe, struct pt_regs *regs)
{
	if ((unsigned int)atomic_inc_return(&calls) % max(every, 1U))
		return 0;

	WRITE_ONCE(failed, failed + 1);
	instruction_pointer_set(regs, (unsigned long)instead);
	return 1;
}

/* A probe by ftrace may redirect a call only if it has a post handler. */
static void nothing(struct kprobe *probe, struct pt_regs *regs,
		    unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "blk_rq_prep_clone",
	.pre_handler = no_memory,
	.post_handler = nothing,
};

static int __init no_memory_init(void)
{
	return register_kprobe(&probe);
}

static void __exit no_memory_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(no_memory_init);
module_exit(no_memory_exit);

MODULE_DESCRIPTION("No memory for clones of requests, for tests of dm-rq");
MODULE_LICENSE("GPL");
