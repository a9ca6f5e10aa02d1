// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of what a program may do to its memory, descriptors and
 * lwCs, against a model of what must be there.
 *
 * The model lies in shared memory, so that no lwC has a copy of it. Every lwC
 * runs the same loop: the next step is drawn by whoever is running. A rollback
 * or the end of an lwC therefore is one line in the model, and all the rest is
 * up to the kernel.
 *
 * LWC_SEED in the environment repeats one sequence, LWC_STEPS makes it longer,
 * LWC_VERIFY has everything looked at after each step.
 */
#include <sys/uio.h>
#include <time.h>

#include "random_model.h"

static const unsigned int spots[] = { 0, 800, 2048, 4088 };

static void fill(char *page, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < sizeof(spots) / sizeof(*spots); i++)
		*(volatile uint64_t *)(page + spots[i]) = value;
}

static uint64_t content(const char *page)
{
	uint64_t value = *(volatile uint64_t *)page;
	unsigned int i;

	for (i = 1; i < sizeof(spots) / sizeof(*spots); i++)
		if (*(volatile uint64_t *)(page + spots[i]) != value)
			return ~0ULL;
	return value;
}

static void verify(void)
{
	struct world *w = &current_context()->now;
	unsigned int mask = umask(w->umask);
	unsigned char resident;
	int i;

	for (i = 0; i < NR_SLOTS; i++) {
		bool mapped = !mincore(address(i), PAGE, &resident);

		if (mapped != w->slots[i].mapped)
			give_up("page %d is %smapped", i, mapped ? "" : "un");
		if (mapped && content(address(i)) != w->slots[i].value)
			give_up("page %d has %llu, should have %llu", i,
				(unsigned long long)content(address(i)),
				(unsigned long long)w->slots[i].value);
	}
	for (i = 0; i < NR_FILES; i++)
		if ((fcntl(FIRST_FILE + i, F_GETFD) >= 0) != w->files[i])
			give_up("descriptor %d is wrong", FIRST_FILE + i);
	if (mask != w->umask)
		give_up("umask is %o, should be %o", mask, w->umask);
}

static void map_slot(int i)
{
	int prot = PROT_READ | PROT_WRITE;
	void *at;

	if (is_file(i))
		at = mmap(address(i), PAGE, prot, MAP_PRIVATE | MAP_FIXED,
			  pattern_fd, (i - NR_ANON) * PAGE);
	else
		at = mmap(address(i), PAGE, prot,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must(at == address(i), "mmap");
}

/* Through the processor, or through a system call */
static void write_slot(int i, struct slot *s)
{
	uint64_t buffer[PAGE / 8] = { };
	struct iovec from = { buffer, PAGE }, to = { address(i), PAGE };

	s->value = state->next_value++;
	if (draw(3)) {
		note("write page %d", i);
		fill(address(i), s->value);
		return;
	}
	note("write page %d by a system call", i);
	fill((char *)buffer, s->value);
	must(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == PAGE,
	     "process_vm_writev");
}

static void change_slot(void)
{
	struct world *w = &current_context()->now;
	int i = draw(NR_SLOTS), j = draw(NR_ANON);
	struct slot *s = &w->slots[i];
	uint64_t what = draw(100);

	if (!s->mapped) {
		note("map page %d", i);
		map_slot(i);
		*s = (struct slot) { true, true, original(i) };
	} else if (what < 60) {
		if (!s->writable)
			return;
		write_slot(i, s);
	} else if (what < 70) {
		note("madvise page %d", i);
		must(!madvise(address(i), PAGE, MADV_DONTNEED), "madvise");
		s->value = original(i);
	} else if (what < 78) {
		note("protect page %d", i);
		s->writable = !s->writable;
		must(!mprotect(address(i), PAGE, s->writable ?
			       PROT_READ | PROT_WRITE : PROT_READ), "mprotect");
	} else if (what < 84 && !is_huge(i)) {
		note("unmap page %d", i);
		must(!munmap(address(i), PAGE), "munmap");
		s->mapped = false;
	} else if (what < 90 && i < NR_ANON && i != j) {
		note("move page %d to %d", i, j);
		must(mremap(address(i), PAGE, PAGE, MREMAP_MAYMOVE |
			    MREMAP_FIXED, address(j)) == address(j), "mremap");
		w->slots[j] = *s;
		s->mapped = false;
	} else {
		note("page out page %d", i);
		madvise(address(i), PAGE, MADV_PAGEOUT);
	}
}

static void change_file(void)
{
	struct world *w = &current_context()->now;
	int i = draw(NR_FILES);

	note("descriptor %d", FIRST_FILE + i);
	if (w->files[i])
		must(!close(FIRST_FILE + i), "close");
	else
		must(dup2(pattern_fd, FIRST_FILE + i) >= 0, "dup2");
	w->files[i] = !w->files[i];
}

static void change_umask(void)
{
	current_context()->now.umask = draw(01000);
	note("umask");
	umask(current_context()->now.umask);
}

/* A process in a copy sees the same, and what it writes nobody else sees */
static void fork_process(void)
{
	struct world *w = &current_context()->now;
	int status, i;
	pid_t pid;

	note("fork");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		verify();
		for (i = 0; i < NR_SLOTS; i++)
			if (w->slots[i].mapped && w->slots[i].writable)
				fill(address(i), 7);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && !status, "the forked process");
}

static void kill_tree(int dead)
{
	int i;

	state->contexts[dead].alive = false;
	for (i = 1; i < NR_LWCS; i++)
		if (state->contexts[i].alive &&
		    state->contexts[i].creator == dead)
			kill_tree(i);
}

static void kill_children(int of)
{
	int i;

	for (i = 1; i < NR_LWCS; i++)
		if (state->contexts[i].alive &&
		    state->contexts[i].creator == of)
			kill_tree(i);
}

/* Continues in the new lwC too, when that is entered */
static void create(void)
{
	struct lwc_event event = { };
	int i, parent = state->cur;
	struct context *c;
	bool snapshot;
	long ret;

	for (i = 1; i < NR_LWCS && state->contexts[i].alive; i++)
		;
	if (i == NR_LWCS)
		return;
	c = &state->contexts[i];
	snapshot = draw(2);
	note("create %d%s", i, snapshot ? " with a snapshot" : "");
	*c = (struct context) {
		.alive = true, .snapshot = snapshot, .creator = parent,
		.now = state->contexts[parent].now,
	};
	c->then = c->now;
	ret = lwc_create(snapshot ? LWC_CREATE_ROLLBACK : 0, &event);
	if (ret == LWC_ENTERED) {
		current_context()->creator_fd = event.creator;
		current_context()->entered = true;
		return;
	}
	must(ret >= 0, "lwc_create");
	state->contexts[i].fd = ret;
}

static void go(int to, int fd, bool rollback)
{
	struct lwc_event event;
	struct context *c = &state->contexts[to];
	int from = state->cur;
	long ret;

	if (rollback) {
		kill_children(to);
		c->now = c->then;
	}
	state->cur = to;
	ret = lwc_switch(fd, rollback ? LWC_SWITCH_ROLLBACK : 0, 0, &event);
	if (ret < 0) {
		state->cur = from;
		give_up("switch to %d: %s", to, strerror(-ret));
	}
}

static void switch_down(void)
{
	int i = 1 + draw(NR_LWCS - 1);
	struct context *c = &state->contexts[i];
	bool rollback;

	if (!c->alive || c->creator != state->cur)
		return;
	rollback = c->snapshot && draw(2);
	note("switch to %d%s", i, rollback ? ", rolled back" : "");
	go(i, c->fd, rollback);
}

static void switch_up(void)
{
	struct context *c = current_context();

	if (!state->cur)
		return;
	note("switch back to %d", c->creator);
	go(c->creator, c->creator_fd, false);
}

static void close_context(void)
{
	int i = 1 + draw(NR_LWCS - 1);
	struct context *c = &state->contexts[i];

	if (!c->alive || c->creator != state->cur)
		return;
	note("close %d", i);
	must(!close(c->fd), "close");
	kill_tree(i);
}

static void step(void)
{
	uint64_t what = draw(100);

	if (what < 50)
		change_slot();
	else if (what < 55)
		change_file();
	else if (what < 57)
		change_umask();
	else if (what < 59)
		fork_process();
	else if (what < 66)
		create();
	else if (what < 80)
		switch_down();
	else if (what < 92)
		switch_up();
	else
		close_context();
}

static void set_up(void)
{
	struct world *w = &state->contexts[0].now;
	uint64_t page[PAGE / 8];
	int i;

	pattern_fd = memfd_create("pattern", 0);
	must(pattern_fd >= 0, "memfd_create");
	for (i = 0; i < NR_FILE; i++) {
		memset(page, 0, sizeof(page));
		fill((char *)page, original(NR_ANON + i));
		must(write(pattern_fd, page, PAGE) == PAGE, "write");
	}
	must(mmap((void *)HUGE_BASE, 2 * HUGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	     (void *)HUGE_BASE, "mmap");
	madvise((void *)HUGE_BASE, 2 * HUGE, MADV_HUGEPAGE);
	for (i = NR_ANON + NR_FILE; i < NR_SLOTS; i++)
		w->slots[i] = (struct slot) { true, true, 0 };
	state->contexts[0].alive = true;
	w->umask = 022;
	umask(022);
}

static void run(uint64_t seed, unsigned long steps)
{
	state->seed = seed;
	state->random = seed * 0x9e3779b97f4a7c15ULL + 1;
	state->steps = steps;
	state->always = getenv("LWC_VERIFY");
	state->next_value = 1 << 20;
	set_up();
	for (; state->step < state->steps; state->step++) {
		step();
		if (!draw(4) || state->always)
			verify();
	}
	verify();
	_exit(0);
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run_process(struct __test_metadata *_metadata, uint64_t seed)
{
	unsigned long steps = setting("LWC_STEPS", 3000);
	int status;
	pid_t pid;

	TH_LOG("seed %llu, %lu steps", (unsigned long long)seed, steps);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		run(seed, steps);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
}

/* The same on every machine and every day */
TEST(known_seeds)
{
	uint64_t seed;

	if (getenv("LWC_SEED"))
		SKIP(return, "LWC_SEED is set");
	for (seed = 1; seed <= 6; seed++)
		run_process(_metadata, seed);
}

TEST(new_seed)
{
	run_process(_metadata, setting("LWC_SEED", time(NULL)));
}

TEST_HARNESS_MAIN
