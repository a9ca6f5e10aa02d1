// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: the objects and how long they live.
 *
 * References to an lwC: each descriptor, each thread inside, each lwC it
 * created, each caller at work. The last one to go frees it. What counting
 * cannot free - lwCs whose only descriptors lie in the tables of lwCs that
 * nobody can enter any more - lwc_collect() finds by following descriptors
 * from the lwCs that have threads inside.
 *
 * An exec or the end of the process empties every lwC at once (lwc_gut()).
 * What is left is a husk that descriptors in other processes may still name.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#define CREATE_TRACE_POINTS
#include <trace/events/lwc.h>

#include "internal.h"

/* An empty set of lwCs, or NULL */
struct lwc_proc *lwc_proc_alloc(void)
{
	struct lwc_proc *proc = kzalloc(sizeof(*proc), GFP_KERNEL_ACCOUNT);

	if (!proc)
		return NULL;
	refcount_set(&proc->count, 1);
	mutex_init(&proc->mutex);
	spin_lock_init(&proc->lock);
	INIT_LIST_HEAD(&proc->lwcs);
	INIT_LIST_HEAD(&proc->work);
	proc->next_id = 1;
	return proc;
}

void lwc_proc_put(struct lwc_proc *proc)
{
	if (refcount_dec_and_test(&proc->count))
		kfree_rcu(proc, rcu);
}

/* The set of lwCs of the calling process, made on first use. No reference. */
struct lwc_proc *lwc_proc_get_current(void)
{
	struct lwc_proc *proc = READ_ONCE(current->signal->lwc);
	struct lwc_proc *old;

	if (proc)
		return proc;
	proc = lwc_proc_alloc();
	if (!proc)
		return NULL;
	old = cmpxchg(&current->signal->lwc, NULL, proc);
	if (old) {
		lwc_proc_put(proc);
		return old;
	}
	return proc;
}

/**
 * lwc_alloc - make an empty lwC
 * @proc: the process
 * @creator: the lwC that makes it, or NULL for a root
 *
 * Return: the lwC with one reference, not on the list, or NULL.
 */
struct lwc *lwc_alloc(struct lwc_proc *proc, struct lwc *creator)
{
	struct lwc *lwc = kzalloc(sizeof(*lwc), GFP_KERNEL_ACCOUNT);

	if (!lwc)
		return NULL;
	refcount_set(&lwc->refs, 1);
	refcount_inc(&proc->count);
	lwc->proc = proc;
	INIT_LIST_HEAD(&lwc->flows);
	INIT_LIST_HEAD(&lwc->node);
	lwc->caller_fd = -1;
	lwc->creator_fd = -1;
	if (creator)
		lwc->creator = lwc_get(creator);
	return lwc;
}

struct lwc *lwc_get(struct lwc *lwc)
{
	refcount_inc(&lwc->refs);
	return lwc;
}

static void lwc_snapshot_free(struct lwc *lwc, struct lwc_snapshot *snap)
{
	if (!snap)
		return;
	if (snap->flow) {
		spin_lock(&lwc->proc->lock);
		list_del_init(&snap->flow->in_task);
		spin_unlock(&lwc->proc->lock);
		lwc_flow_free(snap->flow);
	}
	if (snap->mm)
		mmput(snap->mm);
	if (snap->files)
		put_files_struct(snap->files);
	lwc_fs_put(snap->fs);
	kfree(snap->actions);
	kfree(snap);
}

static void lwc_free_flows(struct lwc *lwc)
{
	struct lwc_flow *flow, *next;
	LIST_HEAD(dead);

	spin_lock(&lwc->proc->lock);
	list_for_each_entry_safe(flow, next, &lwc->flows, in_lwc) {
		/* The flow of a thread that is inside belongs to the thread */
		if (flow->state == LWC_FLOW_RUNNING)
			continue;
		lwc_flow_unlink(flow);
		list_add(&flow->in_lwc, &dead);
	}
	spin_unlock(&lwc->proc->lock);
	list_for_each_entry_safe(flow, next, &dead, in_lwc) {
		list_del_init(&flow->in_lwc);
		lwc_flow_free(flow);
	}
}

/**
 * lwc_gut - take everything out of an lwC
 * @lwc: nobody can enter it any more
 *
 * Context: may sleep; the caller holds no lock but lwc_proc.mutex.
 */
void lwc_gut(struct lwc *lwc)
{
	struct lwc_snapshot *snap;
	struct files_struct *files;
	struct lwc_actions *actions;
	struct fs_struct *fs;
	struct mm_struct *mm;

	lwc_free_flows(lwc);
	spin_lock(&lwc->proc->lock);
	mm = lwc->mm;
	files = lwc->parked ? lwc->files : NULL;
	fs = lwc->parked ? lwc->fs : NULL;
	actions = lwc->actions;
	snap = lwc->snap;
	lwc->mm = NULL;
	lwc->files = NULL;
	lwc->fs = NULL;
	lwc->parked = false;
	lwc->actions = NULL;
	lwc->snap = NULL;
	spin_unlock(&lwc->proc->lock);

	lwc_snapshot_free(lwc, snap);
	lwc_spare_drop(lwc);
	if (mm && !lwc_spare_keep(lwc, mm))
		mmput(mm);
	if (files)
		put_files_struct(files);
	lwc_fs_put(fs);
	/* A thread may be inside still: the process ends, or makes an exec */
	if (actions)
		kfree_rcu(actions, rcu);
}

static void lwc_calls_put(struct lwc_calls *calls)
{
	if (calls && refcount_dec_and_test(&calls->count))
		kfree(calls);
}

/**
 * lwc_put - drop a reference
 * @lwc: the lwC, or NULL
 *
 * A loop, not a recursion: a chain of creators may be long.
 *
 * Context: may sleep.
 */
void lwc_put(struct lwc *lwc)
{
	while (lwc && refcount_dec_and_test(&lwc->refs)) {
		struct lwc *creator = lwc->creator;
		struct lwc_proc *proc = lwc->proc;

		spin_lock(&proc->lock);
		if (!list_empty(&lwc->node)) {
			list_del_init(&lwc->node);
			proc->nr--;
		}
		spin_unlock(&proc->lock);
		trace_lwc_destroy(lwc->id);
		lwc_gut(lwc);
		lwc_calls_put(lwc->calls);
		kfree(lwc);
		lwc_proc_put(proc);
		lwc = creator;
	}
}

/* The lwC whose address space the calling thread is in, or NULL. Referenced. */
static struct lwc *lwc_find_by_mm(struct lwc_proc *proc, struct mm_struct *mm)
{
	struct lwc *lwc;

	spin_lock(&proc->lock);
	list_for_each_entry(lwc, &proc->lwcs, node) {
		if (lwc->mm != mm || !refcount_inc_not_zero(&lwc->refs))
			continue;
		lwc->inside++;
		spin_unlock(&proc->lock);
		return lwc;
	}
	spin_unlock(&proc->lock);
	return NULL;
}

/* The root: what the calling thread has been in all the time */
static struct lwc *lwc_make_root(struct lwc_proc *proc)
{
	struct lwc *lwc = lwc_alloc(proc, NULL);

	if (!lwc)
		return NULL;
	mmget(current->mm);
	lwc->mm = current->mm;
	lwc->files = current->files;
	lwc->fs = current->fs;
	lwc->flags = LWC_CREATE_SIGNALS;
	lwc->inside = 1;
	spin_lock(&proc->lock);
	lwc->id = proc->next_id++;
	list_add_tail(&lwc->node, &proc->lwcs);
	proc->nr++;
	spin_unlock(&proc->lock);
	return lwc;
}

static int lwc_join(struct lwc_task *lt)
{
	struct lwc_proc *proc = lwc_proc_get_current();
	struct lwc *lwc;

	if (!proc)
		return -ENOMEM;
	mutex_lock(&proc->mutex);
	lwc = lwc_find_by_mm(proc, current->mm);
	if (!lwc)
		lwc = lwc_make_root(proc);
	mutex_unlock(&proc->mutex);
	if (!lwc)
		return -ENOMEM;
	lt->cur = lwc;
	lt->entered = local_clock();
	return 0;
}

/**
 * __lwc_task_current - the calling thread's place, made where it is missing
 *
 * A thread that never asked is in the lwC whose address space it has.
 *
 * Return: its place, with lwc_task.cur and lwc_task.flow set, or an ERR_PTR:
 * -ENOMEM.
 */
struct lwc_task *__lwc_task_current(void)
{
	struct lwc_task *lt = current->lwc;
	int err;

	if (!lt) {
		lt = kzalloc(sizeof(*lt), GFP_KERNEL_ACCOUNT);
		if (!lt)
			return ERR_PTR(-ENOMEM);
		INIT_LIST_HEAD(&lt->flows);
		INIT_LIST_HEAD(&lt->snaps);
		WRITE_ONCE(current->lwc, lt);
	}
	if (!lt->cur) {
		err = lwc_join(lt);
		if (err)
			return ERR_PTR(err);
	}
	if (!lt->flow) {
		struct lwc_flow *flow = lwc_flow_alloc(lt->cur, current);

		if (!flow)
			return ERR_PTR(-ENOMEM);
		flow->state = LWC_FLOW_RUNNING;
		lt->flow = flow;
		lwc_flow_link(flow, lt);
	}
	return lt;
}
