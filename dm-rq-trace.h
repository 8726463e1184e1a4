/* SPDX-License-Identifier: GPL-2.0-only */
/* Trace events of the core, which follow each request. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_rq

#if !defined(DM_RQ_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DM_RQ_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(dm_rq_request,
	TP_PROTO(struct dm_rq *drq, struct request *rq),
	TP_ARGS(drq, rq),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(unsigned int, op)
		__field(sector_t, sector)
		__field(unsigned int, bytes)
	),
	TP_fast_assign(
		__entry->dev = disk_devt(dm_disk(drq->md));
		__entry->op = (__force unsigned int)req_op(rq);
		__entry->sector = blk_rq_pos(rq);
		__entry->bytes = blk_rq_bytes(rq);
	),
	TP_printk("%d:%d op %u sector %llu bytes %u", MAJOR(__entry->dev),
		  MINOR(__entry->dev), __entry->op,
		  (unsigned long long)__entry->sector, __entry->bytes)
);

/* A clone was given to a device; block_rq_remap has the device. */
DEFINE_EVENT(dm_rq_request, dm_rq_map,
	TP_PROTO(struct dm_rq *drq, struct request *rq),
	TP_ARGS(drq, rq)
);

/* The request waits in the requeue list of the map's queue until a wake. */
DEFINE_EVENT(dm_rq_request, dm_rq_park,
	TP_PROTO(struct dm_rq *drq, struct request *rq),
	TP_ARGS(drq, rq)
);

/*
 * A clone has completed.  Sector and size are those of the rest of the request,
 * before the completed bios are subtracted.
 */
TRACE_EVENT(dm_rq_end,
	TP_PROTO(struct dm_rq *drq, struct request *rq, blk_status_t status),
	TP_ARGS(drq, rq, status),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(unsigned int, op)
		__field(sector_t, sector)
		__field(unsigned int, bytes)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->dev = disk_devt(dm_disk(drq->md));
		__entry->op = (__force unsigned int)req_op(rq);
		__entry->sector = blk_rq_pos(rq);
		__entry->bytes = blk_rq_bytes(rq);
		__entry->error = blk_status_to_errno(status);
	),
	TP_printk("%d:%d op %u sector %llu bytes %u error %d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->op,
		  (unsigned long long)__entry->sector, __entry->bytes,
		  __entry->error)
);

/* All parked requests will be mapped again. */
TRACE_EVENT(dm_rq_wake,
	TP_PROTO(struct dm_rq *drq),
	TP_ARGS(drq),
	TP_STRUCT__entry(
		__field(dev_t, dev)
	),
	TP_fast_assign(
		__entry->dev = disk_devt(dm_disk(drq->md));
	),
	TP_printk("%d:%d", MAJOR(__entry->dev), MINOR(__entry->dev))
);

#endif /* DM_RQ_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE dm-rq-trace
#include <trace/define_trace.h>
