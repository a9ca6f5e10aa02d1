// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: the address space of an lwC that is gone, for the next.
 *
 * A program that makes an lwC, throws it away and makes the next one would copy
 * all its page tables each time, as fork does. So an lwC leaves its address
 * space with its creator. When that creates again, the address space is made a
 * copy once more: what either of the two has written or mapped since is put
 * right (lwc_mm_renew()), and nothing else is looked at.
 *
 * For that, the creator's own changes are noted as those of an lwC that can be
 * rolled back are. It begins with the first lwC that is created after one was
 * thrown away: who creates lwCs to keep them pays nothing. An lwC whose
 * creator has created another one since leaves nothing, for the log has begun
 * anew with that one. One address space is kept, and not a large one.
 */
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* Most pages of its own that an address space may have and be kept */
#define LWC_SPARE_PAGES	1024

/**
 * lwc_spare_keep - an lwC is gone: keep its address space with its creator
 * @lwc: the lwC
 * @mm: its address space
 *
 * Return: true if @mm is used up.
 */
bool lwc_spare_keep(struct lwc *lwc, struct mm_struct *mm)
{
	struct lwc *creator = lwc->creator;
	struct mm_struct *old = NULL;
	struct lwc_mm *from;
	bool keep = false;

	if (!creator)
		return false;
	spin_lock(&lwc->proc->lock);
	creator->discards = true;
	from = creator->mm ? creator->mm->lwc : NULL;
	if (lwc->plain && !lwc->proc->dead && from && from->live && mm->lwc &&
	    mm->lwc->age == from->age && atomic_read(&mm->mm_users) == 1 &&
	    !lwc_mm_shares(mm) &&
	    atomic_long_read(&mm->lwc->nr) <= LWC_SPARE_PAGES) {
		old = creator->spare;
		creator->spare = mm;
		keep = true;
	}
	spin_unlock(&lwc->proc->lock);
	if (old)
		mmput(old);
	return keep;
}

static struct mm_struct *take(struct lwc *creator)
{
	struct mm_struct *mm;

	spin_lock(&creator->proc->lock);
	mm = creator->spare;
	creator->spare = NULL;
	spin_unlock(&creator->proc->lock);
	return mm;
}

/* Give back the address space that a creator was left with */
void lwc_spare_drop(struct lwc *creator)
{
	struct mm_struct *mm = take(creator);

	if (mm)
		mmput(mm);
}

/**
 * lwc_spare_renew - a copy of the calling thread's address space from a former one
 * @creator: the lwC that the thread is in
 *
 * Return: the copy, or NULL: make one.
 */
struct mm_struct *lwc_spare_renew(struct lwc *creator)
{
	struct mm_struct *mm = take(creator);

	if (!mm)
		return NULL;
	if (!lwc_mm_renew(mm, creator->mm))
		return mm;
	mmput(mm);
	return NULL;
}

/**
 * lwc_spare_expect - a copy is about to be made that may be left to its creator
 * @creator: the lwC that the thread is in
 *
 * Return: true if it is worth while to track the copy.
 */
bool lwc_spare_expect(struct lwc *creator)
{
	struct mm_struct *mm = creator->mm;

	if (!creator->discards || test_bit(MMF_HAS_PINNED, &mm->flags))
		return false;
	if (!mm->lwc && lwc_mm_watch(mm))
		return false;
	if (!mm->lwc->live)
		return false;
	lwc_mm_forget(mm);
	mm->lwc->age++;
	return true;
}
