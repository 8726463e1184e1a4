// SPDX-License-Identifier: GPL-2.0-only
/*
 * round-robin: use the paths of a group in turn.
 *
 * Each CPU has its own counter, to avoid a cache line written by several CPUs.
 * Over many requests the paths still get equal shares.  We count the usable
 * paths only, so if a path fails, its share is spread over all other paths
 * instead of going to the next one.
 *
 * Arguments: none for the group; per path [<repeat count>], by default 1.  We
 * accept the repeat count and print it back because multipath-tools always
 * sends it and compares the tables.  It has no effect, as in the kernel's own
 * selector: requests are merged before we choose a path, so staying on one
 * gains nothing.
 */

#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include <linux/dm-path-selector.h>

#include "../include/dm-arg.h"

#define DM_MSG_PREFIX "multipath round-robin"

struct rr_group {
	/*
	 * per-CPU counter; if an update is lost, a path is used twice in a row
	 */
	unsigned int __percpu *turn;
};

struct rr_path {
	/* constant */
	unsigned int repeat_count;
};

/*
 * The usable path with number @turn modulo their count, or NULL if there is
 * none. A path may fail or return between the two passes.  If fewer are usable
 * in the second one, we take the last of them.
 */
static struct dm_ps_path *nth_usable(struct dm_ps *ps, unsigned int turn)
{
	struct dm_ps_path *last = NULL;
	unsigned int usable = 0, i;

	for (i = 0; i < ps->nr_paths; i++)
		usable += dm_ps_path_usable(ps->paths[i]);
	if (!usable)
		return NULL;

	turn %= usable;
	for (i = 0; i < ps->nr_paths; i++) {
		if (!dm_ps_path_usable(ps->paths[i]))
			continue;
		last = ps->paths[i];
		if (!turn--)
			break;
	}
	return last;
}

static struct dm_ps_path *rr_select(struct dm_ps *ps, size_t nr_bytes,
				    enum req_op op)
{
	struct rr_group *group = ps->ctx;
	unsigned int turn;

	turn = this_cpu_inc_return(*group->turn);
	return nth_usable(ps, turn);
}

static int rr_create(struct dm_ps *ps, unsigned int argc, char **argv,
		     char **error)
{
	struct rr_group *group;
	int cpu;

	if (argc) {
		*error = "round-robin takes no arguments";
		return -EINVAL;
	}

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		goto no_memory;
	group->turn = alloc_percpu(unsigned int);
	if (!group->turn)
		goto free_group;

	/*
	 * Start each CPU with a different path, to spread the load if all CPUs
	 * start at the same time.  rr_select() increments before use, so CPU 0
	 * starts with the first path.
	 */
	for_each_possible_cpu(cpu) {
		unsigned int *turn = per_cpu_ptr(group->turn, cpu);

		*turn = cpu - 1;
	}
	ps->ctx = group;
	return 0;

free_group:
	kfree(group);
no_memory:
	*error = "out of memory";
	return -ENOMEM;
}

static void rr_destroy(struct dm_ps *ps)
{
	struct rr_group *group = ps->ctx;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		kfree(ps->paths[i]->ctx);
	free_percpu(group->turn);
	kfree(group);
}

static int rr_add_path(struct dm_ps *ps, struct dm_ps_path *path,
		       unsigned int argc, char **argv, char **error)
{
	struct rr_path *rp;

	if (argc > 1) {
		*error = "round-robin takes at most the repeat count per path";
		return -EINVAL;
	}

	rp = kzalloc(sizeof(*rp), GFP_KERNEL);
	if (!rp) {
		*error = "out of memory";
		return -ENOMEM;
	}
	rp->repeat_count = 1;
	if (argc && dm_arg_uint(argv[0], &rp->repeat_count)) {
		*error = "the repeat count is not a number";
		kfree(rp);
		return -EINVAL;
	}
	path->ctx = rp;
	return 0;
}

static int rr_status(struct dm_ps *ps, struct dm_ps_path *path,
		     status_type_t type, char *result, unsigned int maxlen)
{
	struct rr_path *rp;
	int sz = 0;

	if (!path) {
		DMEMIT("0 ");
		return sz;
	}

	rp = path->ctx;
	if (type == STATUSTYPE_TABLE)
		DMEMIT("%u ", rp->repeat_count);
	return sz;
}

static struct dm_ps_type rr_type = {
	.name = "round-robin",
	.module = THIS_MODULE,
	.table_args = 1,
	.info_args = 0,
	.create = rr_create,
	.destroy = rr_destroy,
	.add_path = rr_add_path,
	.select = rr_select,
	.status = rr_status,
};

static int __init rr_init(void)
{
	return dm_ps_register(&rr_type);
}

static void __exit rr_exit(void)
{
	dm_ps_unregister(&rr_type);
}

module_init(rr_init);
module_exit(rr_exit);

MODULE_DESCRIPTION("Device-mapper: round-robin path selector of dm-mpath-rq");
MODULE_LICENSE("GPL");
