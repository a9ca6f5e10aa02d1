// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: what a control flow consists of (S5): registers, signal
 * mask, alternate stack, thread-local memory, rseq.
 */
#include <sched.h>
#include <signal.h>

#include "lwc_test.h"

struct vector {
	uint64_t word[4];
};

static inline void set_ymm(const struct vector *v)
{
	asm volatile("vmovdqu %0, %%ymm7" : : "m" (*v) : "xmm7");
}

static inline void get_ymm(struct vector *v)
{
	asm volatile("vmovdqu %%ymm7, %0" : "=m" (*v));
}

static long switch_keeping_ymm(int fd, uint64_t pattern)
{
	struct vector v = { { pattern, ~pattern, pattern * 3, pattern * 5 } };
	struct lwc_switch_args args = { };
	struct lwc_event event;
	struct vector w;
	register long ret asm("rax");
	register long r10 asm("r10") = (long)&event;
	register long r8 asm("r8") = sizeof(event);

	/* One asm, so that no compiled code uses the register in between */
	asm volatile("vmovdqu %[v], %%ymm7\n\t"
		     "syscall\n\t"
		     "vmovdqu %%ymm7, %[w]\n\t"
		     : [w] "=m" (w), "=a" (ret)
		     : [v] "m" (v), "a" (__NR_lwc_switch), "D" ((long)fd),
		       "S" (&args), "d" (sizeof(args)), "r" (r10), "r" (r8)
		     : "rcx", "r11", "memory", "xmm7");
	return ret ?: memcmp(&v, &w, sizeof(v)) != 0;
}

TEST(S5_vector_registers_belong_to_the_flow)
{
	struct lwc_event event;
	long fd, i;

	if (!__builtin_cpu_supports("avx"))
		SKIP(return, "no AVX");
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		long bad = 0;

		for (i = 0;; i++)
			bad += switch_keeping_ymm(event.creator, i * 77 + 1);
		(void)bad;
	}
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(0, switch_keeping_ymm(fd, 0x1234567 + i));
}

TEST(S5_rounding_mode_belongs_to_the_flow)
{
	unsigned int csr = 0x1f80, child_csr = 0x1f80 | 0x6000, now;
	struct lwc_event event;
	long fd;

	asm volatile("ldmxcsr %0" : : "m" (csr));
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		asm volatile("ldmxcsr %0" : : "m" (child_csr));
		lwc_switch(event.creator, 0, 0, &event);
		asm volatile("stmxcsr %0" : "=m" (now));
		leave(event.caller, now & ~0x3f);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	asm volatile("stmxcsr %0" : "=m" (now));
	EXPECT_EQ(csr, now & ~0x3f);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(child_csr, event.args[0]);
}

static __thread long thread_local_word;

TEST(S5_thread_local_memory_belongs_to_the_lwc)
{
	struct lwc_event event;
	long fd;

	thread_local_word = 1;
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		thread_local_word += 10;
		lwc_switch(event.creator, 0, thread_local_word, &event);
		leave(event.caller, thread_local_word);
	}
	thread_local_word = 2;
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(11, event.args[0]);
	EXPECT_EQ(2, thread_local_word);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(11, event.args[0]);
}

TEST(S5_signal_mask_and_stack_belong_to_the_flow)
{
	static char stack[16384], other[16384];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	stack_t ss2 = { .ss_sp = other, .ss_size = sizeof(other) };
	struct lwc_event event;
	sigset_t set, now;
	long fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_SETMASK, &set, NULL));
	ASSERT_EQ(0, sigaltstack(&ss, NULL));
	fd = lwc_create(LWC_CREATE_SIGNALS, &event);
	if (fd == LWC_ENTERED) {
		long ok;

		sigprocmask(SIG_SETMASK, NULL, &now);
		ok = sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2);
		sigaddset(&now, SIGUSR2);
		sigprocmask(SIG_SETMASK, &now, NULL);
		sigaltstack(&ss2, &ss);
		ok = ok && ss.ss_sp == (void *)stack;
		leave(event.creator, ok);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	sigprocmask(SIG_SETMASK, NULL, &now);
	EXPECT_EQ(1, sigismember(&now, SIGUSR1));
	EXPECT_EQ(0, sigismember(&now, SIGUSR2));
	ASSERT_EQ(0, sigaltstack(NULL, &ss));
	EXPECT_EQ((void *)stack, ss.ss_sp);
}

static int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/* The C library reads it from the restartable sequences area */
TEST(S5_cpu_number_is_right_after_a_migration_elsewhere)
{
	struct lwc_event event;
	long fd, i;

	if (run_on(1))
		SKIP(return, "one processor");
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		for (;;)
			lwc_switch(event.caller, 0, sched_getcpu(), &event);
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, run_on(i / 3 % 2));
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		ASSERT_EQ(i / 3 % 2, event.args[0]);
		ASSERT_EQ(i / 3 % 2, sched_getcpu());
	}
}

TEST_HARNESS_MAIN
