// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: the registers of x86-64.
 *
 * A thread that switches stays on its kernel stack; only what user space can
 * see is exchanged: the saved registers at the top of that stack, the segment
 * bases, protection keys and the extended (FPU) state. The last is saved from
 * and loaded into the registers directly, so that the thread's own fpstate
 * stays what it always is while a task runs: stale memory.
 */
#include <linux/lwc.h>
#include <linux/ptrace.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <uapi/linux/lwc.h>

#include <asm/fpu/api.h>
#include <asm/fpu/signal.h>
#include <asm/fpu/xstate.h>
#include <asm/fsgsbase.h>
#include <asm/gsseg.h>
#include <asm/lwc.h>
#include <asm/pkru.h>
#include <asm/prctl.h>
#include <asm/segment.h>
#include <asm/syscall.h>

#include "fpu/internal.h"
#include "fpu/context.h"
#include "fpu/legacy.h"
#include "fpu/xstate.h"

/**
 * lwc_arch_check - can the calling thread's user state be switched?
 *
 * 32-bit programs cannot call lwc_create(); that an lwC runs some 32-bit code
 * does no harm, as the segment selectors are part of what is saved.
 *
 * Return: 0, or -EOPNOTSUPP for state that would be lost: a user shadow
 * stack, dynamically enlarged extended state (AMX), or a processor without
 * XSAVE.
 */
int lwc_arch_check(void)
{
	if (!cpu_feature_enabled(X86_FEATURE_XSAVE))
		return -EOPNOTSUPP;
	if (current->thread.fpu.fpstate->is_valloc)
		return -EOPNOTSUPP;
#ifdef CONFIG_X86_USER_SHADOW_STACK
	if (current->thread.features & ARCH_SHSTK_SHSTK)
		return -EOPNOTSUPP;
#endif
	return 0;
}

static size_t fps_size(void)
{
	return offsetof(struct fpstate, regs) + fpu_kernel_cfg.default_size;
}

/**
 * lwc_arch_alloc - get the buffer for the extended state
 * @arch: where to put it
 *
 * Return: 0 or -ENOMEM.
 */
int lwc_arch_alloc(struct lwc_arch *arch)
{
	/* A power of two, because only that is aligned as XSAVE wants it */
	size_t size = roundup_pow_of_two(fps_size());
	struct fpstate *fps = kzalloc(size, GFP_KERNEL_ACCOUNT);

	if (!fps)
		return -ENOMEM;
	fps->size = fpu_kernel_cfg.default_size;
	fps->user_size = fpu_user_cfg.default_size;
	fps->xfeatures = fpu_kernel_cfg.default_features;
	fps->user_xfeatures = fpu_user_cfg.default_features;
	fps->xfd = init_fpstate.xfd;
	fpstate_init_user(fps);
	arch->fps = fps;
	return 0;
}

void lwc_arch_free(struct lwc_arch *arch)
{
	kfree(arch->fps);
	arch->fps = NULL;
}

static void save_segments(struct lwc_arch *arch)
{
	struct thread_struct *t = &current->thread;

	current_save_fsgs();
	arch->fsindex = t->fsindex;
	arch->gsindex = t->gsindex;
	arch->fsbase = t->fsbase;
	arch->gsbase = t->gsbase;
	savesegment(es, arch->es);
	savesegment(ds, arch->ds);
}

/*
 * After save_segments(), so that the thread's are known. In ordinary programs all
 * selectors are zero. Not x86_fsbase_write_task(), which must not be used on
 * current.
 */
static void load_segments(const struct lwc_arch *arch)
{
	struct thread_struct *t = &current->thread;

	preempt_disable();
	if (unlikely(arch->es | t->es)) {
		loadsegment(es, arch->es);
		t->es = arch->es;
	}
	if (unlikely(arch->ds | t->ds)) {
		loadsegment(ds, arch->ds);
		t->ds = arch->ds;
	}
	if (unlikely(arch->fsindex | t->fsindex))
		loadsegment(fs, arch->fsindex);
	if (unlikely(arch->gsindex | t->gsindex))
		load_gs_index(arch->gsindex);
	x86_fsbase_write_cpu(arch->fsbase);
	if (arch->gsbase != t->gsbase || arch->gsindex | t->gsindex)
		x86_gsbase_write_cpu_inactive(arch->gsbase);
	t->fsindex = arch->fsindex;
	t->gsindex = arch->gsindex;
	t->fsbase = arch->fsbase;
	t->gsbase = arch->gsbase;
	preempt_enable();
}

/* Under fpregs_lock() */
static void save_extended(struct lwc_arch *arch)
{
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		fpregs_restore_userregs();
	os_xsave(arch->fps);
	if (cpu_feature_enabled(X86_FEATURE_OSPKE))
		arch->pkru = rdpkru();
}

/*
 * Under fpregs_lock(). What is in the registers, or waits in the thread's own
 * fpstate to be loaded into them, is not needed any more.
 */
static void load_extended(const struct lwc_arch *arch)
{
	restore_fpregs_from_fpstate(arch->fps, XFEATURE_MASK_FPSTATE);
	fpregs_activate(&current->thread.fpu);
	current->thread.fpu.last_cpu = smp_processor_id();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		clear_thread_flag(TIF_NEED_FPU_LOAD);
	if (cpu_feature_enabled(X86_FEATURE_OSPKE)) {
		wrpkru(arch->pkru);
		current->thread.pkru = arch->pkru;
	}
}

/**
 * lwc_arch_save - save the user state of the running thread
 * @arch: where; has its buffer
 *
 * The thread goes on with it.
 */
void lwc_arch_save(struct lwc_arch *arch)
{
	arch->regs = *current_pt_regs();
	save_segments(arch);
	fpregs_lock();
	save_extended(arch);
	fpregs_unlock();
}

/**
 * lwc_arch_switch - give the running thread another user state
 * @from: where to save the one it has; has its buffer
 * @to: the other one
 */
void lwc_arch_switch(struct lwc_arch *from, const struct lwc_arch *to)
{
	struct pt_regs *regs = current_pt_regs();

	from->regs = *regs;
	*regs = to->regs;
	save_segments(from);
	load_segments(to);
	fpregs_lock();
	save_extended(from);
	load_extended(to);
	fpregs_unlock();
}

/**
 * lwc_arch_copy - copy a saved user state, with its extended part
 * @to: has its own buffer
 * @from: another one
 */
void lwc_arch_copy(struct lwc_arch *to, const struct lwc_arch *from)
{
	struct fpstate *fps = to->fps;

	memcpy(&fps->regs, &from->fps->regs, fpu_kernel_cfg.default_size);
	*to = *from;
	to->fps = fps;
}

/**
 * lwc_arch_settle_syscall - make an interrupted system call's registers final
 * @regs: user registers on the way out of the kernel
 *
 * The same that arch_do_signal_or_restart() does without a handler, but for a
 * call that would continue with restart_syscall(2): the thread has only one
 * restart block, so that such a call fails with EINTR.
 */
void lwc_arch_settle_syscall(struct pt_regs *regs)
{
	if (syscall_get_nr(current, regs) == -1)
		return;
	switch (syscall_get_error(current, regs)) {
	case -ERESTARTNOHAND:
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
		regs->ax = regs->orig_ax;
		regs->ip -= 2;
		break;
	case -ERESTART_RESTARTBLOCK:
		regs->ax = -EINTR;
		break;
	}
	regs->orig_ax = -1;
}

/* Let a trapped system call be made once more when its flow is resumed */
void lwc_arch_redo_syscall(struct lwc_arch *arch)
{
	arch->regs.ax = arch->regs.orig_ax;
	arch->regs.ip -= 2;
	arch->regs.orig_ax = -1;
}

/*
 * Is the system call that is being entered the one that lwc_arch_redo_syscall()
 * prepared: the same number and arguments, from the same place? The arguments
 * are in different registers in the different ABIs, so all are compared.
 */
bool lwc_arch_same_syscall(const struct lwc_arch *arch,
			   const struct pt_regs *regs)
{
	const struct pt_regs *r = &arch->regs;

	return (int)r->ax == (int)regs->orig_ax && r->ip + 2 == regs->ip &&
	       r->di == regs->di && r->si == regs->si && r->dx == regs->dx &&
	       r->r10 == regs->r10 && r->r8 == regs->r8 && r->r9 == regs->r9 &&
	       r->bx == regs->bx && r->cx == regs->cx && r->bp == regs->bp;
}

void lwc_arch_set_result(struct lwc_arch *arch, long result)
{
	arch->regs.ax = result;
	arch->regs.orig_ax = -1;
}

/* Write the registers of a suspended flow in the layout of the ABI */
void lwc_arch_report(const struct lwc_arch *arch, struct lwc_regs *out)
{
	const struct pt_regs *r = &arch->regs;

	*out = (struct lwc_regs) {
		.r15 = r->r15, .r14 = r->r14, .r13 = r->r13, .r12 = r->r12,
		.bp = r->bp, .bx = r->bx, .r11 = r->r11, .r10 = r->r10,
		.r9 = r->r9, .r8 = r->r8, .ax = r->ax, .cx = r->cx,
		.dx = r->dx, .si = r->si, .di = r->di,
		/* The kernel looks at 32 bits of it only, and so must a monitor */
		.orig_ax = (int)r->orig_ax,
		.ip = r->ip, .cs = r->cs, .flags = r->flags, .sp = r->sp,
		.ss = r->ss, .fs_base = arch->fsbase, .gs_base = arch->gsbase,
	};
}

/* Is there state of the address space that cannot be put back in place? */
bool lwc_arch_mm_differs(struct mm_struct *mm, struct mm_struct *snap)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	return mm->context.ldt || snap->context.ldt;
#else
	return false;
#endif
}

/* Put back what can be */
void lwc_arch_mm_restore(struct mm_struct *mm, struct mm_struct *snap)
{
	mm->context.vdso = snap->context.vdso;
#ifdef CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS
	mm->context.pkey_allocation_map = snap->context.pkey_allocation_map;
	mm->context.execute_only_pkey = snap->context.execute_only_pkey;
#endif
}
