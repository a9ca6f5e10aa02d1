/* SPDX-License-Identifier: GPL-2.0-only */
/* The model that random_test.c compares with: what every lwC must find */
#ifndef LWC_RANDOM_MODEL_H
#define LWC_RANDOM_MODEL_H

#include <stdarg.h>

#include "lwc_test.h"

#define NR_ANON		16
#define NR_FILE		8
#define NR_HUGE		8
#define NR_SLOTS	(NR_ANON + NR_FILE + NR_HUGE)
#define NR_FILES	6
#define NR_LWCS		6
#define NR_HISTORY	24
#define PAGE		4096UL
#define HUGE		(2UL << 20)
#define ANON_BASE	0x100000000000UL
#define FILE_BASE	0x110000000000UL
#define HUGE_BASE	0x120000000000UL
#define FIRST_FILE	200

/* A page and what must be in it */
struct slot {
	bool mapped;
	bool writable;
	uint64_t value;
};

/* What an lwC must find */
struct world {
	struct slot slots[NR_SLOTS];
	bool files[NR_FILES];
	unsigned int umask;
};

struct context {
	bool alive;
	bool entered;
	bool snapshot;
	int creator;
	int fd;			/* of it, in its creator's table */
	int creator_fd;		/* of its creator, in its own */
	struct world now;
	struct world then;
};

/* Shared by all */
struct state {
	uint64_t seed;
	uint64_t random;
	uint64_t next_value;
	unsigned long step;
	unsigned long steps;
	bool always;
	int cur;
	struct context contexts[NR_LWCS];
	char history[NR_HISTORY][96];
};

static struct state *state;
static int pattern_fd;

static uint64_t draw(uint64_t below)
{
	state->random ^= state->random << 13;
	state->random ^= state->random >> 7;
	state->random ^= state->random << 17;
	return (state->random >> 11) % below;
}

static struct context *current_context(void)
{
	return &state->contexts[state->cur];
}

static void note(const char *format, ...)
{
	char *line = state->history[state->step % NR_HISTORY];
	va_list list;
	int n = snprintf(line, 96, "step %lu in %d: ", state->step, state->cur);

	va_start(list, format);
	vsnprintf(line + n, 96 - n, format, list);
	va_end(list);
}

static void give_up(const char *format, ...)
{
	va_list list;
	unsigned long i;

	for (i = 0; i < NR_HISTORY; i++)
		if (state->step + 1 + i >= NR_HISTORY)
			printf("# %s\n", state->history[(state->step + 1 + i) %
							NR_HISTORY]);
	printf("# seed %llu, in lwC %d: ", (unsigned long long)state->seed,
	       state->cur);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static void must(bool good, const char *what)
{
	if (!good)
		give_up("%s: %s", what, strerror(errno));
}

static char *address(int i)
{
	if (i < NR_ANON)
		return (char *)ANON_BASE + i * PAGE;
	if (i < NR_ANON + NR_FILE)
		return (char *)FILE_BASE + (i - NR_ANON) * PAGE;
	/* Some close together, some in another huge page */
	i -= NR_ANON + NR_FILE;
	return (char *)HUGE_BASE + (i % 2) * HUGE + (i / 2) * 7 * PAGE;
}

static bool is_file(int i)
{
	return i >= NR_ANON && i < NR_ANON + NR_FILE;
}

static bool is_huge(int i)
{
	return i >= NR_ANON + NR_FILE;
}

/* What a page has that nobody wrote */
static uint64_t original(int i)
{
	return is_file(i) ? 1000 + i - NR_ANON : 0;
}

#endif /* LWC_RANDOM_MODEL_H */
