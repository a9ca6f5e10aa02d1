/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of doors share: a secret that a child was made without */
#ifndef LWC_DOORS_H
#define LWC_DOORS_H

#include <sys/uio.h>

#include "lwc_spec.h"

#define SECRET 0x5ec2e75ec2e7L

static inline long create_without(void *secret, struct lwc_event *event)
{
	return CREATE(LWC_CREATE_TRAP_FAULT, event, MEM(UNMAP, 0, secret, 1));
}

/* -errno, or the value that the file has at the address */
static inline long read_at(int fd, void *address)
{
	long value = 0, ret;

	ret = pread(fd, &value, sizeof(value), (off_t)(uintptr_t)address);
	return ret == sizeof(value) ? value : ret < 0 ? -errno : -EIO;
}

static inline long write_at(int fd, void *address, long value)
{
	long ret = pwrite(fd, &value, sizeof(value), (off_t)(uintptr_t)address);

	return ret == sizeof(value) ? 0 : ret < 0 ? -errno : -EIO;
}

static inline long read_file(const char *path, void *address)
{
	int fd = open(path, O_RDONLY);
	long ret;

	if (fd < 0)
		return -errno;
	ret = read_at(fd, address);
	close(fd);
	return ret;
}

static inline long read_vm(pid_t pid, void *address)
{
	long value = 0;
	struct iovec local = { &value, sizeof(value) };
	struct iovec remote = { address, sizeof(value) };
	ssize_t ret = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return ret == sizeof(value) ? value : ret < 0 ? -errno : -EIO;
}

static inline long write_vm(pid_t pid, void *address, long value)
{
	struct iovec local = { &value, sizeof(value) };
	struct iovec remote = { address, sizeof(value) };
	ssize_t ret = process_vm_writev(pid, &local, 1, &remote, 1, 0);

	return ret == sizeof(value) ? 0 : ret < 0 ? -errno : -EIO;
}

#endif /* LWC_DOORS_H */
