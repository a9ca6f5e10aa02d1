/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lwc

#if !defined(_TRACE_LWC_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_LWC_H

#include <linux/tracepoint.h>

TRACE_EVENT(lwc_create,
	TP_PROTO(u64 id, u64 creator, u64 flags),
	TP_ARGS(id, creator, flags),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, creator)
		__field(u64, flags)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->creator = creator;
		__entry->flags = flags;
	),
	TP_printk("id=%llu creator=%llu flags=0x%llx", __entry->id,
		  __entry->creator, __entry->flags)
);

TRACE_EVENT(lwc_switch,
	TP_PROTO(u64 from, u64 to, u32 type, bool discard),
	TP_ARGS(from, to, type, discard),
	TP_STRUCT__entry(
		__field(u64, from)
		__field(u64, to)
		__field(u32, type)
		__field(bool, discard)
	),
	TP_fast_assign(
		__entry->from = from;
		__entry->to = to;
		__entry->type = type;
		__entry->discard = discard;
	),
	TP_printk("from=%llu to=%llu type=%u%s", __entry->from, __entry->to,
		  __entry->type, __entry->discard ? " discard" : "")
);

TRACE_EVENT(lwc_trap,
	TP_PROTO(u64 id, u32 type, int signo, u64 addr),
	TP_ARGS(id, type, signo, addr),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u32, type)
		__field(int, signo)
		__field(u64, addr)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->type = type;
		__entry->signo = signo;
		__entry->addr = addr;
	),
	TP_printk("id=%llu type=%u signo=%d addr=0x%llx", __entry->id,
		  __entry->type, __entry->signo, __entry->addr)
);

TRACE_EVENT(lwc_rollback,
	TP_PROTO(u64 id, u64 restored, u64 dropped, int err),
	TP_ARGS(id, restored, dropped, err),
	TP_STRUCT__entry(
		__field(u64, id)
		__field(u64, restored)
		__field(u64, dropped)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->id = id;
		__entry->restored = restored;
		__entry->dropped = dropped;
		__entry->err = err;
	),
	TP_printk("id=%llu restored=%llu dropped=%llu err=%d", __entry->id,
		  __entry->restored, __entry->dropped, __entry->err)
);

TRACE_EVENT(lwc_overlay,
	TP_PROTO(u64 to, u64 from, u32 lines, int err),
	TP_ARGS(to, from, lines, err),
	TP_STRUCT__entry(
		__field(u64, to)
		__field(u64, from)
		__field(u32, lines)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->to = to;
		__entry->from = from;
		__entry->lines = lines;
		__entry->err = err;
	),
	TP_printk("to=%llu from=%llu lines=%u err=%d", __entry->to,
		  __entry->from, __entry->lines, __entry->err)
);

TRACE_EVENT(lwc_syscall,
	TP_PROTO(u64 caller, u64 target, u32 mask, u64 nr, long ret),
	TP_ARGS(caller, target, mask, nr, ret),
	TP_STRUCT__entry(
		__field(u64, caller)
		__field(u64, target)
		__field(u32, mask)
		__field(u64, nr)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->caller = caller;
		__entry->target = target;
		__entry->mask = mask;
		__entry->nr = nr;
		__entry->ret = ret;
	),
	TP_printk("caller=%llu target=%llu mask=0x%x nr=%llu ret=%ld",
		  __entry->caller, __entry->target, __entry->mask,
		  __entry->nr, __entry->ret)
);

TRACE_EVENT(lwc_destroy,
	TP_PROTO(u64 id),
	TP_ARGS(id),
	TP_STRUCT__entry(
		__field(u64, id)
	),
	TP_fast_assign(
		__entry->id = id;
	),
	TP_printk("id=%llu", __entry->id)
);

#endif /* _TRACE_LWC_H */

#include <trace/define_trace.h>
