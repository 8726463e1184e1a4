// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar of a table line, both ways: parsing for the constructor, and printing for
 * STATUSTYPE_TABLE.
 *
 *   <#features> [<feature> ..]
 *   <#handler words> [<handler> ..]
 *   <#groups> <first group>
 *   { <selector> <#selector args> [<arg> ..]
 *     <#paths> <#path args> { <device> [<arg> ..] } .. } ..
 *
 * libmultipath compares the printed line, as strings and in order, with the line that
 * it would load.  Therefore we print exactly the words that were given.
 */

#include <linux/slab.h>

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "mpath/probe.h"
#include "dm-arg.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "multipath"

#define MAX_FEATURES		16
#define MAX_HANDLER_WORDS	1024
#define MAX_GROUPS		1024
#define MAX_PATHS		1024
/* In all groups, because a path needs memory for each CPU, and its number has 16 bits. */
#define MAX_ALL_PATHS		16384
#define MAX_SELECTOR_ARGS	1024
#define MAX_PG_INIT_RETRIES	50
#define MAX_PG_INIT_DELAY_MS	60000
#define MAX_NO_PATH_SECS	(7 * 24 * 3600)
#define MIN_PROBE_INTERVAL_MS	100
#define MAX_PROBE_INTERVAL_MS	3600000
#define MIN_STALL_MS		20
#define MAX_STALL_MS		600000

/* ---- parsing words ---- */

/*
 * ti->error must outlive the constructor, and dm core does not free it.  As dm core
 * prints it at once, we may reuse a buffer after 15 other tables have failed.
 */
#define ERROR_TEXTS	16
static char error_texts[ERROR_TEXTS][200];

static atomic_t error_turn = ATOMIC_INIT(0);

static __printf(2, 3) int bad_table(struct dm_target *ti, const char *format, ...)
{
	unsigned int turn = atomic_inc_return(&error_turn);
	char *text = error_texts[turn % ERROR_TEXTS];
	va_list args;

	va_start(args, format);
	vscnprintf(text, sizeof(error_texts[0]), format, args);
	va_end(args);
	ti->error = text;
	return -EINVAL;
}

static int no_memory(struct dm_target *ti)
{
	ti->error = "out of memory";
	return -ENOMEM;
}

/* @name: the argument's name for the error message */
static int next_number(struct dm_target *ti, struct dm_arg_set *as,
		       const char *name, unsigned int min, unsigned int max,
		       unsigned int *number)
{
	const char *word = dm_shift_arg(as);

	if (!word)
		return bad_table(ti, "%s: missing, expected %u..%u", name,
				 min, max);
	if (dm_arg_uint(word, number) || *number < min || *number > max)
		return bad_table(ti, "%s: expected %u..%u, got '%.32s'", name,
				 min, max, word);
	return 0;
}

/* We also ensure that at least as many words follow. */
static int next_count(struct dm_target *ti, struct dm_arg_set *as,
		      const char *name, unsigned int max, unsigned int *count)
{
	int r = next_number(ti, as, name, 0, max, count);

	if (r)
		return r;
	if (*count > as->argc)
		return bad_table(ti, "%s: %u, but only %u words follow", name,
				 *count, as->argc);
	return 0;
}

/* Split off the next @count words, which the caller knows to exist. */
static struct dm_arg_set take_args(struct dm_arg_set *as, unsigned int count)
{
	struct dm_arg_set taken = { count, as->argv };

	as->argc -= count;
	as->argv += count;
	return taken;
}

/* ---- features ---- */

static int parse_queue_mode(struct mpath *m, struct dm_target *ti,
			    struct dm_arg_set *as)
{
	const char *mode = dm_shift_arg(as);

	if (!mode)
		return bad_table(ti, "feature queue_mode: missing, expected bio, rq or mq");
	m->bio_mode = !strcasecmp(mode, "bio");
	if (m->bio_mode || !strcasecmp(mode, "rq") || !strcasecmp(mode, "mq"))
		return 0;
	return bad_table(ti, "feature queue_mode: expected bio, rq or mq, got '%.32s'",
			 mode);
}

static int parse_feature(struct mpath *m, struct dm_target *ti,
			 struct dm_arg_set *as)
{
	const char *name = dm_shift_arg(as);

	if (!strcasecmp(name, "queue_if_no_path")) {
		m->queue_if_no_path = true;
		return 0;
	}
	if (!strcasecmp(name, "retain_attached_hw_handler")) {
		m->handler.retain = true;
		return 0;
	}
	if (!strcasecmp(name, "pg_init_retries"))
		return next_number(ti, as, "feature pg_init_retries", 1,
				   MAX_PG_INIT_RETRIES, &m->pg_init.retries);
	if (!strcasecmp(name, "pg_init_delay_msecs"))
		return next_number(ti, as, "feature pg_init_delay_msecs", 0,
				   MAX_PG_INIT_DELAY_MS, &m->pg_init.delay_ms);
	if (!strcasecmp(name, "queue_mode"))
		return parse_queue_mode(m, ti, as);
	if (!strcasecmp(name, "no_path_timeout"))
		return next_number(ti, as, "feature no_path_timeout", 1,
				   MAX_NO_PATH_SECS, &m->no_path.timeout);
	if (!strcasecmp(name, "stall_timeout"))
		return next_number(ti, as, "feature stall_timeout", MIN_STALL_MS,
				   MAX_STALL_MS, &m->stall.timeout);
	if (!strcasecmp(name, "error_guard")) {
		m->error_guard = true;
		return 0;
	}
	if (!strcasecmp(name, "probe_interval"))
		return next_number(ti, as, "feature probe_interval",
				   MIN_PROBE_INTERVAL_MS, MAX_PROBE_INTERVAL_MS,
				   &m->probe.interval);
	return bad_table(ti, "unknown feature '%.32s'", name);
}

/**
 * mpath_parse_features() - parse the feature words
 * @m: the map, being constructed
 * @ti: its target
 * @as: the words that are left
 *
 * Return: 0; or an errno with ti->error set.
 */
int mpath_parse_features(struct mpath *m, struct dm_target *ti,
			 struct dm_arg_set *as)
{
	struct dm_arg_set features;
	unsigned int count;
	int r;

	r = next_count(ti, as, "number of feature words", MAX_FEATURES, &count);
	if (r)
		return r;

	features = take_args(as, count);
	while (features.argc) {
		r = parse_feature(m, ti, &features);
		if (r)
			return r;
	}
	if (m->bio_mode && m->error_guard)
		return bad_table(ti, "feature error_guard: needs queue_mode rq or mq");
	return 0;
}

/* ---- hardware handler ---- */

/*
 * scsi_dh_set_params() takes the number of words and then the words, each of them
 * terminated: "2\0one\0two\0".
 */
static char *join_params(const struct dm_arg_set *as)
{
	size_t size = sizeof("1024"), at;
	unsigned int i;
	char *params;

	for (i = 0; i < as->argc; i++)
		size += strlen(as->argv[i]) + 1;
	params = kzalloc(size, GFP_KERNEL);
	if (!params)
		return NULL;

	at = scnprintf(params, size, "%u", as->argc) + 1;
	for (i = 0; i < as->argc; i++)
		at += scnprintf(params + at, size - at, "%s", as->argv[i]) + 1;
	return params;
}

/* We print the name unquoted.  A name that needs quotes would be read back wrong. */
static bool is_plain(const char *word)
{
	for (; *word; word++)
		if (!isgraph(*word) || *word == '\\')
			return false;
	return true;
}

/**
 * mpath_parse_handler() - parse the words of the hardware handler
 * @m: the map, being constructed
 * @ti: its target
 * @as: the words that are left
 *
 * Context: process, may sleep.
 * Return: 0; or an errno with ti->error set.
 */
int mpath_parse_handler(struct mpath *m, struct dm_target *ti,
			struct dm_arg_set *as)
{
	struct dm_arg_set handler;
	unsigned int count;
	int r;

	r = next_count(ti, as, "number of hardware handler words",
		       MAX_HANDLER_WORDS, &count);
	if (r || !count)
		return r;
	handler = take_args(as, count);
	if (!is_plain(handler.argv[0]))
		return bad_table(ti, "hardware handler: expected a name, got '%.32s'",
				 handler.argv[0]);

	/* As the stock target: bio mode uses attached handlers only. */
	if (m->bio_mode) {
		mpath_warn(m, "hardware handler '%.32s' ignored: queue_mode bio keeps the attached one",
			   handler.argv[0]);
		return 0;
	}

	m->handler.name = kstrdup(dm_shift_arg(&handler), GFP_KERNEL);
	if (!m->handler.name)
		return no_memory(ti);
	if (!handler.argc)
		return 0;
	m->handler.params = join_params(&handler);
	return m->handler.params ? 0 : no_memory(ti);
}

/* ---- paths ---- */

/* Then no request of the old limits waits, and the resume computes new ones. */
static bool is_flushed(struct dm_target *ti)
{
	return dm_suspended(ti) && !dm_noflush_suspending(ti);
}

/* Does the map keep limits that this path cannot work with? */
static int check_limits(struct dm_target *ti, const char *name, struct block_device *bdev)
{
	struct gendisk *map = dm_disk(dm_table_get_md(ti->table));
	sector_t size = bdev_nr_sectors(bdev);
	char conflict[128];

	if (!dm_rq_keeps_limits(map) || is_flushed(ti))
		return 0;
	/* dm core only compares sizes if it computes limits. It accepts a size of 0, too. */
	if (size && size < ti->len)
		return bad_table(ti, "path '%.64s': size %llu, but the map has %llu sectors",
				 name, size, ti->len);
	if (mpath_limits_conflict(map, bdev->bd_disk, conflict, sizeof(conflict)))
		return bad_table(ti, "path '%.64s': %s", name, conflict);
	return 0;
}

static int check_device(struct mpath *m, struct dm_target *ti, const char *name,
			struct dm_dev *dev)
{
	if (m->bio_mode)
		return 0;
	if (!queue_is_mq(bdev_get_queue(dev->bdev)))
		return bad_table(ti, "path '%.64s': is bio-based, expected a request-based device",
				 name);
	if (bdev_is_partition(dev->bdev))
		return bad_table(ti, "path '%.64s': is a partition, expected a whole device",
				 name);
	return check_limits(ti, name, dev->bdev);
}

/* Can blk_lld_busy() return true for this queue? */
static bool has_lld_busy(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	return queue_is_mq(q) && q->mq_ops->busy;
}

static int open_device(struct mpath *m, struct dm_target *ti,
		       struct mpath_path *path, const char *name)
{
	int r;

	r = dm_get_device(ti, name, dm_table_get_mode(ti->table),
			  &path->ps.dev);
	if (r) {
		bad_table(ti, "path '%.64s': cannot be opened: %pe", name,
			  ERR_PTR(r));
		return r;
	}
	r = check_device(m, ti, name, path->ps.dev);
	if (r)
		goto put_device;
	path->probe.dev = mpath_probe_dev_get(path->ps.dev);
	if (IS_ERR(path->probe.dev)) {
		r = PTR_ERR(path->probe.dev);
		bad_table(ti, "path '%.64s': cannot be held open: %pe", name,
			  path->probe.dev);
		goto put_device;
	}
	r = mpath_attach_handler(m, path);
	if (r) {
		bad_table(ti, "path '%.64s': hardware handler '%.32s': %pe",
			  name, m->handler.name ?: "", ERR_PTR(r));
		goto put_probe_dev;
	}
	return 0;

put_probe_dev:
	mpath_probe_dev_put(path->probe.dev);
put_device:
	dm_put_device(ti, path->ps.dev);
	return r;
}

static void close_device(struct dm_target *ti, struct mpath_path *path)
{
	mpath_probe_dev_put(path->probe.dev);
	dm_put_device(ti, path->ps.dev);
}

/* add_path() expects the path to be the last one of the group. */
static int add_to_group(struct mpath *m, struct mpath_group *group,
			struct mpath_path *path, struct dm_arg_set *args,
			char **error)
{
	struct dm_ps *ps = &group->ps;
	int r;

	path->m = m;
	path->group = group;
	path->number = ++m->nr_paths;
	path->is_scsi = mpath_is_scsi(path->ps.dev->bdev);
	path->ps.usable = true;
	if (!has_lld_busy(path->ps.dev->bdev))
		group->has_lld_busy = false;

	ps->paths[ps->nr_paths++] = &path->ps;
	r = ps->type->add_path(ps, &path->ps, args->argc, args->argv, error);
	if (r) {
		ps->nr_paths--;
		return r;
	}
	list_add_tail(&path->list, &m->paths);
	m->nr_usable++;
	return 0;
}

/* A path that is in the group is freed with the group. */
static int parse_path(struct mpath *m, struct mpath_group *group,
		      struct dm_target *ti, struct dm_arg_set *as,
		      unsigned int nr_args)
{
	char *error = "invalid argument";
	struct mpath_path *path;
	const char *name;
	struct dm_arg_set args;
	int r;

	name = dm_shift_arg(as);
	args = take_args(as, nr_args);

	path = kzalloc(sizeof(*path), GFP_KERNEL);
	if (!path)
		return no_memory(ti);
	r = open_device(m, ti, path, name);
	if (r)
		goto free_path;
	r = add_to_group(m, group, path, &args, &error);
	if (r) {
		bad_table(ti, "path '%.64s': %.80s", name, error);
		goto close_device;
	}
	return 0;

close_device:
	close_device(ti, path);
free_path:
	kfree(path);
	return r;
}

static int parse_paths(struct mpath *m, struct mpath_group *group,
		       struct dm_target *ti, struct dm_arg_set *as)
{
	unsigned int nr_paths, nr_args, i;
	int r;

	r = next_number(ti, as, "number of paths", 1, MAX_PATHS, &nr_paths);
	if (r)
		return r;
	r = next_number(ti, as, "number of path arguments", 0,
			MAX_SELECTOR_ARGS, &nr_args);
	if (r)
		return r;
	if (nr_paths * (1 + nr_args) > as->argc)
		return bad_table(ti, "group %u: expected %u paths of %u words, but %u words follow",
				 group->number, nr_paths, 1 + nr_args, as->argc);
	if (nr_paths > MAX_ALL_PATHS - m->nr_paths)
		return bad_table(ti, "group %u: more than %u paths in all",
				 group->number, MAX_ALL_PATHS);

	group->ps.paths = kcalloc(nr_paths, sizeof(*group->ps.paths),
				  GFP_KERNEL);
	if (!group->ps.paths)
		return no_memory(ti);
	group->has_lld_busy = true;

	for (i = 0; i < nr_paths; i++) {
		r = parse_path(m, group, ti, as, nr_args);
		if (r)
			return r;
	}
	return 0;
}

/* ---- groups ---- */

static int parse_selector(struct mpath_group *group, struct dm_target *ti,
			  struct dm_arg_set *as)
{
	char *error = "invalid argument";
	struct dm_arg_set args;
	unsigned int count;
	const char *name;
	int r;

	name = dm_shift_arg(as);
	if (!name)
		return bad_table(ti, "group %u: selector: missing",
				 group->number);
	r = next_count(ti, as, "number of selector arguments", MAX_SELECTOR_ARGS,
		       &count);
	if (r)
		return r;
	args = take_args(as, count);

	group->ps.type = dm_ps_get(name);
	if (!group->ps.type)
		return bad_table(ti, "unknown path selector '%.32s'", name);

	r = group->ps.type->create(&group->ps, args.argc, args.argv, &error);
	if (r) {
		bad_table(ti, "selector '%.32s': %.80s", name, error);
		dm_ps_put(group->ps.type);
		group->ps.type = NULL;
	}
	return r;
}

/* mpath_free_groups() frees a group in m->groups, also if it is incomplete. */
static int parse_group(struct mpath *m, struct dm_target *ti,
		       struct dm_arg_set *as)
{
	struct mpath_group *group;
	int r;

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return no_memory(ti);
	m->groups[m->nr_groups++] = group;
	group->number = m->nr_groups;

	r = parse_selector(group, ti, as);
	return r ? r : parse_paths(m, group, ti, as);
}

/**
 * mpath_parse_groups() - parse the groups with their paths, to the end of the line
 * @m: the map, being constructed
 * @ti: its target
 * @as: the words that are left
 *
 * Context: process, may sleep.
 * Return: 0; or an errno with ti->error set. mpath_free_groups() frees the groups in
 * both cases.
 */
int mpath_parse_groups(struct mpath *m, struct dm_target *ti,
		       struct dm_arg_set *as)
{
	unsigned int nr_groups, first, i;
	int r;

	r = next_number(ti, as, "number of groups", 0, MAX_GROUPS, &nr_groups);
	if (r)
		return r;
	r = next_number(ti, as, "first group", nr_groups ? 1 : 0, nr_groups,
			&first);
	if (r)
		return r;

	m->groups = kcalloc(nr_groups, sizeof(*m->groups), GFP_KERNEL);
	if (!m->groups)
		return no_memory(ti);

	for (i = 0; i < nr_groups; i++) {
		r = parse_group(m, ti, as);
		if (r)
			return r;
		m->rq.in_order |= m->groups[i]->ps.in_order;
	}
	if (first)
		m->next_group = m->groups[first - 1];
	if (as->argc)
		return bad_table(ti, "%u words left over after the last group, from '%.32s'",
				 as->argc, as->argv[0]);
	return 0;
}

static void free_group(struct dm_target *ti, struct mpath_group *group)
{
	struct dm_ps *ps = &group->ps;
	unsigned int i;

	if (ps->type) {
		ps->type->destroy(ps);
		dm_ps_put(ps->type);
	}
	for (i = 0; i < ps->nr_paths; i++) {
		struct mpath_path *path = mpath_path_of(ps->paths[i]);

		close_device(ti, path);
		mpath_stats_free(path);
		kfree(path);
	}
	kfree(ps->paths);
	kfree(group);
}

/**
 * mpath_free_groups() - free the groups and their paths
 * @m: the map
 * @ti: its target
 *
 * Context: process, may sleep.
 */
void mpath_free_groups(struct mpath *m, struct dm_target *ti)
{
	unsigned int i;

	for (i = 0; i < m->nr_groups; i++)
		free_group(ti, m->groups[i]);
	kfree(m->groups);
}

/* ---- printing ---- */

/* Does the line say that attached handlers are kept? As the stock target's. */
static bool prints_retain(struct mpath *m)
{
	/* Bio mode always keeps them. */
	return !DM_RQ_RETAIN_IMPLIED && (m->handler.retain || m->bio_mode);
}

static int features_text(struct mpath *m, char *result, unsigned int maxlen)
{
	bool delay = m->pg_init.delay_ms != MPATH_NO_DELAY;
	int sz = 0;

	DMEMIT("%u ", m->queue_if_no_path + (m->pg_init.retries ? 2 : 0) +
	       (delay ? 2 : 0) + prints_retain(m) + (m->bio_mode ? 2 : 0) +
	       (m->no_path.timeout ? 2 : 0) + m->error_guard +
	       (m->probe.interval ? 2 : 0) + (m->stall.timeout ? 2 : 0));
	if (m->queue_if_no_path)
		DMEMIT("queue_if_no_path ");
	if (m->pg_init.retries)
		DMEMIT("pg_init_retries %u ", m->pg_init.retries);
	if (delay)
		DMEMIT("pg_init_delay_msecs %u ", m->pg_init.delay_ms);
	if (prints_retain(m))
		DMEMIT("retain_attached_hw_handler ");
	if (m->bio_mode)
		DMEMIT("queue_mode bio ");
	if (m->no_path.timeout)
		DMEMIT("no_path_timeout %u ", m->no_path.timeout);
	if (m->error_guard)
		DMEMIT("error_guard ");
	if (m->probe.interval)
		DMEMIT("probe_interval %u ", m->probe.interval);
	if (m->stall.timeout)
		DMEMIT("stall_timeout %u ", m->stall.timeout);
	return sz;
}

/**
 * mpath_table_text() - print the table line as the constructor would read it
 * @m: the map, locked
 * @result: the buffer
 * @maxlen: its size
 *
 * Return: the number of characters.
 */
int mpath_table_text(struct mpath *m, char *result, unsigned int maxlen)
{
	unsigned int i, j;
	int sz = 0;

	lockdep_assert_held(&m->lock);

	sz += features_text(m, result, maxlen);
	if (m->handler.name)
		DMEMIT("1 %s ", m->handler.name);
	else
		DMEMIT("0 ");
	DMEMIT("%u %u ", m->nr_groups, mpath_group_number(m));

	for (i = 0; i < m->nr_groups; i++) {
		struct dm_ps *ps = &m->groups[i]->ps;

		DMEMIT("%s ", ps->type->name);
		sz += ps->type->status(ps, NULL, STATUSTYPE_TABLE, result + sz,
				       maxlen - sz);
		DMEMIT("%u %u ", ps->nr_paths, ps->type->table_args);
		for (j = 0; j < ps->nr_paths; j++) {
			DMEMIT("%s ", ps->paths[j]->dev->name);
			sz += ps->type->status(ps, ps->paths[j],
					       STATUSTYPE_TABLE, result + sz,
					       maxlen - sz);
		}
	}
	return sz;
}
