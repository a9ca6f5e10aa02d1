/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_LWC_TYPES_H
#define _LINUX_LWC_TYPES_H

#include <linux/mm_types.h>

/* Are changes to this address space noted, to be undone? */
static inline bool lwc_mm_tracked(const struct mm_struct *mm)
{
#ifdef CONFIG_LWC
	return mm->lwc;
#else
	return false;
#endif
}

#endif /* _LINUX_LWC_TYPES_H */
