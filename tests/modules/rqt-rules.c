// SPDX-License-Identifier: GPL-2.0
/*
 * rqt: rules, which select requests and determine their result.
 *
 *	<op> <sectors> <when> <action>
 *
 * The grammar is in rqt.rst. We try the rules in order. The first rule that
 * selects a request decides, and the rules after it do not count that request.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "rqt.h"

enum rqt_when {
	RQT_ALWAYS,
	RQT_SPAN,	/* the requests from @from to @to */
	RQT_EVERY,	/* every @from-th request */
};

enum rqt_action {
	RQT_FAIL,
	RQT_FAIL_BIO,
	RQT_FAIL_BIO_ONLY,
	RQT_PARTIAL,
	RQT_REFUSE,
	RQT_HOLD,
	RQT_DELAY,
};

/**
 * struct rqt_rule - one rule
 * @node: entry in rqt_path.rules
 * @text: the rule as written, for the list
 * @ops: bit per enum rqt_op
 * @any_sector: match all requests, including those without sectors
 * @first: first sector of the range
 * @last: last sector of the range
 * @when: selection among the matching requests
 * @from: first selected request, or the interval
 * @to: last selected request
 * @action: action for selected requests
 * @status: status for the actions that fail requests
 * @bio: number of the bio for the fail_bio actions, from 1
 * @bytes: size for RQT_PARTIAL
 * @us: time for RQT_DELAY and for the option later
 * @torn: transfer the data of failed parts
 * @copied: for RQT_HOLD: transfer the data at submission
 * @seen: requests that match @ops, sectors and action
 * @hits: selected requests
 */
struct rqt_rule {
	struct list_head	node;
	char			text[96];
	unsigned long		ops;
	bool			any_sector;
	sector_t		first;
	sector_t		last;
	enum rqt_when		when;
	u64			from;
	u64			to;
	enum rqt_action		action;
	blk_status_t		status;
	unsigned int		bio;
	unsigned int		bytes;
	u64			us;
	bool			torn;
	bool			copied;
	u64			seen;
	u64			hits;
};

const char *const rqt_op_names[RQT_NR_OPS] = {
	[RQT_READ]		= "read",
	[RQT_WRITE]		= "write",
	[RQT_FLUSH]		= "flush",
	[RQT_DISCARD]		= "discard",
	[RQT_WRITE_ZEROES]	= "write_zeroes",
	[RQT_OTHER]		= "other",
};

static const struct {
	blk_status_t	status;
	const char	*name;
} rqt_statuses[] = {
	{ BLK_STS_OK,		"ok" },
	{ BLK_STS_TRANSPORT,	"transport" },
	{ BLK_STS_IOERR,	"ioerr" },
	{ BLK_STS_MEDIUM,	"medium" },
	{ BLK_STS_TARGET,	"target" },
	{ BLK_STS_NOSPC,	"nospc" },
	{ BLK_STS_NOTSUPP,	"notsupp" },
	{ RQT_STS_RESV,		"resv" },
	{ BLK_STS_PROTECTION,	"protection" },
	{ BLK_STS_TIMEOUT,	"timeout" },
	{ BLK_STS_OFFLINE,	"offline" },
	{ BLK_STS_RESOURCE,	"resource" },
	{ BLK_STS_DEV_RESOURCE,	"dev_resource" },
	{ BLK_STS_AGAIN,	"again" },
};

const char *rqt_status_name(blk_status_t status)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rqt_statuses); i++)
		if (rqt_statuses[i].status == status)
			return rqt_statuses[i].name;
	return "unknown";
}

int rqt_status_parse(const char *name, blk_status_t *status)
{
	unsigned int i;

	for (i = 0; name && i < ARRAY_SIZE(rqt_statuses); i++) {
		if (!strcmp(rqt_statuses[i].name, name)) {
			*status = rqt_statuses[i].status;
			return 0;
		}
	}
	return -EINVAL;
}

/* Return the next word of a line, or NULL. */
char *rqt_word(char **rest)
{
	char *word;

	do {
		word = strsep(rest, " \t\n");
	} while (word && !*word);
	return word;
}

static int rqt_u64(const char *word, u64 min, u64 max, u64 *value)
{
	u64 v;

	if (!word || kstrtou64(word, 0, &v) || v < min || v > max)
		return -EINVAL;
	*value = v;
	return 0;
}

static int rqt_uint(const char *word, unsigned int min, unsigned int *value)
{
	u64 v;

	if (rqt_u64(word, min, UINT_MAX, &v))
		return -EINVAL;
	*value = v;
	return 0;
}

/* "a-b", "a-" (no end) or "a" */
static int rqt_span(char *word, u64 min, u64 *from, u64 *to)
{
	char *first = strsep(&word, "-");

	if (rqt_u64(first, min, U64_MAX, from))
		return -EINVAL;
	if (!word)
		*to = *from;
	else if (!*word)
		*to = U64_MAX;
	else if (rqt_u64(word, *from, U64_MAX, to))
		return -EINVAL;
	return 0;
}

static int rqt_parse_ops(struct rqt_rule *r, char **rest)
{
	const char *word = rqt_word(rest);
	enum rqt_op op;

	if (!word)
		return -EINVAL;
	if (!strcmp(word, "any")) {
		r->ops = ~0UL;
		return 0;
	}
	for (op = 0; op < RQT_NR_OPS; op++) {
		if (!strcmp(word, rqt_op_names[op])) {
			r->ops = BIT(op);
			return 0;
		}
	}
	return -EINVAL;
}

static int rqt_parse_sectors(struct rqt_rule *r, char **rest)
{
	char *word = rqt_word(rest);
	u64 first, last;

	if (!word)
		return -EINVAL;
	if (!strcmp(word, "*")) {
		r->any_sector = true;
		return 0;
	}
	if (rqt_span(word, 0, &first, &last))
		return -EINVAL;
	r->first = first;
	r->last = last;
	return 0;
}

static int rqt_parse_when(struct rqt_rule *r, char **rest)
{
	char *word = rqt_word(rest);

	if (!word)
		return -EINVAL;
	if (!strcmp(word, "always")) {
		r->when = RQT_ALWAYS;
		return 0;
	}
	if (!strcmp(word, "every")) {
		r->when = RQT_EVERY;
		return rqt_u64(rqt_word(rest), 1, U64_MAX, &r->from);
	}
	r->when = RQT_SPAN;
	if (!strcmp(word, "nth"))
		word = rqt_word(rest);
	return word ? rqt_span(word, 1, &r->from, &r->to) : -EINVAL;
}

/* A resource status cannot complete a request, but only refuse it. */
static int rqt_parse_fail(struct rqt_rule *r, char **rest)
{
	if (rqt_status_parse(rqt_word(rest), &r->status))
		return -EINVAL;
	if (r->status == BLK_STS_RESOURCE || r->status == BLK_STS_DEV_RESOURCE)
		r->action = RQT_REFUSE;
	return r->status == BLK_STS_OK ? -EINVAL : 0;
}

static int rqt_parse_part(struct rqt_rule *r, char **rest)
{
	enum rqt_action action = r->action;

	if (rqt_parse_fail(r, rest))
		return -EINVAL;
	return r->action == action ? 0 : -EINVAL;
}

static int rqt_parse_bio(struct rqt_rule *r, char **rest)
{
	if (rqt_uint(rqt_word(rest), 1, &r->bio))
		return -EINVAL;
	return rqt_parse_part(r, rest);
}

static int rqt_parse_partial(struct rqt_rule *r, char **rest)
{
	if (rqt_uint(rqt_word(rest), SECTOR_SIZE, &r->bytes) ||
	    !IS_ALIGNED(r->bytes, SECTOR_SIZE))
		return -EINVAL;
	return rqt_parse_part(r, rest);
}

static int rqt_parse_busy(struct rqt_rule *r, char **rest)
{
	r->status = BLK_STS_RESOURCE;
	return 0;
}

static int rqt_parse_hold(struct rqt_rule *r, char **rest)
{
	return 0;
}

static int rqt_parse_delay(struct rqt_rule *r, char **rest)
{
	return rqt_u64(rqt_word(rest), 1, U32_MAX, &r->us);
}

static const struct {
	const char	*name;
	enum rqt_action	action;
	int		(*parse)(struct rqt_rule *r, char **rest);
} rqt_actions[] = {
	{ "fail",		RQT_FAIL,		rqt_parse_fail },
	{ "fail_bio",		RQT_FAIL_BIO,		rqt_parse_bio },
	{ "fail_bio_only",	RQT_FAIL_BIO_ONLY,	rqt_parse_bio },
	{ "partial",		RQT_PARTIAL,		rqt_parse_partial },
	{ "refuse",		RQT_REFUSE,		rqt_parse_fail },
	{ "busy",		RQT_REFUSE,		rqt_parse_busy },
	{ "hold",		RQT_HOLD,		rqt_parse_hold },
	{ "delay",		RQT_DELAY,		rqt_parse_delay },
};

static int rqt_parse_action(struct rqt_rule *r, char **rest)
{
	const char *word = rqt_word(rest);
	unsigned int i;

	for (i = 0; word && i < ARRAY_SIZE(rqt_actions); i++) {
		if (!strcmp(word, rqt_actions[i].name)) {
			r->action = rqt_actions[i].action;
			return rqt_actions[i].parse(r, rest);
		}
	}
	return -EINVAL;
}

/* Options after an action; each is valid for some actions only. */
static int rqt_parse_options(struct rqt_rule *r, char **rest)
{
	bool fails = r->action <= RQT_PARTIAL;
	const char *word;

	while ((word = rqt_word(rest))) {
		if (!strcmp(word, "torn") && fails) {
			r->torn = true;
		} else if (!strcmp(word, "later") && fails) {
			if (rqt_u64(rqt_word(rest), 1, U32_MAX, &r->us))
				return -EINVAL;
		} else if (!strcmp(word, "copied") && r->action == RQT_HOLD) {
			r->copied = true;
		} else if (!strcmp(word, "dev") && r->action == RQT_REFUSE &&
			   r->status == BLK_STS_RESOURCE) {
			r->status = BLK_STS_DEV_RESOURCE;
		} else {
			return -EINVAL;
		}
	}
	return 0;
}

static int rqt_rule_parse(struct rqt_rule *r, char *line)
{
	strscpy(r->text, line, sizeof(r->text));

	if (rqt_parse_ops(r, &line) ||
	    rqt_parse_sectors(r, &line) ||
	    rqt_parse_when(r, &line) ||
	    rqt_parse_action(r, &line) ||
	    rqt_parse_options(r, &line))
		return -EINVAL;
	return 0;
}

/**
 * rqt_rule_add - parse a rule and append it to the list
 * @path: the path
 * @line: the rule; modified by parsing
 *
 * Return: 0, -EINVAL or -ENOMEM
 */
int rqt_rule_add(struct rqt_path *path, char *line)
{
	struct rqt_rule *r = kzalloc(sizeof(*r), GFP_KERNEL);
	int ret;

	if (!r)
		return -ENOMEM;

	ret = rqt_rule_parse(r, line);
	if (ret) {
		kfree(r);
		return ret;
	}

	spin_lock_irq(&path->lock);
	list_add_tail(&r->node, &path->rules);
	spin_unlock_irq(&path->lock);
	return 0;
}

void rqt_rules_clear(struct rqt_path *path)
{
	struct rqt_rule *r, *next;
	LIST_HEAD(rules);

	spin_lock_irq(&path->lock);
	list_splice_init(&path->rules, &rules);
	spin_unlock_irq(&path->lock);

	list_for_each_entry_safe(r, next, &rules, node)
		kfree(r);
}

void rqt_rules_show(struct rqt_path *path, struct seq_file *m)
{
	struct rqt_rule *r;

	spin_lock_irq(&path->lock);
	list_for_each_entry(r, &path->rules, node)
		seq_printf(m, "%s seen=%llu hits=%llu\n", r->text, r->seen,
			   r->hits);
	spin_unlock_irq(&path->lock);
}

static bool rqt_rule_covers(const struct rqt_rule *r, struct request *rq)
{
	sector_t first = blk_rq_pos(rq);

	if (r->any_sector)
		return true;
	if (!blk_rq_sectors(rq))
		return false;
	return first <= r->last && first + blk_rq_sectors(rq) > r->first;
}

/* If a request is too short for the action, then the rule does not count it. */
static bool rqt_rule_applies(const struct rqt_rule *r, struct request *rq)
{
	switch (r->action) {
	case RQT_FAIL_BIO:
	case RQT_FAIL_BIO_ONLY:
		return rqt_nr_bios(rq) >= r->bio;
	case RQT_PARTIAL:
		return blk_rq_bytes(rq) > r->bytes;
	default:
		return true;
	}
}

static bool rqt_rule_picks(struct rqt_rule *r, struct request *rq)
{
	if (!(r->ops & BIT(rqt_op(rq))) || !rqt_rule_covers(r, rq) ||
	    !rqt_rule_applies(r, rq))
		return false;

	r->seen++;
	switch (r->when) {
	case RQT_SPAN:
		if (r->seen < r->from || r->seen > r->to)
			return false;
		break;
	case RQT_EVERY:
		if (r->seen % r->from)
			return false;
		break;
	case RQT_ALWAYS:
		break;
	}
	r->hits++;
	return true;
}

/* Set the range of the nr-th bio of a request, in bytes from its start. */
static void rqt_bio_bytes(struct request *rq, unsigned int nr,
			  unsigned int *from, unsigned int *to)
{
	struct bio *bio;

	*to = 0;
	__rq_for_each_bio(bio, rq) {
		*from = *to;
		*to += bio->bi_iter.bi_size;
		if (!--nr)
			return;
	}
}

static void rqt_rule_plan(const struct rqt_rule *r, struct request *rq,
			  struct rqt_plan *plan)
{
	switch (r->action) {
	case RQT_REFUSE:
		plan->refuse = r->status;
		return;
	case RQT_HOLD:
		plan->hold = true;
		plan->late = !r->copied;
		return;
	case RQT_DELAY:
		plan->delay_us = r->us;
		plan->late = true;
		return;
	default:
		break;
	}

	plan->status = r->status;
	plan->end_status = r->status;
	plan->torn = r->torn;
	plan->later_us = r->us;
	plan->fail_to = blk_rq_bytes(rq);

	if (r->action == RQT_PARTIAL)
		plan->fail_from = r->bytes;
	if (r->action == RQT_FAIL_BIO || r->action == RQT_FAIL_BIO_ONLY)
		rqt_bio_bytes(rq, r->bio, &plan->fail_from, &plan->fail_to);
	if (r->action == RQT_FAIL_BIO)
		plan->fail_to = blk_rq_bytes(rq);
	/* As in SCSI, the last part determines the status of the request. */
	if (plan->fail_to < blk_rq_bytes(rq))
		plan->end_status = BLK_STS_OK;
}

/**
 * rqt_rules_apply - plan the result of a request by the first rule that selects
 * it
 * @path: the path of the request
 * @rq: the request, not yet started
 * @plan: zeroed plan; not changed if no rule selects the request
 *
 * Context: rqt_path.lock held.
 */
void rqt_rules_apply(struct rqt_path *path, struct request *rq,
		     struct rqt_plan *plan)
{
	struct rqt_rule *r;

	lockdep_assert_held(&path->lock);

	list_for_each_entry(r, &path->rules, node) {
		if (rqt_rule_picks(r, rq)) {
			rqt_rule_plan(r, rq, plan);
			return;
		}
	}
}
