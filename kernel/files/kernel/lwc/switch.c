// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: the switch.
 *
 * A thread that switches stays the same task on the same kernel stack. What is
 * exchanged is what a process consists of: address space, file table with the
 * directories, credential, and the thread's own user state (registers, mask,
 * the pointers that the kernel keeps into user memory). Then the system call
 * returns, to where the thread left the target.
 *
 * Everything that can fail comes first: reserve() and the look-up of the
 * caller's descriptor. From commit() on nothing fails.
 *
 * The exchange of the tables, and who holds their reference: a thread inside
 * holds a reference on the lwC's table. The first to leave does not drop it
 * but parks it with the lwC, the next to enter takes it over. So a table that
 * one thread uses has a count of one, and fdget() stays cheap, but a count of
 * two before a second thread can get in.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/io_uring_types.h>
#include <linux/key.h>
#include <linux/mmu_context.h>
#include <linux/ptrace.h>
#include <linux/sched/clock.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include <trace/events/lwc.h>

#include "internal.h"

/* Bytes of a struct lwc_event that say something of a switch */
#define LWC_EVENT_HEAD	offsetof(struct lwc_event, addr)

/**
 * lwc_rings_busy - has the thread io_uring requests that need this mm?
 *
 * A ring completes into the address space that made it, from the thread's own
 * system calls: the thread must not be elsewhere then.
 *
 * Return: whether it has.
 */
bool lwc_rings_busy(void)
{
#ifdef CONFIG_IO_URING
	return current->io_uring && !xa_empty(&current->io_uring->xa);
#else
	return false;
#endif
}

/*
 * Find the calling thread's flow in the target and keep the target from being
 * rolled back: it counts as inside from here on.
 */
static int reserve(struct lwc *target, struct lwc_flow **flow)
{
	struct lwc_proc *proc = target->proc;
	int err = 0;

	spin_lock(&proc->lock);
	*flow = lwc_flow_find(target, current);
	if (target->busy || !target->mm)
		err = -EBUSY;
	else if (target->broken)
		err = -EIO;
	else if (!*flow || (*flow)->state != LWC_FLOW_SUSPENDED)
		err = -ESRCH;
	else
		target->inside++;
	spin_unlock(&proc->lock);
	return err;
}

static void unreserve(struct lwc *target)
{
	spin_lock(&target->proc->lock);
	target->inside--;
	spin_unlock(&target->proc->lock);
}

static struct files_struct *get_files(struct files_struct *files)
{
	atomic_inc(&files->count);
	return files;
}

static struct fs_struct *get_fs(struct fs_struct *fs)
{
	spin_lock(&fs->lock);
	fs->users++;
	spin_unlock(&fs->lock);
	return fs;
}

/* Under task_lock and lwc_proc.lock: references for the thread that enters */
static void enter_tables(struct lwc_flow *to, struct lwc_tables *t)
{
	struct lwc *lwc = to->lwc;

	if (to->files) {
		t->files = to->files;
		t->fs = to->fs;
		to->files = NULL;
		to->fs = NULL;
	} else if (lwc->parked) {
		t->files = lwc->files;
		t->fs = lwc->fs;
		lwc->parked = false;
	} else {
		t->files = get_files(lwc->files);
		t->fs = get_fs(lwc->fs);
	}
}

/* As above, for the one that leaves; what stays in @t must be put */
static void leave_tables(struct lwc_flow *from, struct lwc_tables *t,
			 bool discard)
{
	struct lwc *lwc = from->lwc;

	if (t->files != lwc->files || t->fs != lwc->fs) {
		if (discard)
			return;
		from->files = t->files;
		from->fs = t->fs;
	} else if (!lwc->parked) {
		lwc->parked = true;
	} else {
		return;
	}
	t->files = NULL;
	t->fs = NULL;
}

/**
 * lwc_park - make the lwC hold its tables itself
 * @lwc: the calling thread is in it, with its tables
 *
 * Before the thread gives up its own reference in another way than by a
 * switch. Context: under lwc_proc.lock.
 */
void lwc_park(struct lwc *lwc)
{
	if (lwc->parked || !lwc->files)
		return;
	get_files(lwc->files);
	get_fs(lwc->fs);
	lwc->parked = true;
}

/* Exchange the thread's address space, as kthread_use_mm() does */
static void exchange_mm(struct task_struct *tsk, struct mm_struct *mm)
{
	struct mm_struct *old = tsk->mm;

	local_irq_disable();
	tsk->active_mm = mm;
	tsk->mm = mm;
	membarrier_update_current_mm(mm);
	switch_mm_irqs_off(old, mm, tsk);
	sched_mm_cid_exchange(old);
	local_irq_enable();
	lru_gen_use_mm(mm);
}

/**
 * lwc_use_mm - let the calling thread use another address space for a while
 * @mm: that one; the caller keeps it alive, and the thread's own as well
 *
 * Context: before the thread returns to user space it must have its own again.
 */
void lwc_use_mm(struct mm_struct *mm)
{
	struct task_struct *tsk = current;

	sched_mm_cid_before_execve(tsk);
	task_lock(tsk);
	exchange_mm(tsk, mm);
	task_unlock(tsk);
	sched_mm_cid_after_execve(tsk);
}

/*
 * Exchange everything that other tasks look at under task_lock.
 * Returns with the old address space and tables for the caller to put.
 */
static struct mm_struct *exchange(struct lwc_flow *from, struct lwc_flow *to,
				  struct lwc_tables *old, bool discard)
{
	struct lwc_proc *proc = to->lwc->proc;
	struct task_struct *tsk = current;
	struct mm_struct *old_mm = tsk->mm;
	struct mm_struct *mm = to->lwc->mm;
	struct lwc_tables next;

	mmget(mm);
	task_lock(tsk);
	exchange_mm(tsk, mm);
	spin_lock(&proc->lock);
	enter_tables(to, &next);
	old->files = tsk->files;
	old->fs = tsk->fs;
	tsk->files = next.files;
	tsk->fs = next.fs;
	leave_tables(from, old, discard);
	from->lwc->inside--;
	from->state = LWC_FLOW_SUSPENDED;
	to->state = LWC_FLOW_RUNNING;
	if (discard)
		lwc_flow_unlink(from);
	spin_unlock(&proc->lock);
	task_unlock(tsk);
	return old_mm;
}

/* The credential goes with the control flow, as everywhere in Linux */
static void exchange_cred(struct lwc_flow *from, struct lwc_flow *to)
{
	const struct cred *cred;

	if (from->cred != current_cred() || unlikely(from->cell))
		lwc_flow_set_cred(from, current_cred());
	cred = lwc_flow_cred(to);
	if (cred != current_cred())
		lwc_install_cred(cred);
}

/* System calls of the lwC that is entered are trapped, or are not */
static void set_syscall_trap(const struct lwc *lwc)
{
	if (likely(!lwc->trap_to && !test_syscall_work(LWC_TRAP)))
		return;
	if (lwc->trap_to)
		set_syscall_work(LWC_TRAP);
	else
		clear_syscall_work(LWC_TRAP);
}

static void account(struct lwc_task *lt, struct lwc *from, struct lwc *to)
{
	u64 now = local_clock();

	from->time_ns += now - lt->entered;
	lt->entered = now;
	if (unlikely(test_bit(LWC_PENDING_MEMORY, &lt->pending)))
		clear_bit(LWC_PENDING_MEMORY, &lt->pending);
	to->switches++;
}

/* What is told of a switch, field by field: a general copy costs four times that */
static int put_head(struct lwc_event __user *to, const struct lwc_event *event)
{
	if (!user_write_access_begin(to, LWC_EVENT_HEAD))
		return -EFAULT;
	unsafe_put_user(event->type, &to->type, fault);
	unsafe_put_user(event->caller, &to->caller, fault);
	unsafe_put_user(event->creator, &to->creator, fault);
	unsafe_put_user(0, &to->signo, fault);
	unsafe_put_user(0, &to->code, fault);
	unsafe_put_user(0, &to->__pad, fault);
	unsafe_put_user(event->args[0], &to->args[0], fault);
	unsafe_put_user(event->args[1], &to->args[1], fault);
	unsafe_put_user(event->args[2], &to->args[2], fault);
	unsafe_put_user(event->args[3], &to->args[3], fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static int put_event(const struct lwc_flow *flow, const struct lwc_event *event)
{
	size_t size = sizeof(*event);

	if (event->type == LWC_EVENT_SWITCH) {
		if (likely(flow->event_size >= LWC_EVENT_HEAD))
			return put_head(flow->event, event);
		size = LWC_EVENT_HEAD;
	}
	return copy_to_user(flow->event, event, min(size, flow->event_size));
}

static void write_event(struct lwc_flow *flow, struct lwc_event *event)
{
	if (!flow->event)
		return;
	event->creator = flow->first ? flow->lwc->creator_fd : -1;
	flow->first = false;
	if (put_event(flow, event))
		force_sig(SIGSEGV);
	flow->event = NULL;
}

/*
 * Go.
 *
 * The reference that the caller holds on the target becomes that of the thread
 * inside. Context: at the end of a system call or on the way to user space;
 * the pt_regs are the target's afterwards.
 */
static void commit(struct lwc_flow *to, struct lwc_event *event, bool discard)
{
	struct lwc_task *lt = current->lwc;
	struct lwc_flow *from = lt->flow;
	struct lwc *left = lt->cur;
	struct lwc_tables old;
	struct mm_struct *mm;

	if (!discard)
		lwc_user_save(&from->user);
	lwc_user_leave();
	mm = exchange(from, to, &old, discard);
	lt->cur = to->lwc;
	lt->flow = to;
	lwc_set_mark(lt);
	lwc_signals_use(lt);
	exchange_cred(from, to);
	lwc_deadline_stop(to);
	lwc_user_load(&to->user, !to->event);
	lwc_arch_switch(&from->arch, &to->arch);
	set_syscall_trap(to->lwc);
	account(lt, left, to->lwc);
	trace_lwc_switch(left->id, to->lwc->id, event->type, discard);

	mmput(mm);
	if (old.files)
		put_files_struct(old.files);
	lwc_fs_put(old.fs);
	if (discard)
		lwc_flow_free(from);
	lwc_put(left);
}

/* A flow in a trapped system call goes on with an answer, and only then */
static int check_answer(const struct lwc_flow *flow,
			const struct lwc_switch_args *args)
{
	u32 answer = args->flags & (LWC_SWITCH_RESULT | LWC_SWITCH_PERFORM);

	if (likely(!flow->in_call))
		return answer ? -EINVAL : 0;
	/* Only who set the trap may let the call pass, or answer for it */
	if (answer && current->lwc->cur != flow->lwc->trap_to)
		return -EPERM;
	if (!answer || answer == (LWC_SWITCH_RESULT | LWC_SWITCH_PERFORM))
		return -EINVAL;
	return 0;
}

/* Let a flow that is suspended in a trapped system call go on */
static void give_answer(struct lwc_flow *flow,
			const struct lwc_switch_args *args)
{
	if (likely(!flow->in_call))
		return;
	flow->in_call = false;
	if (args->flags & LWC_SWITCH_PERFORM) {
		flow->pass = true;
		lwc_arch_redo_syscall(&flow->arch);
	} else {
		lwc_arch_set_result(&flow->arch, args->result);
	}
}

/**
 * lwc_go - reserve a target and switch to it
 * @target: referenced; the reference is used up on success
 * @args: answer to a trapped system call, or NULL
 * @event: what the target is told; the caller's descriptor is filled in
 * @discard: give up the flow that is left
 *
 * Return: 0, then the thread is in the target, or -errno, then nothing
 * happened: -EBUSY, -EIO, -ESRCH from reserve(), -EPERM a tracer may not
 * follow, -EMFILE, -ENFILE, -ENOMEM for the caller's descriptor, -EINTR.
 */
int lwc_go(struct lwc *target, const struct lwc_switch_args *args,
	   struct lwc_event *event, bool discard)
{
	struct lwc_task *lt = current->lwc;
	bool other_cred;
	struct lwc_flow *to;
	int err;

	err = reserve(target, &to);
	if (err)
		return err;
	err = args ? check_answer(to, args) : 0;
	if (!err)
		err = lwc_check_cred(lwc_flow_cred(to));
	if (err)
		goto undo;
	err = discard ? lwc_fd_find(to, lt->cur) : lwc_fd_caller(to, lt->cur);
	if (err < 0 && !discard)
		goto undo;
	event->caller = err;
	other_cred = lwc_flow_cred(to) != current_cred() ||
		     get_dumpable(target->mm) != get_dumpable(current->mm);
	if (other_cred) {
		err = down_write_killable(&current->signal->exec_update_lock);
		if (err)
			goto undo;
	}
	if (args)
		give_answer(to, args);
	commit(to, event, discard);
	if (other_cred)
		up_write(&current->signal->exec_update_lock);
	/* May wait for user space (userfaultfd), so with no lock held */
	write_event(to, event);
	return 0;

undo:
	unreserve(target);
	return err;
}

static int prepare(struct lwc *target, const struct lwc_switch_args *args)
{
	struct lwc_task *lt = current->lwc;
	int err;

	if (target == lt->cur)
		return -EINVAL;
	err = lwc_arch_check();
	if (err)
		return err;
	if (lwc_rings_busy())
		return -EBUSY;
	if (args->flags & LWC_SWITCH_ROLLBACK)
		err = lwc_rollback(target);
	return err;
}

/**
 * lwc_do_switch - lwc_switch() with checked arguments
 * @target: referenced; the reference is used up on success
 * @args: the arguments
 * @event: where to tell the caller why it was switched in again
 * @event_size: room there
 *
 * Return: 0 in the target, or what lwc_go() and lwc_rollback() return, or
 * -EINVAL the target is the caller, or an answer does not fit its state,
 * -EOPNOTSUPP the thread has registers that cannot be switched, -EBUSY it has
 * io_uring requests.
 */
int lwc_do_switch(struct lwc *target, const struct lwc_switch_args *args,
		  struct lwc_event __user *event, size_t event_size)
{
	bool discard = args->flags & LWC_SWITCH_DISCARD;
	struct lwc_task *lt = current->lwc;
	struct lwc_flow *from = lt->flow;
	struct lwc_event ev;
	int err;

	err = prepare(target, args);
	if (err)
		return err;
	/* Its registers stay as they are: nobody is told */
	ev.type = LWC_EVENT_SWITCH;
	ev.signo = 0;
	ev.code = 0;
	ev.__pad = 0;
	memcpy(ev.args, args->args, sizeof(ev.args));
	from->event = event;
	from->event_size = event_size;
	current_pt_regs()->ax = 0;
	if (args->wall_ns || args->cpu_ns)
		lwc_deadline_start(from, lt, args);
	err = lwc_go(target, args, &ev, discard);
	if (err) {
		lwc_deadline_stop(from);
		from->event = NULL;
	}
	return err;
}
