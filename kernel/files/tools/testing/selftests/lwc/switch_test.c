// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: creating and switching, one thread (S1, S4 to S7, S17) */
#include <sys/prctl.h>

#include "lwc_test.h"

TEST(S1_every_process_starts_in_a_root)
{
	struct lwc_info info = lwc_info(-1);

	EXPECT_EQ(1, info.id);
	EXPECT_EQ(0, info.creator);
	EXPECT_EQ(1, info.threads);
	EXPECT_EQ(0, info.flows);
}

TEST(S4_child_returns_from_create_a_second_time)
{
	volatile long *shared = shared_page();
	struct lwc_event event = { };
	int before = 41;
	long fd;

	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		shared[0] = event.type;
		shared[1] = event.args[0];
		shared[2] = before;
		shared[3] = event.creator == event.caller;
		leave(event.creator, 8);
	}
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, shared[0]);
	before = 42;
	ASSERT_EQ(0, lwc_switch(fd, 0, 7, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(8, event.args[0]);
	EXPECT_EQ(fd, event.caller);
	EXPECT_EQ(-1, event.creator);
	EXPECT_EQ(LWC_EVENT_SWITCH, shared[0]);
	EXPECT_EQ(7, shared[1]);
	/* A snapshot: the creator's later write is not seen */
	EXPECT_EQ(41, shared[2]);
	EXPECT_EQ(1, shared[3]);
	EXPECT_EQ(42, before);
}

/* Who switches and who created are different ones then */
TEST(S4_the_first_entry_can_be_made_by_another_lwc)
{
	struct lwc_event event;
	long a, b;

	a = lwc_create(0, &event);
	if (a == LWC_ENTERED)
		leave(event.creator, 1000 * lwc_info(event.caller).id +
		      100 * lwc_info(event.creator).id + event.args[0]);
	b = lwc_create(0, &event);
	if (b == LWC_ENTERED) {
		lwc_switch(a, 0, 7, &event);
		_exit(99);
	}
	ASSERT_LE(0, b);
	ASSERT_EQ(0, lwc_switch(b, 0, 0, &event));
	EXPECT_EQ(a, event.caller);
	EXPECT_EQ(1000 * lwc_info(b).id + 100 + 7, event.args[0]);
}

TEST(S5_switch_is_a_coroutine)
{
	struct lwc_event event;
	uint64_t sum = 0;
	long fd, i;

	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		for (;;) {
			sum += event.args[0];
			lwc_switch(event.caller, 0, sum, &event);
		}
	}
	for (i = 1; i <= 1000; i++) {
		ASSERT_EQ(0, lwc_switch(fd, 0, i, &event));
		ASSERT_EQ(i * (i + 1) / 2, event.args[0]);
	}
	EXPECT_EQ(0, sum);
}

TEST(S5_discard_ends_the_flow)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		lwc_switch(event.creator, LWC_SWITCH_DISCARD, 3, &event);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(3, event.args[0]);
	/* The child's table names the creator, so the creator's number is known;
	 * the child itself is named by fd here
	 */
	EXPECT_EQ(fd, event.caller);
	EXPECT_EQ(0, lwc_info(fd).flows);
	EXPECT_EQ(-ESRCH, lwc_switch(fd, 0, 0, &event));
}

TEST(S6_caller_number_is_reused)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);
	int before, i;

	if (fd == LWC_ENTERED)
		for (;;)
			lwc_switch(event.caller, 0, open_fds(), &event);
	before = open_fds();
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		ASSERT_EQ(fd, event.caller);
		/* stdin .. and the creator, but not the child itself */
		ASSERT_EQ(before, event.args[0]);
	}
	EXPECT_EQ(before, open_fds());
}

TEST(S6_caller_gets_a_descriptor_where_it_has_none)
{
	struct lwc_event event;
	long a, b;

	a = lwc_create(0, &event);
	if (a == LWC_ENTERED)
		leave(event.creator, 0);
	b = lwc_create(0, &event);
	if (b == LWC_ENTERED) {
		/* b's table has a copy of the descriptor of a */
		int creator = event.creator;
		long ret = lwc_switch(a, 0, 0, &event);

		/* never: a went to the creator */
		leave(creator, 1000 + ret);
	}
	ASSERT_EQ(0, lwc_switch(a, 0, 0, &event));
	ASSERT_EQ(0, lwc_switch(b, 0, 0, &event));
	/* back through a */
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(a, event.caller);
}

TEST(S7_memory_is_copy_on_write)
{
	char *pages = private_pages(64);
	struct lwc_event event;
	long fd, i;

	for (i = 0; i < 64; i++)
		pages[i * 4096] = 'p';
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		long same = 0;

		for (i = 0; i < 64; i++) {
			same += pages[i * 4096] == 'p';
			pages[i * 4096] = 'c';
		}
		lwc_switch(event.creator, 0, same, &event);
		for (same = i = 0; i < 64; i++)
			same += pages[i * 4096] == 'c';
		leave(event.caller, same);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(64, event.args[0]);
	for (i = 0; i < 64; i++) {
		EXPECT_EQ('p', pages[i * 4096]);
		pages[i * 4096] = 'q';
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(64, event.args[0]);
	EXPECT_EQ('q', pages[0]);
}

TEST(S7_files_are_copied)
{
	int inherited = open("/dev/null", O_RDONLY);
	struct lwc_event event;
	long fd, in_child;

	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		long ok = fcntl(inherited, F_GETFD) >= 0;

		close(inherited);
		in_child = dup2(0, 100);
		leave(event.creator, ok && in_child == 100);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_LE(0, fcntl(inherited, F_GETFD));
	EXPECT_EQ(-1, fcntl(100, F_GETFD));
}

TEST(S7_unmapped_memory_is_absent)
{
	char *pages = private_pages(4);
	struct lwc_spec specs[] = {
		{ LWC_WHAT_MEMORY, LWC_HOW_UNMAP, 0, (uintptr_t)pages,
		  (uintptr_t)pages + 4 * 4096 },
		{ LWC_WHAT_MEMORY, LWC_HOW_COPY, 0, (uintptr_t)pages + 4096,
		  (uintptr_t)pages + 2 * 4096 },
	};
	struct lwc_create_args args = {
		.specs = (uintptr_t)specs, .nr_specs = 2,
	};
	struct lwc_event event;
	unsigned char vec;
	long fd;

	memset(pages, 's', 4 * 4096);
	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED) {
		long bits = 0, i;

		for (i = 0; i < 4; i++)
			bits |= (long)!mincore(pages + i * 4096, 4096, &vec) << i;
		leave(event.creator, bits);
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	/* The later line wins for the second page */
	EXPECT_EQ(1 << 1, event.args[0]);
	EXPECT_EQ('s', pages[0]);
}

TEST(S7_unmapped_descriptors_are_absent)
{
	struct lwc_spec specs[] = {
		{ LWC_WHAT_FILES, LWC_HOW_UNMAP, LWC_SPEC_ALL, 0, 0 },
		{ LWC_WHAT_FILES, LWC_HOW_COPY, 0, 0, 2 },
	};
	struct lwc_create_args args = {
		.specs = (uintptr_t)specs, .nr_specs = 2,
	};
	int secret = open("/dev/null", O_RDONLY);
	struct lwc_event event;
	long fd;

	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED)
		leave(event.creator, open_fds());
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	/* 0 to 2 and the creator's */
	EXPECT_EQ(4, event.args[0]);
	EXPECT_LE(0, fcntl(secret, F_GETFD));
}

TEST(S1_directory_and_umask_go_with_the_table)
{
	struct lwc_event event;
	char cwd[256];
	long fd;

	ASSERT_EQ(0, chdir("/proc"));
	umask(022);
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		long ok = !chdir("/dev") && umask(077) == 022;

		leave(event.creator, ok);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	ASSERT_NE(NULL, getcwd(cwd, sizeof(cwd)));
	EXPECT_STREQ("/proc", cwd);
	EXPECT_EQ(022, umask(022));
}

TEST(S1_root_directory_goes_with_the_table)
{
	struct lwc_event event;
	long fd;

	ASSERT_EQ(0, access("/proc/self", F_OK));
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		long ok = !chroot("/dev") && !access("/null", F_OK) &&
			  access("/proc/self", F_OK);

		leave(event.creator, ok);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_EQ(0, access("/proc/self", F_OK));
}

TEST(S17_dropped_privilege_stays_in_the_lwc)
{
	struct lwc_event event;
	long fd;

	ASSERT_EQ(0, getuid());
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		long ret = syscall(SYS_setresuid, 1000, 1000, 1000);

		lwc_switch(event.creator, 0, ret, &event);
		leave(event.caller, getuid());
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(0, getuid());
	EXPECT_EQ(0, setuid(0));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1000, event.args[0]);
	EXPECT_EQ(0, getuid());
}

TEST(S3_close_destroys)
{
	struct lwc_event event;
	long fd, i;

	for (i = 0; i < 200; i++) {
		fd = lwc_create(i % 2 ? LWC_CREATE_ROLLBACK : 0, &event);
		if (fd == LWC_ENTERED)
			leave(event.creator, 1);
		ASSERT_LE(0, fd);
		if (i % 3)
			ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_EQ(-EBADF, lwc_switch(fd, 0, 0, &event));
}

TEST(S3_running_context_can_discard_itself)
{
	volatile long *shared = shared_page();
	struct lwc_event event;
	long fd;

	/* The paper's snapshot: the untouched copy goes on */
	fd = lwc_create(0, &event);
	if (fd != LWC_ENTERED) {
		ASSERT_LE(0, fd);
		shared[0] = 1;
		lwc_switch(fd, LWC_SWITCH_DISCARD, 0, &event);
		shared[1] = 1;
	}
	EXPECT_EQ(1, shared[0]);
	EXPECT_EQ(0, shared[1]);
}

TEST(S15_exec_drops_every_lwc)
{
	struct lwc_event event;
	int status;
	pid_t pid = fork();

	if (!pid) {
		long fd = lwc_create(LWC_CREATE_KEEP_EXEC, &event);

		if (fd == LWC_ENTERED)
			execl("/bin/true", "true", NULL);
		lwc_switch(fd, 0, 0, &event);
		_exit(9);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST(S15_exit_in_any_lwc_ends_the_process)
{
	struct lwc_event event;
	int status;
	pid_t pid = fork();

	if (!pid) {
		long fd = lwc_create(0, &event);

		if (fd == LWC_ENTERED)
			_exit(23);
		lwc_switch(fd, 0, 0, &event);
		_exit(9);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(23, WEXITSTATUS(status));
}

TEST(X7_forked_process_has_dead_descriptors)
{
	struct lwc_event event;
	struct lwc_info info;
	long fd = lwc_create(0, &event);
	int status;
	pid_t pid;

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	pid = fork();
	if (!pid) {
		long own;

		if (lwc_switch(fd, 0, 0, &event) != -ESTALE)
			_exit(1);
		if (lwc_ctl(LWC_CTL_INFO, fd, &info, sizeof(info)) != -ESTALE)
			_exit(2);
		own = lwc_create(0, &event);
		if (own == LWC_ENTERED)
			lwc_switch(event.creator, LWC_SWITCH_DISCARD, 5, &event);
		if (own < 0 || lwc_switch(own, 0, 0, &event))
			_exit(3);
		_exit(event.args[0] == 5 ? 0 : 4);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
}

TEST_HARNESS_MAIN
