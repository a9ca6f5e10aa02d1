// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: making one.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>

#include <trace/events/lwc.h>

#include "internal.h"

/* A snapshot of the address space has to be one: not with I/O in flight */
static int check_quiet(void)
{
	if (lwc_rings_busy())
		return -EBUSY;
#ifdef CONFIG_AIO
	if (rcu_access_pointer(current->mm->ioctx_table))
		return -EBUSY;
#endif
	return 0;
}

static struct mm_struct *copy_mm(struct mm_struct *from)
{
	struct mm_struct *mm = dup_mm(current->group_leader, from);

	if (mm)
		return mm;
	return ERR_PTR(fatal_signal_pending(current) ? -EINTR : -ENOMEM);
}

static unsigned long page_limit(const struct lwc_create_args *args,
				struct lwc *creator)
{
	unsigned long outer = creator->mm->lwc ? creator->mm->lwc->limit : 0;
	unsigned long limit = args->memory_limit >> PAGE_SHIFT;

	if (args->memory_limit && !limit)
		limit = 1;
	return outer && limit ? min(outer, limit) : outer ?: limit;
}

static int share_piece(const struct lwc_spec *line, u64 start, u64 end,
		       void *uf)
{
	if (line->how != LWC_HOW_SHARE)
		return 0;
	return lwc_mm_share(current->mm, start, end, uf);
}

/* Make what the new lwC is to share such that it can */
static int share_ranges(const struct lwc_specs *specs)
{
	struct mm_struct *mm = current->mm;
	LIST_HEAD(uf);
	int err;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	err = lwc_specs_each(specs, LWC_WHAT_MEMORY, share_piece, &uf);
	mmap_write_unlock(mm);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
}

/* What the creator shares with others is copied where it is not shared here */
static int unshare_rest(const struct lwc_specs *specs, struct mm_struct *mm)
{
	const struct lwc_spec *line;
	u64 at, until;
	int err = 0;

	if (!lwc_mm_shares(current->mm))
		return 0;
	set_bit(MMF_LWC_SHARED, &mm->flags);
	for (at = 0; at < TASK_SIZE_MAX && !err; at = until) {
		line = lwc_specs_at(specs, LWC_WHAT_MEMORY, at, &until);
		if (!line || line->how != LWC_HOW_SHARE)
			err = lwc_mm_unshare(mm, at, until);
	}
	return err;
}

static int prepare_mm(const struct lwc_specs *specs, struct mm_struct *mm)
{
	int err = lwc_specs_apply_mm(specs, mm);

	if (!err)
		err = unshare_rest(specs, mm);
	return err ?: lwc_mm_refuse_rings(mm);
}

static struct mm_struct *copy_snapshot(struct mm_struct *from)
{
	struct mm_struct *mm = copy_mm(from);

	if (!IS_ERR(mm) && lwc_mm_shares(from))
		set_bit(MMF_LWC_SHARED, &mm->flags);
	return mm;
}

/* A copy of all memory, and nothing more: it can be had from a former one */
static bool is_plain(const struct lwc *lwc, const struct lwc_create_args *args,
		     const struct lwc_specs *specs, unsigned long limit)
{
	unsigned int i;

	if (lwc->snap || limit || args->flags & LWC_CREATE_PREFAULT ||
	    lwc_mm_shares(current->mm))
		return false;
	for (i = 0; i < specs->nr; i++)
		if (specs->specs[i].what == LWC_WHAT_MEMORY)
			return false;
	return true;
}

static int make_mm(struct lwc *lwc, const struct lwc_create_args *args,
		   const struct lwc_specs *specs)
{
	unsigned long limit = page_limit(args, lwc->creator);
	struct mm_struct *mm;
	int err;

	if (lwc_specs_all(specs, LWC_WHAT_MEMORY, LWC_HOW_SHARE)) {
		mmget(current->mm);
		lwc->mm = current->mm;
		return 0;
	}
	err = share_ranges(specs);
	if (err)
		return err;
	lwc->plain = is_plain(lwc, args, specs, limit);
	mm = lwc->plain ? lwc_spare_renew(lwc->creator) : NULL;
	if (mm) {
		lwc->mm = mm;
		return 0;
	}
	lwc->plain = lwc->plain && lwc_spare_expect(lwc->creator);
	mm = copy_mm(current->mm);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	if (lwc->snap)
		lwc->snap->mm = mm;
	else
		lwc->mm = mm;
	err = prepare_mm(specs, mm);
	if (err)
		return err;
	if (lwc->snap) {
		/* Nobody runs in the snapshot; the lwC is a copy of it */
		mm = copy_snapshot(mm);
		if (IS_ERR(mm))
			return PTR_ERR(mm);
		lwc->mm = mm;
	}
	err = lwc->snap || limit || lwc->plain ? lwc_mm_track(mm, limit) : 0;
	if (!err && lwc->plain)
		mm->lwc->age = lwc->creator->mm->lwc->age;
	if (!err && args->flags & LWC_CREATE_PREFAULT)
		err = lwc_mm_prefault(mm);
	return err;
}

static int add_creator_fd(struct lwc *lwc, const struct lwc_specs *specs)
{
	struct lwc_rights *rights = lwc_rights_granted(specs);
	struct file *file;
	int nr;

	if (IS_ERR(rights))
		return PTR_ERR(rights);
	file = lwc_file_new(lwc->creator, rights);
	kfree(rights);
	if (IS_ERR(file))
		return PTR_ERR(file);
	nr = lwc_fd_install(lwc->files, file, true);
	if (nr < 0) {
		fput(file);
		return nr;
	}
	lwc->creator_fd = nr;
	lwc->caller_fd = nr;
	lwc->caller_lwc = lwc->creator;
	return 0;
}

/*
 * The table of the creator itself: a descriptor for the creator appears in it,
 * and stays.
 */
static int share_tables(struct lwc *lwc, const struct lwc_specs *specs)
{
	int err;

	lwc->files = current->files;
	lwc->fs = current->fs;
	lwc->shares_table = true;
	lwc->parked = true;
	lwc_get_tables(lwc);
	err = lwc_files_refuse_rings(lwc->files);
	return err ?: add_creator_fd(lwc, specs);
}

static int make_tables(struct lwc *lwc, const struct lwc_specs *specs)
{
	struct files_struct *files;
	int err;

	if (lwc_specs_all(specs, LWC_WHAT_FILES, LWC_HOW_SHARE))
		return share_tables(lwc, specs);
	files = dup_fd(current->files, NULL);
	if (IS_ERR(files))
		return PTR_ERR(files);
	lwc->files = files;
	lwc->fs = copy_fs_struct(current->fs);
	lwc->parked = true;
	if (!lwc->fs)
		return -ENOMEM;
	lwc_specs_apply_files(specs, files);
	err = lwc_files_refuse_rings(files);
	return err ?: add_creator_fd(lwc, specs);
}

static int snapshot_tables(struct lwc *lwc)
{
	struct lwc_snapshot *snap = lwc->snap;
	struct files_struct *files;

	files = dup_fd(lwc->files, NULL);
	if (IS_ERR(files))
		return PTR_ERR(files);
	snap->files = files;
	snap->fs = copy_fs_struct(lwc->fs);
	if (!snap->fs)
		return -ENOMEM;
	snap->actions = lwc_actions_copy();
	return snap->actions ? 0 : -ENOMEM;
}

/*
 * The control flow: the calling thread's, as it will return from this very
 * system call.
 */
static struct lwc_flow *make_flow(struct lwc *lwc,
				  struct lwc_event __user *event,
				  size_t event_size)
{
	struct lwc_flow *flow = lwc_flow_alloc(lwc, current);

	if (!flow)
		return NULL;
	lwc_arch_save(&flow->arch);
	flow->arch.regs.ax = LWC_ENTERED;
	lwc_user_save(&flow->user);
	flow->cred = get_current_cred();
	flow->event = event;
	flow->event_size = event_size;
	flow->first = true;
	flow->state = LWC_FLOW_SUSPENDED;
	return flow;
}

static int make_flows(struct lwc *lwc, const struct lwc_specs *specs,
		      struct lwc_event __user *event, size_t event_size)
{
	struct lwc_flow *flow = make_flow(lwc, event, event_size);
	int err = 0;

	if (!flow)
		return -ENOMEM;
	lwc_flow_link(flow, current->lwc);
	if (lwc_specs_all(specs, LWC_WHAT_CRED, LWC_HOW_SHARE))
		err = lwc_flow_share_cred(flow, current->lwc->flow);
	if (err)
		return err;
	if (!lwc->snap)
		return 0;
	flow = lwc_flow_alloc(lwc, current);
	if (!flow)
		return -ENOMEM;
	lwc->snap->flow = flow;
	lwc_flow_copy(flow, list_first_entry(&lwc->flows, struct lwc_flow,
					     in_lwc));
	spin_lock(&lwc->proc->lock);
	list_add(&flow->in_task, &current->lwc->snaps);
	spin_unlock(&lwc->proc->lock);
	return 0;
}

static int fill(struct lwc *lwc, const struct lwc_create_args *args,
		const struct lwc_specs *specs, struct lwc_event __user *event,
		size_t event_size)
{
	int err;

	lwc->flags = args->flags;
	lwc->contained = lwc->creator->contained ||
			 lwc->flags & LWC_CREATE_TRAP_FAULT;
	lwc_new_mark(lwc);
	lwc->actions = lwc_actions_copy();
	if (!lwc->actions)
		return -ENOMEM;
	err = lwc_make_trap(lwc, args);
	if (err)
		return err;
	if (args->flags & LWC_CREATE_ROLLBACK) {
		lwc->snap = kzalloc(sizeof(*lwc->snap), GFP_KERNEL_ACCOUNT);
		if (!lwc->snap)
			return -ENOMEM;
	}
	err = make_tables(lwc, specs);
	if (err)
		return err;
	err = make_mm(lwc, args, specs);
	if (err)
		return err;
	if (lwc->snap) {
		err = snapshot_tables(lwc);
		if (err)
			return err;
	}
	return make_flows(lwc, specs, event, event_size);
}

static void publish(struct lwc *lwc)
{
	struct lwc_proc *proc = lwc->proc;

	spin_lock(&proc->lock);
	lwc->id = proc->next_id++;
	list_add_tail(&lwc->node, &proc->lwcs);
	proc->nr++;
	spin_unlock(&proc->lock);
	trace_lwc_create(lwc->id, lwc->creator->id, lwc->flags);
}

static struct lwc *create(const struct lwc_create_args *args,
			  const struct lwc_specs *specs,
			  struct lwc_event __user *event, size_t event_size)
{
	struct lwc *cur = current->lwc->cur;
	struct lwc *lwc;
	int err;

	lwc = lwc_alloc(cur->proc, cur);
	if (!lwc)
		return ERR_PTR(-ENOMEM);
	if (mutex_lock_killable(&cur->proc->mutex)) {
		lwc_put(lwc);
		return ERR_PTR(-EINTR);
	}
	err = fill(lwc, args, specs, event, event_size);
	if (!err)
		publish(lwc);
	mutex_unlock(&cur->proc->mutex);
	if (!err)
		return lwc;
	if (lwc->shares_table && lwc->creator_fd >= 0)
		lwc_fd_close(current->files, lwc->creator_fd);
	lwc_put(lwc);
	return ERR_PTR(err);
}

static int create_fd(const struct lwc_create_args *args,
		     const struct lwc_specs *specs,
		     struct lwc_event __user *event, size_t event_size)
{
	static const struct lwc_rights all = { .all = true };
	bool cloexec = !(args->flags & LWC_CREATE_KEEP_EXEC);
	struct file *file;
	struct lwc *lwc;
	int nr;

	nr = get_unused_fd_flags(cloexec ? O_CLOEXEC : 0);
	if (nr < 0)
		return nr;
	lwc = create(args, specs, event, event_size);
	if (IS_ERR(lwc)) {
		put_unused_fd(nr);
		return PTR_ERR(lwc);
	}
	file = lwc_file_new(lwc, &all);
	lwc_put(lwc);
	if (IS_ERR(file)) {
		put_unused_fd(nr);
		return PTR_ERR(file);
	}
	lwc_fd_fill(nr, file);
	return nr;
}

/* What has no snapshot of its own cannot be put back to one */
static int check_specs(const struct lwc_create_args *args,
		       const struct lwc_specs *specs)
{
	bool memory = lwc_specs_all(specs, LWC_WHAT_MEMORY, LWC_HOW_SHARE);
	int err = lwc_specs_check_create(specs);

	if (err)
		return err;
	if (memory && (args->memory_limit || args->flags & LWC_CREATE_PREFAULT))
		return -EINVAL;
	if (!(args->flags & LWC_CREATE_ROLLBACK))
		return 0;
	return memory || lwc_specs_all(specs, LWC_WHAT_FILES, LWC_HOW_SHARE) ||
	       lwc_specs_all(specs, LWC_WHAT_CRED, LWC_HOW_SHARE) ? -EINVAL : 0;
}

/**
 * lwc_do_create - lwc_create() with checked flags
 * @args: the arguments
 * @event: where the new lwC is told why it was entered
 * @event_size: room there
 *
 * Return: the descriptor in the creator or -errno as of sys_lwc_create(). The
 * second return, in the new lwC, does not come through here.
 */
int lwc_do_create(const struct lwc_create_args *args,
		  struct lwc_event __user *event, size_t event_size)
{
	struct lwc_specs specs;
	struct lwc_task *lt;
	int err;

	err = lwc_arch_check();
	if (!err)
		err = check_quiet();
	if (err)
		return err;
	lt = lwc_task_current();
	if (IS_ERR(lt))
		return PTR_ERR(lt);
	err = lwc_specs_read(&specs, args->specs, args->nr_specs);
	if (err)
		return err;
	err = check_specs(args, &specs);
	if (!err)
		err = create_fd(args, &specs, event, event_size);
	lwc_specs_free(&specs);
	return err;
}
