// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry of path selectors: name to module.  The contract of a selector is
 * in include/linux/dm-path-selector.h.
 */

#include <linux/kmod.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "mpath/mpath.h"

#define DM_MSG_PREFIX "path selector"

/* Protects the list. Selectors come and go with their modules. */
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
 * mpath_get_selector() - find a selector by name, load its module if need be
 * @name: as in the table
 *
 * Context: process, may sleep.
 * Return: the selector, its module held until mpath_put_selector(); NULL if there
 * is none of that name.
 */
const struct dm_ps_type *mpath_get_selector(const char *name)
{
	const struct dm_ps_type *type;

	if (strlen(name) >= DM_PS_NAME_MAX)
		return NULL;

	type = try_get_type(name);
	if (!type && !request_module("dm-ps-%s", name))
		type = try_get_type(name);
	return type;
}

/**
 * mpath_put_selector() - the opposite of mpath_get_selector()
 * @type: the selector
 */
void mpath_put_selector(const struct dm_ps_type *type)
{
	module_put(type->module);
}

/**
 * dm_ps_register() - make a selector known
 * @type: the selector; must stay until dm_ps_unregister()
 *
 * Context: process, may sleep.
 * Return: 0; -EEXIST if the name is taken; -EINVAL if the name is too long or a
 * method that is not optional is missing.
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
 * dm_ps_unregister() - make a selector unknown
 * @type: the selector. No group uses it: those hold its module
 *
 * Context: process, may sleep; the module's exit.
 */
void dm_ps_unregister(struct dm_ps_type *type)
{
	mutex_lock(&types_lock);
	list_del(&type->list);
	mutex_unlock(&types_lock);
}
EXPORT_SYMBOL_GPL(dm_ps_unregister);
