# SPDX-License-Identifier: Apache-2.0
"""State of the process, and ways for a request to end badly."""

from .case import Table

process = Table()

process.line("umask") \
    .add("umask", "umask(0177);", "umask()") \
    .add("umask by C code", "libc()->umask(0177);", "umask()")
process.line("chdir") \
    .add("chdir", "chdir('/usr');", "getcwd()") \
    .add("chdir by C code", "libc()->chdir('/usr');", "getcwd()")
process.line("open files and offsets") \
    .add("open file", "file_put_contents(scratch() . '/opened', 'x');"
         " $GLOBALS['f'] = fopen(scratch() . '/opened', 'r');", "descriptors('/opened')") \
    .add("file opened by C code", "file_put_contents(scratch() . '/opened', 'x');"
         " libc()->open(scratch() . '/opened', 0, 0);", "descriptors('/opened')") \
    .add("memfd", "libc()->memfd_create('leaked', 0);", "descriptors('leaked')") \
    .add("descriptor closed", "libc()->close(0);", "file_exists('/proc/self/fd/0')") \
    .add("descriptor replaced", "libc()->dup2(libc()->open('/etc/passwd', 0, 0), 0);", "readlink('/proc/self/fd/0')") \
    .add("flags of an inherited descriptor", "libc()->fcntl(0, 4, libc()->fcntl(0, 3, 0) | 02000);",
         "libc()->fcntl(0, 3, 0) & 02000", fresh_first=True) \
    .add("offset of an inherited descriptor", "libc()->lseek(opcache_lock(), 77, 0);", "libc()->lseek(opcache_lock(), 0, 1)",
         fresh_first=True) \
    .add("close-on-exec of an inherited descriptor", "libc()->fcntl(0, 2, 1);", "libc()->fcntl(0, 1, 0)")
process.line("temp files").add("tmpfile", "$GLOBALS['t'] = tmpfile(); fwrite($GLOBALS['t'], 'x');",
                               "count(glob(scratch() . '/php*'))")
process.line("flock") \
    .add("flock", "flock($GLOBALS['f'] = fopen(scratch() . '/lock', 'c'), LOCK_EX);", "lock_is_free()") \
    .add("flock by C code", "libc()->flock(libc()->open(scratch() . '/lock', 0102, 0666), 2);", "lock_is_free()") \
    .add("SysV semaphore", "sem_acquire(sem_get(ftok(scratch(), 'l'), 1, 0666, false));",
         "sem_acquire(sem_get(ftok(scratch(), 'l'), 1, 0666, false), true)")
process.line("sockets") \
    .add("listening socket", "$GLOBALS['s'] = stream_socket_server('unix://' . scratch() . '/listening');",
         "@stream_socket_client('unix://' . scratch() . '/listening') !== false") \
    .add("connection by the sockets extension",
         "$s = $GLOBALS['s'] = socket_create(AF_UNIX, SOCK_STREAM, 0); socket_connect($s, echo_socket());",
         "connections_to_echo()") \
    .add("connection kept by curl",
         "curl_exec($GLOBALS['c'] = echo_curl());", "connections_to_echo()")
process.line("persistent streams (pfsockopen)") \
    .add("pfsockopen", "ask(pfsockopen('unix://' . echo_socket()), 'set');",
         "ask(pfsockopen('unix://' . echo_socket()), 'get')")
process.line("pcntl handlers") \
    .add("pcntl_signal", "pcntl_signal(SIGUSR2, fn () => null);", "pcntl_signal_get_handler(SIGUSR2)",
         needs="pcntl_signal") \
    .add("pcntl_async_signals", "pcntl_async_signals(true);", "pcntl_async_signals()", needs="pcntl_async_signals") \
    .add("signal ignored by C code", "libc()->signal(23, pointer(1));", "signal_state()") \
    .add("signal caught by C code", "libc()->signal(23, address_of('getpid'));", "signal_state()") \
    .add("signal blocked", "block_signal(23);", "signal_state()") \
    .add("signal pending", "block_signal(23); libc()->raise(23);", "status_line('SigPnd')")
process.line("alarms") \
    .add("pcntl_alarm", "pcntl_alarm(1000);", "pcntl_alarm(0)", needs="pcntl_alarm") \
    .add("alarm", "libc()->alarm(1000);", "timer_armed(0)") \
    .add("virtual timer", "arm_timer(1);", "timer_armed(1)") \
    .add("profiling timer", "arm_timer(2);", "timer_armed(2)") \
    .add("POSIX timer", "$id = FFI::new('void *'); libc()->timer_create(1, null, FFI::addr($id));",
         "@file_get_contents('/proc/self/timers')")
process.line("posix limits") \
    .add("limit of open files", "lower_limit(7, 77);", "limit(7)") \
    .add("limit of file size", "lower_limit(1, 1 << 20);", "limit(1)") \
    .add("hard limit of core size", "lower_limit(4, 0, 4096);", "limit(4)")
process.line("nice") \
    .add("proc_nice", "proc_nice(3);", "priority()") \
    .add("CPU affinity", "$set = FFI::new('char[128]'); $set[0] = 1;"
         " libc()->sched_setaffinity(0, 128, FFI::addr($set));", "affinity()") \
    .add("process name", "name_process('leaked');",
         "str_contains(file_get_contents('/proc/self/comm'), 'leaked')") \
    .add("timer slack", "file_put_contents('/proc/self/timerslack_ns', '5000000');",
         "file_get_contents('/proc/self/timerslack_ns')") \
    .add("no_new_privs", "libc()->prctl(38, 1, 0, 0, 0);", "status_line('NoNewPrivs')") \
    .add("subreaper", "libc()->prctl(36, 1, 0, 0, 0);", "subreaper()") \
    .add("thread", "$id = FFI::new('unsigned long'); libc()->pthread_create(FFI::addr($id), null,"
         " address_of('pause'), null);", "threads()")
process.line("child processes left behind") \
    .add("fork", "leave_child(true);", "unwaited_child()")
process.line("zombie children").add("zombie", "leave_child(false);", "unwaited_child()")
process.line("FFI writes to libc globals") \
    .add("opterr", "libc()->opterr = 77;", "libc()->opterr") \
    .add("rounding mode", "libc()->fesetround(0x400);", "libc()->fegetround()") \
    .add("page protection", "libc()->mprotect(pointer(data_page()), 4096, 7);", "mapping_at(data_page())") \
    .add("code patched", "patch_code();", "patched_code()")
process.line("memory peak").add(
    "memory peak", "str_repeat('x', 90 << 20);", "memory_get_peak_usage() > (40 << 20)",
    ini={"memory_limit": "256M"})
process.line("memory limit").add("memory limit", "ini_set('memory_limit', '77M');", "ini_get('memory_limit')")
process.line("huge allocations") \
    .add("huge string", "$GLOBALS['s'] = str_repeat('x', 150 << 20);", "intval(status_line('VmRSS')) > 120 << 10",
         ini={"memory_limit": "1G"}) \
    .add("malloc by C code", "libc()->memset(libc()->malloc(150 << 20), 1, 150 << 20);",
         "intval(status_line('VmRSS')) > 120 << 10") \
    .add("program break", "libc()->memset(libc()->sbrk(150 << 20), 1, 150 << 20);",
         "intval(status_line('VmRSS')) > 120 << 10") \
    .add("locked memory", "libc()->mlock(libc()->malloc(1 << 16), 1 << 14);", "status_line('VmLck')")
process.line("mmaps by extensions") \
    .add("mapping added", "map_at(0x200000000000, 1 << 16);", "mapping_at(0x200000000000)") \
    .add("shared mapping added", "map_at(0x200000000000, 1 << 16, 0x100021);", "mapping_at(0x200000000000)") \
    .add("mapping added and protected", "map_at(0x200000000000, 1 << 16); libc()->mprotect(pointer(0x200000000000), 4096, 1);",
         "mapping_at(0x200000000000)")
process.line("realpath cache") \
    .add("realpath cache", "realpath('/usr/share/doc');", "isset(realpath_cache_get()['/usr/share/doc'])") \
    .add("stat cache", "$f = common() . '/statted'; file_put_contents($f, 'x'); clearstatcache();"
         " filesize($f); exec('printf 123 > ' . escapeshellarg($f));", "filesize(common() . '/statted')")
process.line("opcache_reset in a request").add(
    "opcache_reset", "opcache_reset();", "opcache_get_status(false)['opcache_enabled']", visible=False)

CRASH = "putenv('LEAKED=1'); libc()->opterr = 77; "
LEFT_BY_CRASH = "[getenv('LEAKED'), libc()->opterr]"


def ending(line: str, name: str, change: str, **more: object) -> None:
    """A request that ends badly after having changed something."""
    process.line(line).add(name, CRASH + change, LEFT_BY_CRASH, visible=False, answer="end", **more)


ending("fatal error in a destructor", "fatal error in a destructor",
       "$GLOBALS['d'] = new class { public function __destruct() { nowhere(); } };")
ending("exit in a shutdown function", "exit in a shutdown function", "register_shutdown_function(fn () => exit(7));")
ending("segfault", "segfault", "libc()->memset(pointer(16), 0, 1);")
ending("stack overflow", "stack overflow", "overflow_stack();")
ending("out of memory", "memory limit", "$s = str_repeat('x', 200 << 20);", ini={"memory_limit": "32M"})
ending("endless loop", "max_execution_time", "set_time_limit(1); while (true) {}")
ending("endless loop", "request_terminate_timeout", "while (true) {}", pool={"request_terminate_timeout": "6s"})
