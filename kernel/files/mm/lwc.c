// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: putting an address space back to a snapshot.
 *
 * The cost is that of what was changed since: the pages in the log and the
 * mappings in the list of ranges (kernel/lwc/track.c), not what is mapped.
 *
 * A page that was written is not given back but overwritten with the
 * snapshot's content, and stays writable, because what one run writes the next
 * one writes too: that saves it a fault and an allocation. The dirty bit of its
 * entry tells whether it was, and after some runs without it is given back.
 * Overwriting is allowed only if nothing else can see the page: anonymous,
 * exclusive, no reference but the mapping's. Everything else - swapped out,
 * pinned, shared with a forked process - is unmapped, and the snapshot's page
 * mapped in its place as fork would do.
 *
 * Locking: nobody runs in the address space or in the snapshot. Both mmap
 * locks are held for writing, the snapshot's first, as in dup_mmap().
 */
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/lwc.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mman.h>
#include <linux/rmap.h>
#include <linux/sched/coredump.h>
#include <linux/security.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include <asm/lwc.h>
#include <asm/tlbflush.h>

#include "internal.h"
#include "vma.h"

/* A page kept writable is given back after this many runs that left it alone */
#define LWC_MAX_IDLE	8

enum page_fate {
	PAGE_RESTORED,		/* overwritten with the snapshot's content */
	PAGE_CLEAN,		/* was not written */
	PAGE_FOREIGN,		/* must not be overwritten */
};

static pte_t *map_pte(struct mm_struct *mm, unsigned long addr,
		      spinlock_t **ptl)
{
	pmd_t *pmd = mm_find_pmd(mm, addr);

	if (!pmd || pmd_none(*pmd) || pmd_leaf(*pmd))
		return NULL;
	return pte_offset_map_lock(mm, pmd, addr, ptl);
}

/* The snapshot's page if its entry is in memory; referenced */
static struct page *present_page(struct vm_area_struct *vma, unsigned long addr)
{
	struct page *page = NULL;
	spinlock_t *ptl;
	pte_t *ptep, pte;

	ptep = map_pte(vma->vm_mm, addr, &ptl);
	if (!ptep)
		return NULL;
	pte = ptep_get(ptep);
	if (pte_present(pte)) {
		page = is_zero_pfn(pte_pfn(pte)) ? pte_page(pte) :
						   vm_normal_page(vma, addr, pte);
		if (page)
			get_page(page);
	}
	pte_unmap_unlock(ptep, ptl);
	return page;
}

/* The snapshot's page, read in if need be; referenced. NULL if there is none. */
static struct page *snapshot_page(struct vm_area_struct *vma,
				  unsigned long addr)
{
	struct page *page = present_page(vma, addr);

	if (page)
		return page;
	if (get_user_pages_remote(vma->vm_mm, addr, 1, FOLL_FORCE, &page,
				  NULL) != 1)
		return NULL;
	return page;
}

static bool only_ours(struct page *page, bool *drained)
{
	struct folio *folio = page_folio(page);

	if (!folio_test_anon(folio) || folio_test_ksm(folio) ||
	    folio_test_large(folio) || folio_test_swapcache(folio) ||
	    !PageAnonExclusive(page))
		return false;
	/* A fresh page waits with a reference to be put on the LRU list */
	if (folio_ref_count(folio) > 1 && !folio_test_lru(folio) && !*drained) {
		lru_add_drain();
		*drained = true;
	}
	return folio_ref_count(folio) == 1;
}

static enum page_fate overwrite(struct vm_area_struct *vma, unsigned long addr,
				struct page *from, bool *drained)
{
	enum page_fate fate = PAGE_FOREIGN;
	struct page *page;
	spinlock_t *ptl;
	pte_t *ptep, pte;

	ptep = map_pte(vma->vm_mm, addr, &ptl);
	if (!ptep)
		return PAGE_FOREIGN;
	pte = ptep_get(ptep);
	if (!pte_present(pte) || !pte_write(pte))
		goto out;
	page = vm_normal_page(vma, addr, pte);
	if (!page || !only_ours(page, drained))
		goto out;
	fate = PAGE_CLEAN;
	if (pte_dirty(pte) || PageDirty(page)) {
		copy_user_highpage(page, from, addr, vma);
		set_pte_at(vma->vm_mm, addr, ptep, pte_mkclean(pte));
		fate = PAGE_RESTORED;
	}
out:
	pte_unmap_unlock(ptep, ptl);
	return fate;
}

/* Unmap what is there, and map what the snapshot has, read-only */
static int remap(struct vm_area_struct *vma, struct vm_area_struct *src,
		 unsigned long start, unsigned long end)
{
	vma_start_write(src);
	vma_start_write(vma);
	zap_page_range_single(vma, start, end - start, NULL);
	return copy_page_subrange(vma, src, start, end);
}

static enum page_fate restore_page(struct vm_area_struct *vma,
				   struct vm_area_struct *src,
				   unsigned long addr, bool *drained)
{
	struct page *from = snapshot_page(src, addr);
	enum page_fate fate;

	if (!from)
		return PAGE_FOREIGN;
	fate = overwrite(vma, addr, from, drained);
	put_page(from);
	return fate;
}

static void forget(struct lwc_mm *lm, unsigned long pfn)
{
	xa_erase(&lm->dirty, pfn);
	atomic_long_dec(&lm->nr);
	lm->dropped++;
}

static int restore_logged(struct lwc_mm *lm, struct vm_area_struct *vma,
			  struct vm_area_struct *src, unsigned long pfn,
			  unsigned long idle, bool *drained)
{
	unsigned long addr = pfn << PAGE_SHIFT;

	switch (restore_page(vma, src, addr, drained)) {
	case PAGE_RESTORED:
		lm->restored++;
		if (idle)
			xa_store(&lm->dirty, pfn, xa_mk_value(0), GFP_KERNEL);
		return 0;
	case PAGE_CLEAN:
		if (++idle <= LWC_MAX_IDLE) {
			xa_store(&lm->dirty, pfn, xa_mk_value(idle), GFP_KERNEL);
			return 0;
		}
		break;
	case PAGE_FOREIGN:
		break;
	}
	forget(lm, pfn);
	return remap(vma, src, addr, addr + PAGE_SIZE);
}

/* Huge pages of hugetlbfs are not logged one by one */
static int restore_hugetlb(struct vm_area_struct *vma,
			   struct vm_area_struct *src)
{
	return remap(vma, src, vma->vm_start, vma->vm_end);
}

static int restore_pages(struct mm_struct *mm, struct mm_struct *snap)
{
	struct vm_area_struct *vma = NULL, *src = NULL;
	struct lwc_mm *lm = mm->lwc;
	bool drained = false;
	unsigned long pfn;
	void *entry;
	int err = 0;

	xa_for_each(&lm->dirty, pfn, entry) {
		unsigned long addr = pfn << PAGE_SHIFT;

		if (!vma || addr >= vma->vm_end || addr < vma->vm_start) {
			vma = vma_lookup(mm, addr);
			src = vma_lookup(snap, addr);
			if (vma && src && is_vm_hugetlb_page(vma))
				err = restore_hugetlb(vma, src);
		}
		if (!vma || !src || is_vm_hugetlb_page(vma))
			forget(lm, pfn);
		else
			err = restore_logged(lm, vma, src, pfn,
					     xa_to_value(entry), &drained);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static bool same_mapping(struct vm_area_struct *a, struct vm_area_struct *b)
{
	return a->vm_start == b->vm_start && a->vm_end == b->vm_end &&
	       !((a->vm_flags ^ b->vm_flags) & ~VM_SOFTDIRTY) &&
	       a->vm_pgoff == b->vm_pgoff && a->vm_file == b->vm_file &&
	       a->vm_ops == b->vm_ops && vma_policy(a) == vma_policy(b) &&
	       anon_vma_name_eq(anon_vma_name(a), anon_vma_name(b)) &&
	       !userfaultfd_armed(a);
}

/* Are the mappings in the range those of the snapshot? */
static bool same_range(struct mm_struct *mm, struct mm_struct *snap,
		       unsigned long start, unsigned long end)
{
	VMA_ITERATOR(a, mm, start);
	VMA_ITERATOR(b, snap, start);
	struct vm_area_struct *x, *y;

	for (;;) {
		x = vma_find(&a, end);
		y = vma_find(&b, end);
		if (!x || !y)
			return !x && !y;
		if (!same_mapping(x, y))
			return false;
	}
}

/* Contents without a change of mappings: madvise() */
static int restore_contents(struct mm_struct *mm, struct mm_struct *snap,
			    const struct lwc_range *r)
{
	VMA_ITERATOR(vmi, snap, r->start);
	struct vm_area_struct *src, *vma;
	int err;

	for_each_vma_range(vmi, src, r->end) {
		vma = vma_lookup(mm, src->vm_start);
		if (src->vm_flags & VM_SHARED)
			continue;
		if (is_vm_hugetlb_page(src))
			err = restore_hugetlb(vma, src);
		else
			err = remap(vma, src, max(src->vm_start, r->start),
				    min(src->vm_end, r->end));
		if (err)
			return err;
	}
	return 0;
}

static int charge(struct mm_struct *mm, struct vm_area_struct *vma,
		  unsigned long pages)
{
	if (!(vma->vm_flags & VM_ACCOUNT))
		return 0;
	return security_vm_enough_memory_mm(mm, pages);
}

static void uncharge(struct vm_area_struct *vma, unsigned long pages)
{
	if (vma->vm_flags & VM_ACCOUNT)
		vm_unacct_memory(pages);
}

/**
 * lwc_insert_copy - insert a copy of a part of a mapping, as dup_mmap() does
 * @mm: where, at the same addresses; nothing is there
 * @src: a mapping of another address space
 * @start: first byte
 * @end: first byte behind
 *
 * Context: both mmap locks held for writing. The caller flushes the source's
 * translations, which are write-protected.
 *
 * Return: 0 or -ENOMEM.
 */
int lwc_insert_copy(struct mm_struct *mm, struct vm_area_struct *src,
		    unsigned long start, unsigned long end)
{
	unsigned long pages = (end - start) >> PAGE_SHIFT;
	struct vm_area_struct *vma;
	int err = -ENOMEM;

	if (charge(mm, src, pages))
		return -ENOMEM;
	vma = vm_area_dup(src);
	if (!vma)
		goto err_charge;
	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_pgoff += (start - src->vm_start) >> PAGE_SHIFT;
	vm_flags_clear(vma, VM_LOCKED_MASK);
	userfaultfd_reset_ctx(vma);
	err = vma_dup_policy(src, vma);
	if (err)
		goto err_vma;
	vma->vm_mm = mm;
	if (vma->vm_flags & VM_WIPEONFORK) {
		vma->anon_vma = NULL;
	} else {
		err = anon_vma_fork(vma, src);
		if (err)
			goto err_policy;
	}
	if (is_vm_hugetlb_page(vma))
		hugetlb_dup_vma_private(vma);
	if (vma->vm_file)
		get_file(vma->vm_file);
	if (vma->vm_ops && vma->vm_ops->open)
		vma->vm_ops->open(vma);
	err = vma_link(mm, vma);
	if (err)
		goto err_file;
	vm_stat_account(mm, vma->vm_flags, pages);
	if (vma->vm_flags & VM_WIPEONFORK)
		return 0;
	vma_start_write(src);
	return copy_page_subrange(vma, src, start, end);

err_file:
	if (vma->vm_ops && vma->vm_ops->close)
		vma->vm_ops->close(vma);
	if (vma->vm_file)
		fput(vma->vm_file);
	unlink_anon_vmas(vma);
err_policy:
	mpol_put(vma_policy(vma));
err_vma:
	vm_area_free(vma);
err_charge:
	uncharge(src, pages);
	return err;
}

/* Mappings came, went or changed: replace all that overlap, as a whole */
static int rebuild(struct mm_struct *mm, struct mm_struct *snap,
		   unsigned long start, unsigned long end, struct list_head *uf)
{
	VMA_ITERATOR(vmi, snap, start);
	struct vm_area_struct *src;
	int err;

	for_each_vma_range(vmi, src, end) {
		start = min(start, src->vm_start);
		end = max(end, src->vm_end);
	}
	err = do_munmap(mm, start, end - start, uf);
	if (err)
		return err;
	vma_iter_set(&vmi, start);
	for_each_vma_range(vmi, src, end) {
		err = lwc_insert_copy(mm, src, src->vm_start, src->vm_end);
		if (err)
			return err;
	}
	return 0;
}

static int restore_ranges(struct mm_struct *mm, struct mm_struct *snap,
			  struct list_head *uf)
{
	struct lwc_mm *lm = mm->lwc;
	unsigned int i;
	int err = 0;

	for (i = 0; i < lm->nr_ranges && !err; i++) {
		const struct lwc_range *r = &lm->ranges[i];

		if (same_range(mm, snap, r->start, r->end))
			err = restore_contents(mm, snap, r);
		else
			err = rebuild(mm, snap, r->start, r->end, uf);
	}
	lm->nr_ranges = 0;
	return err;
}

/* What prctl(PR_SET_MM), brk() and mlockall() change */
static void restore_scalars(struct mm_struct *mm, struct mm_struct *snap)
{
	mm->brk = snap->brk;
	mm->start_brk = snap->start_brk;
	mm->start_code = snap->start_code;
	mm->end_code = snap->end_code;
	mm->start_data = snap->start_data;
	mm->end_data = snap->end_data;
	mm->start_stack = snap->start_stack;
	mm->arg_start = snap->arg_start;
	mm->arg_end = snap->arg_end;
	mm->env_start = snap->env_start;
	mm->env_end = snap->env_end;
	mm->def_flags = snap->def_flags;
	memcpy(mm->saved_auxv, snap->saved_auxv, sizeof(mm->saved_auxv));
	set_mask_bits(&mm->flags, MMF_INIT_MASK, snap->flags & MMF_INIT_MASK);
#ifdef CONFIG_MEMBARRIER
	atomic_set(&mm->membarrier_state, atomic_read(&snap->membarrier_state));
#endif
	lwc_arch_mm_restore(mm, snap);
}

/* State that hangs on the address space and has no undoing */
static bool beyond_undo(struct mm_struct *mm, struct mm_struct *snap)
{
	if (mm->lwc->lost || atomic_read(&mm->mm_users) > 1)
		return true;
#ifdef CONFIG_AIO
	if (rcu_access_pointer(mm->ioctx_table))
		return true;
#endif
	if (lwc_arch_mm_differs(mm, snap))
		return true;
	return rcu_access_pointer(mm->exe_file) !=
	       rcu_access_pointer(snap->exe_file);
}

/**
 * lwc_mm_restore - put an address space back to its snapshot
 * @mm: what to put back; tracked, nobody runs in it
 * @snap: what it was copied from, unchanged since
 *
 * Return: 0, or -EAGAIN, -ENOMEM, -EPERM and whatever munmap() fails with.
 * Then @mm is of no use any more and must be replaced by a new copy.
 */
int lwc_mm_restore(struct mm_struct *mm, struct mm_struct *snap)
{
	struct lwc_mm *lm = mm->lwc;
	LIST_HEAD(uf);
	int err;

	if (beyond_undo(mm, snap))
		return -EAGAIN;
	mmap_write_lock(snap);
	mmap_write_lock_nested(mm, SINGLE_DEPTH_NESTING);
	lm->replaying = true;
	err = restore_ranges(mm, snap, &uf);
	if (!err)
		err = restore_pages(mm, snap);
	restore_scalars(mm, snap);
	lm->replaying = false;
	flush_tlb_mm(mm);
	mmap_write_unlock(mm);
	mmap_write_unlock(snap);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
}
