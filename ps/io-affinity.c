// SPDX-License-Identifier: GPL-2.0-only
/*
 * io-affinity: choose the path by the CPU.
 *
 * For each path, the table names the CPUs whose requests use it.  If several
 * paths name a CPU, the first of them owns it.  If a CPU has no path, or its
 * path has failed, we rotate through the nearest usable paths: those that also
 * name the CPU, otherwise those that name a CPU of its NUMA node, otherwise
 * all.
 *
 * The CPU is the one that maps the request.  This is the submitting CPU, unless
 * the request had to wait in a queue.
 *
 * Arguments: none for the group; per path <cpumask>, hexadecimal as in
 * /proc/irq.  If multipath-tools writes the table, the cpumask of every path is
 * 1.  Then CPU 0 owns the first path, and the other CPUs rotate through all of
 * them.
 */

#include <linux/cpumask.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/topology.h>

#include <linux/dm-path-selector.h>

#define DM_MSG_PREFIX "multipath io-affinity"

/* Per CPU, and written by that CPU only. */
struct ioa_cpu {
	/* constant once the table is parsed; NULL if no path names the CPU */
	struct dm_ps_path *own;
	/* counter of the rotation; lost updates are harmless */
	unsigned int turn;
	/* requests while the CPU has no path; lost updates are harmless */
	unsigned int misses;
};

struct ioa_group {
	struct ioa_cpu __percpu *cpus;
};

struct ioa_path {
	cpumask_var_t cpus;
	/* the argument as given, because multipath-tools compares the tables */
	char *text;
};

enum { FAR, SAME_NODE, SAME_CPU };

static unsigned int ioa_nearness(const struct dm_ps_path *path, unsigned int cpu)
{
	const struct ioa_path *ip = path->ctx;

	if (cpumask_test_cpu(cpu, ip->cpus))
		return SAME_CPU;
	if (cpumask_intersects(ip->cpus, cpumask_of_node(cpu_to_node(cpu))))
		return SAME_NODE;
	return FAR;
}

/* Return how near the nearest usable paths of @cpu are; *@nr is their number. */
static unsigned int ioa_nearest(struct dm_ps *ps, unsigned int cpu,
				unsigned int *nr)
{
	unsigned int nearest = FAR, i;

	*nr = 0;
	for (i = 0; i < ps->nr_paths; i++) {
		unsigned int nearness;

		if (!dm_ps_path_usable(ps->paths[i]))
			continue;
		nearness = ioa_nearness(ps->paths[i], cpu);
		if (nearness > nearest) {
			nearest = nearness;
			*nr = 0;
		}
		if (nearness == nearest)
			(*nr)++;
	}
	return nearest;
}

/*
 * Rotate through the nearest paths.  As in round-robin, a path may fail or
 * return between the two passes.
 */
static struct dm_ps_path *ioa_select_other(struct dm_ps *ps)
{
	struct ioa_group *group = ps->ctx;
	unsigned int cpu = raw_smp_processor_id();
	unsigned int nearest, nr, turn, i;
	struct dm_ps_path *last = NULL;

	nearest = ioa_nearest(ps, cpu, &nr);
	if (!nr)
		return NULL;

	turn = this_cpu_inc_return(group->cpus->turn) % nr;
	for (i = 0; i < ps->nr_paths; i++) {
		if (!dm_ps_path_usable(ps->paths[i]) ||
		    ioa_nearness(ps->paths[i], cpu) != nearest)
			continue;
		last = ps->paths[i];
		if (!turn--)
			break;
	}
	return last;
}

static struct dm_ps_path *ioa_select(struct dm_ps *ps, size_t nr_bytes,
				     enum req_op op)
{
	struct ioa_group *group = ps->ctx;
	struct dm_ps_path *own = this_cpu_read(group->cpus->own);

	if (unlikely(!own))
		this_cpu_inc(group->cpus->misses);
	else if (likely(dm_ps_path_usable(own)))
		return own;
	return ioa_select_other(ps);
}

static int ioa_create(struct dm_ps *ps, unsigned int argc, char **argv,
		      char **error)
{
	struct ioa_group *group;

	if (argc) {
		*error = "io-affinity takes no arguments";
		return -EINVAL;
	}

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		goto no_memory;
	group->cpus = alloc_percpu(struct ioa_cpu);
	if (!group->cpus)
		goto free_group;
	ps->ctx = group;
	return 0;

free_group:
	kfree(group);
no_memory:
	*error = "out of memory";
	return -ENOMEM;
}

static void ioa_free_path(struct ioa_path *ip)
{
	free_cpumask_var(ip->cpus);
	kfree(ip->text);
	kfree(ip);
}

static void ioa_destroy(struct dm_ps *ps)
{
	struct ioa_group *group = ps->ctx;
	unsigned int i;

	for (i = 0; i < ps->nr_paths; i++)
		if (ps->paths[i]->ctx)
			ioa_free_path(ps->paths[i]->ctx);
	free_percpu(group->cpus);
	kfree(group);
}

static struct ioa_path *ioa_alloc_path(const char *text)
{
	struct ioa_path *ip;

	ip = kzalloc(sizeof(*ip), GFP_KERNEL);
	if (!ip)
		return NULL;
	if (!zalloc_cpumask_var(&ip->cpus, GFP_KERNEL))
		goto free_ip;
	ip->text = kstrdup(text, GFP_KERNEL);
	if (!ip->text)
		goto free_cpus;
	return ip;

free_cpus:
	free_cpumask_var(ip->cpus);
free_ip:
	kfree(ip);
	return NULL;
}

/* Give @path the CPUs that it names, unless an earlier path owns them. */
static void ioa_take_cpus(struct ioa_group *group, struct dm_ps_path *path)
{
	struct ioa_path *ip = path->ctx;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct ioa_cpu *ic = per_cpu_ptr(group->cpus, cpu);

		if (!ic->own && cpumask_test_cpu(cpu, ip->cpus))
			ic->own = path;
	}
}

static int ioa_add_path(struct dm_ps *ps, struct dm_ps_path *path,
			unsigned int argc, char **argv, char **error)
{
	struct ioa_path *ip;

	if (argc != 1) {
		*error = "io-affinity takes exactly a cpumask per path";
		return -EINVAL;
	}

	/* cpumask_parse() accepts blanks, which would break the table line. */
	if (argv[0][strspn(argv[0], "0123456789abcdefABCDEF,")]) {
		*error = "the cpumask is not a hexadecimal one of this machine's CPUs";
		return -EINVAL;
	}

	ip = ioa_alloc_path(argv[0]);
	if (!ip) {
		*error = "out of memory";
		return -ENOMEM;
	}
	if (cpumask_parse(argv[0], ip->cpus)) {
		*error = "the cpumask is not a hexadecimal one of this machine's CPUs";
		goto invalid;
	}
	if (!cpumask_intersects(ip->cpus, cpu_possible_mask)) {
		*error = "the cpumask names no CPU";
		goto invalid;
	}
	path->ctx = ip;
	ioa_take_cpus(ps->ctx, path);
	return 0;

invalid:
	ioa_free_path(ip);
	return -EINVAL;
}

/* The number of requests from CPUs without a path. */
static unsigned int ioa_misses(const struct ioa_group *group)
{
	unsigned int misses = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		misses += READ_ONCE(per_cpu_ptr(group->cpus, cpu)->misses);
	return misses;
}

static int ioa_status(struct dm_ps *ps, struct dm_ps_path *path,
		      status_type_t type, char *result, unsigned int maxlen)
{
	struct ioa_path *ip;
	int sz = 0;

	if (!path) {
		DMEMIT("0 ");
		return sz;
	}

	ip = path->ctx;
	if (type == STATUSTYPE_TABLE)
		DMEMIT("%s ", ip->text);
	else if (type == STATUSTYPE_INFO)
		DMEMIT("%u ", ioa_misses(ps->ctx));
	return sz;
}

static struct dm_ps_type ioa_type = {
	.name = "io-affinity",
	.module = THIS_MODULE,
	.table_args = 1,
	.info_args = 1,
	.create = ioa_create,
	.destroy = ioa_destroy,
	.add_path = ioa_add_path,
	.select = ioa_select,
	.status = ioa_status,
};

static int __init ioa_init(void)
{
	return dm_ps_register(&ioa_type);
}

static void __exit ioa_exit(void)
{
	dm_ps_unregister(&ioa_type);
}

module_init(ioa_init);
module_exit(ioa_exit);

MODULE_DESCRIPTION("Device-mapper: io-affinity path selector of dm-mpath-rq");
MODULE_LICENSE("GPL");
