// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: freeing cycles.
 *
 * A dormant lwC whose own table names itself, or two that name each other,
 * keep their reference counts up although no thread can ever get there. As the
 * kernel does for descriptors in flight over Unix sockets, mark what can be
 * reached and empty the rest; the counts do what remains.
 *
 * An lwC is a root if it has more references than descriptors in tables of
 * lwCs without threads and created lwCs explain: a thread is inside, or a
 * descriptor is in use, in flight or in another process.
 *
 * A pass costs what all tables together hold, thus it is not made at every close.
 * Garbage can only come of lwCs that somebody could enter at once, until their
 * last descriptor in a table in use was closed: a pass is made when that has
 * happened to half of those that there were after the last one. So when the
 * last one is closed all is freed, and closing any number of lwCs that name each
 * other takes as many passes as the number has binary digits. One that was closed
 * may have made others, which nobody counts: a pass is also made when there are
 * twice as many as the last one left.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "internal.h"

static void clear_found(struct lwc_fd *fd, struct file *file)
{
	fd->found = 0;
}

static void count_found(struct lwc_fd *fd, struct file *file)
{
	/* Who is about to close it holds a reference still */
	bool closing = file == fd->lwc->proc->closing;

	if (++fd->found == file_count(file) - closing)
		fd->lwc->explained++;
}

/* What it reaches in turn is still to be marked */
static void mark_reached(struct lwc *lwc)
{
	if (lwc->reached)
		return;
	lwc->reached = true;
	list_add_tail(&lwc->work, &lwc->proc->work);
}

static void mark_named(struct lwc_fd *fd, struct file *file)
{
	mark_reached(fd->lwc);
}

static void visit_tables(struct lwc *lwc,
			 void (*fn)(struct lwc_fd *fd, struct file *file))
{
	struct lwc_flow *flow;

	lwc_fd_visit(lwc->files, fn);
	if (lwc->snap)
		lwc_fd_visit(lwc->snap->files, fn);
	list_for_each_entry(flow, &lwc->flows, in_lwc)
		lwc_fd_visit(flow->files, fn);
}

/*
 * Is the table of a dormant lwC counted with another one that has it? Twice
 * would be too much.
 */
static bool counted_elsewhere(struct lwc *lwc)
{
	struct lwc *other;
	bool before = true;

	if (!lwc->shares_table)
		return false;
	list_for_each_entry(other, &lwc->proc->lwcs, node) {
		if (other == lwc)
			before = false;
		else if (other->files == lwc->files &&
			 (before || !other->shares_table))
			return true;
	}
	return false;
}

static void mark_roots(struct lwc_proc *proc)
{
	struct lwc *lwc;

	list_for_each_entry(lwc, &proc->lwcs, node) {
		lwc->explained = 0;
		lwc->reached = false;
		if (!lwc->inside)
			visit_tables(lwc, clear_found);
	}
	list_for_each_entry(lwc, &proc->lwcs, node) {
		if (lwc->creator)
			lwc->creator->explained++;
		if (!lwc->inside && !counted_elsewhere(lwc))
			visit_tables(lwc, count_found);
	}
	proc->nr_named = 0;
	list_for_each_entry(lwc, &proc->lwcs, node) {
		if (refcount_read(&lwc->refs) <= lwc->explained)
			continue;
		mark_reached(lwc);
		proc->nr_named += !lwc->inside;
	}
}

static struct lwc *next_work(struct lwc_proc *proc)
{
	struct lwc *lwc = list_first_entry_or_null(&proc->work, struct lwc, work);

	if (lwc)
		list_del(&lwc->work);
	return lwc;
}

static void spread_marks(struct lwc_proc *proc)
{
	struct lwc *lwc;

	while ((lwc = next_work(proc))) {
		if (lwc->creator)
			mark_reached(lwc->creator);
		visit_tables(lwc, mark_named);
	}
}

/* What nothing reaches, with a reference that keeps it while the lock is open */
static void find_garbage(struct lwc_proc *proc)
{
	struct lwc *lwc;

	list_for_each_entry(lwc, &proc->lwcs, node)
		if (!lwc->reached && lwc->mm &&
		    refcount_inc_not_zero(&lwc->refs))
			list_add_tail(&lwc->work, &proc->work);
}

static bool is_time(struct lwc_proc *proc, unsigned int lost)
{
	/* A new lwC has a descriptor in a table in use */
	unsigned int named = proc->nr_named + proc->nr;

	proc->closes += lost;
	return 2 * proc->closes + proc->nr_left >= named ||
	       proc->nr >= 2 * proc->nr_left;
}

/**
 * lwc_collect - free lwCs that nobody can enter any more
 * @proc: referenced by the caller
 * @closing: file that the caller gives up its reference on afterwards, or NULL
 * @lost: how many lwCs may have become garbage by that alone
 *
 * Called when a descriptor was closed whose lwC lives on without a thread
 * inside. Context: may sleep. With @closing, who holds the mutex may be closing a
 * table, as a pass and a rollback do; it is left to the next pass then.
 */
void lwc_collect(struct lwc_proc *proc, const struct file *closing,
		 unsigned int lost)
{
	struct lwc *lwc;

	if (!closing)
		mutex_lock(&proc->mutex);
	else if (!mutex_trylock(&proc->mutex))
		return;
	spin_lock(&proc->lock);
	if (!is_time(proc, lost)) {
		spin_unlock(&proc->lock);
		goto out;
	}
	proc->closes = 0;
	proc->closing = closing;
	mark_roots(proc);
	spread_marks(proc);
	find_garbage(proc);
	while ((lwc = next_work(proc))) {
		spin_unlock(&proc->lock);
		lwc_gut(lwc);
		lwc_put(lwc);
		spin_lock(&proc->lock);
	}
	proc->nr_left = proc->nr;
	spin_unlock(&proc->lock);
out:
	mutex_unlock(&proc->mutex);
}
