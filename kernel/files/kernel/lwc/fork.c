// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: a fork that copies all of them.
 *
 * The paper's behaviour, which a root asks for with LWC_CTL_FORK. The process
 * that is made gets a twin of every lwC, with the control flow that the forking
 * thread has there; descriptors name the twins.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "internal.h"

/* All lwCs of a process, referenced; under lwc_proc.mutex no new ones appear */
struct old {
	struct lwc **lwc;
	unsigned int nr;
};

static int list_old(struct lwc_proc *proc, struct old *old)
{
	struct lwc *lwc;
	unsigned int max = READ_ONCE(proc->nr);

	old->nr = 0;
	old->lwc = kvmalloc_array(max, sizeof(*old->lwc), GFP_KERNEL_ACCOUNT);
	if (!old->lwc)
		return -ENOMEM;
	spin_lock(&proc->lock);
	list_for_each_entry(lwc, &proc->lwcs, node)
		if (lwc->mm && old->nr < max && refcount_inc_not_zero(&lwc->refs))
			old->lwc[old->nr++] = lwc;
	spin_unlock(&proc->lock);
	return 0;
}

static void free_old(struct old *old)
{
	unsigned int i;

	for (i = 0; i < old->nr; i++) {
		/* What nothing names in the new process goes now */
		lwc_put(old->lwc[i]->twin);
		old->lwc[i]->twin = NULL;
		lwc_put(old->lwc[i]);
	}
	kvfree(old->lwc);
}

static struct mm_struct *copy_mm(struct task_struct *child,
				 struct mm_struct *from)
{
	/* Who shares with whom would have to be found out for all of them */
	if (lwc_mm_shares(from))
		return ERR_PTR(-EOPNOTSUPP);
	return dup_mm(child, from) ?: ERR_PTR(-ENOMEM);
}

static int twin_mm(struct lwc *lwc, struct task_struct *child,
		   const struct old *old)
{
	struct lwc *twin = lwc->twin;
	struct mm_struct *mm = NULL;
	unsigned int i;

	if (lwc->mm == current->mm)
		mm = child->mm;
	for (i = 0; !mm && old->lwc[i] != lwc; i++)
		if (old->lwc[i]->mm == lwc->mm)
			mm = old->lwc[i]->twin->mm;
	if (mm) {
		mmget(mm);
	} else {
		mm = copy_mm(child, lwc->mm);
		if (IS_ERR(mm))
			return PTR_ERR(mm);
	}
	twin->mm = mm;
	if (mm->lwc || !(lwc->snap || (lwc->mm->lwc && lwc->mm->lwc->limit)))
		return 0;
	if (lwc_mm_track(mm, lwc->mm->lwc->limit))
		return -ENOMEM;
	/* What it changed before the fork is not in the log */
	mm->lwc->lost = true;
	atomic_long_set(&mm->lwc->nr, atomic_long_read(&lwc->mm->lwc->nr));
	return 0;
}

static int copy_tables(struct lwc_tables *to, const struct lwc_tables *from)
{
	struct files_struct *files = dup_fd(from->files, NULL);

	if (IS_ERR(files))
		return PTR_ERR(files);
	to->files = files;
	to->fs = copy_fs_struct(from->fs);
	return to->fs ? lwc_fd_own_files(files, true) : -ENOMEM;
}

/* Whether the new process has it already: the child's own, or a twin's */
static bool known_tables(struct lwc *lwc, struct task_struct *child,
			 const struct old *old)
{
	struct lwc *twin = lwc->twin;
	unsigned int i;

	if (lwc->files == current->files && lwc->fs == current->fs) {
		twin->files = child->files;
		twin->fs = child->fs;
		return true;
	}
	for (i = 0; lwc->shares_table && old->lwc[i] != lwc; i++) {
		if (old->lwc[i]->files != lwc->files)
			continue;
		twin->files = old->lwc[i]->twin->files;
		twin->fs = old->lwc[i]->twin->fs;
		return true;
	}
	return false;
}

static int twin_tables(struct lwc *lwc, struct task_struct *child,
		       const struct old *old)
{
	struct lwc_tables from = { }, to = { };
	struct lwc *twin = lwc->twin;
	int err;

	if (known_tables(lwc, child, old)) {
		/* The child is inside its own with the table's only reference */
		if (lwc == current->lwc->cur)
			return 0;
		twin->parked = true;
		lwc_get_tables(twin);
		return 0;
	}
	spin_lock(&lwc->proc->lock);
	lwc_get_tables(lwc);
	from.files = lwc->files;
	from.fs = lwc->fs;
	spin_unlock(&lwc->proc->lock);
	err = copy_tables(&to, &from);
	lwc_put_tables(&from);
	twin->files = to.files;
	twin->fs = to.fs;
	twin->parked = to.files;
	return err;
}

static struct lwc_flow *copy_flow(struct lwc_flow *flow, struct lwc *twin,
				  struct task_struct *child)
{
	struct lwc_flow *copy = lwc_flow_alloc(twin, child);

	if (!copy)
		return NULL;
	lwc_flow_copy(copy, flow);
	lwc_flow_set_cred(copy, lwc_flow_cred(flow));
	copy->in_call = flow->in_call;
	copy->pass = flow->pass;
	copy->abi = flow->abi;
	copy->state = LWC_FLOW_SUSPENDED;
	return copy;
}

static int twin_flow(struct lwc *lwc, struct task_struct *child)
{
	struct lwc_flow *flow = lwc_own_flow(lwc), *copy;
	struct lwc_tables from, to = { };
	int err = 0;

	if (!flow || flow->state != LWC_FLOW_SUSPENDED)
		return 0;
	copy = copy_flow(flow, lwc->twin, child);
	if (!copy)
		return -ENOMEM;
	if (flow->files) {
		from.files = flow->files;
		from.fs = flow->fs;
		err = copy_tables(&to, &from);
		copy->files = to.files;
		copy->fs = to.fs;
	}
	lwc_flow_link(copy, child->lwc);
	return err;
}

static int twin_snapshot(struct lwc *lwc, struct task_struct *child)
{
	struct lwc_snapshot *snap, *old = lwc->snap;
	struct lwc_tables from, to = { };
	int err;

	if (!old)
		return 0;
	snap = kzalloc(sizeof(*snap), GFP_KERNEL_ACCOUNT);
	if (!snap)
		return -ENOMEM;
	lwc->twin->snap = snap;
	snap->mm = copy_mm(child, old->mm);
	if (IS_ERR(snap->mm)) {
		err = PTR_ERR(snap->mm);
		snap->mm = NULL;
		return err;
	}
	from.files = old->files;
	from.fs = old->fs;
	err = copy_tables(&to, &from);
	snap->files = to.files;
	snap->fs = to.fs;
	if (err)
		return err;
	snap->actions = kmemdup(old->actions, sizeof(*old->actions),
				GFP_KERNEL_ACCOUNT);
	/* Only who created it can go on from there */
	snap->flow = copy_flow(old->flow, lwc->twin,
			       old->flow->task == current ? child : NULL);
	if (!snap->actions || !snap->flow)
		return -ENOMEM;
	if (snap->flow->task) {
		spin_lock(&lwc->twin->proc->lock);
		list_add(&snap->flow->in_task, &child->lwc->snaps);
		spin_unlock(&lwc->twin->proc->lock);
	}
	return 0;
}

static int twin_start(struct lwc *lwc, struct lwc_proc *proc)
{
	struct lwc *twin = lwc_alloc(proc, lwc->creator ? lwc->creator->twin : NULL);

	if (!twin)
		return -ENOMEM;
	lwc->twin = twin;
	twin->id = lwc->id;
	twin->flags = lwc->flags;
	twin->contained = lwc->contained;
	twin->shares_table = lwc->shares_table;
	twin->broken = lwc->broken;
	twin->creator_fd = lwc->creator_fd;
	twin->trap_to = lwc->trap_to ? lwc->trap_to->twin : NULL;
	twin->calls = lwc->calls;
	if (twin->calls)
		refcount_inc(&twin->calls->count);
	if (lwc->mark)
		lwc_new_mark(twin);
	if (lwc->actions) {
		twin->actions = kmemdup(lwc->actions, sizeof(*lwc->actions),
					GFP_KERNEL_ACCOUNT);
		if (!twin->actions)
			return -ENOMEM;
	}
	spin_lock(&proc->lock);
	list_add_tail(&twin->node, &proc->lwcs);
	proc->nr++;
	spin_unlock(&proc->lock);
	return 0;
}

static int twin_all(struct lwc_proc *proc, struct task_struct *child,
		    const struct old *old)
{
	unsigned int i;
	int err = 0;

	/* A creator is older than what it created, thus further up */
	for (i = 0; i < old->nr && !err; i++)
		err = twin_start(old->lwc[i], proc);
	for (i = 0; i < old->nr && !err; i++)
		err = twin_mm(old->lwc[i], child, old);
	for (i = 0; i < old->nr && !err; i++)
		err = twin_tables(old->lwc[i], child, old);
	if (!err)
		err = lwc_fd_own_files(child->files, true);
	for (i = 0; i < old->nr && !err; i++)
		err = twin_flow(old->lwc[i], child);
	for (i = 0; i < old->nr && !err; i++)
		err = twin_snapshot(old->lwc[i], child);
	return err;
}

/* The child is in the twin of where its parent is */
static int enter(struct task_struct *child, struct lwc *cur)
{
	struct sighand_struct *sighand = rcu_dereference_raw(child->sighand);
	struct lwc_task *lt = child->lwc;

	lt->flow = lwc_flow_alloc(cur, child);
	if (!lt->flow)
		return -ENOMEM;
	lt->flow->state = LWC_FLOW_RUNNING;
	lwc_flow_link(lt->flow, lt);
	lwc_fork_thread(lt, cur);
	lwc_set_mark(lt);
	/* What happens at signals: fork has copied that of this lwC for the root */
	spin_lock_irq(&lwc_sighand()->siglock);
	memcpy(sighand->action, lwc_sighand()->action, sizeof(sighand->action));
	spin_unlock_irq(&lwc_sighand()->siglock);
	if (cur->trap_to)
		set_task_syscall_work(child, LWC_TRAP);
	return 0;
}

/**
 * lwc_fork_all - give a new process a twin of each lwC
 * @child: a process with its own memory and table; has its lwc_task
 *
 * Return: 0, -EINTR, -ENOMEM, -EOPNOTSUPP lwCs share memory. The caller undoes
 * what was done.
 */
int lwc_fork_all(struct task_struct *child)
{
	struct lwc *cur = current->lwc->cur;
	struct lwc_proc *proc = lwc_proc_alloc();
	struct old old = { };
	int err;

	if (!proc)
		return -ENOMEM;
	proc->fork_all = true;
	proc->next_id = cur->proc->next_id;
	child->signal->lwc = proc;
	if (mutex_lock_killable(&cur->proc->mutex))
		return -EINTR;
	err = list_old(cur->proc, &old);
	if (!err)
		err = twin_all(proc, child, &old);
	if (!err)
		err = enter(child, cur->twin);
	free_old(&old);
	mutex_unlock(&cur->proc->mutex);
	return err;
}
