// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: putting an address space back.
 *
 * The cost is that of what was changed since: the pages in the log and the
 * mappings in the list of ranges (kernel/lwc/track.c), not what is mapped. Here
 * are the mappings, in lwc_pages.c the pages.
 *
 * What an address space is put back to is a snapshot, or, when the address
 * space of an lwC that is gone is used for the next one, the lwC that creates
 * it. That one has run and changed since, as its own log tells.
 *
 * Locking: nobody runs in the address space or in the snapshot. Both mmap
 * locks are held for writing, that of what is copied first, as in dup_mmap().
 */
#include <linux/hugetlb.h>
#include <linux/lwc.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/rmap.h>
#include <linux/sched/coredump.h>
#include <linux/security.h>
#include <linux/userfaultfd_k.h>

#include <asm/lwc.h>
#include <asm/tlbflush.h>

#include "internal.h"
#include "lwc.h"
#include "vma.h"

/* Is @a what @b is, so that only pages have to be put back? */
static bool same_mapping(struct vm_area_struct *a, struct vm_area_struct *b)
{
	return a->vm_start == b->vm_start && a->vm_end == b->vm_end &&
	       !((a->vm_flags ^ b->vm_flags) & ~VM_SOFTDIRTY) &&
	       a->vm_pgoff == b->vm_pgoff && a->vm_file == b->vm_file &&
	       a->vm_ops == b->vm_ops && vma_policy(a) == vma_policy(b) &&
	       anon_vma_name_eq(anon_vma_name(a), anon_vma_name(b)) &&
	       !userfaultfd_armed(a) && lwc_linked(a, b);
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
static int restore_contents(const struct lwc_restore *r,
			    const struct lwc_range *range)
{
	VMA_ITERATOR(vmi, r->from, range->start);
	struct vm_area_struct *src, *vma;
	unsigned long start, end;
	int err;

	for_each_vma_range(vmi, src, range->end) {
		vma = vma_lookup(r->mm, src->vm_start);
		if (src->vm_flags & VM_SHARED)
			continue;
		start = src->vm_start;
		end = src->vm_end;
		if (!is_vm_hugetlb_page(src)) {
			start = max(start, range->start);
			end = min(end, range->end);
		}
		err = lwc_remap(vma, src, start, end);
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
#ifdef CONFIG_USERFAULTFD
	userfaultfd_reset_ctx(vma);
#endif
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
static int rebuild(const struct lwc_restore *r, unsigned long start,
		   unsigned long end, struct list_head *uf)
{
	VMA_ITERATOR(vmi, r->from, start);
	struct vm_area_struct *src;
	int err;

	for_each_vma_range(vmi, src, end) {
		if (!lwc_can_copy(r, src))
			return -EAGAIN;
		start = min(start, src->vm_start);
		end = max(end, src->vm_end);
	}
	err = do_munmap(r->mm, start, end - start, uf);
	if (err)
		return err;
	vma_iter_set(&vmi, start);
	for_each_vma_range(vmi, src, end) {
		err = lwc_insert_copy(r->mm, src, src->vm_start,
				      src->vm_end);
		if (err)
			return err;
	}
	return 0;
}

/* Put back what @lm says was changed, in whichever of the two */
static int restore_ranges(const struct lwc_restore *r, struct lwc_mm *lm,
			  struct list_head *uf)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < lm->nr_ranges && !err; i++) {
		const struct lwc_range *range = &lm->ranges[i];

		if (same_range(r->mm, r->from, range->start, range->end))
			err = restore_contents(r, range);
		else
			err = rebuild(r, range->start, range->end, uf);
	}
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
	set_mask_bits(&mm->flags, MMF_INIT_MASK,
		      mmf_init_flags(snap->flags));
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

static int restore(const struct lwc_restore *r, struct list_head *uf)
{
	struct lwc_mm *lm = r->mm->lwc;
	int err;

	lm->replaying = true;
	err = restore_ranges(r, lm, uf);
	if (!err && r->live)
		err = restore_ranges(r, r->from->lwc, uf);
	if (!err)
		err = lwc_restore_pages(r);
	restore_scalars(r->mm, r->from);
	lm->replaying = false;
	lm->nr_ranges = 0;
	flush_tlb_mm(r->mm);
	return err;
}

/* What a copy of a running address space could miss, or get torn */
static bool beyond_renewal(struct mm_struct *mm, struct mm_struct *from)
{
	/* The thread that asks, and the lwC itself */
	if (from->lwc->lost || atomic_read(&from->mm_users) > 2)
		return true;
	if (from->def_flags & VM_LOCKED)
		return true;
	/* Pages that are written without a fault */
	return test_bit(MMF_HAS_PINNED, &from->flags) ||
	       test_bit(MMF_HAS_PINNED, &mm->flags) ||
	       test_bit(MMF_HAS_UPROBES, &from->flags) ||
	       mm_has_notifiers(mm) || mm_has_notifiers(from);
}

/**
 * lwc_mm_renew - make an address space a copy once more
 * @mm: a former copy of @from; tracked, nobody runs in it
 * @from: that of the calling thread; tracked as live since @mm was a copy
 *
 * Return: 0, or as of lwc_mm_restore(), or -EINTR. Then @mm is of no use any
 * more; nothing happened to @from.
 */
int lwc_mm_renew(struct mm_struct *mm, struct mm_struct *from)
{
	const struct lwc_restore r = { .mm = mm, .from = from, .live = true };
	LIST_HEAD(uf);
	int err;

	if (beyond_undo(mm, from) || beyond_renewal(mm, from))
		return -EAGAIN;
	if (mmap_write_lock_killable(from))
		return -EINTR;
	mmap_write_lock_nested(mm, SINGLE_DEPTH_NESTING);
	err = restore(&r, &uf);
	if (!err) {
		lwc_mm_forget(from);
		mm->lwc->age = ++from->lwc->age;
	}
	mmap_write_unlock(mm);
	/* Its pages may have been write-protected */
	flush_tlb_mm(from);
	mmap_write_unlock(from);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
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
	const struct lwc_restore r = { .mm = mm, .from = snap };
	LIST_HEAD(uf);
	int err;

	if (beyond_undo(mm, snap))
		return -EAGAIN;
	mmap_write_lock(snap);
	mmap_write_lock_nested(mm, SINGLE_DEPTH_NESTING);
	err = restore(&r, &uf);
	mmap_write_unlock(mm);
	mmap_write_unlock(snap);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
}
