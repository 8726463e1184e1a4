// SPDX-License-Identifier: GPL-2.0
/*
 * rqt: the files under /sys/kernel/debug/rqt, which rqt.rst describes.
 *
 * A file has a name, a function that prints it and one that handles writes. The
 * functions of a file of a path get the path, the others get NULL.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "rqt.h"

struct rqt_file {
	const char	*name;
	int		(*show)(struct seq_file *m, struct rqt_path *path);
	int		(*store)(struct rqt_path *path, char *text);
};

/* A debugfs file. */
struct rqt_node {
	const struct rqt_file	*file;
	struct rqt_path		*path;
};

static const char *const rqt_complete_names[RQT_NR_COMPLETE] = {
	[RQT_INLINE]	= "inline",
	[RQT_SOFTIRQ]	= "softirq",
	[RQT_TIMER]	= "timer",
	[RQT_WORK]	= "work",
};

static int rqt_complete_show(struct seq_file *m, struct rqt_path *path)
{
	seq_printf(m, "%s\n", rqt_complete_names[READ_ONCE(path->complete)]);
	return 0;
}

static int rqt_complete_store(struct rqt_path *path, char *text)
{
	int mode = match_string(rqt_complete_names, RQT_NR_COMPLETE, text);

	if (mode < 0)
		return -EINVAL;
	spin_lock_irq(&path->lock);
	path->complete = mode;
	spin_unlock_irq(&path->lock);
	return 0;
}

static int rqt_number_store(struct rqt_path *path, u64 *field, char *text,
			    u64 max)
{
	u64 value;

	if (kstrtou64(text, 0, &value) || value > max)
		return -EINVAL;
	spin_lock_irq(&path->lock);
	*field = value;
	spin_unlock_irq(&path->lock);
	return 0;
}

static int rqt_service_us_show(struct seq_file *m, struct rqt_path *path)
{
	seq_printf(m, "%llu\n", READ_ONCE(path->service_us));
	return 0;
}

static int rqt_service_us_store(struct rqt_path *path, char *text)
{
	return rqt_number_store(path, &path->service_us, text, U32_MAX);
}

static int rqt_mbps_show(struct seq_file *m, struct rqt_path *path)
{
	seq_printf(m, "%llu\n", READ_ONCE(path->mbps));
	return 0;
}

static int rqt_mbps_store(struct rqt_path *path, char *text)
{
	return rqt_number_store(path, &path->mbps, text, U32_MAX);
}

static int rqt_slots_show(struct seq_file *m, struct rqt_path *path)
{
	seq_printf(m, "%u\n", READ_ONCE(path->slots));
	return 0;
}

static int rqt_slots_store(struct rqt_path *path, char *text)
{
	unsigned int slots;

	if (kstrtouint(text, 0, &slots) || !slots || slots > path->max_slots)
		return -EINVAL;
	rqt_set_slots(path, slots);
	return 0;
}

static int rqt_dead_show(struct seq_file *m, struct rqt_path *path)
{
	seq_printf(m, "%d\n", READ_ONCE(path->dead));
	return 0;
}

static int rqt_dead_store(struct rqt_path *path, char *text)
{
	bool dead;

	if (kstrtobool(text, &dead))
		return -EINVAL;
	spin_lock_irq(&path->lock);
	path->dead = dead;
	spin_unlock_irq(&path->lock);
	return 0;
}

static int rqt_hold_show(struct seq_file *m, struct rqt_path *path)
{
	seq_printf(m, "%d\n", READ_ONCE(path->hold));
	return 0;
}

/* "1", "2", "0", or "0 <status>" to complete the held requests with an error */
static int rqt_hold_store(struct rqt_path *path, char *text)
{
	blk_status_t status = BLK_STS_OK;
	char *word = rqt_word(&text);
	unsigned int hold;

	if (!word || kstrtouint(word, 0, &hold) || hold >= RQT_NR_HOLD)
		return -EINVAL;
	word = rqt_word(&text);
	if (word && (hold || rqt_status_parse(word, &status)))
		return -EINVAL;
	if (status == BLK_STS_RESOURCE || status == BLK_STS_DEV_RESOURCE)
		return -EINVAL;

	spin_lock_irq(&path->lock);
	path->hold = hold;
	spin_unlock_irq(&path->lock);
	if (!hold)
		rqt_release(path, status);
	return 0;
}

static int rqt_remove_show(struct seq_file *m, struct rqt_path *path)
{
	seq_printf(m, "%d\n", test_bit(0, &path->removing));
	return 0;
}

static int rqt_remove_store(struct rqt_path *path, char *text)
{
	if (strcmp(text, "1"))
		return -EINVAL;
	rqt_remove(path, BLK_STS_TRANSPORT);
	return 0;
}

static int rqt_rules_file_show(struct seq_file *m, struct rqt_path *path)
{
	rqt_rules_show(path, m);
	return 0;
}

static int rqt_rules_store(struct rqt_path *path, char *text)
{
	char *line;
	int ret;

	while ((line = strsep(&text, "\n"))) {
		line = strim(line);
		if (!*line)
			continue;
		if (!strcmp(line, "clear")) {
			rqt_rules_clear(path);
			continue;
		}
		ret = rqt_rule_add(path, line);
		if (ret)
			return ret;
	}
	return 0;
}

static void rqt_outcome_print(struct seq_file *m, const struct rqt_record *r)
{
	switch (r->outcome) {
	case RQT_IN_FLIGHT:
		seq_puts(m, "inflight");
		break;
	case RQT_HELD:
		seq_puts(m, "held");
		break;
	case RQT_REFUSED:
		seq_printf(m, "refused:%s", rqt_status_name(r->status));
		break;
	case RQT_ENDED:
		seq_puts(m, rqt_status_name(r->status));
		if (r->part)
			seq_printf(m, "@%u-%u", r->fail_from, r->fail_to);
		break;
	}
	seq_putc(m, '\n');
}

static void rqt_record_print(struct seq_file *m, const struct rqt_record *r)
{
	char flags[4];
	char *f = flags;

	if (r->flags & REQ_FUA)
		*f++ = 'F';
	if (r->flags & REQ_PREFLUSH)
		*f++ = 'P';
	if (r->flags & REQ_FAILFAST_TRANSPORT)
		*f++ = 'f';
	*f = '\0';

	seq_printf(m, "%llu %llu %u %s %s %llu %u %u %u ", r->seq, r->ns,
		   r->path, rqt_op_names[r->op], *flags ? flags : "-",
		   (u64)r->sector, r->sectors, r->bios, r->segments);
	rqt_outcome_print(m, r);
}

/* Copy the entries of the ring; @records has room for all of them. */
static unsigned int rqt_record_copy(struct rqt_path *path,
				    struct rqt_record *records)
{
	unsigned int n = 0;
	u64 pos;

	spin_lock_irq(&path->lock);
	pos = path->tail;
	if (path->head - pos > path->ring_size)
		pos = path->head - path->ring_size;
	for (; pos < path->head; pos++)
		records[n++] = path->ring[pos % path->ring_size];
	spin_unlock_irq(&path->lock);
	return n;
}

static int rqt_record_cmp(const void *a, const void *b)
{
	const struct rqt_record *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int rqt_records_show(struct seq_file *m, struct rqt_path **paths,
			    unsigned int nr)
{
	struct rqt_record *records;
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++)
		n += paths[i]->ring_size;
	records = kvmalloc_array(n, sizeof(*records), GFP_KERNEL);
	if (!records)
		return -ENOMEM;

	for (i = 0, n = 0; i < nr; i++)
		n += rqt_record_copy(paths[i], records + n);
	if (nr > 1)
		sort(records, n, sizeof(*records), rqt_record_cmp, NULL);
	for (i = 0; i < n; i++)
		rqt_record_print(m, &records[i]);
	kvfree(records);
	return 0;
}

static int rqt_record_show(struct seq_file *m, struct rqt_path *path)
{
	return rqt_records_show(m, &path, 1);
}

static int rqt_all_records_show(struct seq_file *m, struct rqt_path *path)
{
	return rqt_records_show(m, rqt_paths, rqt_nr_paths);
}

static int rqt_record_store(struct rqt_path *path, char *text)
{
	if (strcmp(text, "clear"))
		return -EINVAL;
	spin_lock_irq(&path->lock);
	path->tail = path->head;
	spin_unlock_irq(&path->lock);
	return 0;
}

static int rqt_all_records_store(struct rqt_path *path, char *text)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < rqt_nr_paths && !ret; i++)
		ret = rqt_record_store(rqt_paths[i], text);
	return ret;
}

static int rqt_stats_show(struct seq_file *m, struct rqt_path *path)
{
	struct rqt_stats s;
	enum rqt_op op;
	u64 inflight;

	spin_lock_irq(&path->lock);
	s = path->stats;
	inflight = path->started - path->ended;
	spin_unlock_irq(&path->lock);

	for (op = 0; op < RQT_NR_OPS; op++)
		seq_printf(m, "%s %llu\n", rqt_op_names[op], s.requests[op]);
	seq_printf(m, "bios %llu\n", s.bios);
	seq_printf(m, "sectors %llu\n", s.sectors);
	seq_printf(m, "fua %llu\n", s.fua);
	seq_printf(m, "busy %llu\n", s.busy);
	seq_printf(m, "refused %llu\n", s.refused);
	seq_printf(m, "errors %llu\n", s.errors);
	seq_printf(m, "held %llu\n", s.held);
	seq_printf(m, "timeouts %llu\n", s.timeouts);
	seq_printf(m, "inflight %llu\n", inflight);
	seq_printf(m, "max_inflight %u\n", s.max_inflight);
	return 0;
}

static int rqt_stats_store(struct rqt_path *path, char *text)
{
	if (strcmp(text, "clear"))
		return -EINVAL;
	spin_lock_irq(&path->lock);
	memset(&path->stats, 0, sizeof(path->stats));
	path->stats.max_inflight = path->started - path->ended;
	spin_unlock_irq(&path->lock);
	return 0;
}

static int rqt_check_show(struct seq_file *m, struct rqt_path *unused)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < rqt_nr_paths; i++) {
		struct rqt_path *path = rqt_paths[i];
		u64 started, ended, twice;

		spin_lock_irq(&path->lock);
		started = path->started;
		ended = path->ended;
		twice = path->double_ends;
		spin_unlock_irq(&path->lock);

		seq_printf(m, "path %u started %llu ended %llu inflight %lld double_ends %llu\n",
			   i, started, ended, (s64)(started - ended), twice);
		if (started != ended || twice)
			ok = false;
	}
	seq_puts(m, ok ? "ok\n" : "not ok\n");
	return 0;
}

static int rqt_power_show(struct seq_file *m, struct rqt_path *unused)
{
	struct rqt_power power = rqt_get_power();

	seq_printf(m, "%s cuts %llu lost %llu kept %llu\n",
		   power.off ? "off" : "on", power.cuts, power.lost, power.kept);
	return 0;
}

static int rqt_power_store(struct rqt_path *unused, char *text)
{
	if (strcmp(text, "on") && strcmp(text, "off"))
		return -EINVAL;
	return rqt_set_power(!strcmp(text, "on"));
}

static const struct rqt_file rqt_path_files[] = {
	{ "complete",	rqt_complete_show,	rqt_complete_store },
	{ "service_us",	rqt_service_us_show,	rqt_service_us_store },
	{ "mbps",	rqt_mbps_show,		rqt_mbps_store },
	{ "slots",	rqt_slots_show,		rqt_slots_store },
	{ "dead",	rqt_dead_show,		rqt_dead_store },
	{ "hold",	rqt_hold_show,		rqt_hold_store },
	{ "remove",	rqt_remove_show,	rqt_remove_store },
	{ "rules",	rqt_rules_file_show,	rqt_rules_store },
	{ "record",	rqt_record_show,	rqt_record_store },
	{ "stats",	rqt_stats_show,		rqt_stats_store },
};

static const struct rqt_file rqt_top_files[] = {
	{ "record",	rqt_all_records_show,	rqt_all_records_store },
	{ "check",	rqt_check_show,		NULL },
	{ "power",	rqt_power_show,		rqt_power_store },
};

static struct dentry *rqt_dir;
static struct rqt_node *rqt_nodes;

static int rqt_node_show(struct seq_file *m, void *v)
{
	struct rqt_node *node = m->private;

	return node->file->show(m, node->path);
}

static int rqt_node_open(struct inode *inode, struct file *file)
{
	return single_open(file, rqt_node_show, inode->i_private);
}

static ssize_t rqt_node_write(struct file *file, const char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct rqt_node *node = file_inode(file)->i_private;
	char *text;
	int ret;

	if (!node->file->store)
		return -EINVAL;
	if (count > PAGE_SIZE)
		return -E2BIG;
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);
	ret = node->file->store(node->path, strim(text));
	kfree(text);
	return ret ? ret : count;
}

static const struct file_operations rqt_node_fops = {
	.owner		= THIS_MODULE,
	.open		= rqt_node_open,
	.read		= seq_read,
	.write		= rqt_node_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static struct rqt_node *rqt_files_create(struct dentry *dir,
					 const struct rqt_file *files,
					 unsigned int nr, struct rqt_path *path,
					 struct rqt_node *node)
{
	unsigned int i;

	for (i = 0; i < nr; i++, node++) {
		node->file = &files[i];
		node->path = path;
		debugfs_create_file(files[i].name, files[i].store ? 0600 : 0400,
				    dir, node, &rqt_node_fops);
	}
	return node;
}

int rqt_debugfs_init(void)
{
	struct rqt_node *node;
	unsigned int i;
	char name[12];

	rqt_nodes = kcalloc(ARRAY_SIZE(rqt_top_files) +
			    rqt_nr_paths * ARRAY_SIZE(rqt_path_files),
			    sizeof(*rqt_nodes), GFP_KERNEL);
	if (!rqt_nodes)
		return -ENOMEM;

	rqt_dir = debugfs_create_dir("rqt", NULL);
	node = rqt_files_create(rqt_dir, rqt_top_files,
				ARRAY_SIZE(rqt_top_files), NULL, rqt_nodes);
	for (i = 0; i < rqt_nr_paths; i++) {
		snprintf(name, sizeof(name), "%u", i);
		node = rqt_files_create(debugfs_create_dir(name, rqt_dir),
					rqt_path_files,
					ARRAY_SIZE(rqt_path_files),
					rqt_paths[i], node);
	}
	return 0;
}

/* Waits until no file is in use. */
void rqt_debugfs_exit(void)
{
	debugfs_remove_recursive(rqt_dir);
	kfree(rqt_nodes);
}
