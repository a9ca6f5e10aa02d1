/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Light-weight contexts: the hooks that the rest of the kernel calls.
 *
 * A process that never made an lwC has NULL in task->lwc, signal->lwc and
 * mm->lwc; every hook tests one of them first.
 */
#ifndef _LINUX_LWC_H
#define _LINUX_LWC_H

#include <linux/lwc_types.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

struct files_struct;
struct pid;
struct pid_namespace;
struct pt_regs;
struct seq_file;

#ifdef CONFIG_LWC

/* What is static without lwCs */
#define VISIBLE_IF_LWC

/* kernel/fork.c */
struct mm_struct *dup_mm(struct task_struct *tsk, struct mm_struct *oldmm);

/* mm/memory.c */
int copy_page_subrange(struct vm_area_struct *dst_vma,
		       struct vm_area_struct *src_vma,
		       unsigned long addr, unsigned long end);

/* kernel/sched/core.c */
#ifdef CONFIG_SCHED_MM_CID
void sched_mm_cid_exchange(struct mm_struct *old);
#else
static inline void sched_mm_cid_exchange(struct mm_struct *old)
{
}
#endif

/*
 * Mappings that changed are undone one by one up to this number; beyond, the
 * address space is copied anew.
 */
#define LWC_MAX_RANGES	64

struct lwc_range {
	unsigned long start;
	unsigned long end;
};

/**
 * struct lwc_mm - the log of changes to an address space
 * @dirty: page number -> how many rollbacks it was kept without being written.
 *	   All are marked, see lwc_pages.c.
 * @live: of an lwC that creates others: what changed since the last one
 * @age: counts the lwCs that were created from it; of a copy, its own number
 * @nr: pages in @dirty
 * @limit: most pages, 0 for no limit
 * @faults: write faults seen
 * @restored: pages copied back in place by rollbacks
 * @dropped: pages given back by rollbacks
 * @lock: @nr_ranges, @ranges, @lost: madvise() has the mmap lock for reading
 * @nr_ranges: entries in @ranges
 * @lost: more changed than is noted: undo by copying anew
 * @replaying: a rollback is at work, its own changes are not noted
 * @ranges: mappings that changed
 */
struct lwc_mm {
	struct xarray dirty;
	bool live;
	u64 age;
	atomic_long_t nr;
	unsigned long limit;
	atomic64_t faults;
	u64 restored;
	u64 dropped;
	spinlock_t lock;	/* nr_ranges, ranges, lost */
	unsigned int nr_ranges;
	bool lost;
	bool replaying;
	struct lwc_range ranges[LWC_MAX_RANGES];
};

/*
 * In mm_struct.flags: there may be memory that lwCs share. The topmost bit, far
 * from those of sched/coredump.h.
 */
#define MMF_LWC_SHARED	(BITS_PER_LONG - 1)

/* mm/lwc.c */
int lwc_mm_restore(struct mm_struct *mm, struct mm_struct *snap);
int lwc_mm_renew(struct mm_struct *mm, struct mm_struct *from);
void lwc_mm_forget(struct mm_struct *mm);
bool lwc_mm_huge(struct mm_struct *mm, unsigned long addr);
int lwc_insert_copy(struct mm_struct *mm, struct vm_area_struct *src,
		    unsigned long start, unsigned long end);

/* mm/lwc_share.c */
int lwc_mm_share(struct mm_struct *mm, unsigned long start, unsigned long end,
		 struct list_head *uf);
int lwc_mm_unshare(struct mm_struct *mm, unsigned long start,
		   unsigned long end);
int lwc_mm_refuse_rings(struct mm_struct *mm);
int lwc_mm_prefault(struct mm_struct *mm);
int lwc_mm_overlay_check(struct mm_struct *to, struct mm_struct *from,
			 unsigned long start, unsigned long end, bool share);
int lwc_mm_overlay(struct mm_struct *to, struct mm_struct *from,
		   unsigned long start, unsigned long end, bool share,
		   struct list_head *uf);
bool __lwc_share_discard(struct vm_area_struct *vma, unsigned long start,
			 unsigned long end);

int __lwc_fork(struct task_struct *child, u64 clone_flags);
void __lwc_fork_abort(struct task_struct *child);
void __lwc_exit_task(struct task_struct *tsk);
void __lwc_exec(struct task_struct *tsk);
int __lwc_unshare(unsigned long flags);
void __lwc_mm_free(struct mm_struct *mm);
vm_fault_t __lwc_mm_fault(struct vm_area_struct *vma, unsigned long addr,
			  unsigned int flags, struct pt_regs *regs);
void __lwc_mm_changed(struct mm_struct *mm, unsigned long start,
		      unsigned long end);
bool __lwc_trap_pending(void);
void lwc_trap_run(void);
bool __lwc_trap_signal(int signr, const kernel_siginfo_t *info);
bool __lwc_trap_exit(int code, bool group);
bool __lwc_trap_syscall(struct pt_regs *regs);
long lwc_syscall_result(void);
void __lwc_block_async(sigset_t *set);
bool __lwc_contains_signals(struct task_struct *tsk);
struct k_sigaction *__lwc_sigaction(struct task_struct *tsk,
				    struct sighand_struct *sighand, int sig);
bool __lwc_access_denied(struct task_struct *target);
bool __lwc_mm_denied(struct mm_struct *mm);
bool __lwc_in_child(void);
unsigned long __lwc_oom_pages(struct task_struct *tsk);
int lwc_proc_show(struct seq_file *m, struct pid_namespace *ns,
		  struct pid *pid, struct task_struct *task);

static inline bool lwc_mm_shares(const struct mm_struct *mm)
{
	return mm && test_bit(MMF_LWC_SHARED, &mm->flags);
}

/* copy_process(): a thread is born where its parent is, a process in a copy */
static inline int lwc_fork(struct task_struct *child, u64 clone_flags)
{
	child->lwc = NULL;
	return current->lwc || current->signal->lwc || lwc_mm_shares(current->mm) ?
		__lwc_fork(child, clone_flags) : 0;
}

/* copy_process() failed behind lwc_fork() */
static inline void lwc_fork_abort(struct task_struct *child)
{
	if (child->lwc)
		__lwc_fork_abort(child);
}

/* do_exit(), while the task still has its mm and its files */
static inline void lwc_exit_task(struct task_struct *tsk)
{
	if (tsk->lwc || tsk->signal->lwc)
		__lwc_exit_task(tsk);
}

/* begin_new_exec(), when the task is the only one of its process */
static inline void lwc_exec(struct task_struct *tsk)
{
	if (tsk->signal->lwc)
		__lwc_exec(tsk);
}

/* unshare(), before a table may be replaced */
static inline int lwc_unshare(unsigned long flags)
{
	return current->lwc ? __lwc_unshare(flags) : 0;
}

static inline void lwc_mm_init(struct mm_struct *mm)
{
	mm->lwc = NULL;
}

static inline void lwc_mm_free(struct mm_struct *mm)
{
	if (unlikely(mm->lwc))
		__lwc_mm_free(mm);
}

/* handle_mm_fault(): 0, or what the fault shall answer at once */
static inline vm_fault_t lwc_mm_fault(struct vm_area_struct *vma,
				      unsigned long addr, unsigned int flags,
				      struct pt_regs *regs)
{
	return unlikely(vma->vm_mm->lwc) ?
		__lwc_mm_fault(vma, addr, flags, regs) : 0;
}

/* The mappings of [start, end) change; the mmap lock is held for writing */
static inline void lwc_mm_changed(struct mm_struct *mm, unsigned long start,
				  unsigned long end)
{
	if (unlikely(mm->lwc))
		__lwc_mm_changed(mm, start, end);
}

/* MADV_DONTNEED: true if the memory is shared by lwCs, and gone for all now */
static inline bool lwc_share_discard(struct vm_area_struct *vma,
				     unsigned long start, unsigned long end)
{
	return unlikely(lwc_mm_shares(vma->vm_mm)) &&
	       __lwc_share_discard(vma, start, end);
}

static inline bool lwc_trap_pending(void)
{
	return unlikely(current->lwc) && __lwc_trap_pending();
}

/* get_signal(): true if the thread is in another lwC now, siglock dropped */
static inline bool lwc_trap_signal(int signr, const kernel_siginfo_t *info)
{
	return unlikely(current->lwc) && __lwc_trap_signal(signr, info);
}

static inline bool lwc_trap_exit(int code, bool group)
{
	return unlikely(current->lwc) && __lwc_trap_exit(code, group);
}

/* syscall_trace_enter(): true if the thread is in another lwC now */
static inline bool lwc_trap_syscall(struct pt_regs *regs)
{
	return __lwc_trap_syscall(regs);
}

/*
 * Asynchronous signals stay blocked in an lwC that does not receive them: the
 * mask that @set becomes, in @buffer if it is another one.
 */
static inline const sigset_t *lwc_block_async(struct task_struct *tsk,
					      const sigset_t *set,
					      sigset_t *buffer)
{
	if (likely(!tsk->lwc) || tsk != current)
		return set;
	*buffer = *set;
	__lwc_block_async(buffer);
	return buffer;
}

/*
 * What happens at a signal is part of an lwC; the sighand_struct has it for the
 * root. Under the siglock, or for the current task.
 */
static inline struct k_sigaction *lwc_sigaction(struct task_struct *tsk,
						struct sighand_struct *sighand,
						int sig)
{
	if (likely(!READ_ONCE(tsk->lwc)))
		return &sighand->action[sig - 1];
	return __lwc_sigaction(tsk, sighand, sig);
}

/* complete_signal(): a signal that would be fatal has to get to get_signal() */
static inline bool lwc_contains_signals(struct task_struct *tsk)
{
	return unlikely(READ_ONCE(tsk->lwc)) && __lwc_contains_signals(tsk);
}

/* May threads of this task's process have different address spaces? */
static inline bool lwc_task(const struct task_struct *tsk)
{
	return READ_ONCE(tsk->signal->lwc);
}

static inline bool lwc_access_denied(struct task_struct *target)
{
	return unlikely(current->lwc) && __lwc_access_denied(target);
}

/* A descriptor stands for this address space: may it be used here? */
static inline bool lwc_mm_denied(struct mm_struct *mm)
{
	return unlikely(current->lwc) && __lwc_mm_denied(mm);
}

/* Is the calling thread in an lwC that was created by another one? */
static inline bool lwc_in_child(void)
{
	return unlikely(current->lwc) && __lwc_in_child();
}

/* Is a thread of the calling one's process in another lwC? */
static inline bool lwc_elsewhere(const struct task_struct *tsk)
{
	return lwc_task(tsk) && READ_ONCE(tsk->mm) != current->mm;
}

/* oom_badness(), under task_lock: what lwCs have that the task is not in */
static inline unsigned long lwc_oom_pages(struct task_struct *tsk)
{
	return unlikely(READ_ONCE(tsk->signal->lwc)) ? __lwc_oom_pages(tsk) : 0;
}

/* The address space of a tree of mappings: a rollback changes another one's */
static inline struct mm_struct *lwc_tree_mm(struct maple_tree *tree)
{
	return container_of(tree, struct mm_struct, mm_mt);
}

#else /* !CONFIG_LWC */

/*
 * Macros, because an inline function leaves its trace in what gcc makes of the
 * function that calls it, even if it does nothing: see kernel/tool unchanged.
 */
#define VISIBLE_IF_LWC			static
#define lwc_fork(child, flags)		0
#define lwc_fork_abort(child)		do { } while (0)
#define lwc_exit_task(tsk)		do { } while (0)
#define lwc_exec(tsk)			do { } while (0)
#define lwc_unshare(flags)		0
#define lwc_mm_init(mm)			do { } while (0)
#define lwc_mm_free(mm)			do { } while (0)
#define lwc_mm_fault(vma, addr, flags, regs)	0
#define lwc_mm_changed(mm, start, end)	do { } while (0)
#define lwc_share_discard(vma, start, end)	false
#define lwc_trap_pending()		false
#define lwc_trap_run()			do { } while (0)
#define lwc_trap_signal(signr, info)	false
#define lwc_trap_exit(code, group)	false
#define lwc_trap_syscall(regs)		false
#define lwc_syscall_result()		0
#define lwc_block_async(tsk, set, buffer)	((void)(buffer), (set))
#define lwc_sigaction(tsk, sighand, sig)	(&(sighand)->action[(sig) - 1])
#define lwc_contains_signals(tsk)	false
#define lwc_task(tsk)			false
#define lwc_access_denied(target)	false
#define lwc_mm_denied(mm)		false
#define lwc_in_child()			false
#define lwc_elsewhere(tsk)		false
#define lwc_oom_pages(tsk)		0
#define lwc_tree_mm(tree)		(current->mm)

#endif /* CONFIG_LWC */
#endif /* _LINUX_LWC_H */
