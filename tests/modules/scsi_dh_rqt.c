// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SCSI hardware handler "rqt" whose results the test sets, and a handler
 * "other" that may be attached instead.
 *
 * /sys/kernel/debug/rqt-handler/ has
 *	control		accepts "<disk> <command>"; a disk is h:c:t:l, or * for all
 *			disks with the handler
 *		answer <outcome> [<times>]	then ok again; times 0: always
 *		answer hold [<times>]		no result before "release"
 *		delay <ms>			delay each result
 *		release <outcome>		complete held activations
 *		attach <outcome>		("*" only) result of attaching
 *	log		"<ms> <disk> activate", "<ms> <disk> <outcome>", "<ms> <disk>
 *			params <words>"; any write empties it
 *
 * Outcomes are the names of SCSI_DH_* in lower case, without that prefix.
 */

#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_dh.h>

#define NAME_MAX_CHARS	16
#define TEXT_CHARS	80
#define LINES		2048
#define HOLD		-1

struct rqt_disk {
	struct list_head list;
	char name[NAME_MAX_CHARS];
	int outcome;
	unsigned int times;
	unsigned int delay_ms;
};

struct rqt_activation {
	struct list_head list;
	struct delayed_work work;
	char name[NAME_MAX_CHARS];
	int outcome;
	activate_complete fn;
	void *data;
};

static const struct {
	const char *name;
	int value;
} outcomes[] = {
	{ "hold", HOLD },
	{ "ok", SCSI_DH_OK },
	{ "dev_failed", SCSI_DH_DEV_FAILED },
	{ "dev_temp_busy", SCSI_DH_DEV_TEMP_BUSY },
	{ "dev_unsupp", SCSI_DH_DEV_UNSUPP },
	{ "notconn", SCSI_DH_NOTCONN },
	{ "conn_failure", SCSI_DH_CONN_FAILURE },
	{ "io", SCSI_DH_IO },
	{ "invalid_io", SCSI_DH_INVALID_IO },
	{ "retry", SCSI_DH_RETRY },
	{ "imm_retry", SCSI_DH_IMM_RETRY },
	{ "timed_out", SCSI_DH_TIMED_OUT },
	{ "res_temp_unavail", SCSI_DH_RES_TEMP_UNAVAIL },
	{ "dev_offlined", SCSI_DH_DEV_OFFLINED },
	{ "nomem", SCSI_DH_NOMEM },
	{ "nosys", SCSI_DH_NOSYS },
};

/* Protects disks, held, lines and nr_lines. */
static DEFINE_SPINLOCK(lock);
static LIST_HEAD(disks);
static LIST_HEAD(held);
static int attach_outcome = SCSI_DH_OK;
static char (*lines)[TEXT_CHARS];
static unsigned int nr_lines;

static struct workqueue_struct *answer_wq;
static struct dentry *dir;

/* ---- names and the log ---- */

static const char *name_of(int outcome)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(outcomes); i++)
		if (outcomes[i].value == outcome)
			return outcomes[i].name;
	return "?";
}

static int find_outcome(const char *name, int *outcome)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(outcomes); i++) {
		if (!strcmp(outcomes[i].name, name)) {
			*outcome = outcomes[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static void disk_name(struct scsi_device *sdev, char *name)
{
	strscpy(name, dev_name(&sdev->sdev_gendev), NAME_MAX_CHARS);
}

static void note(const char *disk, const char *what, const char *more)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	if (nr_lines < LINES)
		scnprintf(lines[nr_lines++], TEXT_CHARS, "%lld %s %s%s",
			  ktime_to_ms(ktime_get()), disk, what, more);
	spin_unlock_irqrestore(&lock, flags);
}

/* ---- the handler ---- */

/*
 * A handler may complete in any context; we do so where it must not sleep. On
 * PREEMPT_RT a spinlock sleeps, so that there no handler completes with
 * interrupts disabled.
 */
static void answer(struct rqt_activation *a)
{
	unsigned long flags = 0;

	note(a->name, name_of(a->outcome), "");
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_save(flags);
	a->fn(a->data, a->outcome);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_irq_restore(flags);
	kfree(a);
}

static void answer_work(struct work_struct *work)
{
	answer(container_of(to_delayed_work(work), struct rqt_activation, work));
}

static int rqt_activate(struct scsi_device *sdev, activate_complete fn,
			void *data)
{
	struct rqt_disk *disk = sdev->handler_data;
	struct rqt_activation *a;
	unsigned int delay_ms;
	unsigned long flags;

	note(disk->name, "activate", "");
	if (!fn)
		return 0;
	a = kzalloc(sizeof(*a), GFP_KERNEL);
	if (!a) {
		fn(data, SCSI_DH_NOMEM);
		return 0;
	}
	a->fn = fn;
	a->data = data;
	strscpy(a->name, disk->name, sizeof(a->name));
	INIT_DELAYED_WORK(&a->work, answer_work);

	spin_lock_irqsave(&lock, flags);
	a->outcome = disk->outcome;
	if (disk->times && !--disk->times)
		disk->outcome = SCSI_DH_OK;
	delay_ms = disk->delay_ms;
	if (a->outcome == HOLD)
		list_add_tail(&a->list, &held);
	spin_unlock_irqrestore(&lock, flags);

	if (a->outcome == HOLD)
		return 0;
	if (delay_ms)
		queue_delayed_work(answer_wq, &a->work,
				   msecs_to_jiffies(delay_ms));
	else
		answer(a);
	return 0;
}

static int rqt_attach(struct scsi_device *sdev)
{
	struct rqt_disk *disk;
	unsigned long flags;

	if (attach_outcome != SCSI_DH_OK)
		return attach_outcome;
	disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	if (!disk)
		return SCSI_DH_NOMEM;

	disk_name(sdev, disk->name);
	sdev->handler_data = disk;
	spin_lock_irqsave(&lock, flags);
	list_add_tail(&disk->list, &disks);
	spin_unlock_irqrestore(&lock, flags);
	return SCSI_DH_OK;
}

static void rqt_detach(struct scsi_device *sdev)
{
	struct rqt_disk *disk = sdev->handler_data;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	list_del(&disk->list);
	spin_unlock_irqrestore(&lock, flags);
	sdev->handler_data = NULL;
	kfree(disk);
}

/* "2\0one\0two\0"; we reject the word "bad". */
static int rqt_set_params(struct scsi_device *sdev, const char *params)
{
	struct rqt_disk *disk = sdev->handler_data;
	char text[TEXT_CHARS];
	unsigned int count;
	size_t at;

	if (kstrtouint(params, 10, &count))
		return -EINVAL;
	at = scnprintf(text, sizeof(text), " %u:", count);
	for (; count; count--) {
		params += strlen(params) + 1;
		if (!strcmp(params, "bad"))
			return -EINVAL;
		at += scnprintf(text + at, sizeof(text) - at, " %s", params);
	}
	note(disk->name, "params", text);
	return 0;
}

static struct scsi_device_handler rqt_handler = {
	.name = "rqt",
	.module = THIS_MODULE,
	.attach = rqt_attach,
	.detach = rqt_detach,
	.activate = rqt_activate,
	.set_params = rqt_set_params,
};

static int other_attach(struct scsi_device *sdev)
{
	return SCSI_DH_OK;
}

static void other_detach(struct scsi_device *sdev)
{
}

static int other_activate(struct scsi_device *sdev, activate_complete fn,
			  void *data)
{
	if (fn)
		fn(data, SCSI_DH_OK);
	return 0;
}

static struct scsi_device_handler other_handler = {
	.name = "other",
	.module = THIS_MODULE,
	.attach = other_attach,
	.detach = other_detach,
	.activate = other_activate,
};

/* ---- debugfs ---- */

static bool fits(const char *pattern, const char *name)
{
	return !strcmp(pattern, "*") || !strcmp(pattern, name);
}

static void release(const char *pattern, int outcome)
{
	struct rqt_activation *a, *next;
	unsigned long flags;
	LIST_HEAD(released);

	spin_lock_irqsave(&lock, flags);
	list_for_each_entry_safe(a, next, &held, list)
		if (fits(pattern, a->name))
			list_move_tail(&a->list, &released);
	spin_unlock_irqrestore(&lock, flags);

	list_for_each_entry_safe(a, next, &released, list) {
		a->outcome = outcome;
		answer(a);
	}
}

static void set_answer(const char *pattern, int outcome, unsigned int times)
{
	struct rqt_disk *disk;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	list_for_each_entry(disk, &disks, list) {
		if (!fits(pattern, disk->name))
			continue;
		disk->outcome = outcome;
		disk->times = times;
	}
	spin_unlock_irqrestore(&lock, flags);
}

static void set_delay(const char *pattern, unsigned int ms)
{
	struct rqt_disk *disk;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	list_for_each_entry(disk, &disks, list)
		if (fits(pattern, disk->name))
			disk->delay_ms = ms;
	spin_unlock_irqrestore(&lock, flags);
}

static int control(char *text)
{
	char pattern[NAME_MAX_CHARS], verb[16], word[24];
	unsigned int number = 0;
	int outcome, words;

	words = sscanf(text, "%15s %15s %23s %u", pattern, verb, word, &number);
	if (words < 3)
		return -EINVAL;
	if (!strcmp(verb, "delay")) {
		if (kstrtouint(word, 10, &number))
			return -EINVAL;
		set_delay(pattern, number);
		return 0;
	}
	if (find_outcome(word, &outcome))
		return -EINVAL;

	if (!strcmp(verb, "answer"))
		set_answer(pattern, outcome, number);
	else if (!strcmp(verb, "release") && outcome != HOLD)
		release(pattern, outcome);
	else if (!strcmp(verb, "attach") && outcome != HOLD)
		attach_outcome = outcome;
	else
		return -EINVAL;
	return 0;
}

static ssize_t control_write(struct file *file, const char __user *from,
			     size_t size, loff_t *at)
{
	char *text;
	int r;

	if (size >= TEXT_CHARS)
		return -EINVAL;
	text = memdup_user_nul(from, size);
	if (IS_ERR(text))
		return PTR_ERR(text);
	r = control(text);
	kfree(text);
	return r ? r : size;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.write = control_write,
};

static int log_show(struct seq_file *seq, void *unused)
{
	unsigned int i;

	spin_lock_irq(&lock);
	for (i = 0; i < nr_lines; i++)
		seq_printf(seq, "%s\n", lines[i]);
	spin_unlock_irq(&lock);
	return 0;
}

static int log_open(struct inode *inode, struct file *file)
{
	return single_open(file, log_show, NULL);
}

static ssize_t log_write(struct file *file, const char __user *from,
			 size_t size, loff_t *at)
{
	spin_lock_irq(&lock);
	nr_lines = 0;
	spin_unlock_irq(&lock);
	return size;
}

static const struct file_operations log_fops = {
	.owner = THIS_MODULE,
	.open = log_open,
	.read = seq_read,
	.write = log_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/* ---- the module ---- */

static int __init rqt_handler_init(void)
{
	int r;

	lines = kvcalloc(LINES, TEXT_CHARS, GFP_KERNEL);
	if (!lines)
		return -ENOMEM;
	answer_wq = alloc_workqueue("rqt-handler", WQ_UNBOUND, 0);
	r = answer_wq ? scsi_register_device_handler(&rqt_handler) : -ENOMEM;
	if (r)
		goto free;
	r = scsi_register_device_handler(&other_handler);
	if (r)
		goto unregister;

	dir = debugfs_create_dir("rqt-handler", NULL);
	debugfs_create_file("control", 0200, dir, NULL, &control_fops);
	debugfs_create_file("log", 0600, dir, NULL, &log_fops);
	return 0;

unregister:
	scsi_unregister_device_handler(&rqt_handler);
free:
	if (answer_wq)
		destroy_workqueue(answer_wq);
	kvfree(lines);
	return r;
}

static void __exit rqt_handler_exit(void)
{
	debugfs_remove(dir);
	scsi_unregister_device_handler(&other_handler);
	scsi_unregister_device_handler(&rqt_handler);
	destroy_workqueue(answer_wq);
	kvfree(lines);
}

module_init(rqt_handler_init);
module_exit(rqt_handler_exit);

MODULE_DESCRIPTION("Test: SCSI hardware handlers that answer as told");
MODULE_LICENSE("GPL");
