// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: the system calls. They check what user space says and
 * hand on; see Documentation/userspace-api/lwc.rst for the rules.
 */
#include <linux/build_bug.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/sched/clock.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include "internal.h"

#define LWC_CREATE_FLAGS	(LWC_CREATE_ROLLBACK | LWC_CREATE_TRAP_FAULT | \
				 LWC_CREATE_TRAP_EXIT | LWC_CREATE_TRAP_SYSCALL | \
				 LWC_CREATE_PREFAULT | LWC_CREATE_SIGNALS | \
				 LWC_CREATE_KEEP_EXEC)
#define LWC_SWITCH_FLAGS	(LWC_SWITCH_DISCARD | LWC_SWITCH_ROLLBACK | \
				 LWC_SWITCH_RESULT | LWC_SWITCH_PERFORM)
#define LWC_FEATURES		(LWC_FEATURE_ROLLBACK | LWC_FEATURE_TRAP_FAULT | \
				 LWC_FEATURE_TRAP_EXIT | LWC_FEATURE_DEADLINE | \
				 LWC_FEATURE_MEMORY | LWC_FEATURE_SYSTRAP)

/* The sizes are the ABI: they grow by new fields at the end only */
static void __maybe_unused lwc_build_check_abi(void)
{
	BUILD_BUG_ON(sizeof(struct lwc_spec) != 24);
	BUILD_BUG_ON(sizeof(struct lwc_create_args) != 48);
	BUILD_BUG_ON(sizeof(struct lwc_switch_args) != 64);
	BUILD_BUG_ON(sizeof(struct lwc_regs) != 184);
	BUILD_BUG_ON(sizeof(struct lwc_event) != 248);
	BUILD_BUG_ON(sizeof(struct lwc_syscall_args) != 64);
	BUILD_BUG_ON(sizeof(struct lwc_info) != 80);
}

/* Events may be asked for in part, but not without saying what happened */
static int check_event(const struct lwc_event __user *event, size_t size)
{
	if (size < offsetofend(struct lwc_event, caller) || size > PAGE_SIZE)
		return -EINVAL;
	return access_ok(event, size) ? 0 : -EFAULT;
}

/**
 * sys_lwc_create - make a new lwC as a snapshot of the calling one
 * @uargs: a struct lwc_create_args
 * @size: its size
 * @event: filled in the new lwC when it is entered first
 * @event_size: room there
 *
 * Return: in the caller a descriptor; in the new lwC LWC_ENTERED. Or -errno:
 *
 * - %E2BIG: @size is larger than known, and the rest not zero.
 * - %EBUSY: io_uring or AIO contexts exist, which a copy cannot have.
 * - %EFAULT: a pointer is bad.
 * - %EINTR: a fatal signal came.
 * - %EINVAL: unknown flags, padding, a bad specification or size.
 * - %EMFILE, %ENFILE: no descriptor left.
 * - %ENOMEM: no memory.
 * - %EOPNOTSUPP: the thread uses a shadow stack, AMX or 32-bit code, or a
 *   specification asks for what cannot be done.
 */
SYSCALL_DEFINE4(lwc_create, const struct lwc_create_args __user *, uargs,
		size_t, size, struct lwc_event __user *, event,
		size_t, event_size)
{
	struct lwc_create_args args;
	int err;

	if (size < sizeof(args.flags))
		return -EINVAL;
	err = copy_struct_from_user(&args, sizeof(args), uargs, size);
	if (err)
		return err;
	if (args.flags & ~LWC_CREATE_FLAGS || args.__pad)
		return -EINVAL;
	err = check_event(event, event_size);
	if (err)
		return err;
	return lwc_do_create(&args, event, event_size);
}

static int check_switch(const struct lwc_switch_args *args)
{
	if (args->flags & ~LWC_SWITCH_FLAGS || args->__pad)
		return -EINVAL;
	if (args->result && !(args->flags & LWC_SWITCH_RESULT))
		return -EINVAL;
	/* A flow that is put back has no call left to answer */
	if (args->flags & LWC_SWITCH_ROLLBACK &&
	    args->flags & (LWC_SWITCH_RESULT | LWC_SWITCH_PERFORM))
		return -EINVAL;
	/* Nobody would be there to come back to */
	if (args->flags & LWC_SWITCH_DISCARD && (args->wall_ns || args->cpu_ns))
		return -EINVAL;
	return 0;
}

/**
 * sys_lwc_switch - go to another lwC, and return when switched back
 * @fd: descriptor of the target
 * @uargs: a struct lwc_switch_args
 * @size: its size
 * @event: filled when the caller is switched in again
 * @event_size: room there
 *
 * Return: 0 when something switched back in, which @event tells, or -errno,
 * and then no switch was made:
 *
 * - %E2BIG, %EFAULT, %EINVAL: as for sys_lwc_create(); @fd names the caller,
 *   or an answer to a trapped system call does not fit.
 * - %EBADF: no such descriptor. %EINVAL: it names no lwC.
 * - %EBUSY: the target is being rolled back or has threads inside that forbid
 *   it, or the caller has io_uring requests.
 * - %EINTR: a fatal signal came.
 * - %EIO: a rollback of the target failed; only another one helps.
 * - %EMFILE, %ENFILE, %ENOMEM: no room for the caller's descriptor.
 * - %EOPNOTSUPP: the thread's registers cannot be switched; or a rollback is
 *   asked for of an lwC without snapshot.
 * - %EPERM: a tracer may not follow to more privilege.
 * - %ESRCH: the thread has no control flow there.
 * - %ESTALE: the lwC is not one of this process.
 */
SYSCALL_DEFINE5(lwc_switch, int, fd, const struct lwc_switch_args __user *,
		uargs, size_t, size, struct lwc_event __user *, event,
		size_t, event_size)
{
	struct lwc_switch_args args;
	struct lwc_task *lt;
	struct lwc *target;
	int err;

	if (size < sizeof(args.flags))
		return -EINVAL;
	err = copy_struct_from_user(&args, sizeof(args), uargs, size);
	if (err)
		return err;
	err = check_switch(&args);
	if (err)
		return err;
	err = check_event(event, event_size);
	if (err)
		return err;
	target = lwc_from_fd(fd);
	if (IS_ERR(target))
		return PTR_ERR(target);
	lt = lwc_task_current();
	err = IS_ERR(lt) ? PTR_ERR(lt) : 0;
	if (!err)
		err = lwc_do_switch(target, &args, event, event_size);
	if (err) {
		lwc_put(target);
		return err;
	}
	return lwc_syscall_result();
}

static u32 count_flows(struct lwc *lwc)
{
	struct lwc_flow *flow;
	u32 nr = 0;

	list_for_each_entry(flow, &lwc->flows, in_lwc)
		nr += flow->state == LWC_FLOW_SUSPENDED;
	return nr;
}

static void fill_info(struct lwc *lwc, struct lwc_info *info)
{
	struct lwc_task *lt = current->lwc;
	struct lwc_mm *lm;

	spin_lock(&lwc->proc->lock);
	info->id = lwc->id;
	info->creator = lwc->creator ? lwc->creator->id : 0;
	info->switches = lwc->switches;
	info->rollbacks = lwc->rollbacks;
	info->time_ns = lwc->time_ns;
	if (lt && lt->cur == lwc)
		info->time_ns += local_clock() - lt->entered;
	info->threads = lwc->inside;
	info->flows = count_flows(lwc);
	lm = lwc->mm ? lwc->mm->lwc : NULL;
	if (lm) {
		info->private_pages = atomic_long_read(&lm->nr);
		info->faults = atomic64_read(&lm->faults);
		info->restored = lm->restored;
		info->dropped = lm->dropped;
	}
	spin_unlock(&lwc->proc->lock);
}

static int ctl_info(struct lwc *lwc, void __user *arg, size_t size)
{
	struct lwc_info info = { };

	if (size < sizeof(info.id) || size > PAGE_SIZE)
		return -EINVAL;
	fill_info(lwc, &info);
	if (size > sizeof(info) &&
	    clear_user(arg + sizeof(info), size - sizeof(info)))
		return -EFAULT;
	return copy_to_user(arg, &info, min(size, sizeof(info))) ? -EFAULT : 0;
}

/**
 * sys_lwc_ctl - ask about lwCs, or roll one back
 * @op: LWC_CTL_*
 * @fd: descriptor, for operations on an lwC; -1 names the calling one
 * @arg: INFO: a struct lwc_info
 * @size: its size
 *
 * VERSION ignores its other arguments and cannot fail.
 *
 * Return: what @op says, or -errno:
 *
 * - %EBADF, %EINVAL, %ESTALE: as for sys_lwc_switch(); unknown @op.
 * - %EBUSY: ROLLBACK: a thread is inside.
 * - %EFAULT: @arg is bad.
 * - %EINTR, %ENOMEM: ROLLBACK: it failed; the lwC cannot be entered before
 *   another one succeeds.
 * - %EOPNOTSUPP: ROLLBACK: the lwC was created without LWC_CREATE_ROLLBACK.
 */
SYSCALL_DEFINE4(lwc_ctl, unsigned int, op, int, fd, void __user *, arg,
		size_t, size)
{
	struct lwc_task *lt;
	struct lwc *lwc;
	long ret;

	if (op == LWC_CTL_VERSION)
		return LWC_ABI_VERSION;
	if (op == LWC_CTL_FEATURES)
		return LWC_FEATURES;
	if (op != LWC_CTL_INFO && op != LWC_CTL_ROLLBACK)
		return -EINVAL;
	lt = lwc_task_current();
	if (IS_ERR(lt))
		return PTR_ERR(lt);
	lwc = fd == -1 ? lwc_get(lt->cur) : lwc_from_fd(fd);
	if (IS_ERR(lwc))
		return PTR_ERR(lwc);
	ret = op == LWC_CTL_INFO ? ctl_info(lwc, arg, size) : lwc_rollback(lwc);
	lwc_put(lwc);
	return ret;
}
