// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: deadlines.
 *
 * A budget belongs to the flow that waits for its end, so that budgets nest: a
 * thread that spent an outer one is taken back to where that one was given,
 * from however deep. The timer only leaves a note and interrupts; the switch
 * is made where signals are, on the way to user space.
 */
#include <linux/hrtimer.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>

#include "internal.h"

/* A note that nobody took is repeated: io_uring may clear the flag unseen */
#define LWC_NAG_NS	(10 * NSEC_PER_MSEC)

static int spent(struct lwc_deadline *d, u64 now)
{
	if (d->wall_end && now >= d->wall_end)
		return LWC_SPENT_WALL;
	if (d->cpu_end &&
	    READ_ONCE(d->flow->task->se.sum_exec_runtime) >= d->cpu_end)
		return LWC_SPENT_CPU;
	return 0;
}

/* When to look again: at the wall-clock end, or if the CPU was used throughout */
static u64 next_look(struct lwc_deadline *d, u64 now)
{
	u64 used = READ_ONCE(d->flow->task->se.sum_exec_runtime);
	u64 next = d->wall_end ?: U64_MAX;

	if (d->cpu_end)
		next = min(next, now + max_t(s64, d->cpu_end - used, TICK_NSEC));
	return next;
}

static enum hrtimer_restart deadline_fire(struct hrtimer *timer)
{
	struct lwc_deadline *d = container_of(timer, struct lwc_deadline, timer);
	u64 now = ktime_get_ns();

	if (!d->spent)
		d->spent = spent(d, now);
	if (!d->spent) {
		hrtimer_set_expires(timer, ns_to_ktime(next_look(d, now)));
		return HRTIMER_RESTART;
	}
	set_bit(LWC_PENDING_TIMEOUT, &d->lt->pending);
	set_notify_signal(d->flow->task);
	hrtimer_forward_now(timer, ns_to_ktime(LWC_NAG_NS));
	return HRTIMER_RESTART;
}

void lwc_deadline_init(struct lwc_flow *flow)
{
	hrtimer_init(&flow->deadline.timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	flow->deadline.timer.function = deadline_fire;
	flow->deadline.flow = flow;
}

static u64 add_sat(u64 a, u64 b)
{
	return min_t(u64, a + b < a ? KTIME_MAX : a + b, KTIME_MAX);
}

/**
 * lwc_deadline_start - start the budget of the flow that is about to wait
 * @flow: the calling thread's flow
 * @lt: the calling thread
 * @args: the budgets
 */
void lwc_deadline_start(struct lwc_flow *flow, struct lwc_task *lt,
			const struct lwc_switch_args *args)
{
	struct lwc_deadline *d = &flow->deadline;
	u64 now = ktime_get_ns();

	d->lt = lt;
	d->spent = 0;
	d->wall_end = args->wall_ns ? add_sat(now, args->wall_ns) : 0;
	d->cpu_end = args->cpu_ns ?
		add_sat(task_sched_runtime(current), args->cpu_ns) : 0;
	d->armed = true;
	hrtimer_start(&d->timer, ns_to_ktime(next_look(d, now)), HRTIMER_MODE_ABS);
}

/* The flow goes on or dies: its budget ends. May wait for the timer. */
void lwc_deadline_stop(struct lwc_flow *flow)
{
	if (likely(!flow->deadline.armed))
		return;
	hrtimer_cancel(&flow->deadline.timer);
	flow->deadline.armed = false;
	flow->deadline.spent = 0;
}

/* A flow of the calling thread that waits with a spent budget, or NULL */
struct lwc_flow *lwc_deadline_spent(struct lwc_task *lt)
{
	struct lwc_flow *flow, *found = NULL;

	spin_lock(&lt->cur->proc->lock);
	list_for_each_entry(flow, &lt->flows, in_task) {
		if (flow->state == LWC_FLOW_SUSPENDED && flow->deadline.spent) {
			found = flow;
			break;
		}
	}
	spin_unlock(&lt->cur->proc->lock);
	return found;
}
