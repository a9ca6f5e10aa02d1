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
 * A pass costs what all tables together hold. With few lwCs it is made when half
 * as many descriptors were closed in vain as there are lwCs. With many, which may
 * name each other all, when there are twice as many lwCs as the last one left,
 * so that it adds to making one no more than copying the table does. Either way
 * there is never more garbage than what lives.
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
	if (++fd->found == file_count(file))
		fd->lwc->explained++;
}

static void mark_reached(struct lwc_fd *fd, struct file *file)
{
	fd->lwc->reached = true;
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
		lwc->spread = false;
		if (!lwc->inside)
			visit_tables(lwc, clear_found);
	}
	list_for_each_entry(lwc, &proc->lwcs, node) {
		if (lwc->creator)
			lwc->creator->explained++;
		if (!lwc->inside && !counted_elsewhere(lwc))
			visit_tables(lwc, count_found);
	}
	list_for_each_entry(lwc, &proc->lwcs, node)
		lwc->reached = refcount_read(&lwc->refs) > lwc->explained;
}

static bool spread_marks(struct lwc_proc *proc)
{
	bool again = false;
	struct lwc *lwc;

	list_for_each_entry(lwc, &proc->lwcs, node) {
		if (!lwc->reached || lwc->spread)
			continue;
		lwc->spread = true;
		again = true;
		if (lwc->creator)
			lwc->creator->reached = true;
		visit_tables(lwc, mark_reached);
	}
	return again;
}

/* An lwC that nothing reaches, referenced, or NULL */
static struct lwc *next_garbage(struct lwc_proc *proc)
{
	struct lwc *lwc;

	list_for_each_entry(lwc, &proc->lwcs, node)
		if (!lwc->reached && lwc->mm &&
		    refcount_inc_not_zero(&lwc->refs))
			return lwc;
	return NULL;
}

#define LWC_FEW	16

static bool is_time(struct lwc_proc *proc)
{
	proc->closes++;
	proc->nr_left = min(proc->nr_left, proc->nr);
	return proc->nr <= LWC_FEW ? proc->closes >= proc->nr / 2 :
				     proc->nr >= 2 * proc->nr_left;
}

/**
 * lwc_collect - free lwCs that nobody can enter any more
 * @proc: referenced by the caller
 *
 * Called when a descriptor was closed whose lwC lives on without a thread
 * inside. Context: may sleep, no lock held.
 */
void lwc_collect(struct lwc_proc *proc)
{
	struct lwc *lwc;

	mutex_lock(&proc->mutex);
	spin_lock(&proc->lock);
	if (!is_time(proc)) {
		spin_unlock(&proc->lock);
		goto out;
	}
	proc->closes = 0;
	mark_roots(proc);
	while (spread_marks(proc))
		;
	while ((lwc = next_garbage(proc))) {
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
