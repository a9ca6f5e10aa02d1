/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls, without the library that wraps them: a benchmark must not measure that. */
#pragma once

#include <linux/lwc.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long lwc_create(const struct lwc_create_args *args, struct lwc_event *event)
{
	return syscall(__NR_lwc_create, args, sizeof(*args), event, sizeof(*event));
}

static inline long lwc_switch(int target, const struct lwc_switch_args *args, struct lwc_event *event)
{
	return syscall(__NR_lwc_switch, target, args, sizeof(*args), event, sizeof(*event));
}

static inline bool lwc_available(void)
{
	return syscall(__NR_lwc_ctl, LWC_CTL_VERSION, 0, NULL, 0) == LWC_ABI_VERSION;
}

static inline bool lwc_has(unsigned int features)
{
	return lwc_available() && (syscall(__NR_lwc_ctl, LWC_CTL_FEATURES, 0, NULL, 0) & features) == features;
}
