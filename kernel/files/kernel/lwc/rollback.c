// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: rollback in place.
 *
 * An lwC made with LWC_CREATE_ROLLBACK has a snapshot: a second copy of the
 * address space that never runs, a copy of the table, and the state of the
 * creating thread's control flow. Rolling back compares and undoes. The address
 * space, where that cannot be done, is thrown away and copied from the snapshot
 * anew, so that a rollback is slow at worst, never incomplete.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include <trace/events/lwc.h>

#include "internal.h"

static int replace_mm(struct lwc *lwc)
{
	struct mm_struct *old = lwc->mm;
	struct mm_struct *mm;
	int err;

	mm = dup_mm(current->group_leader, lwc->snap->mm);
	if (!mm)
		return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
	err = lwc_mm_track(mm, old->lwc->limit);
	if (err) {
		mmput(mm);
		return err;
	}
	mm->lwc->restored = old->lwc->restored;
	mm->lwc->dropped = old->lwc->dropped + atomic_long_read(&old->lwc->nr);
	atomic64_set(&mm->lwc->faults, atomic64_read(&old->lwc->faults));
	spin_lock(&lwc->proc->lock);
	lwc->mm = mm;
	spin_unlock(&lwc->proc->lock);
	mmput(old);
	return 0;
}

static int restore_mm(struct lwc *lwc)
{
	if (!lwc_mm_restore(lwc->mm, lwc->snap->mm))
		return 0;
	return replace_mm(lwc);
}

static int replace_files(struct lwc *lwc)
{
	struct files_struct *files, *old = lwc->files;

	files = dup_fd(lwc->snap->files, NULL);
	if (IS_ERR(files))
		return PTR_ERR(files);
	spin_lock(&lwc->proc->lock);
	lwc->files = files;
	spin_unlock(&lwc->proc->lock);
	put_files_struct(old);
	return 0;
}

/* Put one slot back; returns what was there and must be closed */
static struct file *restore_slot(struct fdtable *fdt, unsigned int nr,
				 struct file *want)
{
	struct file *have = rcu_dereference_raw(fdt->fd[nr]);

	if (have == want)
		return NULL;
	if (want)
		get_file(want);
	rcu_assign_pointer(fdt->fd[nr], want);
	return have;
}

static void copy_bits(unsigned long *to, const unsigned long *from,
		      unsigned int to_bits, unsigned int from_bits)
{
	unsigned int words = BITS_TO_LONGS(from_bits);

	memcpy(to, from, words * sizeof(long));
	memset(to + words, 0, (BITS_TO_LONGS(to_bits) - words) * sizeof(long));
}

static void copy_bitmaps(struct fdtable *to, const struct fdtable *from)
{
	copy_bits(to->open_fds, from->open_fds, to->max_fds, from->max_fds);
	copy_bits(to->close_on_exec, from->close_on_exec, to->max_fds,
		  from->max_fds);
	copy_bits(to->full_fds_bits, from->full_fds_bits,
		  BITS_TO_LONGS(to->max_fds), BITS_TO_LONGS(from->max_fds));
}

static void restore_slot_and_close(struct files_struct *files, unsigned int nr,
				   const struct fdtable *want)
{
	struct fdtable *fdt = rcu_dereference_raw(files->fdt);
	struct file *was, *file = NULL;

	if (nr < want->max_fds)
		file = rcu_dereference_raw(want->fd[nr]);
	spin_lock(&files->file_lock);
	was = restore_slot(fdt, nr, file);
	spin_unlock(&files->file_lock);
	if (was)
		filp_close(was, files);
	else if (file)
		locks_remove_posix(file, files);
}

/* Slots of a word that are open in one of the tables, or in both */
static unsigned long open_slots(const struct fdtable *fdt,
				const struct fdtable *want, unsigned int word)
{
	unsigned long slots = fdt->open_fds[word];

	if (word < want->max_fds / BITS_PER_LONG)
		slots |= want->open_fds[word];
	return slots;
}

/*
 * Only slots that differ are touched. Nobody else uses either table; the lock
 * is for those who look at it through /proc.
 */
static void restore_table(struct files_struct *files,
			  struct files_struct *snap)
{
	struct fdtable *fdt = rcu_dereference_raw(files->fdt);
	struct fdtable *want = rcu_dereference_raw(snap->fdt);
	unsigned int word, bit;

	for (word = 0; word < fdt->max_fds / BITS_PER_LONG; word++) {
		unsigned long slots = open_slots(fdt, want, word);

		for_each_set_bit(bit, &slots, BITS_PER_LONG)
			restore_slot_and_close(files, word * BITS_PER_LONG + bit,
					       want);
	}
	spin_lock(&files->file_lock);
	copy_bitmaps(fdt, want);
	files->next_fd = snap->next_fd;
	spin_unlock(&files->file_lock);
}

static int restore_files(struct lwc *lwc)
{
	struct files_struct *files = lwc->files;
	struct files_struct *snap = lwc->snap->files;

	if (!snap)
		return 0;
	if (atomic_read(&files->count) > 1 ||
	    rcu_dereference_raw(files->fdt)->max_fds <
	    rcu_dereference_raw(snap->fdt)->max_fds)
		return replace_files(lwc);
	restore_table(files, snap);
	return 0;
}

static int restore_fs(struct lwc *lwc)
{
	struct fs_struct *fs = lwc->fs, *snap = lwc->snap->fs;
	struct fs_struct *new;

	if (!snap)
		return 0;
	if (fs->users == 1 && fs->umask == snap->umask &&
	    path_equal(&fs->root, &snap->root) &&
	    path_equal(&fs->pwd, &snap->pwd))
		return 0;
	new = copy_fs_struct(snap);
	if (!new)
		return -ENOMEM;
	spin_lock(&lwc->proc->lock);
	lwc->fs = new;
	spin_unlock(&lwc->proc->lock);
	lwc_fs_put(fs);
	return 0;
}

/*
 * Drop the flows of all threads but the creating one's. Returns that one, or
 * NULL. Nobody is inside, so that all are suspended.
 */
static struct lwc_flow *drop_flows(struct lwc *lwc)
{
	struct lwc_flow *flow, *next, *kept = NULL;
	LIST_HEAD(dead);

	spin_lock(&lwc->proc->lock);
	list_for_each_entry_safe(flow, next, &lwc->flows, in_lwc) {
		if (flow->task == lwc->snap->flow->task) {
			kept = flow;
			continue;
		}
		lwc_flow_unlink(flow);
		list_add(&flow->in_lwc, &dead);
	}
	spin_unlock(&lwc->proc->lock);
	list_for_each_entry_safe(flow, next, &dead, in_lwc) {
		list_del_init(&flow->in_lwc);
		lwc_flow_free(flow);
	}
	return kept;
}

/* What a flow holds, before it is put back; only its own thread may do that */
static void empty_flow(struct lwc_flow *flow)
{
	lwc_deadline_stop(flow);
	lwc_flow_drop_creds(flow);
	if (flow->files)
		put_files_struct(flow->files);
	flow->files = NULL;
	lwc_fs_put(flow->fs);
	flow->fs = NULL;
	flow->in_call = false;
	flow->pass = false;
}

static struct lwc_flow *new_flow(struct lwc *lwc)
{
	struct lwc_flow *flow = lwc_flow_alloc(lwc, current);

	if (!flow)
		return NULL;
	flow->state = LWC_FLOW_SUSPENDED;
	lwc_flow_copy(flow, lwc->snap->flow);
	lwc_flow_link(flow, current->lwc);
	return flow;
}

static int restore_flow(struct lwc *lwc)
{
	struct lwc_flow *flow = drop_flows(lwc);

	if (!flow)
		return new_flow(lwc) ? 0 : -ENOMEM;
	empty_flow(flow);
	lwc_flow_copy(flow, lwc->snap->flow);
	return 0;
}

static void restore_actions(struct lwc *lwc)
{
	memcpy(lwc->actions->action, lwc->snap->actions->action,
	       sizeof(lwc->actions->action));
}

static int claim(struct lwc *lwc)
{
	int err = 0;

	spin_lock(&lwc->proc->lock);
	if (!lwc->mm)
		err = -ESTALE;
	else if (!lwc->snap)
		err = -EOPNOTSUPP;
	else if (lwc->snap->flow->task != current)
		err = -ESRCH;
	else if (lwc->inside || lwc->busy)
		err = -EBUSY;
	else
		lwc->busy = true;
	spin_unlock(&lwc->proc->lock);
	return err;
}

/**
 * lwc_rollback - put an lwC back to its snapshot
 * @lwc: referenced by the caller
 *
 * The creating thread can enter it afterwards as if for the first time; flows
 * that other threads had there are gone.
 *
 * Return: 0, or -EOPNOTSUPP it has no snapshot, -EBUSY a thread is inside,
 * -ESRCH the caller is not the thread that made it, -ESTALE it is gone. On
 * -ENOMEM or -EINTR it is half undone, and cannot be entered until a rollback
 * succeeds.
 */
int lwc_rollback(struct lwc *lwc)
{
	int err;

	if (mutex_lock_killable(&lwc->proc->mutex))
		return -EINTR;
	err = claim(lwc);
	if (err)
		goto out;
	err = restore_mm(lwc);
	if (!err)
		err = restore_files(lwc);
	if (!err)
		err = restore_fs(lwc);
	if (!err)
		err = restore_flow(lwc);
	if (!err)
		restore_actions(lwc);
	lwc_new_mark(lwc);
	spin_lock(&lwc->proc->lock);
	lwc->busy = false;
	lwc->broken = err;
	lwc->rollbacks += !err;
	spin_unlock(&lwc->proc->lock);
	trace_lwc_rollback(lwc->id, lwc->mm->lwc->restored,
			   lwc->mm->lwc->dropped, err);
out:
	mutex_unlock(&lwc->proc->mutex);
	return err;
}
