// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: resource specifications.
 *
 * A list of lines, of which a later one wins over an earlier one. To act on
 * one is to go through the pieces in which the same line decides.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>

#include "internal.h"

#define LWC_MAX_SPECS	1024

/* Behind the last address, descriptor or credential there can be */
static u64 end_of(u16 what)
{
	switch (what) {
	case LWC_WHAT_MEMORY:
		return TASK_SIZE_MAX;
	case LWC_WHAT_FILES:
		return LWC_FILES_END;
	default:
		return 1;
	}
}

static int check_range(const struct lwc_spec *s)
{
	if (s->flags & LWC_SPEC_ALL || s->what == LWC_WHAT_CRED)
		return s->start || s->end ? -EINVAL : 0;
	if (s->what == LWC_WHAT_FILES)
		return s->start > s->end || s->end > INT_MAX ? -EINVAL : 0;
	if (!PAGE_ALIGNED(s->start) || !PAGE_ALIGNED(s->end))
		return -EINVAL;
	return s->start >= s->end || s->end > TASK_SIZE_MAX ? -EINVAL : 0;
}

static int check_spec(const struct lwc_spec *s)
{
	if (s->what < LWC_WHAT_MEMORY || s->what > LWC_WHAT_CRED ||
	    s->how < LWC_HOW_COPY || s->how > LWC_HOW_UNMAP ||
	    s->flags & ~(LWC_SPEC_MAY_OVERLAY | LWC_SPEC_ALL))
		return -EINVAL;
	return check_range(s);
}

/* From here on every line has a range whose end is the first one behind */
static void normalize(struct lwc_spec *s)
{
	if (s->flags & LWC_SPEC_ALL || s->what == LWC_WHAT_CRED)
		s->end = end_of(s->what);
	else if (s->what == LWC_WHAT_FILES)
		s->end++;
}

/**
 * lwc_specs_read - read a specification from user space
 * @specs: to be freed with lwc_specs_free()
 * @from: where it is
 * @nr: lines
 *
 * Return: 0, or -EINVAL, -EFAULT, -ENOMEM.
 */
int lwc_specs_read(struct lwc_specs *specs, u64 from, unsigned int nr)
{
	unsigned int i;
	int err;

	specs->nr = nr;
	specs->specs = NULL;
	if (!nr)
		return from ? -EINVAL : 0;
	if (nr > LWC_MAX_SPECS)
		return -EINVAL;
	specs->specs = memdup_array_user(u64_to_user_ptr(from), nr,
					 sizeof(*specs->specs));
	if (IS_ERR(specs->specs))
		return PTR_ERR(specs->specs);
	for (i = 0; i < nr; i++) {
		err = check_spec(&specs->specs[i]);
		if (err) {
			lwc_specs_free(specs);
			return err;
		}
		normalize(&specs->specs[i]);
	}
	return 0;
}

void lwc_specs_free(struct lwc_specs *specs)
{
	kfree(specs->specs);
}

/**
 * lwc_specs_at - what a specification says about one place
 * @specs: the specification
 * @what: LWC_WHAT_*
 * @at: the place
 * @until: set to the end of the piece in which the answer is the same
 *
 * Return: the last line that names the place, or NULL.
 */
const struct lwc_spec *lwc_specs_at(const struct lwc_specs *specs, u16 what,
				    u64 at, u64 *until)
{
	const struct lwc_spec *line = NULL;
	unsigned int i;

	*until = end_of(what);
	for (i = 0; i < specs->nr; i++) {
		const struct lwc_spec *s = &specs->specs[i];

		if (s->what != what || s->end <= at)
			continue;
		if (s->start > at) {
			*until = min(*until, s->start);
			continue;
		}
		*until = min(*until, s->end);
		line = s;
	}
	return line;
}

/**
 * lwc_specs_each - go through the pieces that a specification names
 * @specs: the specification
 * @what: LWC_WHAT_*
 * @fn: called for each piece, with the line that decides; stops if not 0
 * @data: for @fn
 *
 * Return: what @fn returned last, or 0.
 */
int lwc_specs_each(const struct lwc_specs *specs, u16 what, lwc_piece_fn fn,
		   void *data)
{
	const struct lwc_spec *line;
	u64 at, until;
	int err = 0;

	for (at = 0; at < end_of(what) && !err; at = until) {
		line = lwc_specs_at(specs, what, at, &until);
		if (line)
			err = fn(line, at, until, data);
	}
	return err;
}

/* Does the specification say @how about all there is of @what? */
bool lwc_specs_all(const struct lwc_specs *specs, u16 what, u16 how)
{
	const struct lwc_spec *line;
	u64 at, until;

	for (at = 0; at < end_of(what); at = until) {
		line = lwc_specs_at(specs, what, at, &until);
		if (!line || line->how != how)
			return false;
	}
	return true;
}

static bool names(const struct lwc_specs *specs, u16 what, u16 how)
{
	const struct lwc_spec *line;
	u64 at, until;

	for (at = 0; at < end_of(what); at = until) {
		line = lwc_specs_at(specs, what, at, &until);
		if (line && line->how == how)
			return true;
	}
	return false;
}

static bool has_flag(const struct lwc_specs *specs, u32 flag)
{
	unsigned int i;

	for (i = 0; i < specs->nr; i++)
		if (specs->specs[i].flags & flag)
			return true;
	return false;
}

/* A table is shared as a whole or not at all */
static bool parts_of_table(const struct lwc_specs *specs)
{
	return names(specs, LWC_WHAT_FILES, LWC_HOW_SHARE) &&
	       !lwc_specs_all(specs, LWC_WHAT_FILES, LWC_HOW_SHARE);
}

/* Is this a specification for lwc_create()? 0, -EINVAL, -EOPNOTSUPP. */
int lwc_specs_check_create(const struct lwc_specs *specs)
{
	/* An lwC without any credential could do nothing, not even exit */
	if (names(specs, LWC_WHAT_CRED, LWC_HOW_UNMAP))
		return -EINVAL;
	/* Its code would be gone */
	if (lwc_specs_all(specs, LWC_WHAT_MEMORY, LWC_HOW_UNMAP))
		return -EINVAL;
	return parts_of_table(specs) ? -EOPNOTSUPP : 0;
}

/* Is this one for lwc_overlay()? 0, -EINVAL, -EOPNOTSUPP. */
int lwc_specs_check_overlay(const struct lwc_specs *specs, bool self)
{
	unsigned int i;

	if (!specs->nr || has_flag(specs, LWC_SPEC_MAY_OVERLAY))
		return -EINVAL;
	for (i = 0; i < specs->nr; i++) {
		bool removes = specs->specs[i].how == LWC_HOW_UNMAP;

		if (removes != self)
			return -EINVAL;
	}
	if (lwc_specs_all(specs, LWC_WHAT_MEMORY, LWC_HOW_UNMAP))
		return -EINVAL;
	return parts_of_table(specs) ? -EOPNOTSUPP : 0;
}

/* Is this one for lwc_restrict()? 0, -EINVAL. */
int lwc_specs_check_restrict(const struct lwc_specs *specs)
{
	return has_flag(specs, LWC_SPEC_MAY_OVERLAY) ? -EINVAL : 0;
}

static int unmap(const struct lwc_spec *line, u64 start, u64 end, void *data)
{
	struct mm_struct *mm = data;
	LIST_HEAD(uf);
	int err;

	if (line->how != LWC_HOW_UNMAP)
		return 0;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	err = do_munmap(mm, start, end - start, &uf);
	mmap_write_unlock(mm);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
}

/**
 * lwc_specs_apply_mm - take out of an address space what is not wanted
 * @specs: the specification
 * @mm: the address space
 *
 * Return: 0, or -EINTR, -ENOMEM, or -EPERM for a sealed mapping.
 */
int lwc_specs_apply_mm(const struct lwc_specs *specs, struct mm_struct *mm)
{
	return lwc_specs_each(specs, LWC_WHAT_MEMORY, unmap, mm);
}

static int close_piece(const struct lwc_spec *line, u64 start, u64 end,
		       void *data)
{
	struct files_struct *files = data;
	unsigned int nr, max;

	if (line->how != LWC_HOW_UNMAP)
		return 0;
	rcu_read_lock();
	max = min(end, files_fdtable(files)->max_fds);
	rcu_read_unlock();
	for (nr = start; nr < max; nr++)
		lwc_fd_close(files, nr);
	return 0;
}

/**
 * lwc_specs_apply_files - close in a table what is not wanted
 * @specs: the specification
 * @files: a table; the caller holds a reference
 */
void lwc_specs_apply_files(const struct lwc_specs *specs,
			   struct files_struct *files)
{
	lwc_specs_each(specs, LWC_WHAT_FILES, close_piece, files);
}
