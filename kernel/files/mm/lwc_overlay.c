// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: mapping what another lwC has, and copying ahead.
 */
#include <linux/hugetlb.h>
#include <linux/io_uring.h>
#include <linux/lwc.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>

#include <asm/tlbflush.h>

#include "internal.h"
#include "lwc_share.h"
#include "vma.h"

/* Write to it without changing it */
static int copy_page_now(struct mm_struct *mm, unsigned long addr)
{
	struct page *page;
	long got;

	if (fatal_signal_pending(current))
		return -EINTR;
	got = get_user_pages_remote(mm, addr, 1, FOLL_WRITE, &page, NULL);
	if (got != 1)
		return got == -EINTR ? -EINTR : -ENOMEM;
	put_page(page);
	return 0;
}

/**
 * lwc_mm_refuse_rings - is a ring of io_uring mapped?
 * @mm: an address space that nobody has run in
 *
 * Return: -EBUSY if so, or 0.
 */
int lwc_mm_refuse_rings(struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;
	int err = 0;

	mmap_read_lock(mm);
	for_each_vma(vmi, vma)
		if (vma->vm_file && io_is_uring_fops(vma->vm_file))
			err = -EBUSY;
	mmap_read_unlock(mm);
	return err;
}

/**
 * lwc_mm_prefault - copy now what the first write would copy
 * @mm: an address space that nobody has run in
 *
 * Return: 0, -EINTR, or -ENOMEM: also if it would have more private pages
 * than it may.
 */
int lwc_mm_prefault(struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;
	unsigned long addr;
	int err = 0;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for_each_vma(vmi, vma) {
		if (!(vma->vm_flags & VM_WRITE) || vma->vm_flags & VM_SHARED ||
		    !vma->anon_vma || is_vm_hugetlb_page(vma))
			continue;
		addr = vma->vm_start;
		while (!err) {
			addr = lwc_next_present(mm, addr, vma->vm_end);
			if (addr >= vma->vm_end)
				break;
			err = copy_page_now(mm, addr);
			addr += PAGE_SIZE;
			cond_resched();
		}
	}
	mmap_read_unlock(mm);
	return err;
}

static int copy_shared(struct mm_struct *to, struct vm_area_struct *src,
		       unsigned long start, unsigned long end)
{
	pgoff_t pgoff = src->vm_pgoff + ((start - src->vm_start) >> PAGE_SHIFT);

	return lwc_insert_private(to, src->vm_file, pgoff, start, end,
				  src->vm_flags);
}

/*
 * To copy does not give the right to write to what is shared. Memory can be
 * copied; a file that is mapped shared cannot.
 */
static bool copies_shared(const struct vm_area_struct *vma, bool share)
{
	return !share && vma->vm_flags & VM_SHARED && vma->vm_file &&
	       shmem_mapping(vma->vm_file->f_mapping);
}

static bool cannot_copy(const struct vm_area_struct *vma, bool share)
{
	return !share && vma->vm_flags & VM_SHARED &&
	       vma->vm_flags & VM_MAYWRITE && !copies_shared(vma, share);
}

/* fork does not copy it, so an overlay does not take it */
static bool is_left_out(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_DONTCOPY;
}

static bool splits_huge_page(struct vm_area_struct *vma, unsigned long start,
			     unsigned long end)
{
	if (!is_vm_hugetlb_page(vma))
		return false;
	return (start | end) & ~huge_page_mask(hstate_vma(vma));
}

/**
 * lwc_mm_overlay_check - can an overlay be made?
 * @to: where
 * @from: of what
 * @start: first byte
 * @end: first byte behind
 * @share: to share, not to copy
 *
 * Context: both mmap locks held for writing.
 *
 * Return: 0, or -EOPNOTSUPP for a ring of io_uring, which belongs to its
 * address space, and for a copy of a file that is mapped shared; -EINVAL a
 * huge page of hugetlbfs would be split; -EPERM a
 * sealed mapping would be replaced; -ENOMEM too many mappings.
 */
int lwc_mm_overlay_check(struct mm_struct *to, struct mm_struct *from,
			 unsigned long start, unsigned long end, bool share)
{
	VMA_ITERATOR(vmi, from, start);
	VMA_ITERATOR(old, to, start);
	struct vm_area_struct *vma;
	int count = to->map_count + 2;

	for_each_vma_range(vmi, vma, end) {
		if (is_left_out(vma))
			continue;
		if (vma->vm_file && io_is_uring_fops(vma->vm_file))
			return -EOPNOTSUPP;
		if (cannot_copy(vma, share))
			return -EOPNOTSUPP;
		if (splits_huge_page(vma, max(start, vma->vm_start),
				     min(end, vma->vm_end)))
			return -EINVAL;
		/* One more here, and perhaps two pieces of what is cut there */
		count += 2;
	}
	for_each_vma_range(old, vma, end) {
		if (!can_modify_vma(vma))
			return -EPERM;
		if (splits_huge_page(vma, max(start, vma->vm_start),
				     min(end, vma->vm_end)))
			return -EINVAL;
	}
	return count > sysctl_max_map_count ? -ENOMEM : 0;
}

/* Only all of a huge page can be copied as one */
static void split_huge_page_at(struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmd;

	if (IS_ALIGNED(addr, PMD_SIZE) || is_vm_hugetlb_page(vma))
		return;
	pmd = mm_find_pmd(vma->vm_mm, addr & PMD_MASK);
	if (pmd && pmd_trans_huge(*pmd))
		split_huge_pmd(vma, pmd, addr & PMD_MASK);
}

/**
 * lwc_mm_overlay - map what another address space has, in place of the own
 * @to: where
 * @from: of what
 * @start: first byte
 * @end: first byte behind
 * @share: to share what lwc_mm_share() has prepared, not to copy
 * @uf: for userfaultfd_unmap_complete(@to)
 *
 * Private memory becomes copy-on-write. Where @from has nothing, @to keeps what
 * it has.
 *
 * Context: both mmap locks held for writing.
 *
 * Return: 0, -ENOMEM or what munmap() fails with. Then a part may be missing.
 */
int lwc_mm_overlay(struct mm_struct *to, struct mm_struct *from,
		   unsigned long start, unsigned long end, bool share,
		   struct list_head *uf)
{
	VMA_ITERATOR(vmi, from, start);
	struct vm_area_struct *vma;
	int err = 0;

	for_each_vma_range(vmi, vma, end) {
		unsigned long s = max(start, vma->vm_start);
		unsigned long e = min(end, vma->vm_end);

		if (is_left_out(vma))
			continue;
		err = do_munmap(to, s, e - s, uf);
		if (err)
			break;
		lwc_mm_changed(to, s, e);
		vma_start_write(vma);
		split_huge_page_at(vma, s);
		split_huge_page_at(vma, e);
		err = copies_shared(vma, share) ? copy_shared(to, vma, s, e) :
						  lwc_insert_copy(to, vma, s, e);
		if (err)
			break;
	}
	flush_tlb_mm(from);
	return err;
}
