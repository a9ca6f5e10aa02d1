/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Light-weight contexts: the objects. Whose lock protects what, internal.h tells.
 */
#ifndef _KERNEL_LWC_TYPES_H
#define _KERNEL_LWC_TYPES_H

#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/lwc.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/syscall_user_dispatch_types.h>
#include <uapi/linux/lwc.h>

#include <asm/lwc.h>

struct cred;
struct file;
struct fs_struct;

/**
 * struct lwc_proc - the lwCs of one process
 * @count: one for the signal_struct, one for every lwC
 * @mutex: see the lock order
 * @lock: see the lock order
 * @lwcs: all lwCs, by struct lwc::node
 * @nr: how many
 * @closes: what was closed in vain since the last pass of collect.c
 * @work: collect.c: lwCs that a pass has still to see to
 * @closing: file whose last descriptor but those in dormant tables is closed
 * @nr_left: lwCs that it left
 * @nr_named: how many of them somebody could enter at once
 * @next_id: id of the next one
 * @fork_all: a fork copies all lwCs
 * @dead: the process exited or made an exec; its lwCs are husks
 * @rcu: /proc finds it without a reference
 */
struct lwc_proc {
	refcount_t count;
	struct mutex mutex;		/* creation, rollback, destruction */
	spinlock_t lock;		/* lists of lwCs and flows, inside, busy */
	struct list_head lwcs;
	unsigned int nr;
	unsigned int closes;
	struct list_head work;
	const struct file *closing;
	unsigned int nr_left;
	unsigned int nr_named;
	u64 next_id;
	bool fork_all;
	bool dead;
	struct rcu_head rcu;
};

/*
 * struct lwc_user - what the kernel keeps of a thread's user memory and mask
 *
 * Every pointer is good in one address space only.
 */
struct lwc_user {
	int __user *set_child_tid;
	int __user *clear_child_tid;
	struct robust_list_head __user *robust_list;
#ifdef CONFIG_RSEQ
	struct rseq __user *rseq;
	u32 rseq_len;
	u32 rseq_sig;
	int cpu;
	int mm_cid;
#endif
	struct syscall_user_dispatch dispatch;
	bool dispatch_on;
	unsigned long sas_ss_sp;
	size_t sas_ss_size;
	unsigned int sas_ss_flags;
	sigset_t blocked;
};

/**
 * struct lwc_deadline - the budget a suspended flow gave when it switched away
 * @timer: fires when the wall-clock budget or the rest of the CPU budget is over
 * @lt: the thread
 * @flow: whom to switch to
 * @cpu_end: value of the thread's CPU clock at which the budget is spent, or 0
 * @wall_end: monotonic time, or 0
 * @armed: the timer was started and must be cancelled
 * @spent: LWC_SPENT_*, or 0
 */
struct lwc_deadline {
	struct hrtimer timer;
	struct lwc_task *lt;
	struct lwc_flow *flow;
	u64 cpu_end;
	u64 wall_end;
	bool armed;
	int spent;
};

#define LWC_SPENT_WALL	1
#define LWC_SPENT_CPU	2

enum lwc_flow_state {
	LWC_FLOW_RUNNING,	/* its thread is there */
	LWC_FLOW_SUSPENDED,	/* it can be entered */
};

/**
 * struct lwc_cell - a credential that several flows of a thread have
 * @count: flows
 * @cred: it
 */
struct lwc_cell {
	refcount_t count;
	const struct cred *cred;
};

/**
 * struct lwc_flow - the control flow of one thread in one lwC
 * @in_lwc: link in lwc.flows
 * @in_task: link in lwc_task.flows
 * @lwc: the lwC; the flow dies with it
 * @task: the thread
 * @state: see above, changed under lwc_proc.lock
 * @first: not entered yet: the event names the creator
 * @in_call: suspended in a trapped system call, that an answer ends
 * @pass: if the next system call is the one in @arch, it is not trapped
 * @abi: AUDIT_ARCH_* of the last trapped system call
 * @arch: registers
 * @user: user pointers and signal mask
 * @cred: the thread's credential there
 * @cell: where the credential is, if other flows of the thread have it too
 * @own_cred: @cred before an overlay of the credential, or NULL
 * @own_cell: @cell before that
 * @files: the thread's own table, if it is not that of the lwC, or NULL
 * @fs: the same for the directories
 * @event: where user space wants to read why it was switched in
 * @event_size: room there
 * @deadline: budget given with the switch away
 */
struct lwc_flow {
	struct list_head in_lwc;
	struct list_head in_task;
	struct lwc *lwc;
	struct task_struct *task;
	enum lwc_flow_state state;
	bool first;
	bool in_call;
	bool pass;
	u32 abi;
	struct lwc_arch arch;
	struct lwc_user user;
	const struct cred *cred;
	struct lwc_cell *cell;
	const struct cred *own_cred;
	struct lwc_cell *own_cell;
	struct files_struct *files;
	struct fs_struct *fs;
	struct lwc_event __user *event;
	size_t event_size;
	struct lwc_deadline deadline;
};

/**
 * struct lwc_actions - what happens at signals in an lwC
 * @rcu: a sender of signals may look at it, under the siglock
 * @action: by signal number - 1
 */
struct lwc_actions {
	struct rcu_head rcu;
	struct k_sigaction action[_NSIG];
};

/**
 * struct lwc_snapshot - what a rollback goes back to
 * @mm: a copy of the address space that never runs
 * @files: the file table as it was
 * @fs: the directories and umask as they were
 * @actions: what happened at signals
 * @flow: the creating thread's flow as it was, on no list
 */
struct lwc_snapshot {
	struct mm_struct *mm;
	struct files_struct *files;
	struct fs_struct *fs;
	struct lwc_actions *actions;
	struct lwc_flow *flow;
};

/**
 * struct lwc - a light-weight context
 * @node: link in lwc_proc.lwcs
 * @refs: descriptors + threads inside + children + callers at work
 * @proc: its process
 * @id: its name
 * @mark: unique in the system; another one after each rollback; 0 in a root
 * @creator: who made it; NULL for a root. Holds a reference.
 * @flags: LWC_CREATE_*
 * @mm: holds a user reference, so that a dormant one does not look exited
 * @files: its table
 * @fs: its directories and umask
 * @shares_table: @files may be another lwC's too, which had it first
 * @parked: @files and @fs have a reference of the lwC itself. Else the only
 *          thread inside has it, so that descriptor look-up stays cheap there.
 * @contained: it or a creator of it has LWC_CREATE_TRAP_FAULT
 * @actions: what happens at signals; NULL in a root, which has the sighand's
 * @flows: control flows, by lwc_flow.in_lwc
 * @inside: threads inside
 * @busy: being rolled back; nobody may enter
 * @broken: a rollback failed half-way; only another rollback helps
 * @reached: collect.c: a thread can get there
 * @work: collect.c: link in lwc_proc.work
 * @explained: collect.c: references from dormant tables and created lwCs
 * @caller_fd: where @caller_lwc was last found in this table
 * @caller_lwc: a hint, compared and never followed
 * @creator_fd: the creator's descriptor, for the first entry
 * @snap: NULL without LWC_CREATE_ROLLBACK
 * @plain: a copy of all of its creator's memory, that may be left to it
 * @discards: an lwC that it created is gone
 * @spare: the address space of that lwC, or NULL; see spare.c
 * @calls: trapped system calls, or NULL for all
 * @trap_to: who gets them: @creator or one of its creators. NULL: no trap.
 * @twin: while a fork copies all lwCs: its copy, under lwc_proc.mutex
 * @switches: times entered
 * @rollbacks: times rolled back
 * @time_ns: time inside
 */
struct lwc {
	struct list_head node;
	refcount_t refs;
	struct lwc_proc *proc;
	u64 id;
	u64 mark;
	struct lwc *creator;
	u64 flags;
	struct mm_struct *mm;
	struct files_struct *files;
	struct fs_struct *fs;
	bool shares_table;
	bool parked;
	bool contained;
	struct lwc_actions *actions;
	struct list_head flows;
	int inside;
	bool busy;
	bool broken;
	bool reached;
	struct list_head work;
	unsigned int explained;
	int caller_fd;
	const void *caller_lwc;
	int creator_fd;
	struct lwc_snapshot *snap;
	bool plain;
	bool discards;
	struct mm_struct *spare;
	struct lwc_calls *calls;
	struct lwc *trap_to;
	struct lwc *twin;
	u64 switches;
	u64 rollbacks;
	u64 time_ns;
};

/**
 * struct lwc_calls - a set of system calls
 * @count: lwCs that use it
 * @nr: bits in @bits; calls behind are in the set
 * @bits: the set
 */
struct lwc_calls {
	refcount_t count;
	unsigned int nr;
	unsigned long bits[];
};

/**
 * struct lwc_right - a piece of what a descriptor allows to overlay
 * @what: LWC_WHAT_*
 * @how: LWC_HOW_COPY, or LWC_HOW_SHARE for both
 * @start: first byte or descriptor
 * @end: first one behind
 */
struct lwc_right {
	u16 what;
	u16 how;
	u64 start;
	u64 end;
};

/**
 * struct lwc_rights - what a descriptor allows to overlay
 * @all: everything
 * @nr: pieces in @right
 * @right: else these, which do not overlap
 */
struct lwc_rights {
	bool all;
	unsigned int nr;
	struct lwc_right right[];
};

/**
 * struct lwc_fd - what a descriptor's file stands for
 * @lwc: NULL once dead: in a forked process
 * @rights: what may be overlaid through it
 * @nr: its descriptor in the table it was made for, and so in copies of that
 * @found: collect.c: how often it lies in the tables of dormant lwCs
 * @rcu: look-up by number compares it without a reference
 */
struct lwc_fd {
	struct lwc *lwc;
	struct lwc_rights *rights;
	unsigned int nr;
	unsigned long found;
	struct rcu_head rcu;
};

/* lwc_task.pending */
#define LWC_PENDING_TIMEOUT	0
#define LWC_PENDING_MEMORY	1

/**
 * struct lwc_task - where a thread is
 * @cur: the lwC it is in; holds a reference
 * @flow: its control flow there, running; NULL until first needed
 * @flows: all its flows, by lwc_flow.in_task
 * @snaps: its flows in snapshots, by lwc_flow.in_task
 * @pending: LWC_PENDING_* bits
 * @fault_addr: of LWC_PENDING_MEMORY
 * @actions: those of @cur, for others to read under the siglock
 * @contained: lwc.contained of @cur, likewise
 * @rcu: for those
 * @entered: when it entered @cur
 * @tag: forked inside a child lwC: that one's mark, else 0
 * @mark: of @cur if that is a child, else @tag: see lwc_access_denied()
 */
struct lwc_task {
	struct lwc *cur;
	struct lwc_flow *flow;
	struct list_head flows;
	struct list_head snaps;
	unsigned long pending;
	unsigned long fault_addr;
	struct lwc_actions *actions;
	bool contained;
	struct rcu_head rcu;
	u64 entered;
	u64 tag;
	u64 mark;
};

#endif /* _KERNEL_LWC_TYPES_H */
