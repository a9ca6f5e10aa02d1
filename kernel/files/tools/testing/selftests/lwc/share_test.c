// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: SHARE and PREFAULT at creation (S7, S12) */
#include <alloca.h>
#include <sched.h>
#include <sys/resource.h>

#include "lwc_spec.h"

#define PAGES 8

TEST(S7_SHARE_of_a_range_is_seen_both_ways)
{
	char *p = private_pages(PAGES);
	struct lwc_event event;
	long fd, i;

	/* One page written before, one after, one never by the creator */
	p[0] = 1;
	fd = CREATE(0, &event, MEM(SHARE, 0, p, PAGES));
	if (fd == LWC_ENTERED)
		for (;;) {
			p[2 * 4096]++;
			lwc_switch(event.caller, 0, p[0] + p[4096], &event);
		}
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, p[0]);
	for (i = 1; i < 20; i++) {
		p[0] = i;
		p[4096] = i;
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		EXPECT_EQ(2 * i, event.args[0]);
		EXPECT_EQ(i, p[2 * 4096]);
	}
}

TEST(S7_SHARE_of_memory_of_every_protection)
{
	struct lwc_event event;
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *ro = private_pages(1);
	int file = open("/proc/self/exe", O_RDONLY);
	char *text = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	char *both = (char *)shared_page();
	long fd;

	ASSERT_NE(MAP_FAILED, text);
	ro[0] = 'r';
	mprotect(ro, 4096, PROT_READ);
	fd = CREATE(LWC_CREATE_TRAP_FAULT, &event, MEM(SHARE, 0, none, 1),
		    MEM(SHARE, 0, ro, 1), MEM(SHARE, 0, text, 1),
		    MEM(SHARE, 0, both, 1));
	if (fd == LWC_ENTERED) {
		long bad = 0;

		bad |= mprotect(none, 4096, PROT_READ | PROT_WRITE) ? 1 : 0;
		bad |= mprotect(ro, 4096, PROT_READ | PROT_WRITE) ? 2 : 0;
		bad |= ro[0] != 'r' ? 4 : 0;
		bad |= memcmp(text, "\177ELF", 4) ? 8 : 0;
		none[0] = 'n';
		ro[0] = 's';
		both[0] = 'b';
		lwc_switch(event.creator, 0, bad, &event);
		none[0] = *(volatile char *)text;
		leave(event.caller, 0);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ('s', ro[0]);
	EXPECT_EQ('b', both[0]);
	EXPECT_EQ(0, memcmp(text, "\177ELF", 4));
	ASSERT_EQ(0, mprotect(none, 4096, PROT_READ));
	EXPECT_EQ('n', none[0]);
}

TEST(S7_shared_memory_survives_its_owner_and_a_chain)
{
	char *p = private_pages(1);
	struct lwc_event event;
	long fd;

	p[0] = 'a';
	fd = CREATE(0, &event, MEM(SHARE, 0, p, 1));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		/* Shared on, by the one that did not have it first */
		long inner = CREATE(0, &event, MEM(SHARE, 0, p, 1));

		if (inner == LWC_ENTERED) {
			p[0]++;
			leave(event.creator, 0);
		}
		lwc_switch(inner, 0, 0, &event);
		lwc_switch(creator, 0, p[0], &event);
		/* The creator has unmapped it */
		leave(creator, p[0]);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ('b', event.args[0]);
	EXPECT_EQ('b', p[0]);
	p[0] = 'c';
	ASSERT_EQ(0, munmap(p, 4096));
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ('c', event.args[0]);
}

TEST(S7_COPY_of_memory_that_is_shared_already)
{
	char *p = private_pages(2);
	struct lwc_event event;
	long first, second;

	memset(p, 'a', 2 * 4096);
	first = CREATE(0, &event, MEM(SHARE, 0, p, 2));
	if (first == LWC_ENTERED)
		for (;;)
			lwc_switch(event.caller, 0, p[0], &event);
	second = CREATE(LWC_CREATE_ROLLBACK, &event, MEM(SHARE, 0, p + 4096, 1));
	if (second == LWC_ENTERED) {
		long ok = p[0] == 'a';

		p[0] = 'x';
		p[4096]++;
		leave(event.creator, ok);
	}
	ASSERT_EQ(0, lwc_switch(second, LWC_SWITCH_ROLLBACK, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_EQ('a', p[0]);
	p[0] = 'b';
	/* It is rolled back where it is its own, and only there */
	ASSERT_EQ(0, lwc_switch(second, LWC_SWITCH_ROLLBACK, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_EQ('b', p[0]);
	EXPECT_EQ('c', p[4096]);
	ASSERT_EQ(0, lwc_switch(first, 0, 0, &event));
	EXPECT_EQ('b', event.args[0]);
}

TEST(S7_a_forked_process_has_a_copy_of_shared_memory)
{
	char *p = private_pages(3);
	volatile long *shared = shared_page();
	struct lwc_event event;
	int status;
	long fd;
	pid_t pid;

	memset(p, 'a', 4096);
	p[8192] = 'z';
	fd = CREATE(0, &event, MEM(SHARE, 0, p, 3));
	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	pid = fork();
	if (!pid) {
		while (!shared[0])
			sched_yield();
		if (p[0] != 'a' || p[4096] || p[8192] != 'z')
			_exit(1);
		p[0] = 'x';
		_exit(0);
	}
	p[0] = 'b';
	p[4096] = 'b';
	shared[0] = 1;
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ('b', p[0]);
}

TEST(S7_MADV_DONTNEED_and_mremap_of_shared_memory)
{
	char *p = private_pages(2), *q;
	struct lwc_event event;
	long fd;

	memset(p, 'a', 2 * 4096);
	fd = CREATE(0, &event, MEM(SHARE, 0, p, 2));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		madvise(p, 4096, MADV_DONTNEED);
		lwc_switch(creator, 0, p[0], &event);
		/* Where the creator has moved it to does not matter here */
		leave(creator, p[4096]);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
	/* Gone for both */
	EXPECT_EQ(0, p[0]);
	EXPECT_EQ('a', p[4096]);
	q = mremap(p, 2 * 4096, 64 * 4096, MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, q);
	/* It grows as private memory does */
	q[63 * 4096] = 1;
	EXPECT_EQ(0, q[40 * 4096]);
	q[4096] = 'm';
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ('m', event.args[0]);
}

static int word;

TEST(S7_SHARE_of_all_memory_is_the_same_address_space)
{
	struct lwc_event event;
	char *p = (char *)0x200000000UL;
	volatile char *room;
	long fd;

	fd = CREATE(LWC_CREATE_TRAP_EXIT, &event, ALL(MEMORY, SHARE, 0));
	if (fd == LWC_ENTERED) {
		word = 7;
		syscall(SYS_mmap, 0x200000000UL, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		syscall(SYS_exit, 0);
	}
	ASSERT_LE(0, fd);
	/* The child's calls are on the same stack: call from further down */
	room = alloca(65536);
	room[0] = 1;
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_EXIT, event.type);
	EXPECT_EQ(7, word);
	ASSERT_TRUE(is_mapped(p));
	p[0] = 1;
}

TEST(S7_SHARE_of_the_table)
{
	struct lwc_event event;
	long fd;

	ASSERT_EQ(0, chdir("/proc"));
	fd = CREATE(0, &event, ALL(FILES, SHARE, 0));
	if (fd == LWC_ENTERED) {
		long ret = dup2(0, 91) == 91 && !chdir("/dev");

		leave(event.creator, ret);
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_LE(0, fcntl(91, F_GETFD));
	EXPECT_EQ(0, access("null", F_OK));
	close(91);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(-1, fcntl(91, F_GETFD));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(-EBADF, lwc_switch(fd, 0, 0, &event));
}

TEST(S7_SHARE_of_the_credential)
{
	struct lwc_event event;
	long fd;

	fd = CREATE(0, &event, CRED(SHARE, 0));
	if (fd == LWC_ENTERED)
		for (;;) {
			long was = geteuid();

			syscall(SYS_setresuid, -1, 0, -1);
			syscall(SYS_setresuid, -1, event.args[0], -1);
			lwc_switch(event.caller, 0, was, &event);
		}
	ASSERT_EQ(0, lwc_switch(fd, 0, 1000, &event));
	EXPECT_EQ(0, event.args[0]);
	EXPECT_EQ(1000, geteuid());
	ASSERT_EQ(0, syscall(SYS_setresuid, -1, 0, -1));
	ASSERT_EQ(0, syscall(SYS_setresuid, -1, 3000, -1));
	ASSERT_EQ(0, lwc_switch(fd, 0, 2000, &event));
	EXPECT_EQ(3000, event.args[0]);
	EXPECT_EQ(2000, geteuid());
	ASSERT_EQ(0, syscall(SYS_setresuid, -1, 0, -1));
}

TEST(S7_UNMAP_of_all_but_some)
{
	struct lwc_event event;
	char *p = private_pages(2);
	long fd;

	/* No code, no stack: the first instruction faults */
	p[0] = 1;
	fd = CREATE(LWC_CREATE_TRAP_FAULT, &event, ALL(MEMORY, UNMAP, 0),
		    MEM(COPY, 0, p, 1));
	if (fd == LWC_ENTERED)
		leave(event.creator, 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(LWC_EVENT_FAULT, event.type);
}

TEST(S7_SHARE_is_refused_where_it_cannot_be)
{
	char *huge = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	uintptr_t stack = (uintptr_t)&huge & ~4095UL;
	struct lwc_event event;
	char *p = private_pages(1);

	EXPECT_EQ(-EOPNOTSUPP, CREATE(0, &event, MEM(SHARE, 0, stack, 1)));
	if (huge != MAP_FAILED)
		EXPECT_EQ(-EOPNOTSUPP, CREATE(0, &event, MEM(SHARE, 0, huge, 512)));
	EXPECT_EQ(-EOPNOTSUPP, CREATE(0, &event, FILES(SHARE, 0, 0, 9)));
	EXPECT_EQ(-EOPNOTSUPP, CREATE(0, &event, ALL(FILES, SHARE, 0),
				      FILES(UNMAP, 0, 5, 5)));
	EXPECT_EQ(-EINVAL, CREATE(LWC_CREATE_ROLLBACK, &event,
				  ALL(MEMORY, SHARE, 0)));
	EXPECT_EQ(-EINVAL, CREATE(LWC_CREATE_ROLLBACK, &event,
				  ALL(FILES, SHARE, 0)));
	EXPECT_EQ(-EINVAL, CREATE(LWC_CREATE_ROLLBACK, &event, CRED(SHARE, 0)));
	EXPECT_EQ(-EINVAL, CREATE(LWC_CREATE_PREFAULT, &event,
				  ALL(MEMORY, SHARE, 0)));
	/* And nothing was left behind */
	EXPECT_EQ(1, lwc_info(-1).threads);
	p[0] = 1;
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

static long faults_of(uint64_t flags, char *p, struct lwc_event *event)
{
	long fd = lwc_create(flags, event);

	if (fd == LWC_ENTERED) {
		long before = minor_faults(), i;

		for (i = 0; i < 100; i++)
			p[i * 4096]++;
		leave(event->creator, minor_faults() - before);
	}
	if (fd < 0 || lwc_switch(fd, flags & LWC_CREATE_ROLLBACK ?
				 LWC_SWITCH_ROLLBACK : 0, 0, event))
		return -1;
	close(fd);
	return event->args[0];
}

TEST(S12_PREFAULT_copies_before_the_first_write)
{
	char *p = private_pages(100);
	struct lwc_event event;
	long i;

	madvise(p, 100 * 4096, MADV_NOHUGEPAGE);
	for (i = 0; i < 100; i++)
		p[i * 4096] = i;
	EXPECT_LE(100, faults_of(0, p, &event));
	EXPECT_GT(20, faults_of(LWC_CREATE_PREFAULT, p, &event));
	EXPECT_LE(0, faults_of(LWC_CREATE_PREFAULT, p, &event));
	EXPECT_GT(20, faults_of(LWC_CREATE_PREFAULT | LWC_CREATE_ROLLBACK, p,
				&event));
	for (i = 0; i < 100; i++)
		EXPECT_EQ((char)i, p[i * 4096]);
}

TEST(S12_PREFAULT_counts_against_the_limit)
{
	struct lwc_create_args args = {
		.flags = LWC_CREATE_PREFAULT, .memory_limit = 16 * 4096,
	};
	char *p = private_pages(100);
	struct lwc_event event;

	memset(p, 1, 100 * 4096);
	EXPECT_EQ(-ENOMEM, lwc_create_raw(&args, sizeof(args), &event,
					  sizeof(event)));
}

TEST_HARNESS_MAIN
