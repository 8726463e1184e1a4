// SPDX-License-Identifier: GPL-2.0
/*
 * driver: runs sequences of steps on a multipath map and prints the visible
 * results.
 *
 *	driver FILE.seq... >transcript
 *
 * The map is "m". It has the paths of rqt (%0, %1 ..; tests/rqt.rst) or, in a
 * sequence of kind scsi, those of scsi_debug (%s1, %s2 ..) with the handlers of
 * scsi_dh_rqt. tests/differential.rst describes the steps and the lines printed
 * after each of them.
 *
 * We call device-mapper by its ioctls, without libdevmapper, to get the
 * kernel's own answers: nothing is retried, waited for or left out on the way.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/aio_abi.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/pr.h>
#include <poll.h>
#include <pthread.h>
#include <scsi/sg.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RQT		"/sys/kernel/debug/rqt"
#define HANDLER		"/sys/kernel/debug/rqt-handler"
#define MAP		"m"
#define MAP_UUID	"mpath-differential"
#define BLOCK		4096
#define MAX_BLOCKS	256
#define MAX_PATHS	16
#define MAX_OPS		64
#define MAX_WORDS	256
#define BUF		65536

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * In milliseconds. If nothing has happened for this time, we assume that an
 * operation which has not ended is waiting. The time is longer while other I/O
 * may complete, because the stock target delays some requests by 100 ms.
 */
#define QUIET_MS	30
#define QUIET_BUSY_MS	130
#define HANG_MS		15000
#define EVENT_MS	1000
#define GROUP_EVENT_MS	200
#define WORKER_MS	3

/* The factor by which this kernel is slower than Debian's, from SLOW. */
static long slow = 1;

static void abandon_map(void);

static noreturn void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	abandon_map();
	fputs("driver: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static const char *errno_name(int error)
{
	static char other[16];

	switch (error) {
	case 0: return "ok";
	case EPERM: return "EPERM";
	case ENOENT: return "ENOENT";
	case EINTR: return "EINTR";
	case EIO: return "EIO";
	case ENXIO: return "ENXIO";
	case EBUSY: return "EBUSY";
	case ENODEV: return "ENODEV";
	case EINVAL: return "EINVAL";
	case ENOTTY: return "ENOTTY";
	case ENOMEM: return "ENOMEM";
	case EAGAIN: return "EAGAIN";
	case EEXIST: return "EEXIST";
	case EFAULT: return "EFAULT";
	case ENOSPC: return "ENOSPC";
	case EROFS: return "EROFS";
	case EOPNOTSUPP: return "EOPNOTSUPP";
	case EREMOTEIO: return "EREMOTEIO";
	case ENODATA: return "ENODATA";
	case EBADE: return "EBADE";
	case EILSEQ: return "EILSEQ";
	case ENOLINK: return "ENOLINK";
	case ETIMEDOUT: return "ETIMEDOUT";
	case EOVERFLOW: return "EOVERFLOW";
	case ENOTCONN: return "ENOTCONN";
	case ERANGE: return "ERANGE";
	case E2BIG: return "E2BIG";
	case ENOTBLK: return "ENOTBLK";
	}
	snprintf(other, sizeof(other), "errno-%d", error);
	return other;
}

/* ---- files ---- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

/* Returns the text, in a static buffer; "" if there is none. */
static char *read_file(const char *path)
{
	static char *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n;

	if (!text)
		text = malloc(16 * BUF);
	while (fd >= 0 && size < 16 * BUF - 1) {
		n = read(fd, text + size, 16 * BUF - 1 - size);
		if (n <= 0)
			break;
		size += n;
	}
	if (fd >= 0)
		close(fd);
	text[size] = '\0';
	return text;
}

/* ---- paths ---- */

struct path {
	char word[16];		/* %0, %s1 */
	char devt[16];
	char disk[16];		/* rqt0, sda */
	char sdev[32];		/* 0:0:0:0 */
	unsigned long reads;
	unsigned long writes;
};

static struct path rqt_paths[MAX_PATHS], sd_paths[MAX_PATHS];
static int nr_rqt, nr_sd;
static unsigned long long rqt_sectors, sd_sectors;

static void read_devt(struct path *path)
{
	char name[64], *text;

	snprintf(name, sizeof(name), "/sys/block/%s/dev", path->disk);
	text = read_file(name);
	snprintf(path->devt, sizeof(path->devt), "%.*s", (int)strcspn(text, "\n"), text);
}

static unsigned long long disk_sectors(const char *disk)
{
	char name[64];

	snprintf(name, sizeof(name), "/sys/block/%s/size", disk);
	return strtoull(read_file(name), NULL, 10);
}

static void find_paths(void)
{
	const char *pattern = "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*/block/*";
	struct path *path;
	char name[64];
	glob_t found;
	size_t i;

	for (;;) {
		path = &rqt_paths[nr_rqt];
		snprintf(path->disk, sizeof(path->disk), "rqt%d", nr_rqt);
		snprintf(path->word, sizeof(path->word), "%%%d", nr_rqt);
		snprintf(name, sizeof(name), "/sys/block/%s", path->disk);
		if (nr_rqt == MAX_PATHS || access(name, F_OK))
			break;
		read_devt(path);
		nr_rqt++;
	}
	rqt_sectors = disk_sectors("rqt0");

	if (glob(pattern, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc && nr_sd < MAX_PATHS; i++) {
		char *disk = strrchr(found.gl_pathv[i], '/'), *sdev;

		path = &sd_paths[nr_sd++];
		snprintf(path->word, sizeof(path->word), "%%s%d", nr_sd);
		snprintf(path->disk, sizeof(path->disk), "%s", disk + 1);
		*disk = '\0';
		*strrchr(found.gl_pathv[i], '/') = '\0';
		sdev = strrchr(found.gl_pathv[i], '/') + 1;
		snprintf(path->sdev, sizeof(path->sdev), "%s", sdev);
		read_devt(path);
	}
	globfree(&found);
	sd_sectors = nr_sd ? disk_sectors(sd_paths[0].disk) : 0;
}

/* Returns the path whose word is at the start of @text. */
static struct path *path_by_word(const char *text)
{
	struct path *best = NULL;
	int i;

	for (i = 0; i < nr_rqt; i++)
		if (!strncmp(text, rqt_paths[i].word, strlen(rqt_paths[i].word)) &&
		    !isdigit(text[strlen(rqt_paths[i].word)]))
			best = &rqt_paths[i];
	for (i = 0; i < nr_sd; i++)
		if (!strncmp(text, sd_paths[i].word, strlen(sd_paths[i].word)) &&
		    !isdigit(text[strlen(sd_paths[i].word)]))
			best = &sd_paths[i];
	return best;
}

/*
 * Expand <rr 0 1> to a group with these paths, each with a repeat count of 1.
 */
static size_t expand_group(const char *from, size_t length, char *to, size_t size)
{
	static const struct {
		const char *abbreviation;
		const char *name;
	} selectors[] = {
		{ "rr", "round-robin" },
		{ "ql", "queue-length" },
		{ "st", "service-time" },
	};
	char text[256], word[16], *rest = text, *one;
	struct path *path;
	unsigned int i;
	size_t at = 0;
	int n = -1;

	snprintf(text, sizeof(text), "%.*s", (int)length, from);
	for (i = 0; text[i]; i++)
		n += text[i] == ' ' && text[i + 1] != ' ';
	while ((one = strsep(&rest, " "))) {
		if (!at) {
			for (i = 0; i < ARRAY_SIZE(selectors); i++)
				if (!strcmp(one, selectors[i].abbreviation))
					one = (char *)selectors[i].name;
			at += snprintf(to + at, size - at, "%s 0 %d 1", one, n + 1);
			continue;
		}
		snprintf(word, sizeof(word), "%%%.8s", one);
		path = path_by_word(word);
		if (!path)
			die("no path %s", one);
		at += snprintf(to + at, size - at, " %s 1", path->devt);
	}
	return at;
}

/* Replace %0 by 252:0, and <rr 0 1> by a group. */
static void to_devt(const char *from, char *to, size_t size)
{
	size_t at = 0, n;

	while (*from && at + 512 < size) {
		struct path *path = *from == '%' ? path_by_word(from) : NULL;

		if (*from == '<' && islower(from[1])) {
			n = strcspn(from, ">");
			at += expand_group(from + 1, n - 1, to + at, size - at);
			from += n + !!from[n];
			continue;
		}

		if (!path) {
			to[at++] = *from++;
			continue;
		}
		at += snprintf(to + at, size - at, "%s", path->devt);
		from += strlen(path->word);
	}
	to[at] = '\0';
}

static struct path *path_by_devt(const char *text)
{
	int i, n;

	for (i = 0; i < nr_rqt + nr_sd; i++) {
		struct path *path = i < nr_rqt ? &rqt_paths[i] : &sd_paths[i - nr_rqt];

		n = strlen(path->devt);
		if (!strncmp(text, path->devt, n) && !isdigit(text[n]))
			return path;
	}
	return NULL;
}

/* Print @text with devices replaced by their words again. */
static void print_words(const char *text)
{
	char last = ' ';

	while (*text) {
		struct path *path = NULL;

		if (isdigit(*text) && !isdigit(last) && last != ':')
			path = path_by_devt(text);
		if (path) {
			fputs(path->word, stdout);
			text += strlen(path->devt);
			last = '0';
			continue;
		}
		last = *text++;
		putchar(last);
	}
}

static void print_line(char kind, const char *text)
{
	printf("%c ", kind);
	print_words(text);
	putchar('\n');
}

/* ---- device-mapper ---- */

static int control_fd;
static dev_t map_dev;

static struct dm_ioctl *dm_new(const char *name, __u32 flags)
{
	struct dm_ioctl *dm = calloc(1, BUF);

	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = BUF;
	dm->data_start = sizeof(*dm);
	dm->flags = flags;
	if (name)
		snprintf(dm->name, sizeof(dm->name), "%s", name);
	return dm;
}

static int dm_call(struct dm_ioctl *dm, unsigned long request)
{
	return ioctl(control_fd, request, dm) ? errno : 0;
}

static int dm_simple(unsigned long request, __u32 flags)
{
	struct dm_ioctl *dm = dm_new(MAP, flags);
	int error = dm_call(dm, request);

	free(dm);
	return error;
}

static int map_new(void)
{
	struct dm_ioctl *dm = dm_new(MAP, 0);
	int error;

	snprintf(dm->uuid, sizeof(dm->uuid), "%s", MAP_UUID);
	error = dm_call(dm, DM_DEV_CREATE);
	if (!error)
		map_dev = makedev(major(dm->dev), minor(dm->dev));
	free(dm);
	return error;
}

/*
 * " ; " separates targets. A target may begin with "start=S", "len=L" and
 * "target=NAME". By default it is multipath, with the length of the paths.
 */
static int map_load(const char *text, unsigned long long sectors, __u32 flags)
{
	struct dm_ioctl *dm = dm_new(MAP, flags);
	char *copy = strdup(text), *rest = copy, *one;
	struct dm_target_spec *spec = NULL;
	char *at = (char *)dm + dm->data_start;
	int error;

	while ((one = strsep(&rest, ";"))) {
		char *type = "multipath";

		spec = (struct dm_target_spec *)at;
		spec->sector_start = 0;
		spec->length = sectors;
		for (;;) {
			one += strspn(one, " ");
			if (!strncmp(one, "start=", 6))
				spec->sector_start = strtoull(one + 6, NULL, 10);
			else if (!strncmp(one, "len=", 4))
				spec->length = strtoull(one + 4, NULL, 10);
			else if (!strncmp(one, "target=", 7))
				type = one + 7;
			else
				break;
			one += strcspn(one, " ");
			if (*one)
				*one++ = '\0';
		}
		snprintf(spec->target_type, sizeof(spec->target_type), "%s", type);
		at += sizeof(*spec);
		at += sprintf(at, "%s", one) + 1;
		while ((at - (char *)dm) % 8)
			*at++ = '\0';
		spec->next = at - (char *)spec;
		dm->target_count++;
	}
	error = dm_call(dm, DM_TABLE_LOAD);
	free(copy);
	free(dm);
	return error;
}

static int map_message(const char *text)
{
	struct dm_ioctl *dm = dm_new(MAP, 0);
	struct dm_target_msg *msg = (void *)((char *)dm + dm->data_start);
	int error;

	snprintf(msg->message, BUF / 2, "%s", text);
	error = dm_call(dm, DM_TARGET_MSG);
	free(dm);
	return error;
}

#define IMA_FLAG	0x80000

static int map_text(__u32 flags, char *text, size_t size)
{
	struct dm_ioctl *dm = dm_new(MAP, flags | DM_NOFLUSH_FLAG);
	int error = dm_call(dm, DM_TABLE_STATUS);
	char *at = (char *)dm + dm->data_start;
	size_t used = 0;
	__u32 i;

	*text = '\0';
	for (i = 0; !error && i < dm->target_count; i++) {
		struct dm_target_spec *spec = (struct dm_target_spec *)at;
		char *words = at + sizeof(*spec);

		/* Every text of multipath ends with a blank. */
		used += snprintf(text + used, size - used, "%s%llu %llu %s %s", i ? " ; " : "",
				 (unsigned long long)spec->sector_start,
				 (unsigned long long)spec->length, spec->target_type, words);
		at = (char *)dm + dm->data_start + spec->next;
	}
	free(dm);
	return error;
}

/* ---- what the map shows ---- */

#define MAX_VIEW_PATHS	64

struct view {
	bool exists;
	__u32 flags;
	__u32 event_nr;
	char info[BUF];
	char table[BUF];
	int nr_paths;
	char state[MAX_VIEW_PATHS];
	unsigned int fails[MAX_VIEW_PATHS];
	int usable;
};

/* Take the letters and fail counts of the paths from the info text. */
static void parse_info(struct view *view)
{
	char *copy = strdup(view->info), *rest = copy, *word;
	char *words[MAX_WORDS];
	int nr = 0, at, groups;

	view->nr_paths = 0;
	view->usable = 0;
	while (nr < MAX_WORDS && (word = strsep(&rest, " ")))
		words[nr++] = word;
	words[nr < MAX_WORDS ? nr : MAX_WORDS - 1] = "";

	at = 3;				/* start, length, multipath */
	if (nr < 8)
		goto out;
	at += 1 + atoi(words[at]);	/* features */
	at += 1 + atoi(words[at]);	/* handler */
	groups = atoi(words[at]);
	at += 2;
	while (groups-- && at + 4 < nr) {
		int paths, more;

		at += 2 + atoi(words[at + 1]);
		paths = atoi(words[at]);
		more = atoi(words[at + 1]);
		at += 2;
		while (paths-- && at + 2 < nr && view->nr_paths < MAX_VIEW_PATHS) {
			view->state[view->nr_paths] = words[at + 1][0];
			view->fails[view->nr_paths] = atoi(words[at + 2]);
			view->usable += words[at + 1][0] == 'A';
			view->nr_paths++;
			at += 3 + more;
		}
	}
out:
	free(copy);
}

static void look(struct view *view)
{
	struct dm_ioctl *dm = dm_new(MAP, 0);

	memset(view, 0, sizeof(*view));
	view->exists = !dm_call(dm, DM_DEV_STATUS);
	view->flags = view->exists ? dm->flags : 0;
	view->event_nr = dm->event_nr;
	free(dm);
	if (!view->exists)
		return;
	map_text(0, view->info, sizeof(view->info));
	map_text(DM_STATUS_TABLE_FLAG, view->table, sizeof(view->table));
	parse_info(view);
}

/* ---- operations, each in a thread of its own because many may wait ---- */

enum op_type {
	OP_DM,
	OP_READ,
	OP_WRITE,
	OP_FUA,
	OP_FLUSH,
	OP_DISCARD,
	OP_ZERO,
	OP_ZEROOUT,
	OP_AIO_READ,
	OP_AIO_WRITE,
	OP_IOCTL,
};

struct op {
	int number;
	enum op_type type;
	char verb[32];
	char text[BUF / 4];
	unsigned long long sectors;	/* length of a table */
	unsigned int block;
	unsigned int count;
	char letter;
	pthread_t thread;
	pid_t tid;
	bool interruptible;
	bool loads;		/* a table load, which never waits for held I/O */
	char result[1024];
	bool done;
	bool told;
};

static pthread_mutex_t ops_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ops_cond;
static struct op ops[MAX_OPS];
static int nr_ops;

static void say(struct op *op, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(op->result, sizeof(op->result), format, args);
	va_end(args);
}

/* A letter for each block: ? if its bytes differ, . for zeroes */
static void say_data(struct op *op, const char *data)
{
	unsigned int i, at;

	at = snprintf(op->result, sizeof(op->result), "ok ");
	for (i = 0; i < op->count && at + 2 < sizeof(op->result); i++) {
		const char *block = data + i * BLOCK;
		bool same = !memcmp(block, block + 1, BLOCK - 1);

		op->result[at++] = !same ? '?' : *block ? *block : '.';
	}
	op->result[at] = '\0';
}

static int open_map(int flags)
{
	char node[32];

	snprintf(node, sizeof(node), "/dev/dm-%u", minor(map_dev));
	return open(node, flags | O_CLOEXEC);
}

/*
 * One io_submit() of single blocks, which the block layer merges to a request
 */
static void run_aio(struct op *op, int fd, char *data)
{
	struct iocb cbs[MAX_BLOCKS], *list[MAX_BLOCKS];
	struct io_event events[MAX_BLOCKS];
	int opcode = op->type == OP_AIO_READ ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
	aio_context_t context = 0;
	int errors[MAX_BLOCKS] = {};
	unsigned int i, at;
	long n;

	memset(cbs, 0, sizeof(cbs));
	for (i = 0; i < op->count; i++) {
		cbs[i].aio_fildes = fd;
		cbs[i].aio_lio_opcode = opcode;
		cbs[i].aio_buf = (uintptr_t)(data + i * BLOCK);
		cbs[i].aio_nbytes = BLOCK;
		cbs[i].aio_offset = (long long)(op->block + i) * BLOCK;
		cbs[i].aio_data = i;
		list[i] = &cbs[i];
	}
	if (syscall(SYS_io_setup, op->count, &context)) {
		say(op, "io_setup %s", errno_name(errno));
		return;
	}
	n = syscall(SYS_io_submit, context, (long)op->count, list);
	if (n == (long)op->count)
		n = syscall(SYS_io_getevents, context, n, n, events, NULL);
	if (n != (long)op->count) {
		say(op, "aio %s", errno_name(errno));
	} else {
		for (i = 0; i < op->count; i++)
			errors[events[i].data] = events[i].res < 0 ? -events[i].res :
						 events[i].res == BLOCK ? 0 : EIO;
		at = 0;
		for (i = 0; i < op->count; i++)
			at += snprintf(op->result + at, sizeof(op->result) - at, "%s%s",
				       i ? " " : "", errno_name(errors[i]));
	}
	syscall(SYS_io_destroy, context);
}

static int scsi_inquiry(int fd)
{
	unsigned char cdb[6] = { 0x12, 0, 0, 0, 36 }, answer[36], sense[32];
	struct sg_io_hdr hdr = {
		.interface_id = 'S', .cmd_len = sizeof(cdb), .cmdp = cdb,
		.dxfer_direction = SG_DXFER_FROM_DEV, .dxfer_len = sizeof(answer), .dxferp = answer,
		.sbp = sense, .mx_sb_len = sizeof(sense), .timeout = 10000,
	};

	return ioctl(fd, SG_IO, &hdr) ? errno : 0;
}

static void run_ioctl(struct op *op, int fd)
{
	struct pr_registration pr = { .new_key = 0x1234 };
	struct pr_reservation rsv = { .key = 0x1234, .type = PR_WRITE_EXCLUSIVE };
	unsigned long long size = 0;
	int value = 0, error = 0;

	if (!strcmp(op->text, "size")) {
		error = ioctl(fd, BLKGETSIZE64, &size) ? errno : 0;
		say(op, "%s %llu", errno_name(error), size);
		return;
	}
	if (!strcmp(op->text, "sector"))
		error = ioctl(fd, BLKSSZGET, &value) ? errno : 0;
	else if (!strcmp(op->text, "readonly"))
		error = ioctl(fd, BLKROGET, &value) ? errno : 0;
	else if (!strcmp(op->text, "sg"))
		error = scsi_inquiry(fd);
	else if (!strcmp(op->text, "probe_paths"))
		error = ioctl(fd, _IO(DM_IOCTL, 18)) ? errno : 0;
	else if (!strcmp(op->text, "control"))
		error = ioctl(fd, DM_VERSION, &value) ? errno : 0;
	else if (!strcmp(op->text, "unknown"))
		error = ioctl(fd, _IO('?', 77), &value) ? errno : 0;
	else if (!strcmp(op->text, "pr_register"))
		error = ioctl(fd, IOC_PR_REGISTER, &pr) ? errno : 0;
	else if (!strcmp(op->text, "pr_reserve"))
		error = ioctl(fd, IOC_PR_RESERVE, &rsv) ? errno : 0;
	else if (!strcmp(op->text, "pr_release"))
		error = ioctl(fd, IOC_PR_RELEASE, &rsv) ? errno : 0;
	else
		die("no ioctl '%s'", op->text);
	say(op, "%s %d", errno_name(error), value);
}

static void run_io(struct op *op)
{
	bool aio = op->type == OP_AIO_READ || op->type == OP_AIO_WRITE;
	off_t offset = (off_t)op->block * BLOCK;
	size_t size = (size_t)op->count * BLOCK;
	__u64 range[2] = { offset, size };
	struct iovec iov;
	char *data = NULL;
	int error = 0;
	ssize_t n;
	int fd;

	fd = open_map(O_RDWR | O_DIRECT);
	if (fd < 0) {
		say(op, "open %s", errno_name(errno));
		return;
	}
	if (posix_memalign((void **)&data, BLOCK, size ? size : BLOCK))
		die("no memory");
	memset(data, op->letter, size);
	iov.iov_base = data;
	iov.iov_len = size;

	switch (op->type) {
	case OP_READ:
		memset(data, '-', size);
		n = preadv(fd, &iov, 1, offset);
		if (n == (ssize_t)size)
			say_data(op, data);
		else
			say(op, "%s", n < 0 ? errno_name(errno) : "short");
		goto out;
	case OP_WRITE:
	case OP_FUA:
		n = pwritev2(fd, &iov, 1, offset, op->type == OP_FUA ? RWF_DSYNC : 0);
		say(op, "%s", n == (ssize_t)size ? "ok" : n < 0 ? errno_name(errno) : "short");
		goto out;
	case OP_FLUSH:
		error = fsync(fd) ? errno : 0;
		break;
	case OP_DISCARD:
		error = ioctl(fd, BLKDISCARD, range) ? errno : 0;
		break;
	case OP_ZEROOUT:
		error = ioctl(fd, BLKZEROOUT, range) ? errno : 0;
		break;
	case OP_ZERO:
		error = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
				  size) ? errno : 0;
		break;
	case OP_IOCTL:
		run_ioctl(op, fd);
		goto out;
	default:
		if (aio)
			run_aio(op, fd, data);
		goto out;
	}
	say(op, "%s", errno_name(error));
out:
	close(fd);
	free(data);
}

static int suspend_flags(const char *text)
{
	return DM_SUSPEND_FLAG | (strstr(text, "noflush") ? DM_NOFLUSH_FLAG : 0) |
	       (strstr(text, "nolockfs") ? DM_SKIP_LOCKFS_FLAG : 0);
}

static int op_load(struct op *op, __u32 flags)
{
	int error;

	op->loads = true;
	error = map_load(op->text, op->sectors, flags);
	op->loads = false;
	return error;
}

static void run_dm(struct op *op)
{
	const char *part = "";
	int error = 0;

	if (!strcmp(op->verb, "new")) {
		error = map_new();
	} else if (!strcmp(op->verb, "create")) {
		part = "new ";
		error = map_new();
		if (!error) {
			part = "load ";
			error = op_load(op, 0);
			if (!error) {
				part = "resume ";
				error = dm_simple(DM_DEV_SUSPEND, 0);
			}
			if (error)
				dm_simple(DM_DEV_REMOVE, 0);
		}
	} else if (!strcmp(op->verb, "load")) {
		error = op_load(op, 0);
	} else if (!strcmp(op->verb, "load_ro")) {
		error = op_load(op, DM_READONLY_FLAG);
	} else if (!strcmp(op->verb, "reload")) {
		part = "load ";
		error = op_load(op, 0);
		if (!error) {
			part = "suspend ";
			error = dm_simple(DM_DEV_SUSPEND, suspend_flags("noflush nolockfs"));
		}
		if (!error) {
			part = "resume ";
			error = dm_simple(DM_DEV_SUSPEND, 0);
		}
	} else if (!strcmp(op->verb, "suspend")) {
		error = dm_simple(DM_DEV_SUSPEND, suspend_flags(op->text));
	} else if (!strcmp(op->verb, "resume")) {
		error = dm_simple(DM_DEV_SUSPEND, 0);
	} else if (!strcmp(op->verb, "clear")) {
		error = dm_simple(DM_TABLE_CLEAR, 0);
	} else if (!strcmp(op->verb, "remove")) {
		error = dm_simple(DM_DEV_REMOVE, 0);
	} else if (!strcmp(op->verb, "message")) {
		error = map_message(op->text);
	}
	say(op, "%s%s", error ? part : "", errno_name(error));
}

static void *op_thread(void *data)
{
	struct op *op = data;

	op->tid = syscall(SYS_gettid);
	if (op->type == OP_DM)
		run_dm(op);
	else
		run_io(op);
	pthread_mutex_lock(&ops_lock);
	op->done = true;
	pthread_cond_broadcast(&ops_cond);
	pthread_mutex_unlock(&ops_lock);
	return NULL;
}

static void op_start(struct op *op)
{
	op->number = nr_ops;
	if (pthread_create(&op->thread, NULL, op_thread, op))
		die("cannot make a thread");
}

static int ops_waiting(void)
{
	int i, n = 0;

	for (i = 0; i < nr_ops; i++)
		n += !ops[i].done;
	return n;
}

/* Wait until no operation waits, for at most @ms milliseconds. */
static int ops_wait(long ms)
{
	struct timespec until;
	int n, r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&ops_lock);
	n = ops_waiting();
	while (n && !r) {
		int before = n;

		r = pthread_cond_timedwait(&ops_cond, &ops_lock, &until);
		n = ops_waiting();
		if (n < before)
			break;
	}
	pthread_mutex_unlock(&ops_lock);
	return n;
}

static void op_signal(int nr)
{
	(void)nr;
}

static bool op_runs(struct op *op)
{
	char name[64], *text;

	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", op->tid);
	text = strrchr(read_file(name), ')');
	return text && text[1] && text[2] == 'R';
}

/* ---- uevents ---- */

#define MAX_EVENTS	512

static int uevent_fd;
static struct {
	unsigned long number;	/* DM_SEQNUM, or 0 */
	char *text;
} events[MAX_EVENTS];
static int nr_events;
static int failed_seen, reinstated_seen;	/* in this step */

static bool skip_key(const char *key)
{
	static const char *const keys[] = {
		"ACTION=", "DEVPATH=", "SUBSYSTEM=", "SEQNUM=", "MAJOR=", "MINOR=", "DEVNAME=",
		"DEVTYPE=", "DISKSEQ=", "DM_SEQNUM=", "DM_COOKIE=", "SYNTH_UUID=",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strncmp(key, keys[i], strlen(keys[i])))
			return true;
	return false;
}

static void keep_event(char *message, ssize_t size)
{
	char wanted[64], text[1024], *key, *action = "", *path = "", *what = "";
	unsigned long number = 0;
	size_t at;
	int i;

	for (key = message; key < message + size; key += strlen(key) + 1) {
		if (!strncmp(key, "ACTION=", 7))
			action = key + 7;
		else if (!strncmp(key, "DEVPATH=", 8))
			path = key + 8;
		else if (!strncmp(key, "DM_ACTION=", 10))
			what = key + 10;
		else if (!strncmp(key, "DM_SEQNUM=", 10))
			number = strtoul(key + 10, NULL, 10);
	}
	snprintf(wanted, sizeof(wanted), "/devices/virtual/block/dm-%u", minor(map_dev));
	if (strcmp(path, wanted))
		return;

	if (!strcmp(what, "PATH_FAILED"))
		failed_seen++;
	else if (!strcmp(what, "PATH_REINSTATED"))
		reinstated_seen++;

	at = snprintf(text, sizeof(text), "%s", action);
	for (key = message + strlen(message) + 1; key < message + size; key += strlen(key) + 1)
		if (!skip_key(key) && at < sizeof(text))
			at += snprintf(text + at, sizeof(text) - at, " %s", key);
	if (nr_events == MAX_EVENTS)
		return;
		/*
		 * If several events are pending, dm core sends the last one
		 * first. We sort them to avoid random differences.
		 */
	for (i = nr_events; number && i && events[i - 1].number > number; i--)
		events[i] = events[i - 1];
	events[i].number = number;
	events[i].text = strdup(text);
	nr_events++;
}

static void take_events(long ms)
{
	struct pollfd fds = { .fd = uevent_fd, .events = POLLIN };
	char message[8192];
	ssize_t n;

	while (poll(&fds, 1, ms) > 0) {
		n = recv(uevent_fd, message, sizeof(message) - 1, 0);
		if (n <= 0)
			break;
		message[n] = '\0';
		keep_event(message, n);
		ms = 0;
	}
}

static void open_uevents(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int size = 1 << 20;

	uevent_fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (uevent_fd < 0 || bind(uevent_fd, (struct sockaddr *)&address, sizeof(address)))
		die("no uevents: %s", errno_name(errno));
	setsockopt(uevent_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
}

/* ---- waiting until nothing more happens ---- */

/* The number of requests that have reached an rqt path and not ended. */
static long rqt_inflight(void)
{
	char *at = read_file(RQT "/check");
	long sum = 0;

	while ((at = strstr(at, " inflight "))) {
		at += strlen(" inflight ");
		sum += strtol(at, NULL, 10);
	}
	return sum;
}

static bool is_scsi;

/* Activations without an answer: before the start of the current log. */
static int handler_open_before;

static int handler_open(void)
{
	char *at = is_scsi ? read_file(HANDLER "/log") : "", *line, *word;
	int open = handler_open_before;

	while ((line = strsep(&at, "\n")) && at) {
		word = strrchr(line, ' ');
		if (!word || strstr(line, " params "))
			continue;
		open += strcmp(word, " activate") ? -1 : 1;
	}
	return open;
}

/*
 * Return 0 unless each operation that has not ended has a visible reason to
 * wait. Otherwise return the time for which nothing must change until we
 * believe that it waits.
 */
static long may_wait(struct view *view)
{
	bool no_io = (view->flags & DM_SUSPEND_FLAG) ||
		     (strstr(view->table, "queue_if_no_path") && !view->usable);
	int i;

	for (i = 0; i < nr_ops; i++)
		if (ops[i].loads)
			return 0;
	if (rqt_inflight() || handler_open())
		return QUIET_BUSY_MS;
	for (i = 0; i < nr_ops; i++)
		if (!ops[i].done && (ops[i].type == OP_DM || !no_io))
			return 0;
	return QUIET_MS;
}

/* We ignore suspends, because they wake up every 5 ms while they wait. */
static bool any_io_runs(void)
{
	int i;

	for (i = 0; i < nr_ops; i++)
		if (!ops[i].done && ops[i].type != OP_DM && op_runs(&ops[i]))
			return true;
	return false;
}

/* Wait until all operations have ended or wait for a later step. */
static void settle_ops(void)
{
	static struct view view, last;
	long began = now_ms(), quiet = began;
	int waiting = ops_wait(10), before = waiting;
	long enough;

	if (!waiting)
		return;
	look(&last);
	while (waiting) {
		waiting = ops_wait(5);
		look(&view);
		enough = may_wait(&view);
		if (waiting != before || any_io_runs() || memcmp(&view, &last, sizeof(view)) ||
		    !enough)
			quiet = now_ms();
		before = waiting;
		last = view;
		if (enough && now_ms() - quiet > enough)
			return;
		if (now_ms() - began > HANG_MS)
			return;
	}
}

static void settle_handler(void)
{
	long until = now_ms() + EVENT_MS, quiet = now_ms();
	int last = -1, open;

	while (is_scsi && now_ms() - quiet < 30 && now_ms() < until) {
		size_t size;

		open = handler_open();
		size = strlen(read_file(HANDLER "/log")) * 100 + open;
		if ((int)size != last)
			quiet = now_ms();
		last = size;
		pause_ms(3);
	}
}

/* Has this step changed the live table? Then the fail counts start from 0. */
static bool table_changed(struct view *before)
{
	int i;

	for (i = 0; i < nr_ops; i++) {
		struct op *op = &ops[i];

		if (op->told || !op->done || strcmp(op->result, "ok"))
			continue;
		if (!strcmp(op->verb, "create") || !strcmp(op->verb, "reload") ||
		    (!strcmp(op->verb, "resume") && (before->flags & DM_INACTIVE_PRESENT_FLAG)))
			return true;
	}
	return false;
}

/*
 * The event number grows at the end of each run of dm core's worker. If two
 * paths fail, the worker runs twice, and its first run may send both events.
 */
static void settle_event_number(struct view *before, struct view *after)
{
	long until = now_ms() + GROUP_EVENT_MS, quiet = now_ms();

	while (after->exists && now_ms() < until &&
	       (after->event_nr == before->event_nr || now_ms() - quiet < WORKER_MS * slow)) {
		__u32 last = after->event_nr;

		pause_ms(2);
		look(after);
		if (after->event_nr != last)
			quiet = now_ms();
	}
}

/*
 * A worker sends the events, after the state has changed. We know from the fail
 * counts how many events to expect.
 */
static void settle_events(struct view *before, struct view *after, bool expect_event)
{
	long until = now_ms() + EVENT_MS;
	bool changed = table_changed(before);
	int failed = 0, reinstated = 0, i;

	look(after);
	take_events(0);
	for (i = 0; i < after->nr_paths; i++) {
		failed += after->fails[i];
		if (changed || before->nr_paths != after->nr_paths)
			continue;
		failed -= before->fails[i];
		if (before->state[i] == 'F' && after->state[i] == 'A')
			reinstated++;
	}
	while (now_ms() < until && (failed_seen < failed || reinstated_seen < reinstated))
		take_events(20);
	/*
	 * If a path was reinstated and failed again, the counts do not show the
	 * first event. It is sent within a few milliseconds.
	 */
	if (failed || reinstated)
		take_events(WORKER_MS * slow);
	for (i = 0; i < nr_events; i++)
		expect_event |= events[i].number != 0;
	if (expect_event)
		settle_event_number(before, after);
	take_events(0);
	look(after);
}

/* ---- what is printed ---- */

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * <path> <op> <flags> <sector> <sectors> <bios> <outcome>, by sector, then time.  Those
 * without sectors come first: a plug may hold back a write, but not a flush that follows.
 */
struct record {
	bool is_empty;
	unsigned long long sector;
	int order;
	char text[96];
};

static int compare_records(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->is_empty != y->is_empty)
		return x->is_empty ? -1 : 1;
	if (x->sector != y->sector)
		return x->sector < y->sector ? -1 : 1;
	return x->order - y->order;
}

static void print_records(void)
{
	static struct record records[1024];
	char *at = read_file(RQT "/record"), *line;
	int nr = 0, i;

	while ((line = strsep(&at, "\n")) && at && nr < 1024) {
		char *words[10], *rest = line;
		struct record *r = &records[nr];

		for (i = 0; i < 10 && rest; i++)
			words[i] = strsep(&rest, " ");
		if (i < 10)
			continue;
		r->sector = strtoull(words[5], NULL, 10);
		r->is_empty = !strcmp(words[6], "0");
		r->order = nr++;
		snprintf(r->text, sizeof(r->text), "%%%s %s %s %s %s %s %s", words[2], words[3],
			 words[4], words[5], words[6], words[7], words[9]);
	}
	qsort(records, nr, sizeof(records[0]), compare_records);
	for (i = 0; i < nr; i++)
		printf("r %s\n", records[i].text);
	write_file(RQT "/record", "clear");
}

static void print_handler(void)
{
	char *lines[256], *line, *at;
	int nr = 0, i;

	handler_open_before = handler_open();
	at = read_file(HANDLER "/log");

	while ((line = strsep(&at, "\n")) && at && nr < 256) {
		char *disk = strchr(line, ' '), *rest;
		const char *name = "?";

		if (!disk)
			continue;
		rest = strchr(++disk, ' ');
		if (!rest)
			continue;
		*rest++ = '\0';
		for (i = 0; i < nr_sd; i++)
			if (!strcmp(sd_paths[i].sdev, disk))
				name = sd_paths[i].word;
		if (asprintf(&lines[nr], "%s %s", name, rest) > 0)
			nr++;
	}
	/* Paths are activated concurrently, so the order of lines is random. */
	qsort(lines, nr, sizeof(lines[0]), compare_lines);
	for (i = 0; i < nr; i++) {
		printf("h %s\n", lines[i]);
		free(lines[i]);
	}
	write_file(HANDLER "/log", "\n");
}

static void sd_counts(struct path *path, unsigned long *reads, unsigned long *writes)
{
	char name[64], *at;
	int i;

	snprintf(name, sizeof(name), "/sys/block/%s/stat", path->disk);
	at = read_file(name);
	for (i = 0; i < 5; i++) {
		unsigned long n = strtoul(at, &at, 10);

		if (i == 0)
			*reads = n;
		*writes = n;
	}
}

/* Print which SCSI paths completed requests; failed ones are not counted. */
static void print_sd(bool print)
{
	int i;

	for (i = 0; i < nr_sd; i++) {
		struct path *path = &sd_paths[i];
		unsigned long reads = 0, writes = 0;

		sd_counts(path, &reads, &writes);
		if (print && (reads != path->reads || writes != path->writes))
			printf("s %s reads %lu writes %lu\n", path->word, reads - path->reads,
			       writes - path->writes);
		path->reads = reads;
		path->writes = writes;
	}
}

static void print_ops(int current)
{
	int i;

	for (i = 0; i < nr_ops; i++) {
		struct op *op = &ops[i];

		if (op->told || (!op->done && i != current))
			continue;
		if (i == current)
			printf("= %s\n", op->done ? op->result : "waits");
		else
			printf("o #%d %s%s%s\n", op->number, op->verb, ": ", op->result);
		if (op->done) {
			pthread_join(op->thread, NULL);
			op->told = true;
		}
	}
}

static void print_view(struct view *before, struct view *after)
{
	static char text[BUF];
	__u32 inactive = DM_STATUS_TABLE_FLAG | DM_QUERY_INACTIVE_TABLE_FLAG;
	__u32 flags = after->flags;

	if (!after->exists) {
		printf("d no map\n");
		return;
	}
	printf("d%s%s%s%s\n", flags & DM_SUSPEND_FLAG ? " suspended" : " active",
	       flags & DM_INACTIVE_PRESENT_FLAG ? " inactive" : "",
	       flags & DM_READONLY_FLAG ? " read-only" : "",
	       after->event_nr != before->event_nr && before->exists ? " event" : "");
	if (*after->info)
		print_line('i', after->info);
	if (*after->table)
		print_line('t', after->table);
	if (flags & DM_INACTIVE_PRESENT_FLAG && !map_text(inactive, text, sizeof(text)))
		print_line('T', text);
	if (!map_text(IMA_FLAG, text, sizeof(text)) && *text)
		print_line('m', text);
}

static void print_events(void)
{
	int i;

	/*
	 * We print path events as a kind of their own, because their position
	 * among the other events is a matter of chance.
	 */
	for (i = 0; i < nr_events; i++) {
		print_line(events[i].number ? 'e' : 'u', events[i].text);
		free(events[i].text);
	}
	nr_events = 0;
	failed_seen = 0;
	reinstated_seen = 0;
}

/* ---- steps ---- */

static struct view before, after;
static char where[256];
static int step_number;
static const char *parameter_dir;

static bool group_message(const char *text)
{
	return strcasestr(text, "_group ");
}

static void prepare_op(struct op *op, const char *verb, const char *text)
{
	static const struct {
		const char *verb;
		enum op_type type;
	} verbs[] = {
		{ "read", OP_READ }, { "write", OP_WRITE }, { "fua", OP_FUA },
		{ "flush", OP_FLUSH }, { "discard", OP_DISCARD }, { "zero", OP_ZERO },
		{ "zeroout", OP_ZEROOUT }, { "aio_read", OP_AIO_READ },
		{ "aio_write", OP_AIO_WRITE }, { "ioctl", OP_IOCTL }, { "new", OP_DM },
		{ "create", OP_DM }, { "load", OP_DM }, { "load_ro", OP_DM },
		{ "reload", OP_DM }, { "suspend", OP_DM }, { "resume", OP_DM },
		{ "clear", OP_DM }, { "remove", OP_DM }, { "message", OP_DM },
	};
	unsigned int i;
	char *rest;

	memset(op, 0, sizeof(*op));
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verb, verbs[i].verb))
			break;
	if (i == ARRAY_SIZE(verbs))
		die("%s: no step '%s'", where, verb);
	op->type = verbs[i].type;
	snprintf(op->verb, sizeof(op->verb), "%s", verb);
	to_devt(text, op->text, sizeof(op->text));
	op->sectors = is_scsi ? sd_sectors : rqt_sectors;
	op->letter = 'a' + step_number % 26;
	op->block = strtoul(text, &rest, 10);
	op->count = strtoul(rest, NULL, 10);
	if (!op->count)
		op->count = 1;
	if (op->count > MAX_BLOCKS)
		die("%s: more than %d blocks", where, MAX_BLOCKS);
}

/* rqt <path|*> <file> <value> */
static int rqt_step(const char *text)
{
	char who[8], file[32], name[128];
	int at = 0, i, error = 0;

	if (sscanf(text, "%7s %31s %n", who, file, &at) < 2 || !at)
		die("%s: rqt takes a path, a file and a value", where);
	for (i = 0; i < nr_rqt; i++) {
		if (strcmp(who, "*") && atoi(who) != i)
			continue;
		snprintf(name, sizeof(name), RQT "/%d/%s", i, file);
		error = write_file(name, text + at);
		if (error)
			die("%s: rqt does not understand '%s'", where, text);
	}
	return error;
}

/* handler <s1|*> <command>; attach <s1> <handler> */
static int handler_step(const char *text, bool attach)
{
	char who[8], line[256], name[64], word[16];
	struct path *path;
	int at = 0, n = 0;

	n = sscanf(text, "%7s%n", who, &at);
	if (n < 1)
		die("%s: handler takes a path and a command", where);
	snprintf(word, sizeof(word), "%%%s", who);
	path = path_by_word(word);
	if (strcmp(who, "*") && !path)
		die("%s: no path %s", where, who);
	if (attach) {
		snprintf(name, sizeof(name), "/sys/block/%s/device/dh_state", path->disk);
		return write_file(name, text + at + strspn(text + at, " "));
	}
	snprintf(line, sizeof(line), "%s%s", path ? path->sdev : "*", text + at);
	return write_file(HANDLER "/control", line);
}

static int parameter_step(const char *text)
{
	char name[64], file[160];
	int at = 0;

	if (sscanf(text, "%63s %n", name, &at) < 1 || !at)
		die("%s: parameter takes a name and a value", where);
	snprintf(file, sizeof(file), "%s/%s", parameter_dir, name);
	return write_file(file, text + at);
}

/* Returns true if @verb is not an operation on the map. */
static bool control_step(const char *verb, const char *text, int *error)
{
	*error = 0;
	if (!strcmp(verb, "rqt")) {
		*error = rqt_step(text);
	} else if (!strcmp(verb, "handler") || !strcmp(verb, "attach")) {
		*error = handler_step(text, *verb == 'a');
	} else if (!strcmp(verb, "parameter")) {
		*error = parameter_step(text);
	} else if (!strcmp(verb, "interrupt")) {
		int i;

		for (i = 0; i < nr_ops; i++)
			if (!ops[i].done && ops[i].type == OP_DM)
				pthread_kill(ops[i].thread, SIGUSR1);
	} else if (!strcmp(verb, "until_done")) {
		long until = now_ms() + HANG_MS;

		while (ops_wait(20) && now_ms() < until)
			;
		*error = ops_waiting() ? ETIMEDOUT : 0;
	} else {
		return false;
	}
	return true;
}

static void show(int current, int error, bool expect_event)
{
	settle_ops();
	settle_handler();
	settle_events(&before, &after, expect_event);
	if (current < 0)
		printf("= %s\n", errno_name(error));
	print_ops(current);
	print_view(&before, &after);
	print_events();
	print_records();
	if (is_scsi) {
		print_handler();
		print_sd(true);
	}
	before = after;
}

static void step(const char *line)
{
	size_t n = strcspn(line, " ");
	char verb[32], words[BUF / 4];
	const char *text = line + n + strspn(line + n, " ");
	bool expect_event = false;
	int error, current = -1;

	step_number++;
	snprintf(verb, sizeof(verb), "%.*s", (int)n, line);
	printf("> %s\n", line);
	to_devt(text, words, sizeof(words));
	if (!control_step(verb, words, &error)) {
		struct op *op = &ops[nr_ops];

		if (nr_ops == MAX_OPS)
			die("%s: more than %d operations", where, MAX_OPS);
		prepare_op(op, verb, text);
		expect_event = !strcmp(verb, "message") && group_message(op->text);
		op_start(op);
		current = nr_ops++;
		if (expect_event) {
			ops_wait(1000);
			expect_event = op->done && !strcmp(op->result, "ok");
		}
	}
	show(current, error, expect_event);
}

/* ---- sequences ---- */

static void reset_faults(void)
{
	int i;

	rqt_step("* rules clear");
	rqt_step("* dead 0");
	rqt_step("* hold 0");
	for (i = 0; is_scsi && i < 3; i++) {
		handler_step("* answer ok", false);
		handler_step("* delay 0", false);
		handler_step("* release ok", false);
	}
}

/* To avoid a leftover map if the driver gives up in the middle of a sequence */
static void abandon_map(void)
{
	int i;

	dm_simple(DM_DEV_SUSPEND, 0);
	map_message("fail_if_no_path");
	for (i = 0; i < nr_rqt; i++) {
		char name[64];

		snprintf(name, sizeof(name), RQT "/%d/hold", i);
		write_file(name, "0");
	}
	ops_wait(1000);
	dm_simple(DM_DEV_REMOVE, 0);
}

/*
 * Sequences read blocks that they did not write, so we zero the shared store.
 */
static void zero_store(const char *disk)
{
	static char *zeroes;
	char name[32];
	int fd;

	if (!zeroes && posix_memalign((void **)&zeroes, BLOCK, MAX_BLOCKS * BLOCK))
		die("no memory");
	memset(zeroes, 0, MAX_BLOCKS * BLOCK);
	snprintf(name, sizeof(name), "/dev/%s", disk);
	fd = open(name, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, zeroes, MAX_BLOCKS * BLOCK, 0) != MAX_BLOCKS * BLOCK)
		die("cannot write to %s: %s", name, errno_name(errno));
	close(fd);
}

static void begin_sequence(const char *name, bool scsi)
{
	int i;

	is_scsi = scsi;
	handler_open_before = 0;
	if (scsi && !nr_sd)
		die("%s: no SCSI paths", name);
	nr_ops = 0;
	step_number = 0;
	memset(&before, 0, sizeof(before));
	reset_faults();
	for (i = 0; scsi && i < nr_sd; i++) {
		char file[64];

		snprintf(file, sizeof(file), "/sys/block/%s/device/dh_state", sd_paths[i].disk);
		write_file(file, "detach");
	}
	zero_store(scsi ? sd_paths[0].disk : rqt_paths[0].disk);
	if (scsi) {
		write_file(HANDLER "/log", "\n");
		print_sd(false);
	}
	write_file(RQT "/record", "clear");
	take_events(0);
	nr_events = 0;
	failed_seen = 0;
	reinstated_seen = 0;
	printf("== %s\n", name);
}

static void end_sequence(void)
{
	long until = now_ms() + HANG_MS;

	printf("> (end)\n");
	reset_faults();
	look(&after);
	if (after.exists) {
		if (after.flags & DM_SUSPEND_FLAG)
			dm_simple(DM_DEV_SUSPEND, 0);
		map_message("fail_if_no_path");
	}
	while (ops_wait(50) && now_ms() < until)
		if (is_scsi)
			reset_faults();
	if (ops_waiting())
		die("%s: something waits for ever", where);
	if (after.exists) {
		int error = dm_simple(DM_DEV_REMOVE, 0);

		if (error)
			die("%s: cannot remove the map: %s", where, errno_name(error));
	}
	print_ops(-1);
	print_records();
	take_events(0);
	while (nr_events)
		free(events[--nr_events].text);
	fflush(stdout);
}

/*
 * A sequence as it is written in the file. If its name contains {a,b}, there is
 * one sequence for each word, which replaces $1 in its steps. The word of a
 * second {c,d} replaces $2, and so on.
 */
#define MAX_STEPS	512
#define MAX_CHOICES	4

static char *steps[MAX_STEPS];
static int nr_steps;

static void run_steps(const char *name, bool scsi, char choices[][32])
{
	char line[BUF / 4];
	size_t at;
	int i;

	begin_sequence(name, scsi);
	for (i = 0; i < nr_steps; i++) {
		const char *from = steps[i];

		for (at = 0; *from && at + 32 < sizeof(line);) {
			int n = *from == '$' ? from[1] - '1' : -1;

			if (n < 0 || n >= MAX_CHOICES) {
				line[at++] = *from++;
				continue;
			}
			at += snprintf(line + at, sizeof(line) - at, "%s", choices[n]);
			from += 2;
		}
		line[at] = '\0';
		step(line);
	}
	end_sequence();
}

static void run_choices(const char *name, bool scsi, char choices[][32], int nr)
{
	size_t head = strcspn(name, "{"), n;
	const char *end = strchr(name + head, '}');
	const char *at = name + head + 1;

	if (!end || nr == MAX_CHOICES) {
		snprintf(where, sizeof(where), "%s", name);
		run_steps(name, scsi, choices);
		return;
	}
	while (at < end) {
		char with[256];

		n = strcspn(at, ",}");
		snprintf(choices[nr], sizeof(choices[nr]), "%.*s", (int)n, at);
		snprintf(with, sizeof(with), "%.*s%s%s", (int)head, name, choices[nr], end + 1);
		run_choices(with, scsi, choices, nr + 1);
		at += n + 1;
	}
}

static void run_sequence(const char *name, bool scsi)
{
	char choices[MAX_CHOICES][32] = {};

	if (*name)
		run_choices(name, scsi, choices, 0);
	while (nr_steps)
		free(steps[--nr_steps]);
}

static void run_file(const char *file)
{
	const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	long began = now_ms();
	static char line[BUF / 4];
	FILE *in = fopen(file, "r");
	char name[192] = "";
	bool scsi = false;

	if (!in)
		die("cannot read %s", file);
	while (fgets(line, sizeof(line), in)) {
		char *at = line + strspn(line, " \t");

		at[strcspn(at, "\n")] = '\0';
		if (!*at || *at == '#')
			continue;
		if (!strncmp(at, "seq ", 4)) {
			char own[128], kind[16] = "";

			run_sequence(name, scsi);
			if (sscanf(at, "seq %127s %15s", own, kind) < 1)
				die("%s: no name", file);
			snprintf(name, sizeof(name), "%.*s/%s", (int)strcspn(base, "."), base, own);
			scsi = !strcmp(kind, "scsi");
			continue;
		}
		if (!*name || nr_steps == MAX_STEPS)
			die("%s: a step outside of a sequence, or too many", file);
		steps[nr_steps++] = strdup(at);
	}
	run_sequence(name, scsi);
	fclose(in);
	fprintf(stderr, "# %s: %ld ms\n", base, now_ms() - began);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = op_signal };
	pthread_condattr_t attr;
	const char *slow_text = getenv("SLOW");
	int i;

	if (slow_text)
		slow = strtol(slow_text, NULL, 10);
	control_fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control_fd < 0)
		die("no /dev/mapper/control");
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ops_cond, &attr);
	sigaction(SIGUSR1, &action, NULL);
	parameter_dir = access("/sys/module/dm_mpath_rq", F_OK) ?
			"/sys/module/dm_multipath/parameters" :
			"/sys/module/dm_mpath_rq/parameters";
	find_paths();
	if (!nr_rqt)
		die("no rqt paths");
	open_uevents();
	for (i = 1; i < argc; i++)
		run_file(argv[i]);
	return 0;
}
