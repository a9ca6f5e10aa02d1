/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include "lwc_calls.h"

enum { kAnswer = 4711 };

static int child;
static struct lwc_event event;

static bool available(void)
{
	return lwc_has(LWC_FEATURE_SYSTRAP);
}

static void setup(const struct parameters *parameters)
{
	static const struct lwc_create_args args = { .flags = LWC_CREATE_TRAP_SYSCALL };
	static const struct lwc_switch_args plain;

	(void)parameters;
	child = lwc_create(&args, &event);
	check(child >= 0, "lwc_create");
	if (child == LWC_ENTERED) {
		for (;;) {
			if (syscall(SYS_getppid) != kAnswer)
				__builtin_trap();
		}
	}
	check(lwc_switch(child, &plain, &event) >= 0 && event.type == LWC_EVENT_SYSCALL, "the first trap");
}

static void run(unsigned long rounds)
{
	static const struct lwc_switch_args answer = { .flags = LWC_SWITCH_RESULT, .result = kAnswer };

	while (rounds--)
		check(lwc_switch(child, &answer, &event) >= 0 && event.type == LWC_EVENT_SYSCALL, "lwc_switch");
}

const struct operation operation = {
	.name = "lwc_systrap", .what = "a system call that switches to the creator, which answers it", .available = available, .setup = setup, .run = run
};
