# SPDX-License-Identifier: Apache-2.0
"""catch_workers_output: what scripts write to standard output and error, in the log, as in php-fpm's."""

import contextlib
import json
import re

import pytest

from harness.fastcgi import ConnectionClosed
from harness.processes import wait_until

from .served import PATIENCE



def write_error(text):
    """PHP code that writes it to standard error."""
    return f"file_put_contents('php://stderr', {json.dumps(text)});"


def start(served, children=1, log=None, **more):
    return served.start(children, settings={"catch_workers_output": "yes"} | more, global_settings=log)


def said(served, count=1):
    """What the log has of workers' words, once there are `count` lines: (origin, text). Pids are left out."""
    pattern = re.compile(r"^\[[^]]+\] WARNING: \[pool www\] child \d+ (said into std\w+: .*)$", re.M)
    find = lambda: pattern.findall(served.daemon.log())
    assert wait_until(lambda: len(find()) >= count, PATIENCE), served.daemon.logs()
    return find()


def test_lines_of_both(fresh):
    start(fresh)
    fresh.get(write_error("one\ntwo\nthree"))
    assert said(fresh, 3) == [f'said into stderr: "{text}"' for text in ("one", "two", "three")]
    fresh.get("file_put_contents('php://stdout', 'out');")
    assert said(fresh, 4)[3:] == ['said into stdout: "out"']
    fresh.get("error_log('gone to the web server', 4);")
    assert said(fresh, 5)[4:] == ['said into stderr: "NOTICE: PHP message: gone to the web server"']


def test_by_whom(fresh):
    start(fresh)
    fresh.get(write_error("hello"))
    said(fresh)
    (pid,) = re.findall(r"child (\d+) said into", fresh.daemon.log())
    assert int(pid) in fresh.processes()


def test_an_unended_line_ends_with_its_request(fresh):
    start(fresh)
    for number in range(3):
        fresh.get(write_error(f"part {number}"))
    assert said(fresh, 3) == [f'said into stderr: "part {number}"' for number in range(3)]


@pytest.mark.parametrize("limit", [512, 1024, 4096])
@pytest.mark.parametrize("length", [400, 1200, 9000])
def test_long_lines_are_cut(fresh, limit, length):
    start(fresh, log={"log_limit": limit})
    fresh.get(f"file_put_contents('php://stderr', str_repeat('x', {length}) . \"\\n\");")
    total = lambda: sum(len(line.split('"')[1]) for line in said(fresh))
    assert wait_until(lambda: total() >= length, PATIENCE)
    assert total() == length
    lines = [line for line in fresh.daemon.log().splitlines() if "said into" in line]
    assert all(len(line) + 1 == limit for line in lines[:-1]) and len(lines[-1]) < limit


def test_undecorated(fresh):
    start(fresh, decorate_workers_output="no")
    fresh.get(write_error("plain words"))
    assert wait_until(lambda: "plain words" in fresh.daemon.log(), PATIENCE)
    assert "\nplain words\n" in fresh.daemon.log()


def test_not_caught(fresh):
    """Without catch_workers_output, which is the default, it is lost."""
    fresh.start(1)
    fresh.get(write_error("not for the log"))
    fresh.get("ini_set('error_log', ''); error_log('for the web server alone'); system('echo from a command >&2');")
    fresh.daemon.graceful_stop()
    assert not [text for text in ("not for the log", "for the web server", "a command") if text in fresh.daemon.logs()]


def test_last_words(fresh):
    start(fresh)
    with contextlib.suppress(ConnectionClosed):  # by php-fpm
        fresh.get(write_error("last words") + " posix_kill(getmypid(), 9); sleep(5);")
    # php-fpm adds ", pipe is closed" if it sees the end together with the words.
    assert said(fresh)[0].removesuffix(", pipe is closed") == 'said into stderr: "last words"'
    fresh.get(write_error("and on"))
    assert said(fresh, 2)[1] == 'said into stderr: "and on"'


def test_programs_it_starts(fresh):
    start(fresh)
    fresh.get("system('echo from a program >&2');")
    assert said(fresh) == ['said into stderr: "from a program"']


def test_more_than_a_pipe_holds(fresh):
    start(fresh)
    answer = fresh.get("for ($i = 0; $i < 3000; ++$i) file_put_contents('php://stderr', str_repeat('y', 99) . \"\\n\"); echo 'done';")
    assert answer.text == "done"
    assert len(said(fresh, 3000)) == 3000


def test_json(lwc):
    lwc.prepare(1, settings={"catch_workers_output": "yes"}, global_settings={"lwc.log_format": "json"})
    lwc.start()
    lwc.get(write_error('with "quotes"'))
    log = lwc.wait_for_log("said into")
    (line,) = [json.loads(line) for line in log.splitlines() if "said into" in line]
    assert line["level"] == "WARNING" and line["pool"] == "www"
    assert re.fullmatch(r'child \d+ said into stderr: "with "quotes""', line["message"])


def test_in_a_request_that_resumed_from_a_snapshot(lwc):
    lwc.prepare(1, settings={"catch_workers_output": "yes"})
    script = lwc.script(f"lwc_snapshot(); {write_error('resumed')} echo lwc_in_child() ? 'yes' : 'no';")
    lwc.daemon.pools[0].lwc["warmup"] = [script]
    lwc.daemon.write_config()
    lwc.start()
    for _ in range(3):
        assert lwc.get(script).text == "yes"
    assert said(lwc, 3) == ['said into stderr: "resumed"'] * 3
