/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <sys/syscall.h>
#include <unistd.h>

static void setup(const struct parameters *parameters)
{
	(void)parameters;
}

static void run(unsigned long rounds)
{
	while (rounds--)
		syscall(SYS_getppid);
}

const struct operation operation = { .name = "null_syscall", .what = "a system call that does nothing", .setup = setup, .run = run };
