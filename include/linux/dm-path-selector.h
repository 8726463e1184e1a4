/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract of path selectors: which path of a priority group gets the next
 * request?
 *
 * A selector is a module of its own, named dm-ps-NAME so that a table with NAME
 * loads it.  It registers a struct dm_ps_type.  The multipath target makes one
 * struct dm_ps of it per priority group and owns the list of paths and their
 * state; the selector owns its policy and what it knows of each path.
 *
 * The names differ from those of the kernel's own dm-multipath on purpose: both
 * may be loaded side by side.
 */
#ifndef _LINUX_DM_PATH_SELECTOR_H
#define _LINUX_DM_PATH_SELECTOR_H

#include <linux/ctype.h>
#include <linux/device-mapper.h>
#include <linux/kstrtox.h>
#include <linux/module.h>

struct dm_ps;

/**
 * struct dm_ps_path - a path as selectors see it
 * @dev: the device; constant
 * @ctx: the selector's own, set in its add_path()
 * @usable: not failed, and not set aside because it is stalled. Written by the target
 *	under its lock, read anywhere with dm_ps_path_usable(): what was read may be old
 *	a moment later, which costs one failed request and nothing else
 */
struct dm_ps_path {
	struct dm_dev *dev;
	void *ctx;
	bool usable;
};

/**
 * struct dm_ps_type - a selector
 * @name: as in the table; at most DM_PS_NAME_MAX - 1 characters
 * @module: THIS_MODULE
 * @table_args: words that status() prints per path for STATUSTYPE_TABLE
 * @info_args: words that status() prints per path for STATUSTYPE_INFO
 *
 * @create: Make ps->ctx from the group's arguments.
 *	Runs in: process, may sleep; ps->paths is still empty.
 *	Answers: 0, or an errno and *@error, which names what is wrong.
 * @destroy: Free ps->ctx and the ctx of every path.  No I/O is under way.
 *	Runs in: process, may sleep.
 * @add_path: Make path->ctx from the path's arguments.  multipath-tools sends
 *	exactly one argument per path, whatever the selector: accept it.  The path is
 *	already the last one of ps->paths.
 *	Runs in: process, may sleep.
 *	Answers: 0, or an errno and *@error.
 * @select: The path for a request of @nr_bytes (0: none in particular) that does @op,
 *	or NULL if none is usable.
 *	Runs in: queue_rq or a worker: must not sleep, on any number of CPUs at
 *	once, and must not take a lock that CPUs share.
 * @start_io: Optional: @path gets a request of @nr_bytes.  @id tells the requests in
 *	flight apart, and is no more than a number.
 *	Runs in: as @select.
 * @end_io: Optional: that request has ended, or was refused.  Called once for each
 *	@start_io, with the same @id.  @status is how: who measures should leave out what
 *	did not end well.
 *	Runs in: completion, hard irq possible.
 * @refused: Optional: the device of @path, which @select chose, has no room for a
 *	request now.  If @start_io was called for it, so was @end_io.  Not called in bio
 *	mode, where the submitter waits for room.
 *	Runs in: as @select.
 *	Answers: true: ask @select again, it knows better now; false: the request waits
 *	in the map's queue, until the block layer asks again.
 * @fail_path: Optional: the path has failed.
 * @reinstate_path: Optional: it is to be used again. Neither is called for a path that is
 *	set aside, or back: what is known of it may be kept.
 *	Both run: under the target's lock, interrupts off.
 * @status: Print, with DMEMIT, what the table or status line says of @path; or with
 *	@path NULL of the group: for STATUSTYPE_TABLE its arguments, their count first,
 *	for STATUSTYPE_INFO "0 ", as older versions of libmultipath expect no more.  The
 *	table text must be what was given, or multipathd reloads the map again and again.
 *	For STATUSTYPE_IMA of a path; nothing else is asked for then.
 *	Runs in: under the target's lock, interrupts off.
 *	Answers: the number of characters.
 */
struct dm_ps_type {
	const char *name;
	struct module *module;
	unsigned int table_args;
	unsigned int info_args;

	int (*create)(struct dm_ps *ps, unsigned int argc, char **argv,
		      char **error);
	void (*destroy)(struct dm_ps *ps);
	int (*add_path)(struct dm_ps *ps, struct dm_ps_path *path,
			unsigned int argc, char **argv, char **error);
	struct dm_ps_path *(*select)(struct dm_ps *ps, size_t nr_bytes,
				     enum req_op op);
	void (*start_io)(struct dm_ps *ps, struct dm_ps_path *path,
			 size_t nr_bytes, enum req_op op, const void *id);
	void (*end_io)(struct dm_ps *ps, struct dm_ps_path *path,
		       size_t nr_bytes, const void *id, blk_status_t status);
	bool (*refused)(struct dm_ps *ps, struct dm_ps_path *path);
	void (*fail_path)(struct dm_ps *ps, struct dm_ps_path *path);
	void (*reinstate_path)(struct dm_ps *ps, struct dm_ps_path *path);
	int (*status)(struct dm_ps *ps, struct dm_ps_path *path,
		      status_type_t type, char *result, unsigned int maxlen);

	/* private: of the registry */
	struct list_head list;
};

#define DM_PS_NAME_MAX	32

/**
 * struct dm_ps - a selector at work for one priority group
 * @type: constant
 * @ctx: the selector's own
 * @paths: the group's paths in the order of the table; grows only while the table
 *	is being made
 * @nr_paths: how many
 * @in_order: set by create(): requests that wait because all devices are full are served
 *	in the order in which they came, and one per run of the map's queue, which costs
 *	a run of the queue each. Without it the block layer decides, and may let new ones
 *	overtake them. Not in bio mode
 */
struct dm_ps {
	const struct dm_ps_type *type;
	void *ctx;
	struct dm_ps_path **paths;
	unsigned int nr_paths;
	bool in_order;
};

/**
 * dm_ps_path_usable() - may a request be sent there?
 * @path: the path
 */
static inline bool dm_ps_path_usable(const struct dm_ps_path *path)
{
	return READ_ONCE(path->usable);
}

/**
 * dm_ps_number() - read an argument that is a number
 * @word: digits, and nothing before them: kstrtouint() takes a sign as well
 * @number: where to
 *
 * Return: 0; -EINVAL, -ERANGE.
 */
static inline int dm_ps_number(const char *word, unsigned int *number)
{
	return isdigit(*word) ? kstrtouint(word, 10, number) : -EINVAL;
}

int dm_ps_register(struct dm_ps_type *type);
void dm_ps_unregister(struct dm_ps_type *type);

#endif /* _LINUX_DM_PATH_SELECTOR_H */
