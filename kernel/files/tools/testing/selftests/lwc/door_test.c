// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: ways around the walls. The creator has a secret that the
 * child was made without; each test is a child that tries to get at it.
 */
#include <linux/keyctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>

#include "doors.h"

FIXTURE(door)
{
	long *secret;
	volatile long *shared;
};

FIXTURE_SETUP(door)
{
	self->secret = (long *)private_pages(1);
	self->shared = shared_page();
	ASSERT_NE(NULL, self->secret);
	*self->secret = SECRET;
}

FIXTURE_TEARDOWN(door)
{
}

TEST_F(door, plain_read_faults)
{
	struct lwc_event event;
	long fd = create_without(self->secret, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, *self->secret);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_FAULT, event.type);
	EXPECT_EQ((uintptr_t)self->secret, event.addr);
}

TEST_F(door, proc_self_mem)
{
	struct lwc_event event;
	long fd = create_without(self->secret, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, read_file("/proc/self/mem", self->secret));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_GT(0, (long)event.args[0]);
	EXPECT_EQ(SECRET, read_file("/proc/self/mem", self->secret));
}

TEST_F(door, process_vm_readv_of_itself)
{
	struct lwc_event event;
	long fd = create_without(self->secret, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, read_vm(getpid(), self->secret));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_GT(0, (long)event.args[0]);
	EXPECT_EQ(SECRET, read_vm(getpid(), self->secret));
}

/* A thread that stays in the root while another is in the child */
static void *stay(void *arg)
{
	volatile long *shared = arg;

	shared[0] = syscall(SYS_gettid);
	while (!shared[1])
		sched_yield();
	return NULL;
}

static long look_at_thread(pid_t tid, void *secret)
{
	char path[64];
	long ret;

	snprintf(path, sizeof(path), "/proc/self/task/%d/mem", tid);
	ret = read_file(path, secret);
	if (ret == SECRET)
		return 1;
	ret = read_vm(tid, secret);
	if (ret == SECRET)
		return 2;
	snprintf(path, sizeof(path), "/proc/self/task/%d/fd/0", tid);
	ret = open(path, O_RDONLY);
	if (ret >= 0)
		return 3;
	snprintf(path, sizeof(path), "/proc/self/task/%d/environ", tid);
	ret = open(path, O_RDONLY);
	if (ret >= 0)
		return 4;
	return 0;
}

TEST_F(door, another_thread_in_the_root)
{
	struct lwc_event event;
	pthread_t thread;
	long fd;

	ASSERT_EQ(0, pthread_create(&thread, NULL, stay, (void *)self->shared));
	while (!self->shared[0])
		sched_yield();
	/* The doors are open from the root */
	EXPECT_EQ(1, look_at_thread(self->shared[0], self->secret));
	fd = create_without(self->secret, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, look_at_thread(self->shared[0], self->secret));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(0, event.args[0]);
	self->shared[1] = 1;
	pthread_join(thread, NULL);
}

/* Waits until the parent is in the root again, then tries. Tells the result. */
static void spy(pid_t parent, volatile long *shared, void *secret, bool with_exec)
{
	char path[64], command[160];
	long result = 0;

	shared[0] = 1;
	while (!shared[1])
		sched_yield();
	if (!ptrace(PTRACE_ATTACH, parent, 0, 0))
		result |= 1;
	if (!ptrace(PTRACE_SEIZE, parent, 0, 0))
		result |= 2;
	if (read_vm(parent, secret) == SECRET)
		result |= 4;
	snprintf(path, sizeof(path), "/proc/%d/mem", parent);
	if (read_file(path, secret) == SECRET)
		result |= 8;
	snprintf(path, sizeof(path), "/proc/%d/fd/0", parent);
	if (open(path, O_RDONLY) >= 0)
		result |= 16;
	if (with_exec) {
		snprintf(command, sizeof(command), "exec 3< /proc/%d/mem", parent);
		execl("/bin/sh", "sh", "-c", command, NULL);
	}
	shared[2] = result;
	_exit(0);
}

static long run_spy(struct __test_metadata *_metadata, volatile long *shared,
		    long *secret, bool with_exec)
{
	pid_t parent = getpid(), pid;
	struct lwc_event event;
	int status = -1;
	long fd;

	fd = create_without(secret, &event);
	if (fd == LWC_ENTERED) {
		pid = fork();
		if (!pid)
			spy(parent, shared, secret, with_exec);
		leave(event.creator, pid);
	}
	if (lwc_switch(fd, 0, 0, &event) || event.type != LWC_EVENT_SWITCH)
		return -1;
	pid = event.args[0];
	shared[2] = -1;
	shared[1] = 1;
	waitpid(pid, &status, 0);
	return with_exec ? WEXITSTATUS(status) != 0 : shared[2];
}

TEST_F(door, a_forked_process_cannot_look_at_its_parent)
{
	EXPECT_EQ(0, run_spy(_metadata, self->shared, self->secret, false));
}

TEST_F(door, nor_can_what_it_executes)
{
	EXPECT_EQ(1, run_spy(_metadata, self->shared, self->secret, true));
}

TEST_F(door, a_process_forked_from_the_root_can)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid)
		_exit(read_vm(parent, self->secret) == SECRET ? 0 : 1);
	int status;

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(door, what_a_run_left_behind_cannot_look_at_the_next)
{
	struct lwc_event event;
	pid_t parent = getpid();
	long fd;

	/* The first run leaves a process behind, the second one has a secret */
	fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED) {
		if (!event.args[0] && !fork()) {
			while (!self->shared[1])
				sched_yield();
			self->shared[2] = ptrace(PTRACE_ATTACH, parent, 0, 0) ?
				1 : 2;
			_exit(0);
		}
		if (event.args[0]) {
			self->shared[1] = 1;
			while (!self->shared[2])
				sched_yield();
		}
		leave(event.creator, 0);
	}
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 1, &event));
	EXPECT_EQ(1, self->shared[2]);
}

static long session_keyring(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
		       KEY_SPEC_SESSION_KEYRING, 0);
}

/* 0 if the caller's parent has its session keyring from it now */
static int give_session_to_parent(void)
{
	return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "given") < 0 ||
	       syscall(SYS_keyctl, KEYCTL_SESSION_TO_PARENT);
}

/* Who gave another its session keyring can read what that puts there */
TEST_F(door, a_session_keyring_given_to_the_parent)
{
	struct lwc_event event;
	int status = -1;
	long fd, own;
	pid_t pid;

	own = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "own");
	ASSERT_LE(0, own);
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		if (!fork()) {
			while (!self->shared[1])
				sched_yield();
			self->shared[2] = give_session_to_parent() ? 1 : 2;
			_exit(0);
		}
		leave(event.creator, 0);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	self->shared[1] = 1;
	while (!self->shared[2])
		sched_yield();
	EXPECT_EQ(1, self->shared[2]);
	EXPECT_EQ(own, session_keyring());

	/* A process forked from the root can */
	pid = fork();
	if (!pid)
		_exit(give_session_to_parent());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_NE(own, session_keyring());
}

TEST_HARNESS_MAIN
