/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include "lwc_calls.h"

static struct lwc_event event;

static void setup(const struct parameters *parameters)
{
	static const struct lwc_create_args args;

	for (unsigned long idle = 0; idle < parameters->live; idle++)
		check(lwc_create(&args, &event) >= 0, "lwc_create");
}

static void run(unsigned long rounds)
{
	static const struct lwc_create_args args;

	while (rounds--) {
		int context = lwc_create(&args, &event);

		check(context >= 0 && close(context) == 0, "lwc_create, close");
	}
}

const struct operation operation = {
	.name = "lwc_create_close", .what = "an lwC that is made, never entered, and closed", .available = lwc_available, .setup = setup, .run = run
};
