# SPDX-License-Identifier: Apache-2.0
"""Application snapshots: lwc_snapshot(), its companions, discovery, warm-up, rebuilding, refusals."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import threading
import time

import pytest

from harness import PhpFpm, Workspace
from harness.fastcgi import ConnectionClosed
from harness.processes import wait_until

from .served import PATIENCE, Served

# Says how often what stands before the snapshot has run, and what the request itself sees.
FRONT = """
    file_put_contents(ini_get('sys_temp_dir') . '/boots', "x", FILE_APPEND);
    $before = ['get' => $_GET, 'uri' => $_SERVER['REQUEST_URI'], 'warming' => lwc_warming_up()];
    $resumed = lwc_snapshot();
    header('Content-Type: application/json');
    echo json_encode(['resumed' => $resumed, 'before' => $before, 'get' => $_GET, 'post' => $_POST,
        'cookie' => $_COOKIE, 'uri' => $_SERVER['REQUEST_URI'], 'method' => $_SERVER['REQUEST_METHOD'],
        'x' => $_SERVER['HTTP_X_OWN'] ?? null, 'input' => file_get_contents('php://input'),
        'warming' => lwc_warming_up(), 'request' => array_keys($_REQUEST)]);
    """


def boots(served):
    path = served.file("boots")
    return path.stat().st_size if path.exists() else 0


def resumed(served, script, **more):
    return json.loads(served.get(script, **more).text)["resumed"]


def warm(served, code=FRONT, name="front.php", **more):
    """A daemon whose snapshot of the script is ready before the first request."""
    script = served.script(code, name)
    settings = {"warmup": [script]} | more.pop("lwc", {})
    served.start(lwc=settings, **more)
    return script


def wait_for_resumed(served, script):
    assert wait_until(lambda: resumed(served, script), PATIENCE), served.daemon.logs()


# What lwc_snapshot() means

def test_what_ran_before_runs_once(lwc):
    script = warm(lwc)
    assert boots(lwc) == 1
    assert all(resumed(lwc, script) for _ in range(20))
    assert boots(lwc) == 1


def test_each_request_has_its_own_input(lwc):
    script = warm(lwc)
    for number in range(10):
        answer = json.loads(lwc.get(script, query=f"n={number}", body=b"p=%d" % number, HTTP_COOKIE=f"c={number}",
                                    content_type="application/x-www-form-urlencoded", HTTP_X_OWN=str(number)).text)
        n = str(number)
        assert answer.pop("before") == {"get": [], "uri": "/front.php", "warming": True}
        assert answer == {"resumed": True, "get": {"n": n}, "post": {"p": n}, "cookie": {"c": n}, "method": "POST",
                          "uri": f"/front.php?n={n}", "x": n, "input": f"p={n}", "warming": False,
                          "request": ["n", "p"]}


def test_state_from_before_is_there(lwc):
    script = warm(lwc, """
        class Kernel { public array $routes = []; public static int $count = 0; }
        $kernel = new Kernel; $kernel->routes = ['/' => 'home']; Kernel::$count = 7;
        define('BOOTED', 'yes'); $closure = fn ($x) => "$x!"; ini_set('precision', '5'); set_time_limit(77);
        function boot() { static $n = 0; return ++$n; } boot();
        lwc_snapshot();
        echo json_encode([$kernel->routes, Kernel::$count, BOOTED, $closure('a'), (string) (1 / 3), boot(),
            ini_get('max_execution_time')]);
        """)
    for _ in range(5):
        assert json.loads(lwc.get(script).text) == [{"/": "home"}, 7, "yes", "a!", "0.33333", 2, "77"]


def test_snapshot_within_a_function_and_an_include(lwc):
    lwc.script("function snap($x) { $y = $x * 2; $r = lwc_snapshot(); return [$r, $x, $y]; } return snap(21);",
               "inner.inc.php")
    script = warm(lwc, "$r = (fn () => require __DIR__ . '/inner.inc.php')(); echo json_encode(['resumed' => $r[0],"
                       " 'x' => $r[1], 'y' => $r[2], 'get' => $_GET]);")
    for n in range(3):
        assert json.loads(lwc.get(script, query=f"a={n}").text) == \
            {"resumed": True, "x": 21, "y": 42, "get": {"a": str(n)}}


def test_second_call_only_says_where_it_runs(lwc):
    script = warm(lwc, "$a = lwc_snapshot(); $b = lwc_snapshot(); echo json_encode(['resumed' => $a, 'second' => $b]);")
    for _ in range(3):
        assert json.loads(lwc.get(script).text) == {"resumed": True, "second": True}
    assert lwc.daemon.log().count("is ready, pid") == 1


def test_one_childs_changes_are_not_seen_by_the_next(lwc):
    script = warm(lwc, """
        $state = new ArrayObject; $GLOBALS['list'] = [];
        lwc_snapshot();
        $state['n'] = ($state['n'] ?? 0) + 1; $GLOBALS['list'][] = 1; define('ONCE', 1);
        echo count($state), $state['n'], count($GLOBALS['list']);
        """)
    assert [lwc.get(script).text for _ in range(10)] == ["111"] * 10


def test_shutdown_functions_and_destructors_run_in_each_child(lwc):
    script = warm(lwc, """
        class D { function __destruct() { echo 'destructed'; } } $d = new D;
        register_shutdown_function(function () { echo 'shutdown,'; });
        ob_start(fn ($text) => strtoupper($text));
        ob_end_clean();
        lwc_snapshot(); echo 'body,';
        """)
    assert [lwc.get(script).text for _ in range(3)] == ["body,shutdown,destructed"] * 3


def test_session_and_uploads_in_a_child(lwc):
    script = warm(lwc, """
        lwc_snapshot(); session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
        echo $_SESSION['n'], isset($_FILES['f']) ? file_get_contents($_FILES['f']['tmp_name']) : '';
        """)
    first = lwc.get(script)
    cookie = first.header("Set-Cookie").split(";")[0]
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\ncontent\r\n--b--\r\n'
    second = lwc.get(script, HTTP_COOKIE=cookie, body=body, content_type="multipart/form-data; boundary=b")
    assert (first.text, second.text) == ("1", "2content")


def test_exit_error_and_streaming_in_a_child(lwc):
    script = warm(lwc, """
        lwc_snapshot();
        if ($_GET['do'] === 'exit') { echo 'bye'; exit(1); }
        if ($_GET['do'] === 'error') nowhere();
        if ($_GET['do'] === 'finish') { echo 'early'; fastcgi_finish_request(); echo 'late'; exit; }
        echo str_repeat('x', 200000);
        """)
    for _ in range(2):
        assert lwc.get(script, query="do=exit").text == "bye"
        assert lwc.get(script, query="do=error").status == 500
        assert lwc.get(script, query="do=finish").text == "early"
        assert len(lwc.get(script, query="do=stream").body) == 200_000


@pytest.mark.parametrize("output", ["echo 'warm-up output';", "echo str_repeat('x', 1_000_000);",
                                    "ob_end_flush(); echo 'x'; flush();", "echo 'x'; fastcgi_finish_request();"])
def test_output_of_the_warm_up_is_not_sent_to_anybody(lwc, output):
    """However much it is, and whether the script insists; a warm-up that wrote past PHP's buffer used to crash."""
    script = warm(lwc, f"header('X-Warm: 1'); http_response_code(418); setcookie('w', '1'); {output} lwc_snapshot(); echo 'own';")
    for _ in range(3):
        answer = lwc.get(script)
        assert (answer.status, answer.text, answer.header("X-Warm"), answer.header("Set-Cookie")) == \
            (200, "own", None, None)


def test_two_snapshots_and_the_base_in_any_order(lwc):
    code = "$who = %r; $r = lwc_snapshot(); echo json_encode(['resumed' => $r, 'who' => $who]);"
    one, two = lwc.script(code % "one", "one.php"), lwc.script(code % "two", "two.php")
    plain = lwc.script("echo json_encode(['resumed' => null, 'who' => 'plain']);")
    lwc.start(children=1, lwc={"warmup": [one, two]})
    wanted = {one: {"resumed": True, "who": "one"}, two: {"resumed": True, "who": "two"},
              plain: {"resumed": None, "who": "plain"}}
    for script in [one, two, plain, two, one, one, plain, plain, two, plain, one] * 3:
        assert json.loads(lwc.get(script).text) == wanted[script]


def test_many_snapshots_and_the_base_in_random_order(lwc):
    """Every request changes all that its snapshot holds, faults now and then, and finds it as at the snapshot."""
    seed = int(os.environ.get("LWC_SEED", random.randrange(1 << 30)))
    print(f"LWC_SEED={seed}")
    draw = random.Random(seed)
    code = """
        class Held { public static $log = []; public $n = 0; }
        $who = %r; $held = new Held; $held->big = str_repeat($who, %d); Held::$log[] = $who; ini_set('precision', '%d');
        lwc_snapshot();
        echo json_encode([$who, ++$held->n, count(Held::$log), md5($held->big), ini_get('precision'), getcwd()]);
        Held::$log[] = 'again'; $held->big[random_int(0, strlen($held->big) - 1)] = '!'; ini_set('precision', '3');
        chdir('/'); if (isset($_GET['fault'])) { flush(); posix_kill(getmypid(), SIGSEGV); }
        """
    names = ["ant", "bee", "cat", "dog"]
    scripts = {lwc.script(code % (name, 20000 * (n + 1), 5 + n), f"{name}.php"): name for n, name in enumerate(names)}
    plain = lwc.script("class Held { public static $n = 0; } echo json_encode(['plain', ++Held::$n]); chdir('/');")
    lwc.start(children=1, lwc={"warmup": list(scripts)})
    wanted = {script: json.loads(lwc.get(script).text) for script in [*scripts, plain]}
    for script, name in scripts.items():
        assert wanted[script][:3] == [name, 1, 1]
    for _ in range(300):
        script = draw.choice([*scripts, plain])
        fault = {"query": "fault=1"} if script != plain and draw.random() < 0.05 else {}
        if fault:
            with contextlib.suppress(ConnectionClosed, BrokenPipeError):  # its answer had begun, perhaps before we had sent all
                lwc.get(script, **fault)
        else:
            assert json.loads(lwc.get(script).text) == wanted[script]


def test_keep_alive_across_snapshots(lwc):
    """One connection asks for scripts of different snapshots: it moves between processes and stays open."""
    front = lwc.script("echo lwc_snapshot() ? 'warm' : 'cold';", "front.php")
    plain = lwc.script("echo 'plain';")
    lwc.start(children=1, lwc={"warmup": [front]})
    with lwc.connect() as connection:
        for script, text in [(front, "warm"), (plain, "plain"), (front, "warm"), (front, "warm"), (plain, "plain")]:
            connection.send_request(lwc.params(script), keep=True)
            assert connection.read_response().text == text


# How a snapshot comes to be

def test_discovery_without_configuration(lwc):
    script = lwc.script(FRONT, "front.php")
    lwc.start()
    assert resumed(lwc, script) is False
    wait_for_resumed(lwc, script)
    done = boots(lwc)
    assert all(resumed(lwc, script) for _ in range(10))
    assert boots(lwc) == done


def test_warm_up_is_done_before_the_pool_is_ready(lwc):
    script = warm(lwc)
    assert resumed(lwc, script) is True


def test_master_that_does_not_come_to_run(lwc):
    """As on a machine that is much too busy. A worker asks it for the way to a snapshot once, and waits for that."""
    script = warm(lwc, children=1)
    os.kill(lwc.daemon.pid, signal.SIGSTOP)
    with lwc.connect() as connection:
        connection.send_request(lwc.params(script))
        time.sleep(3)
        os.kill(lwc.daemon.pid, signal.SIGCONT)
        assert json.loads(connection.read_response().text)["resumed"] is True


def test_warm_up_with_an_uri(lwc):
    """One warm-up request is run through the framework; it sees the configured URI."""
    script = lwc.script("""
        $seen = [$_SERVER['REQUEST_METHOD'], $_SERVER['REQUEST_URI'], $_GET, lwc_warming_up(), PHP_SAPI];
        lwc_snapshot(); echo json_encode($seen);
        """, "front.php")
    lwc.start(lwc={"warmup": [f'"{script} /blog/1?draft=1"']})
    assert json.loads(lwc.get(script).text) == ["GET", "/blog/1?draft=1", {"draft": "1"}, True, "fpm-fcgi"]


def test_snapshots_can_be_switched_off(lwc):
    script = lwc.script(FRONT, "front.php")
    lwc.start(lwc={"snapshots": "no"})
    assert [resumed(lwc, script) for _ in range(5)] == [False] * 5
    assert boots(lwc) == 5


def test_max_snapshots(lwc):
    scripts = [lwc.script("echo json_encode(['resumed' => lwc_snapshot()]);", f"f{n}.php") for n in range(3)]
    lwc.start(lwc={"max_snapshots": "2"})
    for script in scripts[:2]:
        wait_for_resumed(lwc, script)
    assert resumed(lwc, scripts[2]) is False
    assert "lwc.max_snapshots" in lwc.wait_for_log("lwc.max_snapshots")
    assert resumed(lwc, scripts[2]) is False


def test_many_snapshots(lwc):
    """More than a worker keeps connections to, in one slot, each request for another than the one before."""
    scripts = [lwc.script(f"$r = lwc_snapshot(); echo json_encode(['resumed' => $r, 'n' => {n}]);", f"f{n}.php")
               for n in range(70)]
    lwc.start(children=1, lwc={"max_snapshots": "70", "warmup": scripts})
    for _ in range(2):
        for n, script in enumerate(scripts):
            assert json.loads(lwc.get(script).text) == {"resumed": True, "n": n}


def test_parameters_that_belong_to_the_snapshot(lwc):
    """Requests whose DOCUMENT_ROOT or configured parameters differ never share a snapshot."""
    script = lwc.script("$tenant = $_SERVER['TENANT'] ?? 'none'; $r = lwc_snapshot();"
                        " echo json_encode(['resumed' => $r, 'tenant' => $tenant]);", "front.php")
    lwc.start(lwc={"snapshot_params": ["TENANT"]})
    for tenant in ("a", "b"):
        assert wait_until(lambda: resumed(lwc, script, TENANT=tenant), PATIENCE), lwc.daemon.logs()
    for tenant in "abab":
        assert json.loads(lwc.get(script, TENANT=tenant).text) == {"resumed": True, "tenant": tenant}


def test_php_value_belongs_to_the_snapshot(lwc):
    script = lwc.script("$seen = ini_get('user_agent'); $r = lwc_snapshot(); echo json_encode(['resumed' => $r,"
                        " 'before' => $seen, 'after' => ini_get('user_agent')]);", "front.php")
    lwc.start()
    wait_for_resumed(lwc, script)
    for value in ("one", "two"):
        answer = json.loads(lwc.get(script, PHP_VALUE=f"user_agent={value}").text)
        assert (answer["before"], answer["after"]) == (value, value)
    assert json.loads(lwc.get(script).text) == {"resumed": True, "before": "", "after": ""}


def test_scripts_without_the_call_are_served_from_the_base(lwc):
    script = lwc.script("echo lwc_in_child() ? 'child' : 'base', lwc_snapshot_info() === null ? '' : 'info';")
    lwc.start()
    assert {lwc.get(script).text for _ in range(5)} == {"base"}


def test_warm_up_that_never_reaches_the_call(lwc):
    """The pool starts all the same, says why, and serves the script without a snapshot."""
    script = lwc.script("if (lwc_warming_up()) exit; echo json_encode(['resumed' => lwc_snapshot()]);", "front.php")
    lwc.start(lwc={"warmup": [script]})
    assert resumed(lwc, script) is False
    lwc.wait_for_log(f"no snapshot of '{script}': the warm-up of {script} ended before lwc_snapshot()")


@pytest.mark.parametrize("trouble, reason", [
    ("nowhere();", "ended before lwc_snapshot(): Uncaught Error: Call to undefined function nowhere()"),
    ("throw new Exception('x');", "ended before lwc_snapshot(): Uncaught Exception: x"),
    ("http_response_code(404); exit('gone');", "ended before lwc_snapshot(); it answered with status 404"),
    ("posix_kill(getmypid(), 11);", "its warm-up ended early (on signal 11 (SIGSEGV))")])
def test_warm_up_that_fails(lwc, trouble, reason):
    script = lwc.script(f"if (lwc_warming_up()) {{ {trouble} }} echo json_encode(['resumed' => lwc_snapshot()]);",
                        "front.php")
    lwc.start(lwc={"warmup": [script]})
    assert [resumed(lwc, script) for _ in range(3)] == [False] * 3
    line = next(line for line in lwc.wait_for_log("no snapshot of").splitlines() if f"no snapshot of '{script}'" in line)
    assert reason in line


# Companions

def test_companions(lwc):
    script = warm(lwc, """
        $seen = [lwc_in_child(), lwc_snapshot_info(), lwc_warming_up()];
        lwc_on_resume(function () use (&$calls) { $calls[] = $_GET['n'] ?? 'none'; });
        lwc_on_resume(fn () => header('X-Second: ' . $_SERVER['REQUEST_URI']));
        lwc_snapshot();
        echo json_encode([$seen, lwc_in_child(), lwc_snapshot_info(), lwc_warming_up(), $calls]);
        """)
    for n in range(3):
        answer = lwc.get(script, query=f"n={n}")
        seen, in_child, info, warming, calls = json.loads(answer.text)
        assert seen == [False, None, True]
        assert (in_child, warming, calls) == (True, False, [str(n)])
        assert info["script"] == script
        assert answer.header("X-Second") == f"/front.php?n={n}"


def test_callback_that_fails(lwc):
    script = warm(lwc, "lwc_on_resume(fn () => throw new Exception('in the callback')); lwc_snapshot(); echo 'on';")
    answer = lwc.get(script)
    assert answer.status == 500
    assert b"in the callback" in answer.stderr


def test_functions_are_known_to_reflection(lwc):
    lwc.start()
    answer = lwc.get("""
        foreach (['lwc_snapshot', 'lwc_warming_up', 'lwc_in_child', 'lwc_on_resume', 'lwc_snapshot_info'] as $f) {
            $r = new ReflectionFunction($f);
            $p = array_map(fn ($p) => $p->getType() . ' $' . $p->getName(), $r->getParameters());
            echo "$f(", implode(', ', $p), '): ', $r->getReturnType(), "\\n";
        }
        """)
    assert answer.text.splitlines() == [
        "lwc_snapshot(): bool", "lwc_warming_up(): bool", "lwc_in_child(): bool",
        "lwc_on_resume(callable $callback): void", "lwc_snapshot_info(): ?array"]


def test_guarded_script_runs_under_php_fpm():
    with Workspace() as space:
        served = Served(space, PhpFpm).start()
        assert served.get("$r = function_exists('lwc_snapshot') && lwc_snapshot(); echo $r ? 'resumed' : 'plain';"
                          ).text == "plain"


# Staleness

def replaceable(lwc, frequency="0", **more):
    part = lwc.script("return 'old';", "part.inc.php")
    script = lwc.script("$part = require __DIR__ . '/part.inc.php'; $r = lwc_snapshot();"
                        " echo json_encode(['resumed' => $r, 'part' => $part]);", "front.php")
    lwc.start(lwc={"warmup": [script]}, ini={"opcache.revalidate_freq": frequency} | more)
    assert json.loads(lwc.get(script).text) == {"resumed": True, "part": "old"}
    return script, part


def test_changed_file_rebuilds_the_snapshot(lwc):
    """Every request is answered meanwhile; in the end by a new snapshot with the new code."""
    script, part = replaceable(lwc)
    lwc.replace(part, "<?php return 'new and longer';")
    answers = []

    def rebuilt():
        answers.append(json.loads(lwc.get(script).text))
        return answers[-1] == {"resumed": True, "part": "new and longer"}

    assert wait_until(rebuilt, PATIENCE), lwc.daemon.logs()
    assert {a["part"] for a in answers} <= {"old", "new and longer"}
    assert all(json.loads(lwc.get(script).text)["part"] == "new and longer" for _ in range(20))


def test_user_ini_and_the_snapshot(lwc):
    """A snapshot is made with what .user.ini says, and again when that has changed; no request sees the old values."""
    lwc.script("user_agent = old", "own/.user.ini")
    script = lwc.script("$before = ini_get('user_agent'); $r = lwc_snapshot();"
                        " echo json_encode([$r, $before, ini_get('user_agent')]);", "own/front.php")
    lwc.start(children=1, lwc={"warmup": [script]}, ini={"user_ini.cache_ttl": "0", "opcache.revalidate_freq": "1"})
    assert json.loads(lwc.get(script).text) == [True, "old", "old"]
    lwc.replace(lwc.root / "own/.user.ini", "user_agent = new")
    assert json.loads(lwc.get(script).text)[2] == "new"
    assert wait_until(lambda: json.loads(lwc.get(script).text) == [True, "new", "new"], PATIENCE), lwc.daemon.logs()


def test_files_that_the_warm_up_has_written_are_not_changes(lwc):
    """Compiled templates: the snapshot is made of files that are younger than its warm-up."""
    part = lwc.script("return 1;", "part.inc.php")
    script = warm(lwc, """
        $file = ini_get('sys_temp_dir') . '/compiled.php'; $other = ini_get('sys_temp_dir') . '/other.php';
        if (!file_exists($file)) {
            file_put_contents("$file.new", "<?php return 'compiled';"); rename("$file.new", $file);
            file_put_contents($other, "<?php return 'other';");
        }
        $all = [require $file, require $other, require 'part.inc.php'];
        $all[] = lwc_snapshot(); echo json_encode($all);
        """, ini={"opcache.revalidate_freq": "0"})
    assert json.loads(lwc.get(script).text) == ["compiled", "other", 1, True]
    lwc.replace(part, "<?php return 2;")
    assert wait_until(lambda: json.loads(lwc.get(script).text) == ["compiled", "other", 2, True], PATIENCE)
    stale = [line for line in lwc.daemon.log().splitlines() if "is stale" in line]
    assert len(stale) == 1 and "part.inc.php" in stale[0], lwc.daemon.log()


def test_changed_front_controller_rebuilds_the_snapshot(lwc):
    script, _ = replaceable(lwc)
    lwc.replace(script, "<?php $r = lwc_snapshot(); echo json_encode(['resumed' => $r, 'part' => 'other']);")
    assert wait_until(lambda: json.loads(lwc.get(script).text) == {"resumed": True, "part": "other"}, PATIENCE)


@pytest.mark.parametrize("setting", [("opcache.validate_timestamps", "0"), ("opcache.revalidate_freq", "3600")])
def test_files_are_looked_at_as_opcache_does(lwc, setting):
    """Not at all until a reload, or no more often than that."""
    script, part = replaceable(lwc, **dict([setting]))
    lwc.replace(part, "<?php return 'new';")
    # A request for another script would show a rebuilt snapshot as soon as there is one.
    assert not wait_until(lambda: json.loads(lwc.get(script).text)["part"] == "new", 3)
    lwc.daemon.reload()
    assert wait_until(lambda: json.loads(lwc.get(script).text) == {"resumed": True, "part": "new"}, PATIENCE), \
        lwc.daemon.logs()


def test_reload_rebuilds_the_snapshot(lwc):
    script = warm(lwc)
    assert boots(lwc) == 1
    lwc.daemon.reload()
    assert wait_until(lambda: boots(lwc) == 2, PATIENCE)
    wait_for_resumed(lwc, script)


def test_deleted_file(lwc):
    script, part = replaceable(lwc)
    os.unlink(part)
    assert wait_until(lambda: lwc.get(script).status == 500, PATIENCE)
    lwc.script("return 'back';", "part.inc.php")
    assert wait_until(lambda: lwc.get(script).status == 200, PATIENCE)
    assert json.loads(lwc.get(script).text)["part"] == "back"


def test_opcache_reset_with_snapshots(lwc):
    """A restart of opcache must not pull shared memory from under a live snapshot."""
    script = warm(lwc, """
        class Kernel { function answer($n) { return "answer $n"; } } $k = new Kernel;
        $r = lwc_snapshot(); if (isset($_GET['reset'])) opcache_reset();
        echo json_encode(['resumed' => $r, 'text' => $k->answer($_GET['n'] ?? 0)]);
        """)
    others = [lwc.script(f"class C{n} {{ const X = {n}; }} echo C{n}::X;") for n in range(20)]
    for n in range(30):
        reset = "&reset=1" if n % 5 == 0 else ""
        assert json.loads(lwc.get(script, query=f"n={n}{reset}").text)["text"] == f"answer {n}"
        assert lwc.get(others[n % 20]).text == str(n % 20)


# Refusals

@pytest.fixture
def unix_server(tmp_path):
    """Something to be connected to."""
    path = f"/tmp/lwc-peer-{os.getpid()}.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    os.chmod(path, 0o777)
    server.listen(50)
    yield path
    server.close()
    os.unlink(path)


@pytest.fixture
def tcp_server():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(50)
    yield server.getsockname()[1]
    server.close()


def refused(lwc, opening, *mentions):
    script = lwc.script(f"$handle = {opening}; echo json_encode(['resumed' => lwc_snapshot()]);", "front.php")
    lwc.start(lwc={"warmup": [script]})
    assert [resumed(lwc, script) for _ in range(3)] == [False] * 3
    line = next(line for line in lwc.wait_for_log("no snapshot of").splitlines() if "no snapshot of" in line)
    assert re.search(r"descriptor \d+", line), line
    for mention in (script, "lwc.snapshot_allow_fds", *mentions):
        assert mention in line
    return line


def test_refusal_of_a_unix_socket(lwc, unix_server):
    refused(lwc, f"stream_socket_client('unix://{unix_server}')", unix_server)


def test_refusal_of_a_tcp_connection(lwc, tcp_server):
    refused(lwc, f"stream_socket_client('tcp://127.0.0.1:{tcp_server}')", f"127.0.0.1:{tcp_server}")


def test_refusal_of_a_listening_socket(lwc):
    refused(lwc, "stream_socket_server('tcp://127.0.0.1:0')", "listening")


def test_refusal_of_a_database_file(lwc):
    database = lwc.file("db.sqlite")
    refused(lwc, f"new PDO('sqlite:{database}'); $handle->exec('create table if not exists t (a)')", str(database))


def test_refusal_of_an_open_file(lwc):
    refused(lwc, "fopen('/etc/hostname', 'r')", "/etc/hostname")


def test_refusal_of_a_locked_file(lwc):
    refused(lwc, f"fopen('{lwc.file('lock')}', 'c'); flock($handle, LOCK_EX)", str(lwc.file("lock")))


def test_refusal_of_a_pipe_to_a_child(lwc):
    refused(lwc, "popen('cat', 'w')")


def test_closed_in_time_is_not_refused(lwc, unix_server):
    script = warm(lwc, f"$s = stream_socket_client('unix://{unix_server}'); fclose($s);"
                       " echo json_encode(['resumed' => lwc_snapshot()]);")
    assert resumed(lwc, script) is True


def test_refusal_is_told_once_and_tried_again_later(lwc, unix_server):
    """The application goes on working, without a line in the log for each request."""
    script = lwc.script(f"$handle = stream_socket_client('unix://{unix_server}');"
                        " echo json_encode(['resumed' => lwc_snapshot()]);", "front.php")
    lwc.start()
    assert [resumed(lwc, script) for _ in range(30)] == [False] * 30
    assert lwc.wait_for_log("no snapshot of").count("no snapshot of") == 1


@pytest.mark.parametrize("entry", ["file", "unix", "tcp"])
def test_allow_list(lwc, unix_server, tcp_server, entry):
    opening, allowed = {
        "file": ("fopen('/etc/hostname', 'r')", "/etc/host*"),
        "unix": (f"stream_socket_client('unix://{unix_server}')", f"unix:{unix_server}"),
        "tcp": (f"stream_socket_client('tcp://127.0.0.1:{tcp_server}')", f"tcp:127.0.0.1:{tcp_server}"),
    }[entry]
    script = lwc.script(f"$handle = {opening}; $r = lwc_snapshot();"
                        " echo json_encode(['resumed' => $r, 'open' => is_resource($handle)]);", "front.php")
    lwc.start(lwc={"warmup": [script], "snapshot_allow_fds": [allowed]})
    for _ in range(3):
        assert json.loads(lwc.get(script).text) == {"resumed": True, "open": True}


def test_offset_of_an_allowed_file(lwc):
    """Each child reads on from where the warm-up stopped, whatever another child read."""
    lwc.file("read").write_text("0123456789")
    script = lwc.script(f"$f = fopen('{lwc.file('read')}', 'r'); stream_set_read_buffer($f, 0); fread($f, 2);"
                        " $r = lwc_snapshot(); echo json_encode(['resumed' => $r, 'next' => fread($f, 3)]);",
                        "front.php")
    lwc.start(children=1, lwc={"warmup": [script], "snapshot_allow_fds": [str(lwc.data / "*")]})
    for _ in range(5):
        assert json.loads(lwc.get(script).text) == {"resumed": True, "next": "234"}


@pytest.mark.parametrize("what", ["child process", "thread"])
def test_refusal_of_what_runs_beside(lwc, what):
    start = {
        "child process": "$c->fork() ?: $c->pause();",
        "thread": "$t = FFI::new('unsigned long'); $c->pthread_create(FFI::addr($t), null, $c->dlsym(null, 'pause'), null);",
    }[what]
    script = lwc.script(f"""
        if (lwc_warming_up()) {{
            $c = FFI::cdef('int fork(void); int pause(void); void *dlsym(void *, const char *);'
                . ' int pthread_create(unsigned long *, void *, void *, void *);');
            {start}
        }}
        echo json_encode(['resumed' => lwc_snapshot()]);
        """, "front.php")
    lwc.start(lwc={"warmup": [script]}, ini={"ffi.enable": "1"})
    assert resumed(lwc, script) is False
    assert what in lwc.wait_for_log("no snapshot of")


# Under load

def test_first_requests_all_at_once(lwc):
    """Many clients find a script without a snapshot: one is built, and everybody is answered."""
    script = lwc.script(FRONT, "front.php")
    lwc.start(children=4)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(resumed(lwc, script))) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 40
    wait_for_resumed(lwc, script)
    assert lwc.daemon.log().count("is ready, pid") == 1


def test_memory_of_the_snapshot_that_a_request_drops(lwc):
    """It reads zeros as anywhere else, and is there again for the next request."""
    script = lwc.script("""
        $size = 4 << 20;
        $memory = FFI::new("char[$size]");
        FFI::memset($memory, 97, $size);
        $at = FFI::cast('char *', FFI::addr($memory));
        $first = 4096 - FFI::cast('uintptr_t', $at)->cdata % 4096;
        if (!lwc_snapshot()) exit('cold');
        $look = fn () => [ord($memory[$first]), ord($memory[$first + 65535]), ord($memory[$first + 65536])];
        $before = $look();
        FFI::cdef('int madvise(void *, size_t, int);')->madvise($at + $first, 65536, 4);  // MADV_DONTNEED
        $dropped = $look();
        $memory[$first] = "b";
        echo json_encode([$before, $dropped, $look()]);
        """, "front.php")
    lwc.start(children=1, ini={"ffi.enable": "1"}, lwc={"warmup": [script]})
    for _ in range(3):
        assert json.loads(lwc.get(script).text) == [[97, 97, 97], [0, 0, 97], [98, 0, 97]]
