// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz: sends malformed and odd tables and messages to the target, through
 * libdevmapper.
 *
 *	fuzz [-n CASES] [-s SEED] [-o FILE] [-p FILE] DEVICE...	generated cases
 *	fuzz -r FILE DEVICE...					the cases in FILE
 *
 * A case is a table or a message. We load a table into one of two maps, one in
 * request mode and one in bio mode. If the kernel refuses the table, there must
 * be an errno and a line in the kernel log. If the kernel accepts the table, we
 * load its printed form, to ensure that this is printed unchanged. We resume
 * the map, send I/O and, while I/O is in flight, messages. All of the I/O must
 * end. A case which takes a minute hangs. After each case we search the kernel
 * log for the pattern in DM_RQ_LOG_PATTERN.
 *
 * One of 16 cases is raw bytes. A third are well-formed. We make the others
 * from well-formed cases, or from earlier cases that got a new answer, by
 * changing a few words. So the answers steer the generator, and the same seed
 * gives the same cases as long as the kernel gives the same answers. If the
 * kernel has kcov and our modules are built for it (6.12-kasan), a case that
 * reaches new code counts like one with a new answer; with -p, we write the
 * addresses reached to FILE. With -o, we write each case that counts to FILE,
 * as a line
 *	<errno name, ok, or * for any> <T|M> <text>
 * with %0, %1 .. for devices, %% for a percent sign, and \xNN for other bytes.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/aio_abi.h>
#include <linux/kcov.h>
#include <regex.h>
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

typedef unsigned long long u64;

#define TARGET		"mpath-rq"
#define BLOCK		4096
#define SECTORS		2048
#define MAX_TEXT	1048576
#define MAX_WORDS	4096
#define MAX_ANSWERS	4096
#define MAX_TRACE	262144
#define MAX_PLACES	65536
#define HANG_SECONDS	60
#define MAX_FOUND	20

/* ---- violations ---- */

/* Shared with the parent, which reports a case that never ends. */
struct progress {
	unsigned long number;
	char what[64];
	char text[4096];
};

static struct progress *progress;
static u64 seed = 1;
static unsigned int nr_found;

static noreturn void die(const char *format, ...)
{
	va_list args;

	fputs("fuzz: ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	_exit(2);
}

static void print_escaped(FILE *file, const char *text);

/* Report a violation, and name the case so that you can repeat it. */
static void found(const char *format, ...)
{
	va_list args;

	printf("FOUND: case %lu of seed %llu, %s: ", progress->number,
	       seed, progress->what);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	fputs("\n  ", stdout);
	print_escaped(stdout, progress->text);
	putchar('\n');
	fflush(stdout);
	if (++nr_found == MAX_FOUND)
		die("that is enough");
}

/* ---- random numbers ---- */

static u64 chance_state;

static u64 chance(void)
{
	u64 z = chance_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned int below(unsigned int n)
{
	return chance() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/* NULL ends the list. */
static const char *one_of(const char *const *list)
{
	unsigned int n = 0;

	while (list[n])
		n++;
	return list[below(n)];
}

/* ---- words ---- */

static const char **devices;
static unsigned int nr_devices;

/* The words of a text; they live until the end of the case. */
struct words {
	unsigned int n;
	const char *word[MAX_WORDS];
};

static char *arena, *arena_at;

static void arena_reset(void)
{
	arena_at = arena;
}

static char *arena_take(size_t size)
{
	char *at = arena_at;

	if (at + size > arena + 4 * MAX_TEXT)
		die("a case takes too much memory");
	arena_at += size;
	return at;
}

static const char *text_of(const char *format, ...)
{
	va_list args;
	char *text;
	int size;

	va_start(args, format);
	size = vsnprintf(NULL, 0, format, args) + 1;
	va_end(args);
	text = arena_take(size);
	va_start(args, format);
	vsnprintf(text, size, format, args);
	va_end(args);
	return text;
}

static void add(struct words *w, const char *word)
{
	if (w->n < MAX_WORDS)
		w->word[w->n++] = word;
}

static void add_number(struct words *w, unsigned int number)
{
	add(w, text_of("%u", number));
}

static void split(struct words *w, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = memcpy(arena_take(size), text, size), *word;

	w->n = 0;
	while ((word = strsep(&copy, " ")))
		if (*word)
			add(w, word);
}

static const char *join(const struct words *w)
{
	static const char *const gaps[] = { "  ", "\t", "\n", " \v ", "\r\n", NULL };
	size_t size = 1;
	unsigned int i;
	char *text, *at;

	for (i = 0; i < w->n; i++)
		size += strlen(w->word[i]) + 3;
	if (size > MAX_TEXT)
		return "";
	text = arena_take(size);
	at = text;
	*at = '\0';
	for (i = 0; i < w->n; i++) {
		if (i)
			at = stpcpy(at, one_in(200) ? one_of(gaps) : " ");
		at = stpcpy(at, w->word[i]);
	}
	return text;
}

static const char *a_device(void)
{
	return devices[below(nr_devices)];
}

static const char *bad_device(void)
{
	static const char *const bad[] = {
		"0:0", "1:1", "1:999999", "4294967295:4294967295", "4294967296:0", "-1:0", ":",
		"8:", ":0", "/", "/dev/null", "/dev/none", "/proc/self/mem", "/dev", ".",
		"/dev/mapper/fuzz-rq", "/dev/mapper/fuzz-bio", "/dev/rqt0/", "rqt0", "0x8:0x0",
		"8:0:0", "", "\\", "\\ ", "%s%n", NULL
	};

	return one_of(bad);
}

static const char *any_number(void)
{
	static const char *const numbers[] = {
		"0", "1", "2", "3", "15", "16", "17", "50", "51", "100", "101", "255", "256",
		"1023", "1024", "1025", "32767", "32768", "60000", "60001", "65535", "65536",
		"604800", "604801", "2147483647", "2147483648", "4294967294", "4294967295",
		"4294967296", "4294967297", "9223372036854775807", "9223372036854775808",
		"18446744073709551615", "18446744073709551616", "-1", "+1", "-0", "0x10", "010",
		"1e3", "1.5", "1k", "--1", "00000000000000000000000000000000001", "NaN", "", NULL
	};

	return one_in(4) ? text_of("%u", below(70000)) : one_of(numbers);
}

static const char *const selectors[] = {
	"round-robin", "service-time", "queue-length", "historical-service-time", "io-affinity",
	"completion-time", NULL
};

static const char *keyword(void)
{
	static const char *const keywords[] = {
		"queue_if_no_path", "retain_attached_hw_handler", "pg_init_retries",
		"pg_init_delay_msecs", "queue_mode", "bio", "rq", "mq", "no_path_timeout",
		"stall_timeout", "error_guard", "probe_interval", "alua", "emc", "rdac", "hp_sw",
		"latency", "throughput", "mpath-rq", "multipath", "reinstate", "fail_path",
		"switch_group", NULL
	};

	return one_in(3) ? one_of(selectors) : one_of(keywords);
}

static const char *raw_bytes(unsigned int size)
{
	char *text = arena_take(size + 1);
	unsigned int i;

	for (i = 0; i < size; i++)
		text[i] = one_in(6) ? ' ' : one_in(2) ? '0' + below(10) : 1 + below(255);
	text[size] = '\0';
	return text;
}

static const char *long_word(void)
{
	unsigned int size = one_in(50) ? below(MAX_TEXT / 2) : below(one_in(4) ? 5000 : 200);
	char *text = arena_take(size + 1);

	memset(text, one_in(2) ? '9' : 'a' + below(26), size);
	text[size] = '\0';
	return text;
}

static const char *any_word(void)
{
	switch (below(8)) {
	case 0:
		return a_device();
	case 1:
		return bad_device();
	case 2:
		return raw_bytes(1 + below(12));
	case 3:
		return one_in(8) ? long_word() : keyword();
	case 4:
		return keyword();
	default:
		return any_number();
	}
}

static const char *changed_word(const char *word)
{
	/* After a backslash, a blank is part of the word. */
	static const char *const ends[] = { "x", "0", "\\ ", "\\\n1", "\\\\", NULL };
	size_t size = strlen(word) + 1;
	char *copy = memcpy(arena_take(size + 3), word, size);
	unsigned int i;

	switch (below(4)) {
	case 0:
		for (i = 0; copy[i]; i++)
			copy[i] = toupper(copy[i]);
		break;
	case 1:
		strcat(copy, one_of(ends));
		break;
	case 2:
		if (*copy)
			copy[strlen(copy) - 1] = '\0';
		break;
	default:
		if (*copy)
			copy[below(strlen(copy))] = 1 + below(255);
		break;
	}
	return copy;
}

/* Make one thing wrong. */
static void mutate(struct words *w)
{
	unsigned int at = w->n ? below(w->n) : 0, i;

	if (!w->n) {
		add(w, any_word());
		return;
	}
	switch (below(10)) {
	case 0:				/* a word is missing */
		memmove(&w->word[at], &w->word[at + 1], (w->n - at - 1) * sizeof(*w->word));
		w->n--;
		break;
	case 1:				/* a word too many */
		if (w->n == MAX_WORDS)
			break;
		memmove(&w->word[at + 1], &w->word[at], (w->n - at) * sizeof(*w->word));
		w->n++;
		if (one_in(2))
			w->word[at] = any_word();
		break;
	case 2:				/* the end is missing */
		w->n = at;
		break;
	case 3:				/* more comes after the end */
		for (i = 1 + below(one_in(20) ? 1000 : 4); i; i--)
			add(w, one_in(2) ? any_word() : w->word[at]);
		break;
	case 4:
		w->word[at] = changed_word(w->word[at]);
		break;
	case 5:
		w->word[at] = any_word();
		break;
	default:			/* a number is wrong, as most words are numbers */
		for (i = 0; i < 8 && !isdigit(*w->word[at]); i++)
			at = below(w->n);
		w->word[at] = any_number();
		break;
	}
}

/* ---- tables ---- */

static unsigned int add_feature(struct words *w, bool bio)
{
	unsigned int before = w->n;

	switch (below(bio ? 8 : 9)) {
	case 0:
	case 1:
		add(w, "queue_if_no_path");
		break;
	case 2:
		add(w, "retain_attached_hw_handler");
		break;
	case 3:
		add(w, "pg_init_retries");
		add_number(w, 1 + below(50));
		break;
	case 4:
		add(w, "pg_init_delay_msecs");
		add_number(w, below(60001));
		break;
	case 5:
		add(w, "no_path_timeout");
		add_number(w, 1 + below(604800));
		break;
	case 6:
		add(w, "stall_timeout");
		add_number(w, 20 + below(599981));
		break;
	case 7:
		add(w, "probe_interval");
		add_number(w, 100 + below(10000));
		break;
	default:
		add(w, "error_guard");
		break;
	}
	return w->n - before;
}

static void add_features(struct words *w, bool bio)
{
	unsigned int at = w->n, count = 0, i;

	add(w, "");
	if (bio || one_in(8)) {
		add(w, "queue_mode");
		add(w, bio ? "bio" : one_in(2) ? "rq" : "mq");
		count = 2;
	}
	for (i = one_in(2) ? below(4) : 0; i; i--)
		count += add_feature(w, bio);
	w->word[at] = text_of("%u", count);
}

static void add_selector_words(struct words *w, const char *name)
{
	if (!strcmp(name, "historical-service-time") && one_in(2)) {
		add(w, "2");
		add_number(w, below(1024));
		add_number(w, below(10));
	} else if (!strcmp(name, "completion-time") && one_in(2)) {
		add(w, "1");
		add(w, one_in(2) ? "latency" : "throughput");
	} else {
		add(w, "0");
	}
}

static void add_group(struct words *w)
{
	const char *name = one_of(selectors);
	unsigned int nr_args, paths = 1 + below(one_in(40) ? 200 : 4), i;

	add(w, name);
	add_selector_words(w, name);
	nr_args = !strcmp(name, "io-affinity") ? 1 : below(strcmp(name, "service-time") ? 2 : 3);
	add_number(w, paths);
	add_number(w, nr_args);
	for (i = 0; i < paths; i++) {
		add(w, a_device());
		if (nr_args)
			add_number(w, 1 + below(3));
		if (nr_args > 1)
			add_number(w, below(101));
	}
}

static void good_table(struct words *w, bool bio)
{
	unsigned int groups = one_in(10) ? 0 : 1 + below(one_in(40) ? 60 : 3), i;

	w->n = 0;
	add_features(w, bio);
	if (one_in(10)) {
		add(w, "2");
		add(w, one_in(2) ? "alua" : keyword());
		add_number(w, below(4));
	} else {
		add(w, "0");
	}
	add_number(w, groups);
	add_number(w, groups ? 1 + below(groups) : 0);
	for (i = 0; i < groups; i++)
		add_group(w);
}

/* ---- messages ---- */

static void good_message(struct words *w)
{
	w->n = 0;
	switch (below(10)) {
	case 0:
		add(w, "queue_if_no_path");
		break;
	case 1:
		add(w, "fail_if_no_path");
		break;
	case 2:
		add(w, one_in(2) ? "switch_group" : "enable_group");
		add_number(w, 1 + below(3));
		break;
	case 3:
		add(w, "disable_group");
		add_number(w, 1 + below(3));
		break;
	case 4:
		add(w, "fail_path");
		add(w, a_device());
		break;
	case 5:
	case 6:
		add(w, "reinstate_path");
		add(w, a_device());
		break;
	case 7:
		add(w, "probe_paths");
		goto words;
	case 8:
		add(w, "probe_path");
		add(w, a_device());
words:
		if (one_in(2))
			add_number(w, 1 + below(5000));
		if (one_in(2))
			add(w, "reinstate");
		break;
	default:
		add(w, "path_stats");
		break;
	}
}

/* ---- the code that a case reaches ---- */

/*
 * The number of addresses, followed by the addresses that this task executed in
 * our modules. NULL without kcov.
 */
static unsigned long *trace;
/* A hash table. We ensure that it is never full. */
static unsigned long places[MAX_PLACES];
static unsigned int nr_places, nr_new_places;

static void trace_open(void)
{
	int file = open("/sys/kernel/debug/kcov", O_RDWR);

	if (file < 0)
		return;
	if (ioctl(file, KCOV_INIT_TRACE, MAX_TRACE))
		die("kcov: %m");
	trace = mmap(NULL, MAX_TRACE * sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED,
		     file, 0);
	if (trace == MAP_FAILED || ioctl(file, KCOV_ENABLE, KCOV_TRACE_PC))
		die("kcov: %m");
}

static void trace_begin(void)
{
	if (trace)
		__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
}

static bool is_new_place(unsigned long place)
{
	unsigned int at = (place * 0x9e3779b97f4a7c15 >> 32) % MAX_PLACES;

	while (places[at] && places[at] != place)
		at = (at + 1) % MAX_PLACES;
	if (places[at])
		return false;
	if (nr_places == MAX_PLACES / 2)
		die("kcov tells of more than our modules");
	places[at] = place;
	return true;
}

static void trace_end(void)
{
	unsigned long n = trace ? __atomic_load_n(&trace[0], __ATOMIC_RELAXED) : 0, i;

	nr_new_places = 0;
	for (i = 1; i <= n; i++)
		nr_new_places += is_new_place(trace[i]);
	nr_places += nr_new_places;
}

static void write_places(const char *name)
{
	FILE *file = fopen(name, "w");
	unsigned int i;

	if (!file)
		die("%s: %m", name);
	for (i = 0; i < MAX_PLACES; i++)
		if (places[i])
			fprintf(file, "%016lx\n", places[i]);
	fclose(file);
}

/* ---- cases with a new answer, or that reach new code ---- */

struct answer {
	bool is_table;
	char *reply;
	char *text;
};

static struct answer answers[MAX_ANSWERS];
static unsigned int nr_answers;
static FILE *corpus;

static const char *errno_word(int error)
{
	return error ? strerrorname_np(error) : "ok";
}

static void print_escaped(FILE *file, const char *text)
{
	unsigned int i;

	while (*text) {
		for (i = 0; i < nr_devices; i++) {
			size_t size = strlen(devices[i]);

			if (!strncmp(text, devices[i], size) && !isdigit(text[size])) {
				fprintf(file, "%%%u", i);
				text += size;
				break;
			}
		}
		if (i < nr_devices)
			continue;
		if (*text == '%')
			fputs("%%", file);
		else if (*text == '\\' || !isascii(*text) || !isprint(*text))
			fprintf(file, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, file);
		text++;
	}
}

/* Decode the text of a line of the corpus. */
static const char *unescaped(const char *line)
{
	char *text = arena_take(strlen(line) * 12 + 1), *at = text;

	while (*line) {
		unsigned int byte;

		if (line[0] == '\\' && line[1] == 'x' && sscanf(line + 2, "%2x", &byte) == 1) {
			*at++ = byte;
			line += 4;
		} else if (line[0] == '%' && isdigit(line[1])) {
			if ((unsigned int)(line[1] - '0') >= nr_devices)
				die("no device %%%c", line[1]);
			at = stpcpy(at, devices[line[1] - '0']);
			line += 2;
		} else {
			if (line[0] == '%' && line[1] == '%')
				line++;
			*at++ = *line++;
		}
	}
	*at = '\0';
	return text;
}

static void note_answer(bool is_table, int error, const char *reply, const char *text)
{
	unsigned int i;

	for (i = 0; i < nr_answers && !nr_new_places; i++)
		if (answers[i].is_table == is_table && !strcmp(answers[i].reply, reply))
			return;
	if (nr_answers == MAX_ANSWERS)
		return;
	answers[nr_answers++] = (struct answer){ is_table, strdup(reply), strdup(text) };
	if (!corpus || strlen(text) > 1000)
		return;
	fprintf(corpus, "%s %c ", errno_word(error), is_table ? 'T' : 'M');
	print_escaped(corpus, text);
	fputc('\n', corpus);
}

static const char *an_old_one(bool is_table)
{
	unsigned int i;

	for (i = 0; i < 8 && nr_answers; i++) {
		const struct answer *a = &answers[below(nr_answers)];

		if (a->is_table == is_table && strlen(a->text) < 4000)
			return a->text;
	}
	return NULL;
}

static const char *a_text(bool is_table, bool bio)
{
	struct words *w = (struct words *)arena_take(sizeof(*w));
	const char *old = NULL;
	unsigned int kind = below(16), i;

	if (!kind)
		return raw_bytes(below(one_in(30) ? 20000 : 200));
	if (kind < 5)
		old = an_old_one(is_table);
	if (old)
		split(w, old);
	else if (is_table)
		good_table(w, bio);
	else
		good_message(w);
	if (kind >= 10)
		return join(w);
	for (i = 1 + (one_in(3) ? below(4) : 0); i; i--)
		mutate(w);
	return join(w);
}

/* ---- the kernel log ---- */

static int kmsg = -1;
static regex_t trouble;
static char last_reply[256];

static void log_open(void)
{
	const char *pattern = getenv("DM_RQ_LOG_PATTERN");

	if (!pattern || regcomp(&trouble, pattern, REG_EXTENDED | REG_NOSUB))
		die("no DM_RQ_LOG_PATTERN");
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("no kernel log: %m");
}

/* Replace numbers and quoted words, to make equal answers compare equal. */
static void shorten(char *to, size_t size, const char *from)
{
	char *at = to;

	while (*from && at < to + size - 2) {
		if (isdigit(*from)) {
			*at++ = 'N';
			while (isdigit(*from))
				from++;
		} else if (*from == '\'') {
			const char *end = strchr(from + 1, '\'');

			*at++ = 'Q';
			from = end ? end + 1 : from + strlen(from);
		} else {
			*at++ = *from++;
		}
	}
	*at = '\0';
}

/*
 * Read the new part of the log. The first line of device-mapper is the reply to
 * the case.
 */
static void log_read(void)
{
	static char record[16384];
	ssize_t size;

	*last_reply = '\0';
	while ((size = read(kmsg, record, sizeof(record) - 1)) > 0) {
		char *text, *at;

		record[size] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text[1 + strcspn(text + 1, "\n")] = '\0';
		at = strstr(text, "device-mapper: ");
		if (!regexec(&trouble, text, 0, NULL, 0))
			found("the kernel log: %s", text);
		if (at && !*last_reply)
			shorten(last_reply, sizeof(last_reply), at + strlen("device-mapper: "));
	}
	if (size < 0 && errno != EAGAIN)
		found("lines of the kernel log are lost: %m");
}

/* ---- device-mapper ---- */

static void be_silent(int level, const char *file, int line, int error, const char *format, ...)
{
	(void)level;
	(void)file;
	(void)line;
	(void)error;
	(void)format;
}

/* A map, its mode, and whether it exists. */
struct map {
	const char *name;
	bool bio;
	bool exists;
};

static struct map maps[] = { { "fuzz-rq", false, false }, { "fuzz-bio", true, false } };

static struct dm_task *task(int type, const struct map *map)
{
	struct dm_task *t = dm_task_create(type);

	if (!t || !dm_task_set_name(t, map->name))
		die("libdevmapper has no memory");
	return t;
}

static int ask(struct dm_task *t)
{
	int r;

	trace_begin();
	r = dm_task_run(t);
	trace_end();
	return r;
}

/* libdevmapper has refused the request itself, without asking the kernel. */
#define NOT_ASKED	(-1)

/* Run the task and free it. Returns an errno, NOT_ASKED, or 0. */
static int run(struct dm_task *t)
{
	int error = 0;

	if (!ask(t)) {
		error = dm_task_get_errno(t);
		if (!error)
			error = NOT_ASKED;
	}
	dm_task_destroy(t);
	/* libdevmapper delays creation and removal of nodes until here. */
	dm_task_update_nodes();
	return error;
}

static void map_make(struct map *map)
{
	int error;

	if (map->exists)
		return;
	error = run(task(DM_DEVICE_CREATE, map));
	if (error)
		die("cannot make map %s: %s", map->name, strerror(error));
	map->exists = true;
}

static int remove_once(const struct map *map)
{
	struct dm_task *t = task(DM_DEVICE_REMOVE, map);

	dm_task_retry_remove(t);
	return run(t);
}

static void put_error_table(const struct map *map)
{
	struct dm_task *t = task(DM_DEVICE_RELOAD, map);

	if (!dm_task_add_target(t, 0, SECTORS, "error", ""))
		die("libdevmapper does not take a table");
	run(t);
	t = task(DM_DEVICE_RESUME, map);
	dm_task_skip_lockfs(t);
	dm_task_no_flush(t);
	run(t);
}

static void map_remove(struct map *map)
{
	unsigned int i;
	int error;

	if (!map->exists)
		return;
	error = remove_once(map);
	/*
	 * On 6.1, a table that names its own map can be loaded. It is not
	 * resumed, but it holds the map until it is replaced, which `dmsetup
	 * remove --force` does. A table of the other map may hold it as well.
	 */
	for (i = 0; error == EBUSY && i < ARRAY_SIZE(maps); i++) {
		if (!maps[i].exists)
			continue;
		put_error_table(&maps[i]);
		error = remove_once(map);
	}
	if (error)
		found("map %s cannot be removed: %s", map->name, strerror(error));
	else
		map->exists = false;
}

static int load(const struct map *map, u64 size, const char *text)
{
	struct dm_task *t = task(DM_DEVICE_RELOAD, map);

	if (!dm_task_add_target(t, 0, size, TARGET, text))
		die("libdevmapper does not take a table");
	return run(t);
}

static int send(const struct map *map, u64 sector, const char *text)
{
	struct dm_task *t = task(DM_DEVICE_TARGET_MSG, map);

	if (!dm_task_set_sector(t, sector) || !dm_task_set_message(t, text))
		die("libdevmapper does not take a message");
	return run(t);
}

static void clear(const struct map *map)
{
	int error = run(task(DM_DEVICE_CLEAR, map));

	if (error)
		found("the table that waits cannot be cleared: %s", strerror(error));
}

/* The info or the table, inactive or live; the caller frees it. */
static char *status(const struct map *map, int type, bool inactive)
{
	struct dm_task *t = task(type, map);
	unsigned long start, length;
	char *target, *params, *copy = NULL;

	if (inactive)
		dm_task_query_inactive_table(t);
	if (ask(t)) {
		dm_get_next_target(t, NULL, &start, &length, &target, &params);
		if (target && params)
			copy = strdup(params);
	}
	dm_task_destroy(t);
	return copy;
}

static int suspend(const struct map *map)
{
	struct dm_task *t = task(DM_DEVICE_SUSPEND, map);

	dm_task_skip_lockfs(t);
	if (one_in(2))
		dm_task_no_flush(t);
	return run(t);
}

static int resume(const struct map *map)
{
	struct dm_task *t = task(DM_DEVICE_RESUME, map);

	dm_task_set_add_node(t, DM_ADD_NODE_ON_RESUME);
	dm_task_skip_lockfs(t);
	if (one_in(2))
		dm_task_no_flush(t);
	return run(t);
}

/* ---- I/O, in flight during other operations ---- */

#define MAX_IOS	2

static aio_context_t aio;
static char *buffers;

struct io {
	int file;
	unsigned int n;
};

static void io_start(struct io *io, const struct map *map, u64 size)
{
	struct iocb iocbs[MAX_IOS], *list[MAX_IOS];
	char node[64];
	unsigned int i;
	int n;

	io->n = 0;
	snprintf(node, sizeof(node), "/dev/mapper/%s", map->name);
	io->file = open(node, O_RDWR | O_DIRECT);
	if (io->file < 0)
		die("cannot open %s: %m", node);
	if (size < BLOCK / 512)
		return;
	memset(iocbs, 0, sizeof(iocbs));
	for (i = 0; i < MAX_IOS; i++) {
		iocbs[i].aio_lio_opcode = one_in(2) ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
		iocbs[i].aio_fildes = io->file;
		iocbs[i].aio_buf = (uintptr_t)buffers + i * BLOCK;
		iocbs[i].aio_nbytes = BLOCK;
		iocbs[i].aio_offset = below(size / 8) * (u64)BLOCK;
		list[i] = &iocbs[i];
	}
	n = syscall(SYS_io_submit, aio, MAX_IOS, list);
	if (n != MAX_IOS)
		die("io_submit: %m");
	io->n = n;
}

/* After fail_if_no_path nothing waits for a path, so all I/O must end. */
static void io_end(struct io *io, const struct map *map)
{
	struct io_event events[MAX_IOS];
	struct timespec limit = { .tv_sec = HANG_SECONDS / 2 };
	int error = send(map, 0, "fail_if_no_path");

	if (error)
		found("fail_if_no_path is refused: %s", strerror(error));
	if (io->n &&
	    syscall(SYS_io_getevents, aio, (long)io->n, MAX_IOS, events, &limit) != io->n) {
		found("I/O does not end");
		die("I/O is still under way");
	}
	close(io->file);
}

/* ---- cases ---- */

static unsigned long nr_tables, nr_messages, nr_loaded, nr_resumed, nr_taken, nr_not_asked;

static void begin(const char *what, const char *text)
{
	progress->number++;
	snprintf(progress->what, sizeof(progress->what), "%s", what);
	snprintf(progress->text, sizeof(progress->text), "%s", text);
}

/* The answer is the errno and the reply in the log. */
static void answered(bool is_table, int error, const char *text)
{
	char reply[320];

	log_read();
	if (error == NOT_ASKED) {
		/* If the kernel had refused it, there would be an errno. */
		if (*last_reply)
			found("refused without an errno: %s", last_reply);
		nr_not_asked++;
		return;
	}
	snprintf(reply, sizeof(reply), "%s %s", errno_word(error), last_reply);
	if (error && !*last_reply && error != ENXIO && error != EBUSY)
		found("%s, and no line in the log says why", errno_word(error));
	if (error == ENOMEM)
		found("out of memory");
	note_answer(is_table, error, reply, text);
}

static int message_case(struct map *map, const char *text)
{
	u64 sector = one_in(100) ? chance() >> below(64) : 0;
	int error;

	/* Messages with @ are for dm core. */
	text += strspn(text, " \t\n\v\f\r");
	if (*text == '@')
		text++;
	begin(text_of("message to %s", map->name), text);
	nr_messages++;
	error = send(map, sector, text);
	nr_taken += !error;
	if (sector && error)
		log_read();
	else
		answered(false, error, text);
	return error;
}

static bool is_text(const char *line)
{
	for (; *line; line++)
		if (!isascii(*line) || !isprint(*line))
			return false;
	return true;
}

static void look(const struct map *map)
{
	char *info = status(map, DM_DEVICE_STATUS, false);

	if (!info || strncmp(info, "2 ", 2) || !is_text(info))
		found("info is %s", info ? info : "missing");
	free(info);
}

/* The inactive table must be printed in a form that loads as the same table. */
static void read_back(const struct map *map, u64 size)
{
	char *first = status(map, DM_DEVICE_TABLE, true), *second;
	int error;

	if (!first) {
		found("no table is printed");
		return;
	}
	error = load(map, size, first);
	if (error) {
		found("what is printed is refused: %s: %s", strerror(error), first);
	} else {
		second = status(map, DM_DEVICE_TABLE, true);
		if (!second || strcmp(first, second))
			found("printed is %s, and then %s", first, second ? second : "nothing");
		free(second);
	}
	free(first);
}

/*
 * The kernel only checks at the resume whether the paths are large enough, and
 * whether they lead back to the map. (6.12 refuses to load a table that names
 * its own map.)
 */
static bool may_be_refused(int error, const char *text, u64 size)
{
	return size > SECTORS || (error == ELOOP && strstr(text, "/dev/mapper/fuzz-"));
}

/*
 * We do not interpret the table, so I/O may have to wait for a path. We end
 * this with a message.
 */
static void use(struct map *map, const char *text, u64 size, bool generate)
{
	struct io io;
	unsigned int i;
	int error;

	error = resume(map);
	if (error) {
		log_read();
		if (!may_be_refused(error, text, size))
			found("loaded, but not resumed: %s, %s", strerror(error), last_reply);
		map_remove(map);
		return;
	}
	nr_resumed++;
	io_start(&io, map, size);
	look(map);
	for (i = generate ? below(12) : 0; i; i--)
		message_case(map, a_text(false, map->bio));
	if (generate && one_in(16)) {
		error = suspend(map);
		if (error)
			found("no suspend: %s", strerror(error));
		message_case(map, a_text(false, map->bio));
		error = resume(map);
		if (error)
			found("no resume: %s", strerror(error));
	}
	io_end(&io, map);
	look(map);
	if (generate && one_in(100))
		map_remove(map);
}

static int table_case(struct map *map, const char *text, u64 size, bool generate)
{
	int error;

	map_make(map);
	begin(text_of("table of %llu sectors for %s", size, map->name), text);
	nr_tables++;
	error = load(map, size, text);
	answered(true, error, text);
	if (error)
		return error;
	nr_loaded++;
	if (one_in(4) || !generate)
		read_back(map, size);
	if (one_in(8) && generate)
		clear(map);
	else
		use(map, text, size, generate);
	log_read();
	return 0;
}

static u64 a_size(void)
{
	return one_in(100) ? chance() >> below(64) : one_in(20) ? 1 + below(SECTORS) : SECTORS;
}

static void generate_cases(unsigned long cases)
{
	while (nr_tables + nr_messages < cases) {
		struct map *map = &maps[below(2)];

		arena_reset();
		table_case(map, a_text(true, one_in(20) ? !map->bio : map->bio), a_size(), true);
	}
}

/*
 * A message in the file goes to the map of the last accepted table before it.
 */
static void repeat_cases(const char *name)
{
	FILE *file = fopen(name, "r");
	char *line = NULL, wanted[32], kind;
	size_t room = 0;
	struct map *map = &maps[0];
	int error, at;

	if (!file)
		die("%s: %m", name);
	while (getline(&line, &room, file) > 0) {
		const char *text;

		if (*line == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%31s %c%n", wanted, &kind, &at) != 2)
			die("%s: what is '%s'?", name, line);
		arena_reset();
		text = unescaped(line + at + (line[at] == ' '));
		if (kind == 'T') {
			map = &maps[!!strcasestr(text, "queue_mode bio")];
			error = table_case(map, text, SECTORS, false);
		} else {
			error = message_case(map, text);
		}
		if (strcmp(wanted, "*") && strcmp(wanted, errno_word(error)))
			found("%s, and not %s", errno_word(error), wanted);
	}
	free(line);
	fclose(file);
}

static int work(unsigned long cases, const char *repeat, const char *output, const char *reached)
{
	unsigned int i;

	dm_log_with_errno_init(be_silent);
	dm_udev_set_sync_support(0);
	arena = malloc(4 * MAX_TEXT);
	if (!arena || posix_memalign((void **)&buffers, BLOCK, MAX_IOS * BLOCK) ||
	    syscall(SYS_io_setup, MAX_IOS, &aio))
		die("cannot begin: %m");
	memset(buffers, 0, MAX_IOS * BLOCK);
	if (output) {
		corpus = fopen(output, "w");
		if (!corpus)
			die("%s: %m", output);
	}
	log_open();
	trace_open();
	if (repeat) {
		/* A message needs a map. */
		arena_reset();
		map_make(&maps[0]);
		table_case(&maps[0], text_of("0 0 1 1 round-robin 0 1 0 %s", devices[0]), SECTORS,
			   false);
		repeat_cases(repeat);
	} else {
		generate_cases(cases);
	}
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		map_remove(&maps[i]);
	log_read();
	if (corpus)
		fclose(corpus);
	if (reached)
		write_places(reached);
	printf("%lu tables, %lu of them taken and %lu used; ", nr_tables, nr_loaded, nr_resumed);
	printf("%lu messages, %lu of them taken; %u answers; ", nr_messages, nr_taken, nr_answers);
	printf("%lu cases are not for libdevmapper\n", nr_not_asked);
	fflush(stdout);
	return nr_found ? 1 : 0;
}

/*
 * The parent reports a case that hangs, because the child waits in the kernel.
 */
static int watch(pid_t child)
{
	unsigned long last = 0;
	unsigned int quiet = 0;
	int how;

	while (!waitpid(child, &how, WNOHANG)) {
		usleep(100000);
		quiet = progress->number == last ? quiet + 1 : 0;
		last = progress->number;
		if (quiet < HANG_SECONDS * 10)
			continue;
		found("hangs");
		kill(child, SIGKILL);
		return 1;
	}
	if (WIFEXITED(how))
		return WEXITSTATUS(how);
	found("the program was killed by signal %d", WTERMSIG(how));
	return 2;
}

int main(int argc, char **argv)
{
	unsigned long cases = 1000;
	const char *repeat = NULL, *output = NULL, *reached = NULL;
	pid_t child;
	int option;

	while ((option = getopt(argc, argv, "n:s:o:p:r:")) > 0) {
		switch (option) {
		case 'n':
			cases = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			output = optarg;
			break;
		case 'p':
			reached = optarg;
			break;
		case 'r':
			repeat = optarg;
			break;
		default:
			return 2;
		}
	}
	devices = (const char **)argv + optind;
	nr_devices = argc - optind;
	if (!nr_devices || nr_devices > 10)
		die("needs one to ten devices");
	chance_state = seed;
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		die("no memory");
	child = fork();
	if (child < 0)
		die("cannot fork: %m");
	if (!child)
		_exit(work(cases, repeat, output, reached));
	return watch(child);
}
