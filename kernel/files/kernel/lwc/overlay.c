// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: overlays.
 *
 * What another lwC has is taken over into the calling one, at the same
 * addresses and numbers, in place of what was there; where the other has
 * nothing, nothing changes. All that the caller may not do is found out before
 * anything is done.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/io_uring.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include <trace/events/lwc.h>

#include "internal.h"

struct memory {
	struct mm_struct *to;
	struct mm_struct *from;
	struct list_head *uf;
	bool check;
};

static int overlay_piece(const struct lwc_spec *line, u64 start, u64 end,
			 void *data)
{
	struct memory *m = data;

	bool share = line->how == LWC_HOW_SHARE;

	if (m->check)
		return lwc_mm_overlay_check(m->to, m->from, start, end, share);
	return lwc_mm_overlay(m->to, m->from, start, end, share, m->uf);
}

static int share_piece(const struct lwc_spec *line, u64 start, u64 end,
		       void *data)
{
	struct memory *m = data;

	if (line->how != LWC_HOW_SHARE)
		return 0;
	return lwc_mm_share(m->from, start, end, m->uf);
}

/* With both address spaces locked, the other one's by a thread that is in it */
static int overlay_locked(const struct lwc_specs *specs, struct memory *m,
			  struct list_head *from_uf)
{
	struct memory from = { .from = m->from, .uf = from_uf };
	int err;

	m->check = true;
	err = lwc_specs_each(specs, LWC_WHAT_MEMORY, overlay_piece, m);
	if (!err)
		err = lwc_specs_each(specs, LWC_WHAT_MEMORY, share_piece, &from);
	if (err)
		return err;
	if (lwc_mm_shares(m->from))
		set_bit(MMF_LWC_SHARED, &m->to->flags);
	m->check = false;
	return lwc_specs_each(specs, LWC_WHAT_MEMORY, overlay_piece, m);
}

/*
 * Two address spaces that others can see are locked at once only here and by
 * rollbacks, which lwc_proc.mutex keeps apart.
 */
static int overlay_memory(struct lwc *lwc, const struct lwc_specs *specs)
{
	struct mm_struct *to = current->mm;
	struct mm_struct *from = lwc->mm;
	LIST_HEAD(to_uf);
	LIST_HEAD(from_uf);
	struct memory m = { .to = to, .from = from, .uf = &to_uf };
	int err;

	if (to == from)
		return 0;
	lwc_use_mm(from);
	mmap_write_lock(from);
	mmap_write_lock_nested(to, SINGLE_DEPTH_NESTING);
	err = overlay_locked(specs, &m, &from_uf);
	mmap_write_unlock(to);
	mmap_write_unlock(from);
	userfaultfd_unmap_complete(from, &from_uf);
	lwc_use_mm(to);
	userfaultfd_unmap_complete(to, &to_uf);
	return err;
}

struct table {
	struct files_struct *files;
	bool check;
};

/* The other lwC's file, referenced, or NULL */
static struct file *file_at(struct files_struct *files, unsigned int nr)
{
	struct file *file;

	spin_lock(&files->file_lock);
	file = files_lookup_fd_locked(files, nr);
	if (file)
		get_file(file);
	spin_unlock(&files->file_lock);
	return file;
}

static bool is_cloexec(struct files_struct *files, unsigned int nr)
{
	bool cloexec;

	spin_lock(&files->file_lock);
	cloexec = nr < files_fdtable(files)->max_fds && close_on_exec(nr, files);
	spin_unlock(&files->file_lock);
	return cloexec;
}

static unsigned int table_size(struct files_struct *files)
{
	unsigned int max;

	rcu_read_lock();
	max = files_fdtable(files)->max_fds;
	rcu_read_unlock();
	return max;
}

static int take_file(struct files_struct *files, unsigned int nr,
		     struct file *file)
{
	int err;

	err = replace_fd(nr, file, is_cloexec(files, nr) ? O_CLOEXEC : 0);
	fput(file);
	return err;
}

static int overlay_files_piece(const struct lwc_spec *line, u64 start, u64 end,
			       void *data)
{
	struct table *t = data;
	u64 nr, max = min(end, table_size(t->files));
	int err = 0;

	for (nr = start; nr < max && !err; nr++) {
		struct file *file = file_at(t->files, nr);

		if (!file)
			continue;
		if (!t->check) {
			err = take_file(t->files, nr, file);
			continue;
		}
		if (io_is_uring_fops(file))
			err = -EOPNOTSUPP;
		else if (nr >= rlimit(RLIMIT_NOFILE))
			err = -EBADF;
		fput(file);
	}
	return err;
}

/* The table and directories of another lwC become those of the calling one */
static int share_table(struct lwc *lwc)
{
	struct lwc *cur = current->lwc->cur;
	struct lwc_tables old = { }, parked = { };
	struct lwc_proc *proc = cur->proc;
	int err = 0;

	task_lock(current);
	spin_lock(&proc->lock);
	if (cur->inside > 1 || current->files != cur->files ||
	    current->fs != cur->fs || !lwc->files) {
		err = -EBUSY;
		goto out;
	}
	old.files = current->files;
	old.fs = current->fs;
	if (cur->parked) {
		parked.files = cur->files;
		parked.fs = cur->fs;
	}
	lwc_get_tables(lwc);
	cur->files = lwc->files;
	cur->fs = lwc->fs;
	cur->parked = false;
	cur->shares_table = true;
	current->files = cur->files;
	current->fs = cur->fs;
out:
	spin_unlock(&proc->lock);
	task_unlock(current);
	lwc_put_tables(&old);
	lwc_put_tables(&parked);
	return err;
}

static int overlay_files(struct lwc *lwc, const struct lwc_specs *specs,
			 bool check)
{
	struct table t = { .check = check };
	int err;

	if (lwc_specs_all(specs, LWC_WHAT_FILES, LWC_HOW_SHARE))
		return check ? 0 : share_table(lwc);
	t.files = lwc_files_get(lwc);
	if (!t.files)
		return -ESTALE;
	err = t.files == current->files ? 0 :
		lwc_specs_each(specs, LWC_WHAT_FILES, overlay_files_piece, &t);
	put_files_struct(t.files);
	return err;
}

static int cred_how(const struct lwc_specs *specs)
{
	u64 until;
	const struct lwc_spec *line = lwc_specs_at(specs, LWC_WHAT_CRED, 0,
						   &until);

	return line ? line->how : 0;
}

static int check_all(struct lwc *lwc, const struct lwc_specs *specs,
		     struct lwc_flow **flow)
{
	int err;

	if (lwc == current->lwc->cur)
		return -EINVAL;
	/* A ring would complete into an address space that is not there */
	if (lwc_rings_busy())
		return -EBUSY;
	if (cred_how(specs)) {
		*flow = lwc_own_flow(lwc);
		if (!*flow)
			return -ESRCH;
		err = lwc_check_cred(lwc_flow_cred(*flow));
		if (err)
			return err;
	}
	return overlay_files(lwc, specs, true);
}

static int overlay(struct lwc *lwc, const struct lwc_specs *specs)
{
	struct lwc_flow *flow = NULL;
	int err;

	if (mutex_lock_killable(&lwc->proc->mutex))
		return -EINTR;
	err = lwc->mm ? check_all(lwc, specs, &flow) : -ESTALE;
	if (!err)
		err = overlay_memory(lwc, specs);
	if (!err)
		err = overlay_files(lwc, specs, false);
	if (!err && flow)
		err = lwc_cred_overlay(flow, cred_how(specs) == LWC_HOW_SHARE);
	mutex_unlock(&lwc->proc->mutex);
	trace_lwc_overlay(current->lwc->cur->id, lwc->id, specs->nr, err);
	return err;
}

static int remove_own(const struct lwc_specs *specs)
{
	int err = lwc_specs_apply_mm(specs, current->mm);

	if (err)
		return err;
	lwc_specs_apply_files(specs, current->files);
	return cred_how(specs) ? lwc_cred_remove() : 0;
}

/**
 * lwc_do_overlay - take resources of another lwC, or give up own ones
 * @nr: a descriptor of the caller, or -1 for the calling lwC
 * @specs: what and how, in a form that fits @nr
 *
 * Return: 0, or -EBADF, -EINVAL, -ESTALE as of lwc_from_fd(), -EPERM the
 * descriptor does not allow it, or what the pieces return.
 */
int lwc_do_overlay(int nr, const struct lwc_specs *specs)
{
	struct lwc_task *lt = lwc_task_current();
	struct file *file;
	struct lwc *lwc;
	int err;

	if (IS_ERR(lt))
		return PTR_ERR(lt);
	if (nr == -1)
		return remove_own(specs);
	file = lwc_fd_file(nr);
	if (IS_ERR(file))
		return PTR_ERR(file);
	lwc = lwc_from_file(file);
	if (IS_ERR(lwc)) {
		err = PTR_ERR(lwc);
		goto out;
	}
	err = -EPERM;
	if (lwc_rights_cover_specs(lwc_file_rights(file), specs))
		err = overlay(lwc, specs);
	lwc_put(lwc);
out:
	fput(file);
	return err;
}
