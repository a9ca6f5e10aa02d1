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
				 LWC_FEATURE_MEMORY | LWC_FEATURE_SPECS | \
				 LWC_FEATURE_SHARE | LWC_FEATURE_OVERLAY | \
				 LWC_FEATURE_SYSCALL | LWC_FEATURE_SYSTRAP | \
				 LWC_FEATURE_PREFAULT | LWC_FEATURE_FORK)

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
 * - %EINTR: a fatal signal came, so that nobody sees it.
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

/* As copy_struct_from_user(), but the usual size field by field */
static int read_switch(struct lwc_switch_args *args,
		       const struct lwc_switch_args __user *uargs, size_t size)
{
	if (unlikely(size != sizeof(*args)))
		return copy_struct_from_user(args, sizeof(*args), uargs, size);
	if (!user_read_access_begin(uargs, sizeof(*args)))
		return -EFAULT;
	unsafe_get_user(args->flags, &uargs->flags, fault);
	unsafe_get_user(args->__pad, &uargs->__pad, fault);
	unsafe_get_user(args->args[0], &uargs->args[0], fault);
	unsafe_get_user(args->args[1], &uargs->args[1], fault);
	unsafe_get_user(args->args[2], &uargs->args[2], fault);
	unsafe_get_user(args->args[3], &uargs->args[3], fault);
	unsafe_get_user(args->result, &uargs->result, fault);
	unsafe_get_user(args->wall_ns, &uargs->wall_ns, fault);
	unsafe_get_user(args->cpu_ns, &uargs->cpu_ns, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
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
 * - %EINTR: a fatal signal came, so that nobody sees it.
 * - %EIO: a rollback of the target failed; only another one helps.
 * - %EMFILE, %ENFILE, %ENOMEM: no room for the caller's descriptor.
 * - %EOPNOTSUPP: the thread's registers cannot be switched; or a rollback is
 *   asked for of an lwC without snapshot.
 * - %EPERM: a tracer may not follow to more privilege; only the lwC that set the
 *   trap may answer; ROLLBACK: the descriptor has not all rights.
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
	err = read_switch(&args, uargs, size);
	if (err)
		return err;
	err = check_switch(&args);
	if (err)
		return err;
	err = check_event(event, event_size);
	if (err)
		return err;
	target = args.flags & LWC_SWITCH_ROLLBACK ? lwc_from_own_fd(fd) :
						    lwc_from_fd(fd);
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

/**
 * sys_lwc_restrict - take rights from a descriptor
 * @fd: descriptor of an lwC
 * @specs: array of struct lwc_spec: what it may still be used for
 * @nr: how many; none takes all
 * @flags: zero
 *
 * Only @fd loses them, not what was dup'ed from it or sent elsewhere.
 *
 * Return: 0 or -errno:
 *
 * - %E2BIG: what remains has too many pieces.
 * - %EBADF, %EINVAL, %ESTALE: as for sys_lwc_switch(); a bad specification.
 * - %EFAULT: @specs is bad.
 * - %ENFILE, %ENOMEM: no room for the new descriptor.
 */
SYSCALL_DEFINE4(lwc_restrict, int, fd, const struct lwc_spec __user *, specs,
		unsigned int, nr, unsigned int, flags)
{
	struct lwc_specs s;
	int err;

	if (flags)
		return -EINVAL;
	err = lwc_specs_read(&s, (unsigned long)specs, nr);
	if (err)
		return err;
	err = lwc_specs_check_restrict(&s);
	if (!err)
		err = lwc_do_restrict(fd, &s);
	lwc_specs_free(&s);
	return err;
}

/**
 * sys_lwc_overlay - take resources of another lwC into the calling one
 * @fd: descriptor of the other; -1 for the calling one, to give up some
 * @specs: array of struct lwc_spec: what, and how
 * @nr: how many
 * @flags: zero
 *
 * Return: 0 or -errno. Nothing has changed then, but for ENOMEM while memory
 * is mapped:
 *
 * - %EBADF, %EINVAL, %ESTALE: as for sys_lwc_switch(); a bad specification; no
 *   credential is overlaid. %EBADF also: a number beyond RLIMIT_NOFILE.
 * - %EBUSY: SHARE of the table while another thread is in the calling lwC; a
 *   device writes to memory that is to be shared; the caller has a ring.
 * - %EFAULT: @specs is bad.
 * - %EINTR: a fatal signal came, so that nobody sees it.
 * - %ENOMEM: no memory, or too many mappings.
 * - %EOPNOTSUPP: memory that cannot be shared: that grows, of a device, of
 *   hugetlbfs, or registered with userfaultfd; that cannot be copied: a file
 *   mapped shared; a ring; SHARE of a part of the table.
 * - %EPERM: the descriptor does not allow it; a mapping is sealed; a tracer
 *   may not follow to more privilege.
 * - %ESRCH: CRED: the thread has no control flow there.
 */
SYSCALL_DEFINE4(lwc_overlay, int, fd, const struct lwc_spec __user *, specs,
		unsigned int, nr, unsigned int, flags)
{
	struct lwc_specs s;
	int err;

	if (flags)
		return -EINVAL;
	err = lwc_specs_read(&s, (unsigned long)specs, nr);
	if (err)
		return err;
	err = lwc_specs_check_overlay(&s, fd == -1);
	if (!err)
		err = lwc_do_overlay(fd, &s);
	lwc_specs_free(&s);
	return err;
}

static bool may_use(const struct file *file, u32 mask)
{
	const struct lwc_rights *rights = lwc_file_rights(file);

	return (!(mask & LWC_MASK_MEMORY) ||
		lwc_rights_whole(rights, LWC_WHAT_MEMORY)) &&
	       (!(mask & LWC_MASK_FILES) ||
		lwc_rights_whole(rights, LWC_WHAT_FILES)) &&
	       (!(mask & LWC_MASK_CRED) ||
		lwc_rights_whole(rights, LWC_WHAT_CRED));
}

static struct lwc *syscall_target(int fd, u32 mask)
{
	struct file *file = lwc_fd_file(fd);
	struct lwc *lwc;

	if (IS_ERR(file))
		return ERR_CAST(file);
	lwc = lwc_from_file(file);
	if (!IS_ERR(lwc) && !may_use(file, mask)) {
		lwc_put(lwc);
		lwc = ERR_PTR(-EPERM);
	}
	fput(file);
	return lwc;
}

static int check_syscall(const struct lwc_syscall_args *args,
			 const struct lwc_event __user *event, size_t event_size)
{
	if (args->mask & ~(LWC_MASK_MEMORY | LWC_MASK_FILES | LWC_MASK_CRED) ||
	    args->flags & ~LWC_SYSCALL_SWITCH)
		return -EINVAL;
	if (!(args->flags & LWC_SYSCALL_SWITCH))
		return 0;
	return check_event(event, event_size);
}

/**
 * sys_lwc_syscall - make a system call with resources of another lwC
 * @fd: descriptor of the other, with all rights to the classes used
 * @uargs: a struct lwc_syscall_args
 * @size: its size
 * @event: SWITCH: as for sys_lwc_switch(); else ignored
 * @event_size: the same
 *
 * Return: what the call returns; with LWC_SYSCALL_SWITCH 0 when something
 * switched back in. Or -errno, which cannot be told from one of the call:
 *
 * - %E2BIG, %EBADF, %EFAULT, %EINVAL, %ESTALE: as for sys_lwc_switch().
 * - %EBUSY: the target is being rolled back, or the caller has a ring.
 * - %ENOSYS: there is no such call.
 * - %EOPNOTSUPP: it is about the thread itself, or never returns.
 * - %EPERM: the descriptor does not allow it, the caller's monitor traps the
 *   call, or a tracer may not follow to more privilege.
 * - %ESRCH: CRED: the thread has no control flow there.
 */
SYSCALL_DEFINE5(lwc_syscall, int, fd, const struct lwc_syscall_args __user *,
		uargs, size_t, size, struct lwc_event __user *, event,
		size_t, event_size)
{
	struct lwc_syscall_args args;
	struct lwc_task *lt;
	struct lwc *target;
	long ret;

	if (size < sizeof(args.mask))
		return -EINVAL;
	ret = copy_struct_from_user(&args, sizeof(args), uargs, size);
	if (ret)
		return ret;
	ret = check_syscall(&args, event, event_size);
	if (ret)
		return ret;
	target = syscall_target(fd, args.mask);
	if (IS_ERR(target))
		return PTR_ERR(target);
	lt = lwc_task_current();
	ret = IS_ERR(lt) ? PTR_ERR(lt) : lwc_syscall_check(target, args.nr);
	if (ret)
		goto out;
	ret = lwc_do_syscall(target, &args);
	if (args.flags & LWC_SYSCALL_SWITCH && !lwc_syscall_restarts(ret)) {
		ret = lwc_syscall_enter(target, ret, event, event_size);
		if (!ret)
			return lwc_syscall_result();
	}
out:
	lwc_put(target);
	return ret;
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
	if (lm && (lwc->snap || lm->limit)) {
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

/* Forked processes get twins of all lwCs: for all of them, so from a root only */
static int ctl_fork(struct lwc *cur, size_t on)
{
	if (on > 1)
		return -EINVAL;
	if (lwc_is_child(cur))
		return -EPERM;
	WRITE_ONCE(cur->proc->fork_all, on);
	return 0;
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
 * - %EPERM: ROLLBACK: the descriptor has not all rights. FORK: the caller is in
 *   an lwC that was created.
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
	if (op != LWC_CTL_INFO && op != LWC_CTL_ROLLBACK && op != LWC_CTL_FORK)
		return -EINVAL;
	lt = lwc_task_current();
	if (IS_ERR(lt))
		return PTR_ERR(lt);
	if (op == LWC_CTL_FORK)
		return ctl_fork(lt->cur, size);
	if (fd == -1)
		lwc = lwc_get(lt->cur);
	else
		lwc = op == LWC_CTL_INFO ? lwc_from_fd(fd) : lwc_from_own_fd(fd);
	if (IS_ERR(lwc))
		return PTR_ERR(lwc);
	ret = op == LWC_CTL_INFO ? ctl_info(lwc, arg, size) : lwc_rollback(lwc);
	lwc_put(lwc);
	return ret;
}
