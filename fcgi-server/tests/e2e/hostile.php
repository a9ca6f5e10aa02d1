<?php
// SPDX-License-Identifier: Apache-2.0
// A request that was taken over: looks, with system calls of its choice, for what is not its own. Its answer is what it got.
$c = FFI::cdef('long syscall(long number, ...); int *__errno_location(void);');
const PTRACE = 101, PROCESS_VM_READV = 310, PIDFD_OPEN = 434, PIDFD_GETFD = 438, MPROTECT = 10, MUNMAP = 11, MREMAP = 25, GETSOCKOPT = 55;
const LWC_OVERLAY = 603, LWC_SYSCALL = 604, LWC_CTL = 605;

function call(int $number, int ...$arguments): bool
{
    global $c;
    return $c->syscall($number, ...array_pad($arguments, 6, 0)) >= 0;
}

/** Where it lies. */
function at(FFI\CData $data): int
{
    $pointer = FFI::addr($data);
    return FFI::cast('long', $pointer)->cdata;
}

function option(int $fd, int $option): ?int
{
    $value = FFI::new('int[2]');
    $value[1] = 4;
    $at = at($value);
    return call(GETSOCKOPT, $fd, 1, $option, $at, $at + 4) ? $value[0] : null;
}

$found = ['descriptors' => [], 'secrets' => [], 'shared' => [], 'contexts' => [], 'processes' => [], 'pid' => getmypid()];

foreach (scandir('/proc/self/fd') as $fd) {
    $target = $fd[0] === '.' ? false : @readlink("/proc/self/fd/$fd");
    if ($target !== false) {
        $found['descriptors'][] = ['fd' => (int) $fd, 'is' => $target, 'type' => option((int) $fd, 3), 'listens' => option((int) $fd, 30)];
        if (str_contains($target, '[lwc]')) {
            $spec = FFI::new('struct { unsigned short what, how; unsigned flags; unsigned long start, end; }');
            [$spec->what, $spec->how, $spec->flags] = [1, 1, 2]; // all memory, a copy
            $at = at($spec);
            $borrow = FFI::new('struct { unsigned mask, flags; unsigned long nr, args[6]; }');
            [$borrow->mask, $borrow->nr] = [7, 39]; // getpid
            $found['contexts'][] = [
                'overlay' => call(LWC_OVERLAY, (int) $fd, $at, 1, 24),
                'borrow' => call(LWC_SYSCALL, (int) $fd, at($borrow), 64),
                'rollback' => call(LWC_CTL, 3, (int) $fd, 0, 0),
                'fork' => call(LWC_CTL, 4, -1, 0, 1),
            ];
        }
    }
}

$mem = fopen('/proc/self/mem', 'r+');
stream_set_read_buffer($mem, 0);
stream_set_write_buffer($mem, 0);
$tokens = [];
foreach (file('/proc/self/maps') as $line) {
    sscanf($line, '%x-%x %s %x %s %d %s', $from, $to, $mode, $offset, $device, $inode, $name);
    if ($mode[3] === 's' && str_starts_with((string) $name, '/dev/zero')) {
        $entry = ['mode' => $mode, 'pages' => ($to - $from) >> 12];
        if ($mode[1] === '-') {
            fseek($mem, $from);
            $entry += [
                'written' => @fwrite($mem, 'x') > 0,
                'unprotected' => call(MPROTECT, $from, $to - $from, 3),
                'mapped again' => call(MREMAP, $from, 0, $to - $from, 1),
                'unmapped' => call(MUNMAP, $from, 4096),
            ];
        }
        $found['shared'][] = $entry;
    }
    if ($mode[0] !== 'r' || str_starts_with((string) $name, '[v')) {
        continue;
    }
    for ($rest = ''; $from < $to; $from += 1 << 18) {
        fseek($mem, $from);
        $rest .= @fread($mem, min(1 << 18, $to - $from));
        preg_match_all('/TOP[S]ECRET-[a-z]+/', $rest, $matches);
        foreach ($matches[0] as $match) {
            $tokens[$match] = true;
        }
        $rest = substr($rest, -64);
    }
}
$found['secrets'] = array_keys($tokens);

foreach (array_filter(explode(',', $_SERVER['OTHERS'] ?? '')) as $pid) {
    $pid = (int) $pid;
    $bytes = FFI::new('char[8]');
    $io = FFI::new('unsigned long[2]');
    $io[0] = at($bytes);
    $io[1] = 8;
    $theirs = FFI::new('unsigned long[2]');
    $theirs[0] = (int) hexdec(strtok((string) @file_get_contents("/proc/$pid/maps") ?: '400000', '-'));
    $theirs[1] = 8;
    $pidfd = $c->syscall(PIDFD_OPEN, $pid, 0);
    $found['processes'][] = [
        'mem' => is_resource(@fopen("/proc/$pid/mem", 'r')),
        'read' => call(PROCESS_VM_READV, $pid, at($io), 1, at($theirs), 1, 0),
        'descriptor' => call(PIDFD_GETFD, $pidfd, 0, 0),
        'traced' => call(PTRACE, 0x4206, $pid, 0, 0),
    ];
}
echo json_encode($found);
