// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: a system call with another lwC's resources.
 *
 * The thread gets the target's address space, tables and credential, or some of
 * them, for one system call. Its registers, signal mask and place among the lwCs
 * stay, so that calls which are about those are refused.
 *
 * The call is seen by seccomp and by the monitor of the calling lwC as if it
 * had been made directly.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seccomp.h>
#include <linux/syscalls.h>

#include <asm/syscall.h>
#include <asm/unistd.h>

#include <trace/events/lwc.h>

#include "internal.h"

/* Calls on what stays the thread's own, or that never return to here */
static bool is_refused(unsigned int nr)
{
	switch (nr) {
	case __NR_rt_sigreturn:
	case __NR_restart_syscall:
	case __NR_clone:
	case __NR_clone3:
	case __NR_fork:
	case __NR_vfork:
	case __NR_execve:
	case __NR_execveat:
	case __NR_exit:
	case __NR_exit_group:
	case __NR_unshare:
	case __NR_setns:
	case __NR_ptrace:
	case __NR_seccomp:
	case __NR_prctl:
	case __NR_arch_prctl:
	case __NR_modify_ldt:
	case __NR_pkey_alloc:
	case __NR_iopl:
	case __NR_ioperm:
	case __NR_rseq:
	case __NR_set_tid_address:
	case __NR_set_robust_list:
	case __NR_get_robust_list:
	case __NR_sigaltstack:
	case __NR_rt_sigaction:
	case __NR_uretprobe:
	case __NR_io_setup:
	case __NR_io_destroy:
	case __NR_io_submit:
	case __NR_io_cancel:
	case __NR_io_getevents:
	case __NR_io_pgetevents:
	case __NR_io_uring_setup:
	case __NR_io_uring_enter:
	case __NR_io_uring_register:
	case __NR_lwc_create ... __NR_lwc_ctl:
		return true;
	default:
		return false;
	}
}

/*
 * Let the filters decide. They and their tracers look at the registers, so
 * that for them the registers are those of a direct call.
 */
static int ask_seccomp(struct pt_regs *inner)
{
	struct pt_regs *regs = current_pt_regs();
	struct pt_regs outer = *regs;
	int denied;

	if (likely(!test_syscall_work(SECCOMP)))
		return 0;
	*regs = *inner;
	denied = secure_computing();
	*inner = *regs;
	*regs = outer;
	return denied;
}

static void make_regs(struct pt_regs *regs, const struct lwc_syscall_args *args)
{
	*regs = *current_pt_regs();
	regs->orig_ax = args->nr;
	regs->di = args->args[0];
	regs->si = args->args[1];
	regs->dx = args->args[2];
	regs->r10 = args->args[3];
	regs->r8 = args->args[4];
	regs->r9 = args->args[5];
}

/* Whose resources the thread has put aside */
struct borrowed {
	struct mm_struct *mm;
	struct lwc_tables tables;
	const struct cred *cred;
	struct lwc_flow *flow;
};

static int borrow_tables(struct lwc *target, struct lwc_flow *flow,
			 struct lwc_tables *t)
{
	spin_lock(&target->proc->lock);
	t->files = flow && flow->files ? flow->files : target->files;
	t->fs = flow && flow->files ? flow->fs : target->fs;
	if (t->files) {
		atomic_inc(&t->files->count);
		spin_lock(&t->fs->lock);
		t->fs->users++;
		spin_unlock(&t->fs->lock);
	}
	spin_unlock(&target->proc->lock);
	if (!t->files)
		return -ESTALE;
	lwc_use_tables(t);
	return 0;
}

static struct mm_struct *target_mm(struct lwc *target)
{
	struct mm_struct *mm;

	spin_lock(&target->proc->lock);
	mm = target->busy || target->broken ? NULL : target->mm;
	if (mm)
		mmget(mm);
	spin_unlock(&target->proc->lock);
	return mm;
}

static int take_cred(struct borrowed *b)
{
	const struct cred *cred;
	int err;

	if (!b->flow)
		return -ESRCH;
	cred = get_current_cred();
	err = lwc_exchange_cred(lwc_flow_cred(b->flow));
	if (err)
		put_cred(cred);
	else
		b->cred = cred;
	return err;
}

/* What cannot fail in the other direction comes last */
static int borrow(struct lwc *target, u32 mask, struct borrowed *b)
{
	struct mm_struct *mm = NULL;
	int err = 0;

	b->flow = lwc_own_flow(target);
	if (mask & LWC_MASK_MEMORY) {
		mm = target_mm(target);
		if (!mm)
			return -EBUSY;
	}
	if (mask & LWC_MASK_CRED)
		err = take_cred(b);
	if (!err && mask & LWC_MASK_FILES)
		err = borrow_tables(target, b->flow, &b->tables);
	if (err) {
		if (mm)
			mmput(mm);
		return err;
	}
	if (mm) {
		b->mm = current->mm;
		lwc_use_mm(mm);
	}
	return 0;
}

/*
 * What the call has changed - a credential, a table that it unshared - is the
 * target's.
 */
static void give_back(struct borrowed *b)
{
	struct mm_struct *mm = current->mm;

	if (b->mm) {
		lwc_use_mm(b->mm);
		mmput(mm);
	}
	if (b->tables.files) {
		lwc_use_tables(&b->tables);
		lwc_put_tables(&b->tables);
	}
	if (b->cred) {
		lwc_flow_set_cred(b->flow, current_cred());
		lwc_return_cred(b->cred);
		put_cred(b->cred);
	}
}

static long perform(struct lwc *target, u32 mask, struct pt_regs *regs)
{
	/* A number that is too large is that of no call */
	unsigned int nr = min_t(unsigned long, regs->orig_ax, NR_syscalls);
	struct borrowed b = { };
	long ret;

	ret = borrow(target, mask, &b);
	if (!ret)
		ret = x64_sys_call(regs, nr);
	give_back(&b);
	/* There is only one restart block, and it has the outer call's */
	if (ret == -ERESTART_RESTARTBLOCK) {
		current->restart_block.fn = do_no_restart_syscall;
		ret = -EINTR;
	}
	return ret;
}

/**
 * lwc_syscall_check - may this call be made with another lwC's resources?
 * @target: the other
 * @nr: the call
 *
 * Return: 0, or -EINVAL the other is the calling one, -EBUSY the thread has a
 * ring of io_uring, -EOPNOTSUPP it cannot be made for another lwC, -EPERM the
 * monitor of the calling lwC traps it.
 */
int lwc_syscall_check(struct lwc *target, u64 nr)
{
	if (target == current->lwc->cur)
		return -EINVAL;
	if (lwc_rings_busy())
		return -EBUSY;
	if (nr < NR_syscalls && is_refused(nr))
		return -EOPNOTSUPP;
	return lwc_call_trapped(current->lwc->cur, nr) ? -EPERM : 0;
}

/**
 * lwc_do_syscall - make a system call with another lwC's resources
 * @target: the other; referenced
 * @args: the arguments, for which lwc_syscall_check() said 0
 *
 * Return: what the call returns, or what seccomp says, or -EBUSY, -EPERM,
 * -ESTALE, -ESRCH, -EINTR from taking the resources.
 */
long lwc_do_syscall(struct lwc *target, const struct lwc_syscall_args *args)
{
	struct pt_regs regs;
	long ret;

	make_regs(&regs, args);
	if (ask_seccomp(&regs))
		return regs.ax;
	/* A tracer may have made it another call */
	if (regs.orig_ax < NR_syscalls && is_refused(regs.orig_ax))
		return -EOPNOTSUPP;
	ret = perform(target, args->mask, &regs);
	trace_lwc_syscall(current->lwc->cur->id, target->id, args->mask,
			  args->nr, ret);
	return ret;
}

/**
 * lwc_syscall_enter - go to the target with the result of its system call
 * @target: referenced; the reference is used up on success
 * @ret: the result
 * @event: where to tell the caller why it was switched in again
 * @event_size: room there
 *
 * The result answers a trapped system call that the target waits in, or is the
 * first argument of the event.
 *
 * Return: 0 in the target, or what lwc_do_switch() returns.
 */
int lwc_syscall_enter(struct lwc *target, long ret,
		      struct lwc_event __user *event, size_t event_size)
{
	struct lwc_switch_args args = { .args = { ret } };
	struct lwc_flow *flow = lwc_own_flow(target);

	if (flow && flow->in_call) {
		args.flags = LWC_SWITCH_RESULT;
		args.result = ret;
	}
	return lwc_do_switch(target, &args, event, event_size);
}

/* Is the call to be made again after a signal? Then it has no result yet. */
bool lwc_syscall_restarts(long ret)
{
	return (ret == -ERESTARTSYS || ret == -ERESTARTNOINTR ||
		ret == -ERESTARTNOHAND) && signal_pending(current);
}
