// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: descriptors.
 *
 * A descriptor is a right, and the right belongs to the descriptor in one
 * table. A struct file of an lwC never changes, so that tables may have the same
 * one: restricting a descriptor puts another file into its slot.
 * In a forked process they are replaced by dead ones: they name nothing, keep
 * nothing alive, and every call answers ESTALE.
 */
#include <linux/anon_inodes.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * Has the table that the calling thread uses a file as well, in the same slot?
 * Then a copy of that table is being closed, and what the file stands for can be
 * reached all the same.
 */
static bool is_at_hand(const struct file *file)
{
	struct lwc_fd *fd = file->private_data;
	struct files_struct *files = current->files;
	bool found;

	if (!files)
		return false;
	rcu_read_lock();
	found = files_lookup_fd_raw(files, fd->nr) == file;
	rcu_read_unlock();
	return found;
}

/*
 * A descriptor is closed whose file other tables have too. If nobody can get into
 * the lwCs of those any more, it was the last that kept them alive.
 */
static int lwc_fd_flush(struct file *file, fl_owner_t id)
{
	struct lwc_fd *fd = file->private_data;

	if (fd->lwc && file_count(file) > 1 && !READ_ONCE(fd->lwc->inside) &&
	    !is_at_hand(file))
		lwc_collect(fd->lwc->proc, file, 1);
	return 0;
}

static int lwc_fd_release(struct inode *inode, struct file *file)
{
	struct lwc_fd *fd = file->private_data;
	struct lwc *lwc = fd->lwc;

	if (lwc) {
		struct lwc_proc *proc = lwc->proc;
		unsigned int others;

		refcount_inc(&proc->count);
		others = READ_ONCE(lwc->inside) ? 0 :
			 refcount_read(&lwc->refs) - 1;
		lwc_put(lwc);
		if (others)
			lwc_collect(proc, NULL, others);
		lwc_proc_put(proc);
	}
	kfree(fd->rights);
	kfree_rcu(fd, rcu);
	return 0;
}

static void lwc_fd_show(struct seq_file *m, struct file *file)
{
	struct lwc_fd *fd = file->private_data;

	if (fd->lwc)
		seq_printf(m, "lwc:\t%llu\n", fd->lwc->id);
	else
		seq_puts(m, "lwc:\tdead\n");
}

const struct file_operations lwc_fops = {
	.flush = lwc_fd_flush,
	.release = lwc_fd_release,
	.show_fdinfo = lwc_fd_show,
	.llseek = noop_llseek,
};

static struct lwc_rights *rights_copy(const struct lwc_rights *rights)
{
	return kmemdup(rights, struct_size(rights, right, rights->nr),
		       GFP_KERNEL_ACCOUNT);
}

/**
 * lwc_file_new - an open file that names an lwC
 * @lwc: the lwC, or NULL for a dead descriptor
 * @rights: what may be overlaid through it, copied; NULL for nothing
 *
 * Return: the file, or an ERR_PTR: -ENOMEM, -ENFILE.
 */
struct file *lwc_file_new(struct lwc *lwc, const struct lwc_rights *rights)
{
	struct lwc_fd *fd = kzalloc(sizeof(*fd), GFP_KERNEL_ACCOUNT);
	struct file *file;

	if (!fd)
		return ERR_PTR(-ENOMEM);
	fd->nr = UINT_MAX;
	if (rights) {
		fd->rights = rights_copy(rights);
		if (!fd->rights) {
			file = ERR_PTR(-ENOMEM);
			goto err_fd;
		}
	}
	file = anon_inode_getfile("[lwc]", &lwc_fops, fd, O_RDWR);
	if (IS_ERR(file))
		goto err_rights;
	if (lwc)
		fd->lwc = lwc_get(lwc);
	return file;

err_rights:
	kfree(fd->rights);
err_fd:
	kfree(fd);
	return file;
}

/**
 * lwc_fd_file - the file of an lwC descriptor of the caller
 * @nr: the descriptor
 *
 * Return: the file with a reference, or an ERR_PTR: -EBADF no such descriptor,
 * -EINVAL it names no lwC.
 */
struct file *lwc_fd_file(int nr)
{
	struct file *file = fget(nr);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &lwc_fops)
		return file;
	fput(file);
	return ERR_PTR(-EINVAL);
}

/* The lwC with a reference, or -ESTALE: it is none of this process any more */
struct lwc *lwc_from_file(const struct file *file)
{
	struct lwc_fd *fd = file->private_data;
	struct lwc *lwc = fd->lwc;

	if (!lwc || lwc->proc != READ_ONCE(current->signal->lwc) || !lwc->mm)
		return ERR_PTR(-ESTALE);
	return lwc_get(lwc);
}

/* What may be overlaid through it: goes with the file; NULL for nothing */
const struct lwc_rights *lwc_file_rights(const struct file *file)
{
	struct lwc_fd *fd = file->private_data;

	return fd->rights;
}

/**
 * lwc_from_fd - the lwC that a descriptor of the caller names
 * @nr: the descriptor
 *
 * Return: the lwC with a reference, or an ERR_PTR: -EBADF no such descriptor,
 * -EINVAL it names no lwC, -ESTALE it names none of this process any more.
 */
struct lwc *lwc_from_fd(int nr)
{
	CLASS(fd, fd)(nr);

	if (fd_empty(fd))
		return ERR_PTR(-EBADF);
	if (fd_file(fd)->f_op != &lwc_fops)
		return ERR_PTR(-EINVAL);
	return lwc_from_file(fd_file(fd));
}

/*
 * As lwc_from_fd(), to change what the lwC has: -EPERM unless the descriptor has
 * all rights, as the one that the creator got.
 */
struct lwc *lwc_from_own_fd(int nr)
{
	struct file *file = lwc_fd_file(nr);
	const struct lwc_rights *rights;
	struct lwc *lwc;

	if (IS_ERR(file))
		return ERR_CAST(file);
	rights = lwc_file_rights(file);
	lwc = lwc_from_file(file);
	if (!IS_ERR(lwc) &&
	    !(lwc_rights_whole(rights, LWC_WHAT_MEMORY) &&
	      lwc_rights_whole(rights, LWC_WHAT_FILES) &&
	      lwc_rights_whole(rights, LWC_WHAT_CRED))) {
		lwc_put(lwc);
		lwc = ERR_PTR(-EPERM);
	}
	fput(file);
	return lwc;
}

/**
 * lwc_fd_replace - put another file in the place of one
 * @nr: a descriptor of the caller
 * @old: the file that is expected there
 * @file: the other one; its reference goes into the table on success
 *
 * Whether it is closed on exec stays.
 *
 * Return: 0, or -EBADF: another thread has changed it meanwhile.
 */
int lwc_fd_replace(unsigned int nr, struct file *old, struct file *file)
{
	struct files_struct *files = current->files;
	struct fdtable *fdt;
	struct lwc_fd *fd = file->private_data;
	int err = -EBADF;

	fd->nr = nr;
	file->f_flags = old->f_flags;
	spin_lock(&files->file_lock);
	fdt = files_fdtable(files);
	if (nr < fdt->max_fds && files_lookup_fd_locked(files, nr) == old) {
		rcu_assign_pointer(fdt->fd[nr], file);
		err = 0;
	}
	spin_unlock(&files->file_lock);
	if (!err)
		filp_close(old, files);
	return err;
}

/*
 * Run the descriptor allocator on another table than the caller's own. Nobody
 * borrows a file from the caller's table meanwhile: a system call that uses
 * this has looked up its descriptors with fget().
 */
static struct files_struct *files_swap(struct files_struct *files)
{
	struct files_struct *old;

	task_lock(current);
	old = current->files;
	current->files = files;
	task_unlock(current);
	return old;
}

/**
 * lwc_fd_fill - put a file into a reserved slot of the current table
 * @nr: the slot
 * @file: the file, which lwc_file_new() made; its reference goes into the table
 */
void lwc_fd_fill(unsigned int nr, struct file *file)
{
	struct lwc_fd *fd = file->private_data;

	fd->nr = nr;
	fd_install(nr, file);
}

/**
 * lwc_fd_install - give a table a descriptor for a file
 * @files: the table; the caller holds a reference
 * @file: the file; its reference goes into the table on success only
 * @cloexec: closed on exec
 *
 * Return: the descriptor or -EMFILE, -ENOMEM.
 */
int lwc_fd_install(struct files_struct *files, struct file *file, bool cloexec)
{
	struct files_struct *old = NULL;
	int nr;

	if (files != current->files)
		old = files_swap(files);
	nr = get_unused_fd_flags(cloexec ? O_CLOEXEC : 0);
	if (nr >= 0)
		lwc_fd_fill(nr, file);
	if (old)
		files_swap(old);
	return nr;
}

/**
 * lwc_fd_close - close a descriptor in a table, if it is open
 * @files: the table; the caller holds a reference
 * @nr: the descriptor
 */
void lwc_fd_close(struct files_struct *files, unsigned int nr)
{
	struct files_struct *old = NULL;
	struct file *file;

	if (files != current->files)
		old = files_swap(files);
	file = file_close_fd(nr);
	if (old)
		files_swap(old);
	if (file)
		filp_close(file, files);
}

static bool fd_names(struct files_struct *files, unsigned int nr,
		     const struct lwc *lwc)
{
	struct file *file = files_lookup_fd_raw(files, nr);
	struct lwc_fd *fd;

	if (!file || file->f_op != &lwc_fops)
		return false;
	fd = READ_ONCE(file->private_data);
	return fd && READ_ONCE(fd->lwc) == lwc;
}

static int fd_search(struct files_struct *files, const struct lwc *lwc)
{
	unsigned int nr, max;
	int found = -1;

	spin_lock(&files->file_lock);
	max = files_fdtable(files)->max_fds;
	for (nr = 0; nr < max && found < 0; nr++)
		if (fd_names(files, nr, lwc))
			found = nr;
	spin_unlock(&files->file_lock);
	return found;
}

static struct files_struct *table_of(struct lwc_flow *flow)
{
	return flow->files ?: flow->lwc->files;
}

/* The hint is two words that threads change at once: believed only if it fits */
static int hinted_fd(struct lwc *in, struct files_struct *files,
		     const struct lwc *lwc)
{
	int nr = READ_ONCE(in->caller_fd);
	bool hit;

	if (nr < 0 || READ_ONCE(in->caller_lwc) != lwc)
		return -1;
	rcu_read_lock();
	hit = fd_names(files, nr, lwc);
	rcu_read_unlock();
	return hit ? nr : -1;
}

static void set_hint(struct lwc *in, const struct lwc *lwc, int nr)
{
	WRITE_ONCE(in->caller_fd, nr);
	WRITE_ONCE(in->caller_lwc, lwc);
}

/**
 * lwc_fd_find - the descriptor by which a flow's table names another lwC
 * @flow: suspended, reserved by the caller
 * @lwc: the other lwC
 *
 * The answer of last time is tried first, so that switching to and fro does
 * not search.
 *
 * Return: the descriptor or -1.
 */
int lwc_fd_find(struct lwc_flow *flow, const struct lwc *lwc)
{
	struct files_struct *files = table_of(flow);
	int nr = hinted_fd(flow->lwc, files, lwc);

	if (nr >= 0)
		return nr;
	nr = fd_search(files, lwc);
	set_hint(flow->lwc, lwc, nr);
	return nr;
}

/**
 * lwc_fd_caller - as lwc_fd_find(), and make one if there is none
 * @flow: suspended, reserved by the caller, so that its table stays
 * @caller: the lwC that switches there
 *
 * Return: the descriptor or -EMFILE, -ENOMEM, -ENFILE.
 */
int lwc_fd_caller(struct lwc_flow *flow, struct lwc *caller)
{
	int nr = lwc_fd_find(flow, caller);
	struct file *file;

	if (nr >= 0)
		return nr;
	file = lwc_file_new(caller, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	nr = lwc_fd_install(table_of(flow), file, true);
	if (nr < 0)
		fput(file);
	else
		set_hint(flow->lwc, caller, nr);
	return nr;
}

static int own_file(struct files_struct *files, unsigned int nr,
		    struct file *file, bool twins)
{
	struct lwc_fd *fd = file->private_data;
	struct lwc *lwc = twins && fd->lwc ? fd->lwc->twin : NULL;
	struct file *own = lwc_file_new(lwc, lwc ? fd->rights : NULL);

	if (IS_ERR(own))
		return PTR_ERR(own);
	((struct lwc_fd *)own->private_data)->nr = nr;
	own->f_flags = file->f_flags;
	/* Nobody else sees the table: no lock to hold */
	rcu_assign_pointer(rcu_dereference_raw(files->fdt)->fd[nr], own);
	fput(file);
	return 0;
}

/**
 * lwc_fd_own_files - give the table of a forked process files of its own for lwCs
 * @files: a table that nobody else can see yet
 * @twins: they are to name lwc.twin; else they are dead
 *
 * Return: 0 or -ENOMEM, -ENFILE.
 */
int lwc_fd_own_files(struct files_struct *files, bool twins)
{
	struct fdtable *fdt = rcu_dereference_raw(files->fdt);
	unsigned int nr;
	int err = 0;

	for (nr = 0; nr < fdt->max_fds && !err; nr++) {
		struct file *file = rcu_dereference_raw(fdt->fd[nr]);

		if (file && file->f_op == &lwc_fops)
			err = own_file(files, nr, file, twins);
	}
	return err;
}

/* Call @fn for every living lwC descriptor in a table, under its lock */
void lwc_fd_visit(struct files_struct *files,
		  void (*fn)(struct lwc_fd *fd, struct file *file))
{
	unsigned int nr, max;

	if (!files)
		return;
	spin_lock(&files->file_lock);
	max = files_fdtable(files)->max_fds;
	for (nr = 0; nr < max; nr++) {
		struct file *file = files_lookup_fd_locked(files, nr);
		struct lwc_fd *fd;

		if (!file || file->f_op != &lwc_fops)
			continue;
		fd = file->private_data;
		if (fd->lwc)
			fn(fd, file);
	}
	spin_unlock(&files->file_lock);
}
