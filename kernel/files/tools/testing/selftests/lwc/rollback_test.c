// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: rollback in place (X5) and accounting (X6) */
#include <sys/prctl.h>

#include "rollback.h"

/* Rolls back by a call of its own first, then enters */
static long enter_in_two_steps(long fd)
{
	struct lwc_event event;
	long err = lwc_ctl(LWC_CTL_ROLLBACK, fd, NULL, 0);

	err = err ?: lwc_switch(fd, 0, 0, &event);
	return err ?: (long)event.args[0];
}

static long write_all(struct fixture *f)
{
	long i, clean = 0;

	for (i = 0; i < NR; i++) {
		clean += f->pages[i * 4096] == 'p' && f->pages[i * 4096 + 9] == 'q';
		f->pages[i * 4096] = 'x';
		f->pages[i * 4096 + 9] = 'y';
	}
	return clean;
}

TEST(X5_written_pages_are_as_before)
{
	struct fixture f = { private_pages(NR), write_all };
	long fd, i;

	fill(f.pages);
	fd = make_child(&f);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(NR, i & 1 ? enter(fd) : enter_in_two_steps(fd));
	EXPECT_EQ('p', f.pages[0]);
}

TEST(X5_snapshot_is_not_what_the_creator_makes_of_its_memory)
{
	struct fixture f = { private_pages(NR), write_all };
	long fd, i;

	fill(f.pages);
	fd = make_child(&f);
	for (i = 0; i < 5; i++) {
		memset(f.pages, 'z', NR * 4096);
		ASSERT_EQ(NR, enter(fd));
	}
}

static long write_fresh(struct fixture *f)
{
	long i, clean = 0;

	for (i = 0; i < NR; i++) {
		clean += !f->pages[i * 4096];
		f->pages[i * 4096] = 'x';
	}
	return clean;
}

TEST(X5_pages_never_touched_before_are_zero_again)
{
	struct fixture f = { private_pages(NR), write_fresh };
	long fd = make_child(&f), i;

	for (i = 0; i < 10; i++)
		ASSERT_EQ(NR, enter(fd));
}

static char file_data[NR * 4096] = { 1 };

static long write_data(struct fixture *f)
{
	long i, clean = 0;

	for (i = 1; i < NR; i++) {
		clean += !file_data[i * 4096];
		file_data[i * 4096] = 'x';
	}
	return clean;
}

TEST(X5_file_data_written_for_the_first_time)
{
	struct fixture f = { NULL, write_data };
	long fd = make_child(&f), i;

	for (i = 0; i < 10; i++)
		ASSERT_EQ(NR - 1, enter(fd));
}

static long write_through_kernel(struct fixture *f)
{
	int pipes[2];
	long clean = f->pages[5] == 'p';

	if (pipe(pipes) || write(pipes[1], "xxxxxxxxxxx", 10) != 10)
		return -1;
	if (read(pipes[0], f->pages, 10) != 10)
		return -2;
	return clean;
}

TEST(X5_what_the_kernel_wrote_is_undone)
{
	struct fixture f = { private_pages(1), write_through_kernel };
	int before = open_fds();
	long fd, i;

	memset(f.pages, 'p', 4096);
	fd = make_child(&f);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(1, enter(fd));
	EXPECT_EQ(before + 1, open_fds());
}

static long rare_counter;

static long write_some(struct fixture *f)
{
	volatile long *shared = (void *)f->pages;
	char *pages = (char *)shared[1];
	long i, clean = 0;

	for (i = 0; i < NR; i++)
		clean += pages[i * 4096] == 'p';
	/* Another half each time, then nothing for long */
	for (i = 0; i < NR; i++)
		if (shared[0] < 20 && (i ^ shared[0]) & 1)
			pages[i * 4096] = 'x';
	return clean;
}

TEST(X5_pages_written_rarely_are_given_back_and_still_right)
{
	volatile long *shared = shared_page();
	struct fixture f = { (char *)shared, write_some };
	char *pages = private_pages(NR);
	uint64_t most, least;
	long fd;

	(void)rare_counter;
	fill(pages);
	shared[1] = (long)pages;
	fd = make_child(&f);
	for (shared[0] = 0; shared[0] < 20; shared[0]++)
		ASSERT_EQ(NR, enter(fd));
	most = lwc_info(fd).private_pages;
	for (; shared[0] < 40; shared[0]++)
		ASSERT_EQ(NR, enter(fd));
	least = lwc_info(fd).private_pages;
	EXPECT_LE(NR, most);
	EXPECT_GT(NR, least);
}

TEST(X5_pages_always_written_stay_without_faults)
{
	struct fixture f = { private_pages(NR), write_all };
	uint64_t faults;
	long fd, i;

	fill(f.pages);
	fd = make_child(&f);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(NR, enter(fd));
	faults = lwc_info(fd).faults;
	for (i = 0; i < 10; i++)
		ASSERT_EQ(NR, enter(fd));
	/* But for a fresh page that another processor has not yet put on its list */
	EXPECT_GT(faults + NR / 4, lwc_info(fd).faults);
	EXPECT_LE(10 * NR, lwc_info(fd).restored);
	EXPECT_EQ(14, lwc_info(fd).rollbacks);
}

static long change_table(struct fixture *f)
{
	long ok = 0;

	ok |= (fcntl(100, F_GETFD) < 0) << 0;
	ok |= (fcntl(2, F_GETFD) >= 0) << 1;
	ok |= (umask(0) == 022) << 2;
	ok |= (!access("self/stat", R_OK)) << 3;
	ok |= (getuid() == 0) << 4;
	dup2(0, 100);
	close(2);
	ok |= (open("/dev/null", O_RDONLY) == 2) << 5;
	if (chdir("/") || syscall(SYS_setresuid, 1000, 1000, 1000))
		return -1;
	return ok;
}

TEST(X5_table_directory_and_credential_are_as_before)
{
	struct fixture f = { NULL, change_table };
	long fd, i;

	ASSERT_EQ(0, chdir("/proc"));
	umask(022);
	fd = make_child(&f);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(63, enter(fd));
	EXPECT_EQ(0, getuid());
}

static long fork_and_write(struct fixture *f)
{
	long clean = f->pages[0] == 'p';
	pid_t pid;

	f->pages[0] = 'x';
	pid = fork();
	if (!pid)
		_exit(f->pages[0] == 'x' ? 0 : 1);
	f->pages[0] = 'y';
	waitpid(pid, NULL, 0);
	return clean;
}

TEST(X5_pages_shared_with_a_forked_process)
{
	struct fixture f = { private_pages(1), fork_and_write };
	long fd, i;

	f.pages[0] = 'p';
	fd = make_child(&f);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(1, enter(fd));
}

static long pin_in_pipe(struct fixture *f)
{
	volatile long *shared = (void *)f->pages;
	struct iovec iov = { (char *)shared[0], 4096 };
	long clean = *(char *)shared[0] == 'p';

	*(char *)shared[0] = 'x';
	if (vmsplice(shared[1], &iov, 1, 0) != 4096)
		return -1;
	return clean;
}

TEST(X5_a_page_in_use_elsewhere_is_not_overwritten)
{
	volatile long *shared = shared_page();
	struct fixture f = { (char *)shared, pin_in_pipe };
	char *page = private_pages(1), got[4096];
	int pipes[2];
	long fd, i;

	page[0] = 'p';
	ASSERT_EQ(0, pipe(pipes));
	shared[0] = (long)page;
	shared[1] = pipes[1];
	fd = make_child(&f);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, enter(fd));
	/* What lies in the pipe is what was written, before and after */
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(4096, read(pipes[0], got, 4096));
		ASSERT_EQ('x', got[0]);
	}
}

static long huge_page(struct fixture *f)
{
	long i, clean = 0;

	for (i = 0; i < 1024; i++) {
		clean += f->pages[i * 4096] == 'h';
		if (i % 3)
			f->pages[i * 4096] = 'x';
	}
	madvise(f->pages, 2 << 20, MADV_HUGEPAGE);
	madvise(f->pages, 2 << 20, 25 /* MADV_COLLAPSE */);
	for (i = 0; i < 1024; i++)
		f->pages[i * 4096] = 'z';
	return clean;
}

TEST(X5_huge_pages)
{
	struct fixture f = { NULL, huge_page };
	char *map = private_pages(2048);
	long fd, i;

	f.pages = (char *)(((uintptr_t)map + (2 << 20) - 1) & ~((2UL << 20) - 1));
	madvise(f.pages, 4 << 20, MADV_HUGEPAGE);
	for (i = 0; i < 1024; i++)
		f.pages[i * 4096] = 'h';
	fd = make_child(&f);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1024, enter(fd));
}

TEST(X5_rollback_needs_a_snapshot_and_nobody_inside)
{
	struct lwc_event event;
	long plain = lwc_create(0, &event), fd;

	if (plain == LWC_ENTERED)
		leave(event.creator, 0);
	EXPECT_EQ(-EOPNOTSUPP, lwc_ctl(LWC_CTL_ROLLBACK, plain, NULL, 0));
	fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, lwc_ctl(LWC_CTL_ROLLBACK, -1, NULL, 0));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(-EBUSY, (long)event.args[0]);
}

TEST(X5_after_discard)
{
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_ROLLBACK, &event), i;

	if (fd == LWC_ENTERED)
		lwc_switch(event.creator, LWC_SWITCH_DISCARD, 3, &event);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(3, enter(fd));
		ASSERT_EQ(-ESRCH, lwc_switch(fd, 0, 0, &event));
	}
}

TEST(X6_accounts)
{
	struct fixture f = { private_pages(NR), write_all };
	struct lwc_info info;
	long fd;

	fill(f.pages);
	fd = make_child(&f);
	info = lwc_info(fd);
	EXPECT_EQ(0, info.switches);
	EXPECT_EQ(0, info.time_ns);
	EXPECT_EQ(lwc_info(-1).id, info.creator);
	EXPECT_EQ(0, info.private_pages);
	ASSERT_EQ(NR, enter(fd));
	info = lwc_info(fd);
	EXPECT_EQ(1, info.switches);
	EXPECT_LT(0, info.time_ns);
	EXPECT_LE(NR, info.private_pages);
	/* The stack and little more */
	EXPECT_GE(NR + 8, info.private_pages);
	EXPECT_EQ(0, info.threads);
	EXPECT_EQ(1, info.flows);
	EXPECT_EQ(1, lwc_info(-1).threads);
}

TEST_HARNESS_MAIN
