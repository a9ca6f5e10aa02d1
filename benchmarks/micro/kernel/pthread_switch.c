/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed[2] = { PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER };
static int turn;

/* Waits for our turn and gives it to the other. */
static void take_turn(int mine)
{
	pthread_mutex_lock(&lock);
	while (turn != mine)
		pthread_cond_wait(&changed[mine], &lock);
	turn = !mine;
	pthread_cond_signal(&changed[!mine]);
	pthread_mutex_unlock(&lock);
}

static void *answer(void *unused)
{
	for (;;)
		take_turn(1);
	return unused;
}

static void setup(const struct parameters *parameters)
{
	pthread_t thread;

	(void)parameters;
	check(pthread_create(&thread, NULL, answer, NULL) == 0, "pthread_create");
}

static void run(unsigned long rounds)
{
	while (rounds--)
		take_turn(0);
}

const struct operation operation = {
	.name = "pthread_switch", .what = "a round trip between two threads of a process over a condition variable", .setup = setup, .run = run
};
