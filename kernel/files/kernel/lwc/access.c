// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: no way around the walls.
 *
 * Two threads of a process, or a process and its parent of the same user, may
 * look into each other: ptrace, /proc/PID/mem, process_vm_readv(), pidfd_getfd()
 * and many more, which all ask __ptrace_may_access(). A thread in a child lwC must
 * not get at other lwCs that way, nor may a process that it forked, and not
 * after an exec either. Both carry a mark. Who has one may get at itself, and at
 * processes with the same mark that have no lwCs of their own; a rollback gives
 * the lwC a new mark, so that what one run left behind cannot look at the next.
 *
 * Threads of a process with lwCs are refused as a whole: in which of them a
 * thread is may change between the check and the access.
 */
#include <linux/atomic.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>

#include "internal.h"

void lwc_new_mark(struct lwc *lwc)
{
	static atomic64_t last_mark;

	lwc->mark = atomic64_inc_return(&last_mark);
}

/* Of the thread whose lwc_task.cur has changed */
void lwc_set_mark(struct lwc_task *lt)
{
	WRITE_ONCE(lt->mark, lt->cur && lt->cur->mark ? lt->cur->mark : lt->tag);
}

static u64 mark_of(struct task_struct *task)
{
	struct lwc_task *lt;
	u64 mark;

	rcu_read_lock();
	lt = READ_ONCE(task->lwc);
	mark = lt ? READ_ONCE(lt->mark) : 0;
	rcu_read_unlock();
	return mark;
}

static bool is_foreign(struct task_struct *target, u64 mark)
{
	return READ_ONCE(target->signal->lwc) || mark_of(target) != mark;
}

bool __lwc_access_denied(struct task_struct *target)
{
	u64 mark = current->lwc->mark;

	return mark && target != current && is_foreign(target, mark);
}

/*
 * A descriptor of /proc/PID/mem or of userfaultfd stands for an address space,
 * and may be inherited or received. Where it is not the thread's own, it is good
 * only if the process that has it could be looked into as well.
 */
bool __lwc_mm_denied(struct mm_struct *mm)
{
	struct task_struct __maybe_unused *owner;
	u64 mark = current->lwc->mark;
	bool denied = true;

	if (!mark || mm == current->mm)
		return false;
#ifdef CONFIG_MEMCG
	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		denied = is_foreign(owner, mark);
	rcu_read_unlock();
#endif
	return denied;
}

bool __lwc_in_child(void)
{
	const struct lwc *cur = current->lwc->cur;

	return cur && lwc_is_child(cur);
}
