# SPDX-License-Identifier: Apache-2.0
"""The access log of both daemons: what a line tells, what is left out, and rotation."""

import os
import re
import signal
import time

from harness import unused_port
from harness.processes import wait_until

from .served import PATIENCE

FORMAT = ("m=%m r=%r Q=%Q%q s=%s f=%f l=%l n=%n u=<%u> R=%R p=%p P=%P d=%d %{milli}d %{micro}d M=%M %{mega}M C=%C%% "
          "e=%{SERVER_NAME}e %{NO_SUCH}e o=%{X-Mine}o %{X-None}o t=%t T=%{%Y}T")


def settings(served, **more):
    return {"access.log": str(served.data / "access.log"), "access.format": f'"{FORMAT}"'} | more


def log_lines(served, count, name="access.log"):
    """The access log once it has `count` lines: after a rotation, or a crash, one is written behind the answer."""
    path = served.data / name
    read = lambda: path.read_text().splitlines() if path.exists() else []
    assert wait_until(lambda: len(read()) >= count, PATIENCE), f"{read()}\n{served.daemon.logs()}"
    return read()


def test_every_letter(fresh):
    fresh.start(1, settings=settings(fresh))
    script = fresh.script("header('X-Mine: yes'); http_response_code(418); echo getmypid();", "page.php")
    answer = fresh.get(script, query="a=b", body=b"12345", script_name="/page.php", request_uri="/pretty?a=b")
    (line,) = log_lines(fresh, 1)
    pattern = (r"m=POST r=/page\.php Q=\?a=b s=418 f=" + re.escape(script) + r" l=5 n=www u=<> R=- p=(\d+) P=(\d+) "
               r"d=(\d\.\d{3}) (\d+\.\d{3}) (\d+) M=(\d+) (\d+) C=\d+\.\d\d% e=localhost - o=yes - "
               r"t=\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4} T=\d{4}")
    found = re.fullmatch(pattern, line)
    assert found, line
    pid, parent, _, milli, micro, memory, mega = found.groups()
    assert (pid, int(parent)) == (answer.text, fresh.daemon.pid)
    assert float(milli) == round(int(micro) / 1000, 3)
    assert int(memory) // (1 << 20) == int(mega) > 0


MODIFIERS = ("%{seconds}d %{milliseconds}d %{milli}d %{microseconds}d %{micro}d | %{bytes}M %{kilobytes}M %{kilo}M %{megabytes}M "
             "%{mega}M | %{total}C %{user}C %{system}C | %{%H:%M}t %{%d}T | %%")


def test_every_modifier(fresh):
    fresh.start(1, settings=settings(fresh, **{"access.format": f'"{MODIFIERS}"'}))
    fresh.get("$used = fn () => getrusage()['ru_utime.tv_sec'] + getrusage()['ru_utime.tv_usec'] / 1e6;"
              "$until = $used() + 0.2; while ($used() < $until);")
    (line,) = log_lines(fresh, 1)
    times, memory, processor, dates, percent = line.split(" | ")
    seconds, milliseconds, milli, microseconds, micro = times.split()
    assert (milli, micro) == (milliseconds, microseconds) and int(micro) >= 200_000
    assert abs(float(seconds) - int(micro) / 1e6) < 0.00051 and float(milli) == int(micro) / 1000
    size, kilobytes, kilo, megabytes, mega = map(int, memory.split())
    assert (kilobytes, megabytes) == (kilo, mega) == (size // 1024, size // (1 << 20)) and size > 0
    total, user, system = (float(one.removesuffix("%")) for one in processor.split())
    assert total > 0 and abs(total - user - system) < 0.011
    assert re.fullmatch(r"\d\d:\d\d \d\d", dates) and percent == "%"


def test_client_of_a_tcp_connection(fresh):
    fresh.start(1, settings=settings(fresh, **{"access.format": '"%R"'}), listen=f"127.0.0.1:{unused_port()}")
    fresh.get("echo 1;")
    assert log_lines(fresh, 1) == ["127.0.0.1"]


def test_suppressed_paths(fresh):
    fresh.start(1, settings=settings(fresh, **{"access.format": '"%r%Q%q"', "access.suppress_path": ["/ping.php"]}))
    script = fresh.script("echo 1;", "ping.php")
    fresh.get(script, script_name="/ping.php")
    fresh.get(script, script_name="/ping.php", query="x")
    fresh.get(fresh.script("echo 2;", "other.php"), script_name="/other.php")
    assert log_lines(fresh, 2) == ["/ping.php?x", "/other.php"]


def test_a_request_that_fails(fresh):
    fresh.start(1, settings=settings(fresh, **{"access.format": '"%s %f"'}))
    fresh.get("nonsense();")
    fresh.get(str(fresh.root / "none.php"))
    assert [line.split()[0] for line in log_lines(fresh, 2)] == ["500", "404"]


def test_rotation(lwc):
    """From the first request after the signal's message on, lines are in the new file, and no worker has to end.

    (php-fpm replaces its children; one that serves a last request still writes to the old file.)
    """
    lwc.start(2, settings=settings(lwc, **{"access.format": '"%q"'}))
    script = lwc.script("echo 1;")
    for number in range(4):
        lwc.get(script, query=f"old{number}")
    log_lines(lwc, 4)
    (lwc.data / "access.log").rename(lwc.data / "access.log.1")
    lwc.daemon.signal(signal.SIGUSR1)
    lwc.wait_for_log("access log file re-opened")
    for number in range(6):
        lwc.get(script, query=f"new{number}")
    # Two workers: whose line is written first is not the order of the answers.
    assert sorted(log_lines(lwc, 6)) == [f"new{number}" for number in range(6)]
    assert sorted(log_lines(lwc, 4, "access.log.1")) == [f"old{number}" for number in range(4)]
    assert "exited" not in lwc.daemon.log()


def test_rotation_while_the_master_does_not_come_to_run(lwc):
    """As on a machine that is much too busy. A worker asks it for the new file, and waits for that."""
    lwc.start(1, settings=settings(lwc, **{"access.format": '"%q"'}))
    script = lwc.script("echo 1;")
    lwc.get(script, query="old")
    log_lines(lwc, 1)
    (lwc.data / "access.log").rename(lwc.data / "access.log.1")
    lwc.daemon.signal(signal.SIGUSR1)
    lwc.wait_for_log("access log file re-opened")
    lwc.daemon.signal(signal.SIGSTOP)
    with lwc.connect() as connection:
        connection.send_request(lwc.params(script, query="new"))
        time.sleep(3)
        lwc.daemon.signal(signal.SIGCONT)
        assert connection.read_response().text == "1"
    assert log_lines(lwc, 1) == ["new"]


def test_snapshot(lwc):
    """A request from an application snapshot is logged as any other, before and after rotation."""
    script = lwc.script("lwc_snapshot(); header('X-Mine: mine'); echo getmypid();", "app.php")
    lwc.start(1, settings=settings(lwc, **{"access.format": '"%q %p %{X-Mine}o %{QUERY_STRING}e"'}),
              lwc={"warmup": [script]})
    first = lwc.get(script, query="one")
    assert log_lines(lwc, 1) == [f"one {first.text} mine one"]
    (lwc.data / "access.log").rename(lwc.data / "access.log.1")
    lwc.daemon.signal(signal.SIGUSR1)
    lwc.wait_for_log("access log file re-opened")
    second = lwc.get(script, query="two")
    assert log_lines(lwc, 1) == [f"two {second.text} mine two"]


def test_the_line_comes_before_the_answer(fresh):
    """Who has the answer finds it in the log, and two workers' lines stand in the order of their answers."""
    fresh.start(2, settings=settings(fresh, **{"access.format": '"%q"', "ping.path": "/ping"}))
    script = fresh.script("echo 1;")
    asked = []
    for number in range(40):
        asked.append(f"request{number}")
        fresh.get("/ping" if number % 2 else script, query=asked[-1], script_name="/ping" if number % 2 else "/x.php")
        assert (fresh.data / "access.log").read_text().splitlines() == asked


def test_a_worker_killed_right_after_the_answer(lwc):
    """The client has its answer, so the line is due, though the worker never comes to write it."""
    lwc.start(1, settings=settings(lwc, **{"access.format": '"%q"'}), lwc={"engine": "fork"})
    worker = lwc.get("echo posix_getppid(); posix_kill(posix_getppid(), SIGSTOP);", query="stopped")
    assert (lwc.data / "access.log").read_text() == "stopped\n"
    os.kill(int(worker.text), signal.SIGKILL)
    lwc.get("echo 1;", query="next")
    assert log_lines(lwc, 2) == ["stopped", "next"]
