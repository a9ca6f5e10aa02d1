/* SPDX-License-Identifier: GPL-2.0-only */
/* Putting an lwC's address space back: what mm/lwc*.c share */
#ifndef _MM_LWC_H
#define _MM_LWC_H

struct mm_struct;
struct vm_area_struct;

/**
 * struct lwc_restore - an address space becomes what another one is
 * @mm: it; tracked, nobody runs in it, locked for writing
 * @from: what it is to be, and once was a copy of; locked for writing
 * @live: @from is an lwC that runs and changes too, as its own log says; else
 *        a snapshot, which never does
 */
struct lwc_restore {
	struct mm_struct *mm;
	struct mm_struct *from;
	bool live;
};

bool lwc_can_copy(const struct lwc_restore *r, struct vm_area_struct *src);
bool lwc_linked(struct vm_area_struct *vma, struct vm_area_struct *src);
int lwc_remap(struct vm_area_struct *vma, struct vm_area_struct *src,
	      unsigned long start, unsigned long end);
int lwc_restore_pages(const struct lwc_restore *r);

#endif /* _MM_LWC_H */
