// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: a monitor decides on system calls (S11) */
#include <linux/audit.h>
#include <signal.h>

#include "lwc_test.h"

/* A child two of whose calls are trapped */
static long watch2(unsigned int a, unsigned int b, uint64_t flags,
		   struct lwc_event *event)
{
	uint64_t set[16] = { };
	struct lwc_create_args args = {
		.flags = LWC_CREATE_TRAP_SYSCALL | flags,
		.trap_calls = (uintptr_t)set, .trap_calls_size = sizeof(set),
	};

	set[a / 64] |= 1ULL << a % 64;
	set[b / 64] |= 1ULL << b % 64;
	return lwc_create_raw(&args, sizeof(args), event, sizeof(*event));
}

/* One of whose calls is */
static long watch(unsigned int nr, struct lwc_event *event)
{
	return watch2(nr, nr, 0, event);
}

TEST(S11_system_calls_go_to_the_monitor)
{
	struct lwc_create_args args = { .flags = LWC_CREATE_TRAP_SYSCALL };
	struct lwc_switch_args answer = { .flags = LWC_SWITCH_RESULT, .result = 4711 };
	struct lwc_event event;
	long fd;

	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED) {
		long a = syscall(SYS_getpid), b, c;

		b = syscall(SYS_getppid);
		c = syscall(SYS_close, 12345);
		syscall(999, a, b, c == -1 ? errno : 0);
		for (;;)
			;
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(SYS_getpid, event.regs.orig_ax);
	/* Nothing but an answer lets it go on */
	EXPECT_EQ(-EINVAL, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(0, lwc_switch_args(fd, &answer, &event));
	EXPECT_EQ(SYS_getppid, event.regs.orig_ax);
	answer = (struct lwc_switch_args) { .flags = LWC_SWITCH_PERFORM };
	ASSERT_EQ(0, lwc_switch_args(fd, &answer, &event));
	EXPECT_EQ(SYS_close, event.regs.orig_ax);
	EXPECT_EQ(12345, event.regs.di);
	answer = (struct lwc_switch_args) { .flags = LWC_SWITCH_RESULT,
					    .result = -EXDEV };
	ASSERT_EQ(0, lwc_switch_args(fd, &answer, &event));
	EXPECT_EQ(999, event.regs.orig_ax);
	EXPECT_EQ(4711, event.regs.di);
	EXPECT_EQ(getppid(), event.regs.si);
	EXPECT_EQ(EXDEV, event.regs.dx);
}

TEST(S11_only_the_calls_in_the_set)
{
	struct lwc_event event;
	long fd = watch(SYS_getppid, &event);

	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		syscall(SYS_getpid);
		syscall(SYS_getppid);
		leave(creator, 0);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(SYS_getppid, event.regs.orig_ax);
	EXPECT_EQ(AUDIT_ARCH_X86_64, event.args[0]);
}

TEST(S11_only_the_monitor_answers)
{
	struct lwc_event event;
	long fd, other;

	fd = watch(SYS_getuid, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, syscall(SYS_getuid));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	other = lwc_create(0, &event);
	if (other == LWC_ENTERED) {
		int creator = event.creator;

		leave(creator, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	}
	ASSERT_EQ(0, lwc_switch(other, 0, 0, &event));
	EXPECT_EQ(-EPERM, (long)event.args[0]);
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	EXPECT_EQ(0, event.args[0]);
}

TEST(S11_descendants_inherit_the_trap)
{
	struct lwc_event event;
	long fd = watch(SYS_getppid, &event);

	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long inner = lwc_create(0, &event);

		if (inner == LWC_ENTERED)
			leave(creator, syscall(SYS_getppid));
		lwc_switch(inner, 0, 0, &event);
		_exit(99);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(SYS_getppid, event.regs.orig_ax);
	EXPECT_NE(fd, event.caller);
	ASSERT_EQ(0, lwc_switch(event.caller, LWC_SWITCH_PERFORM, 0, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(getppid(), event.args[0]);
}

TEST(S11_a_bitmap_is_of_words_and_not_too_large)
{
	static const size_t sizes[] = { 0, 4, 12, 4104, 1 << 20 };
	static uint64_t set[1024];
	struct lwc_create_args args = {
		.flags = LWC_CREATE_TRAP_SYSCALL, .trap_calls = (uintptr_t)set,
	};
	struct lwc_event event;
	unsigned int i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		args.trap_calls_size = sizes[i];
		EXPECT_EQ(-EINVAL, lwc_create_raw(&args, sizeof(args), &event,
						  sizeof(event)));
	}
	args.trap_calls_size = sizeof(set) / 2;
	args.trap_calls = -4096UL;
	EXPECT_EQ(-EFAULT, lwc_create_raw(&args, sizeof(args), &event,
					  sizeof(event)));
}

/* Two bytes of an instruction, and a return: the number and arguments are as they come */
static char *make_code(const char *instruction)
{
	char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(code, instruction, 2);
	code[2] = '\xc3';
	return code;
}

#define SYSCALL	"\x0f\x05"
#define INT80	"\xcd\x80"

/* The first two arguments of both ABIs */
static long call_code(const char *code, long nr, long a, long b)
{
	long ret = nr, second = b;

	/* Not into the red zone */
	asm volatile("sub $128, %%rsp; call *%5; add $128, %%rsp"
		     : "+a" (ret), "+c" (second)
		     : "D" (a), "S" (b), "b" (a), "r" (code)
		     : "r8", "r9", "r10", "r11", "memory");
	return ret;
}

#define I386_GETPID	20	/* 64-bit: writev */
#define I386_MKDIR	39	/* 64-bit: getpid */

static bool have_32_bit_calls(void)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid)
		_exit(call_code(make_code(INT80), I386_GETPID, 0, 0) != getpid());
	return waitpid(pid, &status, 0) == pid && !status;
}

/*
 * What used to happen: the number of a 32-bit call was looked up in the set of
 * 64-bit numbers, so that a child could make any call by its other name.
 */
TEST(S11_calls_by_32_bit_numbers_are_trapped_whatever_the_set)
{
	struct lwc_switch_args answer = { .flags = LWC_SWITCH_RESULT, .result = -ENOSYS };
	struct lwc_event event;
	char *code = make_code(INT80);
	long fd;

	if (!have_32_bit_calls())
		SKIP(return, "this kernel has no 32-bit calls");
	fd = watch(SYS_getuid, &event);
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long a = call_code(code, I386_GETPID, 5, 7);

		leave(creator, call_code(code, I386_GETPID, 0, 0) * 1000 - (int)a);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(AUDIT_ARCH_I386, event.args[0]);
	EXPECT_EQ(I386_GETPID, event.regs.orig_ax);
	EXPECT_EQ(5, event.regs.bx);
	EXPECT_EQ(7, event.regs.cx);
	ASSERT_EQ(0, lwc_switch_args(fd, &answer, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	ASSERT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(getpid() * 1000 + ENOSYS, event.args[0]);
}

/* x32 numbers are 64-bit ones with bit 30, and behind the end of every set */
TEST(S11_calls_by_x32_numbers_are_trapped_whatever_the_set)
{
	struct lwc_event event;
	long fd = watch(SYS_getuid, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, syscall(0x40000000 + SYS_getpid));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(0x40000000 + SYS_getpid, event.regs.orig_ax);
}

/*
 * The kernel takes 32 bits of a number. What used to happen: the event had 64,
 * so that a monitor that compares them did not know the call and let it pass.
 */
TEST(S11_the_number_is_what_the_kernel_will_look_at)
{
	struct lwc_event event;
	long fd = watch(SYS_getppid, &event);

	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		leave(creator, syscall(0x500000000 + SYS_getppid));
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(SYS_getppid, event.regs.orig_ax);
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	EXPECT_EQ(getppid(), event.args[0]);
}

static void call_another(int signo)
{
	syscall(SYS_getppid);
}

static char *code_to_change;

static void change_code(int signo)
{
	memcpy(code_to_change, INT80, 2);
}

/* So that it comes when the child goes on, which does not block it */
static void send_blocked(void)
{
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	kill(getpid(), SIGUSR1);
}

/*
 * What used to happen: what passed was the next call from the same address, and
 * in a C library many calls are made from one.
 */
TEST(S11_an_answer_is_for_one_call)
{
	struct lwc_event event;
	long fd;

	signal(SIGUSR1, call_another);
	fd = watch2(SYS_getuid, SYS_getppid, LWC_CREATE_SIGNALS, &event);
	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		leave(creator, syscall(SYS_getuid));
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	ASSERT_EQ(SYS_getuid, event.regs.orig_ax);
	send_blocked();
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	/* The handler's */
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(SYS_getppid, event.regs.orig_ax);
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	/* The first one once more, for which there was no occasion yet */
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(SYS_getuid, event.regs.orig_ax);
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	ASSERT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(getuid(), event.args[0]);
}

/* The instruction is memory of the lwC, which any of its threads can change */
TEST(S11_an_answer_is_for_a_call_by_that_number_of_that_table)
{
	struct lwc_event event;
	long fd;

	if (!have_32_bit_calls())
		SKIP(return, "this kernel has no 32-bit calls");
	code_to_change = make_code(SYSCALL);
	signal(SIGUSR1, change_code);
	fd = watch2(I386_MKDIR, I386_MKDIR, LWC_CREATE_SIGNALS, &event);
	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		leave(creator, call_code(code_to_change, I386_MKDIR, 0, 0));
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	ASSERT_EQ(AUDIT_ARCH_X86_64, event.args[0]);
	send_blocked();
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_PERFORM, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	EXPECT_EQ(AUDIT_ARCH_I386, event.args[0]);
	EXPECT_EQ(I386_MKDIR, event.regs.orig_ax);
}

TEST_HARNESS_MAIN
