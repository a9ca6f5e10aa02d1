/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static unsigned long live;

static void setup(const struct parameters *parameters)
{
	live = parameters->live ? parameters->live : 200;
}

static long bytes_each(void)
{
	long before = free_memory();

	for (unsigned long child = 0; child < live; child++) {
		pid_t pid = fork();

		check(pid >= 0, "fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	return (before - free_memory()) / (long)live;
}

const struct operation operation = { .name = "fork_idle_memory", .what = "memory that an idle forked process takes", .setup = setup, .bytes_each = bytes_each };
