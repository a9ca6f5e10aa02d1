// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of the guest: puts the host's files together with a writable layer, runs one command with its streams connected to the
 * host, and reports how it ended. It is linked statically and lives in the initramfs, because starting a shell and a dozen tools under
 * emulation takes longer than all of this.
 *
 * What to run is in /spec, as NUL-terminated records "key=value" (written by kernel/vm/run). Streams are virtio-serial ports named
 * lwc.control, lwc.stdin, lwc.stdout and lwc.stderr; the kernel log has the serial console for itself.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

struct spec spec;
int control = -1;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line to the host. */
static void say(const char *format, ...)
{
	char line[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (length < 0)
		return;
	if ((size_t)length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (control < 0 || write(control, line, length) != length)
		fprintf(stderr, "init: %s", line);
}

static void __attribute__((noreturn)) power_off(void)
{
	sync();
	reboot(RB_AUTOBOOT);	/* QEMU runs with -no-reboot */
	for (;;)
		pause();
}

void fail(const char *what)
{
	say("failed %s: %s", what, strerror(errno));
	power_off();
}

static bool read_file(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	size_t fill = 0;

	if (fd < 0)
		return false;
	while (fill < size - 1 && (got = read(fd, buffer + fill, size - 1 - fill)) > 0)
		fill += got;
	buffer[fill] = '\0';
	close(fd);
	return true;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* Missing file systems are not an error: Debian's kernel and ours differ in what they have. */
static void mount_at(const char *type, const char *where, unsigned long flags, const char *options)
{
	mkdir(where, 0755);
	mount(type, where, type, flags, options);
}

static void read_spec(void)
{
	static char text[1 << 20];
	struct stat status;
	int fd = open("/spec", O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0 || fstat(fd, &status) < 0 || status.st_size >= (off_t)sizeof(text))
		fail("reading /spec");
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	for (char *record = text; record < text + length; record += strlen(record) + 1) {
		char *value = strchr(record, '=');

		if (!value)
			continue;
		value++;
		if (!strncmp(record, "arg=", 4) && spec.argc < MAX_RECORDS - 1)
			spec.argv[spec.argc++] = value;
		else if (!strncmp(record, "env=", 4) && spec.envc < MAX_RECORDS - 1)
			spec.envp[spec.envc++] = value;
		else if (!strncmp(record, "share=", 6) && spec.sharec < MAX_RECORDS)
			spec.share[spec.sharec++] = value;
		else if (!strncmp(record, "cwd=", 4))
			spec.cwd = value;
		else if (!strncmp(record, "tty=", 4))
			spec.tty = sscanf(value, "%hu %hu", &spec.size.ws_row, &spec.size.ws_col) == 2;
		else if (!strncmp(record, "net=", 4))
			spec.net = true;
		else if (!strncmp(record, "swap=", 5))
			spec.swap = true;
		else if (!strncmp(record, "leaks=", 6))
			spec.leak_check = true;
	}
	if (!spec.argc || !spec.cwd) {
		errno = EINVAL;
		fail("/spec");
	}
}

/* Debian's kernel has virtio, 9p and overlayfs as modules; run puts them into the initramfs in the order of their dependencies. */
static void load_modules(void)
{
	char list[4096], *save = NULL;

	if (!read_file("/modules/list", list, sizeof(list)))
		return;
	for (char *name = strtok_r(list, "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
		char path[512];
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			fail(path);
		close(fd);
	}
}

/* Ports come up while the host answers over a control queue, so the name may be there only after a moment. */
int open_port(const char *wanted, int flags)
{
	for (int tries = 0; tries < 10000; tries++) {
		DIR *ports = opendir("/sys/class/virtio-ports");
		struct dirent *entry;

		while (ports && (entry = readdir(ports))) {
			char path[512], name[64] = "";

			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
			if (!read_file(path, name, sizeof(name)))
				continue;
			name[strcspn(name, "\n")] = '\0';
			if (strcmp(name, wanted))
				continue;
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			closedir(ports);
			return open(path, flags | O_CLOEXEC);
		}
		if (ports)
			closedir(ports);
		usleep(1000);
	}
	errno = ENODEV;
	return -1;
}

static void mount_root(void)
{
	static const char options[] = "trans=virtio,version=9p2000.L,msize=512000,cache=loose";

	mkdir("/lower", 0755);
	mkdir("/rw", 0755);
	mkdir("/root", 0755);
	if (mount("host", "/lower", "9p", MS_RDONLY, options) < 0)
		fail("mounting the host's files");
	if (mount("rw", "/rw", "tmpfs", 0, "size=75%,mode=755") < 0)
		fail("mounting tmpfs");
	mkdir("/rw/upper", 0755);
	mkdir("/rw/work", 0755);
	if (mount("root", "/root", "overlay", 0, "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work") < 0)
		fail("mounting the overlay");
	if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		fail("entering the overlay");
}

static void mount_shares(void)
{
	for (size_t i = 0; i < spec.sharec; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "share%zu", i);
		if (mount(tag, spec.share[i], "9p", 0, "trans=virtio,version=9p2000.L,msize=512000,cache=none") < 0)
			fail(spec.share[i]);
	}
}

static void mount_system(void)
{
	mount_at("proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	mount_at("sysfs", "/sys", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	mount_at("devtmpfs", "/dev", MS_NOSUID, NULL);
	mount_at("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
	mount_at("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_at("mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV, NULL);
	mount_at("hugetlbfs", "/dev/hugepages", MS_NOSUID | MS_NODEV, NULL);
	mount_at("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
	mkdir("/run/lock", 01777);
	mount_at("debugfs", "/sys/kernel/debug", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	mount_at("tracefs", "/sys/kernel/tracing", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	mount_at("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory +pids");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

static bool set_address(int fd, const char *device, const char *address, const char *mask)
{
	struct ifreq request = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;

	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	if (ioctl(fd, SIOCSIFADDR, &request) < 0)
		return false;
	inet_pton(AF_INET, mask, &in->sin_addr);
	if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
		return false;
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return false;
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* 10.0.2.15 and 10.0.2.2 are the guest and the gateway of QEMU's user-mode network. */
static void bring_up_network(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct sockaddr_in *gateway = (struct sockaddr_in *)&route.rt_gateway;

	route.rt_dst.sa_family = AF_INET;
	route.rt_genmask.sa_family = AF_INET;
	gateway->sin_family = AF_INET;
	inet_pton(AF_INET, "10.0.2.2", &gateway->sin_addr);
	if (fd < 0 || !set_address(fd, "lo", "127.0.0.1", "255.0.0.0"))
		fail("the loopback device");
	if (spec.net && (!set_address(fd, "eth0", "10.0.2.15", "255.255.255.0") || ioctl(fd, SIOCADDRT, &route) < 0))
		fail("eth0");
	close(fd);
}

/* The host has written the header of a swap area already. */
static void add_swap(void)
{
	if (spec.swap && swapon("/dev/vda", 0) < 0)
		fail("swapon /dev/vda");
}

static void set_limits(void)
{
	struct rlimit files = { .rlim_cur = 1024, .rlim_max = 524288 };

	setrlimit(RLIMIT_NOFILE, &files);
	sethostname("guest", 5);
	umask(022);
}

/* What the command left running must end too before the kernel's state is looked at. */
static void end_everything(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

/*
 * kmemleak reports an object only when it is older than five seconds, and a pointer may move about while one scan runs: so wait, and take
 * what a second scan still finds. Its report goes to the kernel log's reader by way of the control port.
 */
static void report_leaks(void)
{
	static char report[1 << 16];
	char *save = NULL;

	if (!spec.leak_check || access("/sys/kernel/debug/kmemleak", W_OK) < 0)
		return;
	sleep(6);
	if (!write_file("/sys/kernel/debug/kmemleak", "scan") || !write_file("/sys/kernel/debug/kmemleak", "scan")) {
		say("failed kmemleak scan: %s", strerror(errno));
		return;
	}
	if (!read_file("/sys/kernel/debug/kmemleak", report, sizeof(report)))
		return;
	for (char *line = strtok_r(report, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		say("leak %s", line);
}

static void report_end(int status)
{
	char tainted[32] = "0";

	read_file("/proc/sys/kernel/tainted", tainted, sizeof(tainted));
	tainted[strcspn(tainted, "\n")] = '\0';
	say("tainted %s", tainted);
	if (WIFSIGNALED(status))
		say("signal %d", WTERMSIG(status));
	else
		say("exit %d", WEXITSTATUS(status));
}

int main(void)
{
	int status;

	mount_at("devtmpfs", "/dev", 0, NULL);
	mount_at("proc", "/proc", 0, NULL);
	mount_at("sysfs", "/sys", 0, NULL);
	load_modules();
	control = open_port("lwc.control", O_RDWR);
	if (control < 0)
		fail("opening the control port");
	read_spec();
	mount_root();
	mount_system();
	mount_shares();
	bring_up_network();
	add_swap();
	set_limits();
	say("ready");
	status = run_command();
	end_everything();
	report_leaks();
	report_end(status);
	power_off();
}
