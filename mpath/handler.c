// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware handlers (scsi_dh): attaching them to paths.  See group.c for pg_init.
 */

#include <linux/slab.h>
#include <scsi/scsi_dh.h>

#include "mpath/mpath.h"
#include "mpath/group.h"
#include "dm-rq-compat.h"

#define DM_MSG_PREFIX "multipath"

/* Replace the table's handler, whose parameters do not suit another one. */
static void set_handler(struct mpath *m, char *name)
{
	kfree(m->handler.name);
	kfree(m->handler.params);
	m->handler.name = name;
	m->handler.params = NULL;
}

/* We take the attached handler instead of the table's. */
static int retain(struct mpath *m, const char *attached)
{
	char *name;

	if (m->handler.name && !strcmp(m->handler.name, attached))
		return 0;

	name = kstrdup(attached, GFP_KERNEL);
	if (!name)
		return -ENOMEM;
	set_handler(m, name);
	return 0;
}

/*
 * A handler answers with an errno or with one of its own codes. A positive code is not a
 * reason to refuse the table, because the stock target does not either.
 */
static int set_params(struct mpath *m, struct dm_dev *dev)
{
	int r = scsi_dh_set_params(bdev_get_queue(dev->bdev), m->handler.params);

	if (r == -SCSI_DH_NOSYS)
		return -EOPNOTSUPP;
	if (r <= 0)
		return r;
	mpath_warn(m, "path %pg (%s): hardware handler %s did not take its parameters: code %d",
		   dev->bdev, dev->name, m->handler.name, r);
	return 0;
}

static int attach(struct mpath *m, struct dm_dev *dev, const char *attached)
{
	struct request_queue *q = bdev_get_queue(dev->bdev);
	int r = 0;

	if (attached && (DM_RQ_RETAIN_IMPLIED || m->handler.retain || m->bio_mode))
		r = retain(m, attached);
	if (r || !m->handler.name)
		return r;

	r = scsi_dh_attach(q, m->handler.name);
	if (r == -EBUSY && attached) {
		r = retain(m, attached);
		if (!r)
			r = scsi_dh_attach(q, m->handler.name);
	}
	/* Without CONFIG_SCSI_DH this is SCSI_DH_NOSYS, which is not an errno. */
	if (r > 0)
		return -EOPNOTSUPP;
	if (r || !m->handler.params)
		return r;
	return set_params(m, dev);
}

/* The path is not SCSI, so the map has no handler. */
static void drop_handler(struct mpath *m, struct dm_dev *dev)
{
	if (!m->handler.name)
		return;
	mpath_warn(m, "path %pg (%s): hardware handler %s ignored: not a SCSI device",
		   dev->bdev, dev->name, m->handler.name);
	set_handler(m, NULL);
}

/**
 * mpath_attach_handler() - attach the map's hardware handler to a path
 * @m: the map, in its constructor
 * @path: the path, with its device
 *
 * An attached handler becomes the map's if it is retained, or if the device refuses to change
 * it.  Documentation/dm-mpath-rq.rst says when it is retained.
 *
 * If scsi_dh reports that the device is not SCSI, then we go on without a handler, as the
 * stock target does.
 *
 * Context: process, may sleep: loads the handler's module.
 * Return: 0 or an errno.
 */
int mpath_attach_handler(struct mpath *m, struct mpath_path *path)
{
	struct request_queue *q = bdev_get_queue(path->ps.dev->bdev);
	const char *attached;
	int r;

	might_sleep();
	mpath_init_activation(path);

	attached = scsi_dh_attached_handler_name(q, GFP_KERNEL);
	if (PTR_ERR_OR_ZERO(attached) == -ENODEV) {
		drop_handler(m, path->ps.dev);
		return 0;
	}
	if (IS_ERR(attached))
		return PTR_ERR(attached);
	r = attach(m, path->ps.dev, attached);
	kfree(attached);
	return r;
}
