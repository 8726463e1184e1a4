// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes allocations fail if they neither sleep nor warn, as those of dm-rq and
 * dm-io-timeout do, so that these have to use their reserves. As in
 * dm-rq-no-memory.c, we put kprobes on the allocating functions and continue in
 * a function that returns NULL instead.
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
MODULE_PARM_DESC(failed, "Number of allocations that we made fail");

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

/*
 * A kprobe based on ftrace may change the instruction pointer only if it has a
 * post_handler.
 */
static void nothing(struct kprobe *probe, struct pt_regs *regs,
		    unsigned long flags)
{
}

#define PROBE(name, handler)						\
	{ .symbol_name = (name), .pre_handler = (handler), .post_handler = nothing }

/* We probe the first symbol of each line that the kernel has. */
static struct kprobe probes[][3] = {
	{ PROBE("__kmalloc_noprof", fail_second), PROBE("__kmalloc", fail_second) },
	{ PROBE("__kmalloc_cache_noprof", fail_second), PROBE("kmalloc_trace", fail_second) },
	{ PROBE("kmem_cache_alloc_noprof", fail_second), PROBE("kmem_cache_alloc", fail_second) },
	{ PROBE("__alloc_frozen_pages_noprof", fail_first),
	  PROBE("__alloc_pages_noprof", fail_first), PROBE("__alloc_pages", fail_first) },
	{ PROBE("mempool_alloc_slab", fail_first) },
	{ PROBE("mempool_kmalloc", fail_first) },
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
	struct kprobe *probe;
	unsigned int i;
	int r;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		for (probe = probes[i]; ; probe++) {
			r = register_kprobe(probe);
			if (!r)
				break;
			if (probe == &probes[i][ARRAY_SIZE(probes[i]) - 1] ||
			    !probe[1].symbol_name) {
				unregister();
				return r;
			}
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

MODULE_DESCRIPTION("No memory without sleeping, for tests of dm-rq and dm-io-timeout");
MODULE_LICENSE("GPL");
