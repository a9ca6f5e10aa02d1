// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: ways around the walls by what the kernel keeps for the
 * thread, wherever it is. See docs/security-model.md of the project for why the
 * list is complete.
 */
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "hostile.h"

TEST_F(hostile, performance_events)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		SKIP(return, "no performance events");
	close(fd);
	HOSTILE(
		bad |= syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) >= 0 ? 1 : 0;
		bad |= errno != EPERM ? 2 : 0);
}

TEST_F(hostile, seccomp_filters)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 1, filter };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	HOSTILE(
		bad |= !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) ? 1 : 0;
		bad |= !syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL) ? 2 : 0;
		bad |= !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? 4 : 0);
	EXPECT_EQ(0, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	/* A process of its own may */
	HOSTILE(
		int status = -1;
		pid_t pid = fork();

		if (!pid)
			_exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
		waitpid(pid, &status, 0);
		bad |= status ? 1 : 0);
}

TEST_F(hostile, namespaces)
{
	int own = open("/proc/self/ns/uts", O_RDONLY);

	HOSTILE(
		bad |= !unshare(CLONE_NEWUTS) ? 1 : 0;
		bad |= !unshare(CLONE_NEWUSER) ? 2 : 0;
		bad |= !unshare(CLONE_NEWNS) ? 4 : 0;
		bad |= !setns(own, 0) ? 8 : 0;
		bad |= errno != EPERM ? 16 : 0;
		bad |= unshare(CLONE_FILES | CLONE_FS) ? 32 : 0);
	EXPECT_EQ(0, setns(own, 0));
}

/* The kernel writes there when the thread ends, and where it restarts one */
static void *ends_in_root(void *arg)
{
	long *secret = arg;
	struct lwc_event event;
	long fd = create_without(secret, &event);

	if (fd == LWC_ENTERED) {
		struct robust_list_head *head = (void *)((char *)secret - 64);

		syscall(SYS_set_tid_address, secret);
		syscall(SYS_set_robust_list, head, sizeof(*head));
		leave(event.creator, 0);
	}
	lwc_switch(fd, 0, 0, &event);
	return NULL;
}

TEST_F(hostile, pointers_that_the_kernel_keeps)
{
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, ends_in_root, self->secret));
	pthread_join(thread, NULL);
	EXPECT_EQ(SECRET, *self->secret);
}

static void *wait_on_futex(void *arg)
{
	volatile long *shared = arg;
	struct timespec limit = { 600, 0 };
	int *word = (int *)shared[0];

	shared[1] = 1;
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0);
	shared[2] = 1;
	return NULL;
}

TEST_F(hostile, futexes)
{
	static int word;
	pthread_t thread;

	self->shared[0] = (long)&word;
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_on_futex,
				    (void *)self->shared));
	while (!self->shared[1])
		sched_yield();
	usleep(100000);
	HOSTILE(
		bad |= syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
			       0) ? 1 : 0;
		bad |= syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1,
			       self->secret, 0) > 0 ? 2 : 0;
		bad |= syscall(SYS_futex, &word, FUTEX_WAKE_OP_PRIVATE, 1, 1,
			       self->secret, FUTEX_OP(FUTEX_OP_SET, 1, 0, 0)) >= 0 ?
			4 : 0);
	EXPECT_EQ(0, self->shared[2]);
	word = 1;
	while (!syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0))
		sched_yield();
	pthread_join(thread, NULL);
}

static volatile sig_atomic_t handled;
static char *handler_stack;

static void in_root(int signo)
{
	handled = 1 + (handler_stack == (char *)1);
}

static void in_child(int signo)
{
	handled = 100;
}

TEST_F(hostile, signals)
{
	signal(SIGUSR1, in_root);
	HOSTILE(
		stack_t ss = { .ss_sp = self->secret, .ss_size = 4096 };

		signal(SIGUSR1, in_child);
		handler_stack = (char *)1;
		bad |= sigaltstack(&ss, NULL) ? 1 : 0;
		kill(getpid(), SIGUSR1);
		bad |= handled ? 2 : 0);
	/* It waited for the root, and ran the root's handler on the root's memory */
	EXPECT_EQ(1, handled);
}

#define MASK 0x1111111111111111UL

/* The value is in registers of this thread only, and nowhere in memory */
static void *hold_in_register(void *arg)
{
	asm volatile("mov (%0), %%r15\n\txor %1, %%r15\n\t"
		     "movq %%r15, %%xmm15\n\tmovl $1, 8(%0)\n"
		     "1:\tpause\n\tjmp 1b" : : "r" (arg), "r" (MASK) :
		     "r15", "xmm15", "memory");
	__builtin_unreachable();
}

static bool file_has(const char *path, unsigned long value)
{
	static unsigned long buffer[1 << 16];
	int fd = open(path, O_RDONLY);
	bool found = false;
	ssize_t got, i;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		for (i = 0; i + 8 <= got; i += 4)
			found |= !memcmp((char *)buffer + i, &value, 8);
	close(fd);
	return found;
}

static int set_core_pattern(void)
{
	int fd = open("/proc/sys/kernel/core_pattern", O_WRONLY);
	bool ok = fd >= 0 && write(fd, "core", 4) == 4;

	close(fd);
	return ok ? 0 : -1;
}

/* A thread in the root has a secret in a register while one in a child dumps */
static void dump_core(volatile long *shared, long *secret, bool in_lwc)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	struct lwc_event event;
	pthread_t thread;
	long fd;

	setrlimit(RLIMIT_CORE, &limit);
	pthread_create(&thread, NULL, hold_in_register, (void *)shared);
	while (!shared[1])
		sched_yield();
	if (!in_lwc)
		abort();
	fd = CREATE(0, &event, MEM(UNMAP, 0, secret, 1));
	if (fd == LWC_ENTERED)
		abort();
	lwc_switch(fd, 0, 0, &event);
	_exit(1);
}

/* By a process of its own, or the next core would have what is looked for */
static bool core_has(unsigned long masked)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(file_has("core", masked ^ MASK));
	waitpid(pid, &status, 0);
	return status;
}

TEST_F(hostile, core_dumps)
{
	unsigned long masked = 0xfeedface12345678UL ^ (unsigned long)getpid() << 32;
	int i, status;
	pid_t pid;

	if (chdir("/tmp") || set_core_pattern())
		SKIP(return, "cannot dump cores");
	for (i = 0; i < 2; i++) {
		self->shared[0] = masked;
		self->shared[1] = 0;
		unlink("core");
		pid = fork();
		if (!pid)
			dump_core(self->shared, self->secret, i);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(SIGABRT, WTERMSIG(status));
		ASSERT_TRUE(WCOREDUMP(status));
		/* The first one shows that it would be seen */
		EXPECT_EQ(!i, core_has(masked));
	}
	unlink("core");
}

TEST_HARNESS_MAIN
