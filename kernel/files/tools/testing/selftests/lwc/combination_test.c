// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: every resource with every way to give and to take it.
 * Each combination has a process of its own, as some change the whole table.
 */
#include "lwc_spec.h"

#define NR	60

static const char *const what_names[] = { "", "memory", "descriptors", "credential" };
static const char *const how_names[] = { "nothing", "COPY", "SHARE", "UNMAP" };

static char *page;

/* One line on the resource under test; a part of a table cannot be shared */
static struct lwc_spec line(int what, int how)
{
	switch (what) {
	case LWC_WHAT_MEMORY:
		return MEM(how, 0, page, 1);
	case LWC_WHAT_FILES:
		return how == SHARE ? ALL(FILES, SHARE, 0) : FILES(how, 0, NR, NR);
	default:
		return CRED(how, 0);
	}
}

static bool prepare(void)
{
	page = private_pages(1);
	if (!page)
		return false;
	*page = 'a';
	return dup2(0, NR) == NR;
}

static bool is_there(int what)
{
	return what == LWC_WHAT_MEMORY ? is_mapped(page) :
	       what == LWC_WHAT_FILES ? fcntl(NR, F_GETFD) >= 0 : true;
}

static void change(int what)
{
	switch (what) {
	case LWC_WHAT_MEMORY:
		*page = 'b';
		break;
	case LWC_WHAT_FILES:
		close(NR);
		break;
	default:
		syscall(SYS_setresuid, -1, 1000, -1);
	}
}

static bool is_changed(int what)
{
	return what == LWC_WHAT_MEMORY ? *page == 'b' :
	       what == LWC_WHAT_FILES ? fcntl(NR, F_GETFD) < 0 :
	       geteuid() == 1000;
}

/* What a creator sees of a child that has got a resource in some way */
enum { REFUSED = 1, ABSENT, APART, TOGETHER };

static int create_and_see(int what, int how)
{
	struct lwc_event event;
	long fd;

	if (!prepare())
		return 99;
	fd = how ? CREATE(0, &event, line(what, how)) : lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		if (!is_there(what))
			leave(creator, ABSENT);
		change(what);
		leave(creator, is_changed(what) ? APART : 98);
	}
	if (fd < 0)
		return fd == -EINVAL ? REFUSED : 97;
	if (lwc_switch(fd, 0, 0, &event))
		return 96;
	if (event.args[0] == APART && is_changed(what))
		return TOGETHER;
	return event.args[0];
}

TEST(S7_every_resource_in_every_way)
{
	static const int expected[4][4] = {
		[LWC_WHAT_MEMORY] = { APART, APART, TOGETHER, ABSENT },
		[LWC_WHAT_FILES] = { APART, APART, TOGETHER, ABSENT },
		[LWC_WHAT_CRED] = { APART, APART, TOGETHER, REFUSED },
	};
	int what, how, status;

	for (what = LWC_WHAT_MEMORY; what <= LWC_WHAT_CRED; what++) {
		for (how = 0; how <= UNMAP; how++) {
			pid_t pid = fork();

			if (!pid)
				_exit(create_and_see(what, how));
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
			EXPECT_EQ(expected[what][how] << 8, status)
				TH_LOG("%s, %s", what_names[what], how_names[how]);
		}
	}
}

/* 0 or the error of taking it in one way when it was given in another */
static int restrict_and_overlay(int what, int given, int taken)
{
	struct lwc_event event;
	struct lwc_spec spec;
	long fd;

	if (!prepare())
		return 99;
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	/* All rights to the others remain */
	spec = line(what, given);
	if (what == LWC_WHAT_FILES && given)
		spec = ALL(FILES, given, 0);
	if (given ? RESTRICT(fd, ALL(MEMORY, SHARE, 0), ALL(FILES, SHARE, 0),
			     CRED(SHARE, 0), spec) :
		    lwc_restrict(fd, NULL, 0))
		return 98;
	return -OVERLAY(fd, line(what, taken));
}

TEST(S8_S9_every_resource_given_in_every_way_and_taken_in_every_way)
{
	int what, given, taken, status;

	for (what = LWC_WHAT_MEMORY; what <= LWC_WHAT_CRED; what++) {
		for (given = 0; given <= UNMAP; given++) {
			for (taken = COPY; taken <= UNMAP; taken++) {
				bool may = given == SHARE || given == taken;
				int expected = taken == UNMAP ? EINVAL :
					       may ? 0 : EPERM;
				pid_t pid = fork();

				if (!pid)
					_exit(restrict_and_overlay(what, given,
								   taken));
				ASSERT_EQ(pid, waitpid(pid, &status, 0));
				EXPECT_EQ(expected << 8, status)
					TH_LOG("%s, %s given, %s taken",
					       what_names[what],
					       how_names[given],
					       how_names[taken]);
			}
		}
	}
}

TEST_HARNESS_MAIN
