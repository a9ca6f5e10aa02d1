/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include "lwc_calls.h"

static unsigned long live;

static void setup(const struct parameters *parameters)
{
	live = parameters->live ? parameters->live : 1000;
}

static long bytes_each(void)
{
	static const struct lwc_create_args args;
	struct lwc_event event;
	long before = free_memory();

	for (unsigned long context = 0; context < live; context++)
		check(lwc_create(&args, &event) >= 0, "lwc_create");
	return (before - free_memory()) / (long)live;
}

const struct operation operation = {
	.name = "lwc_idle_memory", .what = "memory that an lwC takes which was never entered", .available = lwc_available, .setup = setup, .bytes_each = bytes_each
};
