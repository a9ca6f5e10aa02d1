// SPDX-License-Identifier: Apache-2.0
// Stands for an extension that is loaded with RTLD_DEEPBIND: one reference of each kind to libc.
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t (*in_data)(int, void *, size_t) = read;

void *as_address(void)
{
	return (void *)(uintptr_t)read;
}

off_t by_call(int fd)
{
	return lseek(fd, 0, SEEK_CUR);
}
