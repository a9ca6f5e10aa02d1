/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <ucontext.h>

static ucontext_t here, there;
static char stack[65536];

static void answer(void)
{
	for (;;)
		swapcontext(&there, &here);
}

static void setup(const struct parameters *parameters)
{
	(void)parameters;
	check(getcontext(&there) == 0, "getcontext");
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	makecontext(&there, answer, 0);
}

static void run(unsigned long rounds)
{
	while (rounds--)
		swapcontext(&here, &there);
}

const struct operation operation = {
	.name = "ucontext_switch", .what = "a round trip between two user-level threads (swapcontext)", .setup = setup, .run = run
};
