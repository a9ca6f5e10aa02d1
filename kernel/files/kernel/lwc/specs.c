// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: resource specifications.
 *
 * A list of lines, of which a later one wins over an earlier one. What no line
 * names is copied.
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

static int check_range(const struct lwc_spec *s)
{
	if (s->flags & LWC_SPEC_ALL)
		return s->start || s->end ? -EINVAL : 0;
	if (s->what == LWC_WHAT_CRED)
		return s->start || s->end ? -EINVAL : 0;
	if (s->what == LWC_WHAT_FILES)
		return s->start > s->end || s->end > INT_MAX ? -EINVAL : 0;
	if (!PAGE_ALIGNED(s->start) || !PAGE_ALIGNED(s->end))
		return -EINVAL;
	return s->start >= s->end || s->end > TASK_SIZE ? -EINVAL : 0;
}

static int check_spec(const struct lwc_spec *s)
{
	if (s->what < LWC_WHAT_MEMORY || s->what > LWC_WHAT_CRED ||
	    s->how < LWC_HOW_COPY || s->how > LWC_HOW_UNMAP ||
	    s->flags & ~(LWC_SPEC_MAY_OVERLAY | LWC_SPEC_ALL))
		return -EINVAL;
	/* An lwC without any credential could do nothing, not even exit */
	if (s->what == LWC_WHAT_CRED && s->how == LWC_HOW_UNMAP)
		return -EINVAL;
	/* Its code would be gone */
	if (s->what == LWC_WHAT_MEMORY && s->how == LWC_HOW_UNMAP &&
	    s->flags & LWC_SPEC_ALL)
		return -EINVAL;
	if (s->how == LWC_HOW_SHARE || s->flags & LWC_SPEC_MAY_OVERLAY)
		return -EOPNOTSUPP;
	return check_range(s);
}

/**
 * lwc_specs_read - read a specification from user space
 * @specs: to be freed with lwc_specs_free()
 * @args: says where it is
 *
 * Return: 0, or -EINVAL, -EFAULT, -ENOMEM, -EOPNOTSUPP.
 */
int lwc_specs_read(struct lwc_specs *specs, const struct lwc_create_args *args)
{
	unsigned int i;
	int err;

	specs->nr = args->nr_specs;
	specs->specs = NULL;
	if (!specs->nr)
		return args->specs ? -EINVAL : 0;
	if (specs->nr > LWC_MAX_SPECS)
		return -EINVAL;
	specs->specs = memdup_array_user(u64_to_user_ptr(args->specs),
					 specs->nr, sizeof(*specs->specs));
	if (IS_ERR(specs->specs))
		return PTR_ERR(specs->specs);
	for (i = 0; i < specs->nr; i++) {
		err = check_spec(&specs->specs[i]);
		if (err) {
			lwc_specs_free(specs);
			return err;
		}
	}
	return 0;
}

void lwc_specs_free(struct lwc_specs *specs)
{
	kfree(specs->specs);
}

/* Is the spot that @from names named by a line further down? */
static u64 next_overruled(const struct lwc_specs *specs, unsigned int line,
			  u64 at, u64 end, u64 *until)
{
	unsigned int i;
	u64 next = end;

	for (i = line + 1; i < specs->nr; i++) {
		const struct lwc_spec *s = &specs->specs[i];
		u64 start = s->start;
		u64 stop = s->flags & LWC_SPEC_ALL ? U64_MAX : s->end;

		if (s->what != specs->specs[line].what)
			continue;
		if (s->what == LWC_WHAT_FILES && stop != U64_MAX)
			stop++;
		if (stop <= at || start >= next)
			continue;
		if (start <= at) {
			*until = stop;
			return at;
		}
		next = start;
		*until = stop;
	}
	return next;
}

static int unmap(struct mm_struct *mm, u64 start, u64 end)
{
	LIST_HEAD(uf);
	int err;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	err = do_munmap(mm, start, end - start, &uf);
	mmap_write_unlock(mm);
	userfaultfd_unmap_complete(mm, &uf);
	return err;
}

/**
 * lwc_specs_apply_mm - take out of a copied address space what is not wanted
 * @specs: the specification
 * @mm: a copy that nobody has seen yet
 *
 * Return: 0, or -EINTR, -ENOMEM, or -EPERM for a sealed mapping.
 */
int lwc_specs_apply_mm(const struct lwc_specs *specs, struct mm_struct *mm)
{
	unsigned int i;
	int err;

	for (i = 0; i < specs->nr; i++) {
		const struct lwc_spec *s = &specs->specs[i];
		u64 at = s->start, stop, until;

		if (s->what != LWC_WHAT_MEMORY || s->how != LWC_HOW_UNMAP)
			continue;
		while (at < s->end) {
			until = s->end;
			stop = next_overruled(specs, i, at, s->end, &until);
			if (stop > at) {
				err = unmap(mm, at, stop);
				if (err)
					return err;
			}
			at = until;
		}
	}
	return 0;
}

/* How a descriptor gets into the new lwC: the last line that names it */
static unsigned int how_file(const struct lwc_specs *specs, unsigned int nr)
{
	unsigned int how = LWC_HOW_COPY;
	unsigned int i;

	for (i = 0; i < specs->nr; i++) {
		const struct lwc_spec *s = &specs->specs[i];

		if (s->what != LWC_WHAT_FILES)
			continue;
		if (s->flags & LWC_SPEC_ALL || (s->start <= nr && nr <= s->end))
			how = s->how;
	}
	return how;
}

/**
 * lwc_specs_apply_files - close in a copied table what is not wanted
 * @specs: the specification
 * @files: a copy that nobody has seen yet
 */
void lwc_specs_apply_files(const struct lwc_specs *specs,
			   struct files_struct *files)
{
	unsigned int nr, max = rcu_dereference_raw(files->fdt)->max_fds;

	if (!specs->nr)
		return;
	for (nr = 0; nr < max; nr++)
		if (how_file(specs, nr) == LWC_HOW_UNMAP)
			lwc_fd_close(files, nr);
}
