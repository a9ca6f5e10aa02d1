// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: more ways around the walls, by what is inherited or sent,
 * by other threads, and by what is executed. See docs/security-model.md of the project
 * for why the list is complete.
 */
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "hostile.h"

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
