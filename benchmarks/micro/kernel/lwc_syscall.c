/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include "lwc_calls.h"

static int other;

static bool available(void)
{
	return lwc_has(LWC_FEATURE_SYSCALL);
}

static void setup(const struct parameters *parameters)
{
	static const struct lwc_create_args args;
	struct lwc_event event;

	(void)parameters;
	other = lwc_create(&args, &event);
	check(other >= 0 && other != LWC_ENTERED, "lwc_create");
}

static void run(unsigned long rounds)
{
	static const struct lwc_syscall_args args = { .mask = LWC_MASK_FILES, .nr = SYS_getppid };

	while (rounds--)
		check(syscall(__NR_lwc_syscall, other, &args, sizeof(args)) >= 0, "lwc_syscall");
}

const struct operation operation = {
	.name = "lwc_syscall", .what = "a system call that does nothing, with another lwC's file table", .available = available, .setup = setup, .run = run
};
