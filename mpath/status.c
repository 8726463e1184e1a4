// SPDX-License-Identifier: GPL-2.0-only
/*
 * The status method: info and IMA lines.
 */

#include "mpath/mpath.h"
#include "mpath/group.h"

static char path_letter(struct mpath_path *path)
{
	return !path->failed ? 'A' : 'F';
}

/*
 * 2 <queue_io> <pg_init count> 0 <#groups> <group>
 * { A|D|E <selector's words> <#paths> <#words per path>
 *   { <major:minor> A|F <fail count> <selector's words> [<stall state>] } .. } ..
 */
static int info_text(struct mpath *m, char *result, unsigned int maxlen)
{
	unsigned int i, j;
	int sz = 0;

	DMEMIT("2 %u %u 0 %u %u ", m->queue_io, m->pg_init.count, m->nr_groups,
	       mpath_group_number(m));

	for (i = 0; i < m->nr_groups; i++) {
		struct mpath_group *group = m->groups[i];
		struct dm_ps *ps = &group->ps;

		DMEMIT("%c ", mpath_group_letter(m, group));
		sz += ps->type->status(ps, NULL, STATUSTYPE_INFO, result + sz,
				       maxlen - sz);
		DMEMIT("%u %u ", ps->nr_paths,
		       ps->type->info_args + !!m->stall.timeout);
		for (j = 0; j < ps->nr_paths; j++) {
			struct mpath_path *path = mpath_path_of(ps->paths[j]);

			DMEMIT("%s %c %u ", path->ps.dev->name,
			       path_letter(path), path->fail_count);
			sz += ps->type->status(ps, &path->ps, STATUSTYPE_INFO,
					       result + sz, maxlen - sz);
			if (m->stall.timeout)
				DMEMIT("%s ", mpath_stall_word(path));
		}
	}
	return sz;
}

/* The text that IMA measures.  Groups and paths are numbered from 0. */
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
 * @type: the text that is wanted
 * @flags: unused, because an exact answer needs no flush
 * @result: the buffer
 * @maxlen: its size. If the text does not fit, dm core calls again with a larger one
 *
 * Context: process.
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
