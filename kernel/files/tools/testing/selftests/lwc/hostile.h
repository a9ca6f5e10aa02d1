/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of a hostile child share */
#ifndef LWC_HOSTILE_H
#define LWC_HOSTILE_H

#include "doors.h"

FIXTURE(hostile)
{
	long *secret;
	volatile long *shared;
};

FIXTURE_SETUP(hostile)
{
	self->secret = (long *)private_pages(1);
	self->shared = shared_page();
	ASSERT_NE(NULL, self->secret);
	*self->secret = SECRET;
}

FIXTURE_TEARDOWN(hostile)
{
}

/* Runs the statements in the child; they set @bad. The creator checks it. */
#define HOSTILE(...) do { \
	struct lwc_event event; \
	long fd_ = create_without(self->secret, &event); \
	if (fd_ == LWC_ENTERED) { \
		long bad = 0; \
		__VA_ARGS__; \
		leave(event.creator, bad); \
	} \
	ASSERT_LE(0, fd_); \
	ASSERT_EQ(0, lwc_switch(fd_, 0, 0, &event)); \
	ASSERT_EQ(LWC_EVENT_SWITCH, event.type); \
	EXPECT_EQ(0, event.args[0]); \
	EXPECT_EQ(SECRET, *self->secret); \
	close(fd_); \
} while (0)

#endif /* LWC_HOSTILE_H */
