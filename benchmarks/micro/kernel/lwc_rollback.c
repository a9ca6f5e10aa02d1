/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include "lwc_calls.h"

static int child;
static struct lwc_event event;

static bool available(void)
{
	return lwc_has(LWC_FEATURE_ROLLBACK);
}

/* Rolled back, the child returns from lwc_create() each time it is entered. */
static void setup(const struct parameters *parameters)
{
	static const struct lwc_create_args args = { .flags = LWC_CREATE_ROLLBACK };
	static const struct lwc_switch_args plain;

	child = lwc_create(&args, &event);
	check(child >= 0, "lwc_create");
	if (child != LWC_ENTERED)
		return;
	write_pages(parameters->pages);
	lwc_switch(event.caller, &plain, &event);
	check(false, "the child went on where it had been");
}

static void run(unsigned long rounds)
{
	static const struct lwc_switch_args again = { .flags = LWC_SWITCH_ROLLBACK };

	while (rounds--)
		check(lwc_switch(child, &again, &event) >= 0, "lwc_switch");
}

const struct operation operation = {
	.name = "lwc_rollback", .what = "an lwC that is rolled back in place, entered, writes some pages and switches back",
	.available = available, .setup = setup, .run = run
};
