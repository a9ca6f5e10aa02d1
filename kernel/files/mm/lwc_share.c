// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: memory that lwCs share.
 *
 * Private memory has one owner. To share it, it is moved into a shmem file
 * without a name that takes its place, and that the other lwC maps too. All of
 * mm/ knows such mappings: swap, mremap(), pinning, exit of either side. What
 * differs from memory that a program shares itself is what must still look
 * private:
 *
 * - a forked process, and an lwC made with COPY, get a copy (lwc_mm_unshare());
 * - MADV_DONTNEED gives zeros afterwards (__lwc_share_discard());
 * - it can grow: the file is as large as the address space.
 *
 * A file is known by its private_data, which shmem does not use.
 */
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/lwc.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/pkeys.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/userfaultfd_k.h>

#include <asm/tlb.h>
#include <asm/tlbflush.h>

#include "internal.h"
#include "lwc_share.h"
#include "vma.h"

static char share_tag;

static bool is_shared(const struct vm_area_struct *vma)
{
	return vma->vm_file && vma->vm_file->private_data == &share_tag;
}

/* What a shared mapping keeps of a private one, besides its protection */
#define KEPT_FLAGS	(VM_LOCKED | VM_LOCKONFAULT | VM_DONTCOPY | VM_DONTDUMP | \
			 VM_HUGEPAGE | VM_NOHUGEPAGE | VM_SEQ_READ | \
			 VM_RAND_READ | VM_NORESERVE | ARCH_VM_PKEY_FLAGS)

/* Kinds of memory that cannot be moved into a file */
static bool movable(struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_GROWSDOWN |
				  VM_WIPEONFORK | VM_DROPPABLE)) &&
	       !is_vm_hugetlb_page(vma) && !userfaultfd_armed(vma) &&
	       can_modify_vma(vma);
}

/* The kernel's own pages (vdso) are the same everywhere */
static bool is_shareless(struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_SHARED || vma_is_special_mapping(vma, NULL) ||
	       (vma->vm_flags & (VM_IO | VM_PFNMAP) && !vma->vm_file);
}

static int check_share(struct mm_struct *mm, unsigned long start,
		       unsigned long end)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;

	for_each_vma_range(vmi, vma, end) {
		if (!is_shareless(vma) && !movable(vma))
			return -EOPNOTSUPP;
	}
	return 0;
}

/* Change what the page tables allow, but not what the mapping does */
static void protect(struct vm_area_struct *vma, unsigned long start,
		    unsigned long end, pgprot_t prot)
{
	pgprot_t old = vma->vm_page_prot;
	struct mmu_gather tlb;

	WRITE_ONCE(vma->vm_page_prot, prot);
	tlb_gather_mmu(&tlb, vma->vm_mm);
	change_protection(&tlb, vma, start, end, 0);
	tlb_finish_mmu(&tlb);
	WRITE_ONCE(vma->vm_page_prot, old);
}

/* The next address from @addr on where something may be mapped */
unsigned long lwc_next_present(struct mm_struct *mm, unsigned long addr,
			       unsigned long end)
{
	while (addr < end) {
		pmd_t *pmd = mm_find_pmd(mm, addr);
		bool none;
		pte_t *pte;

		if (!pmd || pmd_none(*pmd)) {
			addr = pmd_addr_end(addr, end);
			continue;
		}
		if (pmd_leaf(*pmd) || is_swap_pmd(*pmd))
			return addr;
		pte = pte_offset_map(pmd, addr);
		if (!pte)
			return addr;
		none = pte_none(ptep_get(pte));
		pte_unmap(pte);
		if (!none)
			return addr;
		addr += PAGE_SIZE;
	}
	return end;
}

static int move_page(struct address_space *mapping, pgoff_t index,
		     struct mm_struct *mm, unsigned long addr)
{
	struct page *from, *to;
	long got;
	int err = 0;

	got = get_user_pages_remote(mm, addr, 1, FOLL_FORCE, &from, NULL);
	if (got != 1)
		return got ?: -EFAULT;
	if (is_zero_page(from))
		goto out;
	/* A device writes there: what it writes would be lost */
	if (folio_test_anon(page_folio(from)) &&
	    folio_maybe_dma_pinned(page_folio(from))) {
		err = -EBUSY;
		goto out;
	}
	to = shmem_read_mapping_page(mapping, index);
	err = PTR_ERR_OR_ZERO(to);
	if (err)
		goto out;
	copy_highpage(to, from);
	set_page_dirty(to);
	put_page(to);
out:
	put_page(from);
	return err;
}

static int fill(struct file *file, struct vm_area_struct *vma,
		unsigned long start, unsigned long end)
{
	bool anon = vma_is_anonymous(vma);
	unsigned long addr = start;
	int err;

	for (;;) {
		if (anon)
			addr = lwc_next_present(vma->vm_mm, addr, end);
		if (addr >= end)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		err = move_page(file->f_mapping, (addr - start) >> PAGE_SHIFT,
				vma->vm_mm, addr);
		if (err)
			return err;
		addr += PAGE_SIZE;
		cond_resched();
	}
}

static unsigned long prot_of(vm_flags_t flags)
{
	return (flags & VM_READ ? PROT_READ : 0) |
	       (flags & VM_WRITE ? PROT_WRITE : 0) |
	       (flags & VM_EXEC ? PROT_EXEC : 0);
}

/*
 * Put a file in the place of private memory. Nobody can write there meanwhile:
 * the mmap lock is held for writing, and the page tables allow nothing.
 */
static int move(struct vm_area_struct *vma, unsigned long start,
		unsigned long end, struct list_head *uf)
{
	unsigned long populate, addr;
	struct file *file;
	int err;

	file = shmem_kernel_file_setup("lwc", TASK_SIZE_MAX, VM_NORESERVE);
	if (IS_ERR(file))
		return PTR_ERR(file);
	file->private_data = &share_tag;
	vma_start_write(vma);
	protect(vma, start, end, PAGE_NONE);
	err = fill(file, vma, start, end);
	if (!err) {
		addr = do_mmap(file, start, end - start, prot_of(vma->vm_flags),
			       MAP_SHARED | MAP_FIXED,
			       vma->vm_flags & KEPT_FLAGS,
			       0, &populate, uf);
		if (IS_ERR_VALUE(addr))
			err = addr;
	}
	if (err)
		protect(vma, start, end, vma->vm_page_prot);
	fput(file);
	return err;
}

/**
 * lwc_mm_share - make private memory such that another lwC can map it
 * @mm: the calling thread's address space, perhaps borrowed
 * @start: first byte
 * @end: first byte behind
 * @uf: for userfaultfd_unmap_complete()
 *
 * Nothing can be told from it but by looking at /proc/PID/maps. Memory that is
 * shared already, and holes, stay what they are.
 *
 * Context: mmap lock held for writing.
 *
 * Return: 0, or -EOPNOTSUPP for memory that grows, is of a device or of
 * hugetlbfs, or is registered with userfaultfd; -EBUSY a device writes there;
 * -ENOMEM, -EINTR.
 */
int lwc_mm_share(struct mm_struct *mm, unsigned long start, unsigned long end,
		 struct list_head *uf)
{
	struct vm_area_struct *vma;
	unsigned long until;
	int err;

	err = check_share(mm, start, end);
	if (err)
		return err;
	set_bit(MMF_LWC_SHARED, &mm->flags);
	for (; start < end; start = until) {
		vma = find_vma_intersection(mm, start, end);
		if (!vma)
			break;
		start = max(start, vma->vm_start);
		until = min(end, vma->vm_end);
		if (is_shareless(vma))
			continue;
		err = move(vma, start, until, uf);
		if (err)
			return err;
	}
	return 0;
}

static int copy_into(struct mm_struct *mm, unsigned long addr, struct page *from)
{
	struct page *to;
	long got;

	got = get_user_pages_remote(mm, addr, 1, FOLL_WRITE | FOLL_FORCE, &to,
				    NULL);
	if (got != 1)
		return got == -EINTR ? -EINTR : -ENOMEM;
	copy_highpage(to, from);
	put_page(to);
	return 0;
}

static int copy_back(struct file *file, pgoff_t pgoff, struct mm_struct *mm,
		     unsigned long start, unsigned long end)
{
	struct address_space *mapping = file->f_mapping;
	unsigned long last = pgoff + ((end - start) >> PAGE_SHIFT) - 1;
	unsigned long index;
	struct page *page;
	void *entry;
	int err;

	xa_for_each_range(&mapping->i_pages, index, entry, pgoff, last) {
		page = shmem_read_mapping_page(mapping, index);
		if (IS_ERR(page))
			return PTR_ERR(page);
		err = copy_into(mm, start + ((index - pgoff) << PAGE_SHIFT), page);
		put_page(page);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

static int insert_private(struct mm_struct *mm, unsigned long start,
			  unsigned long end, vm_flags_t flags)
{
	unsigned long pages = (end - start) >> PAGE_SHIFT;
	struct vm_area_struct *vma;
	int err;

	flags &= ~(VM_SHARED | VM_MAYSHARE | VM_LOCKED_MASK | VM_UFFD_MISSING |
		   VM_UFFD_WP | VM_UFFD_MINOR);
	if (flags & VM_WRITE && !(flags & VM_NORESERVE))
		flags |= VM_ACCOUNT;
	if (flags & VM_ACCOUNT && security_vm_enough_memory_mm(mm, pages))
		return -ENOMEM;
	vma = vm_area_alloc(mm);
	err = -ENOMEM;
	if (!vma)
		goto err_charge;
	vma_set_anonymous(vma);
	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_pgoff = start >> PAGE_SHIFT;
	vm_flags_init(vma, flags);
	vma->vm_page_prot = vm_get_page_prot(flags);
	err = vma_link(mm, vma);
	if (err)
		goto err_vma;
	vm_stat_account(mm, flags, pages);
	return 0;

err_vma:
	vm_area_free(vma);
err_charge:
	if (flags & VM_ACCOUNT)
		vm_unacct_memory(pages);
	return err;
}

/**
 * lwc_insert_private - insert private memory with what a file has in memory
 * @mm: where; nothing is there
 * @file: of shmem
 * @pgoff: first page
 * @start: first byte
 * @end: first byte behind
 * @flags: of the mapping that it is a copy of
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int lwc_insert_private(struct mm_struct *mm, struct file *file, pgoff_t pgoff,
		       unsigned long start, unsigned long end, vm_flags_t flags)
{
	int err = insert_private(mm, start, end, flags);

	return err ?: copy_back(file, pgoff, mm, start, end);
}

static int unshare_one(struct mm_struct *mm, struct vm_area_struct *vma,
		       unsigned long start, unsigned long end,
		       struct list_head *uf)
{
	pgoff_t pgoff = vma->vm_pgoff + ((start - vma->vm_start) >> PAGE_SHIFT);
	struct file *file = get_file(vma->vm_file);
	vm_flags_t flags = vma->vm_flags;
	int err;

	err = do_munmap(mm, start, end - start, uf);
	if (!err)
		err = lwc_insert_private(mm, file, pgoff, start, end, flags);
	fput(file);
	return err;
}

/**
 * lwc_mm_unshare - replace shared memory by copies of its own
 * @mm: an address space that nobody has run in, whose failure is its end
 * @start: first byte
 * @end: first byte behind
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int lwc_mm_unshare(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma;
	unsigned long until;
	LIST_HEAD(uf);
	int err = 0;

	mmap_write_lock_nested(mm, SINGLE_DEPTH_NESTING);
	for (; start < end && !err; start = until) {
		vma = find_vma_intersection(mm, start, end);
		if (!vma)
			break;
		start = max(start, vma->vm_start);
		until = min(end, vma->vm_end);
		if (is_shared(vma))
			err = unshare_one(mm, vma, start, until, &uf);
	}
	mmap_write_unlock(mm);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
}

/* MADV_DONTNEED, with the mmap lock held for reading */
bool __lwc_share_discard(struct vm_area_struct *vma, unsigned long start,
			 unsigned long end)
{
	loff_t from;

	if (!is_shared(vma))
		return false;
	from = (start - vma->vm_start) + ((loff_t)vma->vm_pgoff << PAGE_SHIFT);
	shmem_truncate_range(file_inode(vma->vm_file), from,
			     from + (end - start) - 1);
	return true;
}
