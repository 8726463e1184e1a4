// SPDX-License-Identifier: GPL-2.0-only
/*
 * last: always choose the last usable path.
 *
 * A minimal selector from outside the tree: it has only the mandatory methods,
 * to test that such a selector can register and is loaded by its name.
 */

#include <linux/module.h>

#include <linux/dm-path-selector.h>

static int last_create(struct dm_ps *ps, unsigned int argc, char **argv,
		       char **error)
{
	if (!argc)
		return 0;
	*error = "last takes no arguments";
	return -EINVAL;
}

static void last_destroy(struct dm_ps *ps)
{
}

static int last_add_path(struct dm_ps *ps, struct dm_ps_path *path,
			 unsigned int argc, char **argv, char **error)
{
	return 0;
}

static struct dm_ps_path *last_select(struct dm_ps *ps, size_t nr_bytes,
				      enum req_op op)
{
	unsigned int i;

	for (i = ps->nr_paths; i; i--)
		if (dm_ps_path_usable(ps->paths[i - 1]))
			return ps->paths[i - 1];
	return NULL;
}

static int last_status(struct dm_ps *ps, struct dm_ps_path *path,
		       status_type_t type, char *result, unsigned int maxlen)
{
	int sz = 0;

	if (!path)
		DMEMIT("0 ");
	return sz;
}

static struct dm_ps_type last_type = {
	.name = "last",
	.module = THIS_MODULE,
	.create = last_create,
	.destroy = last_destroy,
	.add_path = last_add_path,
	.select = last_select,
	.status = last_status,
};

static int __init last_init(void)
{
	return dm_ps_register(&last_type);
}

static void __exit last_exit(void)
{
	dm_ps_unregister(&last_type);
}

module_init(last_init);
module_exit(last_exit);

MODULE_DESCRIPTION("Device-mapper: path selector \"last\" of dm-mpath-rq, for tests");
MODULE_LICENSE("GPL");
