/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of rollback share: a child that tells what it found */
#ifndef LWC_ROLLBACK_H
#define LWC_ROLLBACK_H

#include "lwc_test.h"

#define NR 64

/* A child that does something to its memory and tells what it found first */
struct fixture {
	char *pages;
	long (*run)(struct fixture *f);
};

/*
 * Makes a child that runs f->run() once each time it is entered from its
 * snapshot. Returns its descriptor, in the parent only.
 */
static inline long make_child(struct fixture *f)
{
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_ROLLBACK, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, f->run(f));
	return fd;
}

static inline long enter(long fd)
{
	struct lwc_event event;
	long err = lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event);

	return err ?: (long)event.args[0];
}

static inline void fill(char *pages)
{
	long i;

	for (i = 0; i < NR; i++) {
		pages[i * 4096] = 'p';
		pages[i * 4096 + 9] = 'q';
	}
}

#endif /* LWC_ROLLBACK_H */
