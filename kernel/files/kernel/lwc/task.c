// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: birth and death of threads and processes.
 */
#include <linux/entry-common.h>
#include <linux/fdtable.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

/* A thread is born where its parent is, with no other control flow (S16) */
void lwc_fork_thread(struct lwc_task *lt, struct lwc *cur)
{
	lt->cur = lwc_get(cur);
	lwc_signals_use(lt);
	lt->entered = local_clock();
	spin_lock(&cur->proc->lock);
	cur->inside++;
	spin_unlock(&cur->proc->lock);
}

/* A forked process shares no memory with what it comes from */
static int fork_memory(struct mm_struct *mm)
{
	if (!lwc_mm_shares(current->mm) || mm == current->mm)
		return 0;
	return lwc_mm_unshare(mm, 0, TASK_SIZE_MAX);
}

static struct lwc_task *new_task(struct task_struct *child, u64 tag)
{
	struct lwc_task *lt = kzalloc(sizeof(*lt), GFP_KERNEL_ACCOUNT);

	if (!lt)
		return NULL;
	INIT_LIST_HEAD(&lt->flows);
	INIT_LIST_HEAD(&lt->snaps);
	lt->tag = tag;
	child->lwc = lt;
	return lt;
}

/* A process with its own memory and table, made where all lwCs are copied */
static bool copies_all(struct task_struct *child, const struct lwc_task *parent)
{
	return parent && parent->cur && parent->cur->proc->fork_all &&
	       child->mm != current->mm && child->files != current->files &&
	       child->fs != current->fs && child->sighand != current->sighand;
}

static int fork_process(struct task_struct *child, struct lwc_task *parent)
{
	bool all = copies_all(child, parent);

	clear_task_syscall_work(child, LWC_TRAP);
	/* Who was forked inside a child lwC stays marked as coming from there */
	if (all || (parent && parent->mark)) {
		if (!new_task(child, parent->mark))
			return -ENOMEM;
		lwc_set_mark(child->lwc);
	}
	if (all)
		return lwc_fork_all(child);
	if (child->files && child->files != current->files)
		return lwc_fd_own_files(child->files, false);
	return 0;
}

/**
 * __lwc_fork - lwC side of clone
 * @child: has its mm and files, but nobody can see it yet
 * @clone_flags: CLONE_*
 *
 * A process gets none of the lwCs, unless the root asked for it: it is in a copy
 * of the one that forked, and its descriptors of lwCs are dead (X7). With CLONE_VM
 * but no thread, as vfork and posix_spawn do, nothing is copied, nor are the
 * descriptors touched.
 *
 * Return: 0 or -ENOMEM, -ENFILE, or as lwc_fork_all().
 */
int __lwc_fork(struct task_struct *child, u64 clone_flags)
{
	struct lwc_task *parent = current->lwc;
	struct lwc_task *lt;
	int err;

	err = fork_memory(child->mm);
	if (err)
		return err;
	if (!(clone_flags & CLONE_THREAD)) {
		err = fork_process(child, parent);
		if (err && child->lwc)
			__lwc_fork_abort(child);
		return err;
	}
	if (!parent || (!parent->mark && !parent->cur))
		return 0;
	lt = new_task(child, parent->tag);
	if (!lt)
		return -ENOMEM;
	if (parent->cur)
		lwc_fork_thread(lt, parent->cur);
	lwc_set_mark(lt);
	return 0;
}

static void leave(struct lwc_task *lt)
{
	struct lwc *cur = lt->cur;

	if (!cur)
		return;
	spin_lock(&cur->proc->lock);
	cur->inside--;
	cur->time_ns += local_clock() - lt->entered;
	spin_unlock(&cur->proc->lock);
	lt->cur = NULL;
	lwc_set_mark(lt);
	lwc_signals_use(lt);
	lwc_put(cur);
}

static void free_flows(struct lwc_proc *proc, struct lwc_task *lt)
{
	struct lwc_flow *flow;

	spin_lock(&proc->lock);
	while (!list_empty(&lt->flows)) {
		flow = list_first_entry(&lt->flows, struct lwc_flow, in_task);
		lwc_flow_unlink(flow);
		spin_unlock(&proc->lock);
		lwc_flow_free(flow);
		spin_lock(&proc->lock);
	}
	/* Snapshots outlive the thread, but nobody can go on from them */
	while (!list_empty(&lt->snaps)) {
		flow = list_first_entry(&lt->snaps, struct lwc_flow, in_task);
		list_del_init(&flow->in_task);
		flow->task = NULL;
	}
	spin_unlock(&proc->lock);
	lt->flow = NULL;
}

/* Empty all lwCs of a process that has no more use for them */
static void gut_all(struct lwc_proc *proc)
{
	struct lwc *lwc;

	mutex_lock(&proc->mutex);
	spin_lock(&proc->lock);
	proc->dead = true;
again:
	list_for_each_entry(lwc, &proc->lwcs, node) {
		if (!lwc->mm || !refcount_inc_not_zero(&lwc->refs))
			continue;
		spin_unlock(&proc->lock);
		lwc_gut(lwc);
		lwc_put(lwc);
		spin_lock(&proc->lock);
		goto again;
	}
	spin_unlock(&proc->lock);
	mutex_unlock(&proc->mutex);
}

static void drop_task(struct task_struct *tsk)
{
	struct lwc_task *lt = tsk->lwc;
	struct lwc_proc *proc;

	if (lt->cur) {
		proc = lt->cur->proc;
		refcount_inc(&proc->count);
		free_flows(proc, lt);
		spin_lock(&proc->lock);
		lwc_park(lt->cur);
		spin_unlock(&proc->lock);
		leave(lt);
		lwc_proc_put(proc);
	}
}

static void drop_proc(struct task_struct *tsk)
{
	struct lwc_proc *proc = xchg(&tsk->signal->lwc, NULL);

	if (!proc)
		return;
	gut_all(proc);
	lwc_proc_put(proc);
}

/* The process or thread is not made */
void __lwc_fork_abort(struct task_struct *child)
{
	struct lwc_proc *proc = child->signal->lwc;

	if (proc && proc != current->signal->lwc) {
		free_flows(proc, child->lwc);
		leave(child->lwc);
		drop_proc(child);
	}
	leave(child->lwc);
	kfree(child->lwc);
	child->lwc = NULL;
}

/*
 * do_exit(), before exit_mm(): the lwC the thread is in may live on. With the
 * last thread all of them go, even if descriptors survive elsewhere.
 */
void __lwc_exit_task(struct task_struct *tsk)
{
	struct lwc_task *lt = tsk->lwc;

	if (lt) {
		drop_task(tsk);
		WRITE_ONCE(tsk->lwc, NULL);
		kfree_rcu(lt, rcu);
	}
	if (!atomic_read(&tsk->signal->live))
		drop_proc(tsk);
}

/* Ignored signals stay ignored over exec: those of the lwC, not of the root */
static void keep_actions(struct task_struct *tsk)
{
	struct sighand_struct *sighand = lwc_sighand();

	spin_lock_irq(&sighand->siglock);
	if (tsk->lwc->actions)
		memcpy(sighand->action, tsk->lwc->actions->action,
		       sizeof(sighand->action));
	tsk->lwc->actions = NULL;
	spin_unlock_irq(&sighand->siglock);
}

/*
 * begin_new_exec(), when the other threads are gone and before the tables are
 * unshared: execve drops every lwC (S15). The mark of where the process comes
 * from stays.
 */
void __lwc_exec(struct task_struct *tsk)
{
	struct lwc_task *lt = tsk->lwc;

	clear_task_syscall_work(tsk, LWC_TRAP);
	if (lt) {
		keep_actions(tsk);
		drop_task(tsk);
		if (!lt->tag) {
			WRITE_ONCE(tsk->lwc, NULL);
			kfree_rcu(lt, rcu);
		}
	}
	drop_proc(tsk);
}

#define NAMESPACES	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | \
			 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
			 CLONE_NEWCGROUP | CLONE_NEWTIME)

/*
 * unshare() may give the thread a table of its own. The lwC must not rely on
 * the thread's reference then. Namespaces are the thread's in all of its lwCs, so
 * that a child may not change them.
 */
int __lwc_unshare(unsigned long flags)
{
	struct lwc *cur = current->lwc->cur;

	if (!cur)
		return 0;
	if (flags & NAMESPACES && lwc_is_child(cur))
		return -EPERM;
	spin_lock(&cur->proc->lock);
	if (current->files == cur->files && current->fs == cur->fs)
		lwc_park(cur);
	spin_unlock(&cur->proc->lock);
	return 0;
}
