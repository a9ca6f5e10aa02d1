// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: traps.
 *
 * A fatal signal, an exit, a spent budget, too much memory or a trapped system
 * call of an lwC becomes a switch to the lwC that asked for it. All are made at
 * the boundary to user space: get_signal(), the exit system calls, and
 * syscall_trace_enter(). There the thread holds no lock, and its kernel stack
 * is of no use any more.
 *
 * A trap set on an lwC holds for all that is created in it, or a child could
 * leave it by making another child.
 */
#include <linux/compat.h>
#include <linux/io_uring.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/syscall.h>

#include <trace/events/lwc.h>

#include "internal.h"

/*
 * The lwC that is told of what happens in @lwc: the creator of the innermost
 * one that has @flag. NULL if there is none.
 */
static struct lwc *trap_target(struct lwc *lwc, u64 flag)
{
	for (; lwc; lwc = lwc->creator)
		if (lwc->flags & flag)
			return lwc->creator;
	return NULL;
}

/*
 * Put the registers into their final form, and into the event. A call that was
 * allowed is known by those it had, so that it has to be asked for again.
 */
static void report_regs(struct lwc_event *event)
{
	struct lwc_flow *flow = current->lwc->flow;

	flow->pass = false;
	lwc_arch_save(&flow->arch);
	lwc_arch_report(&flow->arch, &event->regs);
}

/*
 * Switch to @target because of @event. The flow that is left has nobody who
 * waits for an answer, thus no place for an event.
 */
static int trap_go(struct lwc *target, struct lwc_event *event, bool discard)
{
	int err;

	/* A thread born here has not been anywhere else */
	if (!current->lwc->flow)
		return -ESRCH;
	if (lwc_arch_check())
		return -EOPNOTSUPP;
	if (lwc_rings_busy())
		io_uring_task_cancel();
	current->lwc->flow->event = NULL;
	report_regs(event);
	trace_lwc_trap(current->lwc->cur->id, event->type, event->signo,
		       event->addr);
	lwc_get(target);
	err = lwc_go(target, NULL, event, discard);
	if (err)
		lwc_put(target);
	return err;
}

bool __lwc_trap_pending(void)
{
	return READ_ONCE(current->lwc->pending) && current->lwc->cur;
}

static void settle(void)
{
	lwc_arch_settle_syscall(current_pt_regs());
	restore_saved_sigmask();
}

static void run_memory(struct lwc_task *lt)
{
	struct lwc_event event = {
		.type = LWC_EVENT_MEMORY,
		.addr = lt->fault_addr,
	};
	struct lwc *target = lt->cur->creator;

	settle();
	if (!target || trap_go(target, &event, false))
		force_sig(SIGKILL);
}

static void run_timeout(struct lwc_flow *waiting)
{
	struct lwc_event event = {
		.type = LWC_EVENT_TIMEOUT,
		.args = { waiting->deadline.spent },
	};

	settle();
	if (trap_go(waiting->lwc, &event, false))
		lwc_deadline_stop(waiting);
}

/**
 * lwc_trap_run - make the switches that interrupts and faults have asked for
 *
 * Context: get_signal(), no lock held.
 */
void lwc_trap_run(void)
{
	struct lwc_task *lt = current->lwc;
	struct lwc_flow *waiting;

	if (test_and_clear_bit(LWC_PENDING_MEMORY, &lt->pending))
		run_memory(lt);
	if (!test_and_clear_bit(LWC_PENDING_TIMEOUT, &lt->pending))
		return;
	/* An outer budget may be spent as well as an inner one */
	while ((waiting = lwc_deadline_spent(lt)))
		run_timeout(waiting);
}

static void __user *fault_address(const kernel_siginfo_t *info)
{
	switch (siginfo_layout(info->si_signo, info->si_code)) {
	case SIL_FAULT:
	case SIL_FAULT_TRAPNO:
	case SIL_FAULT_MCEERR:
	case SIL_FAULT_BNDERR:
	case SIL_FAULT_PKUERR:
	case SIL_FAULT_PERF_EVENT:
		return info->si_addr;
	default:
		return NULL;
	}
}

/*
 * get_signal(), with the siglock, when a signal is about to end the process.
 * SIGKILL always does.
 */
bool __lwc_trap_signal(int signr, const kernel_siginfo_t *info)
{
	struct lwc_event event = {
		.type = LWC_EVENT_FAULT,
		.signo = signr,
		.code = info->si_code,
		.addr = (unsigned long)fault_address(info),
	};
	struct lwc_task *lt = current->lwc;
	struct lwc *target;

	if (!lt->cur || sig_kernel_only(signr))
		return false;
	target = trap_target(lt->cur, LWC_CREATE_TRAP_FAULT);
	if (!target)
		return false;
	spin_unlock_irq(&lwc_sighand()->siglock);
	settle();
	if (!trap_go(target, &event, false))
		return true;
	spin_lock_irq(&lwc_sighand()->siglock);
	return false;
}

/* exit() and exit_group(): true if the thread is in another lwC instead */
bool __lwc_trap_exit(int code, bool group)
{
	struct lwc_event event = {
		.type = LWC_EVENT_EXIT,
		.args = { code & 0xff, group },
	};
	struct lwc_task *lt = current->lwc;
	struct lwc *target;

	if (!lt->cur)
		return false;
	target = trap_target(lt->cur, LWC_CREATE_TRAP_EXIT);
	return target && !trap_go(target, &event, true);
}

/* What a system call has to return whose thread came back in another lwC */
long lwc_syscall_result(void)
{
	return current_pt_regs()->ax;
}

/* Does a monitor decide on this call of an lwC? */
bool lwc_call_trapped(const struct lwc *lwc, unsigned long nr)
{
	if (!lwc->trap_to)
		return false;
	return !lwc->calls || nr >= lwc->calls->nr ||
	       test_bit(nr, lwc->calls->bits);
}

/* The table that the number of the current system call is of: AUDIT_ARCH_* */
static u32 call_abi(void)
{
	return syscall_get_arch(current);
}

/*
 * Is this the call that the monitor allowed? If a signal handler came between,
 * or another thread has changed the instruction, it is not.
 */
static bool passes(struct lwc_flow *flow, const struct pt_regs *regs)
{
	bool next = flow && flow->pass;

	if (next)
		flow->pass = false;
	return next && flow->abi == call_abi() &&
	       lwc_arch_same_syscall(&flow->arch, regs);
}

/*
 * syscall_trace_enter(): true if the call must not be made now. A thread that
 * cannot get to its monitor may not make it at all. The set has numbers of the
 * 64-bit table only, which mean other calls in another one.
 */
bool __lwc_trap_syscall(struct pt_regs *regs)
{
	struct lwc_event event = {
		.type = LWC_EVENT_SYSCALL,
		.args = { call_abi() },
	};
	struct lwc_task *lt = current->lwc;
	struct lwc_flow *flow;

	if (!lt || !lt->cur || !lt->cur->trap_to)
		return false;
	flow = lt->flow;
	if (passes(flow, regs))
		return false;
	if (!in_compat_syscall() &&
	    !lwc_call_trapped(lt->cur, syscall_get_nr(current, regs)))
		return false;
	if (flow) {
		flow->in_call = true;
		flow->abi = call_abi();
	}
	if (!trap_go(lt->cur->trap_to, &event, false))
		return true;
	if (flow)
		flow->in_call = false;
	regs->ax = -EPERM;
	return true;
}

/* Read a set of system calls: it, or an ERR_PTR: -EINVAL, -EFAULT, -ENOMEM */
static struct lwc_calls *calls_new(const void __user *bits, size_t size)
{
	struct lwc_calls *calls;

	if (!size || size > PAGE_SIZE || size % sizeof(long))
		return ERR_PTR(-EINVAL);
	calls = kzalloc(struct_size(calls, bits, size / sizeof(long)),
			GFP_KERNEL_ACCOUNT);
	if (!calls)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(calls->bits, bits, size)) {
		kfree(calls);
		return ERR_PTR(-EFAULT);
	}
	refcount_set(&calls->count, 1);
	calls->nr = size * BITS_PER_BYTE;
	return calls;
}

/**
 * lwc_make_trap - which calls of a new lwC are trapped, and by whom
 * @lwc: nobody can see it yet
 * @args: how it is to be made
 *
 * An inherited trap stays what it is.
 *
 * Return: 0, or -EOPNOTSUPP it has inherited one and is to get its own, -EINVAL,
 * -EFAULT, -ENOMEM.
 */
int lwc_make_trap(struct lwc *lwc, const struct lwc_create_args *args)
{
	struct lwc *creator = lwc->creator;

	if (creator->trap_to) {
		if (args->flags & LWC_CREATE_TRAP_SYSCALL)
			return -EOPNOTSUPP;
		lwc->trap_to = creator->trap_to;
		lwc->calls = creator->calls;
		if (lwc->calls)
			refcount_inc(&lwc->calls->count);
		return 0;
	}
	if (!(args->flags & LWC_CREATE_TRAP_SYSCALL))
		return 0;
	lwc->trap_to = creator;
	if (!args->trap_calls)
		return 0;
	lwc->calls = calls_new(u64_to_user_ptr(args->trap_calls),
			       args->trap_calls_size);
	if (IS_ERR(lwc->calls)) {
		int err = PTR_ERR(lwc->calls);

		lwc->calls = NULL;
		return err;
	}
	return 0;
}
