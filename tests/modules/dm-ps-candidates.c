// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two selectors simpler than completion-time, for comparison in scripts/bench:
 *
 * ewma		the path with the smallest (requests in flight + 1) * average,
 *		where average is a moving one of the time from map to
 *		completion.  Each request has a weight of an eighth.
 * two-choices	the better of two random paths, by the same measure
 *
 * Both time every request, in a table of start times that is large enough for
 * tests only.
 */

#include <linux/atomic.h>
#include <linux/hash.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include <linux/dm-path-selector.h>

/* Start times by a hash of the request; a collision spoils one sample. */
#define SLOT_BITS	10

struct cand_path {
	atomic_t in_flight;
	u64 average;
	u64 started[1 << SLOT_BITS];
};

static int cand_create(struct dm_ps *ps, unsigned int argc, char **argv,
		       char **error)
{
	if (!argc)
		return 0;
	*error = "no arguments";
	return -EINVAL;
}

static void cand_destroy(struct dm_ps *ps)
{
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		kvfree(ps->paths[i]->ctx);
}

static int cand_add_path(struct dm_ps *ps, struct dm_ps_path *path,
			 unsigned int argc, char **argv, char **error)
{
	struct cand_path *cp = kvzalloc(sizeof(*cp), GFP_KERNEL);

	path->ctx = cp;
	if (cp)
		return 0;
	*error = "out of memory";
	return -ENOMEM;
}

static u64 cand_time(struct dm_ps_path *path)
{
	struct cand_path *cp = path->ctx;

	return (atomic_read(&cp->in_flight) + 1) * READ_ONCE(cp->average);
}

static struct dm_ps_path *ewma_select(struct dm_ps *ps, size_t nr_bytes,
				      enum req_op op)
{
	struct dm_ps_path *best = NULL;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		if (dm_ps_path_usable(ps->paths[i]) &&
		    (!best || cand_time(ps->paths[i]) < cand_time(best)))
			best = ps->paths[i];
	return best;
}

static struct dm_ps_path *two_select(struct dm_ps *ps, size_t nr_bytes,
				     enum req_op op)
{
	unsigned int first = get_random_u32() % ps->nr_paths;
	unsigned int second = get_random_u32() % ps->nr_paths;
	struct dm_ps_path *a = ps->paths[first], *b = ps->paths[second];

	if (!dm_ps_path_usable(a) || !dm_ps_path_usable(b))
		return ewma_select(ps, nr_bytes, op);
	return cand_time(b) < cand_time(a) ? b : a;
}

static void cand_start_io(struct dm_ps *ps, struct dm_ps_path *path,
			  size_t nr_bytes, enum req_op op, const void *id)
{
	struct cand_path *cp = path->ctx;

	atomic_inc(&cp->in_flight);
	WRITE_ONCE(cp->started[hash_ptr(id, SLOT_BITS)], ktime_get_ns());
}

static void cand_end_io(struct dm_ps *ps, struct dm_ps_path *path,
			size_t nr_bytes, const void *id, blk_status_t status)
{
	struct cand_path *cp = path->ctx;
	u64 ns = ktime_get_ns() - READ_ONCE(cp->started[hash_ptr(id, SLOT_BITS)]);
	u64 old = READ_ONCE(cp->average);

	atomic_dec(&cp->in_flight);
	if (!status)
		WRITE_ONCE(cp->average, old ? old - (old >> 3) + (ns >> 3) : ns);
}

static int cand_status(struct dm_ps *ps, struct dm_ps_path *path,
		       status_type_t type, char *result, unsigned int maxlen)
{
	int sz = 0;

	if (!path)
		DMEMIT("0 ");
	return sz;
}

#define CANDIDATE(_name, _select) {					\
	.name = _name, .module = THIS_MODULE, .create = cand_create,	\
	.destroy = cand_destroy, .add_path = cand_add_path,		\
	.select = _select, .start_io = cand_start_io,			\
	.end_io = cand_end_io, .status = cand_status,			\
}

static struct dm_ps_type types[] = {
	CANDIDATE("ewma", ewma_select),
	CANDIDATE("two-choices", two_select),
};

static int __init cand_init(void)
{
	int r = dm_ps_register(&types[0]);

	if (r)
		return r;
	r = dm_ps_register(&types[1]);
	if (r)
		dm_ps_unregister(&types[0]);
	return r;
}

static void __exit cand_exit(void)
{
	dm_ps_unregister(&types[1]);
	dm_ps_unregister(&types[0]);
}

module_init(cand_init);
module_exit(cand_exit);

MODULE_DESCRIPTION("Device-mapper: path selectors that dm-mpath-rq does not use, for comparison");
MODULE_LICENSE("GPL");
