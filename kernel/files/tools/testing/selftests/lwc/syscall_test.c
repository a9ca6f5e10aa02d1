// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: lwc_syscall (S10) */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "lwc_spec.h"

static long call(int fd, uint32_t mask, long nr, uint64_t a, uint64_t b,
		 uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	struct lwc_syscall_args args = {
		.mask = mask, .nr = nr, .args = { a, b, c, d, e, f },
	};

	return lwc_ret(syscall(__NR_lwc_syscall, fd, &args, sizeof(args),
			       NULL, 0));
}

#define CALL(fd, mask, nr, a, b, c) \
	call((fd), (mask), (nr), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)

#define MEMORY	LWC_MASK_MEMORY
#define TABLE	LWC_MASK_FILES
#define PRIV	LWC_MASK_CRED

TEST(S10_address_space_of_the_target)
{
	char *p = private_pages(1);
	struct lwc_event event;
	char *q = (char *)0x300000000UL;
	long fd;

	p[0] = 'c';
	fd = lwc_create(LWC_CREATE_TRAP_FAULT, &event);
	if (fd == LWC_ENTERED) {
		p[0] = 'x';
		lwc_switch(event.creator, 0, 0, &event);
		q[0] = 1;
		leave(event.caller, p[0]);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	/* uname writes into the target's page, not into this one */
	ASSERT_EQ(0, CALL(fd, MEMORY, SYS_uname, p, 0, 0));
	EXPECT_EQ('c', p[0]);
	ASSERT_EQ((long)q, call(fd, MEMORY, SYS_mmap, (uint64_t)q, 4096, 3,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	EXPECT_FALSE(is_mapped(q));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ('L', event.args[0]);
	/* Without the mask it is this one's */
	ASSERT_EQ(0, CALL(fd, 0, SYS_uname, p, 0, 0));
	EXPECT_EQ('L', p[0]);
	EXPECT_EQ(-EFAULT, CALL(fd, MEMORY, SYS_uname, 16, 0, 0));
}

TEST(S10_table_of_the_target)
{
	struct lwc_event event;
	char cwd[64] = "";
	long fd;

	ASSERT_EQ(0, chdir("/proc"));
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		dup2(0, 80);
		chdir("/dev");
		lwc_switch(event.creator, 0, 0, &event);
		leave(event.caller, fcntl(81, F_GETFD) >= 0 &&
		      fcntl(80, F_GETFD) < 0);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(-EBADF, CALL(fd, 0, SYS_fcntl, 80, F_GETFD, 0));
	EXPECT_EQ(0, CALL(fd, TABLE, SYS_fcntl, 80, F_GETFD, 0));
	EXPECT_EQ(81, CALL(fd, TABLE, SYS_dup2, 80, 81, 0));
	EXPECT_EQ(0, CALL(fd, TABLE, SYS_close, 80, 0, 0));
	/* A path of this address space, a directory of that table */
	EXPECT_EQ(5, CALL(fd, TABLE, SYS_getcwd, cwd, sizeof(cwd), 0));
	EXPECT_STREQ("/dev", cwd);
	EXPECT_EQ(-1, fcntl(81, F_GETFD));
	/* Its table is not shared by close_range(CLOSE_RANGE_UNSHARE) */
	EXPECT_EQ(0, CALL(fd, TABLE, SYS_close_range, 90, 95, 2));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
}

TEST(S10_credential_of_the_target)
{
	struct lwc_event event;
	long fd;

	ASSERT_EQ(0, getuid());
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		syscall(SYS_setresuid, 1000, 1000, 0);
		lwc_switch(event.creator, 0, 0, &event);
		leave(event.caller, geteuid());
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, CALL(fd, 0, SYS_geteuid, 0, 0, 0));
	EXPECT_EQ(1000, CALL(fd, PRIV, SYS_geteuid, 0, 0, 0));
	EXPECT_EQ(0, geteuid());
	/* A change is the target's */
	EXPECT_EQ(0, CALL(fd, PRIV, SYS_setresuid, -1, 0, -1));
	EXPECT_EQ(0, geteuid());
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
}

TEST(S10_all_three_at_once)
{
	char *p = private_pages(1);
	struct lwc_event event;
	long fd, file;

	snprintf(p, 4096, "/etc/shadow");
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		snprintf(p, 4096, "/proc/version");
		syscall(SYS_setresuid, 1000, 1000, 1000);
		lwc_switch(event.creator, 0, 0, &event);
		leave(event.caller, read(event.args[0], p, 5) == 5 ? p[0] : 0);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	file = CALL(fd, MEMORY | TABLE | PRIV, SYS_open, p, O_RDONLY, 0);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, lwc_switch(fd, 0, file, &event));
	EXPECT_EQ('L', event.args[0]);
}

TEST(S10_needs_all_rights_to_the_class)
{
	char *p = private_pages(1);
	struct lwc_event event;
	long fd;

	fd = CREATE(0, &event, ALL(MEMORY, COPY, MAY), FILES(COPY, MAY, 0, 9));
	if (fd == LWC_ENTERED) {
		int c = event.creator;
		long bad = 0;

		bad |= CALL(c, MEMORY, SYS_uname, p, 0, 0) ? 1 : 0;
		bad |= CALL(c, TABLE, SYS_getppid, 0, 0, 0) != -EPERM ? 2 : 0;
		bad |= CALL(c, PRIV, SYS_getppid, 0, 0, 0) != -EPERM ? 4 : 0;
		bad |= CALL(c, MEMORY | PRIV, SYS_getppid, 0, 0, 0) != -EPERM ? 8 : 0;
		RESTRICT(c, ALL(MEMORY, COPY, 0));
		bad |= CALL(c, MEMORY, SYS_getppid, 0, 0, 0) != -EPERM ? 16 : 0;
		leave(c, bad);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ('L', p[0]);
}

TEST(S10_returns_into_the_target)
{
	struct lwc_syscall_args args = {
		.mask = TABLE, .flags = LWC_SYSCALL_SWITCH, .nr = SYS_dup2,
		.args = { 0, 70 },
	};
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, event.args[0] + 1000 *
		      (fcntl(70, F_GETFD) >= 0));
	ASSERT_EQ(0, lwc_ret(syscall(__NR_lwc_syscall, fd, &args, sizeof(args),
				     &event, sizeof(event))));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(1070, event.args[0]);
	EXPECT_EQ(-1, fcntl(70, F_GETFD));
}

TEST(S10_a_monitor_performs_a_trapped_call_for_the_child)
{
	struct lwc_create_args args = { .flags = LWC_CREATE_TRAP_SYSCALL };
	struct lwc_event event;
	char *p = private_pages(1);
	uint64_t set[16];
	long fd;

	/* All but lwc_switch */
	memset(set, 0xff, sizeof(set));
	set[__NR_lwc_switch / 64] &= ~(1ULL << __NR_lwc_switch % 64);
	args.trap_calls = (uintptr_t)set;
	args.trap_calls_size = sizeof(set);
	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED) {
		long ret = syscall(SYS_uname, p);

		leave(event.creator, ret ? 0 : p[0]);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(LWC_EVENT_SYSCALL, event.type);
	struct lwc_syscall_args perform = {
		.mask = MEMORY | TABLE | PRIV, .flags = LWC_SYSCALL_SWITCH,
		.nr = event.regs.orig_ax,
		.args = { event.regs.di, event.regs.si, event.regs.dx,
			  event.regs.r10, event.regs.r8, event.regs.r9 },
	};

	ASSERT_EQ(0, lwc_ret(syscall(__NR_lwc_syscall, fd, &perform,
				     sizeof(perform), &event, sizeof(event))));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ('L', event.args[0]);
	EXPECT_EQ(0, p[0]);
}

TEST(S10_is_no_way_around_the_monitor)
{
	struct lwc_create_args args = { .flags = LWC_CREATE_TRAP_SYSCALL };
	struct lwc_event event;
	uint64_t set[16] = { };
	long fd;

	set[SYS_getuid / 64] |= 1ULL << SYS_getuid % 64;
	args.trap_calls = (uintptr_t)set;
	args.trap_calls_size = sizeof(set);
	fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));
	if (fd == LWC_ENTERED)
		leave(event.creator, CALL(event.creator, 0, SYS_getuid, 0, 0, 0) ==
		      -EPERM && CALL(event.creator, 0, SYS_getppid, 0, 0, 0) > 0);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_SWITCH, event.type);
	EXPECT_EQ(1, event.args[0]);
}

static int forbid(long nr)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

TEST(S10_is_no_way_around_seccomp)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_EQ(0, forbid(SYS_getuid));
	EXPECT_EQ(-77, lwc_ret(syscall(SYS_getuid)));
	EXPECT_EQ(-77, CALL(fd, PRIV, SYS_getuid, 0, 0, 0));
	EXPECT_EQ(0, CALL(fd, PRIV, SYS_getgid, 0, 0, 0));
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
}

static void on_signal(int signo)
{
}

static void *interrupt(void *arg)
{
	usleep(100000);
	pthread_kill((pthread_t)arg, SIGUSR1);
	return NULL;
}

TEST(S10_a_signal_interrupts_the_call)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct lwc_event event;
	long fd = lwc_create(0, &event);
	pthread_t thread;
	int ends[2];
	char c;

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, pipe(ends));
	pthread_create(&thread, NULL, interrupt, (void *)pthread_self());
	EXPECT_EQ(-EINTR, CALL(fd, PRIV, SYS_read, ends[0], &c, 1));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
}

TEST(syscall_errors)
{
	static const long refused[] = {
		SYS_fork, SYS_execve, SYS_exit, SYS_exit_group, SYS_rt_sigreturn,
		SYS_unshare, SYS_prctl, SYS_arch_prctl, SYS_ptrace, SYS_clone,
		SYS_io_uring_setup, SYS_rt_sigaction, SYS_seccomp, SYS_pkey_alloc,
		__NR_lwc_switch, __NR_lwc_syscall, __NR_lwc_ctl,
	};
	struct lwc_syscall_args a = { .nr = SYS_getppid };
	struct lwc_event event;
	long fd = lwc_create(0, &event);
	unsigned int i;

	if (fd == LWC_ENTERED) {
		long bad = 0;

		/* Itself, through its creator: named nowhere, so from outside */
		leave(event.creator, bad);
	}
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		EXPECT_EQ(-EOPNOTSUPP, CALL(fd, 0, refused[i], 0, 0, 0));
	EXPECT_EQ(-ENOSYS, CALL(fd, 0, 599, 0, 0, 0));
	EXPECT_EQ(-ENOSYS, CALL(fd, 0, 1UL << 40, 0, 0, 0));
	EXPECT_EQ(-EINVAL, CALL(fd, 8, SYS_getppid, 0, 0, 0));
	EXPECT_EQ(-EBADF, CALL(250, 0, SYS_getppid, 0, 0, 0));
	EXPECT_EQ(-EINVAL, CALL(0, 0, SYS_getppid, 0, 0, 0));
	a.flags = 2;
	EXPECT_EQ(-EINVAL, lwc_ret(syscall(__NR_lwc_syscall, fd, &a, sizeof(a))));
	a.flags = LWC_SYSCALL_SWITCH;
	EXPECT_EQ(-EINVAL, lwc_ret(syscall(__NR_lwc_syscall, fd, &a, sizeof(a),
					   &event, 2)));
	a.flags = 0;
	EXPECT_EQ(-EINVAL, lwc_ret(syscall(__NR_lwc_syscall, fd, &a, 2)));
	EXPECT_EQ(-EFAULT, lwc_ret(syscall(__NR_lwc_syscall, fd, 8, sizeof(a))));
	EXPECT_EQ(getppid(), lwc_ret(syscall(__NR_lwc_syscall, fd, &a, sizeof(a))));
	EXPECT_EQ(0, lwc_switch(fd, 0, 0, &event));
}

TEST_HARNESS_MAIN
