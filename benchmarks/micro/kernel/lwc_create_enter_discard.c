/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include "lwc_calls.h"

static unsigned long pages;
static struct lwc_event event;

static void setup(const struct parameters *parameters)
{
	static const struct lwc_create_args args;

	pages = parameters->pages;
	for (unsigned long idle = 0; idle < parameters->live; idle++)
		check(lwc_create(&args, &event) >= 0, "lwc_create");
}

static void run(unsigned long rounds)
{
	static const struct lwc_create_args args;
	static const struct lwc_switch_args enter, leave = { .flags = LWC_SWITCH_DISCARD };

	while (rounds--) {
		int context = lwc_create(&args, &event);

		check(context >= 0, "lwc_create");
		if (context == LWC_ENTERED) {
			write_pages(pages);
			lwc_switch(event.caller, &leave, &event);
			check(false, "lwc_switch back");
		}
		check(lwc_switch(context, &enter, &event) >= 0 && close(context) == 0, "lwc_switch, close");
	}
}

const struct operation operation = {
	.name = "lwc_create_enter_discard", .what = "an lwC that writes some pages, switches back and is closed",
	.available = lwc_available, .setup = setup, .run = run
};
