/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Light-weight contexts: what the files of this folder share.
 *
 * Lock order, outermost first:
 *   lwc_proc.mutex      creation, rollback, destruction of lwCs of one process
 *   exec_update_lock    a switch that changes the credential
 *   mmap_lock           of the snapshot, then of the lwC that is rolled back
 *   task_lock           exchange of mm, files, fs
 *   lwc_proc.lock       the lists of lwCs and of flows, lwc.inside, lwc.busy
 *   siglock             the signal mask
 *
 * A switch between two lwCs with the same credential takes task_lock and
 * lwc_proc.lock only, both for a few instructions.
 */
#ifndef _KERNEL_LWC_INTERNAL_H
#define _KERNEL_LWC_INTERNAL_H

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
struct lwc_cell;

/**
 * struct lwc_proc - the lwCs of one process
 * @count: one for the signal_struct, one for every lwC
 * @mutex: see the lock order
 * @lock: see the lock order
 * @lwcs: all lwCs, by struct lwc::node
 * @nr: how many
 * @closes: descriptors closed since the last pass of collect.c
 * @nr_left: lwCs that it left
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
	unsigned int nr_left;
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
 * struct lwc_flow - the control flow of one thread in one lwC
 * @in_lwc: link in lwc.flows
 * @in_task: link in lwc_task.flows
 * @lwc: the lwC; the flow dies with it
 * @task: the thread
 * @state: see above, changed under lwc_proc.lock
 * @first: not entered yet: the event names the creator
 * @in_call: suspended in a trapped system call, that an answer ends
 * @pass_ip: the next system call that ends at this address passes the trap
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
	unsigned long pass_ip;
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
 * @spread: collect.c: what it reaches is marked
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
	bool spread;
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
 * @found: collect.c: how often it lies in the tables of dormant lwCs
 * @rcu: look-up by number compares it without a reference
 */
struct lwc_fd {
	struct lwc *lwc;
	struct lwc_rights *rights;
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

/* core.c */
struct lwc_proc *lwc_proc_alloc(void);
struct lwc_proc *lwc_proc_get_current(void);
void lwc_proc_put(struct lwc_proc *proc);
struct lwc_task *lwc_task_current(void);
struct lwc *lwc_alloc(struct lwc_proc *proc, struct lwc *creator);
struct lwc *lwc_get(struct lwc *lwc);
void lwc_put(struct lwc *lwc);
void lwc_gut(struct lwc *lwc);

/* collect.c */
void lwc_collect(struct lwc_proc *proc);

/* fd.c */
extern const struct file_operations lwc_fops;
struct file *lwc_file_new(struct lwc *lwc, const struct lwc_rights *rights);
struct file *lwc_fd_file(int nr);
struct lwc *lwc_from_file(const struct file *file);
const struct lwc_rights *lwc_file_rights(const struct file *file);
struct lwc *lwc_from_fd(int fd);
struct lwc *lwc_from_own_fd(int nr);
int lwc_fd_replace(unsigned int nr, struct file *old, struct file *file);
int lwc_fd_install(struct files_struct *files, struct file *file, bool cloexec);
void lwc_fd_close(struct files_struct *files, unsigned int nr);
int lwc_fd_find(struct lwc_flow *flow, const struct lwc *lwc);
int lwc_fd_caller(struct lwc_flow *flow, struct lwc *caller);
/* What becomes of the lwC descriptors of a copied table */
enum lwc_fd_fate {
	LWC_FD_ALIVE,		/* they name the same lwCs */
	LWC_FD_DEAD,		/* they name none */
	LWC_FD_TWIN,		/* they name lwc.twin */
};

int lwc_fd_own_files(struct files_struct *files, enum lwc_fd_fate fate);
void lwc_fd_visit(struct files_struct *files,
		  void (*fn)(struct lwc_fd *fd, struct file *file));

/* access.c */
void lwc_new_mark(struct lwc *lwc);
void lwc_set_mark(struct lwc_task *lt);

/* signals.c */
struct lwc_actions *lwc_actions_copy(void);
void lwc_signals_use(struct lwc_task *lt);

/* flow.c */
struct lwc_flow *lwc_flow_alloc(struct lwc *lwc, struct task_struct *task);
void lwc_flow_free(struct lwc_flow *flow);
void lwc_fs_put(struct fs_struct *fs);
struct lwc_flow *lwc_flow_find(struct lwc *lwc, struct task_struct *task);
void lwc_flow_link(struct lwc_flow *flow, struct lwc_task *lt);
void lwc_flow_unlink(struct lwc_flow *flow);
void lwc_user_save(struct lwc_user *user);
void lwc_user_leave(void);
void lwc_user_load(const struct lwc_user *user, bool trapped);
void lwc_flow_copy(struct lwc_flow *to, const struct lwc_flow *from);

/* switch.c */
/* The tables that a thread has, or is to have; it holds their references */
struct lwc_tables {
	struct files_struct *files;
	struct fs_struct *fs;
};

bool lwc_rings_busy(void);
void lwc_use_mm(struct mm_struct *mm);
void lwc_park(struct lwc *lwc);
int lwc_go(struct lwc *target, const struct lwc_switch_args *args,
	   struct lwc_event *event, bool discard);
int lwc_do_switch(struct lwc *target, const struct lwc_switch_args *args,
		  struct lwc_event __user *event, size_t event_size);

/* specs.c */
struct lwc_specs {
	struct lwc_spec *specs;
	unsigned int nr;
};

/* Behind the last descriptor there can be */
#define LWC_FILES_END	((u64)INT_MAX + 1)

typedef int (*lwc_piece_fn)(const struct lwc_spec *line, u64 start, u64 end,
			    void *data);

int lwc_specs_read(struct lwc_specs *specs, u64 from, unsigned int nr);
void lwc_specs_free(struct lwc_specs *specs);
const struct lwc_spec *lwc_specs_at(const struct lwc_specs *specs, u16 what,
				    u64 at, u64 *until);
int lwc_specs_each(const struct lwc_specs *specs, u16 what, lwc_piece_fn fn,
		   void *data);
bool lwc_specs_all(const struct lwc_specs *specs, u16 what, u16 how);
int lwc_specs_check_create(const struct lwc_specs *specs);
int lwc_specs_check_overlay(const struct lwc_specs *specs, bool self);
int lwc_specs_check_restrict(const struct lwc_specs *specs);
int lwc_specs_apply_mm(const struct lwc_specs *specs, struct mm_struct *mm);
void lwc_specs_apply_files(const struct lwc_specs *specs,
			   struct files_struct *files);

/* rights.c */
struct lwc_rights *lwc_rights_granted(const struct lwc_specs *specs);
bool lwc_rights_cover(const struct lwc_rights *rights, u16 what, u16 how,
		      u64 start, u64 end);
bool lwc_rights_whole(const struct lwc_rights *rights, u16 what);
bool lwc_rights_cover_specs(const struct lwc_rights *rights,
			    const struct lwc_specs *specs);
int lwc_do_restrict(int nr, const struct lwc_specs *specs);

/* overlay.c */
int lwc_do_overlay(int nr, const struct lwc_specs *specs);

/* fork.c */
int lwc_fork_all(struct task_struct *child);

/* task.c */
void lwc_fork_thread(struct lwc_task *lt, struct lwc *cur);

/* creds.c */
struct lwc_flow *lwc_own_flow(struct lwc *lwc);
const struct cred *lwc_flow_cred(const struct lwc_flow *flow);
void lwc_flow_set_cred(struct lwc_flow *flow, const struct cred *cred);
void lwc_flow_drop_creds(struct lwc_flow *flow);
int lwc_flow_share_cred(struct lwc_flow *to, struct lwc_flow *from);
void lwc_install_cred(const struct cred *new);
int lwc_check_cred(const struct cred *cred);
int lwc_exchange_cred(const struct cred *new);
void lwc_return_cred(const struct cred *own);
int lwc_cred_overlay(struct lwc_flow *from, bool share);
int lwc_cred_remove(void);

/* tables.c */
void lwc_get_tables(struct lwc *lwc);
void lwc_put_tables(struct lwc_tables *t);
struct files_struct *lwc_files_get(struct lwc *lwc);
void lwc_use_tables(struct lwc_tables *t);
int lwc_files_refuse_rings(struct files_struct *files);

/* borrow.c */
int lwc_syscall_check(struct lwc *target, u64 nr);
long lwc_do_syscall(struct lwc *target, const struct lwc_syscall_args *args);
int lwc_syscall_enter(struct lwc *target, long ret,
		      struct lwc_event __user *event, size_t event_size);
bool lwc_syscall_restarts(long ret);

/* trap.c */
bool lwc_call_trapped(const struct lwc *lwc, unsigned long nr);

/* create.c */
struct lwc_calls *lwc_calls_new(const void __user *bits, size_t size);
int lwc_do_create(const struct lwc_create_args *args,
		  struct lwc_event __user *event, size_t event_size);

/* rollback.c */
int lwc_rollback(struct lwc *lwc);

/* spare.c */
bool lwc_spare_keep(struct lwc *lwc, struct mm_struct *mm);
void lwc_spare_drop(struct lwc *creator);
struct mm_struct *lwc_spare_renew(struct lwc *creator);
bool lwc_spare_expect(struct lwc *creator);

/* track.c */
int lwc_mm_track(struct mm_struct *mm, unsigned long limit);
int lwc_mm_watch(struct mm_struct *mm);

/* deadline.c */
void lwc_deadline_init(struct lwc_flow *flow);
void lwc_deadline_start(struct lwc_flow *flow, struct lwc_task *lt,
			const struct lwc_switch_args *args);
void lwc_deadline_stop(struct lwc_flow *flow);
struct lwc_flow *lwc_deadline_spent(struct lwc_task *lt);

/* The calling thread's own, which does not change under it */
static inline struct sighand_struct *lwc_sighand(void)
{
	return rcu_dereference_protected(current->sighand, 1);
}

static inline bool lwc_is_child(const struct lwc *lwc)
{
	return lwc->creator;
}

#endif /* _KERNEL_LWC_INTERNAL_H */
