// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry of path selectors: finds a selector by its name and loads its
 * module if necessary.  include/linux/dm-path-selector.h is the contract of
 * selectors.
 *
 * The registry is a module of its own, so that targets other than multipath can
 * use the selectors without loading the multipath target.
 */

#include <linux/device-mapper.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include <linux/dm-path-selector.h>

#define DM_MSG_PREFIX "path selector"

/* Protects the list of registered selectors. */
static DEFINE_MUTEX(types_lock);
static LIST_HEAD(types);

static struct dm_ps_type *find_type(const char *name)
{
	struct dm_ps_type *type;

	lockdep_assert_held(&types_lock);

	list_for_each_entry(type, &types, list)
		if (!strcmp(type->name, name))
			return type;
	return NULL;
}

static const struct dm_ps_type *try_get_type(const char *name)
{
	struct dm_ps_type *type;

	mutex_lock(&types_lock);
	type = find_type(name);
	if (type && !try_module_get(type->module))
		type = NULL;
	mutex_unlock(&types_lock);
	return type;
}

/**
 * dm_ps_get() - find a selector by its name, and load its module if necessary
 * @name: name in the table
 *
 * Takes a reference to the selector's module.  Drop it with dm_ps_put() after
 * the last call of a method.
 *
 * Context: process, may sleep.
 * Return: the selector, or NULL if there is none of that name.
 */
const struct dm_ps_type *dm_ps_get(const char *name)
{
	const struct dm_ps_type *type;

	if (strlen(name) >= DM_PS_NAME_MAX)
		return NULL;

	type = try_get_type(name);
	if (!type && !request_module("dm-ps-%s", name))
		type = try_get_type(name);
	return type;
}
EXPORT_SYMBOL_GPL(dm_ps_get);

/**
 * dm_ps_put() - drop the reference that dm_ps_get() took
 * @type: the selector
 *
 * Context: any.
 */
void dm_ps_put(const struct dm_ps_type *type)
{
	module_put(type->module);
}
EXPORT_SYMBOL_GPL(dm_ps_put);

/**
 * dm_ps_register() - register a selector
 * @type: the selector; must remain valid until dm_ps_unregister()
 *
 * Context: process, may sleep. Return: 0; -EEXIST if the name is in use;
 * -EINVAL if the name is too long or a mandatory method is missing.
 */
int dm_ps_register(struct dm_ps_type *type)
{
	int r = 0;

	if (!type->name || strlen(type->name) >= DM_PS_NAME_MAX ||
	    !type->create || !type->destroy || !type->add_path ||
	    !type->select || !type->status) {
		DMERR("%s: name too long, or a method missing",
		      type->name ? type->name : "(no name)");
		return -EINVAL;
	}

	mutex_lock(&types_lock);
	if (find_type(type->name))
		r = -EEXIST;
	else
		list_add_tail(&type->list, &types);
	mutex_unlock(&types_lock);
	return r;
}
EXPORT_SYMBOL_GPL(dm_ps_register);

/**
 * dm_ps_unregister() - unregister a selector
 * @type: the selector
 *
 * Call this from the exit function of the selector's module.  No group uses the
 * selector then, because each group holds a reference to the module.
 *
 * Context: process, may sleep.
 */
void dm_ps_unregister(struct dm_ps_type *type)
{
	mutex_lock(&types_lock);
	list_del(&type->list);
	mutex_unlock(&types_lock);
}
EXPORT_SYMBOL_GPL(dm_ps_unregister);

MODULE_DESCRIPTION("Device-mapper: registry of path selectors of dm-mpath-rq");
MODULE_LICENSE("GPL");
