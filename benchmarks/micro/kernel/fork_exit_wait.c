/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <sys/wait.h>
#include <unistd.h>

static unsigned long pages;

static void setup(const struct parameters *parameters)
{
	pages = parameters->pages;
}

static void run(unsigned long rounds)
{
	while (rounds--) {
		pid_t child = fork();

		check(child >= 0, "fork");
		if (child == 0) {
			write_pages(pages);
			_exit(0);
		}
		check(waitpid(child, NULL, 0) == child, "waitpid");
	}
}

const struct operation operation = { .name = "fork_exit_wait", .what = "a child process that writes some pages, exits and is waited for", .setup = setup, .run = run };
