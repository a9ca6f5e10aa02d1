// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: how long they live (S3), what shows them (X8) */
#include <linux/aio_abi.h>
#include <signal.h>

#include "lwc_system.h"

/* Lines of /proc/self/lwcs but the heading */
static int listed(void)
{
	FILE *f = fopen("/proc/self/lwcs", "r");
	char line[256];
	int nr = -1;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		nr++;
	fclose(f);
	return nr < 0 ? 0 : nr;
}

/* kB from a line of /proc/meminfo */
static long meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[256];
	long value = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name) + 1);
	if (f)
		fclose(f);
	return value;
}

TEST(X8_proc_lists_the_lwcs)
{
	struct lwc_event event;
	long fd;

	EXPECT_EQ(0, listed());
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, listed());
	EXPECT_EQ(2, listed());
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(2, event.args[0]);
	close(fd);
	EXPECT_EQ(1, listed());
}

TEST(S3_a_creator_lives_while_one_it_made_does)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED) {
		int creator = event.creator;
		long inner = lwc_create(0, &event);

		if (inner == LWC_ENTERED)
			lwc_switch(creator, 0, 1, &event);
		/* The middle one ends, and nobody names it but its child */
		lwc_switch(inner, LWC_SWITCH_DISCARD, 0, &event);
		_exit(1);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(1, event.args[0]);
	EXPECT_NE(fd, event.caller);
	ASSERT_EQ(3, listed());
	close(fd);
	EXPECT_EQ(3, listed());
	close(event.caller);
	EXPECT_EQ(1, listed());
}

TEST(S3_an_lwc_that_names_itself_does_not_leak)
{
	struct lwc_event event;
	long fd, i;

	for (i = 0; i < 20; i++) {
		fd = lwc_create(0, &event);
		if (fd == LWC_ENTERED) {
			int creator = event.creator;
			long own;

			/* Through its child, back to itself: now it has its own name */
			own = lwc_create(0, &event);
			if (own == LWC_ENTERED)
				leave(event.creator, 0);
			lwc_switch(own, 0, 0, &event);
			leave(creator, 0);
		}
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		ASSERT_EQ(3, listed());
		close(fd);
		ASSERT_EQ(1, listed());
	}
}

TEST(S3_lwcs_that_name_each_other_do_not_leak)
{
	struct lwc_event event;
	long a, b, i;

	for (i = 0; i < 20; i++) {
		a = lwc_create(0, &event);
		if (a == LWC_ENTERED)
			leave(event.creator, 0);
		/* b's table names a */
		b = lwc_create(0, &event);
		if (b == LWC_ENTERED) {
			int creator = event.creator;

			/* and a's table gets a name for b; comes out at the creator */
			lwc_switch(a, 0, 0, &event);
			leave(creator, 0);
		}
		ASSERT_EQ(0, lwc_switch(a, 0, 0, &event));
		ASSERT_EQ(0, lwc_switch(b, 0, 0, &event));
		ASSERT_EQ(3, listed());
		close(b);
		close(a);
		ASSERT_EQ(1, listed());
	}
}

/*
 * The table of each names the first one, and the first one's names each. What
 * used to happen: with more than sixteen, those that were closed stayed until the
 * process had made as many again.
 */
TEST(S3_any_number_that_name_each_other_does_not_leak)
{
	static const int numbers[] = { 2, 5, 16, 17, 37, 100 };
	struct lwc_event event;
	long fds[100];
	int i, j;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		for (j = 0; j < numbers[i]; j++) {
			fds[j] = lwc_create(0, &event);
			if (fds[j] == LWC_ENTERED) {
				int creator = event.creator;

				/* Which comes out at the creator */
				if (j)
					lwc_switch(fds[0], 0, 0, &event);
				leave(creator, 0);
			}
			ASSERT_LE(0, fds[j]);
			ASSERT_EQ(0, lwc_switch(fds[j], 0, 0, &event));
		}
		ASSERT_EQ(1 + numbers[i], listed());
		for (j = 0; j < numbers[i]; j++)
			close(fds[j]);
		ASSERT_EQ(1, listed());
	}
}

/* The creator of many is the last that somebody could enter */
TEST(S3_what_a_closed_lwc_made_does_not_leak)
{
	struct lwc_event event;
	long fd, i;

	for (i = 0; i < 5; i++) {
		fd = lwc_create(0, &event);
		if (fd == LWC_ENTERED) {
			int creator = event.creator;

			for (i = 0; i < 20; i++)
				if (lwc_create(0, &event) == LWC_ENTERED)
					leave(event.creator, 0);
			leave(creator, 0);
		}
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		ASSERT_EQ(22, listed());
		close(fd);
		ASSERT_EQ(1, listed());
	}
}

/* Each made by the one before it, of which only the first can be entered */
static void nest(int depth, int back)
{
	struct lwc_event event;

	while (depth--) {
		long inner = lwc_create(0, &event);

		if (inner != LWC_ENTERED) {
			lwc_switch(inner, 0, 0, &event);
			_exit(99);
		}
	}
	leave(back, 0);
}

TEST(S3_rounds_of_nested_lwcs_leave_no_growth)
{
	struct lwc_event event;
	int most = 0, i;
	long fd;

	for (i = 0; i < 100; i++) {
		fd = lwc_create(0, &event);
		if (fd == LWC_ENTERED)
			nest(9, event.creator);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		close(fd);
		close(event.caller);
		most = listed() > most ? listed() : most;
	}
	/* A pass or two may be due still */
	EXPECT_GE(40, most);
}

FIXTURE(rounds)
{
};

FIXTURE_SETUP(rounds)
{
}

FIXTURE_TEARDOWN(rounds)
{
}

TEST_F_TIMEOUT(rounds, S3_rounds_leave_no_growth, 1800)
{
	char *pages = private_pages(64);
	struct lwc_event event;
	long before = 0, after, fd, i, j;

	for (i = 0; i < 1000; i++) {
		if (i == 200)
			before = meminfo("MemAvailable:");
		fd = lwc_create(i % 2 ? LWC_CREATE_ROLLBACK : 0, &event);
		if (fd == LWC_ENTERED) {
			for (j = 0; j < 64; j++)
				pages[j * 4096] = 1;
			lwc_switch(event.creator, i % 3 ? LWC_SWITCH_DISCARD : 0,
				   0, &event);
		}
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
		ASSERT_EQ(0, close(fd));
	}
	after = meminfo("MemAvailable:");
	EXPECT_EQ(1, listed());
	if (is_debug_kernel())
		return;
	/* One lost page a round would be 3200 kB, one lost mm far more */
	EXPECT_GT(2500, before - after);
}

TEST(create_is_refused_with_AIO_contexts)
{
	struct lwc_event event;
	aio_context_t ctx = 0;

	if (syscall(SYS_io_setup, 4, &ctx))
		SKIP(return, "no AIO");
	EXPECT_EQ(-EBUSY, lwc_create(0, &event));
}

static void handler_a(int signo)
{
}

static void handler_b(int signo)
{
}

static void *handler(int signo)
{
	struct sigaction sa;

	sigaction(signo, NULL, &sa);
	return sa.sa_handler;
}

TEST(S13_actions_belong_to_the_lwc)
{
	struct lwc_event event;
	long fd, i;

	signal(SIGUSR1, handler_a);
	fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED) {
		bool inherited = handler(SIGUSR1) == handler_a;

		signal(SIGUSR1, handler_b);
		leave(event.creator, inherited);
	}
	signal(SIGUSR1, SIG_IGN);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event));
		EXPECT_EQ(1, event.args[0]);
		EXPECT_EQ((void *)SIG_IGN, handler(SIGUSR1));
	}
}

TEST(X7_a_forked_process_has_the_actions_of_its_lwc)
{
	struct lwc_event event;
	long fd;

	signal(SIGUSR1, handler_a);
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		int status = -1;
		pid_t pid;

		signal(SIGUSR1, handler_b);
		pid = fork();
		if (!pid)
			_exit(handler(SIGUSR1) == handler_b ? 0 : 1);
		waitpid(pid, &status, 0);
		leave(event.creator, status);
	}
	ASSERT_EQ(0, lwc_switch(fd, 0, 0, &event));
	EXPECT_EQ(0, event.args[0]);
}

TEST_HARNESS_MAIN
