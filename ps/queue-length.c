// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue-length: choose the path with the fewest requests in flight, of any
 * size.
 *
 * Among equal paths, for example in an idle group, we rotate: each CPU starts
 * its search behind the path that it chose last.
 *
 * Arguments: none for the group; per path [<repeat count>], by default 1, which
 * has no effect (see round-robin.c).
 */

#include <linux/cache.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include <linux/dm-path-selector.h>

#include "../include/dm-arg.h"

#define DM_MSG_PREFIX "multipath queue-length"

struct ql_group {
	/* per-CPU start index of the search; lost updates are harmless */
	unsigned int __percpu *begin;
};

/* Each path has its own cache line, to avoid false sharing between paths. */
struct ql_path {
	/* requests in flight; written by any CPU */
	atomic_t in_flight;
	/* constant */
	unsigned int repeat_count;
} ____cacheline_aligned_in_smp;

static struct dm_ps_path *ql_select(struct dm_ps *ps, size_t nr_bytes,
				    enum req_op op)
{
	struct ql_group *group = ps->ctx;
	unsigned int best_i = 0, left, i;
	struct dm_ps_path *best = NULL;
	int best_in_flight = INT_MAX;

	i = this_cpu_read(*group->begin);
	for (left = ps->nr_paths; left && best_in_flight; left--, i++) {
		struct dm_ps_path *path;
		struct ql_path *qp;
		int in_flight;

		if (i >= ps->nr_paths)
			i = 0;
		path = ps->paths[i];
		if (unlikely(!dm_ps_path_usable(path)))
			continue;

		qp = path->ctx;
		in_flight = atomic_read(&qp->in_flight);
		if (in_flight >= best_in_flight)
			continue;
		best = path;
		best_i = i;
		best_in_flight = in_flight;
	}
	this_cpu_write(*group->begin, best_i + 1);
	return best;
}

static void ql_start_io(struct dm_ps *ps, struct dm_ps_path *path,
			size_t nr_bytes, enum req_op op, const void *id)
{
	struct ql_path *qp = path->ctx;

	atomic_inc(&qp->in_flight);
}

static void ql_end_io(struct dm_ps *ps, struct dm_ps_path *path,
		      size_t nr_bytes, const void *id, blk_status_t status)
{
	struct ql_path *qp = path->ctx;

	atomic_dec(&qp->in_flight);
}

static int ql_create(struct dm_ps *ps, unsigned int argc, char **argv,
		     char **error)
{
	struct ql_group *group;

	if (argc) {
		*error = "queue-length takes no arguments";
		return -EINVAL;
	}

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		goto no_memory;
	group->begin = alloc_percpu(unsigned int);
	if (!group->begin)
		goto free_group;
	ps->ctx = group;
	return 0;

free_group:
	kfree(group);
no_memory:
	*error = "out of memory";
	return -ENOMEM;
}

static void ql_destroy(struct dm_ps *ps)
{
	struct ql_group *group = ps->ctx;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		kfree(ps->paths[i]->ctx);
	free_percpu(group->begin);
	kfree(group);
}

static int ql_add_path(struct dm_ps *ps, struct dm_ps_path *path,
		       unsigned int argc, char **argv, char **error)
{
	unsigned int repeat_count = 1;
	struct ql_path *qp;

	if (argc > 1) {
		*error = "queue-length takes at most the repeat count per path";
		return -EINVAL;
	}
	if (argc && dm_arg_uint(argv[0], &repeat_count)) {
		*error = "the repeat count is not a number";
		return -EINVAL;
	}

	qp = kzalloc(sizeof(*qp), GFP_KERNEL);
	if (!qp) {
		*error = "out of memory";
		return -ENOMEM;
	}
	atomic_set(&qp->in_flight, 0);
	qp->repeat_count = repeat_count;
	path->ctx = qp;
	return 0;
}

static int ql_status(struct dm_ps *ps, struct dm_ps_path *path,
		     status_type_t type, char *result, unsigned int maxlen)
{
	struct ql_path *qp;
	int sz = 0;

	if (!path) {
		DMEMIT("0 ");
		return sz;
	}

	qp = path->ctx;
	if (type == STATUSTYPE_TABLE)
		DMEMIT("%u ", qp->repeat_count);
	else if (type == STATUSTYPE_INFO)
		DMEMIT("%d ", atomic_read(&qp->in_flight));
	return sz;
}

static struct dm_ps_type ql_type = {
	.name = "queue-length",
	.module = THIS_MODULE,
	.table_args = 1,
	.info_args = 1,
	.create = ql_create,
	.destroy = ql_destroy,
	.add_path = ql_add_path,
	.select = ql_select,
	.start_io = ql_start_io,
	.end_io = ql_end_io,
	.status = ql_status,
};

static int __init ql_init(void)
{
	return dm_ps_register(&ql_type);
}

static void __exit ql_exit(void)
{
	dm_ps_unregister(&ql_type);
}

module_init(ql_init);
module_exit(ql_exit);

MODULE_DESCRIPTION("Device-mapper: queue-length path selector of dm-mpath-rq");
MODULE_LICENSE("GPL");
