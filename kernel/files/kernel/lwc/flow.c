// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: control flows.
 *
 * One per thread and lwC. The object stays while its thread is inside, so that
 * a switch allocates nothing.
 */
#include <linux/cred.h>
#include <linux/entry-common.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/rseq.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * lwc_flow_alloc - make a control flow on no list
 * @lwc: where it will be
 * @task: whose it will be
 *
 * Return: the flow or NULL.
 */
struct lwc_flow *lwc_flow_alloc(struct lwc *lwc, struct task_struct *task)
{
	struct lwc_flow *flow = kzalloc(sizeof(*flow), GFP_KERNEL_ACCOUNT);

	if (!flow)
		return NULL;
	if (lwc_arch_alloc(&flow->arch)) {
		kfree(flow);
		return NULL;
	}
	INIT_LIST_HEAD(&flow->in_lwc);
	INIT_LIST_HEAD(&flow->in_task);
	flow->lwc = lwc;
	flow->task = task;
	lwc_deadline_init(flow);
	return flow;
}

void lwc_fs_put(struct fs_struct *fs)
{
	bool last;

	if (!fs)
		return;
	spin_lock(&fs->lock);
	last = !--fs->users;
	spin_unlock(&fs->lock);
	if (last)
		free_fs_struct(fs);
}

/* Free a control flow that is on no list */
void lwc_flow_free(struct lwc_flow *flow)
{
	lwc_deadline_stop(flow);
	lwc_flow_drop_creds(flow);
	if (flow->files)
		put_files_struct(flow->files);
	lwc_fs_put(flow->fs);
	lwc_arch_free(&flow->arch);
	kfree(flow);
}

/*
 * The control flow of a thread in an lwC, or NULL. Under lwc_proc.lock; only the
 * thread itself may keep what it finds.
 */
struct lwc_flow *lwc_flow_find(struct lwc *lwc, struct task_struct *task)
{
	struct lwc_flow *flow;

	list_for_each_entry(flow, &lwc->flows, in_lwc)
		if (flow->task == task)
			return flow;
	return NULL;
}

void lwc_flow_link(struct lwc_flow *flow, struct lwc_task *lt)
{
	struct lwc_proc *proc = flow->lwc->proc;

	spin_lock(&proc->lock);
	list_add(&flow->in_lwc, &flow->lwc->flows);
	list_add(&flow->in_task, &lt->flows);
	spin_unlock(&proc->lock);
}

/* Under lwc_proc.lock */
void lwc_flow_unlink(struct lwc_flow *flow)
{
	list_del_init(&flow->in_lwc);
	list_del_init(&flow->in_task);
}

/**
 * lwc_user_save - note what the kernel keeps of the calling thread's memory
 * @user: where
 */
void lwc_user_save(struct lwc_user *user)
{
	struct task_struct *tsk = current;

	user->set_child_tid = tsk->set_child_tid;
	user->clear_child_tid = tsk->clear_child_tid;
	user->robust_list = tsk->robust_list;
#ifdef CONFIG_RSEQ
	user->rseq = tsk->rseq;
	user->rseq_len = tsk->rseq_len;
	user->rseq_sig = tsk->rseq_sig;
	/* Only if the area is up to date is it so when the flow goes on */
	user->cpu = test_thread_flag(TIF_NOTIFY_RESUME) ?
		-1 : raw_smp_processor_id();
	user->mm_cid = task_mm_cid(tsk);
#endif
	user->dispatch = tsk->syscall_dispatch;
	user->dispatch_on = test_syscall_work(SYSCALL_USER_DISPATCH);
	user->sas_ss_sp = tsk->sas_ss_sp;
	user->sas_ss_size = tsk->sas_ss_size;
	user->sas_ss_flags = tsk->sas_ss_flags;
	user->blocked = tsk->blocked;
}

/*
 * The rseq area of the flow may name a CPU that the thread has left, or another
 * concurrency id; or the flow was suspended by a trap, perhaps in a critical
 * section. Then have it looked at on the way to user space, as after a
 * preemption. A flow that left by a system call, on the same CPU, needs nothing:
 * there must be no critical section around a system call.
 */
static void load_rseq(const struct lwc_user *user, bool trapped)
{
#ifdef CONFIG_RSEQ
	preempt_disable();
	current->rseq = user->rseq;
	current->rseq_len = user->rseq_len;
	current->rseq_sig = user->rseq_sig;
	if (trapped || user->cpu != smp_processor_id() ||
	    user->mm_cid != task_mm_cid(current))
		rseq_preempt(current);
	preempt_enable();
#endif
}

/**
 * lwc_user_leave - the calling thread is about to change its address space
 *
 * Between here and lwc_user_load() there is no rseq area to keep up to date.
 */
void lwc_user_leave(void)
{
#ifdef CONFIG_RSEQ
	WRITE_ONCE(current->rseq, NULL);
#endif
}

static void load_dispatch(const struct lwc_user *user)
{
	current->syscall_dispatch = user->dispatch;
	if (user->dispatch_on)
		set_syscall_work(SYSCALL_USER_DISPATCH);
	else
		clear_syscall_work(SYSCALL_USER_DISPATCH);
}

/**
 * lwc_user_load - make those of another flow the calling thread's
 * @user: the other flow's
 * @trapped: it did not leave by a system call of its own
 *
 * The thread is in the flow's lwC already, with its address space.
 */
void lwc_user_load(const struct lwc_user *user, bool trapped)
{
	struct task_struct *tsk = current;
	sigset_t blocked = user->blocked;

	tsk->set_child_tid = user->set_child_tid;
	tsk->clear_child_tid = user->clear_child_tid;
	tsk->robust_list = user->robust_list;
	tsk->sas_ss_sp = user->sas_ss_sp;
	tsk->sas_ss_size = user->sas_ss_size;
	tsk->sas_ss_flags = user->sas_ss_flags;
	load_rseq(user, trapped);
	if (unlikely(user->dispatch_on || test_syscall_work(SYSCALL_USER_DISPATCH)))
		load_dispatch(user);
	__lwc_block_async(&blocked);
	__set_current_blocked(&blocked);
}

/**
 * lwc_flow_copy - copy a flow's saved state into another flow of its thread
 * @to: holds nothing yet
 * @from: suspended
 */
void lwc_flow_copy(struct lwc_flow *to, const struct lwc_flow *from)
{
	lwc_arch_copy(&to->arch, &from->arch);
	to->user = from->user;
	to->cred = get_cred(from->cred);
	to->event = from->event;
	to->event_size = from->event_size;
	to->first = from->first;
}
