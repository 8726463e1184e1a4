/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm_ps_*_kunit: a group of paths without devices, to test a selector.
 *
 * After this header, a suite includes the selector's source file, to reach its
 * static functions.  We redefine module_init() so that this copy is not
 * registered.
 */
#ifndef DM_PS_KUNIT_H
#define DM_PS_KUNIT_H

#include <kunit/test.h>
#include <linux/module.h>

#include <linux/dm-path-selector.h>

#undef module_init
#undef module_exit
#undef __init
#undef __exit
#define module_init(fn)	static_assert(sizeof(#fn))
#define module_exit(fn)	static_assert(sizeof(#fn))
#define __init		__maybe_unused
#define __exit		__maybe_unused

#define MAX_PATHS	8

/**
 * struct ps_group - a group of paths with its selector
 * @ps: the selector in use
 * @path: the paths; all usable unless the case changes that
 * @paths: array for ps.paths
 * @made: create() succeeded, so @ps must be destroyed
 */
struct ps_group {
	struct dm_ps ps;
	struct dm_ps_path path[MAX_PATHS];
	struct dm_ps_path *paths[MAX_PATHS];
	bool made;
};

static void group_destroy(void *data)
{
	struct ps_group *g = data;

	if (g->made)
		g->ps.type->destroy(&g->ps);
}

static struct ps_group *group_alloc(struct kunit *test, const struct dm_ps_type *type)
{
	struct ps_group *g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, g);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, group_destroy, g), 0);
	g->ps.type = type;
	g->ps.paths = g->paths;
	return g;
}

/*
 * Add a path with the arguments in @text.  Returns 0, an errno, or -ENOMSG if
 * the selector failed without an error text.
 */
static int add_path(struct ps_group *g, const char *text)
{
	struct dm_ps_path *path = &g->path[g->ps.nr_paths];
	char words[64], *at = words, *word, *argv[4], *error = NULL;
	unsigned int argc = 0;
	int r;

	strscpy(words, text, sizeof(words));
	while ((word = strsep(&at, " ")))
		if (*word && argc < ARRAY_SIZE(argv))
			argv[argc++] = word;
	path->usable = true;
	g->paths[g->ps.nr_paths++] = path;
	r = g->ps.type->add_path(&g->ps, path, argc, argv, &error);
	if (r) {
		g->ps.nr_paths--;
		if (!error)
			r = -ENOMSG;
	}
	return r;
}

/* Create a group of @nr paths, each with the arguments @text. */
static struct ps_group *group_of(struct kunit *test, const struct dm_ps_type *type,
				 unsigned int nr, const char *text)
{
	struct ps_group *g = group_alloc(test, type);
	char *error = NULL;

	KUNIT_ASSERT_EQ(test, type->create(&g->ps, 0, NULL, &error), 0);
	g->made = true;
	while (g->ps.nr_paths < nr)
		KUNIT_ASSERT_EQ(test, add_path(g, text), 0);
	return g;
}

/* Return the index of the path that select() chooses, or -1 for none. */
static int chosen(struct ps_group *g, size_t nr_bytes)
{
	struct dm_ps_path *path = g->ps.type->select(&g->ps, nr_bytes, REQ_OP_READ);

	return path ? path - g->path : -1;
}

/* Common to all selectors: no path, one path, and all but one failed. */
static void expect_edges(struct kunit *test, const struct dm_ps_type *type,
			 const char *text)
{
	struct ps_group *g = group_of(test, type, 0, text);
	int i, j;

	KUNIT_EXPECT_EQ(test, chosen(g, 0), -1);
	KUNIT_ASSERT_EQ(test, add_path(g, text), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, chosen(g, SIZE_MAX), 0);

	g = group_of(test, type, 5, text);
	for (i = 0; i < 5; i++) {
		for (j = 0; j < 5; j++)
			g->path[j].usable = j == i;
		for (j = 0; j < 3; j++)
			KUNIT_EXPECT_EQ(test, chosen(g, 4096), i);
	}
	g->path[4].usable = false;
	KUNIT_EXPECT_EQ(test, chosen(g, 0), -1);
	g->path[2].usable = true;
	KUNIT_EXPECT_EQ(test, chosen(g, 0), 2);
}

struct words_param {
	const char *name;
	const char *words;
	int error;
	const char *table;
};

/* Parse a path's arguments, and check that the table prints them as given. */
static void expect_words(struct kunit *test, const struct dm_ps_type *type,
			 const struct words_param *p)
{
	struct ps_group *g = group_of(test, type, 0, "");
	char text[64] = "";
	int r;

	r = add_path(g, p->words);
	KUNIT_EXPECT_EQ_MSG(test, r, p->error, "%s", p->name);
	if (r)
		return;
	type->status(&g->ps, &g->path[0], STATUSTYPE_TABLE, text, sizeof(text));
	KUNIT_EXPECT_STREQ_MSG(test, text, p->table, "%s", p->name);
}

/* The same for a selector whose only path argument is the repeat count. */
static __maybe_unused void expect_repeat_count(struct kunit *test,
					       const struct dm_ps_type *type)
{
	static const struct words_param rows[] = {
		{ "none", "", 0, "1 " },
		{ "count", "1000", 0, "1000 " },
		{ "zero", "0", 0, "0 " },
		{ "most", "4294967295", 0, "4294967295 " },
		{ "wraps", "4294967296", -EINVAL },
		{ "negative", "-1", -EINVAL },
		{ "sign", "+1", -EINVAL },
		{ "word", "x", -EINVAL },
		{ "too_many", "1 1", -EINVAL },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		expect_words(test, type, &rows[i]);
}

#endif /* DM_PS_KUNIT_H */
