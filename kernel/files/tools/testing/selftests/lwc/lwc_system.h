/* SPDX-License-Identifier: GPL-2.0-only */
/* What tests that look at the rest of the system share */
#ifndef LWC_SYSTEM_H
#define LWC_SYSTEM_H

#include "lwc_test.h"

/* A fault that the compiler does not see */
static inline void fault(void)
{
	asm volatile("movb $0, (%0)" : : "r" (16UL) : "memory");
}

static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "# %s: %s\n", path, strerror(errno));
	close(fd);
}

/*
 * Whether memory that was given back may still count: KASAN keeps it aside for
 * a while, and kmemleak notes every allocation.
 */
static inline bool is_debug_kernel(void)
{
	FILE *slabs = fopen("/proc/slabinfo", "r");
	bool found = false;
	char line[512];

	while (slabs && fgets(line, sizeof(line), slabs))
		found |= !strncmp(line, "kmemleak_object ", 16);
	if (slabs)
		fclose(slabs);
	return found;
}

#endif /* LWC_SYSTEM_H */
