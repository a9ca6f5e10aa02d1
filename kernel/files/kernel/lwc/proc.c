// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: /proc/PID/lwcs, a line for each lwC of a process.
 */
#include <linux/mm.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "internal.h"

static void show(struct seq_file *m, struct lwc *lwc, const struct lwc *cur)
{
	struct lwc_mm *lm = lwc->mm ? lwc->mm->lwc : NULL;
	unsigned long rss = lwc->mm ? get_mm_rss(lwc->mm) : 0;

	seq_printf(m, "%c%llu\t%llu\t%#llx\t%d\t%lu\t%ld\t%llu\t%llu\t%llu\n",
		   lwc == cur ? '*' : ' ', lwc->id,
		   lwc->creator ? lwc->creator->id : 0, lwc->flags,
		   lwc->inside, rss,
		   lm ? atomic_long_read(&lm->nr) : 0, lwc->switches,
		   lwc->rollbacks, lwc->time_ns);
}

/*
 * What would be freed with an lwC that a task is not in. Of a tracked one that is
 * known; else all that is anonymous counts, also what is shared with others,
 * as with a forked process.
 */
static unsigned long idle_pages(struct mm_struct *mm)
{
	unsigned long pages = mm_pgtables_bytes(mm) / PAGE_SIZE +
			      get_mm_counter(mm, MM_SWAPENTS);

	if (mm->lwc)
		return pages + atomic_long_read(&mm->lwc->nr);
	return pages + get_mm_counter(mm, MM_ANONPAGES);
}

unsigned long __lwc_oom_pages(struct task_struct *tsk)
{
	unsigned long pages = 0;
	struct lwc_proc *proc;
	struct lwc *lwc;

	rcu_read_lock();
	proc = READ_ONCE(tsk->signal->lwc);
	if (!proc || !refcount_inc_not_zero(&proc->count)) {
		rcu_read_unlock();
		return 0;
	}
	rcu_read_unlock();
	spin_lock(&proc->lock);
	list_for_each_entry(lwc, &proc->lwcs, node) {
		if (!lwc->mm || lwc->mm == tsk->mm)
			continue;
		pages += idle_pages(lwc->mm);
		if (lwc->snap && lwc->snap->mm)
			pages += mm_pgtables_bytes(lwc->snap->mm) / PAGE_SIZE;
	}
	spin_unlock(&proc->lock);
	lwc_proc_put(proc);
	return pages;
}

/* The set of lwCs of a process, referenced, or NULL */
static struct lwc_proc *proc_of(struct task_struct *task)
{
	struct lwc_proc *proc = NULL;
	struct sighand_struct *sighand;
	unsigned long flags;

	sighand = lock_task_sighand(task, &flags);
	if (!sighand)
		return NULL;
	proc = READ_ONCE(task->signal->lwc);
	if (proc && !refcount_inc_not_zero(&proc->count))
		proc = NULL;
	spin_unlock_irqrestore(&sighand->siglock, flags);
	return proc;
}

/**
 * lwc_proc_show - the lwCs of a process; the task's own is marked
 * @m: where
 * @ns: unused
 * @pid: unused
 * @task: the task
 *
 * Return: 0.
 */
int lwc_proc_show(struct seq_file *m, struct pid_namespace *ns,
		  struct pid *pid, struct task_struct *task)
{
	struct lwc_proc *proc = proc_of(task);
	struct lwc_task *lt;
	struct lwc *lwc;

	if (!proc)
		return 0;
	seq_puts(m, " id\tcreator\tflags\tthreads\trss\tprivate\tswitches\trollbacks\ttime_ns\n");
	rcu_read_lock();
	spin_lock(&proc->lock);
	lt = READ_ONCE(task->lwc);
	list_for_each_entry(lwc, &proc->lwcs, node)
		show(m, lwc, lt ? READ_ONCE(lt->cur) : NULL);
	spin_unlock(&proc->lock);
	rcu_read_unlock();
	lwc_proc_put(proc);
	return 0;
}
