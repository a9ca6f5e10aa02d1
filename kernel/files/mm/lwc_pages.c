// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: putting pages back.
 *
 * A page that was written is overwritten in place with what it was, and stays
 * writable, because the next run will write it too. What cannot be overwritten
 * is unmapped, and the source's page mapped read-only, as fork does.
 *
 * Logged pages lie close together, so the page tables of both address spaces
 * are looked up once for all pages in a page table, not once for each page.
 */
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/io_uring.h>
#include <linux/lwc.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/rmap.h>
#include <linux/swap.h>
#include <linux/userfaultfd_k.h>

#include <asm/tlbflush.h>

#include "internal.h"
#include "lwc.h"

/* A page kept writable is given back after this many runs that left it alone */
#define LWC_MAX_IDLE	8

/* Logged pages are taken from the log in portions of this many */
#define LWC_BATCH	64

enum page_fate {
	PAGE_RESTORED,		/* had been written, and is what it was */
	PAGE_CLEAN,		/* had not been written, and is what it was */
	PAGE_ABSENT,		/* the source's page must be read in first */
	PAGE_FOREIGN,		/* must not be overwritten */
};

/**
 * struct window - a page table of each of both address spaces, locked
 * @vma: mapping
 * @src: that of the source
 * @start: first address
 * @end: first address behind what both mappings and page tables have; 0: closed
 * @ptep: entry of @start
 * @src_ptep: that of the source
 * @ptl: lock
 * @src_ptl: that of the source
 */
struct window {
	struct vm_area_struct *vma;
	struct vm_area_struct *src;
	unsigned long start;
	unsigned long end;
	pte_t *ptep;
	pte_t *src_ptep;
	spinlock_t *ptl;	/* page table lock */
	spinlock_t *src_ptl;	/* page table lock */
};

/* A logged page, and how many runs in succession left it alone */
struct logged {
	unsigned long pfn;
	unsigned long idle;
};

static pmd_t *small_pmd(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = mm_find_pmd(mm, addr);

	return !pmd || pmd_none(*pmd) || pmd_leaf(*pmd) ? NULL : pmd;
}

/* Is there a huge page? For who holds the mapping's lock. */
bool lwc_mm_huge(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = mm_find_pmd(mm, addr);

	return pmd && pmd_trans_huge(*pmd);
}

static bool open_window(struct window *w, unsigned long addr)
{
	pmd_t *pmd = small_pmd(w->vma->vm_mm, addr);
	pmd_t *src_pmd = small_pmd(w->src->vm_mm, addr);

	if (!pmd || !src_pmd)
		return false;
	w->ptep = pte_offset_map_lock(w->vma->vm_mm, pmd, addr, &w->ptl);
	if (!w->ptep)
		return false;
	w->src_ptep = pte_offset_map_nolock(w->src->vm_mm, src_pmd, addr,
					    &w->src_ptl);
	if (!w->src_ptep) {
		pte_unmap_unlock(w->ptep, w->ptl);
		return false;
	}
	spin_lock_nested(w->src_ptl, SINGLE_DEPTH_NESTING);
	w->start = addr;
	w->end = pmd_addr_end(addr, min(w->vma->vm_end, w->src->vm_end));
	return true;
}

static void close_window(struct window *w)
{
	if (!w->end)
		return;
	pte_unmap_unlock(w->src_ptep, w->src_ptl);
	pte_unmap_unlock(w->ptep, w->ptl);
	w->end = 0;
}

static bool only_ours(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (!folio_test_anon(folio) || folio_test_ksm(folio) ||
	    folio_test_large(folio) || folio_test_swapcache(folio) ||
	    !PageAnonExclusive(page))
		return false;
	/* A fresh page waits with a reference to be put on the LRU list */
	if (folio_ref_count(folio) > 1 && !folio_test_lru(folio))
		lru_add_drain();
	return folio_ref_count(folio) == 1;
}

static struct page *source_page(const struct window *w, unsigned long addr)
{
	pte_t pte = ptep_get(w->src_ptep + ((addr - w->start) >> PAGE_SHIFT));

	if (!pte_present(pte))
		return NULL;
	return is_zero_pfn(pte_pfn(pte)) ? pte_page(pte) :
					   vm_normal_page(w->src, addr, pte);
}

/* A clean page is what it was, unless the source changed */
static enum page_fate overwrite(const struct window *w, unsigned long addr,
				bool live)
{
	pte_t *ptep = w->ptep + ((addr - w->start) >> PAGE_SHIFT);
	pte_t pte = ptep_get(ptep);
	struct page *page, *from;
	bool dirty;

	if (!pte_present(pte) || !pte_write(pte))
		return PAGE_FOREIGN;
	page = vm_normal_page(w->vma, addr, pte);
	if (!page || !only_ours(page))
		return PAGE_FOREIGN;
	dirty = pte_dirty(pte) || PageDirty(page);
	if (!dirty && !live)
		return PAGE_CLEAN;
	from = source_page(w, addr);
	if (!from)
		return PAGE_ABSENT;
	copy_user_highpage(page, from, addr, w->vma);
	if (!dirty)
		return PAGE_CLEAN;
	set_pte_at(w->vma->vm_mm, addr, ptep, pte_mkclean(pte));
	return PAGE_RESTORED;
}

/* Have the source's page read in. False if it has none. */
static bool read_in(struct vm_area_struct *src, unsigned long addr)
{
	struct page *page;

	if (get_user_pages_remote(src->vm_mm, addr, 1, FOLL_FORCE, &page,
				  NULL) != 1)
		return false;
	put_page(page);
	return true;
}

static enum page_fate restore_page(struct window *w, unsigned long addr,
				   bool live)
{
	enum page_fate fate;
	bool again = true;

	for (;;) {
		if (addr >= w->end) {
			close_window(w);
			if (!open_window(w, addr))
				return PAGE_FOREIGN;
		}
		fate = overwrite(w, addr, live);
		if (fate != PAGE_ABSENT)
			return fate;
		close_window(w);
		if (!again || !read_in(w->src, addr))
			return PAGE_FOREIGN;
		again = false;
	}
}

/*
 * A huge page can be copied as a whole only, and only to where there is no page
 * table, which a copy that wrote to its part of it has.
 */
static void split_huge_pages(struct vm_area_struct *src, unsigned long start,
			     unsigned long end)
{
	unsigned long addr;
	pmd_t *pmd;

	if (is_vm_hugetlb_page(src))
		return;
	for (addr = start & PMD_MASK; addr < end; addr += PMD_SIZE) {
		pmd = mm_find_pmd(src->vm_mm, addr);
		if (pmd && pmd_trans_huge(*pmd))
			split_huge_pmd(src, pmd, addr);
	}
}

/**
 * lwc_remap - unmap what is there, and map what the source has, read-only
 * @vma: mapping
 * @src: that of the source
 * @start: first address
 * @end: first address behind
 *
 * Return: 0 or -ENOMEM.
 */
int lwc_remap(struct vm_area_struct *vma, struct vm_area_struct *src,
	      unsigned long start, unsigned long end)
{
	vma_start_write(src);
	vma_start_write(vma);
	split_huge_pages(src, start, end);
	zap_page_range_single(vma, start, end - start, NULL);
	return copy_page_subrange(vma, src, start, end);
}

static void forget(struct lwc_mm *lm, unsigned long pfn)
{
	xa_erase(&lm->dirty, pfn);
	atomic_long_dec(&lm->nr);
	lm->dropped++;
}

static void note_idle(struct lwc_mm *lm, unsigned long pfn, unsigned long idle)
{
	xa_store(&lm->dirty, pfn, xa_mk_value(idle), GFP_KERNEL);
}

static int restore_logged(const struct lwc_restore *r, struct window *w,
			  const struct logged *l)
{
	unsigned long addr = l->pfn << PAGE_SHIFT;
	struct lwc_mm *lm = r->mm->lwc;

	switch (restore_page(w, addr, r->live)) {
	case PAGE_RESTORED:
		lm->restored++;
		if (l->idle)
			note_idle(lm, l->pfn, 0);
		return 0;
	case PAGE_CLEAN:
		if (l->idle < LWC_MAX_IDLE) {
			note_idle(lm, l->pfn, l->idle + 1);
			return 0;
		}
		break;
	default:
		break;
	}
	close_window(w);
	forget(lm, l->pfn);
	return lwc_remap(w->vma, w->src, addr, addr + PAGE_SIZE);
}

/* The next logged pages from @pfn on; returns how many */
static unsigned int next_logged(struct lwc_mm *lm, unsigned long pfn,
				struct logged *batch)
{
	XA_STATE(xas, &lm->dirty, pfn);
	unsigned int nr = 0;
	void *entry;

	rcu_read_lock();
	/* The pages are far apart, and marks are found without trying slots */
	xas_for_each_marked(&xas, entry, ULONG_MAX, XA_MARK_0) {
		if (xas_retry(&xas, entry))
			continue;
		batch[nr].pfn = xas.xa_index;
		batch[nr].idle = xa_to_value(entry);
		if (++nr == LWC_BATCH)
			break;
	}
	rcu_read_unlock();
	return nr;
}

/**
 * lwc_linked - can a mapping take the pages of the source?
 * @vma: mapping
 * @src: that of the source
 *
 * Not if it was made since, nor if the source had no page of its own then: what
 * looks for the users of a page (rmap) would not find it, and a fork would
 * take it for a mapping without pages of its own.
 *
 * Return: whether it can.
 */
bool lwc_linked(struct vm_area_struct *vma, struct vm_area_struct *src)
{
	struct anon_vma_chain *avc;

	if (!src->anon_vma)
		return true;
	list_for_each_entry(avc, &vma->anon_vma_chain, same_vma)
		if (avc->anon_vma == src->anon_vma)
			return true;
	return false;
}

/**
 * lwc_can_copy - can a part of a mapping be copied, by itself?
 * @r: what is being done
 * @src: the source's mapping
 *
 * What fork treats in its own way does not occur in a snapshot.
 *
 * Return: whether it can.
 */
bool lwc_can_copy(const struct lwc_restore *r, struct vm_area_struct *src)
{
	const unsigned long special = VM_DONTCOPY | VM_WIPEONFORK | VM_LOCKED |
				      VM_PFNMAP | VM_MIXEDMAP | VM_HUGETLB;

	if (!r->live)
		return true;
	return !(src->vm_flags & special || userfaultfd_armed(src) ||
		 (src->vm_file && io_is_uring_fops(src->vm_file)));
}

/* Find the mappings of an address; -ENOENT if it is in none, -EAGAIN: give up */
static int find_mappings(const struct lwc_restore *r, struct window *w,
			 unsigned long addr)
{
	int err = 0;

	if (w->vma && addr >= w->vma->vm_start && addr < w->vma->vm_end)
		return 0;
	close_window(w);
	w->vma = vma_lookup(r->mm, addr);
	w->src = vma_lookup(r->from, addr);
	if (!w->vma || !w->src)
		err = r->live && (w->vma || w->src) ? -EAGAIN : -ENOENT;
	else if (r->live && !(lwc_can_copy(r, w->src) && lwc_linked(w->vma, w->src)))
		err = -EAGAIN;
	else if (is_vm_hugetlb_page(w->vma))
		/* Not logged one by one */
		err = lwc_remap(w->vma, w->src, w->vma->vm_start,
				w->vma->vm_end) ?: -ENOENT;
	if (err)
		w->vma = NULL;
	return err;
}

static int restore_batch(const struct lwc_restore *r, struct window *w,
			 const struct logged *batch, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		err = find_mappings(r, w, batch[i].pfn << PAGE_SHIFT);
		if (err == -ENOENT) {
			forget(r->mm->lwc, batch[i].pfn);
			err = 0;
		} else if (!err) {
			err = restore_logged(r, w, &batch[i]);
		}
	}
	close_window(w);
	return err;
}

static int restore_own(const struct lwc_restore *r)
{
	struct logged batch[LWC_BATCH];
	struct window w = { };
	unsigned long pfn = 0;
	unsigned int nr;
	int err;

	do {
		nr = next_logged(r->mm->lwc, pfn, batch);
		err = restore_batch(r, &w, batch, nr);
		if (nr)
			pfn = batch[nr - 1].pfn + 1;
		cond_resched();
	} while (nr == LWC_BATCH && !err);
	return err;
}

/* What the source wrote, and the copy did not: share it again */
static int restore_others(const struct lwc_restore *r)
{
	struct logged batch[LWC_BATCH];
	unsigned long pfn = 0, addr;
	struct window w = { };
	unsigned int nr, i;
	int err = 0;

	do {
		nr = next_logged(r->from->lwc, pfn, batch);
		for (i = 0; i < nr && !err; i++) {
			pfn = batch[i].pfn;
			if (xa_load(&r->mm->lwc->dirty, pfn))
				continue;
			addr = pfn << PAGE_SHIFT;
			err = find_mappings(r, &w, addr);
			if (!err)
				err = lwc_remap(w.vma, w.src, addr,
						addr + PAGE_SIZE);
			else if (err == -ENOENT)
				err = 0;
		}
		pfn++;
		cond_resched();
	} while (nr == LWC_BATCH && !err);
	return err;
}

/**
 * lwc_restore_pages - put back what the logs name
 * @r: what is being done; mappings have been put back
 *
 * Return: 0, -ENOMEM, or -EAGAIN: not in this way.
 */
int lwc_restore_pages(const struct lwc_restore *r)
{
	int err = restore_own(r);

	if (!err && r->live)
		err = restore_others(r);
	return err;
}
