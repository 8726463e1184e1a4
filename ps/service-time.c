// SPDX-License-Identifier: GPL-2.0-only
/*
 * service-time: choose the path with the least data in flight in relation to
 * its throughput.
 *
 * The administrator states the relative throughput of each path (0 to 100, by
 * default 1).  We estimate the time of a request on a path as
 *
 *     (bytes in flight + bytes of the request) / relative throughput
 *
 * and choose the path with the shortest time.  Among equal paths, for example
 * in an idle group, we rotate: each CPU starts its search behind the path that
 * it chose last.  A path of relative throughput 0 is a spare: we use it only if
 * no other path is usable.
 *
 * Arguments: none for the group; per path
 * [<repeat count> [<relative throughput>]].  The repeat count has no effect (see
 * round-robin.c).
 */

#include <linux/cache.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include <linux/dm-path-selector.h>

#include "../include/dm-arg.h"

#define DM_MSG_PREFIX "multipath service-time"

#define ST_THROUGHPUT_MAX	100
#define ST_THROUGHPUT_DEFAULT	1

struct st_group {
	/* per-CPU start index of the search; lost updates are harmless */
	unsigned int __percpu *begin;
};

/* Each path has its own cache line, to avoid false sharing between paths. */
struct st_path {
	/* bytes in flight; written by any CPU */
	atomic_long_t in_flight;
	/* constant */
	unsigned int throughput;
	unsigned int repeat_count;
} ____cacheline_aligned_in_smp;

/*
 * Would a request of @nr_bytes complete earlier on a path with @a_bytes in
 * flight and throughput @a than on a path with @b_bytes and @b?  If the times
 * are equal, the faster path wins.
 *
 * We compare products to avoid a division.  They do not overflow: the bytes in
 * flight are below 2^53 (2^21 requests of 4 GiB) and a throughput is below 2^7.
 */
static bool st_earlier(u64 a_bytes, unsigned int a, u64 b_bytes, unsigned int b,
		       size_t nr_bytes)
{
	if (likely(a == b))
		return a_bytes < b_bytes;
	if (!a || !b)
		return a > b;
	a_bytes = (a_bytes + nr_bytes) * b;
	b_bytes = (b_bytes + nr_bytes) * a;
	return a_bytes == b_bytes ? a > b : a_bytes < b_bytes;
}

static struct dm_ps_path *st_select(struct dm_ps *ps, size_t nr_bytes,
				    enum req_op op)
{
	struct st_group *group = ps->ctx;
	struct dm_ps_path *best = NULL;
	unsigned int best_throughput = 0, best_i = 0, left, i;
	u64 best_bytes = 0;

	i = this_cpu_read(*group->begin);
	for (left = ps->nr_paths; left; left--, i++) {
		struct dm_ps_path *path;
		struct st_path *sp;
		u64 bytes;

		if (i >= ps->nr_paths)
			i = 0;
		path = ps->paths[i];
		if (unlikely(!dm_ps_path_usable(path)))
			continue;

		sp = path->ctx;
		bytes = atomic_long_read(&sp->in_flight);
		if (best && !st_earlier(bytes, sp->throughput, best_bytes,
					best_throughput, nr_bytes))
			continue;
		best = path;
		best_i = i;
		best_bytes = bytes;
		best_throughput = sp->throughput;
	}
	this_cpu_write(*group->begin, best_i + 1);
	return best;
}

static void st_start_io(struct dm_ps *ps, struct dm_ps_path *path,
			size_t nr_bytes, enum req_op op, const void *id)
{
	struct st_path *sp = path->ctx;

	atomic_long_add(nr_bytes, &sp->in_flight);
}

static void st_end_io(struct dm_ps *ps, struct dm_ps_path *path,
		      size_t nr_bytes, const void *id, blk_status_t status)
{
	struct st_path *sp = path->ctx;

	atomic_long_sub(nr_bytes, &sp->in_flight);
}

static int st_create(struct dm_ps *ps, unsigned int argc, char **argv,
		     char **error)
{
	struct st_group *group;

	if (argc) {
		*error = "service-time takes no arguments";
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

static void st_destroy(struct dm_ps *ps)
{
	struct st_group *group = ps->ctx;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		kfree(ps->paths[i]->ctx);
	free_percpu(group->begin);
	kfree(group);
}

static int st_parse_path(struct st_path *sp, unsigned int argc, char **argv,
			 char **error)
{
	if (argc > 2) {
		*error = "service-time takes at most repeat count and relative throughput per path";
		return -EINVAL;
	}
	if (argc > 0 && dm_arg_uint(argv[0], &sp->repeat_count)) {
		*error = "the repeat count is not a number";
		return -EINVAL;
	}
	if (argc > 1 && (dm_arg_uint(argv[1], &sp->throughput) ||
			 sp->throughput > ST_THROUGHPUT_MAX)) {
		*error = "the relative throughput is not a number from 0 to 100";
		return -EINVAL;
	}
	return 0;
}

static int st_add_path(struct dm_ps *ps, struct dm_ps_path *path,
		       unsigned int argc, char **argv, char **error)
{
	struct st_path *sp;
	int r;

	sp = kzalloc(sizeof(*sp), GFP_KERNEL);
	if (!sp) {
		*error = "out of memory";
		return -ENOMEM;
	}
	sp->repeat_count = 1;
	sp->throughput = ST_THROUGHPUT_DEFAULT;
	atomic_long_set(&sp->in_flight, 0);

	r = st_parse_path(sp, argc, argv, error);
	if (r) {
		kfree(sp);
		return r;
	}
	path->ctx = sp;
	return 0;
}

static int st_status(struct dm_ps *ps, struct dm_ps_path *path,
		     status_type_t type, char *result, unsigned int maxlen)
{
	struct st_path *sp;
	int sz = 0;

	if (!path) {
		DMEMIT("0 ");
		return sz;
	}

	sp = path->ctx;
	if (type == STATUSTYPE_TABLE)
		DMEMIT("%u %u ", sp->repeat_count, sp->throughput);
	else if (type == STATUSTYPE_INFO)
		DMEMIT("%lu %u ", atomic_long_read(&sp->in_flight),
		       sp->throughput);
	return sz;
}

static struct dm_ps_type st_type = {
	.name = "service-time",
	.module = THIS_MODULE,
	.table_args = 2,
	.info_args = 2,
	.create = st_create,
	.destroy = st_destroy,
	.add_path = st_add_path,
	.select = st_select,
	.start_io = st_start_io,
	.end_io = st_end_io,
	.status = st_status,
};

static int __init st_init(void)
{
	return dm_ps_register(&st_type);
}

static void __exit st_exit(void)
{
	dm_ps_unregister(&st_type);
}

module_init(st_init);
module_exit(st_exit);

MODULE_DESCRIPTION("Device-mapper: service-time path selector of dm-mpath-rq");
MODULE_LICENSE("GPL");
