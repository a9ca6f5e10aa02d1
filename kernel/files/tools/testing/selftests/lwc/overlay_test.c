// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: rights and overlays (S7 to S9, S17) */
#include <sys/socket.h>
#include <sys/stat.h>

#include "lwc_spec.h"

/* In the child: one overlay from the creator, and what it returned */
#define TRY(fd, ...) do { \
	if ((fd) == LWC_ENTERED) \
		leave(event.creator, OVERLAY(event.creator, __VA_ARGS__)); \
	ASSERT_LE(0, (fd)); \
	ASSERT_EQ(0, lwc_switch((fd), 0, 0, &event)); \
	ASSERT_EQ(LWC_EVENT_SWITCH, event.type); \
} while (0)

TEST(S8_without_MAY_OVERLAY_nothing_may_be_overlaid)
{
	char *p = private_pages(2);
	struct lwc_event event;
	long fd;

	fd = lwc_create(0, &event);
	TRY(fd, MEM(COPY, 0, p, 1));
	EXPECT_EQ(-EPERM, event.args[0]);
	fd = lwc_create(0, &event);
	TRY(fd, FILES(COPY, 0, 0, 0));
	EXPECT_EQ(-EPERM, event.args[0]);
	fd = lwc_create(0, &event);
	TRY(fd, CRED(COPY, 0));
	EXPECT_EQ(-EPERM, event.args[0]);
	fd = lwc_create(0, &event);
	TRY(fd, ALL(MEMORY, SHARE, 0));
	EXPECT_EQ(-EPERM, event.args[0]);
}

TEST(S8_MAY_OVERLAY_grants_exactly_its_range)
{
	char *p = private_pages(4);
	struct lwc_event event;
	long fd, i;

	memset(p, 'c', 4 * 4096);
	for (i = 0; i < 4; i++) {
		fd = CREATE(0, &event, MEM(UNMAP, MAY, p + 4096, 2));
		TRY(fd, MEM(COPY, 0, p + i * 4096, 1));
		EXPECT_EQ(i == 1 || i == 2 ? 0 : -EPERM, event.args[0]);
	}
	/* One page too many */
	fd = CREATE(0, &event, MEM(UNMAP, MAY, p + 4096, 2));
	TRY(fd, MEM(COPY, 0, p + 4096, 3));
	EXPECT_EQ(-EPERM, event.args[0]);
	/* Two lines that meet are one range */
	fd = CREATE(0, &event, MEM(UNMAP, MAY, p, 2), MEM(COPY, MAY, p + 8192, 2));
	TRY(fd, MEM(COPY, 0, p, 4));
	EXPECT_EQ(0, event.args[0]);
	/* A later line takes a right away */
	fd = CREATE(0, &event, MEM(COPY, MAY, p, 4), MEM(COPY, 0, p + 4096, 1));
	TRY(fd, MEM(COPY, 0, p, 4));
	EXPECT_EQ(-EPERM, event.args[0]);
}

TEST(S9_a_request_beyond_the_rights_changes_nothing)
{
	char *p = private_pages(4);
	struct lwc_event event;
	long fd;

	memset(p, 'c', 4 * 4096);
	fd = CREATE(0, &event, MEM(COPY, MAY, p, 2));
	if (fd == LWC_ENTERED) {
		long ret, same;

		memset(p, 'x', 4 * 4096);
		/* The first two lines are allowed, the third is not */
		ret = OVERLAY(event.creator, MEM(COPY, 0, p, 1),
			      MEM(SHARE, 0, p + 4096, 1), MEM(COPY, 0, p + 8192, 1));
		same = p[0] == 'x' && p[4096] == 'x' && p[8192] == 'x';
		leave(event.creator, ret == -EPERM && same);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
}

TEST(S9_memory_COPY_is_a_snapshot_of_now)
{
	char *p = private_pages(3);
	struct lwc_event event;
	long fd;

	memset(p, 'a', 3 * 4096);
	fd = CREATE(0, &event, MEM(UNMAP, MAY, p, 3));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long ret = OVERLAY(creator, MEM(COPY, 0, p, 3));

		lwc_switch(creator, 0, ret ?: p[0], &event);
		/* The creator has written since: not seen here */
		ret = p[0] == 'b' && p[8192] == 'b';
		p[0] = 'x';
		leave(creator, ret);
	}
	memset(p, 'b', 3 * 4096);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ('b', event.args[0]);
	memset(p, 'c', 3 * 4096);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_EQ('c', p[0]);
}

TEST(S9_memory_SHARE_is_seen_both_ways)
{
	char *p = private_pages(3);
	struct lwc_event event;
	long fd, i;

	memset(p, 'a', 4096);
	fd = CREATE(0, &event, MEM(UNMAP, MAY, p, 3));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long ret = OVERLAY(creator, MEM(SHARE, 0, p, 3));

		lwc_switch(creator, 0, ret, &event);
		for (;;) {
			/* A page that nobody has touched so far as well */
			p[8192]++;
			lwc_switch(creator, 0, p[0], &event);
		}
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(0, event.args[0]);
	EXPECT_EQ('a', p[0]);
	for (i = 1; i < 20; i++) {
		p[0] = i;
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		EXPECT_EQ(i, event.args[0]);
		EXPECT_EQ(i, p[8192]);
	}
}

TEST(S9_what_the_other_does_not_have_is_left_alone)
{
	char *p = private_pages(3);
	struct lwc_event event;
	long fd;

	memset(p, 'a', 3 * 4096);
	fd = CREATE(0, &event, MEM(COPY, MAY, p, 3));
	if (fd == LWC_ENTERED) {
		long ret;

		memset(p, 'x', 3 * 4096);
		ret = OVERLAY(event.creator, MEM(COPY, 0, p, 3));
		leave(event.creator, ret ?: p[0] == 'a' && p[4096] == 'x' &&
		      p[8192] == 'a');
	}
	ASSERT_EQ(0, munmap(p + 4096, 4096));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
}

TEST(S9_overlays_do_not_stack_and_UNMAP_of_self_removes)
{
	char *p = private_pages(2);
	struct lwc_event event;
	long fd;

	memset(p, 'a', 2 * 4096);
	fd = CREATE(0, &event, MEM(COPY, MAY, p, 2));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long bad = 0;

		p[0] = 'x';
		bad |= OVERLAY(creator, MEM(COPY, 0, p, 2)) ? 1 : 0;
		bad |= OVERLAY(creator, MEM(SHARE, 0, p, 2)) ? 2 : 0;
		bad |= OVERLAY(-1, MEM(UNMAP, 0, p, 1)) ? 4 : 0;
		/* Neither the first overlay nor what was before is back */
		bad |= is_mapped(p) ? 8 : 0;
		bad |= p[4096] != 'a' ? 16 : 0;
		leave(creator, bad);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ('a', p[0]);
}

TEST(S9_the_creator_has_full_rights_over_the_child)
{
	char *p = private_pages(2), *q = private_pages(2);
	struct lwc_event event;
	long fd;

	memset(p, 'a', 2 * 4096);
	memset(q, 'a', 2 * 4096);
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		memset(p, 'x', 2 * 4096);
		memset(q, 'y', 2 * 4096);
		dup2(1, 77);
		lwc_switch(event.creator, 0, 0, &event);
		leave(event.caller, q[0]);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(0, OVERLAY(fd, MEM(COPY, 0, p, 2), MEM(SHARE, 0, q, 2),
			     FILES(COPY, 0, 77, 77)));
	EXPECT_EQ('x', p[0]);
	EXPECT_EQ('y', q[4096]);
	EXPECT_LE(0, fcntl(77, F_GETFD));
	q[0] = 'z';
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ('z', event.args[0]);
}

TEST(S9_descriptors_COPY)
{
	/* Far from what the creator's own descriptor becomes in the child */
	int a = dup2(open("/dev/null", O_RDONLY), 50);
	int b = dup2(open("/dev/zero", O_RDONLY), 51);
	struct lwc_event event;
	long fd;

	fd = CREATE(0, &event, ALL(FILES, UNMAP, MAY), FILES(COPY, 0, 0, 2),
		    FILES(UNMAP, 0, b, b));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long bad = 0;

		bad |= fcntl(a, F_GETFD) >= 0 ? 1 : 0;
		bad |= OVERLAY(creator, FILES(COPY, 0, a, a)) ? 2 : 0;
		bad |= fcntl(a, F_GETFD) < 0 ? 4 : 0;
		bad |= OVERLAY(creator, FILES(COPY, 0, b, b)) != -EPERM ? 8 : 0;
		bad |= fcntl(b, F_GETFD) >= 0 ? 16 : 0;
		bad |= OVERLAY(-1, FILES(UNMAP, 0, a, a)) ? 32 : 0;
		bad |= fcntl(a, F_GETFD) >= 0 ? 64 : 0;
		leave(creator, bad);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_LE(0, fcntl(a, F_GETFD));
}

TEST(S9_descriptors_SHARE_is_the_whole_table_with_its_directories)
{
	struct lwc_event event;
	long fd;

	ASSERT_EQ(0, chdir("/proc"));
	fd = CREATE(LWC_CREATE_TRAP_EXIT, &event, ALL(FILES, COPY, MAY));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long bad = 0;

		chdir("/dev");
		bad |= OVERLAY(creator, FILES(SHARE, 0, 0, 5)) != -EOPNOTSUPP ? 1 : 0;
		bad |= OVERLAY(creator, ALL(FILES, SHARE, 0)) ? 2 : 0;
		bad |= access("self/status", R_OK) ? 4 : 0;
		bad |= dup2(0, 90) != 90 ? 8 : 0;
		bad |= chdir("/sys") ? 16 : 0;
		/* The table it has now has no name for the creator */
		_exit(bad);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_EXIT, event.type);
	EXPECT_EQ(0, event.args[0]);
	EXPECT_LE(0, fcntl(90, F_GETFD));
	EXPECT_EQ(0, access("kernel", R_OK));
	EXPECT_EQ(0, close(90));
	EXPECT_EQ(0, close(fd));
}

TEST(S8_restrict_only_removes)
{
	char *p = private_pages(4);
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, fd);
	memset(p, 'a', 4 * 4096);
	ASSERT_EQ(0, RESTRICT(fd, MEM(COPY, 0, p, 2), MEM(SHARE, 0, p + 8192, 2)));
	EXPECT_EQ(0, OVERLAY(fd, MEM(COPY, 0, p, 4)));
	EXPECT_EQ(-EPERM, OVERLAY(fd, MEM(SHARE, 0, p, 1)));
	EXPECT_EQ(0, OVERLAY(fd, MEM(SHARE, 0, p + 8192, 2)));
	EXPECT_EQ(-EPERM, OVERLAY(fd, FILES(COPY, 0, 0, 0)));
	EXPECT_EQ(-EPERM, OVERLAY(fd, CRED(COPY, 0)));
	/* What was removed does not come back */
	ASSERT_EQ(0, RESTRICT(fd, ALL(MEMORY, SHARE, 0), ALL(FILES, SHARE, 0),
			      CRED(SHARE, 0)));
	EXPECT_EQ(-EPERM, OVERLAY(fd, MEM(SHARE, 0, p, 1)));
	EXPECT_EQ(-EPERM, OVERLAY(fd, FILES(COPY, 0, 0, 0)));
	EXPECT_EQ(0, OVERLAY(fd, MEM(COPY, 0, p, 4)));
	/* All but a page */
	ASSERT_EQ(0, RESTRICT(fd, ALL(MEMORY, SHARE, 0), MEM(UNMAP, 0, p, 1)));
	EXPECT_EQ(-EPERM, OVERLAY(fd, MEM(COPY, 0, p, 1)));
	EXPECT_EQ(0, OVERLAY(fd, MEM(COPY, 0, p + 4096, 1)));
	ASSERT_EQ(0, lwc_restrict(fd, NULL, 0));
	EXPECT_EQ(-EPERM, OVERLAY(fd, MEM(COPY, 0, p + 4096, 1)));
	/* To enter it is no right of this kind */
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
}

TEST(S8_rights_belong_to_the_descriptor_in_one_table)
{
	char *p = private_pages(1);
	int pair[2], copy;
	struct lwc_event event;
	long fd, child;

	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	p[0] = 1;
	copy = dup(fd);
	/* A child restricts its copy, and one that it dup'ed from it */
	child = lwc_create(0, &event);
	if (child == LWC_ENTERED) {
		long bad = 0;

		bad |= lwc_restrict(fd, NULL, 0) ? 1 : 0;
		bad |= OVERLAY(fd, MEM(COPY, 0, p, 1)) != -EPERM ? 2 : 0;
		bad |= OVERLAY(copy, MEM(COPY, 0, p, 1)) ? 4 : 0;
		leave(event.creator, bad);
	}
	ASSERT_EQ(0, lwc_switch(child, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(0, OVERLAY(fd, MEM(COPY, 0, p, 1)));
	ASSERT_EQ(0, lwc_restrict(copy, NULL, 0));
	EXPECT_EQ(-EPERM, OVERLAY(copy, MEM(COPY, 0, p, 1)));
	EXPECT_EQ(0, OVERLAY(fd, MEM(COPY, 0, p, 1)));
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, fcntl(copy, F_GETFD));
	/* One that is sent keeps what it has */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

TEST(S8_an_overlaid_descriptor_of_an_lwc_has_its_own_rights)
{
	char *p = private_pages(1);
	struct lwc_event event;
	long other, fd;

	p[0] = 1;
	other = lwc_create(0, &event);
	if (other == LWC_ENTERED)
		leave(event.creator, 0);
	fd = CREATE(0, &event, FILES(UNMAP, MAY, other, other));
	if (fd == LWC_ENTERED) {
		long bad = 0;

		bad |= OVERLAY(event.creator, FILES(COPY, 0, other, other)) ? 1 : 0;
		bad |= OVERLAY(other, MEM(COPY, 0, p, 1)) ? 2 : 0;
		bad |= lwc_restrict(other, NULL, 0) ? 4 : 0;
		leave(event.creator, bad);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(0, OVERLAY(other, MEM(COPY, 0, p, 1)));
}

TEST(S9_an_overlay_is_rolled_back)
{
	char *p = private_pages(2);
	struct lwc_event event;
	long fd, i;

	memset(p, 'a', 2 * 4096);
	fd = CREATE(LWC_CREATE_ROLLBACK, &event, MEM(COPY, MAY, p, 2));
	if (fd == LWC_ENTERED) {
		long ok = p[0] == 'a' && p[4096] == 'a';

		if (OVERLAY(event.creator, MEM(COPY, 0, p, 1),
			    MEM(SHARE, 0, p + 4096, 1)))
			ok = -1;
		leave(event.creator, ok + 10 * (p[0] == 'b') + 100 * (p[4096] == 'b'));
	}
	memset(p, 'b', 2 * 4096);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
		EXPECT_EQ(111, event.args[0]);
	}
	EXPECT_EQ('b', p[0]);
}

TEST(overlay_errors)
{
	char *p = private_pages(2);
	struct lwc_event event;
	long fd = lwc_create(0, &event);
	struct lwc_spec spec = MEM(COPY, 0, p, 1);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	EXPECT_EQ(-EINVAL, lwc_ret(syscall(__NR_lwc_overlay, fd, &spec, 1, 1)));
	EXPECT_EQ(-EINVAL, lwc_ret(syscall(__NR_lwc_overlay, fd, NULL, 0, 0)));
	EXPECT_EQ(-EFAULT, lwc_ret(syscall(__NR_lwc_overlay, fd, (void *)8, 1, 0)));
	EXPECT_EQ(-EINVAL, lwc_ret(syscall(__NR_lwc_overlay, fd, &spec, 2000, 0)));
	EXPECT_EQ(-EBADF, OVERLAY(250, spec));
	EXPECT_EQ(-EINVAL, OVERLAY(0, spec));
	EXPECT_EQ(-EINVAL, OVERLAY(fd, MEM(UNMAP, 0, p, 1)));
	EXPECT_EQ(-EINVAL, OVERLAY(fd, MEM(COPY, MAY, p, 1)));
	EXPECT_EQ(-EINVAL, OVERLAY(-1, spec));
	EXPECT_EQ(-EINVAL, OVERLAY(-1, ALL(MEMORY, UNMAP, 0)));
	EXPECT_EQ(-EINVAL, OVERLAY(-1, CRED(UNMAP, 0)));
	EXPECT_EQ(-EOPNOTSUPP, OVERLAY(fd, FILES(SHARE, 0, 0, 9)));
	EXPECT_EQ(-EINVAL, lwc_ret(syscall(__NR_lwc_restrict, fd, &spec, 1, 1)));
	EXPECT_EQ(-EFAULT, lwc_ret(syscall(__NR_lwc_restrict, fd, (void *)8, 1, 0)));
	EXPECT_EQ(-EBADF, RESTRICT(250, spec));
	EXPECT_EQ(-EINVAL, RESTRICT(0, spec));
	EXPECT_EQ(-EINVAL, RESTRICT(fd, MEM(COPY, MAY, p, 1)));
	if (!fork()) {
		_exit(OVERLAY(fd, spec) != -ESTALE || RESTRICT(fd, spec) != -ESTALE);
	} else {
		int status;

		wait(&status);
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
