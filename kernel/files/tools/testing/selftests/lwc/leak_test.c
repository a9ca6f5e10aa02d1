// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: rounds of everything that makes and drops something,
 * with the kernel's counters before and after.
 *
 * Each cache of kernel objects may grow by less than one object in two rounds,
 * so that one that is lost each round shows, in whichever cache it is. What RCU
 * or a work queue frees later is waited for.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "lwc_spec.h"
#include "lwc_system.h"

#define WARM_UP 60
#define ROUNDS 1000
#define CACHES 400

struct counts {
	int nr;
	struct {
		char name[40];
		long active;
	} cache[CACHES];
	long files;
	long unreclaimable;
};

static long meminfo(const char *what)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long found = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			found = atol(line + strlen(what));
	if (f)
		fclose(f);
	return found;
}

static void count(struct counts *c)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[256];

	memset(c, 0, sizeof(*c));
	while (f && fgets(line, sizeof(line), f) && c->nr < CACHES)
		c->nr += sscanf(line, "%39s %ld", c->cache[c->nr].name,
				&c->cache[c->nr].active) == 2;
	if (f)
		fclose(f);
	f = fopen("/proc/sys/fs/file-nr", "r");
	if (f && fscanf(f, "%ld", &c->files) != 1)
		c->files = -1;
	if (f)
		fclose(f);
	c->unreclaimable = meminfo("SUnreclaim:") + meminfo("PageTables:") +
			   meminfo("AnonPages:") + meminfo("Shmem:");
}

/* What the test's own reading and the rest of the system use is no leak */
static bool is_noise(const char *name)
{
	return strstr(name, "dentry") || strstr(name, "inode") ||
	       strstr(name, "p9_") || strstr(name, "9p") ||
	       strstr(name, "buffer_head") || strstr(name, "radix_tree") ||
	       strstr(name, "bio") || strstr(name, "xa_node") ||
	       strstr(name, "vmap_area");
}

/* The name of what has grown, or NULL */
static const char *grown(const struct counts *before, const struct counts *after)
{
	static char text[128];
	int i;

	for (i = 0; i < after->nr && i < before->nr; i++) {
		long more = after->cache[i].active - before->cache[i].active;

		if (more < ROUNDS / 2 || is_noise(after->cache[i].name))
			continue;
		snprintf(text, sizeof(text), "%s by %ld", after->cache[i].name, more);
		return text;
	}
	if (after->files - before->files >= ROUNDS / 2) {
		snprintf(text, sizeof(text), "open files by %ld",
			 after->files - before->files);
		return text;
	}
	/* One page in two rounds */
	if (after->unreclaimable - before->unreclaimable >= ROUNDS * 2) {
		snprintf(text, sizeof(text), "memory by %ld kB",
			 after->unreclaimable - before->unreclaimable);
		return text;
	}
	return NULL;
}

static const char *run_once(bool (*round)(void), int rounds)
{
	static struct counts before, after;
	const char *what;
	int i;

	usleep(300000);
	count(&before);
	if (!before.nr)
		return "no /proc/slabinfo";
	for (i = 0; i < rounds; i++)
		if (!round())
			return "a round failed";
	for (i = 0; i < 50; i++) {
		usleep(100000);
		count(&after);
		what = grown(&before, &after);
		if (!what)
			break;
	}
	return what;
}

/* Free objects in a processor's slabs count as used: that grows, but not always */
static const char *run_rounds(bool (*round)(void))
{
	const char *what = NULL;
	int i;

	for (i = 0; i < WARM_UP; i++)
		if (!round())
			return "a round failed";
	for (i = 0; i < 3; i++) {
		what = run_once(round, ROUNDS);
		if (!what)
			break;
	}
	return what;
}

/* There KASAN keeps what was freed, and kmemleak looks for leaks itself */
/* Returns what has grown, or NULL; sets @skipped where that cannot be told */
static const char *growth(bool (*round)(void), bool *skipped)
{
	*skipped = is_debug_kernel();
	return *skipped ? NULL : run_rounds(round);
}

static char *memory;

static void write_memory(void)
{
	int i;

	if (!memory)
		memory = private_pages(16);
	for (i = 0; i < 16; i++)
		memory[i * 4096]++;
}

static bool create_and_close(void)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	return fd >= 0 && !close(fd);
}

static bool enter_and_discard(void)
{
	struct lwc_event event;
	long fd;

	write_memory();
	fd = lwc_create(0, &event);
	if (fd == LWC_ENTERED) {
		write_memory();
		lwc_switch(event.creator, LWC_SWITCH_DISCARD, 0, &event);
		_exit(99);
	}
	return fd >= 0 && !lwc_switch(fd, 0, 0, &event) && !close(fd);
}

static bool enter_and_stay(void)
{
	struct lwc_event event;
	long fd;

	write_memory();
	fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED) {
		write_memory();
		leave(event.creator, 0);
	}
	return fd >= 0 && !lwc_switch(fd, 0, 0, &event) &&
	       !lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event) && !close(fd);
}

/* One that is rolled back over and over, and each time opens and maps more */
static bool roll_back(void)
{
	static struct lwc_event event;
	static long fd = -1;

	if (fd < 0) {
		fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
		if (fd == LWC_ENTERED) {
			int creator = event.creator;

			write_memory();
			private_pages(3);
			memset(private_pages(8), 1, 8 * 4096);
			dup(0);
			open("/dev/null", O_RDONLY);
			umask(077);
			leave(creator, 0);
		}
	}
	return fd >= 0 && !lwc_switch(fd, LWC_SWITCH_ROLLBACK, 0, &event);
}

static bool fault_in_child(void)
{
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_TRAP_FAULT | LWC_CREATE_TRAP_EXIT, &event);

	if (fd == LWC_ENTERED)
		__builtin_trap();
	return fd >= 0 && !lwc_switch(fd, 0, 0, &event) &&
	       event.type == LWC_EVENT_FAULT && !close(fd);
}

static bool exit_in_child(void)
{
	struct lwc_event event;
	long fd = lwc_create(LWC_CREATE_TRAP_EXIT, &event);

	if (fd == LWC_ENTERED)
		syscall(SYS_exit_group, 5);
	return fd >= 0 && !lwc_switch(fd, 0, 0, &event) &&
	       event.type == LWC_EVENT_EXIT && !close(fd);
}

static bool share_and_overlay(void)
{
	struct lwc_event event;
	char *p = private_pages(4);
	bool good;
	long fd;

	memset(p, 1, 4 * 4096);
	fd = CREATE(0, &event, MEM(SHARE, MAY, p, 1), MEM(UNMAP, MAY, p + 4096, 3),
		    CRED(SHARE, MAY));
	if (fd == LWC_ENTERED) {
		int creator = event.creator;

		OVERLAY(creator, MEM(COPY, 0, p + 4096, 1), CRED(SHARE, 0));
		OVERLAY(creator, MEM(SHARE, 0, p + 8192, 1));
		OVERLAY(-1, CRED(UNMAP, 0));
		RESTRICT(creator, MEM(COPY, 0, p, 1));
		leave(creator, p[0] + p[4096] + p[8192]);
	}
	good = fd >= 0 && !lwc_switch(fd, 0, 0, &event) && event.args[0] == 3;
	return !close(fd) && !munmap(p, 4 * 4096) && good;
}

static bool borrow(void)
{
	struct lwc_syscall_args args = {
		.mask = LWC_MASK_MEMORY | LWC_MASK_FILES | LWC_MASK_CRED,
		.nr = SYS_dup,
	};
	struct lwc_event event;
	long fd = lwc_create(0, &event), got;

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	got = lwc_ret(syscall(__NR_lwc_syscall, fd, &args, sizeof(args), NULL, 0));
	return fd >= 0 && got >= 0 && !close(fd);
}

static bool fork_with_all(void)
{
	struct lwc_event event;
	int status = -1;
	long fd;
	pid_t pid;

	if (lwc_ctl(LWC_CTL_FORK, -1, NULL, 1))
		return false;
	fd = lwc_create(LWC_CREATE_ROLLBACK, &event);
	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	pid = fork();
	if (!pid)
		_exit(lwc_switch(fd, 0, 0, &event) ? 1 : 0);
	waitpid(pid, &status, 0);
	return fd >= 0 && !status && !close(fd);
}

static void *thread(void *arg)
{
	return enter_and_discard() ? NULL : thread;
}

static bool in_a_thread(void)
{
	void *result = thread;
	pthread_t t;

	return !pthread_create(&t, NULL, thread, NULL) &&
	       !pthread_join(t, &result) && !result;
}

static bool over_deadline(void)
{
	struct lwc_switch_args args = { .wall_ns = 100000 };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	while (fd == LWC_ENTERED)
		;
	return fd >= 0 && !lwc_switch_args(fd, &args, &event) &&
	       event.type == LWC_EVENT_TIMEOUT && !close(fd);
}

FIXTURE(rounds)
{
};

FIXTURE_VARIANT(rounds)
{
	bool (*round)(void);
};

FIXTURE_VARIANT_ADD(rounds, S3_create_and_close) { .round = create_and_close };
FIXTURE_VARIANT_ADD(rounds, S3_enter_and_discard) { .round = enter_and_discard };
FIXTURE_VARIANT_ADD(rounds, S3_enter_and_stay) { .round = enter_and_stay };
FIXTURE_VARIANT_ADD(rounds, X5_roll_back) { .round = roll_back };
FIXTURE_VARIANT_ADD(rounds, X1_fault_in_child) { .round = fault_in_child };
FIXTURE_VARIANT_ADD(rounds, X2_exit_in_child) { .round = exit_in_child };
FIXTURE_VARIANT_ADD(rounds, X3_over_deadline) { .round = over_deadline };
FIXTURE_VARIANT_ADD(rounds, S9_share_and_overlay) { .round = share_and_overlay };
FIXTURE_VARIANT_ADD(rounds, S10_borrow) { .round = borrow };
FIXTURE_VARIANT_ADD(rounds, X7_fork_with_all) { .round = fork_with_all };
FIXTURE_VARIANT_ADD(rounds, S2_in_a_thread) { .round = in_a_thread };

FIXTURE_SETUP(rounds)
{
}

FIXTURE_TEARDOWN(rounds)
{
}

TEST_F(rounds, leave_nothing)
{
	const char *what;
	bool skipped;

	what = growth(variant->round, &skipped);
	if (skipped)
		SKIP(return, "left to kmemleak");
	EXPECT_EQ(NULL, what)
		TH_LOG("%s", what);
}

/* That the measure measures: an lwC that is kept each round shows */
static bool keep(void)
{
	struct rlimit limit = { 4096, 4096 };
	struct lwc_event event;

	setrlimit(RLIMIT_NOFILE, &limit);

	return lwc_create(0, &event) >= 0;
}

TEST(one_that_is_kept_each_round_is_noticed)
{
	const char *what;

	if (is_debug_kernel())
		SKIP(return, "left to kmemleak");
	what = run_once(keep, ROUNDS * 6 / 10);
	ASSERT_NE(NULL, what);
	EXPECT_NE(NULL, strstr(what, " by "));
}

TEST_HARNESS_MAIN
