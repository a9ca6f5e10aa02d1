# SPDX-License-Identifier: Apache-2.0
"""The slow log: where a slow request is, in php-fpm's format, and what the error log says of it."""

import contextlib
import re
import time

import pytest

from harness.fastcgi import ConnectionClosed
from harness.processes import wait_until

from .held import WAIT, WAIT_BUSY, held
from .served import LONGER_THAN_A_STALL, PATIENCE

PART = f"""<?php
function inner($how) {{
    if ($how === 'sleep') {{
        {WAIT}
    }} else {{
        {WAIT_BUSY}
    }}
    return 'done';
}}
class Outer {{
    static function run($how) {{ return inner($how); }}
}}
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


def slow(served, script, count=1, **more):
    """The text of a request that went on until the slow log had this number of entries, and these."""
    with held(served, lambda: served.get(script, timeout=2 * PATIENCE, **more)) as answer:
        found = entries(served, count)
    return answer.result().text, found


def frames(entry):
    """Names and places, without addresses and directories."""
    return re.findall(r"^\[0x[0-9a-f]{16}\] (.*) \S*?([\w.]+:\d+)$", entry, re.M)


@pytest.mark.parametrize("how, top", [("sleep", [("flock()", "part.inc:4")]), ("loop", [])])
def test_where_it_is(fresh, how, top):
    script = start(fresh)
    text, (entry,) = slow(fresh, script, query=f"how={how}")
    assert text == "done"
    head, name, *lines = entry.strip().splitlines()
    found = re.fullmatch(r"\[\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\]  \[pool www\] pid (\d+)", head)
    assert found and name == f"script_filename = {script}"
    assert len(frames(entry)) == len(lines)
    calls = [one for one in frames(entry) if how == "sleep" or one[0] not in ("flock()", "strlen()")]
    assert calls == [*top, ("inner()", "part.inc:11"), ("run()", "slow.php:4"), ("{closure}()", "slow.php:6"),
                     ("array_map()", "slow.php:6")]
    pid = found.group(1)
    log = fresh.daemon.log()
    warning = re.search(rf"WARNING: \[pool www\] child {pid}, script '{re.escape(script)}' "
                        rf"\(request: \"GET /slow\.php\?how={how}\"\) executing too slow \((\d+\.\d{{6}}) sec\), logging", log)
    assert warning and float(warning[1]) >= 1, log
    order = [log.index(f"NOTICE: {text}") for text in (f"child {pid} stopped for tracing", f"about to trace {pid}",
                                                       f"finished trace of {pid}")]
    assert order == sorted(order)


def test_an_include_and_the_script_itself(fresh):
    start(fresh)
    fresh.script(f"<?php {WAIT}", "included.inc")
    slow(fresh, fresh.script("<?php\n\ninclude 'included.inc';", "page.php"))
    _, (first, second) = slow(fresh, fresh.script(f"<?php\n{WAIT_BUSY}"), count=2)
    assert frames(first) == [("flock()", "included.inc:1"), ("[INCLUDE_OR_EVAL]()", "page.php:3")]
    assert {name for name, _ in frames(second)} <= {"flock()", "strlen()"}


def test_once_per_request_and_no_deeper_than_told(fresh):
    start(fresh, **{"request_slowlog_trace_depth": 2})
    script = fresh.script(f"<?php\nfunction f($n) {{ return $n ? f($n - 1) : {WAIT} }}\nf(10);", "deep.php")
    with held(fresh, lambda: fresh.get(script, timeout=2 * PATIENCE)):
        entries(fresh)
        time.sleep(2.5)  # it is slow for a second and a third time
    (entry,) = entries(fresh)
    assert frames(entry) == [("flock()", "deep.php:2"), ("f()", "deep.php:2")]


def test_what_is_quick_is_not_in_it(fresh):
    script = start(fresh, request_slowlog_timeout=f"{LONGER_THAN_A_STALL}s")
    fresh.get("usleep(300000);")
    _, found = slow(fresh, script, query="how=sleep")
    assert len(found) == 1


def test_it_is_counted(fresh):
    script = start(fresh, **{"pm.status_path": "/status", "request_slowlog_timeout": f"{LONGER_THAN_A_STALL}s"})
    slow(fresh, script, query="how=sleep")
    page = lambda: fresh.get(script, SCRIPT_NAME="/status").text
    assert wait_until(lambda: re.search(r"^slow requests: +1$", page(), re.M), PATIENCE), page()


def test_a_request_that_never_ends(fresh):
    """The trace comes before the end that request_terminate_timeout makes."""
    start(fresh, **{"request_terminate_timeout": f"{1 + LONGER_THAN_A_STALL}s"})
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
    script = lwc.script(f"<?php\nfunction f() {{ {WAIT} }}\nlwc_snapshot();\nif (isset($_GET['slow'])) f();\necho 1;")
    lwc.daemon.pools[0].lwc["warmup"] = [script]
    lwc.daemon.write_config()
    lwc.start()
    _, (entry,) = slow(lwc, script, query="slow")
    assert f"script_filename = {script}\n" in entry
    assert [name for name, _ in frames(entry)] == ["flock()", "f()"]


def test_rotation(fresh):
    """It is opened for every entry: moving it away is enough."""
    script = start(fresh)
    slow(fresh, script, query="how=sleep")
    fresh.write.rename(fresh.file("slow.log.1"))
    _, found = slow(fresh, script, count=2, query="how=sleep")
    assert len(found) == 1
