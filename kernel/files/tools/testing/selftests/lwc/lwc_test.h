/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of light-weight contexts share */
#ifndef LWC_TEST_H
#define LWC_TEST_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest_harness.h"

/* An emulated guest on a busy machine: against hanging, not a statement on speed */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 1800
#include "../../../../include/uapi/linux/lwc.h"

/* All return -errno */
static inline long lwc_ret(long ret)
{
	return ret == -1 ? -errno : ret;
}

static inline long lwc_create_raw(const void *args, size_t size,
				  struct lwc_event *event, size_t event_size)
{
	return lwc_ret(syscall(__NR_lwc_create, args, size, event, event_size));
}

static inline long lwc_create(uint64_t flags, struct lwc_event *event)
{
	struct lwc_create_args args = { .flags = flags };

	return lwc_create_raw(&args, sizeof(args), event, sizeof(*event));
}

static inline long lwc_switch_raw(int fd, const void *args, size_t size,
				  struct lwc_event *event, size_t event_size)
{
	return lwc_ret(syscall(__NR_lwc_switch, fd, args, size, event,
			       event_size));
}

static inline long lwc_switch_args(int fd, const struct lwc_switch_args *args,
				   struct lwc_event *event)
{
	return lwc_switch_raw(fd, args, sizeof(*args), event, sizeof(*event));
}

static inline long lwc_switch(int fd, uint32_t flags, uint64_t arg,
			      struct lwc_event *event)
{
	struct lwc_switch_args args = { .flags = flags, .args = { arg } };

	return lwc_switch_args(fd, &args, event);
}

static inline long lwc_ctl(unsigned int op, int fd, void *arg, size_t size)
{
	return lwc_ret(syscall(__NR_lwc_ctl, op, fd, arg, size));
}

static inline struct lwc_info lwc_info(int fd)
{
	struct lwc_info info = { };

	if (lwc_ctl(LWC_CTL_INFO, fd, &info, sizeof(info)))
		memset(&info, 0xff, sizeof(info));
	return info;
}

/* A counter that no lwC has a copy of */
static inline volatile long *shared_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline char *private_pages(size_t nr)
{
	void *p = mmap(NULL, nr * 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline int open_fds(void)
{
	int nr, count = 0;

	for (nr = 0; nr < 256; nr++)
		count += fcntl(nr, F_GETFD) >= 0;
	return count;
}

/*
 * In the child: leave for the creator and never come back. The tests' child
 * bodies end with this.
 */
static inline void __attribute__((noreturn)) leave(int creator, uint64_t arg)
{
	struct lwc_event event;

	for (;;)
		if (lwc_switch(creator, 0, arg, &event))
			_exit(99);
}

#endif /* LWC_TEST_H */
