/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long live;

static void setup(const struct parameters *parameters)
{
	live = parameters->live ? parameters->live : 1000;
}

static long bytes_each(void)
{
	pid_t *children = calloc(live, sizeof(*children));
	long before = free_memory(), taken;

	check(children != NULL, "calloc");
	for (unsigned long child = 0; child < live; child++) {
		children[child] = fork();
		check(children[child] >= 0, "fork");
		if (children[child] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	taken = before - free_memory();
	for (unsigned long child = 0; child < live; child++) {
		kill(children[child], SIGKILL);
		check(waitpid(children[child], NULL, 0) == children[child], "waitpid");
	}
	return taken / (long)live;
}

const struct operation operation = { .name = "fork_idle_memory", .what = "memory that an idle forked process takes", .setup = setup, .bytes_each = bytes_each };
