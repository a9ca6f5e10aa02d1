// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: signals.
 *
 * The actions are part of an lwC, or one that is taken over could have its own
 * code run in another at the next signal. The root's stay in the
 * sighand_struct, where all that knows nothing of lwCs looks: the parent's
 * action for SIGCHLD when a child process ends is the root's.
 */
#include <linux/sched/signal.h>
#include <linux/signal.h>
#include <linux/slab.h>

#include "internal.h"

/* A copy of the calling thread's actions, or NULL */
struct lwc_actions *lwc_actions_copy(void)
{
	struct lwc_actions *copy = kmalloc(sizeof(*copy), GFP_KERNEL_ACCOUNT);

	if (!copy)
		return NULL;
	spin_lock_irq(&lwc_sighand()->siglock);
	memcpy(copy->action, lwc_sigaction(current, lwc_sighand(), 1),
	       sizeof(copy->action));
	spin_unlock_irq(&lwc_sighand()->siglock);
	return copy;
}

/* The thread has come into lwc_task.cur, or into none */
void lwc_signals_use(struct lwc_task *lt)
{
	WRITE_ONCE(lt->actions, lt->cur ? lt->cur->actions : NULL);
	WRITE_ONCE(lt->contained, lt->cur && lt->cur->contained);
}

/* Under the siglock of @tsk, thus in an RCU read-side critical section */
bool __lwc_contains_signals(struct task_struct *tsk)
{
	struct lwc_task *lt = READ_ONCE(tsk->lwc);

	return lt && READ_ONCE(lt->contained);
}

struct k_sigaction *__lwc_sigaction(struct task_struct *tsk,
				    struct sighand_struct *sighand, int sig)
{
	struct lwc_task *lt = READ_ONCE(tsk->lwc);
	struct lwc_actions *actions = lt ? READ_ONCE(lt->actions) : NULL;

	if (actions)
		return &actions->action[sig - 1];
	return &sighand->action[sig - 1];
}

/* Caused by what a thread does itself, or not to be blocked */
#define OWN_SIGNALS	(sigmask(SIGSEGV) | sigmask(SIGBUS) | sigmask(SIGFPE) | \
			 sigmask(SIGILL) | sigmask(SIGTRAP) | sigmask(SIGSYS) | \
			 sigmask(SIGABRT) | sigmask(SIGPIPE) | \
			 sigmask(SIGXFSZ) | sigmask(SIGKILL) | sigmask(SIGSTOP))

/**
 * __lwc_block_async - add what the current lwC does not receive
 * @set: a signal mask that becomes the calling thread's
 */
void __lwc_block_async(sigset_t *set)
{
	const struct lwc *lwc = current->lwc->cur;
	sigset_t async;

	if (!lwc || lwc->flags & LWC_CREATE_SIGNALS)
		return;
	siginitsetinv(&async, OWN_SIGNALS);
	sigorsets(set, set, &async);
}
