/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int there[2], back[2];
static pid_t other;

static void answer(void)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
		;
	_exit(0);
}

static void setup(const struct parameters *parameters)
{
	(void)parameters;
	check(pipe(there) == 0 && pipe(back) == 0, "pipe");
	other = fork();
	check(other >= 0, "fork");
	if (other == 0)
		answer();
}

static void run(unsigned long rounds)
{
	char byte = 0;

	while (rounds--)
		check(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe");
}

static void teardown(void)
{
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

const struct operation operation = {
	.name = "pipe_switch", .what = "a round trip between two processes over two pipes", .setup = setup, .run = run, .teardown = teardown
};
