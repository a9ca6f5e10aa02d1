// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: what is refused because of what the process, a mapping or
 * a tracer is like, not because of the arguments.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "lwc_spec.h"

#ifndef __NR_mseal
#define __NR_mseal 462
#endif

static long call(int fd, uint32_t mask, long nr)
{
	struct lwc_syscall_args args = { .mask = mask, .nr = nr };

	return lwc_ret(syscall(__NR_lwc_syscall, fd, &args, sizeof(args), NULL, 0));
}

TEST(EPERM_where_a_mapping_is_sealed)
{
	char *p = private_pages(1);
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, fd);
	p[0] = 's';
	if (syscall(__NR_mseal, p, 4096, 0))
		SKIP(return, "no mseal");
	EXPECT_EQ(-EPERM, CREATE(0, &event, MEM(UNMAP, 0, p, 1)));
	EXPECT_EQ(-EPERM, OVERLAY(-1, MEM(UNMAP, 0, p, 1)));
	EXPECT_EQ(-EPERM, OVERLAY(fd, MEM(COPY, 0, p, 1)));
	EXPECT_EQ('s', p[0]);
	/* It may be copied and shared */
	EXPECT_LE(0, CREATE(0, &event, MEM(COPY, 0, p, 1)));
}

/* What mm/gup_test.c has for programs that test pins as devices have them */
struct pin_longterm_test {
	uint64_t addr, size;
	uint32_t flags;
};

#define PIN_LONGTERM_TEST_START	_IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP	_IO('g', 8)

TEST(EBUSY_where_a_device_writes_to_memory_that_is_to_be_shared)
{
	char *p = private_pages(2);
	struct pin_longterm_test pin = {
		.addr = (uintptr_t)p, .size = 4096, .flags = 1,
	};
	struct lwc_event event;
	long fd, device;

	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	device = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	if (device < 0)
		SKIP(return, "no gup_test");
	p[0] = 'a';
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long ret = ioctl(device, PIN_LONGTERM_TEST_START, &pin);

		/* Pins of one lwC are in the way of one that shares with it */
		lwc_switch(creator, 0, ret, &event);
		leave(creator, ioctl(device, PIN_LONGTERM_TEST_STOP));
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(0, event.args[0]);
	EXPECT_EQ(-EBUSY, OVERLAY(fd, MEM(SHARE, 0, p, 1)));
	EXPECT_EQ('a', p[0]);
	EXPECT_EQ(0, OVERLAY(fd, MEM(SHARE, 0, p + 4096, 1)));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(0, event.args[0]);
	EXPECT_EQ(0, OVERLAY(fd, MEM(SHARE, 0, p, 1)));
	close(fd);

	p = private_pages(1);
	p[0] = 'b';
	pin.addr = (uintptr_t)p;
	ASSERT_EQ(0, ioctl(device, PIN_LONGTERM_TEST_START, &pin));
	EXPECT_EQ(-EBUSY, CREATE(0, &event, MEM(SHARE, 0, p, 1)));
	/* It is as it was */
	EXPECT_EQ('b', p[0]);
	p[0] = 'c';
	EXPECT_LE(0, CREATE(0, &event, MEM(COPY, 0, p, 1)));
	ASSERT_EQ(0, ioctl(device, PIN_LONGTERM_TEST_STOP));
	EXPECT_LE(0, CREATE(0, &event, MEM(SHARE, 0, p, 1)));
	EXPECT_EQ('c', p[0]);
}

/* With an empty shadow stack nothing may return */
static __always_inline long inline_call(long nr, long a, long b, long c, long d)
{
	register long r10 asm("r10") = d;

	asm volatile("syscall" : "+a" (nr) : "D" (a), "S" (b), "d" (c), "r" (r10)
		     : "rcx", "r11", "memory");
	return nr;
}

#define ARCH_SHSTK_ENABLE	0x5001
#define ARCH_REQ_XCOMP_PERM	0x1023

TEST(EOPNOTSUPP_with_a_shadow_stack)
{
	static struct lwc_create_args args;
	static struct lwc_event event;
	int status;
	pid_t pid = fork();

	if (!pid) {
		long ret = inline_call(SYS_arch_prctl, ARCH_SHSTK_ENABLE, 1, 0, 0);

		if (!ret)
			ret = inline_call(__NR_lwc_create, (long)&args, sizeof(args),
					  (long)&event, sizeof(event)) ==
			      -EOPNOTSUPP ? 0 : 1;
		else
			ret = 4;
		inline_call(SYS_exit_group, ret, 0, 0, 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
		SKIP(return, "this processor has no shadow stacks");
	EXPECT_EQ(0, status);
}

/* Tiles: the first use makes the thread's own buffer larger than a flow's */
TEST(EOPNOTSUPP_with_AMX)
{
	static char config[64] __attribute__((aligned(64))) = { 1 };
	struct lwc_event event;

	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, 18))
		SKIP(return, "this processor has no AMX");
	/* Allowed is not used */
	EXPECT_LE(0, lwc_create(0, &event));
	asm volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00" /* ldtilecfg (%rax) */
		     : : "a" (config) : "memory");
	EXPECT_EQ(-EOPNOTSUPP, lwc_create(0, &event));
}

TEST(EOPNOTSUPP_for_a_trap_inside_a_trap)
{
	static uint64_t set[16];
	struct lwc_create_args args = {
		.flags = LWC_CREATE_TRAP_SYSCALL, .trap_calls = (uintptr_t)set,
		.trap_calls_size = sizeof(set),
	};
	struct lwc_event event;
	long fd;

	set[SYS_getuid / 64] = 1ULL << SYS_getuid % 64;
	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long bad = 0;

		bad |= lwc_create_raw(&args, sizeof(args), &event,
				      sizeof(event)) != -EOPNOTSUPP ? 1 : 0;
		bad |= lwc_create(0, &event) < 0 ? 2 : 0;
		leave(creator, bad);
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(0, event.args[0]);
}

static volatile long *shared;

static void *wait_inside(void *arg)
{
	shared[0] = 1;
	while (!shared[1])
		sched_yield();
	return NULL;
}

TEST(EBUSY_with_another_thread_inside)
{
	struct lwc_event event;
	long fd;

	shared = shared_page();
	fd = CREATE(LWC_CREATE_ROLLBACK, &event, ALL(FILES, COPY, MAY));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		pthread_t thread;
		long bad = 0;

		pthread_create(&thread, NULL, wait_inside, NULL);
		while (!shared[0])
			sched_yield();
		bad |= OVERLAY(creator, ALL(FILES, SHARE, 0)) != -EBUSY ? 1 : 0;
		lwc_switch(creator, 0, bad, &event);
		shared[1] = 1;
		pthread_join(thread, NULL);
		leave(creator, 0);
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	/* The one that is inside also keeps it from being rolled back */
	EXPECT_EQ(-EBUSY, lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0));
	EXPECT_EQ(-EBUSY, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0));
}

static void *not_the_creator(void *arg)
{
	long fd = (long)arg, bad = 0;

	bad |= lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0) != -ESRCH ? 1 : 0;
	bad |= call(fd, LWC_MASK_CRED, SYS_getuid) != -ESRCH ? 2 : 0;
	bad |= call(fd, LWC_MASK_MEMORY, SYS_getuid) < 0 ? 4 : 0;
	return (void *)bad;
}

TEST(ESRCH_for_another_thread_than_the_creating_one)
{
	struct lwc_event event;
	pthread_t thread;
	void *bad;
	long fd = lwc_create(LWC_CREATE_ROLLBACK, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, not_the_creator, (void *)fd));
	pthread_join(thread, &bad);
	EXPECT_EQ(0, (long)bad);
	EXPECT_EQ(0, lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0));
}

TEST(ESTALE_in_a_forked_process)
{
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	int status;
	pid_t pid;

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid)
		_exit((call(fd, 0, SYS_getuid) != -ESTALE) |
		      (call(fd, LWC_MASK_FILES, SYS_getuid) != -ESTALE) << 2 |
		      (lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0) != -ESTALE) << 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Waits until the tracer has come, tries to get its privilege back, and tells */
static void regain(void)
{
	struct lwc_event event;
	long fd;

	shared[2] = 0;
	fd = CREATE(0, &event, CRED(COPY, MAY));
	if (fd != LWC_ENTERED) {
		lwc_switch(fd, 0, 0, &event);
		_exit(geteuid() ? 1 : 0);
	}
	if (syscall(SYS_setresuid, 1000, 1000, 1000))
		_exit(2);
	/* Or nobody but root could attach */
	prctl(PR_SET_DUMPABLE, 1);
	shared[0] = 1;
	while (!shared[1])
		sched_yield();
	shared[2] |= lwc_switch(event.creator, 0, 0, &event) == -EPERM ? 1 : 0;
	shared[2] |= call(event.creator, LWC_MASK_CRED, SYS_getuid) == -EPERM ? 2 : 0;
	shared[2] |= OVERLAY(event.creator, CRED(COPY, 0)) == -EPERM ? 4 : 0;
	shared[2] |= getuid() == 1000 ? 8 : 0;
	shared[0] = 2;
	while (shared[1] != 2)
		sched_yield();
	lwc_switch(event.creator, 0, 0, &event);
	_exit(3);
}

TEST(EPERM_where_a_tracer_may_not_follow)
{
	pid_t tracer;
	int status;

	ASSERT_EQ(0, geteuid());
	shared = shared_page();
	tracer = fork();
	if (!tracer) {
		pid_t pid = fork();

		if (!pid)
			regain();
		if (syscall(SYS_setresuid, 1000, 1000, 1000))
			_exit(10);
		while (!shared[0])
			sched_yield();
		if (ptrace(PTRACE_SEIZE, pid, 0, 0))
			_exit(11);
		shared[1] = 1;
		while (shared[0] != 2)
			sched_yield();
		/* Without a tracer it is what the descriptor allows */
		if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
		    waitpid(pid, &status, 0) != pid ||
		    ptrace(PTRACE_DETACH, pid, 0, 0))
			_exit(12);
		shared[1] = 2;
		waitpid(pid, &status, 0);
		_exit(status ? 13 : 0);
	}
	ASSERT_EQ(tracer, waitpid(tracer, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(15, shared[2]);
}

TEST_HARNESS_MAIN
