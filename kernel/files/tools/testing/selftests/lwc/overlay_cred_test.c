// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: overlays of the credential (S9) */
#include <pthread.h>

#include "lwc_spec.h"

TEST(S9_credential_COPY_is_a_temporary_change)
{
	struct lwc_event event;
	long fd;

	ASSERT_EQ(0, getuid());
	fd = CREATE(0, &event, CRED(COPY, MAY));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long bad = 0;

		bad |= syscall(SYS_setresuid, 1000, 1000, 1000) ? 1 : 0;
		bad |= getuid() != 1000 ? 2 : 0;
		bad |= OVERLAY(creator, CRED(COPY, 0)) ? 4 : 0;
		bad |= getuid() != 0 ? 8 : 0;
		/* A change of the copy is not the creator's */
		bad |= syscall(SYS_setresuid, 5, 5, 5) ? 16 : 0;
		bad |= OVERLAY(creator, CRED(COPY, 0)) ? 32 : 0;
		bad |= getuid() != 0 ? 64 : 0;
		bad |= OVERLAY(-1, CRED(UNMAP, 0)) ? 128 : 0;
		bad |= getuid() != 1000 ? 256 : 0;
		bad |= OVERLAY(-1, CRED(UNMAP, 0)) != -EINVAL ? 512 : 0;
		leave(creator, bad);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(0, getuid());
}

TEST(S9_credential_SHARE_follows_both_ways)
{
	struct lwc_event event;
	long fd;

	fd = CREATE(0, &event, CRED(COPY, MAY));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long ret = OVERLAY(creator, CRED(SHARE, 0));

		lwc_switch(creator, 0, ret, &event);
		/* The creator is 1000 effectively */
		ret = geteuid();
		syscall(SYS_setresuid, -1, 0, -1);
		syscall(SYS_setresuid, -1, 2000, -1);
		lwc_switch(creator, 0, ret, &event);
		OVERLAY(-1, CRED(UNMAP, 0));
		leave(creator, geteuid());
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(0, event.args[0]);
	ASSERT_EQ(0, syscall(SYS_setresuid, -1, 1000, -1));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1000, event.args[0]);
	EXPECT_EQ(2000, geteuid());
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(2000, geteuid());
	ASSERT_EQ(0, syscall(SYS_setresuid, -1, 0, -1));
}

static void *no_flow(void *arg)
{
	return (void *)OVERLAY((long)arg, CRED(COPY, 0));
}

TEST(S9_credential_of_a_flow_that_the_thread_does_not_have)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);
	pthread_t thread;
	void *ret;

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_EQ(0, pthread_create(&thread, NULL, no_flow, (void *)fd));
	pthread_join(thread, &ret);
	EXPECT_EQ(-ESRCH, (long)ret);
}

TEST_HARNESS_MAIN
