// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: lwCs made, thrown away and made again. The kernel uses
 * the address space of one for the next, and nobody may be able to tell.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "lwc_test.h"

#define NR	64
#define ROUNDS	24
#define HUGE	(2UL << 20)

/*
 * Makes an lwC, runs @run there and throws it away. Returns what @run returned
 * there, or -errno.
 */
static long in_new_lwc(long (*run)(char *pages), char *pages)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);
	long err;

	if (fd == LWC_ENTERED)
		leave(event.creator, run(pages));
	if (fd < 0)
		return fd;
	err = lwc_switch(fd, 0, 0, &event);
	close(fd);
	return err ?: (long)event.args[0];
}

/* How many pages have @tag, and leaves something else in all of them */
static char tag;

static long count_and_write(char *pages)
{
	long i, good = 0;

	for (i = 0; i < NR; i++) {
		good += pages[i * 4096] == tag && pages[i * 4096 + 4095] == tag;
		pages[i * 4096] = '!';
		pages[i * 4096 + 4095] = '?';
	}
	return good;
}

TEST(S4_each_copy_is_of_what_the_creator_has_now)
{
	char *pages = private_pages(NR);
	int i;

	for (i = 0; i < ROUNDS; i++) {
		tag = 'a' + i;
		memset(pages, tag, NR * 4096);
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
		ASSERT_EQ(tag, pages[0]);
	}
}

TEST(S4_a_page_that_only_the_creator_writes)
{
	char *pages = private_pages(NR);
	long good;
	int i;

	tag = 'a';
	memset(pages, tag, NR * 4096);
	for (i = 0; i < ROUNDS; i++) {
		pages[(i % NR) * 4096] = 'x';
		good = in_new_lwc(count_and_write, pages);
		ASSERT_EQ(NR - 1, good);
		pages[(i % NR) * 4096] = tag;
	}
}

/* Only some of the pages, others in each run: those given back come in too */
static long write_some(char *pages)
{
	long i, good = 0;

	for (i = 0; i < NR; i++)
		good += pages[i * 4096] == tag;
	for (i = tag % 4; i < NR; i += 4)
		pages[i * 4096] = '!';
	return good;
}

TEST(S4_pages_written_in_some_copies_only)
{
	char *pages = private_pages(NR);
	int i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		if (!(i % 20)) {
			tag = i + 1;
			memset(pages, tag, NR * 4096);
		}
		ASSERT_EQ(NR, in_new_lwc(write_some, pages));
	}
}

static long first_byte(char *pages)
{
	long was = pages[0];

	pages[0] = '!';
	return was;
}

TEST(S4_mappings_that_came_went_and_changed)
{
	char *pages = private_pages(NR);
	char *more;
	int i;

	for (i = 1; i < ROUNDS; i++) {
		more = private_pages(NR);
		ASSERT_NE(NULL, more);
		more[0] = i;
		ASSERT_EQ(i, in_new_lwc(first_byte, more));
		ASSERT_EQ(0, mprotect(more, 4096, PROT_READ));
		ASSERT_EQ(0, mprotect(more, 4096, PROT_READ | PROT_WRITE));
		ASSERT_EQ(i, in_new_lwc(first_byte, more));
		ASSERT_EQ(0, madvise(more, 4096, MADV_DONTNEED));
		ASSERT_EQ(0, in_new_lwc(first_byte, more));
		ASSERT_EQ(0, munmap(more, NR * 4096));
		pages[0] = i;
		ASSERT_EQ(i, in_new_lwc(first_byte, pages));
	}
}

static long leave_mappings(char *pages)
{
	char *at = mmap(pages + NR * 4096, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			0);
	long good = at == pages + NR * 4096;

	memset(at, '!', 4096);
	good += !munmap(pages, 4096);
	good += !mprotect(pages + 4096, 4096, PROT_NONE);
	good += mremap(pages + 2 * 4096, 4096, 4096,
		       MREMAP_MAYMOVE | MREMAP_FIXED, pages + 3 * 4096) ==
		pages + 3 * 4096;
	good += sbrk(4096 * (1 + tag)) != (void *)-1;
	return good;
}

TEST(S4_what_a_former_copy_mapped_is_gone)
{
	char *pages = private_pages(NR + 1);
	void *end = sbrk(0);
	int i;

	munmap(pages + NR * 4096, 4096);
	for (i = 0; i < ROUNDS; i++) {
		tag = i;
		memset(pages, tag, NR * 4096);
		ASSERT_EQ(5, in_new_lwc(leave_mappings, pages));
		ASSERT_EQ(end, sbrk(0));
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
	}
}

TEST(S4_fork_in_between)
{
	char *pages = private_pages(NR);
	int i, status;
	pid_t pid;

	for (i = 0; i < ROUNDS; i++) {
		tag = 'a' + i;
		memset(pages, tag, NR * 4096);
		pid = fork();
		if (!pid) {
			memset(pages, '*', NR * 4096);
			/* Its own lwCs, from its own memory */
			tag = '*';
			for (i = 0; i < 4; i++)
				if (in_new_lwc(count_and_write, pages) != NR)
					_exit(1);
			_exit(0);
		}
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
	}
}

TEST(S4_huge_pages)
{
	char *base = private_pages(HUGE / 2048);
	char *pages = (char *)(((unsigned long)base + HUGE - 1) & ~(HUGE - 1));
	int i;

	madvise(pages, HUGE, MADV_HUGEPAGE);
	for (i = 0; i < ROUNDS; i++) {
		tag = 'a' + i;
		/* One page is written, and 511 could be without a fault */
		memset(pages, tag, i & 1 ? HUGE : NR * 4096);
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
	}
}

TEST(S4_pages_on_their_way_to_swap)
{
	char *pages = private_pages(NR);
	int i;

	for (i = 0; i < ROUNDS; i++) {
		tag = 'a' + i;
		memset(pages, tag, NR * 4096);
		madvise(pages, NR / 2 * 4096, MADV_PAGEOUT);
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
		madvise(pages, NR * 4096, MADV_PAGEOUT);
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
		ASSERT_EQ(tag, pages[0]);
	}
}

TEST(S4_marks_that_fork_heeds)
{
	char *keep = private_pages(1), *wipe = private_pages(1);
	char *pages = private_pages(NR);
	int i;

	keep[0] = 'k';
	ASSERT_EQ(0, madvise(wipe, 4096, MADV_WIPEONFORK));
	for (i = 0; i < ROUNDS; i++) {
		wipe[0] = 'w';
		ASSERT_EQ(0, in_new_lwc(first_byte, wipe));
		ASSERT_EQ('w', wipe[0]);
		tag = 'a' + i;
		memset(pages, tag, NR * 4096);
		ASSERT_EQ(0, mlock(pages, 4096));
		ASSERT_EQ(NR, in_new_lwc(count_and_write, pages));
		ASSERT_EQ(0, munlock(pages, 4096));
		ASSERT_EQ('k', in_new_lwc(first_byte, keep));
	}
}

TEST(S4_one_of_many_that_live)
{
	char *pages = private_pages(NR);
	struct lwc_event event;
	long fds[4] = { -1, -1, -1, -1 };
	int i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		long fd;

		tag = i % 100 + 1;
		memset(pages, tag, NR * 4096);
		fd = lwc_create(0, &event);
		while (fd == LWC_ENTERED)
			lwc_switch(event.caller, 0, count_and_write(pages),
				   &event);
		ASSERT_LE(0, fd);
		memset(pages, 0, NR * 4096);
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		ASSERT_EQ(NR, event.args[0]);
		if (fds[i % 4] >= 0)
			close(fds[i % 4]);
		fds[i % 4] = fd;
	}
}

TEST_HARNESS_MAIN
