// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives dm-io-timeout from a shell, through
 * /sys/kernel/debug/dm-iot-test/{do,log}. Commands refer to the devices of the
 * parameter by number. Each write to "do" is one command:
 *
 *	client <devices> <min_ios> <max_size>	create the client
 *	destroy					destroy the client
 *	io <name> <word>...			call dm_iot_io(). Words:
 *		op=read|write|flush|discard|zero|<number>
 *		fua sync meta preflush	(request flags)
 *		mem=pl|bvec|vm|kmem|<number>	offset=<bytes>	fill=<character>
 *		timeout=<ms>
 *		cancel nocancel nowait wait flags=<number>	(DM_IOT_*)
 *		nonotify	region=<device>:<sector>:<count>
 *		then=cancel|submit	action of notify when it is first called
 *		hold		keep the handle until "put"
 *	cancel <name>		cancel_dev <device>	put <name>
 *	fill <name> <character>	overwrite the memory of that call
 *	show <name>		log the runs of characters in its memory
 *	race <calls> <ms>	see dm-iot-test-race.c
 *
 * The log has one line per result ("<command> <name> = <errno>") and one per
 * reported state ("<name> <index> <state> <code>"). Reading does not clear it.
 * Write to it to clear it.
 */

#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "dm-iot-test.h"

#define CALLS		32
#define MAX_REGIONS	256
#define LOG_SIZE	65536

static char *devices[MAX_DEVICES];
module_param_array(devices, charp, &test_bdevs, 0444);
MODULE_PARM_DESC(devices, "Names of block devices");

struct block_device *test_bdev[MAX_DEVICES];
unsigned int test_bdevs;
#ifdef IOT_HAVE_BDEV_FILE
static struct file *test_file[MAX_DEVICES];
#endif

struct iot_call {
	char name[16];
	struct dm_iot_control ctl;
	struct dm_iot_region region[MAX_REGIONS];
	unsigned int regions;
	struct dm_iot_handle *handle;
	size_t bytes;
	void *vm;
	void *kmem;
	struct bio_vec *bvec;
	struct page_list *pl;
	enum { NOTHING, CANCEL, SUBMIT } then;
	atomic_t acted;
	bool hold;
	int mem_type;	/* if not 0, passed as the type of memory */
};

static struct dm_iot_client *client;
static struct iot_call *calls[CALLS];
static unsigned int num_calls;
/* Serializes commands. We release it while a command waits for I/O. */
static DEFINE_MUTEX(lock);

static char log[LOG_SIZE];
static size_t log_used;
static DEFINE_SPINLOCK(log_lock);	/* the log */

void test_log(const char *fmt, ...)
{
	unsigned long irq;
	va_list args;

	va_start(args, fmt);
	spin_lock_irqsave(&log_lock, irq);
	log_used += vscnprintf(log + log_used, LOG_SIZE - log_used, fmt, args);
	spin_unlock_irqrestore(&log_lock, irq);
	va_end(args);
}

/* ---- memory ---- */

static int get_memory(struct iot_call *c)
{
	size_t pages, i;

	pages = DIV_ROUND_UP(c->bytes + c->ctl.memory.offset, PAGE_SIZE) + 1;
	c->bytes = pages << PAGE_SHIFT;
	c->vm = vmalloc(c->bytes);
	if (c->ctl.memory.type == DM_IOT_KMEM)
		c->kmem = kmalloc(c->bytes, GFP_KERNEL);
	c->bvec = kvcalloc(pages, sizeof(*c->bvec), GFP_KERNEL);
	c->pl = kvcalloc(pages, sizeof(*c->pl), GFP_KERNEL);
	if (!c->vm || !c->bvec || !c->pl)
		return -ENOMEM;
	for (i = 0; i < pages; i++) {
		struct page *page = vmalloc_to_page(c->vm + (i << PAGE_SHIFT));

		c->bvec[i].bv_page = page;
		c->bvec[i].bv_len = PAGE_SIZE;
		c->pl[i].page = page;
		c->pl[i].next = i + 1 < pages ? &c->pl[i + 1] : NULL;
	}
	switch (c->ctl.memory.type) {
	case DM_IOT_PAGE_LIST:
		c->ctl.memory.pl = c->pl;
		break;
	case DM_IOT_BVEC:
		c->ctl.memory.bvec = c->bvec;
		break;
	case DM_IOT_VM:
		c->ctl.memory.vma = c->vm;
		break;
	case DM_IOT_KMEM:
		c->ctl.memory.addr = c->kmem;
		break;
	}
	return 0;
}

static void *memory_of(struct iot_call *c)
{
	return c->kmem ?: c->vm;
}

/* Log the memory from the offset on as runs, for example "A4096 B512". */
static void show_memory(struct iot_call *c)
{
	const char *from = memory_of(c) + c->ctl.memory.offset;
	const char *end = memory_of(c) + c->bytes, *at;

	test_log("show %s =", c->name);
	while (from < end) {
		for (at = from; at < end && *at == *from; at++)
			;
		test_log(*from > ' ' && *from < 127 ? " %c%zu" : " \\%d:%zu",
			 *from, at - from);
		from = at;
	}
	test_log("\n");
}

static void free_call(struct iot_call *c)
{
	vfree(c->vm);
	kfree(c->kmem);
	kvfree(c->bvec);
	kvfree(c->pl);
	kfree(c);
}

/* ---- calls ---- */

static const char * const state_names[] = {
	[DM_IOT_OK] = "OK",
	[DM_IOT_TIMEOUT] = "TIMEOUT",
	[DM_IOT_CANCELLED] = "CANCELLED",
	[DM_IOT_ERROR] = "ERROR",
};

static void notify(const struct dm_iot_region_state *state, void *context)
{
	struct iot_call *c = context;
	struct dm_iot_control ctl;
	int r;

	test_log("%s %u %s %d\n", c->name, state->index,
		 state_names[state->state], state->error_code);
	if (c->then == NOTHING || atomic_inc_return(&c->acted) > 1)
		return;
	if (c->then == CANCEL) {
		r = dm_iot_cancel_by_handle(client, state->handle);
	} else {
		ctl = c->ctl;
		ctl.flags |= DM_IOT_NO_WAIT;
		r = dm_iot_io(&ctl, c->regions, c->region, NULL);
	}
	test_log("then %s = %d\n", c->name, r);
}

static int parse_region(struct iot_call *c, const char *text)
{
	struct dm_iot_region *r = &c->region[c->regions];
	unsigned long long sector, count;
	unsigned int device;

	if (c->regions == MAX_REGIONS ||
	    sscanf(text, "%u:%llu:%llu", &device, &sector, &count) != 3)
		return -EINVAL;
	r->bdev = device < test_bdevs ? test_bdev[device] : NULL;
	r->sector = sector;
	r->count = count;
	c->bytes += min(count, 1ULL << 15) << SECTOR_SHIFT;
	c->regions++;
	return 0;
}

static const struct {
	const char *word;
	unsigned int flag;
	blk_opf_t opf;
	int type;
} words[] = {
	{ "cancel", DM_IOT_CANCEL_ON_TIMEOUT, 0, -1 },
	{ "nocancel", DM_IOT_NO_CANCEL, 0, -1 },
	{ "nowait", DM_IOT_NO_WAIT, 0, -1 },
	{ "wait", DM_IOT_SYNC, 0, -1 },
	{ "fua", 0, REQ_FUA, -1 },
	{ "sync", 0, REQ_SYNC, -1 },
	{ "meta", 0, REQ_META, -1 },
	{ "preflush", 0, REQ_PREFLUSH, -1 },
	{ "op=read", 0, REQ_OP_READ, -1 },
	{ "op=write", 0, REQ_OP_WRITE, -1 },
	{ "op=flush", 0, REQ_OP_FLUSH, -1 },
	{ "op=discard", 0, REQ_OP_DISCARD, -1 },
	{ "op=zero", 0, REQ_OP_WRITE_ZEROES, -1 },
	{ "mem=pl", 0, 0, DM_IOT_PAGE_LIST },
	{ "mem=bvec", 0, 0, DM_IOT_BVEC },
	{ "mem=vm", 0, 0, DM_IOT_VM },
	{ "mem=kmem", 0, 0, DM_IOT_KMEM },
};

static int parse_word(struct iot_call *c, const char *word, char *fill)
{
	unsigned int number, i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i].word))
			continue;
		c->ctl.flags |= words[i].flag;
		c->ctl.opf |= words[i].opf;
		if (words[i].type >= 0)
			c->ctl.memory.type = words[i].type;
		return 0;
	}
	if (!strcmp(word, "nonotify"))
		c->ctl.notify = NULL;
	else if (!strcmp(word, "hold"))
		c->hold = true;
	else if (!strcmp(word, "then=cancel"))
		c->then = CANCEL;
	else if (!strcmp(word, "then=submit"))
		c->then = SUBMIT;
	else if (sscanf(word, "fill=%c", fill) == 1)
		;
	else if (!strncmp(word, "region=", 7))
		return parse_region(c, word + 7);
	else if (sscanf(word, "offset=%u", &number) == 1)
		c->ctl.memory.offset = number;
	else if (sscanf(word, "timeout=%u", &number) == 1)
		c->ctl.timeout = number;
	else if (sscanf(word, "flags=%u", &number) == 1)
		c->ctl.flags |= number;
	else if (sscanf(word, "op=%u", &number) == 1)
		c->ctl.opf |= (__force blk_opf_t)number;
	else if (sscanf(word, "mem=%u", &number) == 1)
		c->mem_type = number;
	else
		return -EINVAL;
	return 0;
}

static struct iot_call *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < num_calls; i++)
		if (!strcmp(calls[i]->name, name))
			return calls[i];
	return NULL;
}

/* Called with the lock held, and releases it while the call runs. */
static int do_io(const char *name, char *rest)
{
	struct iot_call *c;
	char fill = '.', *word;
	int r = 0;

	if (!client || !name || find(name) || num_calls == CALLS)
		return -EINVAL;
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	strscpy(c->name, name, sizeof(c->name));
	c->ctl.client = client;
	c->ctl.notify = notify;
	c->ctl.context = c;
	c->ctl.memory.type = DM_IOT_VM;
	while (!r && (word = strsep(&rest, " ")))
		r = parse_word(c, word, &fill);
	if (!r)
		r = get_memory(c);
	if (r || !memory_of(c)) {
		free_call(c);
		return r ?: -ENOMEM;
	}
	memset(memory_of(c), fill, c->bytes);
	if (c->mem_type)
		c->ctl.memory.type = (enum dm_iot_memory_type)c->mem_type;
	calls[num_calls++] = c;

	mutex_unlock(&lock);
	r = dm_iot_io(&c->ctl, c->regions, c->region,
		      c->hold ? &c->handle : NULL);
	test_log("io %s = %d\n", c->name, r);
	mutex_lock(&lock);
	return 0;
}

static int do_destroy(void)
{
	struct dm_iot_client *gone = client;

	if (!client)
		return -EINVAL;
	mutex_unlock(&lock);
	dm_iot_client_destroy(gone);
	test_log("destroy\n");
	mutex_lock(&lock);
	client = NULL;
	return 0;
}

static void free_calls(void)
{
	while (num_calls) {
		struct iot_call *c = calls[--num_calls];

		if (c->handle)
			dm_iot_handle_put(c->handle);
		free_call(c);
	}
}

static int do_client(const char *rest)
{
	unsigned int devs, ios, size;

	if (client || !rest || sscanf(rest, "%u %u %u", &devs, &ios, &size) != 3)
		return -EINVAL;
	free_calls();
	client = dm_iot_client_create(devs, ios, size);
	test_log("client = %d\n", PTR_ERR_OR_ZERO(client));
	if (IS_ERR(client))
		client = NULL;
	return 0;
}

static int do_command(char *text)
{
	char *verb = strsep(&text, " "), *name;
	unsigned int a, b;
	struct iot_call *c;

	if (!strcmp(verb, "client"))
		return do_client(text);
	if (!strcmp(verb, "destroy"))
		return do_destroy();
	if (!strcmp(verb, "race")) {
		if (!client || !text || sscanf(text, "%u %u", &a, &b) != 2)
			return -EINVAL;
		return test_race(client, a, b);
	}
	name = strsep(&text, " ");
	if (!name)
		return -EINVAL;
	if (!strcmp(verb, "io"))
		return do_io(name, text);
	if (!strcmp(verb, "cancel_dev")) {
		if (kstrtouint(name, 10, &a) || a >= test_bdevs)
			return -EINVAL;
		test_log("cancel_dev %u = %d\n", a,
			 dm_iot_cancel_by_device(client, test_bdev[a]));
		return 0;
	}

	c = find(name);
	if (!c)
		return -ENOENT;
	if (!strcmp(verb, "cancel") && c->handle) {
		test_log("cancel %s = %d\n", name,
			 dm_iot_cancel_by_handle(client, c->handle));
	} else if (!strcmp(verb, "put") && c->handle) {
		dm_iot_handle_put(c->handle);
		c->handle = NULL;
	} else if (!strcmp(verb, "fill") && text) {
		memset(memory_of(c), *text, c->bytes);
	} else if (!strcmp(verb, "show")) {
		show_memory(c);
	} else {
		return -EINVAL;
	}
	return 0;
}

/* ---- files ---- */

static ssize_t do_write(struct file *file, const char __user *from, size_t count,
			loff_t *pos)
{
	char *text = memdup_user_nul(from, count);
	int r;

	if (IS_ERR(text))
		return PTR_ERR(text);
	mutex_lock(&lock);
	r = do_command(strim(text));
	mutex_unlock(&lock);
	kfree(text);
	return r ?: count;
}

static const struct file_operations do_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = do_write,
};

static ssize_t log_read(struct file *file, char __user *to, size_t count,
			loff_t *pos)
{
	return simple_read_from_buffer(to, count, pos, log, READ_ONCE(log_used));
}

static ssize_t log_write(struct file *file, const char __user *from, size_t count,
			 loff_t *pos)
{
	WRITE_ONCE(log_used, 0);
	return count;
}

static const struct file_operations log_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = log_read,
	.write = log_write,
};

static struct dentry *dir;

static void close_devices(void)
{
	unsigned int i;

	for (i = 0; i < test_bdevs && test_bdev[i]; i++) {
#ifdef IOT_HAVE_BDEV_FILE
		fput(test_file[i]);
#else
		blkdev_put(test_bdev[i], FMODE_READ | FMODE_WRITE);
#endif
	}
}

static struct block_device *open_device(unsigned int i)
{
#ifdef IOT_HAVE_BDEV_FILE
	struct file *file;

	file = bdev_file_open_by_path(devices[i], BLK_OPEN_READ | BLK_OPEN_WRITE,
				      NULL, NULL);
	if (IS_ERR(file))
		return ERR_CAST(file);
	test_file[i] = file;
	return file_bdev(file);
#else
	return blkdev_get_by_path(devices[i], FMODE_READ | FMODE_WRITE, NULL);
#endif
}

static int __init test_init(void)
{
	unsigned int i;

	for (i = 0; i < test_bdevs; i++) {
		struct block_device *bdev = open_device(i);

		if (IS_ERR(bdev)) {
			close_devices();
			return PTR_ERR(bdev);
		}
		test_bdev[i] = bdev;
	}
	dir = debugfs_create_dir("dm-iot-test", NULL);
	debugfs_create_file("do", 0200, dir, NULL, &do_fops);
	debugfs_create_file("log", 0600, dir, NULL, &log_fops);
	return 0;
}

static void __exit test_exit(void)
{
	debugfs_remove(dir);
	if (client)
		dm_iot_client_destroy(client);
	free_calls();
	close_devices();
}

module_init(test_init);
module_exit(test_exit);

MODULE_DESCRIPTION("Drives dm-io-timeout, for tests");
MODULE_LICENSE("GPL");
