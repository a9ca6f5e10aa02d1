/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include "lwc_calls.h"

static int other;
static struct lwc_event event;
static const struct lwc_switch_args plain;

/* Idle contexts beside the two that switch. */
static void create_idle(unsigned long count)
{
	static const struct lwc_create_args args;

	while (count--)
		check(lwc_create(&args, &event) >= 0, "lwc_create");
}

static void setup(const struct parameters *parameters)
{
	static const struct lwc_create_args args;

	create_idle(parameters->live);
	other = lwc_create(&args, &event);
	check(other >= 0, "lwc_create");
	while (other == LWC_ENTERED)
		check(lwc_switch(event.caller, &plain, &event) >= 0, "lwc_switch back");
}

static void run(unsigned long rounds)
{
	while (rounds--)
		check(lwc_switch(other, &plain, &event) >= 0, "lwc_switch");
}

const struct operation operation = {
	.name = "lwc_switch", .what = "a round trip between two lwCs of a process", .available = lwc_available, .setup = setup, .run = run
};
