/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kAnswer = 4711 };

static pid_t child;

static void trace_me(void)
{
	check(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, "PTRACE_TRACEME");
	raise(SIGSTOP);
	for (;;) {
		if (syscall(SYS_getppid) != kAnswer)
			__builtin_trap();
	}
}

static void setup(const struct parameters *parameters)
{
	int status;

	(void)parameters;
	child = fork();
	check(child >= 0, "fork");
	if (child == 0)
		trace_me();
	check(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "waitpid");
	check(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL) == 0, "PTRACE_SETOPTIONS");
}

/* PTRACE_SYSEMU stops once at entry and does not perform the call: the cheapest that ptrace has. */
static void run(unsigned long rounds)
{
	int status;

	while (rounds--) {
		check(ptrace(PTRACE_SYSEMU, child, NULL, NULL) == 0, "PTRACE_SYSEMU");
		check(waitpid(child, &status, 0) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "waitpid");
		check(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, regs.rax), kAnswer) == 0, "PTRACE_POKEUSER");
	}
}

static void teardown(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

const struct operation operation = {
	.name = "ptrace_systrap", .what = "a system call that stops the process for its tracer, which answers it", .setup = setup, .run = run, .teardown = teardown
};
