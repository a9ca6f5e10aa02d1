// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: traps (S13, X1 to X4); those of system calls are in monitor_test.c */
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "lwc_test.h"

#define SEC 1000000000ULL

static void poke(uintptr_t address)
{
	asm volatile("movb $1, (%0)" : : "r" (address) : "memory");
}

TEST(X1_fault_switches_to_the_creator)
{
	struct lwc_event event;
	long fd, i;

	fd = lwc_create(LWC_CREATE_TRAP_FAULT | LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED) {
		poke(0x1234);
		leave(event.creator, 0);
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
		ASSERT_EQ(LWC_EVENT_FAULT, event.type);
		EXPECT_EQ(SIGSEGV, event.signo);
		EXPECT_EQ(SEGV_MAPERR, event.code);
		EXPECT_EQ(0x1234, event.addr);
		EXPECT_EQ(fd, event.caller);
		EXPECT_NE(0, event.regs.ip);
		EXPECT_NE(0, event.regs.sp);
	}
}

TEST(X1_abort_and_trap_instructions)
{
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_TRAP_FAULT | LWC_CREATE_ROLLBACK, &event);

	if (fd == LWC_ENTERED) {
		switch (event.args[0]) {
		case SIGABRT:
			abort();
		case SIGILL:
			__builtin_trap();
		case SIGFPE:
			asm volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx"
				     : : : "eax", "ecx", "edx");
			break;
		case SIGTRAP:
			asm volatile("int3");
		}
		leave(event.creator, 0);
	}
	for (int signo = 1; signo < 16; signo++) {
		if (signo != SIGABRT && signo != SIGILL && signo != SIGFPE &&
		    signo != SIGTRAP)
			continue;
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, signo, &event));
		EXPECT_EQ(LWC_EVENT_FAULT, event.type);
		EXPECT_EQ(signo, event.signo);
	}
}

TEST(X1_a_handled_signal_is_not_fatal)
{
	struct lwc_event event;
	long fd;

	signal(SIGSEGV, SIG_IGN);
	fd = lwc_create(LWC_CREATE_TRAP_FAULT, &event);
	if (fd == LWC_ENTERED) {
		raise(SIGPIPE);
		leave(event.creator, 0);
	}
	signal(SIGSEGV, SIG_DFL);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_FAULT, event.type);
	EXPECT_EQ(SIGPIPE, event.signo);
}

TEST(X1_the_creator_can_mend_and_resume)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_TRAP_FAULT, &event);
	int creator;

	if (fd == LWC_ENTERED) {
		creator = event.creator;
		leave(creator, page[7]);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_FAULT, event.type);
	/* Nothing was mended: the same fault again */
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_FAULT, event.type);
	EXPECT_EQ((uintptr_t)page + 7, event.addr);
}

TEST(X1_a_grandchild_is_contained_too)
{
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_TRAP_FAULT, &event);

	if (fd == LWC_ENTERED) {
		long inner = lwc_create(0, &event);

		if (inner == LWC_ENTERED)
			poke(0x77);
		lwc_switch(inner, 0, 0, &event);
		_exit(1);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_FAULT, event.type);
	EXPECT_EQ(0x77, event.addr);
	EXPECT_NE(fd, event.caller);
}

TEST(X1_stack_overflow)
{
	struct lwc_event event;
	struct rlimit limit = { 1 << 20, 1 << 20 };
	long fd = lwc_create(LWC_CREATE_TRAP_FAULT | LWC_CREATE_ROLLBACK, &event);

	if (fd == LWC_ENTERED) {
		asm volatile("1: sub $4096, %%rsp; movb $1, (%%rsp); jmp 1b" : :
			     : "memory");
		__builtin_unreachable();
	}
	ASSERT_EQ(0, setrlimit(RLIMIT_STACK, &limit));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
		EXPECT_EQ(LWC_EVENT_FAULT, event.type);
		EXPECT_EQ(SIGSEGV, event.signo);
	}
}

TEST(X1_without_the_option_the_process_dies)
{
	struct lwc_event event;
	int status;
	pid_t pid = fork();

	if (!pid) {
		long fd = lwc_create(0, &event);

		if (fd == LWC_ENTERED)
			poke(8);
		lwc_switch(fd, 0, 0, &event);
		_exit(9);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
}

TEST(X1_sigkill_is_not_contained)
{
	struct lwc_event event;
	int status;
	pid_t pid = fork();

	if (!pid) {
		long fd = lwc_create(LWC_CREATE_TRAP_FAULT | LWC_CREATE_TRAP_EXIT,
				     &event);

		if (fd == LWC_ENTERED)
			raise(SIGKILL);
		lwc_switch(fd, 0, 0, &event);
		_exit(9);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

TEST(X2_exit_switches_to_the_creator)
{
	struct lwc_event event;
	long fd, i;

	fd = lwc_create(LWC_CREATE_TRAP_EXIT | LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED) {
		if (event.args[0] & 1)
			syscall(SYS_exit, event.args[0]);
		syscall(SYS_exit_group, event.args[0]);
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, i, &event));
		ASSERT_EQ(LWC_EVENT_EXIT, event.type);
		EXPECT_EQ(i, event.args[0]);
		EXPECT_EQ(!(i & 1), event.args[1]);
		/* That flow is over */
		EXPECT_EQ(-ESRCH, lwc_switch(fd, 0, 0, &event));
	}
}

static volatile long spins;

TEST(X3_wall_clock_budget_ends_an_endless_loop)
{
	struct lwc_switch_args args = { .wall_ns = SEC / 20 };
	struct lwc_event event;
	long fd = lwc_create(0, &event), i;

	if (fd == LWC_ENTERED)
		for (;;)
			spins++;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, lwc_switch_args(fd, &args, &event));
		ASSERT_EQ(LWC_EVENT_TIMEOUT, event.type);
		EXPECT_EQ(1, event.args[0]);
		EXPECT_EQ(fd, event.caller);
		EXPECT_NE(0, event.regs.ip);
	}
}

TEST(X3_cpu_budget_ends_an_endless_loop_and_not_a_sleep)
{
	struct lwc_switch_args args = { .cpu_ns = SEC / 20 };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED) {
		struct timespec ts = { 0, SEC / 5 };
		long ret = nanosleep(&ts, NULL);

		lwc_switch(event.creator, 0, ret, &event);
		for (;;)
			spins++;
	}
	ASSERT_EQ(0, lwc_switch_args(fd, &args, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(0, event.args[0]);
	ASSERT_EQ(0, lwc_switch_args(fd, &args, &event));
	EXPECT_EQ(LWC_EVENT_TIMEOUT, event.type);
	EXPECT_EQ(2, event.args[0]);
}

TEST(X3_budget_ends_a_blocking_call_that_is_restarted)
{
	struct lwc_switch_args args = { .wall_ns = SEC / 50 };
	struct lwc_event event;
	int pipes[2];
	long fd, ret;
	char c = 0;

	ASSERT_EQ(0, pipe(pipes));
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		ret = read(pipes[0], &c, 1);
		leave(creator, ret * 1000 + c);
	}
	ASSERT_EQ(0, lwc_switch_args(fd, &args, &event));
	ASSERT_EQ(LWC_EVENT_TIMEOUT, event.type);
	ASSERT_EQ(1, write(pipes[1], "k", 1));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(1000 + 'k', event.args[0]);
}

TEST(X3_budget_aborts_a_sleep)
{
	struct lwc_switch_args args = { .wall_ns = SEC / 50 };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED) {
		struct timespec ts = { 1000, 0 };
		int creator = event.creator;
		long ret = nanosleep(&ts, NULL);

		leave(creator, ret == -1 && errno == EINTR);
	}
	ASSERT_EQ(0, lwc_switch_args(fd, &args, &event));
	ASSERT_EQ(LWC_EVENT_TIMEOUT, event.type);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
}

TEST(X3_budgets_nest)
{
	struct lwc_switch_args outer = { .wall_ns = SEC / 20 };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED) {
		struct lwc_switch_args inner = { .wall_ns = 1000 * SEC };
		long deep = lwc_create(0, &event);

		if (deep == LWC_ENTERED)
			for (;;)
				spins++;
		lwc_switch_args(deep, &inner, &event);
		_exit(1);
	}
	ASSERT_EQ(0, lwc_switch_args(fd, &outer, &event));
	EXPECT_EQ(LWC_EVENT_TIMEOUT, event.type);
}

TEST(X3_budget_not_spent_leaves_nothing_behind)
{
	struct lwc_switch_args args = { .wall_ns = SEC / 20, .cpu_ns = SEC / 20 };
	struct timespec ts = { 0, SEC / 10 };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_EQ(0, lwc_switch_args(fd, &args, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(0, nanosleep(&ts, NULL));
}

TEST(X4_memory_limit)
{
	struct lwc_create_args args = { .memory_limit = 256 * 4096,
					.flags = LWC_CREATE_ROLLBACK };
	char *pages = private_pages(1024);
	struct lwc_event event;
	long fd, i;

	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED) {
		for (i = 0; i < (long)event.args[0]; i++)
			pages[i * 4096] = 1;
		leave(event.creator, 99);
	}
	ASSERT_LE(0, fd);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 200, &event));
		ASSERT_EQ(LWC_EVENT_SWITCH, event.type);
		ASSERT_EQ(99, event.args[0]);
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 1024, &event));
		ASSERT_EQ(LWC_EVENT_MEMORY, event.type);
		EXPECT_LT((uintptr_t)pages + 200 * 4096, event.addr);
		EXPECT_GE((uintptr_t)pages + 256 * 4096, event.addr);
		EXPECT_EQ(256, lwc_info(fd).private_pages);
	}
}

TEST(X4_memory_limit_in_a_system_call)
{
	struct lwc_create_args args = { .memory_limit = 64 * 4096 };
	char *pages = private_pages(1024);
	int zero = open("/dev/zero", O_RDONLY);
	struct lwc_event event;
	long fd;

	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED)
		leave(event.creator, read(zero, pages, 1024 * 4096));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_MEMORY, event.type);
}

static volatile sig_atomic_t got;

static void on_signal(int signo)
{
	got++;
}

TEST(S13_other_signals_wait_for_the_root)
{
	struct lwc_event event;
	long fd;

	signal(SIGUSR1, on_signal);
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		sigset_t none;

		kill(getpid(), SIGUSR1);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		leave(event.creator, got);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(1, got);
}

TEST(S13_a_child_can_be_made_to_receive_them)
{
	struct lwc_event event;
	long fd;

	signal(SIGUSR1, on_signal);
	fd = lwc_create(LWC_CREATE_SIGNALS, &event);
	if (fd == LWC_ENTERED) {
		kill(getpid(), SIGUSR1);
		leave(event.creator, got);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_EQ(0, got);
}

TEST_HARNESS_MAIN
