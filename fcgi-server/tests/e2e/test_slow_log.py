# SPDX-License-Identifier: Apache-2.0
"""The slow log: where a slow request is, in php-fpm's format, and what the error log says of it."""

import contextlib
import re

import pytest

from harness.fastcgi import ConnectionClosed
from harness.processes import wait_until

from .served import PATIENCE

PART = """<?php
function inner($how) {
    $until = microtime(true) + 1.8;
    if ($how === 'sleep') {
        usleep(1800000);
    } else {
        while (microtime(true) < $until) { $x = md5($how); }
    }
    return 'done';
}
class Outer {
    static function run($how) { return inner($how); }
}
"""
PAGE = """<?php
require __DIR__ . '/part.inc';
$call = function () {
    return Outer::run($_GET['how']);
};
echo implode(array_map($call, [1]));
"""


def start(served, **more):
    served.write = served.file("slow.log")
    served.start(2, settings={"slowlog": str(served.write), "request_slowlog_timeout": "1s"} | more)
    served.script(PART, "part.inc")
    return served.script(PAGE, "slow.php")


def entries(served, count=1):
    """The whole entries once there are `count`."""
    assert wait_until(lambda: served.daemon.log().count("finished trace of") >= count, PATIENCE), served.daemon.logs()
    return served.write.read_text().split("\n\n")


def frames(entry):
    """Names and places, without addresses and directories."""
    return re.findall(r"^\[0x[0-9a-f]{16}\] (.*) \S*?([\w.]+:\d+)$", entry, re.M)


@pytest.mark.parametrize("how, top", [("sleep", [("usleep()", "part.inc:5")]), ("loop", [])])
def test_where_it_is(fresh, how, top):
    script = start(fresh)
    assert fresh.get(script, query=f"how={how}").text == "done"
    (entry,) = entries(fresh)
    head, name, *lines = entry.strip().splitlines()
    found = re.fullmatch(r"\[\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\]  \[pool www\] pid (\d+)", head)
    assert found and name == f"script_filename = {script}"
    assert len(frames(entry)) == len(lines)
    calls = [one for one in frames(entry) if one[0] not in ("microtime()", "md5()")]
    assert calls == [*top, ("inner()", "part.inc:12"), ("run()", "slow.php:4"), ("{closure}()", "slow.php:6"),
                     ("array_map()", "slow.php:6")]
    pid = found.group(1)
    log = fresh.daemon.log()
    warning = (rf"WARNING: \[pool www\] child {pid}, script '{re.escape(script)}' \(request: \"GET /slow\.php\?how={how}\"\) "
               rf"executing too slow \(1\.\d{{6}} sec\), logging")
    assert re.search(warning, log), log
    order = [log.index(f"NOTICE: {text}") for text in (f"child {pid} stopped for tracing", f"about to trace {pid}",
                                                       f"finished trace of {pid}")]
    assert order == sorted(order)


def test_an_include_and_the_script_itself(fresh):
    start(fresh)
    fresh.script("<?php usleep(1600000);", "included.inc")
    fresh.get(fresh.script("<?php\n\ninclude 'included.inc';", "page.php"))
    fresh.get(fresh.script("<?php\n$until = microtime(true) + 1.6; while (microtime(true) < $until) { strlen('x'); }"))
    first, second = entries(fresh, 2)
    assert frames(first) == [("usleep()", "included.inc:1"), ("[INCLUDE_OR_EVAL]()", "page.php:3")]
    assert {name for name, _ in frames(second)} <= {"microtime()", "strlen()"}


def test_once_per_request_and_no_deeper_than_told(fresh):
    start(fresh, **{"request_slowlog_trace_depth": 2})
    script = fresh.script("<?php\nfunction f($n) { return $n ? f($n - 1) : usleep(3200000); }\nf(10);", "deep.php")
    fresh.get(script)
    (entry,) = entries(fresh)
    assert frames(entry) == [("usleep()", "deep.php:2"), ("f()", "deep.php:2")]


def test_what_is_quick_is_not_in_it(fresh):
    script = start(fresh)
    fresh.get("usleep(300000);")
    fresh.get(script, query="how=sleep")
    assert len(entries(fresh)) == 1


def test_it_is_counted(fresh):
    script = start(fresh, **{"pm.status_path": "/status"})
    fresh.get(script, query="how=sleep")
    entries(fresh)
    page = fresh.get(script, SCRIPT_NAME="/status")
    assert re.search(r"^slow requests: +1$", page.text, re.M), page.text


def test_a_request_that_never_ends(fresh):
    """The trace comes before the end that request_terminate_timeout makes."""
    start(fresh, **{"request_terminate_timeout": "3s"})
    script = fresh.script("<?php\nfunction f() { for (;;) { } }\nf();", "forever.php")
    with contextlib.suppress(ConnectionClosed):  # by php-fpm
        fresh.get(script)
    (entry,) = entries(fresh)
    assert frames(entry) == [("f()", "forever.php:3")]
    fresh.wait_for_log("execution timed out")
    assert fresh.get("echo 'alive';").text == "alive"


def test_in_a_request_that_resumed_from_a_snapshot(lwc):
    lwc.prepare(1, settings={"slowlog": str(lwc.file("slow.log")), "request_slowlog_timeout": "1s"})
    lwc.write = lwc.file("slow.log")
    script = lwc.script("<?php\nfunction f() { usleep(1700000); }\nlwc_snapshot();\nif (isset($_GET['slow'])) f();\necho 1;")
    lwc.daemon.pools[0].lwc["warmup"] = [script]
    lwc.daemon.write_config()
    lwc.start()
    lwc.get(script, query="slow")
    (entry,) = entries(lwc)
    assert f"script_filename = {script}\n" in entry
    assert [name for name, _ in frames(entry)] == ["usleep()", "f()"]


def test_rotation(fresh):
    """It is opened for every entry: moving it away is enough."""
    script = start(fresh)
    fresh.get(script, query="how=sleep")
    entries(fresh)
    fresh.write.rename(fresh.file("slow.log.1"))
    fresh.get(script, query="how=sleep")
    assert len(entries(fresh, 2)) == 1
