// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: rollback of changed mappings (X5) */
#include "rollback.h"

static long change_mappings(struct fixture *f)
{
	char *p = f->pages, *q, *old_brk = sbrk(0);
	unsigned char vec;
	long ok = 0;

	/* As it was at the snapshot? */
	ok |= (p[0] == 'p' && p[3 * 4096] == 'p') << 0;
	ok |= (p[10 * 4096] == 'p') << 1;
	ok |= !!mincore(p + NR * 4096, 4096, &vec) << 2;
	ok |= (mprotect(p + 20 * 4096, 4096, PROT_READ | PROT_WRITE) == 0) << 3;
	/* Now change everything */
	munmap(p + 3 * 4096, 4096 * 2);
	mprotect(p + 10 * 4096, 4096, PROT_NONE);
	madvise(p + 12 * 4096, 4 * 4096, MADV_DONTNEED);
	mmap(p + NR * 4096, 4096 * 4, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	p[NR * 4096] = 'n';
	q = mremap(p + 30 * 4096, 4096, 8192, MREMAP_MAYMOVE);
	if (q != MAP_FAILED)
		q[4096] = 'm';
	sbrk(1 << 16);
	memset(old_brk, 'b', 1 << 16);
	return ok;
}

TEST(X5_changed_mappings_are_as_before)
{
	struct fixture f = { private_pages(NR + 8), change_mappings };
	long fd, i;

	fill(f.pages);
	munmap(f.pages + NR * 4096, 8 * 4096);
	fd = make_child(&f);
	for (i = 0; i < 30; i++)
		ASSERT_EQ(15, enter(fd));
}

static long change_very_many(struct fixture *f)
{
	long i, clean = 0;

	for (i = 0; i < NR; i++)
		clean += f->pages[i * 8 * 4096] == 'p';
	for (i = 0; i < NR * 4; i++)
		mprotect(f->pages + i * 2 * 4096, 4096, PROT_NONE);
	return clean;
}

TEST(X5_more_changed_mappings_than_are_noted)
{
	struct fixture f = { private_pages(NR * 8), change_very_many };
	long fd, i;

	for (i = 0; i < NR * 8; i++)
		f.pages[i * 4096] = 'p';
	fd = make_child(&f);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(NR, enter(fd));
}

static void recurse(int depth)
{
	volatile char buffer[4096];

	buffer[0] = depth;
	if (depth)
		recurse(depth - 1);
	buffer[1] = buffer[0];
}

static long use_stack(struct fixture *f)
{
	recurse(200);
	return 1;
}

TEST(X5_stack_that_grew_shrinks)
{
	struct fixture f = { NULL, use_stack };
	long fd = make_child(&f), i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, enter(fd));
}

/* A forked process counts what is as before, then the mapping is made anew */
static long copy_then_map_anew(struct fixture *f)
{
	int status = 0;
	pid_t pid = fork();
	long i, clean = 0;

	if (!pid) {
		for (i = 0; i < NR; i++)
			clean += f->pages[i * 4096] == 'p';
		_exit(clean);
	}
	waitpid(pid, &status, 0);
	munmap(f->pages, NR * 4096);
	if (mmap(f->pages, NR * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED, -1, 0) != f->pages)
		return -1;
	return WEXITSTATUS(status);
}

/* Its pages used to be put into the new mapping, where a fork missed them */
TEST(X5_a_mapping_made_anew_can_be_copied)
{
	struct fixture f = { private_pages(NR + 2), copy_then_map_anew };
	long fd, i;

	/* So that it melts with no other one */
	munmap(f.pages, 4096);
	munmap(f.pages + (NR + 1) * 4096, 4096);
	f.pages += 4096;
	fill(f.pages);
	fd = make_child(&f);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(NR, enter(fd));
}

TEST_HARNESS_MAIN
