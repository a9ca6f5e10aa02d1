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
 * (__thp_vma_allowable_orders()).
 *
 * The log of an lwC that creates others is kept in the same way, from the copy
 * that write-protected its pages on.
 *
 * A mapping that changes is noted by its range, in the functions of mm/ that
 * change it.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"

static struct lwc_mm *log_new(unsigned long limit, bool live)
{
	struct lwc_mm *lm = kzalloc(sizeof(*lm), GFP_KERNEL_ACCOUNT);

	if (!lm)
		return NULL;
	xa_init(&lm->dirty);
	spin_lock_init(&lm->lock);
	lm->limit = limit;
	lm->live = live;
	return lm;
}

/**
 * lwc_mm_track - start the log of an address space
 * @mm: a copy that nobody has run in
 * @limit: most private pages, 0 for no limit
 *
 * Return: 0 or -ENOMEM.
 */
int lwc_mm_track(struct mm_struct *mm, unsigned long limit)
{
	mm->lwc = log_new(limit, false);
	return mm->lwc ? 0 : -ENOMEM;
}

/**
 * lwc_mm_watch - start the log of an address space that runs
 * @mm: of the calling thread, which is about to copy it, and so to
 *	write-protect its pages
 *
 * Return: 0 or -ENOMEM.
 */
int lwc_mm_watch(struct mm_struct *mm)
{
	struct lwc_mm *lm = log_new(0, true);

	if (!lm)
		return -ENOMEM;
	/* Other threads fault meanwhile */
	smp_store_release(&mm->lwc, lm);
	return 0;
}

void __lwc_mm_free(struct mm_struct *mm)
{
	xa_destroy(&mm->lwc->dirty);
	kfree(mm->lwc);
	mm->lwc = NULL;
}

/**
 * lwc_mm_forget - start the log anew
 * @mm: all that was noted has been seen to
 *
 * Context: mmap lock, or nobody else has the address space.
 */
void lwc_mm_forget(struct mm_struct *mm)
{
	struct lwc_mm *lm = mm->lwc;

	xa_destroy(&lm->dirty);
	atomic_long_set(&lm->nr, 0);
	spin_lock(&lm->lock);
	lm->nr_ranges = 0;
	lm->lost = false;
	spin_unlock(&lm->lock);
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

static void note_range(struct lwc_mm *lm, unsigned long start,
		       unsigned long end)
{
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
	/* Of a huge page that is ours alone, all becomes writable at once */
	if (lm->live && lwc_mm_huge(vma->vm_mm, addr))
		note_range(lm, addr & PMD_MASK, (addr & PMD_MASK) + PMD_SIZE);
	old = xa_load(&lm->dirty, pfn);
	if (old)
		return 0;
	if (unlikely(exhausted(lm)))
		return refuse(vma, addr, flags, regs);
	old = xa_cmpxchg(&lm->dirty, pfn, NULL, xa_mk_value(0),
			 GFP_KERNEL_ACCOUNT);
	if (xa_is_err(old))
		return VM_FAULT_OOM;
	if (!old) {
		xa_set_mark(&lm->dirty, pfn, XA_MARK_0);
		atomic_long_inc(&lm->nr);
	}
	return 0;
}

void __lwc_mm_changed(struct mm_struct *mm, unsigned long start,
		      unsigned long end)
{
	struct lwc_mm *lm = mm->lwc;

	mmap_assert_locked(mm);
	if (!lm->replaying)
		note_range(lm, start, end);
}
