/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Light-weight contexts (lwCs): the one definition of the ABI.
 *
 * Every structure is passed with its size. A larger structure than the kernel
 * knows is taken if its unknown part is zero (E2BIG otherwise), a shorter one
 * is taken as zero in what is missing. Unknown flags and non-zero padding are
 * EINVAL. See Documentation/userspace-api/lwc.rst.
 */
#ifndef _UAPI_LINUX_LWC_H
#define _UAPI_LINUX_LWC_H

#include <linux/types.h>

/* What lwc_ctl(LWC_CTL_VERSION) answers. Anything else means "no lwCs here" */
#define LWC_ABI_VERSION		1

/* System call numbers of x86-64, for a C library that does not know them */
#ifndef __NR_lwc_create
#define __NR_lwc_create		600
#define __NR_lwc_switch		601
#define __NR_lwc_restrict	602
#define __NR_lwc_overlay	603
#define __NR_lwc_syscall	604
#define __NR_lwc_ctl		605
#endif

/* lwc_create() returns this, no descriptor, in the new lwC */
#define LWC_ENTERED		0x40000000

/* Resources, what a struct lwc_spec speaks of */
#define LWC_WHAT_MEMORY		1	/* start, end: addresses, page-aligned */
#define LWC_WHAT_FILES		2	/* start, end: descriptors, both included */
#define LWC_WHAT_CRED		3	/* start, end: zero */

/* What becomes of them */
#define LWC_HOW_COPY		1	/* copy-on-write, dup'ed, copied: the default */
#define LWC_HOW_SHARE		2	/* the same memory, table, credential */
#define LWC_HOW_UNMAP		3	/* absent */

/* struct lwc_spec::flags */
#define LWC_SPEC_MAY_OVERLAY	(1U << 0)	/* create: the child may overlay it later */
#define LWC_SPEC_ALL		(1U << 1)	/* all of it; start and end are zero */

/**
 * struct lwc_spec - one line of a resource specification
 * @what: LWC_WHAT_*
 * @how: LWC_HOW_*
 * @flags: LWC_SPEC_*
 * @start: first byte or descriptor
 * @end: first byte behind, or last descriptor
 *
 * A later line wins over an earlier one. What the lines mean:
 *
 * - lwc_create(): what the child gets of its creator. What no line names is
 *   copied. SHARE of descriptors is of the whole table.
 * - lwc_overlay(): what is taken. COPY or SHARE; UNMAP, and only that, of the
 *   calling lwC itself.
 * - lwc_restrict(): what the descriptor still allows. COPY: to copy. SHARE: to
 *   share as well. UNMAP: neither. What no line names is not allowed.
 */
struct lwc_spec {
	__u16 what;
	__u16 how;
	__u32 flags;
	__u64 start;
	__u64 end;
};

/* struct lwc_create_args::flags */
#define LWC_CREATE_ROLLBACK	(1ULL << 0)	/* keep a snapshot to roll back to */
#define LWC_CREATE_TRAP_FAULT	(1ULL << 1)	/* a fatal signal switches to the creator */
#define LWC_CREATE_TRAP_EXIT	(1ULL << 2)	/* so do exit and exit_group */
#define LWC_CREATE_TRAP_SYSCALL	(1ULL << 3)	/* so do the system calls in @trap_calls */
#define LWC_CREATE_PREFAULT	(1ULL << 4)	/* copy pages now, not when written */
#define LWC_CREATE_SIGNALS	(1ULL << 5)	/* receives asynchronous signals */
#define LWC_CREATE_KEEP_EXEC	(1ULL << 6)	/* the descriptor is not close-on-exec */

/**
 * struct lwc_create_args - how to make an lwC
 * @flags: LWC_CREATE_*
 * @specs: address of an array of struct lwc_spec
 * @nr_specs: how many
 * @__pad: zero
 * @memory_limit: private bytes the lwC may have, 0 for no limit
 * @trap_calls: TRAP_SYSCALL: address of a bitmap by call number; 0 means all
 * @trap_calls_size: bytes in that bitmap; calls behind its end are trapped, and
 *	all that are not made by 64-bit numbers (int $0x80, x32)
 */
struct lwc_create_args {
	__u64 flags;
	__u64 specs;
	__u32 nr_specs;
	__u32 __pad;
	__u64 memory_limit;
	__u64 trap_calls;
	__u64 trap_calls_size;
};

/* struct lwc_switch_args::flags */
#define LWC_SWITCH_DISCARD	(1U << 0)	/* the caller's control flow ends here */
#define LWC_SWITCH_ROLLBACK	(1U << 1)	/* roll the target back before it is entered */
#define LWC_SWITCH_RESULT	(1U << 2)	/* @result answers a trapped system call */
#define LWC_SWITCH_PERFORM	(1U << 3)	/* a trapped system call is to be performed */

/**
 * struct lwc_switch_args - how to switch
 * @flags: LWC_SWITCH_*
 * @__pad: zero
 * @args: given to the target as struct lwc_event::args
 * @result: RESULT: what the trapped system call returns, -errno for an error
 * @wall_ns: switch back with LWC_EVENT_TIMEOUT after this time, 0 for never
 * @cpu_ns: the same for time on a CPU, accounted with the tick's precision
 */
struct lwc_switch_args {
	__u32 flags;
	__u32 __pad;
	__u64 args[4];
	__s64 result;
	__u64 wall_ns;
	__u64 cpu_ns;
};

/* struct lwc_event::type: why a thread was switched in */
#define LWC_EVENT_SWITCH	1	/* lwc_switch(); args are the switcher's */
#define LWC_EVENT_FAULT		2	/* TRAP_FAULT: signo, code, addr, regs */
#define LWC_EVENT_EXIT		3	/* TRAP_EXIT: args[0] status, args[1] whole group */
#define LWC_EVENT_TIMEOUT	4	/* the budget is spent: args[0] 1 wall, 2 CPU; regs */
#define LWC_EVENT_MEMORY	5	/* over memory_limit: addr, regs */
#define LWC_EVENT_SYSCALL	6	/* TRAP_SYSCALL: args[0] AUDIT_ARCH_*; regs */

/*
 * struct lwc_regs - user registers of a trapped lwC, in the order of x86-64's
 * struct user_regs_struct
 */
struct lwc_regs {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	__u64 ax, cx, dx, si, di, orig_ax;
	__u64 ip, cs, flags, sp, ss;
	__u64 fs_base, gs_base;
};

/**
 * struct lwc_event - what a thread learns when it is switched in
 * @type: LWC_EVENT_*
 * @caller: descriptor, in this table, of the lwC switched from; -1 if it is gone
 * @creator: descriptor of the creator on the first entry, otherwise -1
 * @signo: FAULT: the signal
 * @code: FAULT: its si_code
 * @__pad: zero
 * @args: what the switcher passed
 * @addr: FAULT, MEMORY: the address
 * @regs: the trapped registers; written on traps only
 */
struct lwc_event {
	__u32 type;
	__s32 caller;
	__s32 creator;
	__s32 signo;
	__s32 code;
	__u32 __pad;
	__u64 args[4];
	__u64 addr;
	struct lwc_regs regs;
};

/* lwc_syscall(): whose resource the call uses, per class the target's */
#define LWC_MASK_MEMORY		(1U << 0)
#define LWC_MASK_FILES		(1U << 1)
#define LWC_MASK_CRED		(1U << 2)

/* struct lwc_syscall_args::flags */
#define LWC_SYSCALL_SWITCH	(1U << 0)	/* go to the target with the result */

/**
 * struct lwc_syscall_args - a system call with another lwC's resources
 * @mask: LWC_MASK_*
 * @flags: LWC_SYSCALL_*
 * @nr: the call's number
 * @args: its arguments
 */
struct lwc_syscall_args {
	__u32 mask;
	__u32 flags;
	__u64 nr;
	__u64 args[6];
};

/* lwc_ctl() operations */
#define LWC_CTL_VERSION		0	/* returns LWC_ABI_VERSION; all else is ignored */
#define LWC_CTL_FEATURES	1	/* returns LWC_FEATURE_* bits */
#define LWC_CTL_INFO		2	/* fills a struct lwc_info */
#define LWC_CTL_ROLLBACK	3	/* rolls an lwC back to its snapshot */
#define LWC_CTL_FORK		4	/* in the root: fork copies all lwCs (size 1) or not (0) */

/* LWC_CTL_FEATURES */
#define LWC_FEATURE_ROLLBACK	(1U << 0)
#define LWC_FEATURE_TRAP_FAULT	(1U << 1)
#define LWC_FEATURE_TRAP_EXIT	(1U << 2)
#define LWC_FEATURE_DEADLINE	(1U << 3)
#define LWC_FEATURE_MEMORY	(1U << 4)
#define LWC_FEATURE_SPECS	(1U << 5)	/* COPY and UNMAP of specs */
#define LWC_FEATURE_SHARE	(1U << 6)
#define LWC_FEATURE_OVERLAY	(1U << 7)	/* lwc_restrict, lwc_overlay */
#define LWC_FEATURE_SYSCALL	(1U << 8)	/* lwc_syscall */
#define LWC_FEATURE_SYSTRAP	(1U << 9)
#define LWC_FEATURE_PREFAULT	(1U << 10)
#define LWC_FEATURE_FORK	(1U << 11)	/* LWC_CTL_FORK */

/**
 * struct lwc_info - accounts of one lwC
 * @id: names it in /proc and tracepoints, unique in the process
 * @creator: id of its creator, 0 for the root
 * @private_pages: pages written since the snapshot and still held
 * @faults: first writes to a page (copy-on-write and fresh ones)
 * @switches: times it was entered
 * @rollbacks: times it was rolled back
 * @restored: pages that rollbacks copied back in place
 * @dropped: pages that rollbacks gave up
 * @time_ns: time that threads spent inside
 * @threads: threads inside now
 * @flows: suspended control flows
 *
 * Pages, faults, restored and dropped count in lwCs with ROLLBACK or a
 * memory limit only; elsewhere they are zero.
 */
struct lwc_info {
	__u64 id;
	__u64 creator;
	__u64 private_pages;
	__u64 faults;
	__u64 switches;
	__u64 rollbacks;
	__u64 restored;
	__u64 dropped;
	__u64 time_ns;
	__u32 threads;
	__u32 flows;
};

#endif /* _UAPI_LINUX_LWC_H */
