// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar of a table line, both ways: the constructor, which reads it, and
 * the text of STATUSTYPE_TABLE, which prints it back.
 *
 *   <#features> [<feature> ..]
 *   <#handler words> [<handler> ..]
 *   <#groups> <first group>
 *   { <selector> <#selector args> [<arg> ..]
 *     <#paths> <#path args> { <device> [<arg> ..] } .. } ..
 *
 * libmultipath compares what is printed with what it would write, as strings, in
 * order: nothing is printed that was not given.
 */

#include <linux/ctype.h>
#include <linux/slab.h>

#include "mpath/mpath.h"

#define DM_MSG_PREFIX "multipath"

#define MAX_FEATURES		16
#define MAX_HANDLER_WORDS	1024
#define MAX_GROUPS		1024
#define MAX_PATHS		1024
/* In all groups: a path takes memory on each CPU, and mpath_path.number is 16 bits. */
#define MAX_ALL_PATHS		16384
#define MAX_SELECTOR_ARGS	1024
#define MAX_PG_INIT_RETRIES	50
#define MAX_PG_INIT_DELAY_MS	60000
#define MAX_NO_PATH_SECS	(7 * 24 * 3600)
#define MIN_PROBE_INTERVAL_MS	100
#define MAX_PROBE_INTERVAL_MS	3600000
#define MIN_STALL_MS		20
#define MAX_STALL_MS		600000

/* ---- reading words ---- */

/* A table line on its way through the constructor. */
struct words {
	struct dm_target *ti;
	unsigned int argc;
	char **argv;
};

/*
 * ti->error must outlive the constructor, with nobody to free it.  dm core prints
 * it at once, so a text may be overwritten when 15 other tables have failed since.
 */
#define ERROR_TEXTS	16
static char error_texts[ERROR_TEXTS][160];
static atomic_t error_turn = ATOMIC_INIT(0);

static __printf(2, 3) int bad_table(struct words *w, const char *format, ...)
{
	unsigned int turn = atomic_inc_return(&error_turn);
	char *text = error_texts[turn % ERROR_TEXTS];
	va_list args;

	va_start(args, format);
	vscnprintf(text, sizeof(error_texts[0]), format, args);
	va_end(args);
	w->ti->error = text;
	return -EINVAL;
}

static int no_memory(struct words *w)
{
	w->ti->error = "out of memory";
	return -ENOMEM;
}

/* NULL: no word is left. */
static char *next_word(struct words *w)
{
	if (!w->argc)
		return NULL;
	w->argc--;
	return *w->argv++;
}

/* @what names the argument in the message. */
static int next_number(struct words *w, const char *what, unsigned int min,
		       unsigned int max, unsigned int *number)
{
	char *word = next_word(w);

	if (!word)
		return bad_table(w, "%s: missing, expected %u..%u", what, min,
				 max);
	if (dm_ps_number(word, number) || *number < min || *number > max)
		return bad_table(w, "%s: expected %u..%u, got '%.32s'", what,
				 min, max, word);
	return 0;
}

/* A count, with at least as many words after it. */
static int next_count(struct words *w, const char *what, unsigned int max,
		      unsigned int *count)
{
	int r = next_number(w, what, 0, max, count);

	if (r)
		return r;
	if (*count > w->argc)
		return bad_table(w, "%s: %u, but only %u words follow", what,
				 *count, w->argc);
	return 0;
}

/* The next @count words by themselves; they are known to be there. */
static struct words take_words(struct words *w, unsigned int count)
{
	struct words taken = { w->ti, count, w->argv };

	w->argc -= count;
	w->argv += count;
	return taken;
}

/* ---- features ---- */

static int parse_queue_mode(struct mpath *m, struct words *w)
{
	char *mode = next_word(w);

	if (!mode)
		return bad_table(w, "feature queue_mode: missing, expected bio, rq or mq");
	m->bio_mode = !strcasecmp(mode, "bio");
	if (m->bio_mode || !strcasecmp(mode, "rq") || !strcasecmp(mode, "mq"))
		return 0;
	return bad_table(w, "feature queue_mode: expected bio, rq or mq, got '%.32s'",
			 mode);
}

static int parse_feature(struct mpath *m, struct words *w)
{
	char *name = next_word(w);

	if (!strcasecmp(name, "queue_if_no_path")) {
		m->queue_if_no_path = true;
		return 0;
	}
	if (!strcasecmp(name, "retain_attached_hw_handler")) {
		m->retain_handler = true;
		return 0;
	}
	if (!strcasecmp(name, "pg_init_retries"))
		return next_number(w, "feature pg_init_retries", 1,
				   MAX_PG_INIT_RETRIES, &m->pg_init_retries);
	if (!strcasecmp(name, "pg_init_delay_msecs"))
		return next_number(w, "feature pg_init_delay_msecs", 0,
				   MAX_PG_INIT_DELAY_MS, &m->pg_init_delay_ms);
	if (!strcasecmp(name, "queue_mode"))
		return parse_queue_mode(m, w);
	if (!strcasecmp(name, "no_path_timeout"))
		return next_number(w, "feature no_path_timeout", 1,
				   MAX_NO_PATH_SECS, &m->no_path_timeout);
	if (!strcasecmp(name, "stall_timeout"))
		return next_number(w, "feature stall_timeout", MIN_STALL_MS,
				   MAX_STALL_MS, &m->stall_timeout);
	if (!strcasecmp(name, "error_guard")) {
		m->error_guard = true;
		return 0;
	}
	if (!strcasecmp(name, "probe_interval"))
		return next_number(w, "feature probe_interval",
				   MIN_PROBE_INTERVAL_MS, MAX_PROBE_INTERVAL_MS,
				   &m->probe_interval);
	return bad_table(w, "unknown feature '%.32s'", name);
}

static int parse_features(struct mpath *m, struct words *w)
{
	struct words features;
	unsigned int count;
	int r;

	r = next_count(w, "number of feature words", MAX_FEATURES, &count);
	if (r)
		return r;

	features = take_words(w, count);
	while (features.argc) {
		r = parse_feature(m, &features);
		if (r)
			return r;
	}
	if (m->bio_mode && m->error_guard)
		return bad_table(w, "feature error_guard: needs queue_mode rq or mq");
	return 0;
}

/* ---- hardware handler ---- */

/*
 * scsi_dh_set_params() takes the number of words and the words, each with its end:
 * "2\0one\0two\0".
 */
static char *join_params(struct words *w)
{
	size_t size = sizeof("1024"), at;
	unsigned int i;
	char *params;

	for (i = 0; i < w->argc; i++)
		size += strlen(w->argv[i]) + 1;
	params = kzalloc(size, GFP_KERNEL);
	if (!params)
		return NULL;

	at = scnprintf(params, size, "%u", w->argc) + 1;
	for (i = 0; i < w->argc; i++)
		at += scnprintf(params + at, size - at, "%s", w->argv[i]) + 1;
	return params;
}

/* It is printed as it is: what has to be quoted would be read back as something else. */
static bool is_plain(const char *word)
{
	for (; *word; word++)
		if (!isgraph(*word) || *word == '\\')
			return false;
	return true;
}

static int parse_handler(struct mpath *m, struct words *w)
{
	struct words handler;
	unsigned int count;
	int r;

	r = next_count(w, "number of hardware handler words",
		       MAX_HANDLER_WORDS, &count);
	if (r || !count)
		return r;
	handler = take_words(w, count);
	if (!is_plain(handler.argv[0]))
		return bad_table(w, "hardware handler: expected a name, got '%.32s'",
				 handler.argv[0]);

	/* As the stock target: in bio mode only a handler that is attached counts. */
	if (m->bio_mode) {
		DMWARN("hardware handler '%.32s' is ignored: queue_mode bio keeps what is attached",
		       handler.argv[0]);
		return 0;
	}

	m->handler_name = kstrdup(next_word(&handler), GFP_KERNEL);
	if (!m->handler_name)
		return no_memory(w);
	if (!handler.argc)
		return 0;
	m->handler_params = join_params(&handler);
	return m->handler_params ? 0 : no_memory(w);
}

/* ---- paths ---- */

static int check_device(struct mpath *m, struct words *w, const char *name,
			struct dm_dev *dev)
{
	if (m->bio_mode)
		return 0;
	if (!queue_is_mq(bdev_get_queue(dev->bdev)))
		return bad_table(w, "path '%.64s': is bio-based, expected a request-based device",
				 name);
	if (bdev_is_partition(dev->bdev))
		return bad_table(w, "path '%.64s': is a partition, expected a whole device",
				 name);
	return 0;
}

/* For .busy: others are not worth the question. */
static bool knows_busy(struct block_device *bdev)
{
	struct request_queue *q = bdev_get_queue(bdev);

	return queue_is_mq(q) && q->mq_ops->busy;
}

/*
 * On error the path is not in the group.  In the group it is freed with it, but
 * for what add_path() did not make.
 */
static int parse_path(struct mpath *m, struct mpath_group *group,
		      struct words *w, unsigned int nr_args)
{
	struct dm_ps *ps = &group->ps;
	struct words args;
	struct mpath_path *path;
	char *name, *error = "invalid argument";
	int r;

	name = next_word(w);
	args = take_words(w, nr_args);

	path = kzalloc(sizeof(*path), GFP_KERNEL);
	if (!path)
		return no_memory(w);
	r = dm_get_device(w->ti, name, dm_table_get_mode(w->ti->table),
			  &path->ps.dev);
	if (r) {
		bad_table(w, "path '%.64s': cannot be opened: %pe", name,
			  ERR_PTR(r));
		goto free_path;
	}
	r = check_device(m, w, name, path->ps.dev);
	if (r)
		goto put_device;
	path->probed = mpath_probed_get(path->ps.dev);
	if (IS_ERR(path->probed)) {
		r = PTR_ERR(path->probed);
		bad_table(w, "path '%.64s': cannot be held open: %pe", name,
			  path->probed);
		goto put_device;
	}
	r = mpath_attach_handler(m, path);
	if (r) {
		bad_table(w, "path '%.64s': hardware handler '%.32s': %pe",
			  name, m->handler_name ?: "", ERR_PTR(r));
		goto put_probed;
	}

	path->m = m;
	path->group = group;
	path->number = ++m->nr_paths;
	path->is_scsi = mpath_is_scsi(path->ps.dev->bdev);
	path->ps.usable = true;
	if (!knows_busy(path->ps.dev->bdev))
		group->says_busy = false;
	ps->paths[ps->nr_paths++] = &path->ps;
	r = ps->type->add_path(ps, &path->ps, args.argc, args.argv, &error);
	if (r) {
		ps->nr_paths--;
		bad_table(w, "path '%.64s': %.80s", name, error);
		goto put_probed;
	}
	list_add_tail(&path->list, &m->paths);
	m->nr_usable++;
	return 0;

put_probed:
	mpath_probed_put(path->probed);
put_device:
	dm_put_device(w->ti, path->ps.dev);
free_path:
	kfree(path);
	return r;
}

static int parse_paths(struct mpath *m, struct mpath_group *group,
		       struct words *w)
{
	unsigned int nr_paths, nr_args, i;
	int r;

	r = next_number(w, "number of paths", 1, MAX_PATHS, &nr_paths);
	if (r)
		return r;
	r = next_number(w, "number of path arguments", 0, MAX_SELECTOR_ARGS,
			&nr_args);
	if (r)
		return r;
	if (nr_paths * (1 + nr_args) > w->argc)
		return bad_table(w, "group %u: expected %u paths of %u words, but %u words follow",
				 group->number, nr_paths, 1 + nr_args, w->argc);
	if (nr_paths > MAX_ALL_PATHS - m->nr_paths)
		return bad_table(w, "group %u: more than %u paths in all",
				 group->number, MAX_ALL_PATHS);

	group->ps.paths = kcalloc(nr_paths, sizeof(*group->ps.paths),
				  GFP_KERNEL);
	if (!group->ps.paths)
		return no_memory(w);
	group->says_busy = true;

	for (i = 0; i < nr_paths; i++) {
		r = parse_path(m, group, w, nr_args);
		if (r)
			return r;
	}
	return 0;
}

/* ---- groups ---- */

static int parse_selector(struct mpath_group *group, struct words *w)
{
	struct words args;
	char *name, *error = "invalid argument";
	unsigned int count;
	int r;

	name = next_word(w);
	if (!name)
		return bad_table(w, "group %u: selector: missing",
				 group->number);
	r = next_count(w, "number of selector arguments", MAX_SELECTOR_ARGS,
		       &count);
	if (r)
		return r;
	args = take_words(w, count);

	group->ps.type = mpath_get_selector(name);
	if (!group->ps.type)
		return bad_table(w, "unknown path selector '%.32s'", name);

	r = group->ps.type->create(&group->ps, args.argc, args.argv, &error);
	if (r) {
		bad_table(w, "selector '%.32s': %.80s", name, error);
		mpath_put_selector(group->ps.type);
		group->ps.type = NULL;
	}
	return r;
}

/* A group that is in m->groups is freed with it, however far it got. */
static int parse_group(struct mpath *m, struct words *w)
{
	struct mpath_group *group;
	int r;

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return no_memory(w);
	m->groups[m->nr_groups++] = group;
	group->number = m->nr_groups;

	r = parse_selector(group, w);
	return r ? r : parse_paths(m, group, w);
}

static int parse_groups(struct mpath *m, struct words *w)
{
	unsigned int nr_groups, first, i;
	int r;

	r = next_number(w, "number of groups", 0, MAX_GROUPS, &nr_groups);
	if (r)
		return r;
	r = next_number(w, "first group", nr_groups ? 1 : 0, nr_groups,
			&first);
	if (r)
		return r;

	m->groups = kcalloc(nr_groups, sizeof(*m->groups), GFP_KERNEL);
	if (!m->groups)
		return no_memory(w);

	for (i = 0; i < nr_groups; i++) {
		r = parse_group(m, w);
		if (r)
			return r;
		m->rq.in_order |= m->groups[i]->ps.in_order;
	}
	if (first)
		m->next_group = m->groups[first - 1];
	return 0;
}

/* ---- the whole ---- */

static void free_group(struct dm_target *ti, struct mpath_group *group)
{
	struct dm_ps *ps = &group->ps;
	unsigned int i;

	if (ps->type) {
		ps->type->destroy(ps);
		mpath_put_selector(ps->type);
	}
	for (i = 0; i < ps->nr_paths; i++) {
		mpath_probed_put(mpath_path_of(ps->paths[i])->probed);
		dm_put_device(ti, ps->paths[i]->dev);
		mpath_stats_free(mpath_path_of(ps->paths[i]));
		kfree(mpath_path_of(ps->paths[i]));
	}
	kfree(ps->paths);
	kfree(group);
}

static void free_mpath(struct dm_target *ti, struct mpath *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_groups; i++)
		free_group(ti, m->groups[i]);
	kfree(m->groups);
	kfree(m->handler_name);
	kfree(m->handler_params);
	kfree(m);
}

/**
 * mpath_ctr() - constructor
 * @ti: the target
 * @argc: number of words
 * @argv: the words after the target's name
 *
 * Return: 0; or an errno, with ti->error naming the argument that is wrong and what
 * was expected, and nothing left behind.
 */
int mpath_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct words w = { ti, argc, argv };
	struct mpath *m;
	int r;

	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m)
		return no_memory(&w);
	mpath_init_state(m);
	m->pg_init_delay_ms = MPATH_NO_DELAY;

	r = parse_features(m, &w);
	if (!r)
		r = m->bio_mode ? mpath_bio_init(m, ti) :
				  dm_rq_init(&m->rq, ti, &mpath_rq_ops);
	if (!r)
		r = parse_handler(m, &w);
	if (!r)
		r = parse_groups(m, &w);
	if (!r && w.argc)
		r = bad_table(&w, "%u words left over after the last group, from '%.32s'",
			      w.argc, w.argv[0]);
	if (!r && !mpath_stats_alloc(m))
		r = no_memory(&w);
	if (r) {
		free_mpath(ti, m);
		return r;
	}

	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	return 0;
}

/**
 * mpath_dtr() - destructor
 * @ti: the target; no request of its table is in flight
 */
void mpath_dtr(struct dm_target *ti)
{
	struct mpath *m = mpath_of(ti);

	mpath_leave_stack(m);
	mpath_stop(m);
	free_mpath(ti, m);
}

static int features_text(struct mpath *m, char *result, unsigned int maxlen)
{
	bool delay = m->pg_init_delay_ms != MPATH_NO_DELAY;
	/* As the stock target: bio mode always retains, and says so. */
	bool retain = m->retain_handler || m->bio_mode;
	int sz = 0;

	DMEMIT("%u ", m->queue_if_no_path + (m->pg_init_retries ? 2 : 0) +
	       (delay ? 2 : 0) + retain + (m->bio_mode ? 2 : 0) +
	       (m->no_path_timeout ? 2 : 0) + m->error_guard +
	       (m->probe_interval ? 2 : 0) + (m->stall_timeout ? 2 : 0));
	if (m->queue_if_no_path)
		DMEMIT("queue_if_no_path ");
	if (m->pg_init_retries)
		DMEMIT("pg_init_retries %u ", m->pg_init_retries);
	if (delay)
		DMEMIT("pg_init_delay_msecs %u ", m->pg_init_delay_ms);
	if (retain)
		DMEMIT("retain_attached_hw_handler ");
	if (m->bio_mode)
		DMEMIT("queue_mode bio ");
	if (m->no_path_timeout)
		DMEMIT("no_path_timeout %u ", m->no_path_timeout);
	if (m->error_guard)
		DMEMIT("error_guard ");
	if (m->probe_interval)
		DMEMIT("probe_interval %u ", m->probe_interval);
	if (m->stall_timeout)
		DMEMIT("stall_timeout %u ", m->stall_timeout);
	return sz;
}

/**
 * mpath_table_text() - the table line, as the constructor would read it
 * @m: the map, locked
 * @result: where to
 * @maxlen: room there
 *
 * Return: the number of characters.
 */
int mpath_table_text(struct mpath *m, char *result, unsigned int maxlen)
{
	unsigned int i, j;
	int sz = 0;

	lockdep_assert_held(&m->lock);

	sz += features_text(m, result, maxlen);
	if (m->handler_name)
		DMEMIT("1 %s ", m->handler_name);
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
