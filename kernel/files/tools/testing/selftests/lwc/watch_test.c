// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts seen from outside: seccomp, ptrace, tracepoints (X8, S18).
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "lwc_spec.h"
#include "lwc_system.h"

TEST(with_seccomp_the_filter_stays_with_the_thread)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, filter };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, -lwc_ret(syscall(SYS_getppid)));
	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(77, event.args[0]);
}

/* The tracee switches to and fro; the tracer looks at it at every stop */
static void traced(long *word)
{
	struct lwc_event event;
	long fd;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		*word = 2;
		raise(SIGTRAP);
		leave(event.creator, 0);
	}
	*word = 1;
	raise(SIGTRAP);
	lwc_switch(fd, 0, 0, &event);
	raise(SIGTRAP);
	_exit(*word);
}

TEST(with_ptrace_the_tracer_sees_the_lwc_the_thread_is_in)
{
	static const long expected[] = { 1, 2, 1 };
	long *word = (long *)private_pages(1);
	struct user_regs_struct regs;
	pid_t pid = fork();
	int i, status;

	if (!pid)
		traced(word);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status));
		EXPECT_EQ(SIGTRAP, WSTOPSIG(status));
		EXPECT_EQ(expected[i], ptrace(PTRACE_PEEKDATA, pid, word, 0));
		EXPECT_EQ(0, ptrace(PTRACE_GETREGS, pid, 0, &regs));
		ptrace(PTRACE_CONT, pid, 0, 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(1, WEXITSTATUS(status));
}

#define TRACING "/sys/kernel/tracing"

static bool trace_begin(const char *event)
{
	char path[128];

	mount("tracefs", TRACING, "tracefs", 0, NULL);
	snprintf(path, sizeof(path), TRACING "/events/%s/enable", event);
	if (access(path, W_OK))
		return false;
	write_file(TRACING "/trace", "");
	write_file(path, "1");
	return true;
}

/* Ends it and returns what was recorded */
static char *trace_end(const char *event)
{
	static char text[1 << 20];
	char path[128];
	size_t have = 0;
	ssize_t got;
	int log;

	snprintf(path, sizeof(path), TRACING "/events/%s/enable", event);
	write_file(path, "0");
	log = open(TRACING "/trace", O_RDONLY);
	while ((got = read(log, text + have, sizeof(text) - 1 - have)) > 0)
		have += got;
	close(log);
	text[have] = 0;
	return text;
}

TEST(X8_every_event_has_a_tracepoint)
{
	static const char *const names[] = {
		"lwc_create:", "lwc_switch:", "lwc_trap:", "lwc_rollback:",
		"lwc_destroy:", "lwc_overlay:", "lwc_syscall:",
	};
	struct lwc_syscall_args args = { .nr = SYS_getppid };
	char *p = private_pages(1);
	struct lwc_event event;
	const char *text;
	unsigned int i;
	long fd;

	if (!trace_begin("lwc"))
		SKIP(return, "no tracefs");
	p[0] = 1;
	fd = lwc_create(LWC_CREATE_ROLLBACK | LWC_CREATE_TRAP_FAULT, &event);
	if (fd == LWC_ENTERED)
		fault();
	ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
	ASSERT_EQ(0, OVERLAY(fd, MEM(COPY, 0, p, 1)));
	syscall(__NR_lwc_syscall, fd, &args, sizeof(args));
	close(fd);
	getppid();
	text = trace_end("lwc");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		EXPECT_TRUE(!!strstr(text, names[i]));
}

static bool processor_has(const char *flag)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	static char line[1 << 16];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "flags", 5) && strstr(line, flag);
	if (f)
		fclose(f);
	return found;
}

static int count(const char *text, const char *word)
{
	int nr = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		nr++;
	}
	return nr;
}

/* Every change of an address space is traced, and how many pages it flushed: -1 for all */
TEST(S18_a_switch_does_not_flush)
{
	struct lwc_event event;
	int i, kept, flushed;
	const char *text;
	cpu_set_t one;
	long fd;

	if (!trace_begin("tlb/tlb_flush"))
		SKIP(return, "no tracefs");
	trace_end("tlb/tlb_flush");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		for (;;)
			lwc_switch(event.caller, 0, 0, &event);
	/* What is written first is copied, which flushes */
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	trace_begin("tlb/tlb_flush");
	for (i = 0; i < 500; i++)
		if (lwc_switch(fd, 0, 0, &event))
			break;
	text = trace_end("tlb/tlb_flush");
	ASSERT_EQ(500, i);
	kept = count(text, "pages:0 reason:flush on task switch");
	flushed = count(text, "pages:-1 reason:flush on task switch");
	/* Each address space change is one or the other, those of other tasks too */
	EXPECT_LE(1000, kept + flushed);
	if (!processor_has(" pcid"))
		SKIP(return, "no PCID: the processor itself flushes");
	/* Other tasks may take the place of one meanwhile */
	EXPECT_LE(950, kept);
}

TEST_HARNESS_MAIN
