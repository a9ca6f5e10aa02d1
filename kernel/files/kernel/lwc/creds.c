// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: credentials.
 *
 * A credential is an immutable object that a thread exchanges for another one,
 * and goes with the control flow. Flows of one thread that share theirs have a
 * cell in common: what one of them exchanges, the other one finds.
 *
 * An overlaid credential replaces the flow's own until it is removed.
 */
#include <linux/binfmts.h>
#include <linux/cred.h>
#include <linux/key.h>
#include <linux/ptrace.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "internal.h"

static void cell_put(struct lwc_cell *cell)
{
	if (!cell || !refcount_dec_and_test(&cell->count))
		return;
	put_cred(cell->cred);
	kfree(cell);
}

static void cell_store(struct lwc_cell *cell, const struct cred *cred)
{
	const struct cred *old = cell->cred;

	cell->cred = get_cred(cred);
	put_cred(old);
}

/* A suspended flow goes on with this one. Only its own thread calls this. */
void lwc_flow_set_cred(struct lwc_flow *flow, const struct cred *cred)
{
	if (flow->cell)
		cell_store(flow->cell, cred);
	if (flow->cred != cred) {
		if (flow->cred)
			put_cred(flow->cred);
		flow->cred = get_cred(cred);
	}
}

/* A flow gets its credential back, or dies */
void lwc_flow_drop_creds(struct lwc_flow *flow)
{
	if (flow->cred)
		put_cred(flow->cred);
	if (flow->own_cred)
		put_cred(flow->own_cred);
	cell_put(flow->cell);
	cell_put(flow->own_cell);
	flow->cred = NULL;
	flow->own_cred = NULL;
	flow->cell = NULL;
	flow->own_cell = NULL;
}

/**
 * lwc_flow_share_cred - let two flows of the calling thread have one credential
 * @to: gets it
 * @from: has it; if it is the running one, that is the thread's
 *
 * Return: 0 or -ENOMEM.
 */
int lwc_flow_share_cred(struct lwc_flow *to, struct lwc_flow *from)
{
	struct lwc_cell *cell = from->cell;

	if (!cell) {
		cell = kmalloc(sizeof(*cell), GFP_KERNEL_ACCOUNT);
		if (!cell)
			return -ENOMEM;
		refcount_set(&cell->count, 1);
		cell->cred = get_cred(from->state == LWC_FLOW_RUNNING ?
				      current_cred() : from->cred);
		from->cell = cell;
	}
	refcount_inc(&cell->count);
	to->cell = cell;
	return 0;
}

/**
 * lwc_install_cred - make a credential that of the calling thread
 * @new: one that some flow of the thread has
 *
 * By reference. Not commit_creds(), which changes the dumpability of the
 * address space; see make_undumpable().
 */
void lwc_install_cred(const struct cred *new)
{
	struct task_struct *tsk = current;
	const struct cred *old = rcu_dereference_protected(tsk->real_cred, 1);
	bool other_user = new->user != old->user || new->user_ns != old->user_ns;

	get_cred_many(new, 2);
	if (other_user)
		inc_rlimit_ucounts(new->ucounts, UCOUNT_RLIMIT_NPROC, 1);
	rcu_assign_pointer(tsk->real_cred, new);
	rcu_assign_pointer(tsk->cred, new);
	if (other_user)
		dec_rlimit_ucounts(old->ucounts, UCOUNT_RLIMIT_NPROC, 1);
	put_cred_many(old, 2);
}

/**
 * lwc_check_cred - may the calling thread get this credential?
 * @cred: of a flow of its own
 *
 * A tracer that attached while the thread had less privilege must not follow
 * it to more, as with a set-uid exec.
 *
 * Return: 0, -EPERM, or -EBUSY if it acts for somebody else just now.
 */
int lwc_check_cred(const struct cred *cred)
{
	if (likely(cred == current_cred()))
		return 0;
	if (current_cred() != rcu_dereference_protected(current->real_cred, 1))
		return -EBUSY;
	if (current->ptrace && !ptracer_capable(current, cred->user_ns))
		return -EPERM;
	return 0;
}

static bool is_subset(const struct cred *new, const struct cred *old)
{
	return uid_eq(new->euid, old->euid) && gid_eq(new->egid, old->egid) &&
	       uid_eq(new->fsuid, old->fsuid) && gid_eq(new->fsgid, old->fsgid) &&
	       new->user_ns == old->user_ns &&
	       cap_issubset(new->cap_permitted, old->cap_permitted);
}

/*
 * The address space has been one of less privilege, as after a set-uid exec:
 * who may look at that must not look at what it is to hold now.
 */
static void make_undumpable(const struct cred *new)
{
	if (is_subset(new, current_cred()))
		return;
	set_dumpable(current->mm, suid_dumpable);
	current->pdeath_signal = 0;
	/* Pairs with that in __ptrace_may_access() */
	smp_wmb();
}

/**
 * lwc_exchange_cred - let the calling thread have another credential
 * @new: of a flow of its own
 *
 * Return: 0, or -EPERM, -EBUSY as of lwc_check_cred(), -EINTR.
 */
int lwc_exchange_cred(const struct cred *new)
{
	int err = lwc_check_cred(new);

	if (err)
		return err;
	err = down_write_killable(&current->signal->exec_update_lock);
	if (err)
		return err;
	make_undumpable(new);
	lwc_install_cred(new);
	up_write(&current->signal->exec_update_lock);
	return 0;
}

/* The end of a borrowed one. Who has attached to it meanwhile gets no more. */
void lwc_return_cred(const struct cred *own)
{
	if (own == current_cred())
		return;
	if (lwc_check_cred(own))
		force_sig(SIGKILL);
	down_write(&current->signal->exec_update_lock);
	lwc_install_cred(own);
	up_write(&current->signal->exec_update_lock);
}

/* The calling thread's flow in an lwC, or NULL */
struct lwc_flow *lwc_own_flow(struct lwc *lwc)
{
	struct lwc_flow *flow, *found = NULL;

	spin_lock(&lwc->proc->lock);
	list_for_each_entry(flow, &lwc->flows, in_lwc) {
		if (flow->task == current) {
			found = flow;
			break;
		}
	}
	spin_unlock(&lwc->proc->lock);
	return found;
}

/* The running flow has put its own credential aside, unless it had already */
static void keep_own(struct lwc_flow *flow, const struct cred *own)
{
	if (flow->own_cred) {
		cell_put(flow->cell);
		return;
	}
	flow->own_cred = get_cred(own);
	flow->own_cell = flow->cell;
	if (flow->own_cell)
		cell_store(flow->own_cell, own);
}

/**
 * lwc_cred_overlay - take the credential of another flow of this thread
 * @from: suspended
 * @share: a change made by either holds for both
 *
 * Return: 0, or -EPERM, -EBUSY as of lwc_check_cred(), -EINTR, -ENOMEM.
 */
int lwc_cred_overlay(struct lwc_flow *from, bool share)
{
	struct lwc_flow *flow = current->lwc->flow;
	struct lwc_flow shared = { };
	const struct cred *own;
	int err;

	if (share) {
		err = lwc_flow_share_cred(&shared, from);
		if (err)
			return err;
	}
	own = get_current_cred();
	err = lwc_exchange_cred(lwc_flow_cred(from));
	if (err) {
		cell_put(shared.cell);
	} else {
		keep_own(flow, own);
		flow->cell = shared.cell;
	}
	put_cred(own);
	return err;
}

/**
 * lwc_cred_remove - end the overlay of a credential
 *
 * Return: 0, or -EINVAL there is none, or as lwc_cred_overlay().
 */
int lwc_cred_remove(void)
{
	struct lwc_flow *flow = current->lwc->flow;
	int err;

	if (!flow->own_cred)
		return -EINVAL;
	err = lwc_exchange_cred(flow->own_cell ? flow->own_cell->cred : flow->own_cred);
	if (err)
		return err;
	cell_put(flow->cell);
	flow->cell = flow->own_cell;
	flow->own_cell = NULL;
	put_cred(flow->own_cred);
	flow->own_cred = NULL;
	return 0;
}
