/* SPDX-License-Identifier: GPL-2.0-only */
/* Specifications in one line, for the tests of overlays, sharing and rights */
#ifndef LWC_SPEC_H
#define LWC_SPEC_H

#include "lwc_test.h"

#define MEM(how, flags, p, pages) ((struct lwc_spec) { \
	LWC_WHAT_MEMORY, (how), (flags), (uintptr_t)(p), \
	(uintptr_t)(p) + (pages) * 4096UL })
#define FILES(how, flags, from, to) ((struct lwc_spec) { \
	LWC_WHAT_FILES, (how), (flags), (from), (to) })
#define ALL(what, how, flags) ((struct lwc_spec) { \
	LWC_WHAT_##what, (how), (flags) | LWC_SPEC_ALL, 0, 0 })
#define CRED(how, flags) ((struct lwc_spec) { \
	LWC_WHAT_CRED, (how), (flags), 0, 0 })

#define COPY	LWC_HOW_COPY
#define SHARE	LWC_HOW_SHARE
#define UNMAP	LWC_HOW_UNMAP
#define MAY	LWC_SPEC_MAY_OVERLAY

static inline long create_specs(uint64_t flags, const struct lwc_spec *specs,
				unsigned int nr, struct lwc_event *event)
{
	struct lwc_create_args args = {
		.flags = flags, .specs = (uintptr_t)specs, .nr_specs = nr,
	};

	return lwc_create_raw(&args, sizeof(args), event, sizeof(*event));
}

static inline long lwc_overlay(int fd, const struct lwc_spec *specs,
			       unsigned int nr)
{
	return lwc_ret(syscall(__NR_lwc_overlay, fd, specs, nr, 0));
}

static inline long lwc_restrict(int fd, const struct lwc_spec *specs,
				unsigned int nr)
{
	return lwc_ret(syscall(__NR_lwc_restrict, fd, specs, nr, 0));
}

/* Lists of lines in place */
#define CREATE(flags, event, ...) ({ \
	struct lwc_spec specs_[] = { __VA_ARGS__ }; \
	create_specs((flags), specs_, sizeof(specs_) / sizeof(*specs_), (event)); })
#define OVERLAY(fd, ...) ({ \
	struct lwc_spec specs_[] = { __VA_ARGS__ }; \
	lwc_overlay((fd), specs_, sizeof(specs_) / sizeof(*specs_)); })
#define RESTRICT(fd, ...) ({ \
	struct lwc_spec specs_[] = { __VA_ARGS__ }; \
	lwc_restrict((fd), specs_, sizeof(specs_) / sizeof(*specs_)); })

static inline bool is_mapped(const void *p)
{
	unsigned char vec;

	return !mincore((void *)p, 4096, &vec);
}

#endif /* LWC_SPEC_H */
