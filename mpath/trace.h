/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the multipath target, in both modes.  Their devices are the map and
 * the path.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_mpath_rq

#if !defined(DM_MPATH_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DM_MPATH_TRACE_H

#include <linux/tracepoint.h>

/* We send an I/O to a path. */
TRACE_EVENT(mpath_map,
	TP_PROTO(struct mpath_path *path, enum req_op op,
		 unsigned int nr_bytes),
	TP_ARGS(path, op, nr_bytes),
	TP_STRUCT__entry(
		__field(dev_t, map)
		__field(dev_t, path)
		__field(unsigned int, op)
		__field(unsigned int, bytes)
	),
	TP_fast_assign(
		__entry->map = disk_devt(dm_disk(path->m->rq.md));
		__entry->path = path->ps.dev->bdev->bd_dev;
		__entry->op = (__force unsigned int)op;
		__entry->bytes = nr_bytes;
	),
	TP_printk("%d:%d path %d:%d op %u bytes %u", MAJOR(__entry->map),
		  MINOR(__entry->map), MAJOR(__entry->path),
		  MINOR(__entry->path), __entry->op, __entry->bytes)
);

/* The I/O has completed there, or the path's queue has rejected it. */
TRACE_EVENT(mpath_end,
	TP_PROTO(struct mpath_path *path, enum req_op op,
		 unsigned int nr_bytes, u64 ns, blk_status_t status),
	TP_ARGS(path, op, nr_bytes, ns, status),
	TP_STRUCT__entry(
		__field(dev_t, map)
		__field(dev_t, path)
		__field(unsigned int, op)
		__field(unsigned int, bytes)
		__field(u64, ns)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->map = disk_devt(dm_disk(path->m->rq.md));
		__entry->path = path->ps.dev->bdev->bd_dev;
		__entry->op = (__force unsigned int)op;
		__entry->bytes = nr_bytes;
		__entry->ns = ns;
		__entry->error = blk_status_to_errno(status);
	),
	TP_printk("%d:%d path %d:%d op %u bytes %u ns %llu error %d",
		  MAJOR(__entry->map), MINOR(__entry->map),
		  MAJOR(__entry->path), MINOR(__entry->path), __entry->op,
		  __entry->bytes, __entry->ns, __entry->error)
);

DECLARE_EVENT_CLASS(mpath_path,
	TP_PROTO(struct mpath_path *path),
	TP_ARGS(path),
	TP_STRUCT__entry(
		__field(dev_t, map)
		__field(dev_t, path)
		__field(unsigned int, group)
		__field(unsigned int, usable)
	),
	TP_fast_assign(
		__entry->map = disk_devt(dm_disk(path->m->rq.md));
		__entry->path = path->ps.dev->bdev->bd_dev;
		__entry->group = path->group->number;
		__entry->usable = path->m->nr_usable;
	),
	TP_printk("%d:%d path %d:%d group %u usable %u",
		  MAJOR(__entry->map), MINOR(__entry->map),
		  MAJOR(__entry->path), MINOR(__entry->path),
		  __entry->group, __entry->usable)
);

DEFINE_EVENT(mpath_path, mpath_fail,
	TP_PROTO(struct mpath_path *path),
	TP_ARGS(path)
);

DEFINE_EVENT(mpath_path, mpath_reinstate,
	TP_PROTO(struct mpath_path *path),
	TP_ARGS(path)
);

/* Stall detection: a path is stalled, or its I/O has resumed. */
TRACE_EVENT(mpath_guard,
	TP_PROTO(struct mpath_path *path, bool stalled),
	TP_ARGS(path, stalled),
	TP_STRUCT__entry(
		__field(dev_t, map)
		__field(dev_t, path)
		__field(bool, stalled)
	),
	TP_fast_assign(
		__entry->map = disk_devt(dm_disk(path->m->rq.md));
		__entry->path = path->ps.dev->bdev->bd_dev;
		__entry->stalled = stalled;
	),
	TP_printk("%d:%d path %d:%d %s", MAJOR(__entry->map),
		  MINOR(__entry->map), MAJOR(__entry->path),
		  MINOR(__entry->path),
		  __entry->stalled ? "stalled" : "goes on")
);

DECLARE_EVENT_CLASS(mpath_number,
	TP_PROTO(struct mpath *m, unsigned int number),
	TP_ARGS(m, number),
	TP_STRUCT__entry(
		__field(dev_t, map)
		__field(unsigned int, number)
	),
	TP_fast_assign(
		__entry->map = disk_devt(dm_disk(m->rq.md));
		__entry->number = number;
	),
	TP_printk("%d:%d %u", MAJOR(__entry->map), MINOR(__entry->map),
		  __entry->number)
);

/* We use this group from now on. */
DEFINE_EVENT(mpath_number, mpath_switch_group,
	TP_PROTO(struct mpath *m, unsigned int number),
	TP_ARGS(m, number)
);

/* An I/O of this many bytes has to wait for a path. */
DEFINE_EVENT(mpath_number, mpath_park,
	TP_PROTO(struct mpath *m, unsigned int number),
	TP_ARGS(m, number)
);

/* We map waiting I/O again, with this many usable paths. */
DEFINE_EVENT(mpath_number, mpath_wake,
	TP_PROTO(struct mpath *m, unsigned int number),
	TP_ARGS(m, number)
);

#endif /* DM_MPATH_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE mpath/trace
#include <trace/define_trace.h>
