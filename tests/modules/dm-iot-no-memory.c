// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets those who ask for memory as dm-io-timeout does, without sleeping and without a
 * complaint, find none: it then has what its clients have put by.  As in
 * dm-rq-no-memory.c, probes have another function called in place of allocating ones.
 */

#include <linux/gfp.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static bool on = true;
module_param(on, bool, 0644);
MODULE_PARM_DESC(on, "Fail (1)");

static atomic_t fails = ATOMIC_INIT(0);

static int get_failed(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&fails));
}

static const struct kernel_param_ops failed_ops = { .get = get_failed };
module_param_cb(failed, &failed_ops, NULL, 0444);
MODULE_PARM_DESC(failed, "How often it was made to fail");

static noinline void *instead(void)
{
	return NULL;
}

static int fail(struct pt_regs *regs, unsigned long argument)
{
	gfp_t gfp = (__force gfp_t)argument;

	if (!READ_ONCE(on) || !(gfp & __GFP_NOWARN) ||
	    (gfp & (__GFP_DIRECT_RECLAIM | __GFP_HIGH)))
		return 0;
	atomic_inc(&fails);
	instruction_pointer_set(regs, (unsigned long)instead);
	return 1;
}

static int fail_first(struct kprobe *probe, struct pt_regs *regs)
{
	return fail(regs, regs_get_kernel_argument(regs, 0));
}

static int fail_second(struct kprobe *probe, struct pt_regs *regs)
{
	return fail(regs, regs_get_kernel_argument(regs, 1));
}

/* A probe by way of ftrace may change where to go only if it has one of these. */
static void nothing(struct kprobe *probe, struct pt_regs *regs,
		    unsigned long flags)
{
}

#define PROBE(name, handler)						\
	{ .symbol_name = (name), .pre_handler = (handler), .post_handler = nothing }

/* Each by the names that it has in one kernel or another; one of them is there. */
static struct kprobe probes[][2] = {
	{ PROBE("__kmalloc_noprof", fail_second), PROBE("__kmalloc", fail_second) },
	{ PROBE("kmem_cache_alloc_noprof", fail_second), PROBE("kmem_cache_alloc", fail_second) },
	{ PROBE("__alloc_pages_noprof", fail_first), PROBE("__alloc_pages", fail_first) },
	{ PROBE("mempool_alloc_slab", fail_first), PROBE("", NULL) },
	{ PROBE("mempool_kmalloc", fail_first), PROBE("", NULL) },
};

static struct kprobe *registered[ARRAY_SIZE(probes)];

static void unregister(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes) && registered[i]; i++)
		unregister_kprobe(registered[i]);
}

static int __init no_memory_init(void)
{
	unsigned int i;
	int r;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		struct kprobe *probe = &probes[i][0];

		r = register_kprobe(probe);
		if (r && probes[i][1].pre_handler) {
			probe = &probes[i][1];
			r = register_kprobe(probe);
		}
		if (r) {
			unregister();
			return r;
		}
		registered[i] = probe;
	}
	return 0;
}

static void __exit no_memory_exit(void)
{
	unregister();
}

module_init(no_memory_init);
module_exit(no_memory_exit);

MODULE_DESCRIPTION("No memory without sleeping, for tests of dm-io-timeout");
MODULE_LICENSE("GPL");
