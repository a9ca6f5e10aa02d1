// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: errors that are not the arguments' fault, and that
 * nothing has changed after them.
 *
 * Some limits are the system's. They are changed for a moment, so that the
 * tests need root and a machine of their own.
 */
#include <sys/resource.h>

#include "lwc_spec.h"

static void limit_descriptors(int nr)
{
	struct rlimit limit = { nr, nr };

	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The lowest number such that all descriptors are below it */
static int descriptors_end(void)
{
	int nr, end = 0;

	for (nr = 0; nr < 256; nr++)
		if (fcntl(nr, F_GETFD) >= 0)
			end = nr + 1;
	return end;
}

static void fill_descriptors(int end)
{
	int nr;

	for (nr = 0; nr < end; nr++)
		if (fcntl(nr, F_GETFD) < 0)
			dup2(0, nr);
}

static long read_number(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atol(text);
}

static bool write_number(const char *path, long number)
{
	char text[64];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	snprintf(text, sizeof(text), "%ld", number);
	good = write(fd, text, strlen(text)) > 0;
	close(fd);
	return good;
}

/* More pages than swap and a hundredth of the memory: a copy of them is too much */
#define BIG 131072
#define FILE_MAX "/proc/sys/fs/file-max"
#define OVERCOMMIT "/proc/sys/vm/overcommit_memory"
#define RATIO "/proc/sys/vm/overcommit_ratio"

TEST(create_EMFILE)
{
	struct lwc_event event;
	int end = descriptors_end();

	fill_descriptors(end);
	limit_descriptors(end);
	EXPECT_EQ(-EMFILE, lwc_create(0, &event));
	EXPECT_EQ(end, open_fds());
	close(end - 1);
	EXPECT_EQ(end - 1, lwc_create(0, &event));
}

/* The child's table is full, and does not name who switches there */
TEST(switch_EMFILE)
{
	struct lwc_event event;
	long outer, inner;
	int end;

	outer = lwc_create(0, &event);
	if (outer == LWC_ENTERED)
		leave(event.caller, 0);
	ASSERT_LE(0, outer);
	inner = lwc_create(0, &event);
	if (inner == LWC_ENTERED) {
		int creator = event.creator;

		end = descriptors_end();
		fill_descriptors(end);
		limit_descriptors(end);
		leave(creator, end);
	}
	ASSERT_LE(0, inner);
	ASSERT_EQ(0, lwc_switch(inner, 0, 0, &event));
	end = event.args[0];
	/* A third one, that the table of the second has no number for */
	limit_descriptors(end + 8);
	outer = lwc_create(0, &event);
	if (outer == LWC_ENTERED) {
		int creator = event.creator;
		long ret;

		limit_descriptors(end);
		ret = lwc_switch(inner, 0, 0, &event);
		leave(creator, ret);
	}
	ASSERT_LE(0, outer);
	ASSERT_EQ(0, lwc_switch(outer, 0, 0, &event));
	EXPECT_EQ(-EMFILE, (long)event.args[0]);
	/* The creator's number is there already */
	EXPECT_EQ(0, lwc_switch(inner, 0, 0, &event));
}

/* Root may go beyond the system's limit, others may not */
TEST(create_ENFILE)
{
	long most = read_number(FILE_MAX);
	struct lwc_event event;
	int status;
	pid_t pid;

	if (geteuid() || most <= 0)
		SKIP(return, "needs root");
	ASSERT_TRUE(write_number(FILE_MAX, 0));
	pid = fork();
	if (!pid) {
		int before = open_fds();
		long ret;

		if (setresuid(65534, 65534, 65534))
			_exit(2);
		ret = lwc_create(0, &event);
		_exit(ret == -ENFILE && open_fds() == before ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	EXPECT_TRUE(write_number(FILE_MAX, most));
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, status);
}

static void make_nobody(void)
{
	if (syscall(SYS_setresuid, 65534, 65534, 65534))
		_exit(2);
}

/* A descriptor for who switches, and one with less rights, are new files */
TEST(switch_and_restrict_ENFILE)
{
	long most = read_number(FILE_MAX);
	struct lwc_event event;
	long a, b;

	if (geteuid() || most <= 0)
		SKIP(return, "needs root");
	a = lwc_create(0, &event);
	if (a == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, a);
	b = lwc_create(0, &event);
	if (b == LWC_ENTERED) {
		int creator = event.creator;
		long bad = 0;

		make_nobody();
		bad |= lwc_switch(a, 0, 0, &event) != -ENFILE ? 1 : 0;
		bad |= lwc_restrict(a, NULL, 0) != -ENFILE ? 2 : 0;
		leave(creator, bad);
	}
	ASSERT_LE(0, b);
	ASSERT_TRUE(write_number(FILE_MAX, 0));
	a = lwc_switch(b, 0, 0, &event);
	EXPECT_TRUE(write_number(FILE_MAX, most));
	ASSERT_EQ(0, a);
	EXPECT_EQ(0, event.args[0]);
}

TEST(overlay_EBADF)
{
	struct lwc_event event;
	int end = descriptors_end() + 10;
	long fd, ret;

	ASSERT_EQ(end, dup2(0, end));
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, fd);
	close(end);
	limit_descriptors(end);
	ret = OVERLAY(fd, FILES(COPY, 0, end, end));
	EXPECT_EQ(-EBADF, ret);
	limit_descriptors(end + 1);
	EXPECT_EQ(0, OVERLAY(fd, FILES(COPY, 0, end, end)));
	EXPECT_LE(0, fcntl(end, F_GETFD));
}

#define MAX_MAPS "/proc/sys/vm/max_map_count"

/* A hole in the midst of one mapping makes two of it */
TEST(overlay_ENOMEM)
{
	long most = read_number(MAX_MAPS), ret;
	char *p = private_pages(3);
	struct lwc_event event;

	if (geteuid() || most <= 0)
		SKIP(return, "needs root");
	ASSERT_TRUE(write_number(MAX_MAPS, 1));
	ret = OVERLAY(-1, MEM(UNMAP, 0, p + 4096, 1));
	ASSERT_TRUE(write_number(MAX_MAPS, most));
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_TRUE(is_mapped(p + 4096));
	EXPECT_EQ(0, OVERLAY(-1, MEM(UNMAP, 0, p + 4096, 1)));
	EXPECT_FALSE(is_mapped(p + 4096));
	EXPECT_LE(0, lwc_create(0, &event));
}

/* Memory is promised to nobody beyond what there is; restored by strict_end() */
static bool strict_begin(void)
{
	return write_number(RATIO, 1) && write_number(OVERCOMMIT, 2);
}

static bool strict_end(long overcommit, long ratio)
{
	return write_number(OVERCOMMIT, overcommit) && write_number(RATIO, ratio);
}

TEST(create_ENOMEM)
{
	long overcommit = read_number(OVERCOMMIT), ratio = read_number(RATIO);
	int before = open_fds();
	char *p = private_pages(BIG);
	struct lwc_event event;
	long ret;

	ASSERT_NE(NULL, p);
	if (geteuid() || !strict_begin())
		SKIP(return, "needs root");
	ret = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (ret == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_TRUE(strict_end(overcommit, ratio));
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_EQ(before, open_fds());
	ret = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (ret == LWC_ENTERED)
		leave(event.creator, 7);
	ASSERT_LE(0, ret);
	EXPECT_EQ(0, lwc_switch(ret, 0, 0, &event));
	EXPECT_EQ(7, event.args[0]);
}

/* More changed ranges than are noted: all is copied anew, which may fail */
TEST(rollback_ENOMEM_then_EIO_until_another_succeeds)
{
	long overcommit = read_number(OVERCOMMIT), ratio = read_number(RATIO);
	char *p = private_pages(BIG);
	struct lwc_event event;
	long fd, ret, again;

	ASSERT_NE(NULL, p);
	p[0] = 1;
	fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED) {
		int creator = event.creator, i;
		long seen = p[0];

		p[0] = 2;
		for (i = 0; i < 200; i++)
			munmap(p + (2 * i + 2) * 4096, 4096);
		leave(creator, seen);
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(1, event.args[0]);
	if (geteuid() || !strict_begin())
		SKIP(return, "needs root");
	ret = lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0);
	again = lwc_switch(fd, 0, 0, &event);
	ASSERT_TRUE(strict_end(overcommit, ratio));
	EXPECT_EQ(-ENOMEM, ret);
	EXPECT_EQ(-EIO, again);
	EXPECT_EQ(-EIO, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0));
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
}

TEST(switch_and_syscall_E2BIG)
{
	struct {
		struct lwc_switch_args args;
		uint64_t more;
	} s = { .more = 1 };
	struct {
		struct lwc_syscall_args args;
		uint64_t more;
	} c = { .args.nr = SYS_getpid, .more = 1 };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 5);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-E2BIG, lwc_switch_raw(fd, &s, sizeof(s), &event, sizeof(event)));
	EXPECT_EQ(-E2BIG, lwc_ret(syscall(__NR_lwc_syscall, fd, &c, sizeof(c),
					  NULL, 0)));
	/* A longer structure is none that says more, if the rest is zero */
	s.more = 0;
	EXPECT_EQ(0, lwc_switch_raw(fd, &s, sizeof(s), &event, sizeof(event)));
	EXPECT_EQ(5, event.args[0]);
	c.more = 0;
	EXPECT_EQ(getpid(), lwc_ret(syscall(__NR_lwc_syscall, fd, &c, sizeof(c),
					    NULL, 0)));
}

/* A structure that ends anywhere, and an event of any length from type and caller on */
TEST(switch_takes_short_structures)
{
	struct lwc_switch_args args = { .args = { 11, 22, 33, 44 } };
	struct lwc_event event;
	size_t size;
	long fd = lwc_create(0, &event);

	while (fd == LWC_ENTERED) {
		struct lwc_switch_args back = {
			.args = { event.args[0], event.args[1], event.args[2],
				  event.args[3] },
		};

		if (lwc_switch_args(event.caller, &back, &event))
			_exit(99);
	}
	ASSERT_LE(0, fd);
	for (size = 8; size <= sizeof(event); size += 8) {
		char room[sizeof(event)];
		struct lwc_event *short_event = (struct lwc_event *)room;
		size_t told = size < 56 ? size : 56;

		memset(room, 0x5a, sizeof(room));
		ASSERT_EQ(0, lwc_switch_raw(fd, &args, sizeof(args),
					    (struct lwc_event *)room, size));
		EXPECT_EQ(LWC_EVENT_SWITCH, short_event->type);
		EXPECT_EQ(fd, short_event->caller);
		if (told == 56) {
			EXPECT_EQ(-1, short_event->creator);
			EXPECT_EQ(0, short_event->signo | short_event->code |
				  short_event->__pad);
			EXPECT_EQ(11, short_event->args[0]);
			EXPECT_EQ(44, short_event->args[3]);
		}
		for (; told < sizeof(room); told++)
			EXPECT_EQ(0x5a, room[told]);
	}
	/* Only the flags and the first argument */
	ASSERT_EQ(0, lwc_switch_raw(fd, &args, 16, &event, sizeof(event)));
	EXPECT_EQ(11, event.args[0]);
	EXPECT_EQ(0, event.args[1]);
}

/* Each time there are holes in other places: what remains has ever more pieces */
TEST(restrict_E2BIG)
{
	static struct lwc_spec specs[1024];
	struct lwc_event event;
	long fd = lwc_create(0, &event), err = 0;
	int i, round;

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, fd);
	for (round = 0; round < 7 && !err; round++) {
		for (i = 0; i < 1024; i++)
			specs[i] = MEM(COPY, 0, 4096L * (64 * i + 8 * round + 1), 63);
		err = lwc_restrict(fd, specs, 1024);
	}
	EXPECT_EQ(-E2BIG, err);
	EXPECT_EQ(5, round);
	/* One that leaves less is fine */
	EXPECT_EQ(0, lwc_restrict(fd, specs, 10));
	EXPECT_EQ(-EINVAL, lwc_restrict(fd, specs, 1025));
}

TEST_HARNESS_MAIN
