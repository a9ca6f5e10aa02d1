// SPDX-License-Identifier: GPL-2.0-only
/*
 * Light-weight contexts: rights.
 *
 * What may be overlaid through a descriptor lies with its struct file and never
 * changes. To restrict a descriptor is to put another struct file in its place,
 * so that what was dup'ed from it or sent elsewhere keeps what it has.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "internal.h"

#define LWC_MAX_RIGHTS	4096

struct list {
	struct lwc_rights *rights;	/* NULL: only count */
	const struct lwc_rights *old;
	unsigned int nr;
};

static void add(struct list *list, u16 what, u16 how, u64 start, u64 end)
{
	if (list->rights)
		list->rights->right[list->nr] = (struct lwc_right) {
			.what = what, .how = how, .start = start, .end = end,
		};
	list->nr++;
}

static int grant(const struct lwc_spec *line, u64 start, u64 end, void *data)
{
	if (line->flags & LWC_SPEC_MAY_OVERLAY)
		add(data, line->what, LWC_HOW_SHARE, start, end);
	return 0;
}

/* What is in both the old rights and a line: COPY is less than SHARE */
static int keep(const struct lwc_spec *line, u64 start, u64 end, void *data)
{
	struct list *list = data;
	unsigned int i;

	if (line->how == LWC_HOW_UNMAP)
		return 0;
	if (list->old->all) {
		add(list, line->what, line->how, start, end);
		return list->nr > LWC_MAX_RIGHTS ? -E2BIG : 0;
	}
	for (i = 0; i < list->old->nr; i++) {
		const struct lwc_right *r = &list->old->right[i];

		if (r->what == line->what && r->start < end && start < r->end)
			add(list, r->what, min(r->how, line->how),
			    max(start, r->start), min(end, r->end));
	}
	return list->nr > LWC_MAX_RIGHTS ? -E2BIG : 0;
}

static int collect(struct list *list, const struct lwc_specs *specs,
		   lwc_piece_fn fn)
{
	u16 what;
	int err;

	list->nr = 0;
	for (what = LWC_WHAT_MEMORY; what <= LWC_WHAT_CRED; what++) {
		err = lwc_specs_each(specs, what, fn, list);
		if (err)
			return err;
	}
	return 0;
}

static struct lwc_rights *make(const struct lwc_specs *specs,
			       const struct lwc_rights *old, lwc_piece_fn fn)
{
	struct list list = { .old = old };
	int err = collect(&list, specs, fn);

	if (err)
		return ERR_PTR(err);
	list.rights = kzalloc(struct_size(list.rights, right, list.nr),
			      GFP_KERNEL_ACCOUNT);
	if (!list.rights)
		return ERR_PTR(-ENOMEM);
	list.rights->nr = list.nr;
	collect(&list, specs, fn);
	return list.rights;
}

/**
 * lwc_rights_granted - the rights that MAY_OVERLAY gives
 * @specs: a specification for lwc_create()
 *
 * Return: the rights, to be freed with kfree(), or an ERR_PTR: -ENOMEM.
 */
struct lwc_rights *lwc_rights_granted(const struct lwc_specs *specs)
{
	return make(specs, NULL, grant);
}

/**
 * lwc_rights_cover - is a range allowed?
 * @rights: of a descriptor, or NULL for none
 * @what: LWC_WHAT_*
 * @how: LWC_HOW_COPY or LWC_HOW_SHARE
 * @start: of the range
 * @end: first one behind
 *
 * Return: whether all of it is.
 */
bool lwc_rights_cover(const struct lwc_rights *rights, u16 what, u16 how,
		      u64 start, u64 end)
{
	unsigned int i = 0;

	if (!rights)
		return false;
	if (rights->all)
		return true;
	while (start < end && i < rights->nr) {
		const struct lwc_right *r = &rights->right[i++];

		if (r->what != what || r->how < how ||
		    start < r->start || start >= r->end)
			continue;
		start = r->end;
		i = 0;
	}
	return start >= end;
}

/* Is everything of a class allowed, in every way? */
bool lwc_rights_whole(const struct lwc_rights *rights, u16 what)
{
	u64 end = what == LWC_WHAT_MEMORY ? TASK_SIZE_MAX :
		  what == LWC_WHAT_FILES ? LWC_FILES_END : 1;

	return lwc_rights_cover(rights, what, LWC_HOW_SHARE, 0, end);
}

static int covered(const struct lwc_spec *line, u64 start, u64 end, void *data)
{
	return lwc_rights_cover(data, line->what, line->how, start, end) ?
		0 : -EPERM;
}

/* Is all that a specification for lwc_overlay() asks for allowed? */
bool lwc_rights_cover_specs(const struct lwc_rights *rights,
			    const struct lwc_specs *specs)
{
	u16 what;

	for (what = LWC_WHAT_MEMORY; what <= LWC_WHAT_CRED; what++)
		if (lwc_specs_each(specs, what, covered, (void *)rights))
			return false;
	return true;
}

static struct file *restricted(struct file *file, struct lwc *lwc,
			       const struct lwc_specs *specs)
{
	static const struct lwc_rights none;
	const struct lwc_rights *old = lwc_file_rights(file) ?: &none;
	struct lwc_rights *rights = make(specs, old, keep);
	struct file *new;

	if (IS_ERR(rights))
		return ERR_CAST(rights);
	new = lwc_file_new(lwc, rights);
	kfree(rights);
	return new;
}

/**
 * lwc_do_restrict - take rights from a descriptor of the caller
 * @nr: the descriptor
 * @specs: what may remain
 *
 * Return: 0, or -EBADF, -EINVAL, -ESTALE as of lwc_from_fd(), -E2BIG too many
 * pieces, -ENOMEM, -ENFILE.
 */
int lwc_do_restrict(int nr, const struct lwc_specs *specs)
{
	struct file *file = lwc_fd_file(nr);
	struct file *new;
	struct lwc *lwc;
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	lwc = lwc_from_file(file);
	if (IS_ERR(lwc)) {
		err = PTR_ERR(lwc);
		goto out;
	}
	new = restricted(file, lwc, specs);
	lwc_put(lwc);
	err = PTR_ERR_OR_ZERO(new);
	if (err)
		goto out;
	err = lwc_fd_replace(nr, file, new);
	if (err)
		fput(new);
out:
	fput(file);
	return err;
}
