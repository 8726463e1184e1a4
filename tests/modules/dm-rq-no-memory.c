// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets blk_rq_prep_clone() find no memory, every so many calls: Debian's kernels
 * have no fault injection, and memory that short cannot be had on order.
 *
 * A kprobe at the function's first instruction has another one called in its
 * place.
 */

#include <linux/kprobes.h>
#include <linux/module.h>

static unsigned int every = 1;
module_param(every, uint, 0644);
MODULE_PARM_DESC(every, "Fail each call of so many (1: all)");

static atomic_t calls = ATOMIC_INIT(0);

static int failed;
module_param(failed, int, 0444);
MODULE_PARM_DESC(failed, "How often it was made to fail");

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

/* A probe by way of ftrace may change where to go only if it has one of these. */
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
