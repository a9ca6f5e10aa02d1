// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts with: huge pages, userfaultfd, mlock, hugetlbfs,
 * io_uring, memory cgroups, running out of memory, swap.
 */
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "lwc_spec.h"
#include "lwc_system.h"

#define MB 1048576UL

static long number_in(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return strtol(text, NULL, 0);
}

static char *aligned(size_t size, size_t to)
{
	char *p = mmap(NULL, size + to, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (char *)(((uintptr_t)p + to - 1) & ~(to - 1));
}

/* What every kind of private memory must do: copy, roll back, share, overlay */
static long check_memory(char *p, size_t size, bool can_share)
{
	struct lwc_event event;
	long fd, i, bad = 0;

	memset(p, 'a', size);
	fd = CREATE(LWC_CREATE_ROLLBACK, &event, MEM(COPY, MAY, p, size / 4096));
	if (fd == LWC_ENTERED) {
		long ok = p[0] == 'a' && p[size - 1] == 'a' && p[size / 2] == 'a';

		p[0] = 'x';
		p[size - 1] = 'x';
		if (OVERLAY(event.creator, MEM(COPY, 0, p, size / 4096)))
			ok = 2;
		if (p[0] != 'b' || p[size - 1] != 'a')
			ok = 3;
		/* A part of what may be a huge page */
		if (can_share && OVERLAY(event.creator, MEM(COPY, 0, p + 8192, 1)))
			ok = 4;
		p[4096] = 'x';
		leave(event.creator, ok);
	}
	p[0] = 'b';
	for (i = 0; i < 3; i++) {
		bad |= lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event) ? 1 : 0;
		bad |= event.args[0] != 1 ? 2 : 0;
		bad |= p[0] != 'b' || p[4096] != 'a' ? 4 : 0;
	}
	close(fd);
	fd = CREATE(0, &event, MEM(SHARE, 0, p, size / 4096));
	if (fd == LWC_ENTERED) {
		p[size - 1] = 's';
		leave(event.creator, p[0]);
	}
	if (!can_share)
		return bad | (fd != -EOPNOTSUPP ? 8 : 0);
	bad |= lwc_switch(fd, 0, 0, &event) ? 16 : 0;
	bad |= event.args[0] != 'b' || p[size - 1] != 's' ? 32 : 0;
	close(fd);
	return bad;
}

TEST(with_huge_pages)
{
	char *p = aligned(4 * MB, 2 * MB);

	if (madvise(p, 4 * MB, MADV_HUGEPAGE))
		SKIP(return, "no huge pages");
	EXPECT_EQ(0, check_memory(p, 4 * MB, true));
}

TEST(with_hugetlbfs)
{
	char *p;

	write_file("/proc/sys/vm/nr_hugepages", "8");
	p = mmap(NULL, 2 * MB, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		SKIP(return, "no hugetlbfs");
	EXPECT_EQ(0, check_memory(p, 2 * MB, false));
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	EXPECT_EQ(-EINVAL, OVERLAY(fd, MEM(COPY, 0, p, 1)));
	munmap(p, 2 * MB);
	write_file("/proc/sys/vm/nr_hugepages", "0");
}

/* kB of a line of /proc/self/status */
static long status_kb(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long value = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name) + 1);
	if (f)
		fclose(f);
	return value;
}

TEST(with_mlock)
{
	char *p = private_pages(16);
	struct lwc_event event;
	long fd;

	ASSERT_EQ(0, mlock(p, 16 * 4096));
	EXPECT_EQ(0, check_memory(p, 16 * 4096, true));
	/* Moved to shared memory it is still locked, and is not in the child */
	EXPECT_EQ(64, status_kb("VmLck:"));
	fd = CREATE(0, &event, MEM(SHARE, 0, p, 16));
	if (fd == LWC_ENTERED)
		leave(event.creator, status_kb("VmLck:"));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
}

static int uffd_for(char *range, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)range, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &reg))
		return -1;
	return fd;
}

static void *answer_faults(void *arg)
{
	int fd = (long)arg;
	struct uffd_msg msg;
	char *page = private_pages(1);

	page[0] = 'u';
	if (read(fd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_copy copy = {
			.dst = msg.arg.pagefault.address & ~4095ULL,
			.src = (uintptr_t)page, .len = 4096,
		};

		ioctl(fd, UFFDIO_COPY, &copy);
	}
	return NULL;
}

TEST(with_userfaultfd)
{
	char *p = private_pages(4);
	int uffd = uffd_for(p, 4 * 4096);
	struct lwc_event event;
	pthread_t thread;
	long fd;

	if (uffd < 0)
		SKIP(return, "no userfaultfd");
	EXPECT_EQ(-EOPNOTSUPP, CREATE(0, &event, MEM(SHARE, 0, p, 4)));
	fd = CREATE(0, &event, MEM(COPY, MAY, p, 4));
	if (fd == LWC_ENTERED) {
		/* Not registered here, nor by an overlay: plain zeros */
		long ok = !p[0] && !OVERLAY(event.creator, MEM(COPY, 0, p, 4)) &&
			  p[4096] == 0 && p[0] == 'u';

		leave(event.creator, ok);
	}
	pthread_create(&thread, NULL, answer_faults, (void *)(long)uffd);
	EXPECT_EQ('u', *(volatile char *)p);
	pthread_join(thread, NULL);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
}

TEST(with_io_uring)
{
	struct io_uring_params params = { };
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_TRAP_FAULT, &event);
	int ring;

	if (fd == LWC_ENTERED) {
		ring = syscall(SYS_io_uring_setup, 4, &params);
		if (ring < 0)
			leave(event.creator, 0);
		/* It cannot be left behind, but a trap ends it */
		if (lwc_switch(event.creator, 0, 1, &event) == -EBUSY)
			fault();
		leave(event.creator, 2);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	if (event.type == LWC_EVENT_SWITCH && !event.args[0])
		SKIP(return, "no io_uring");
	EXPECT_EQ(LWC_EVENT_FAULT, event.type);
	/* And the creator is not stuck with it */
	close(fd);
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, 5);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(5, event.args[0]);
	ring = syscall(SYS_io_uring_setup, 4, &params);
	ASSERT_LE(0, ring);
	EXPECT_EQ(-EBUSY, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(-EBUSY, lwc_create(0, &event));
	EXPECT_EQ(-EBUSY, OVERLAY(fd, MEM(COPY, 0, 4096, 1)));
}

#define CGROUP "/sys/fs/cgroup/lwc-test"

static bool enter_cgroup(const char *limit)
{
	char pid[32];

	mkdir("/sys/fs/cgroup", 0755);
	mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		return false;
	if (access(CGROUP "/memory.max", W_OK))
		return false;
	write_file(CGROUP "/memory.max", limit);
	if (!access(CGROUP "/memory.swap.max", W_OK))
		write_file(CGROUP "/memory.swap.max", "0");
	snprintf(pid, sizeof(pid), "%d", getpid());
	write_file(CGROUP "/cgroup.procs", pid);
	return true;
}

static void leave_cgroup(void)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", getpid());
	write_file("/sys/fs/cgroup/cgroup.procs", pid);
	rmdir(CGROUP);
}

TEST(with_a_memory_cgroup_idle_lwcs_are_charged)
{
	struct lwc_event event;
	long fd, before, during;
	char *p = private_pages(4096);

	if (!enter_cgroup("max"))
		SKIP(return, "no memory cgroup");
	before = number_in(CGROUP "/memory.current");
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		memset(p, 1, 4096 * 4096UL);
		leave(event.creator, 0);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	during = number_in(CGROUP "/memory.current");
	EXPECT_LT(15 << 20, during - before);
	close(fd);
	EXPECT_GT(8 << 20, number_in(CGROUP "/memory.current") - before);
	leave_cgroup();
}

/* A process whose idle lwCs have @mb MB, and that has little itself */
static pid_t sleeper(volatile long *shared, int mb, bool in_lwcs)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	char *p = private_pages(mb * 256);
	struct lwc_event event;
	long fd;

	if (in_lwcs) {
		fd = lwc_create(0, &event);
		if (fd == LWC_ENTERED) {
			memset(p, 1, mb * MB);
			leave(event.creator, 0);
		}
		lwc_switch(fd, 0, 0, &event);
	} else {
		memset(p, 1, mb * MB);
	}
	shared[in_lwcs] = 1;
	for (;;)
		pause();
}

TEST(with_no_memory_left_the_one_with_big_idle_lwcs_is_killed)
{
	volatile long *shared = shared_page();
	pid_t idle, plain, eater;
	int status;
	char path[64];
	long score_idle, score_plain;

	if (!enter_cgroup("192M"))
		SKIP(return, "no memory cgroup");
	idle = sleeper(shared, 80, true);
	plain = sleeper(shared, 40, false);
	while (!shared[0] || !shared[1])
		usleep(10000);
	snprintf(path, sizeof(path), "/proc/%d/oom_score", idle);
	score_idle = number_in(path);
	snprintf(path, sizeof(path), "/proc/%d/oom_score", plain);
	score_plain = number_in(path);
	EXPECT_LT(score_plain, score_idle);
	/* What is left, and more, but less than 80 */
	eater = fork();
	if (!eater) {
		char *p = private_pages(76 * 256);

		memset(p, 1, 76 * MB);
		_exit(0);
	}
	ASSERT_EQ(eater, waitpid(eater, &status, 0));
	EXPECT_EQ(0, status);
	/* Its memory may be free before it is quite dead */
	ASSERT_EQ(idle, waitpid(-1, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	EXPECT_EQ(0, waitpid(plain, &status, WNOHANG));
	kill(plain, SIGKILL);
	waitpid(plain, &status, 0);
	leave_cgroup();
}

TEST(with_swap)
{
	char *p = private_pages(1024);
	struct lwc_event event;
	long fd, i, bad = 0;

	if (number_in("/proc/sys/vm/swappiness") < 0)
		SKIP(return, "no swap");
	for (i = 0; i < 1024; i++)
		p[i * 4096] = i;
	fd = CREATE(LWC_CREATE_ROLLBACK, &event, MEM(SHARE, MAY, p, 256));
	if (fd == LWC_ENTERED) {
		long ok = 1;

		for (i = 256; i < 1024; i++) {
			ok &= p[i * 4096] == (char)i;
			p[i * 4096]++;
		}
		for (i = 0; i < 256; i++)
			p[i * 4096]++;
		madvise(p, 1024 * 4096, 21 /* MADV_PAGEOUT */);
		leave(event.creator, ok);
	}
	ASSERT_LE(0, fd);
	for (i = 1; i <= 4; i++) {
		madvise(p, 1024 * 4096, 21);
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
		EXPECT_EQ(1, event.args[0]);
		for (long j = 0; j < 1024; j++)
			bad += p[j * 4096] != (char)(j < 256 ? j + i : j);
		EXPECT_EQ(0, bad);
	}
}

TEST_HARNESS_MAIN
