/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { kMaxRepeats = 101, kSkip = 77 };

static volatile char *pages;
static size_t page_size;

void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s: %s\n", operation.name, what, strerror(errno));
	exit(1);
}

void prepare_pages(unsigned long count)
{
	if (!count)
		return;
	pages = mmap(NULL, count * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(pages != MAP_FAILED, "mmap");
	/* Huge pages would make one page of 512. */
	check(madvise((void *)pages, count * page_size, MADV_NOHUGEPAGE) == 0 || errno == EINVAL, "madvise");
	write_pages(count);
}

void write_pages(unsigned long count)
{
	for (unsigned long page = 0; page < count; page++)
		pages[page * page_size]++;
}

/* With 270 mappings, about what a PHP process has: 12 MB. The hole at the end of each keeps them from melting into one. */
static void prepare_mappings(unsigned long count)
{
	enum { kPages = 11 };

	for (unsigned long mapping = 0; mapping < count; mapping++) {
		char *memory = mmap(NULL, (kPages + 1) * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		check(memory != MAP_FAILED, "mmap");
		check(munmap(memory + kPages * page_size, page_size) == 0, "munmap");
		for (int page = 0; page < kPages; page++)
			memory[page * page_size] = 1;
	}
}

static long read_free_memory(void)
{
	char text[4096] = "";
	long kilobytes;
	int fd;

	fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "/proc/meminfo");
	close(fd);
	kilobytes = atol(strstr(text, "MemFree:") + 8);
	return kilobytes * 1024;
}

/* What processes that ended had, and what is freed after a grace period, comes back little by little. */
long free_memory(void)
{
	enum { kStill = 64 * 1024 };
	long before, now = read_free_memory();

	do {
		before = now;
		usleep(200000);
		now = read_free_memory();
	} while (labs(now - before) > kStill);
	return now;
}

/* With QEMU's -icount shift=0 the time stamp counter advances by one each instruction, in the kernel and outside. */
static uint64_t now(bool instructions)
{
	struct timespec time;

	if (instructions)
		return __rdtsc();
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* A descriptor for each context that is to exist. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
}

static void pin_to_one_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	check(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

static void print(const struct parameters *parameters, const char *unit, unsigned long rounds, double *figures, int count)
{
	qsort(figures, count, sizeof(*figures), compare);
	printf("{\"operation\": \"%s\", \"unit\": \"%s\", \"median\": %.1f, \"min\": %.1f, \"max\": %.1f, \"rounds\": %lu, \"repeats\": %d, "
	       "\"pages\": %lu, \"mappings\": %lu, \"live\": %lu}\n",
	       operation.name, unit, figures[count / 2], figures[0], figures[count - 1], rounds, count, parameters->pages, parameters->mappings, parameters->live);
}

static void usage(FILE *out)
{
	fprintf(out, "%s: %s\n\n"
		"  --rounds N     times the operation is run in one measurement (default 1000)\n"
		"  --repeats N    measurements, of which median, least and most are printed (default 5)\n"
		"  --pages N      pages written each round (default 0)\n"
		"  --mappings N   mappings of eleven written pages that the process has besides (default 0)\n"
		"  --live N       contexts or processes that exist besides (default 0)\n"
		"  --instructions count instructions (only under QEMU -icount shift=0) instead of nanoseconds\n\n"
		"Exit status 77: this kernel does not have the operation.\n", operation.name, operation.what);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' }, { "repeats", required_argument, NULL, 'n' }, { "pages", required_argument, NULL, 'p' },
		{ "mappings", required_argument, NULL, 'm' }, { "live", required_argument, NULL, 'l' }, { "instructions", no_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct parameters parameters = { 0 };
	unsigned long rounds = 1000;
	int repeats = 5, option;
	bool instructions = false;
	double figures[kMaxRepeats];

	page_size = sysconf(_SC_PAGESIZE);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'r': rounds = strtoul(optarg, NULL, 10); break;
		case 'n': repeats = atoi(optarg); break;
		case 'p': parameters.pages = strtoul(optarg, NULL, 10); break;
		case 'm': parameters.mappings = strtoul(optarg, NULL, 10); break;
		case 'l': parameters.live = strtoul(optarg, NULL, 10); break;
		case 'i': instructions = true; break;
		case 'h': usage(stdout); return 0;
		default: usage(stderr); return 64;
		}
	}
	if (!rounds || repeats < 1 || repeats > kMaxRepeats) {
		usage(stderr);
		return 64;
	}
	if (operation.available && !operation.available())
		return kSkip;
	pin_to_one_processor();
	raise_descriptor_limit();
	prepare_mappings(parameters.mappings);
	prepare_pages(parameters.pages);
	operation.setup(&parameters);
	if (operation.bytes_each) {
		figures[0] = operation.bytes_each();
		print(&parameters, "bytes", 1, figures, 1);
		return 0;
	}
	operation.run(rounds / 10 + 1);
	for (int repeat = 0; repeat < repeats; repeat++) {
		uint64_t start = now(instructions);

		operation.run(rounds);
		figures[repeat] = (double)(now(instructions) - start) / rounds;
	}
	if (operation.teardown)
		operation.teardown();
	print(&parameters, instructions ? "instructions" : "ns", rounds, figures, repeats);
	return 0;
}
