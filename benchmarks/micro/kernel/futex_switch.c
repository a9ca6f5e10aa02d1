/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whose turn it is, in memory that both processes share. */
static _Atomic int *turn;
static pid_t other;

static void wait_for(int mine)
{
	int seen;

	while ((seen = atomic_load(turn)) != mine)
		syscall(SYS_futex, turn, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void hand_over(int to)
{
	atomic_store(turn, to);
	syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void answer(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		wait_for(1);
		hand_over(0);
	}
}

static void setup(const struct parameters *parameters)
{
	(void)parameters;
	turn = mmap(NULL, sizeof(*turn), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(turn != MAP_FAILED, "mmap");
	other = fork();
	check(other >= 0, "fork");
	if (other == 0)
		answer();
}

static void run(unsigned long rounds)
{
	while (rounds--) {
		hand_over(1);
		wait_for(0);
	}
}

static void teardown(void)
{
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

const struct operation operation = {
	.name = "futex_switch", .what = "a round trip between two processes over a futex", .setup = setup, .run = run, .teardown = teardown
};
