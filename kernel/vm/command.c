// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the command: starts it, carries its streams between its pipes (or terminal) and the ports to the host, and waits for its end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "init.h"

struct stream {
	int in, out;			/* forwarded from, to; -1 when done */
	unsigned long long done;	/* bytes forwarded */
	unsigned long long end;		/* where the host says that it ends: QEMU drops what is unread when the host closes a port */
};

static void write_all(int fd, const char *data, ssize_t length)
{
	while (length > 0) {
		ssize_t put = write(fd, data, length);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return;
		data += put;
		length -= put;
	}
}

/* Returns whether anything came. */
static bool forward(struct stream *stream)
{
	char buffer[65536];
	ssize_t got = read(stream->in, buffer, sizeof(buffer));

	if (got > 0) {
		write_all(stream->out, buffer, got);
		stream->done += got;
		return true;
	}
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	close(stream->in);
	stream->in = -1;
	return false;
}

/* A terminal has no end of its own: closing it would hang up its program. */
static void close_at_end(struct stream *stream)
{
	if (stream->out < 0 || stream->done < stream->end || spec.tty)
		return;
	close(stream->out);
	stream->out = -1;
}

static void __attribute__((noreturn)) become_command(int in, int out, int error)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (spec.tty)
		ioctl(in, TIOCSCTTY, 0);
	dup2(in, 0);
	dup2(out, 1);
	dup2(error, 2);
	if (spec.tty)
		close(in);
	environ = spec.envp;
	if (chdir(spec.cwd) < 0) {
		fprintf(stderr, "run: cannot enter %s in the guest: %s\n", spec.cwd, strerror(errno));
		_exit(126);
	}
	execvp(spec.argv[0], spec.argv);
	fprintf(stderr, "run: %s: %s\n", spec.argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* The command's side of each stream is a pipe (or a terminal), not the port: a port can be opened once only, and programs reopen /dev/stderr. */
static pid_t start_command(struct stream *streams, int *terminal)
{
	int in[2], out[2], error[2];
	pid_t child;

	*terminal = -1;
	if (spec.tty) {
		if (openpty(terminal, &in[0], NULL, NULL, &spec.size) < 0)
			fail("openpty");
		fcntl(*terminal, F_SETFD, FD_CLOEXEC);
		out[1] = error[1] = in[0];
		streams[0].out = *terminal;
		streams[1].in = dup(*terminal);
		fcntl(streams[1].in, F_SETFD, FD_CLOEXEC);
		streams[2].in = -1;
	} else {
		if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0)
			fail("pipe");
		streams[0].out = in[1];
		streams[1].in = out[0];
		streams[2].in = error[0];
	}
	child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0)
		become_command(in[0], out[1], error[1]);
	close(in[0]);
	if (!spec.tty) {
		close(out[1]);
		close(error[1]);
	}
	return child;
}

/* As the first process we inherit every orphan; only the command's end ends the run. */
static bool reap(pid_t command, int *status)
{
	bool ended = false;
	int result;
	pid_t pid;

	while ((pid = waitpid(-1, &result, WNOHANG)) > 0) {
		if (pid == command) {
			*status = result;
			ended = true;
		}
	}
	return ended;
}

/* The host tells of a new window size, and of the end of the input. */
static void read_control(int terminal, struct stream *input)
{
	static char buffer[256];
	static size_t fill;
	ssize_t got = read(control, buffer + fill, sizeof(buffer) - 1 - fill);
	struct winsize size = { 0 };
	char *line = buffer, *newline;

	if (got <= 0)
		return;
	fill += got;
	buffer[fill] = '\0';
	while ((newline = strchr(line, '\n'))) {
		if (terminal >= 0 && sscanf(line, "winsize %hu %hu", &size.ws_row, &size.ws_col) == 2)
			ioctl(terminal, TIOCSWINSZ, &size);
		sscanf(line, "eof %llu", &input->end);
		line = newline + 1;
	}
	fill -= line - buffer;
	memmove(buffer, line, fill);
}

static void drain(struct stream *stream)
{
	if (stream->in < 0)
		return;
	fcntl(stream->in, F_SETFL, O_NONBLOCK);
	while (stream->in >= 0 && forward(stream))
		;
}

int run_command(void)
{
	struct stream streams[3] = {
		{ .in = open_port("lwc.stdin", O_RDONLY), .end = -1ULL },
		{ .out = open_port("lwc.stdout", O_WRONLY) },
		{ .out = open_port("lwc.stderr", O_WRONLY) },
	};
	int terminal, status = 0, signals;
	sigset_t mask;
	pid_t command;

	if (streams[0].in < 0 || streams[1].out < 0 || streams[2].out < 0)
		fail("opening the streams");
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	command = start_command(streams, &terminal);
	for (;;) {
		struct pollfd polls[5] = {
			{ .fd = signals, .events = POLLIN },	{ .fd = control, .events = POLLIN },
			{ .fd = streams[0].out < 0 ? -1 : streams[0].in, .events = POLLIN },
			{ .fd = streams[1].in, .events = POLLIN }, { .fd = streams[2].in, .events = POLLIN },
		};

		if (poll(polls, 5, -1) < 0 && errno != EINTR)
			fail("poll");
		for (int i = 0; i < 3; i++) {
			if (polls[i + 2].fd >= 0 && polls[i + 2].revents)
				forward(&streams[i]);
		}
		if (polls[1].revents & POLLIN)
			read_control(terminal, &streams[0]);
		close_at_end(&streams[0]);
		if (polls[0].revents) {
			struct signalfd_siginfo info;

			if (read(signals, &info, sizeof(info)) > 0 && reap(command, &status))
				break;
		}
	}
	drain(&streams[1]);
	drain(&streams[2]);
	return status;
}
