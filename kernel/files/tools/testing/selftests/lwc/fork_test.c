// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: fork, vfork and exec (S14, S15, X7) */
#include <sched.h>
#include <signal.h>

#include "lwc_spec.h"

/* The child process tells through its exit status */
#define IN_CHILD(...) ({ \
	int status_ = -1; \
	pid_t pid_ = fork(); \
	if (!pid_) { \
		__VA_ARGS__; \
		_exit(0); \
	} \
	if (pid_ > 0) \
		waitpid(pid_, &status_, 0); \
	WIFEXITED(status_) ? WEXITSTATUS(status_) : -1; })

#define FAIL_IF(cond, status) do { if (cond) _exit(status); } while (0)

static long fork_all(int on)
{
	return lwc_ctl(LWC_CTL_FORK, -1, NULL, on);
}

TEST(X7_the_flag_is_the_roots)
{
	struct lwc_event event;
	long fd;

	EXPECT_EQ(-EINVAL, fork_all(2));
	EXPECT_EQ(0, fork_all(1));
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, fork_all(0));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(-EPERM, (long)event.args[0]);
	EXPECT_EQ(0, fork_all(0));
	EXPECT_EQ(1, IN_CHILD(FAIL_IF(lwc_switch(fd, 0, 0, &event) == -ESTALE, 1)));
}

TEST(X7_with_the_flag_fork_copies_all_lwcs)
{
	volatile long *shared = shared_page();
	char *p = private_pages(1);
	struct lwc_event event;
	long a, b;

	p[0] = 1;
	a = lwc_create(0, &event);
	if (a == LWC_ENTERED)
		for (;;) {
			p[0] += event.args[0];
			lwc_switch(event.caller, 0, p[0], &event);
		}
	b = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (b == LWC_ENTERED) {
		/* Its table names the first one: the twin's table the twin */
		int creator = event.creator;
		long id = lwc_info(a).id;

		p[0]++;
		dup2(0, 95);
		lwc_switch(creator, 0, p[0] + 100 * id, &event);
		leave(event.caller, p[0]);
	}
	ASSERT_EQ(0, fork_all(1));
	ASSERT_EQ(0, lwc_switch(a, 0, 10, &event));
	ASSERT_EQ(11, event.args[0]);
	ASSERT_EQ(0, lwc_switch(b, 0, 0, &event));
	EXPECT_EQ(0, IN_CHILD(
		FAIL_IF(lwc_switch(a, 0, 1, &event), 2);
		FAIL_IF(event.args[0] != 12, 3);
		FAIL_IF(event.caller != a, 4);
		/* b goes on where it was, and can be rolled back */
		FAIL_IF(lwc_switch(b, 0, 0, &event), 5);
		FAIL_IF(event.args[0] != 2, 6);
		FAIL_IF(lwc_switch(b, LWC_SWITCH_ROLLBACK, 0, &event), 7);
		FAIL_IF(event.args[0] % 100 != 2, 8);
		FAIL_IF(lwc_switch(b, LWC_SWITCH_ROLLBACK, 0, &event), 9);
		FAIL_IF(event.args[0] % 100 != 2, 10);
		FAIL_IF(close(a) || close(b), 11);
		/* And again, in the child of the child */
		b = lwc_create(0, &event);
		if (b == LWC_ENTERED)
			leave(event.creator, 5);
		FAIL_IF(IN_CHILD(FAIL_IF(lwc_switch(b, 0, 0, &event) ||
					 event.args[0] != 5, 1)), 12);
		shared[0] = 1));
	EXPECT_EQ(1, shared[0]);
	/* Here nothing has happened */
	ASSERT_EQ(0, lwc_switch(a, 0, 1, &event));
	EXPECT_EQ(12, event.args[0]);
	ASSERT_EQ(0, lwc_switch(b, 0, 0, &event));
	EXPECT_EQ(2, event.args[0]);
}

TEST(X7_with_the_flag_a_child_lwc_forks_and_its_twin_goes_back)
{
	volatile long *shared = shared_page();
	struct lwc_event event;
	pid_t root = getpid();
	int status = -1;
	long fd;

	ASSERT_EQ(0, fork_all(1));
	fd = lwc_create(LWC_CREATE_TRAP_FAULT, &event);
	if (fd == LWC_ENTERED) {
		pid_t pid = fork();

		/* Both return to a root, each to that of its process */
		leave(event.creator, pid);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	if (getpid() != root) {
		shared[0] = event.args[0] == 0 && event.caller == fd;
		/* The twin can still be entered */
		shared[1] = lwc_switch(fd, 0, 0, &event) == 0;
		_exit(7);
	}
	ASSERT_LT(0, event.args[0]);
	ASSERT_EQ(event.args[0], waitpid(event.args[0], &status, 0));
	EXPECT_EQ(7, WEXITSTATUS(status));
	EXPECT_EQ(1, shared[0]);
	EXPECT_EQ(1, shared[1]);
}

TEST(X7_rights_and_traps_are_copied_too)
{
	struct lwc_create_args args = { .flags = LWC_CREATE_TRAP_SYSCALL };
	struct lwc_event event;
	uint64_t set[16] = { };
	char *p = private_pages(1);
	long fd;

	set[SYS_getuid / 64] |= 1ULL << SYS_getuid % 64;
	args.trap_calls = (uintptr_t)set;
	args.trap_calls_size = sizeof(set);
	p[0] = 1;
	ASSERT_EQ(0, fork_all(1));
	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED) {
		long ret = syscall(SYS_getuid);

		ret = ret * 10 + (OVERLAY(event.creator, MEM(COPY, 0, p, 1)) ==
				  -EPERM);
		leave(event.creator, ret);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(0, IN_CHILD(
		struct lwc_switch_args answer = {
			.flags = LWC_SWITCH_RESULT, .result = 42 };

		FAIL_IF(lwc_switch_args(fd, &answer, &event), 1);
		FAIL_IF(event.args[0] != 421, 2);
		FAIL_IF(OVERLAY(fd, MEM(COPY, 0, p, 1)), 3)));
}

TEST(X7_memory_that_lwcs_share_forbids_the_flag)
{
	char *p = private_pages(1);
	struct lwc_event event;
	long fd;

	fd = CREATE(0, &event, MEM(SHARE, 0, p, 1));
	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_EQ(0, fork_all(1));
	EXPECT_EQ(-1, fork());
	EXPECT_EQ(EOPNOTSUPP, errno);
	ASSERT_EQ(0, fork_all(0));
	EXPECT_EQ(0, IN_CHILD((void)0));
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
}

TEST(S14_vfork_copies_nothing)
{
	struct lwc_event event;
	volatile long in_child = 0;
	int status = -1;
	long fd = lwc_create(0, &event);
	pid_t pid;

	if (fd == LWC_ENTERED) {
		pid = vfork();
		if (!pid) {
			in_child = 1;
			_exit(5);
		}
		waitpid(pid, &status, 0);
		leave(event.creator, in_child * 10 + WEXITSTATUS(status));
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(15, event.args[0]);
	EXPECT_EQ(0, in_child);
	pid = vfork();
	if (!pid) {
		in_child = lwc_switch(fd, 0, 0, &event);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(-ESTALE, in_child);
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
}

TEST(S15_exec_in_a_child_lwc)
{
	struct lwc_event event;
	int status;
	pid_t pid = fork();

	if (!pid) {
		long fd = lwc_create(LWC_CREATE_TRAP_FAULT | LWC_CREATE_TRAP_EXIT,
				     &event);

		if (fd == LWC_ENTERED) {
			dup2(0, 60);
			/* Neither trap nor lwC is there in the new program */
			execl("/bin/sh", "sh", "-c",
			      "test -s /proc/$$/lwcs || kill -SEGV $$", NULL);
		}
		lwc_switch(fd, 0, 0, &event);
		_exit(9);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
}

TEST_HARNESS_MAIN
