/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two parts of the guest's first process share */
#ifndef LWC_VM_INIT_H
#define LWC_VM_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>

enum { MAX_RECORDS = 4096 };

/* What /spec says */
struct spec {
	char *argv[MAX_RECORDS];
	char *envp[MAX_RECORDS];
	char *share[MAX_RECORDS];
	size_t argc, envc, sharec;
	const char *cwd;
	bool tty, net, swap, leak_check;
	struct winsize size;
};

extern struct spec spec;
extern int control;	/* the port to the host, or -1 */

/* init.c */
void fail(const char *what) __attribute__((noreturn));
int open_port(const char *name, int flags);

/* command.c */
int run_command(void);

#endif /* LWC_VM_INIT_H */
