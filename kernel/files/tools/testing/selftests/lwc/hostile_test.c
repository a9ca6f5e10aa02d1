// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: more ways around the walls, by what is inherited, sent,
 * or kept by the kernel for the thread. See docs/security-model.md of the project
 * for why the list is complete.
 */
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "doors.h"

FIXTURE(hostile)
{
	long *secret;
	volatile long *shared;
};

FIXTURE_SETUP(hostile)
{
	self->secret = (long *)private_pages(1);
	self->shared = shared_page();
	ASSERT_NE(NULL, self->secret);
	*self->secret = SECRET;
}

FIXTURE_TEARDOWN(hostile)
{
}

/* Runs the statements in the child; they set @bad. The creator checks it. */
#define HOSTILE(...) do { \
	struct lwc_event event; \
	long fd_ = create_without(self->secret, &event); \
	if (fd_ == LWC_ENTERED) { \
		long bad = 0; \
		__VA_ARGS__; \
		leave(event.creator, bad); \
	} \
	ASSERT_LE(0, fd_); \
	ASSERT_EQ(0, lwc_switch(fd_, 0, 0, &event)); \
	ASSERT_EQ(LWC_EVENT_SWITCH, event.type); \
	EXPECT_EQ(0, event.args[0]); \
	EXPECT_EQ(SECRET, *self->secret); \
	close(fd_); \
} while (0)

TEST_F(hostile, inherited_proc_mem)
{
	int mem = open("/proc/self/mem", O_RDWR);
	int env = open("/proc/self/environ", O_RDONLY);
	char c;

	EXPECT_EQ(SECRET, read_at(mem, self->secret));
	HOSTILE(
		bad |= read_at(mem, self->secret) != -EPERM ? 1 : 0;
		bad |= write_at(mem, self->secret, 1) != -EPERM ? 2 : 0;
		bad |= read(env, &c, 1) != -1 ? 4 : 0;
		/* Nor by a process that it makes */
		pid_t pid = fork();
		int status = -1;

		if (!pid)
			_exit(write_at(mem, self->secret, 1) != -EPERM);
		waitpid(pid, &status, 0);
		bad |= status ? 8 : 0);
	EXPECT_EQ(SECRET, read_at(mem, self->secret));
}

static int open_uffd(void *range)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)range, 4096 },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		return -1;
	return fd;
}

TEST_F(hostile, inherited_userfaultfd)
{
	char *range = private_pages(1), *mine = private_pages(1);
	int fd = open_uffd(range);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)range, .src = (uintptr_t)mine, .len = 4096,
	};

	if (fd < 0)
		SKIP(return, "no userfaultfd");
	mine[0] = 'x';
	HOSTILE(
		bad |= ioctl(fd, UFFDIO_COPY, &copy) != -1 ? 1 : 0;
		bad |= errno != EPERM ? 2 : 0);
	EXPECT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	EXPECT_EQ('x', range[0]);
}

static int ring_fd(struct io_uring_params *params)
{
	memset(params, 0, sizeof(*params));
	return syscall(SYS_io_uring_setup, 4, params);
}

TEST_F(hostile, inherited_io_uring)
{
	struct io_uring_params params;
	struct lwc_event event;
	int ring = ring_fd(&params), parked;
	void *map;

	if (ring < 0)
		SKIP(return, "no io_uring");
	EXPECT_EQ(-EBUSY, create_without(self->secret, &event));
	/* Nor may it be left to the child by a thread that does not use it */
	parked = dup2(ring, 70);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		   IORING_OFF_SQ_RING);
	ASSERT_NE(MAP_FAILED, map);
	close(ring);
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		/* This process has never entered it */
		long with_fd = create_without(self->secret, &event);
		long with_map;

		close(parked);
		with_map = create_without(self->secret, &event);
		munmap(map, 4096);
		_exit((with_fd != -EBUSY) + 2 * (with_map != -EBUSY) +
		      4 * (create_without(self->secret, &event) < 0));
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_F(hostile, io_uring_of_its_own)
{
	struct io_uring_params params;
	struct iovec iov = { self->secret, 4096 };

	HOSTILE(
		int ring = ring_fd(&params);

		if (ring >= 0) {
			bad |= !syscall(SYS_io_uring_register, ring,
					IORING_REGISTER_BUFFERS, &iov, 1) ? 1 : 0;
			close(ring);
			/* It is gone before the way back */
			while (lwc_switch(event.creator, 0, bad, &event) == -EBUSY)
				usleep(1000);
		});
}

static int send_fd(int sock, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int sock)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = room, .msg_controllen = sizeof(room),
	};
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_DONTWAIT) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

TEST_F(hostile, descriptors_that_are_sent)
{
	struct lwc_event event;
	int pair[2], mem, status = -1;
	long child;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	child = lwc_create(0, &event);
	if (child == LWC_ENTERED)
		leave(event.creator, 0);
	/* It stands for an address space wherever it is opened */
	mem = open("/proc/self/mem", O_RDWR);
	ASSERT_EQ(0, send_fd(pair[0], mem));
	close(mem);
	HOSTILE(
		int got = receive_fd(pair[1]);

		bad |= got < 0 ? 1 : 0;
		bad |= read_at(got, self->secret) != -EPERM ? 2 : 0);
	/* A descriptor of an lwC is none in another process */
	pid = fork();
	if (!pid) {
		int got;

		while ((got = receive_fd(pair[1])) < 0)
			sched_yield();
		_exit(lwc_switch(got, 0, 0, &event) != -ESTALE);
	}
	ASSERT_EQ(0, send_fd(pair[0], child));
	waitpid(pid, &status, 0);
	EXPECT_EQ(0, status);
	/* In another lwC it is what was sent, and can be restricted apart */
	ASSERT_EQ(0, send_fd(pair[0], child));
	HOSTILE(
		int got = receive_fd(pair[1]);

		bad |= OVERLAY(got, MEM(COPY, 0, self->shared, 1)) != -EOPNOTSUPP &&
		       OVERLAY(got, MEM(COPY, 0, self->shared, 1)) ? 1 : 0;
		bad |= lwc_restrict(got, NULL, 0) ? 2 : 0);
	EXPECT_EQ(0, OVERLAY(child, MEM(SHARE, 0, self->shared, 1)));
}

TEST_F(hostile, descriptors_that_were_left_out)
{
	int file = dup2(open("/dev/null", O_RDONLY), 50);
	struct lwc_event event;
	long fd;

	fd = CREATE(0, &event, FILES(UNMAP, 0, file, file));
	if (fd == LWC_ENTERED) {
		int own = syscall(SYS_pidfd_open, getpid(), 0);
		long bad = 0;

		bad |= syscall(SYS_pidfd_getfd, own, file, 0) >= 0 ? 1 : 0;
		bad |= open("/proc/self/fd/50", O_RDONLY) >= 0 ? 2 : 0;
		bad |= open("/proc/thread-self/fd/50", O_RDONLY) >= 0 ? 4 : 0;
		bad |= OVERLAY(event.creator, FILES(COPY, 0, file, file)) !=
			-EPERM ? 8 : 0;
		leave(event.creator, bad);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(0, close(file));
}

/* A second thread goes into a child; the first one stays in the root */
struct spy {
	long *secret;
	int file;
	long bad;
};

static void *spy_on_leader(void *arg)
{
	struct spy *spy = arg;
	struct lwc_event event;
	long fd = CREATE(LWC_CREATE_TRAP_FAULT, &event,
			 MEM(UNMAP, 0, spy->secret, 1),
			 FILES(UNMAP, 0, spy->file, spy->file));

	if (fd == LWC_ENTERED) {
		int pidfd = syscall(SYS_pidfd_open, getpid(), 0);
		long bad = 0;

		bad |= syscall(SYS_pidfd_getfd, pidfd, spy->file, 0) >= 0 ? 1 : 0;
		bad |= read_vm(getpid(), spy->secret) == SECRET ? 2 : 0;
		bad |= !write_vm(getpid(), spy->secret, 1) ? 4 : 0;
		bad |= read_file("/proc/self/mem", spy->secret) == SECRET ? 8 : 0;
		bad |= open("/proc/self/fd/50", O_RDONLY) >= 0 ? 16 : 0;
		bad |= open("/proc/self/environ", O_RDONLY) >= 0 ? 32 : 0;
		leave(event.creator, bad);
	}
	spy->bad = fd < 0 || lwc_switch(fd, 0, 0, &event) ||
		event.type != LWC_EVENT_SWITCH ? -1 : (long)event.args[0];
	return NULL;
}

TEST_F(hostile, a_thread_in_a_child_cannot_look_at_the_leader)
{
	struct spy spy = { self->secret, dup2(0, 50), 0 };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, spy_on_leader, &spy));
	pthread_join(thread, NULL);
	EXPECT_EQ(0, spy.bad);
	EXPECT_EQ(SECRET, *self->secret);
}

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

/* What runs when the test executes itself set-uid */
static void __attribute__((constructor)) executed(void)
{
	const char *pid = getenv("LWC_DOOR_PID");
	const char *address = getenv("LWC_DOOR_ADDRESS");
	char path[64];

	if (!pid || !address)
		return;
	if (geteuid())
		_exit(2);
	if (setuid(0))
		_exit(3);
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	if (read_vm(atoi(pid), (void *)strtoul(address, NULL, 0)) == SECRET)
		_exit(4);
	if (read_file(path, (void *)strtoul(address, NULL, 0)) == SECRET)
		_exit(5);
	_exit(0);
}

static int copy_setuid(const char *to)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "cp /proc/%d/exe %s && chown 0:0 %s && chmod 4755 %s", getpid(),
		 to, to, to);
	return system(command);
}

static void exec_setuid(const char *program, pid_t pid, void *address)
{
	char text[32];

	syscall(SYS_setresuid, 1000, 1000, 1000);
	snprintf(text, sizeof(text), "%d", pid);
	setenv("LWC_DOOR_PID", text, 1);
	snprintf(text, sizeof(text), "%p", address);
	setenv("LWC_DOOR_ADDRESS", text, 1);
	execl(program, program, NULL);
	_exit(9);
}

TEST_F(hostile, exec_of_a_set_uid_program)
{
	const char *program = "/tmp/lwc-setuid-test";
	struct lwc_event event;
	pid_t pid, root = getpid();
	int status = -1;
	long fd;

	ASSERT_EQ(0, copy_setuid(program));
	/* The door is open for one that the root made */
	pid = fork();
	if (!pid)
		exec_setuid(program, root, self->secret);
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == 9)
		SKIP(return, "no set-uid programs here");
	EXPECT_EQ(4, WEXITSTATUS(status));
	fd = create_without(self->secret, &event);
	if (fd == LWC_ENTERED) {
		pid = fork();
		if (!pid)
			exec_setuid(program, root, self->secret);
		leave(event.creator, pid);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	ASSERT_EQ(event.args[0], waitpid(event.args[0], &status, 0));
	EXPECT_EQ(0, WEXITSTATUS(status));
	unlink(program);
}

TEST_F(hostile, credentials_in_flight)
{
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	HOSTILE(
		char room[CMSG_SPACE(sizeof(struct ucred))] = "";
		struct iovec iov = { "x", 1 };
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = room, .msg_controllen = sizeof(room),
		};
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		struct ucred cred = { getpid(), 0, 0 };

		bad |= syscall(SYS_setresuid, 1000, 1000, 1000) ? 1 : 0;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_CREDENTIALS;
		c->cmsg_len = CMSG_LEN(sizeof(cred));
		memcpy(CMSG_DATA(c), &cred, sizeof(cred));
		bad |= sendmsg(pair[0], &msg, 0) != -1 ? 2 : 0;
		bad |= !syscall(SYS_setresuid, 0, 0, 0) ? 4 : 0;
		bad |= OVERLAY(event.creator, CRED(COPY, 0)) != -EPERM ? 8 : 0);
	EXPECT_EQ(0, getuid());
}

TEST_F(hostile, rollback_and_system_calls_of_others)
{
	struct lwc_event event;
	long sibling = lwc_create(LWC_CREATE_ROLLBACK, &event);

	if (sibling == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_EQ(0, lwc_restrict(sibling, NULL, 0));
	HOSTILE(
		struct lwc_syscall_args args = {
			.mask = LWC_MASK_MEMORY, .nr = SYS_getpid };

		bad |= lwc_ctl(LWC_CTL_ROLLBACK, sibling, NULL, 0) != -EPERM ? 1 : 0;
		bad |= lwc_switch(sibling, LWC_SWITCH_ROLLBACK, 0, &event) !=
			-EPERM ? 2 : 0;
		bad |= lwc_ret(syscall(__NR_lwc_syscall, sibling, &args,
				       sizeof(args))) != -EPERM ? 4 : 0);
}

TEST_HARNESS_MAIN
