// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the target says of itself (info and IMA lines) and what it is told
 * (messages).
 */

#include "mpath/mpath.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "multipath"

/* ---- status ---- */

/**
 * mpath_group_letter() - the state of a group
 * @m: the map, locked or not
 * @group: the group
 *
 * Return: 'D' disabled, 'A' active, 'E' enabled.
 */
char mpath_group_letter(struct mpath *m, struct mpath_group *group)
{
	if (group->bypassed)
		return 'D';
	return group == m->current_group || group == m->init_group ? 'A' : 'E';
}

static char path_letter(struct mpath_path *path)
{
	return !path->failed ? 'A' : 'F';
}

/*
 * 2 <queue_io> <pg_init count> 0 <#groups> <group>
 * { A|D|E <selector's words> <#paths> <#words per path>
 *   { <major:minor> A|F <fail count> <selector's words> [<guard>] } .. } ..
 */
static int info_text(struct mpath *m, char *result, unsigned int maxlen)
{
	unsigned int i, j;
	int sz = 0;

	DMEMIT("2 %u %u 0 %u %u ", m->queue_io, m->pg_init_count, m->nr_groups,
	       mpath_group_number(m));

	for (i = 0; i < m->nr_groups; i++) {
		struct mpath_group *group = m->groups[i];
		struct dm_ps *ps = &group->ps;

		DMEMIT("%c ", mpath_group_letter(m, group));
		sz += ps->type->status(ps, NULL, STATUSTYPE_INFO, result + sz,
				       maxlen - sz);
		DMEMIT("%u %u ", ps->nr_paths,
		       ps->type->info_args + !!m->stall_timeout);
		for (j = 0; j < ps->nr_paths; j++) {
			struct mpath_path *path = mpath_path_of(ps->paths[j]);

			DMEMIT("%s %c %u ", path->ps.dev->name,
			       path_letter(path), path->fail_count);
			sz += ps->type->status(ps, &path->ps, STATUSTYPE_INFO,
					       result + sz, maxlen - sz);
			if (m->stall_timeout)
				DMEMIT("%s ", mpath_guard_word(path));
		}
	}
	return sz;
}

/* What IMA measures; names are numbered from 0. */
static int ima_text(struct mpath *m, char *result, unsigned int maxlen)
{
	unsigned int i, j;
	int sz = 0;

	DMEMIT_TARGET_NAME_VERSION(m->rq.ti->type);
	DMEMIT(",nr_priority_groups=%u", m->nr_groups);

	for (i = 0; i < m->nr_groups; i++) {
		struct mpath_group *group = m->groups[i];
		struct dm_ps *ps = &group->ps;

		DMEMIT(",pg_state_%u=%c,nr_pgpaths_%u=%u", i,
		       mpath_group_letter(m, group), i, ps->nr_paths);
		DMEMIT(",path_selector_name_%u=%s", i, ps->type->name);
		for (j = 0; j < ps->nr_paths; j++) {
			struct mpath_path *path = mpath_path_of(ps->paths[j]);

			DMEMIT(",path_name_%u_%u=%s", i, j, path->ps.dev->name);
			DMEMIT(",is_active_%u_%u=%c", i, j, path_letter(path));
			DMEMIT(",fail_count_%u_%u=%u", i, j, path->fail_count);
			DMEMIT(",path_selector_status_%u_%u=", i, j);
			sz += ps->type->status(ps, &path->ps, STATUSTYPE_IMA,
					       result + sz, maxlen - sz);
		}
	}
	DMEMIT(";");
	return sz;
}

/**
 * mpath_status() - status method
 * @ti: the target
 * @type: which text
 * @flags: not used: there is nothing to flush for an exact answer
 * @result: where to
 * @maxlen: room there; dm core calls again with more if it was too little
 */
void mpath_status(struct dm_target *ti, status_type_t type,
		  unsigned int flags, char *result, unsigned int maxlen)
{
	struct mpath *m = mpath_of(ti);

	spin_lock_irq(&m->lock);
	switch (type) {
	case STATUSTYPE_INFO:
		info_text(m, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		mpath_table_text(m, result, maxlen);
		break;
	case STATUSTYPE_IMA:
		ima_text(m, result, maxlen);
		break;
	}
	spin_unlock_irq(&m->lock);
}

/* ---- messages ---- */

static struct mpath_group *find_group(struct mpath *m, const char *text)
{
	unsigned int number;

	if (dm_ps_number(text, &number) || !number ||
	    number > m->nr_groups) {
		DMWARN("%s: message: no group '%.32s', expected 1..%u",
		       mpath_name(m), text, m->nr_groups);
		return NULL;
	}
	return m->groups[number - 1];
}

static int group_message(struct mpath *m, const char *verb, const char *arg)
{
	struct mpath_group *group = find_group(m, arg);

	if (!group)
		return -EINVAL;

	if (!strcasecmp(verb, "switch_group"))
		mpath_switch_group(m, group);
	else
		mpath_bypass_group(m, group, !strcasecmp(verb, "disable_group"));
	return 0;
}

/* @act, unless it is NULL, on every path that is @dev.  Returns how many there are. */
static unsigned int act_on_device(struct mpath *m, dev_t dev,
				  void (*act)(struct mpath *m,
					      struct mpath_path *path))
{
	struct mpath_path *path;
	unsigned int nr = 0;

	list_for_each_entry(path, &m->paths, list) {
		if (path->ps.dev->bdev->bd_dev != dev)
			continue;
		nr++;
		if (act)
			act(m, path);
	}
	return nr;
}

/**
 * mpath_device_arg() - the device that a message names
 * @m: the map
 * @arg: its name, or major:minor
 * @dev: where to
 *
 * Context: process, may sleep, but not for the device.
 * Return: 0; -EINVAL if it is no path of the map; what the kernel says of a name that is
 * no block device's: each with a line in the log.
 */
int mpath_device_arg(struct mpath *m, const char *arg, dev_t *dev)
{
	int r = dm_rq_devt_from_path(arg, dev);

	if (r) {
		DMWARN("%s: message: no device '%.64s'",
		       mpath_name(m), arg);
		return r;
	}
	if (!act_on_device(m, *dev, NULL)) {
		DMWARN("%s: message: device '%.64s' is not a path of the map",
		       mpath_name(m), arg);
		return -EINVAL;
	}
	return 0;
}

/* To every path that is this device: it may be in more than one group. */
static int path_message(struct mpath *m, const char *verb, const char *arg)
{
	void (*act)(struct mpath *m, struct mpath_path *path) =
		!strcasecmp(verb, "fail_path") ? mpath_keep_down :
						 mpath_reinstate_path;
	dev_t dev;
	int r;

	r = mpath_device_arg(m, arg, &dev);
	if (!r)
		act_on_device(m, dev, act);
	return r;
}

static int stats_message(struct mpath *m, char *result, unsigned int maxlen)
{
	int r = mpath_stats_text(m, result, maxlen);

	return r < 0 ? r : 1;
}

enum message_kind {
	MSG_QUEUEING,
	MSG_GROUP,
	MSG_PATH,
	MSG_PROBING,
	MSG_STATS,
};

/* @words: 0: as many as the message itself says */
static const struct message {
	const char *verb;
	unsigned int words;
	enum message_kind kind;
} messages[] = {
	{ "queue_if_no_path",	1, MSG_QUEUEING },
	{ "fail_if_no_path",	1, MSG_QUEUEING },
	{ "switch_group",	2, MSG_GROUP },
	{ "enable_group",	2, MSG_GROUP },
	{ "disable_group",	2, MSG_GROUP },
	{ "fail_path",		2, MSG_PATH },
	{ "reinstate_path",	2, MSG_PATH },
	{ "probe_paths",	0, MSG_PROBING },
	{ "probe_path",		0, MSG_PROBING },
	{ "path_stats",		1, MSG_STATS },
};

static const struct message *find_message(const char *verb)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(messages); i++)
		if (!strcasecmp(verb, messages[i].verb))
			return &messages[i];
	return NULL;
}

/**
 * mpath_message() - message method
 * @ti: the target
 * @argc: number of words, at least 1
 * @argv: the words
 * @result: where to, for a message that has an answer
 * @maxlen: room there; when it is full, who asked does so again with more
 *
 * Return: 0; 1 if there is an answer; -EBUSY while suspended; -EINVAL for a message, a
 * number of words, a group or a path that is unknown; for the name of a device that does
 * not exist what the kernel says of it (-ENOENT, -ENOTBLK): each with a line in the log.
 */
int mpath_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen)
{
	const struct message *message = find_message(argv[0]);
	struct mpath *m = mpath_of(ti);

	/* What only asks is answered at any time. */
	if (dm_suspended(ti) && !(message && message->kind == MSG_STATS))
		return -EBUSY;

	if (!message) {
		DMWARN("%s: unknown message '%.32s'", mpath_name(m),
		       argv[0]);
		return -EINVAL;
	}
	if (message->words && argc != message->words) {
		DMWARN("%s: message %s: expected %u words, got %u",
		       mpath_name(m), message->verb, message->words,
		       argc);
		return -EINVAL;
	}

	switch (message->kind) {
	case MSG_QUEUEING:
		mpath_set_queueing(m, !strcasecmp(argv[0], "queue_if_no_path"));
		return 0;
	case MSG_GROUP:
		return group_message(m, argv[0], argv[1]);
	case MSG_PATH:
		return path_message(m, argv[0], argv[1]);
	case MSG_PROBING:
		return mpath_probe_message(m, argc, argv, result, maxlen);
	case MSG_STATS:
		return stats_message(m, result, maxlen);
	}
	return -EINVAL;
}
