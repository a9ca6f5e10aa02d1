/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Light-weight contexts: what the files of this folder share.
 *
 * Lock order, outermost first:
 *   lwc_proc.mutex      creation, rollback, destruction of lwCs of one process
 *   exec_update_lock    a switch that changes the credential
 *   mmap_lock           of the snapshot, then of the lwC that is rolled back
 *   task_lock           exchange of mm, files, fs
 *   lwc_proc.lock       the lists of lwCs and of flows, lwc.inside, lwc.busy
 *   siglock             the signal mask
 *
 * A switch between two lwCs with the same credential takes task_lock and
 * lwc_proc.lock only, both for a few instructions.
 */
#ifndef _KERNEL_LWC_INTERNAL_H
#define _KERNEL_LWC_INTERNAL_H

#include <linux/lwc.h>
#include <linux/sched.h>

#include "types.h"

/* core.c */
struct lwc_proc *lwc_proc_alloc(void);
struct lwc_proc *lwc_proc_get_current(void);
void lwc_proc_put(struct lwc_proc *proc);
struct lwc_task *__lwc_task_current(void);
struct lwc *lwc_alloc(struct lwc_proc *proc, struct lwc *creator);
struct lwc *lwc_get(struct lwc *lwc);
void lwc_put(struct lwc *lwc);
void lwc_gut(struct lwc *lwc);

/* collect.c */
void lwc_collect(struct lwc_proc *proc, const struct file *closing,
		 unsigned int lost);

/* fd.c */
extern const struct file_operations lwc_fops;
struct file *lwc_file_new(struct lwc *lwc, const struct lwc_rights *rights);
struct file *lwc_fd_file(int nr);
struct lwc *lwc_from_file(const struct file *file);
const struct lwc_rights *lwc_file_rights(const struct file *file);
struct lwc *lwc_from_fd(int fd);
struct lwc *lwc_from_own_fd(int nr);
int lwc_fd_replace(unsigned int nr, struct file *old, struct file *file);
void lwc_fd_fill(unsigned int nr, struct file *file);
int lwc_fd_install(struct files_struct *files, struct file *file, bool cloexec);
void lwc_fd_close(struct files_struct *files, unsigned int nr);
int lwc_fd_find(struct lwc_flow *flow, const struct lwc *lwc);
int lwc_fd_caller(struct lwc_flow *flow, struct lwc *caller);
int lwc_fd_own_files(struct files_struct *files, bool twins);
void lwc_fd_visit(struct files_struct *files,
		  void (*fn)(struct lwc_fd *fd, struct file *file));

/* access.c */
void lwc_new_mark(struct lwc *lwc);
void lwc_set_mark(struct lwc_task *lt);

/* signals.c */
struct lwc_actions *lwc_actions_copy(void);
void lwc_signals_use(struct lwc_task *lt);

/* flow.c */
struct lwc_flow *lwc_flow_alloc(struct lwc *lwc, struct task_struct *task);
void lwc_flow_free(struct lwc_flow *flow);
void lwc_fs_put(struct fs_struct *fs);
struct lwc_flow *lwc_flow_find(struct lwc *lwc, struct task_struct *task);
void lwc_flow_link(struct lwc_flow *flow, struct lwc_task *lt);
void lwc_flow_unlink(struct lwc_flow *flow);
void lwc_user_save(struct lwc_user *user);
void lwc_user_leave(void);
void lwc_user_load(const struct lwc_user *user, bool trapped);
void lwc_flow_copy(struct lwc_flow *to, const struct lwc_flow *from);

/* switch.c */
/* The tables that a thread has, or is to have; it holds their references */
struct lwc_tables {
	struct files_struct *files;
	struct fs_struct *fs;
};

bool lwc_rings_busy(void);
void lwc_use_mm(struct mm_struct *mm);
void lwc_park(struct lwc *lwc);
int lwc_go(struct lwc *target, const struct lwc_switch_args *args,
	   struct lwc_event *event, bool discard);
int lwc_do_switch(struct lwc *target, const struct lwc_switch_args *args,
		  struct lwc_event __user *event, size_t event_size);

/* specs.c */
struct lwc_specs {
	struct lwc_spec *specs;
	unsigned int nr;
};

/* Behind the last descriptor there can be */
#define LWC_FILES_END	((u64)INT_MAX + 1)

typedef int (*lwc_piece_fn)(const struct lwc_spec *line, u64 start, u64 end,
			    void *data);

int lwc_specs_read(struct lwc_specs *specs, u64 from, unsigned int nr);
void lwc_specs_free(struct lwc_specs *specs);
const struct lwc_spec *lwc_specs_at(const struct lwc_specs *specs, u16 what,
				    u64 at, u64 *until);
int lwc_specs_each(const struct lwc_specs *specs, u16 what, lwc_piece_fn fn,
		   void *data);
bool lwc_specs_all(const struct lwc_specs *specs, u16 what, u16 how);
int lwc_specs_check_create(const struct lwc_specs *specs);
int lwc_specs_check_overlay(const struct lwc_specs *specs, bool self);
int lwc_specs_check_restrict(const struct lwc_specs *specs);
int lwc_specs_apply_mm(const struct lwc_specs *specs, struct mm_struct *mm);
void lwc_specs_apply_files(const struct lwc_specs *specs,
			   struct files_struct *files);

/* rights.c */
struct lwc_rights *lwc_rights_granted(const struct lwc_specs *specs);
bool lwc_rights_cover(const struct lwc_rights *rights, u16 what, u16 how,
		      u64 start, u64 end);
bool lwc_rights_whole(const struct lwc_rights *rights, u16 what);
bool lwc_rights_cover_specs(const struct lwc_rights *rights,
			    const struct lwc_specs *specs);
int lwc_do_restrict(int nr, const struct lwc_specs *specs);

/* overlay.c */
int lwc_do_overlay(int nr, const struct lwc_specs *specs);

/* fork.c */
int lwc_fork_all(struct task_struct *child);

/* task.c */
void lwc_fork_thread(struct lwc_task *lt, struct lwc *cur);

/* creds.c */
struct lwc_flow *lwc_own_flow(struct lwc *lwc);
void lwc_flow_set_cred(struct lwc_flow *flow, const struct cred *cred);
void lwc_flow_drop_creds(struct lwc_flow *flow);
int lwc_flow_share_cred(struct lwc_flow *to, struct lwc_flow *from);
void lwc_install_cred(const struct cred *new);
int lwc_check_cred(const struct cred *cred);
int lwc_exchange_cred(const struct cred *new);
void lwc_return_cred(const struct cred *own);
int lwc_cred_overlay(struct lwc_flow *from, bool share);
int lwc_cred_remove(void);

/* tables.c */
void lwc_get_tables(struct lwc *lwc);
void lwc_put_tables(struct lwc_tables *t);
struct files_struct *lwc_files_get(struct lwc *lwc);
void lwc_use_tables(struct lwc_tables *t);
int lwc_files_refuse_rings(struct files_struct *files);

/* borrow.c */
int lwc_syscall_check(struct lwc *target, u64 nr);
long lwc_do_syscall(struct lwc *target, const struct lwc_syscall_args *args);
int lwc_syscall_enter(struct lwc *target, long ret,
		      struct lwc_event __user *event, size_t event_size);
bool lwc_syscall_restarts(long ret);

/* trap.c */
bool lwc_call_trapped(const struct lwc *lwc, unsigned long nr);
int lwc_make_trap(struct lwc *lwc, const struct lwc_create_args *args);

/* create.c */
int lwc_do_create(const struct lwc_create_args *args,
		  struct lwc_event __user *event, size_t event_size);

/* rollback.c */
int lwc_rollback(struct lwc *lwc);

/* spare.c */
bool lwc_spare_keep(struct lwc *lwc, struct mm_struct *mm);
void lwc_spare_drop(struct lwc *creator);
struct mm_struct *lwc_spare_renew(struct lwc *creator);
bool lwc_spare_expect(struct lwc *creator);

/* track.c */
int lwc_mm_track(struct mm_struct *mm, unsigned long limit);
int lwc_mm_watch(struct mm_struct *mm);

/* deadline.c */
void lwc_deadline_init(struct lwc_flow *flow);
void lwc_deadline_start(struct lwc_flow *flow, struct lwc_task *lt,
			const struct lwc_switch_args *args);
void lwc_deadline_stop(struct lwc_flow *flow);
struct lwc_flow *lwc_deadline_spent(struct lwc_task *lt);

/* The calling thread's own, which does not change under it */
static inline struct sighand_struct *lwc_sighand(void)
{
	return rcu_dereference_protected(current->sighand, 1);
}

/* The calling thread's place, with cur and flow set, or an ERR_PTR: -ENOMEM */
static inline struct lwc_task *lwc_task_current(void)
{
	struct lwc_task *lt = current->lwc;

	return likely(lt && lt->cur && lt->flow) ? lt : __lwc_task_current();
}

/* The credential with which a suspended flow goes on */
static inline const struct cred *lwc_flow_cred(const struct lwc_flow *flow)
{
	return unlikely(flow->cell) ? flow->cell->cred : flow->cred;
}

static inline bool lwc_is_child(const struct lwc *lwc)
{
	return lwc->creator;
}

#endif /* _KERNEL_LWC_INTERNAL_H */
