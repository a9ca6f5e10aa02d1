// SPDX-License-Identifier: GPL-2.0-only
/* Light-weight contexts: arguments and errors of every call, in their order */
#include "lwc_test.h"

TEST(version_answers_whatever_else_is_said)
{
	EXPECT_EQ(LWC_ABI_VERSION, lwc_ctl(LWC_CTL_VERSION, -1, NULL, 0));
	EXPECT_EQ(LWC_ABI_VERSION, lwc_ctl(LWC_CTL_VERSION, 12345, (void *)1, 7));
}

TEST(features_has_no_unknown_bit)
{
	long features = lwc_ctl(LWC_CTL_FEATURES, -1, NULL, 0);

	EXPECT_LT(0, features);
	EXPECT_EQ(0, features & ~0xfffL);
}

TEST(ctl_errors)
{
	struct lwc_info info;

	EXPECT_EQ(-EINVAL, lwc_ctl(999, -1, NULL, 0));
	EXPECT_EQ(-EBADF, lwc_ctl(LWC_CTL_INFO, 250, &info, sizeof(info)));
	EXPECT_EQ(-EINVAL, lwc_ctl(LWC_CTL_INFO, 0, &info, sizeof(info)));
	EXPECT_EQ(-EINVAL, lwc_ctl(LWC_CTL_INFO, -1, &info, 4));
	EXPECT_EQ(-EFAULT, lwc_ctl(LWC_CTL_INFO, -1, (void *)1, sizeof(info)));
	EXPECT_EQ(-EOPNOTSUPP, lwc_ctl(LWC_CTL_ROLLBACK, -1, NULL, 0));
}

TEST(info_takes_any_size)
{
	struct {
		struct lwc_info info;
		char more[64];
	} big;

	memset(&big, 0xaa, sizeof(big));
	ASSERT_EQ(0, lwc_ctl(LWC_CTL_INFO, -1, &big, sizeof(big)));
	EXPECT_EQ(1, big.info.threads);
	EXPECT_EQ(0, big.more[0]);
	EXPECT_EQ(0, big.more[63]);
	memset(&big, 0xaa, sizeof(big));
	ASSERT_EQ(0, lwc_ctl(LWC_CTL_INFO, -1, &big, 8));
	EXPECT_EQ(0xaaaaaaaaaaaaaaaaULL, big.info.creator);
}

TEST(create_checks_its_arguments)
{
	struct {
		struct lwc_create_args args;
		uint64_t more;
	} a = { };
	struct lwc_event event;

	EXPECT_EQ(-EINVAL, lwc_create_raw(&a, 4, &event, sizeof(event)));
	EXPECT_EQ(-EFAULT, lwc_create_raw((void *)1, sizeof(a.args), &event,
					  sizeof(event)));
	a.more = 1;
	EXPECT_EQ(-E2BIG, lwc_create_raw(&a, sizeof(a), &event, sizeof(event)));
	a.more = 0;
	a.args.flags = 1ULL << 63;
	EXPECT_EQ(-EINVAL, lwc_create_raw(&a, sizeof(a), &event, sizeof(event)));
	a.args.flags = 0;
	a.args.__pad = 1;
	EXPECT_EQ(-EINVAL, lwc_create_raw(&a, sizeof(a), &event, sizeof(event)));
	a.args.__pad = 0;
	EXPECT_EQ(-EINVAL, lwc_create_raw(&a, sizeof(a), &event, 4));
	EXPECT_EQ(-EFAULT, lwc_create_raw(&a, sizeof(a), (void *)-4096L,
					  sizeof(event)));
	a.args.specs = 4096;
	EXPECT_EQ(-EINVAL, lwc_create_raw(&a, sizeof(a), &event, sizeof(event)));
	a.args.nr_specs = 1;
	EXPECT_EQ(-EFAULT, lwc_create_raw(&a, sizeof(a), &event, sizeof(event)));
	a.args.nr_specs = 1000000;
	EXPECT_EQ(-EINVAL, lwc_create_raw(&a, sizeof(a), &event, sizeof(event)));
}

static long create_with(struct lwc_spec spec)
{
	struct lwc_create_args args = {
		.specs = (uintptr_t)&spec, .nr_specs = 1,
	};
	struct lwc_event event;
	long fd = lwc_create_raw(&args, sizeof(args), &event, sizeof(event));

	if (fd >= 0)
		close(fd);
	return fd;
}

TEST(create_checks_its_specs)
{
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) { .what = 0, .how = 1 }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) { .what = 4, .how = 1 }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) { .what = 1, .how = 9 }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) {
		.what = LWC_WHAT_MEMORY, .how = LWC_HOW_UNMAP,
		.start = 4097, .end = 8192 }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) {
		.what = LWC_WHAT_MEMORY, .how = LWC_HOW_UNMAP,
		.start = 8192, .end = 4096 }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) {
		.what = LWC_WHAT_FILES, .how = LWC_HOW_UNMAP,
		.start = 5, .end = 4 }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) {
		.what = LWC_WHAT_MEMORY, .how = LWC_HOW_UNMAP,
		.flags = LWC_SPEC_ALL }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) {
		.what = LWC_WHAT_CRED, .how = LWC_HOW_UNMAP }));
	EXPECT_EQ(-EINVAL, create_with((struct lwc_spec) {
		.what = LWC_WHAT_FILES, .how = LWC_HOW_COPY, .flags = 1U << 30 }));
	EXPECT_LE(0, create_with((struct lwc_spec) {
		.what = LWC_WHAT_FILES, .how = LWC_HOW_COPY,
		.flags = LWC_SPEC_ALL }));
}

TEST(create_gives_a_close_on_exec_descriptor)
{
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	ASSERT_LE(0, fd);
	ASSERT_NE(LWC_ENTERED, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, close(fd));
	fd = lwc_create(LWC_CREATE_KEEP_EXEC, &event);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(0, close(fd));
}

TEST(switch_checks_its_arguments)
{
	struct lwc_switch_args a = { };
	struct lwc_event event;
	long fd = lwc_create(0, &event);

	if (fd == LWC_ENTERED)
		leave(event.creator, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, lwc_switch_raw(fd, &a, 2, &event, sizeof(event)));
	EXPECT_EQ(-EFAULT, lwc_switch_raw(fd, (void *)1, sizeof(a), &event,
					  sizeof(event)));
	a.flags = 1U << 31;
	EXPECT_EQ(-EINVAL, lwc_switch_args(fd, &a, &event));
	a.flags = 0;
	a.__pad = 1;
	EXPECT_EQ(-EINVAL, lwc_switch_args(fd, &a, &event));
	a.__pad = 0;
	a.result = 1;
	EXPECT_EQ(-EINVAL, lwc_switch_args(fd, &a, &event));
	a.result = 0;
	a.flags = LWC_SWITCH_DISCARD;
	a.wall_ns = 1;
	EXPECT_EQ(-EINVAL, lwc_switch_args(fd, &a, &event));
	a = (struct lwc_switch_args) { .flags = LWC_SWITCH_RESULT };
	EXPECT_EQ(-EINVAL, lwc_switch_args(fd, &a, &event));
	a = (struct lwc_switch_args) { .flags = LWC_SWITCH_ROLLBACK };
	EXPECT_EQ(-EOPNOTSUPP, lwc_switch_args(fd, &a, &event));
	a.flags = 0;
	EXPECT_EQ(-EINVAL, lwc_switch_raw(fd, &a, sizeof(a), &event, 2));
	EXPECT_EQ(-EBADF, lwc_switch_args(250, &a, &event));
	EXPECT_EQ(-EINVAL, lwc_switch_args(0, &a, &event));
	/* And it still works */
	EXPECT_EQ(0, lwc_switch_args(fd, &a, &event));
	EXPECT_EQ(0, close(fd));
}

TEST_HARNESS_MAIN
