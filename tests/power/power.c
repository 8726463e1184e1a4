// SPDX-License-Identifier: GPL-2.0
/*
 * power: writes and flushes until the power fails, and checks afterwards that
 * all flushed data are still there.
 *
 *	power write FILE STATE BLOCKS SEED	until each of the writers gets an error
 *	power careless FILE STATE BLOCKS SEED	the same, without waiting for flushes
 *	power check FILE STATE BLOCKS
 *
 * FILE is a disk or a file, in blocks of 4 KiB. Each of the four writers has a
 * quarter of it. They use O_DIRECT with fdatasync(), O_DIRECT with O_DSYNC, the
 * page cache with fdatasync(), and the page cache with O_DSYNC. Each sector
 * contains the version of its block, which grows with each write. STATE has the
 * last version of each block that we tried to write, and the last one that was
 * acknowledged. If no data are lost, the version found is in this range.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK		4096
#define SECTOR		512
#define WRITERS		4
#define MAX_BLOCKS	16
#define MAX_BATCH	8

typedef unsigned long long u64;

struct state {
	u64 tried;
	u64 acknowledged;
};

struct sector {
	u64 block;
	u64 version;
	u64 fill[SECTOR / sizeof(u64) - 2];
};

struct writer {
	pthread_t thread;
	unsigned int number;
	u64 chance;
	u64 version;
	u64 acknowledged;
};

static const char *file_name;
static struct state *state;
static unsigned long nr_blocks;
static bool careless;

static noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static unsigned int below(struct writer *w, unsigned int n)
{
	w->chance = w->chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return (w->chance >> 33) % n;
}

static u64 fill_of(u64 block, u64 version, unsigned int i)
{
	return (block * 1000003 + version) * 1000003 + i;
}

static void fill(void *buffer, u64 block, u64 version)
{
	struct sector *s = buffer;
	unsigned int i, j;

	for (i = 0; i < BLOCK / SECTOR; i++, s++) {
		s->block = block;
		s->version = version;
		for (j = 0; j < SECTOR / sizeof(u64) - 2; j++)
			s->fill[j] = fill_of(block, version, i * SECTOR + j);
	}
}

/* Write @n adjacent blocks. Returns false if this fails. */
static bool write_some(struct writer *w, int fd, void *buffer, unsigned long first,
		       unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		state[first + i].tried = ++w->version;
		fill((char *)buffer + i * BLOCK, first + i, w->version);
	}
	return pwrite(fd, buffer, n * BLOCK, first * BLOCK) == n * BLOCK;
}

struct piece {
	unsigned long first;
	unsigned int n;
};

static void acknowledge(struct writer *w, const struct piece *batch, unsigned int n)
{
	unsigned int i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < batch[i].n; j++)
			state[batch[i].first + j].acknowledged = state[batch[i].first + j].tried;
	w->acknowledged++;
}

static void *writer(void *arg)
{
	static const int flags[WRITERS] = { O_DIRECT, O_DIRECT | O_DSYNC, 0, O_DSYNC };
	struct writer *w = arg;
	unsigned long own = nr_blocks / WRITERS, begin = w->number * own;
	struct piece batch[MAX_BATCH];
	unsigned int n, i;
	void *buffer;
	int fd = open(file_name, O_WRONLY | flags[w->number]);

	if (fd < 0 || posix_memalign(&buffer, BLOCK, MAX_BLOCKS * BLOCK))
		die(file_name);
	while (true) {
		n = flags[w->number] & O_DSYNC ? 1 : 1 + below(w, MAX_BATCH);
		for (i = 0; i < n; i++) {
			batch[i].n = 1 + below(w, MAX_BLOCKS);
			batch[i].first = begin + below(w, own - MAX_BLOCKS);
			if (!write_some(w, fd, buffer, batch[i].first, batch[i].n))
				goto out;
		}
		if (careless)
			acknowledge(w, batch, n);
		if (!(flags[w->number] & O_DSYNC) && fdatasync(fd))
			goto out;
		if (!careless)
			acknowledge(w, batch, n);
	}
out:
	close(fd);
	free(buffer);
	return NULL;
}

static int write_until_it_fails(u64 seed)
{
	struct writer writers[WRITERS] = {};
	u64 version = 0;
	unsigned long i;

	for (i = 0; i < nr_blocks; i++)
		if (state[i].tried > version)
			version = state[i].tried;
	for (i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		writers[i].chance = seed * WRITERS + i;
		writers[i].version = version;
		if (pthread_create(&writers[i].thread, NULL, writer, &writers[i]))
			die("pthread_create");
	}
	for (i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	printf("acknowledged");
	for (i = 0; i < WRITERS; i++)
		printf(" %llu", writers[i].acknowledged);
	putchar('\n');
	return 0;
}

static bool is_whole(const struct sector *s, unsigned long block, unsigned int number)
{
	unsigned int j;

	if (!s->version) {
		for (j = 0; j < SECTOR / sizeof(u64) - 2; j++)
			if (s->fill[j])
				return false;
		return !s->block;
	}
	if (s->block != block)
		return false;
	for (j = 0; j < SECTOR / sizeof(u64) - 2; j++)
		if (s->fill[j] != fill_of(block, s->version, number * SECTOR + j))
			return false;
	return true;
}

/* We set the acknowledged version to the one found, which must not get lost. */
static int check(void)
{
	int fd = open(file_name, O_RDONLY | O_DIRECT), bad = 0;
	unsigned long block, unsure = 0;
	unsigned int i;
	void *buffer;

	if (fd < 0 || posix_memalign(&buffer, BLOCK, BLOCK))
		die(file_name);
	for (block = 0; block < nr_blocks; block++) {
		u64 oldest = state[block].tried;

		if (pread(fd, buffer, BLOCK, block * BLOCK) != BLOCK)
			die("read");
		unsure += state[block].tried != state[block].acknowledged;
		for (i = 0; i < BLOCK / SECTOR; i++) {
			const struct sector *s = (struct sector *)buffer + i;

			if (is_whole(s, block, i) && s->version >= state[block].acknowledged &&
			    s->version <= state[block].tried) {
				if (s->version < oldest)
					oldest = s->version;
				continue;
			}
			if (bad++ < 5)
				printf("block %lu, sector %u: %llu of %llu%s, not %llu to %llu\n",
				       block, i, s->version, s->block,
				       is_whole(s, block, i) ? "" : ", not whole",
				       state[block].acknowledged, state[block].tried);
		}
		state[block].acknowledged = oldest;
	}
	printf("%d bad sectors; %lu blocks were under way\n", bad, unsure);
	return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 5)
		return 2;
	file_name = argv[2];
	nr_blocks = strtoul(argv[4], NULL, 0);
	fd = open(argv[3], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, nr_blocks * sizeof(*state)))
		die(argv[3]);
	state = mmap(NULL, nr_blocks * sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		die(argv[3]);
	careless = !strcmp(argv[1], "careless");
	if (argc == 6)
		return write_until_it_fails(strtoull(argv[5], NULL, 0));
	return check();
}
