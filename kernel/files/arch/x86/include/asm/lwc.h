/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _ASM_X86_LWC_H
#define _ASM_X86_LWC_H

#include <linux/types.h>
#include <asm/ptrace.h>

struct fpstate;
struct lwc_regs;
struct mm_struct;

/**
 * struct lwc_arch - the user state of a suspended control flow
 * @regs: general registers, as they lie on the kernel stack
 * @fps: x87, SSE, AVX ...: a buffer of its own, so that no copy is needed
 * @fsbase: FS base
 * @gsbase: GS base
 * @pkru: protection keys
 * @fsindex: selectors, zero in ordinary 64-bit code
 * @gsindex: as above
 * @es: as above
 * @ds: as above
 */
struct lwc_arch {
	struct pt_regs regs;
	struct fpstate *fps;
	unsigned long fsbase;
	unsigned long gsbase;
	u32 pkru;
	u16 fsindex;
	u16 gsindex;
	u16 es;
	u16 ds;
};

int lwc_arch_check(void);
int lwc_arch_alloc(struct lwc_arch *arch);
void lwc_arch_free(struct lwc_arch *arch);
void lwc_arch_save(struct lwc_arch *arch);
void lwc_arch_switch(struct lwc_arch *from, const struct lwc_arch *to);
void lwc_arch_copy(struct lwc_arch *to, const struct lwc_arch *from);
void lwc_arch_settle_syscall(struct pt_regs *regs);
void lwc_arch_redo_syscall(struct lwc_arch *arch);
bool lwc_arch_same_syscall(const struct lwc_arch *arch,
			   const struct pt_regs *regs);
void lwc_arch_set_result(struct lwc_arch *arch, long result);
void lwc_arch_report(const struct lwc_arch *arch, struct lwc_regs *regs);

bool lwc_arch_mm_differs(struct mm_struct *mm, struct mm_struct *snap);
void lwc_arch_mm_restore(struct mm_struct *mm, struct mm_struct *snap);

#endif /* _ASM_X86_LWC_H */
