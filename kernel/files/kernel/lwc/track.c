// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: which pages an lwC wrote.
 *
 * All pages of a copy are write-protected or absent, so that the first write
 * to each, by user space or by the kernel on its behalf, comes through
 * handle_mm_fault() with FAULT_FLAG_WRITE. There it is noted before the page
 * can change. What makes a page writable without such a fault does so only for
 * pages that are exclusively the lwC's, thus noted before. The exception,
 * collapsing small pages into a huge one, is off for a tracked address space
 * (vma_thp_disabled()).
 *
 * A mapping that changes is noted by its range, in the functions of mm/ that
 * change it.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * lwc_mm_track - start the log of an address space
 * @mm: a copy that nobody has run in
 * @limit: most private pages, 0 for no limit
 *
 * Return: 0 or -ENOMEM.
 */
int lwc_mm_track(struct mm_struct *mm, unsigned long limit)
{
	struct lwc_mm *lm = kzalloc(sizeof(*lm), GFP_KERNEL_ACCOUNT);

	if (!lm)
		return -ENOMEM;
	xa_init(&lm->dirty);
	spin_lock_init(&lm->lock);
	lm->limit = limit;
	mm->lwc = lm;
	return 0;
}

void __lwc_mm_free(struct mm_struct *mm)
{
	xa_destroy(&mm->lwc->dirty);
	kfree(mm->lwc);
	mm->lwc = NULL;
}

static bool exhausted(struct lwc_mm *lm)
{
	return lm->limit && atomic_long_read(&lm->nr) >= lm->limit;
}

/*
 * The limit is reached. A fault from user mode is given up as for a signal,
 * and the thread leaves the lwC on its way out; one from kernel mode lets the
 * system call fail with EFAULT first.
 */
static vm_fault_t refuse(struct vm_area_struct *vma, unsigned long addr,
			 unsigned int flags, struct pt_regs *regs)
{
	struct lwc_task *lt = current->lwc;

	if (!lt || !lt->cur || lt->cur->mm != vma->vm_mm)
		return VM_FAULT_SIGBUS;
	lt->fault_addr = addr;
	set_bit(LWC_PENDING_MEMORY, &lt->pending);
	set_notify_signal(current);
	if (!(flags & FAULT_FLAG_USER) || !regs)
		return VM_FAULT_SIGBUS;
	if (flags & FAULT_FLAG_VMA_LOCK)
		vma_end_read(vma);
	else
		mmap_read_unlock(vma->vm_mm);
	return VM_FAULT_RETRY;
}

vm_fault_t __lwc_mm_fault(struct vm_area_struct *vma, unsigned long addr,
			  unsigned int flags, struct pt_regs *regs)
{
	struct lwc_mm *lm = vma->vm_mm->lwc;
	unsigned long pfn = addr >> PAGE_SHIFT;
	void *old;

	if (!(flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)))
		return 0;
	if (vma->vm_flags & VM_SHARED)
		return 0;
	atomic64_inc(&lm->faults);
	old = xa_load(&lm->dirty, pfn);
	if (old)
		return 0;
	if (unlikely(exhausted(lm)))
		return refuse(vma, addr, flags, regs);
	old = xa_cmpxchg(&lm->dirty, pfn, NULL, xa_mk_value(0),
			 GFP_KERNEL_ACCOUNT);
	if (xa_is_err(old))
		return VM_FAULT_OOM;
	if (!old)
		atomic_long_inc(&lm->nr);
	return 0;
}

static bool merge_range(struct lwc_mm *lm, unsigned long start,
			unsigned long end)
{
	unsigned int i;

	for (i = 0; i < lm->nr_ranges; i++) {
		struct lwc_range *r = &lm->ranges[i];

		if (end < r->start || start > r->end)
			continue;
		r->start = min(r->start, start);
		r->end = max(r->end, end);
		return true;
	}
	return false;
}

void __lwc_mm_changed(struct mm_struct *mm, unsigned long start,
		      unsigned long end)
{
	struct lwc_mm *lm = mm->lwc;

	mmap_assert_locked(mm);
	if (lm->replaying)
		return;
	spin_lock(&lm->lock);
	if (merge_range(lm, start, end))
		goto out;
	if (lm->nr_ranges < LWC_MAX_RANGES)
		lm->ranges[lm->nr_ranges++] = (struct lwc_range) { start, end };
	else
		lm->lost = true;
out:
	spin_unlock(&lm->lock);
}
