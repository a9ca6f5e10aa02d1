// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: references on a file table and its directories.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/io_uring.h>

#include "internal.h"

/* References on what an lwC has, which is there. Under lwc_proc.lock. */
void lwc_get_tables(struct lwc *lwc)
{
	atomic_inc(&lwc->files->count);
	spin_lock(&lwc->fs->lock);
	lwc->fs->users++;
	spin_unlock(&lwc->fs->lock);
}

void lwc_put_tables(struct lwc_tables *t)
{
	if (t->files)
		put_files_struct(t->files);
	lwc_fs_put(t->fs);
}

/* The table of an lwC, referenced, or NULL if the lwC has gone */
struct files_struct *lwc_files_get(struct lwc *lwc)
{
	struct files_struct *files;

	spin_lock(&lwc->proc->lock);
	files = lwc->files;
	if (files)
		atomic_inc(&files->count);
	spin_unlock(&lwc->proc->lock);
	return files;
}

/**
 * lwc_use_tables - let the calling thread use other tables
 * @t: those, with their references; becomes what it had, with theirs
 */
void lwc_use_tables(struct lwc_tables *t)
{
	struct lwc_tables old;

	task_lock(current);
	old.files = current->files;
	old.fs = current->fs;
	current->files = t->files;
	current->fs = t->fs;
	task_unlock(current);
	*t = old;
}

/**
 * lwc_files_refuse_rings - is there a ring of io_uring in a table?
 * @files: the table
 *
 * What is registered with one - buffers, files, a credential - is used by
 * whoever has the ring, wherever he is.
 *
 * Return: -EBUSY if so, or 0.
 */
int lwc_files_refuse_rings(struct files_struct *files)
{
	unsigned int nr, max;
	int err = 0;

	spin_lock(&files->file_lock);
	max = files_fdtable(files)->max_fds;
	for (nr = 0; nr < max && !err; nr++) {
		struct file *file = files_lookup_fd_locked(files, nr);

		if (file && io_is_uring_fops(file))
			err = -EBUSY;
	}
	spin_unlock(&files->file_lock);
	return err;
}
