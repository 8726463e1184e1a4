// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages from the administrator or multipathd to a live map.
 */

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "mpath/probe.h"
#include "dm-arg.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "multipath"

/* ---- groups and paths ---- */

static struct mpath_group *find_group(struct mpath *m, const char *text)
{
	unsigned int number;

	if (dm_arg_uint(text, &number) || !number ||
	    number > m->nr_groups) {
		mpath_warn(m, "message: no group '%.32s', expected 1..%u",
			   text, m->nr_groups);
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

/* Call @action, unless it is NULL, for all paths to @dev, and return their number. */
static unsigned int act_on_device(struct mpath *m, dev_t dev,
				  void (*action)(struct mpath_path *path))
{
	struct mpath_path *path;
	unsigned int nr = 0;

	list_for_each_entry(path, &m->paths, list) {
		if (path->ps.dev->bdev->bd_dev != dev)
			continue;
		nr++;
		if (action)
			action(path);
	}
	return nr;
}

/*
 * Look up the device that a message names, as name or as major:minor.  May sleep, but
 * does not wait for the device.  Returns 0; -EINVAL if the device is not a path of the
 * map; or the kernel's error if there is no such block device.  Errors are logged.
 */
static int device_arg(struct mpath *m, const char *arg, dev_t *dev)
{
	int r = dm_rq_devt_from_path(arg, dev);

	if (r) {
		mpath_warn(m, "message: no device '%.64s'", arg);
		return r;
	}
	if (!act_on_device(m, *dev, NULL)) {
		mpath_warn(m, "message: device '%.64s' is not a path of the map",
			   arg);
		return -EINVAL;
	}
	return 0;
}

/* A device may be a path of more than one group: the message is for all of them. */
static int path_message(struct mpath *m, const char *verb, const char *arg)
{
	void (*action)(struct mpath_path *path) =
		!strcasecmp(verb, "fail_path") ? mpath_admin_fail :
						 mpath_admin_reinstate;
	dev_t dev;
	int r;

	r = device_arg(m, arg, &dev);
	if (!r)
		act_on_device(m, dev, action);
	return r;
}

/* ---- probes ---- */

/* Longest line of the result: 12 characters of a device, a word, and 20 digits. */
#define MAX_LINE		48

static void batch_text(struct mpath_probe_batch *batch, char *result,
		       unsigned int maxlen)
{
	struct mpath_probe_waiter *waiter, *end = batch->waiter + batch->nr;
	int sz = 0;

	result[0] = '\0';
	for (waiter = batch->waiter; waiter < end; waiter++) {
		DMEMIT("%s ", waiter->path->ps.dev->name);
		if (!waiter->answered)
			DMEMIT("TIMEOUT\n");
		else if (waiter->error)
			DMEMIT("ERROR %d\n", -waiter->error);
		else
			DMEMIT("OK %lld\n", waiter->us);
	}
}

/*
 * If the result fills the buffer, dm core asks user space to call again with a larger
 * one.  To avoid a second probe, we fill a buffer that may be too small at once.
 */
static bool is_too_small(struct mpath *m, dev_t dev, char *result,
			 unsigned int maxlen)
{
	if (mpath_probe_count(m, dev) * MAX_LINE + 1 < maxlen)
		return false;
	if (maxlen) {
		memset(result, ' ', maxlen - 1);
		result[maxlen - 1] = '\0';
	}
	return true;
}

/* [<timeout ms>] [reinstate] */
static int parse_probe_args(struct mpath *m, const char *verb, unsigned int argc,
			    char **argv, unsigned int *ms, bool *reinstate)
{
	*ms = MPATH_PROBE_TIMEOUT_MS;
	if (argc && !dm_arg_uint(argv[0], ms) && *ms &&
	    *ms <= MPATH_PROBE_MAX_TIMEOUT_MS) {
		argc--;
		argv++;
	}
	*reinstate = argc && !strcasecmp(argv[0], "reinstate");
	if (*reinstate) {
		argc--;
		argv++;
	}
	if (!argc)
		return 0;
	mpath_warn(m, "message %s: expected [<timeout 1..%u ms>] [reinstate], got '%.32s'",
		   verb, MPATH_PROBE_MAX_TIMEOUT_MS, argv[0]);
	return -EINVAL;
}

/*
 * probe_paths and probe_path.  The result has a line per path: its device, and "OK" and
 * the time in microseconds, or "TIMEOUT", or "ERROR" and the errno.
 *
 * Process context; sleeps for the timeout and a tick at most.  A suspend ends that.
 *
 * Returns 1 if there is a result.  -EINVAL for an unknown word or path, and the kernel's
 * error if there is no such device, are logged.  On -EBUSY (the map is being suspended),
 * -EINTR (the caller is being killed) and -ENOMEM, no path was failed or reinstated.
 */
static int probe_message(struct mpath *m, unsigned int argc, char **argv,
			 char *result, unsigned int maxlen)
{
	bool all = !strcasecmp(argv[0], "probe_paths"), reinstate;
	unsigned int words = all ? 1 : 2, ms;
	struct mpath_probe_batch *batch;
	dev_t dev = 0;
	int r;

	if (argc < words) {
		mpath_warn(m, "message %s: expected a device, got nothing",
			   argv[0]);
		return -EINVAL;
	}
	r = parse_probe_args(m, argv[0], argc - words, argv + words, &ms,
			     &reinstate);
	if (!r && !all)
		r = device_arg(m, argv[1], &dev);
	if (r)
		return r;
	if (is_too_small(m, dev, result, maxlen))
		return 1;

	batch = mpath_probe_paths(m, dev, ms);
	if (IS_ERR(batch))
		return PTR_ERR(batch);
	batch_text(batch, result, maxlen);
	mpath_probe_apply(batch, reinstate ? mpath_admin_reinstate : NULL);
	mpath_probe_free(batch);
	return 1;
}

/* ---- the message method ---- */

static int stats_message(struct mpath *m, char *result, unsigned int maxlen)
{
	int r = mpath_path_stats_text(m, result, maxlen);

	return r < 0 ? r : 1;
}

enum message_kind {
	MSG_QUEUEING,
	MSG_GROUP,
	MSG_PATH,
	MSG_PROBING,
	MSG_STATS,
};

/**
 * struct mpath_message - a message
 * @verb: its first word
 * @words: number of its words, 0 if that varies
 * @kind: selects its function
 */
struct mpath_message {
	const char *verb;
	unsigned int words;
	enum message_kind kind;
};

static const struct mpath_message messages[] = {
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

static const struct mpath_message *find_message(const char *verb)
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
 * @result: the buffer, for a message that has a result
 * @maxlen: its size. If the result fills it, user space calls again with a larger one
 *
 * Context: process, may sleep.
 * Return: 0; 1 if there is a result; -EBUSY while suspended; -EINVAL for an unknown
 * message, group or path, or for a wrong number of words; for an unknown device the
 * kernel's error (-ENOENT, -ENOTBLK). These errors, except -EBUSY, are logged.
 */
int mpath_message(struct dm_target *ti, unsigned int argc, char **argv,
		  char *result, unsigned int maxlen)
{
	const struct mpath_message *message = find_message(argv[0]);
	struct mpath *m = mpath_of(ti);

	/* path_stats changes nothing, so it works at any time. */
	if (dm_suspended(ti) && !(message && message->kind == MSG_STATS))
		return -EBUSY;

	if (!message) {
		mpath_warn(m, "unknown message '%.32s'", argv[0]);
		return -EINVAL;
	}
	if (message->words && argc != message->words) {
		mpath_warn(m, "message %s: expected %u words, got %u",
			   message->verb, message->words, argc);
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
		return probe_message(m, argc, argv, result, maxlen);
	case MSG_STATS:
		return stats_message(m, result, maxlen);
	}
	return -EINVAL;
}
