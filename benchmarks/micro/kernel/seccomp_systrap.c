/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "micro.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kAnswer = 4711 };

static pid_t child;
static int listener;

static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

union descriptor_message {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static void prepare_message(struct msghdr *message, struct iovec *part, char *byte, union descriptor_message *control)
{
	*part = (struct iovec){ .iov_base = byte, .iov_len = 1 };
	*message = (struct msghdr){ .msg_iov = part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(*control) };
}

static void send_descriptor(int socket, int descriptor)
{
	union descriptor_message control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct msghdr message;
	struct iovec part;
	char byte = 0;

	prepare_message(&message, &part, &byte, &control);
	memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(descriptor));
	check(sendmsg(socket, &message, 0) == 1, "sendmsg");
}

static int receive_descriptor(int socket)
{
	union descriptor_message control;
	struct msghdr message;
	struct iovec part;
	char byte;
	int descriptor;

	prepare_message(&message, &part, &byte, &control);
	check(recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message), "recvmsg");
	memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(descriptor));
	return descriptor;
}

static void setup(const struct parameters *parameters)
{
	int sockets[2];

	(void)parameters;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "socketpair");
	child = fork();
	check(child >= 0, "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		send_descriptor(sockets[1], install_filter());
		for (;;) {
			if (syscall(SYS_getppid) != kAnswer)
				__builtin_trap();
		}
	}
	listener = receive_descriptor(sockets[0]);
}

static void run(unsigned long rounds)
{
	struct seccomp_notif request;
	struct seccomp_notif_resp answer;

	while (rounds--) {
		memset(&request, 0, sizeof(request));
		check(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0, "SECCOMP_IOCTL_NOTIF_RECV");
		answer = (struct seccomp_notif_resp){ .id = request.id, .val = kAnswer };
		check(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0, "SECCOMP_IOCTL_NOTIF_SEND");
	}
}

static void teardown(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

const struct operation operation = {
	.name = "seccomp_systrap", .what = "a system call that seccomp's user notification has another process answer", .setup = setup, .run = run, .teardown = teardown
};
