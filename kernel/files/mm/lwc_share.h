/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MM_LWC_SHARE_H
#define _MM_LWC_SHARE_H

unsigned long lwc_next_present(struct mm_struct *mm, unsigned long addr,
			       unsigned long end);
int lwc_insert_private(struct mm_struct *mm, struct file *file, pgoff_t pgoff,
		       unsigned long start, unsigned long end, vm_flags_t flags);

#endif /* _MM_LWC_SHARE_H */
