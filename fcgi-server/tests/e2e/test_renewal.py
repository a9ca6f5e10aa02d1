# SPDX-License-Identifier: Apache-2.0
"""What must be renewed in each child: every row of the table, two children of one snapshot compared."""

import json
import socket
import threading
import time

import pytest

WARM_UP = """
    // The warm-up uses every generator, so that each is seeded before the snapshot is taken.
    $before = [mt_rand(), rand(), lcg_value(), random_bytes(8), uniqid('', true), openssl_random_pseudo_bytes(8),
        sodium_crypto_secretbox_keygen(), gmp_random_bits(64), (new SQLite3(':memory:'))->querySingle('SELECT random()')];
    shuffle($before);
    """


def children(lwc, code, before=WARM_UP, count=4, **more):
    """What several children of one snapshot, all in one worker, answer."""
    script = lwc.script(f"{before} $resumed = lwc_snapshot(); if (!$resumed) exit('cold'); echo json_encode({code});",
                        "front.php")
    settings = {"warmup": [script]} | more.pop("lwc", {})
    lwc.start(children=1, lwc=settings, **more)
    return [json.loads(lwc.get(script).text) for _ in range(count)]


@pytest.mark.parametrize("code", [
    "mt_rand()", "rand()", "lcg_value()", "random_int(0, PHP_INT_MAX)", "mt_rand(1, 1 << 30)", "array_rand(range(0, 1 << 16), 4)",
    "(function () { $a = range(1, 100); shuffle($a); return $a; })()", "str_shuffle(str_repeat('abcdefgh', 9))",
    "bin2hex(random_bytes(16))", "uniqid()", "uniqid('', true)", "(new Random\\Randomizer())->getInt(0, PHP_INT_MAX)",
    "session_create_id()", "password_hash('x', PASSWORD_BCRYPT, ['cost' => 4])",
])
def test_randomness_of_php(lwc, code):
    seen = [json.dumps(one) for one in children(lwc, code)]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("code", [
    "bin2hex(openssl_random_pseudo_bytes(16))",
    "openssl_pkey_get_details(openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' =>"
    " 'prime256v1']))['key']",
    "bin2hex(sodium_crypto_box_keypair())", "bin2hex(sodium_crypto_secretbox_keygen())",
    "gmp_strval(gmp_random_bits(128))", "(new SQLite3(':memory:'))->querySingle('SELECT hex(randomblob(16))')",
    "(new PDO('sqlite::memory:'))->query('SELECT hex(randomblob(16))')->fetchColumn()",
])
def test_randomness_of_libraries(lwc, code):
    """Fork is detected by process id in OpenSSL; where the process stays the same, it must be told."""
    seen = children(lwc, code)
    assert len(set(seen)) == len(seen)


def test_generator_of_openssl_in_the_base(lwc):
    """The same for requests without a snapshot: the generator was used in the request before."""
    lwc.start(children=1)
    script = lwc.script("echo bin2hex(openssl_random_pseudo_bytes(16));")
    assert len({lwc.get(script).text for _ in range(6)}) == 6


GCRYPT = """
    $g = FFI::cdef('const char *gcry_check_version(const char *); int gcry_control(int, ...);
        void gcry_randomize(void *, unsigned long, int); void gcry_create_nonce(void *, unsigned long);',
        'libgcrypt.so.20');
    function draw($g, $how) {
        $to = FFI::new('char[16]');
        $how === 'nonce' ? $g->gcry_create_nonce($to, 16) : $g->gcry_randomize($to, 16, $how);
        return bin2hex(FFI::string($to, 16));
    }
    $g->gcry_check_version(null); $g->gcry_control(38);  // GCRYCTL_INITIALIZATION_FINISHED
    draw($g, 'nonce'); draw($g, 1); draw($g, 2);
    """


@pytest.mark.parametrize("how", ["'nonce'", "1", "2"])
def test_randomness_of_libgcrypt(lwc, how):
    """1 and 2: GCRY_STRONG_RANDOM and GCRY_VERY_STRONG_RANDOM."""
    seen = children(lwc, f"draw($g, {how})", GCRYPT, count=8, ini={"ffi.enable": "1"})
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("engine", ["new Random\\Engine\\Secure", "new Random\\Engine\\Mt19937",
                                    "new Random\\Engine\\PcgOneseq128XslRr64", "new Random\\Engine\\Xoshiro256StarStar"])
def test_randomness_of_engines_made_after_the_snapshot(lwc, engine):
    seen = children(lwc, f"bin2hex(({engine})->generate())", f"({engine})->generate();", count=8)
    assert len(set(seen)) == len(seen)


@pytest.fixture
def listener():
    """Where TLS clients say hello; what they said, and then it hangs up."""
    heard = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(60)
                heard.append(connection.recv(4096))

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1], heard
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.mark.parametrize("where", ["snapshot", "base"])
@pytest.mark.parametrize("client", ["curl", "stream"])
def test_randomness_of_tls_clients(lwc, listener, client, where):
    """The random bytes, the session's id and the key share of every hello are its own."""
    port, heard = listener
    hello = {"curl": f"(function () {{ $c = curl_init('https://127.0.0.1:{port}/'); curl_setopt($c,"
                     " CURLOPT_RETURNTRANSFER, true); return curl_exec($c); })()",
             "stream": f"@stream_socket_client('ssl://127.0.0.1:{port}', $a, $b, 60)"}[client]
    point = "lwc_snapshot();" if where == "snapshot" else ""
    script = lwc.script(f"{hello}; {point} {hello}; echo 'done';", "front.php")
    lwc.start(children=1, lwc={"warmup": [script]} if point else {})
    assert [lwc.get(script).text for _ in range(6)] == ["done"] * 6
    assert len(heard) >= 7 and all(one[0] == 0x16 and one[5] == 1 for one in heard)
    assert len({one[11:43] for one in heard}) == len(heard)
    assert len({one[44:76] for one in heard}) == len(heard)


def test_seed_set_before_the_snapshot_is_gone(lwc):
    """mt_srand() in the warm-up must not make every visitor's numbers the same."""
    seen = children(lwc, "mt_rand()", "mt_srand(42);")
    assert len(set(seen)) == len(seen)


def test_engine_objects_from_before_the_snapshot(lwc):
    """They are the application's own: the same in each child, unless it renews them on resuming."""
    made = "$made = new Random\\Engine\\Xoshiro256StarStar(7); $renewed = clone $made;" \
        " lwc_on_resume(function () use (&$renewed) { $renewed = new Random\\Engine\\Xoshiro256StarStar; });"
    seen = children(lwc, "[bin2hex($made->generate()), bin2hex($renewed->generate())]", made)
    assert len({made for made, _ in seen}) == 1
    assert len({renewed for _, renewed in seen}) == len(seen)


def test_tokens_renewed_by_the_callback(lwc):
    seen = children(lwc, "$token", "$token = 'cached'; lwc_on_resume(function () use (&$token) { $token ="
                                   " bin2hex(random_bytes(8)); });")
    assert "cached" not in seen
    assert len(set(seen)) == len(seen)


def test_request_time(lwc):
    script = lwc.script("$t = $_SERVER['REQUEST_TIME_FLOAT']; lwc_snapshot(); echo json_encode([$t,"
                        " $_SERVER['REQUEST_TIME_FLOAT'], $_SERVER['REQUEST_TIME'], microtime(true)]);", "front.php")
    lwc.start(children=1, lwc={"warmup": [script]})
    earlier = 0.0
    for _ in range(3):
        begun = time.time()
        warm, as_float, as_int, now = json.loads(lwc.get(script).text)
        assert warm < begun <= as_float + 0.001 and as_float <= now + 0.001
        assert as_int == int(as_float)
        assert as_float > earlier
        earlier = as_float


def test_superglobals(lwc):
    """None of the warm-up's values is left anywhere, and the request's own are everywhere."""
    script = lwc.script("""
        $_GET['warm'] = $_POST['warm'] = $_COOKIE['warm'] = $_REQUEST['warm'] = $_SERVER['warm'] = $_ENV['warm'] = 'up';
        $_FILES['warm'] = []; file_get_contents('php://input');
        lwc_snapshot();
        echo json_encode([$_GET, $_POST, $_COOKIE, $_REQUEST, array_keys($_FILES), $_SERVER['warm'] ?? null,
            $_ENV['warm'] ?? null, $_SERVER['HTTP_X'] ?? null, getenv('HTTP_X'), file_get_contents('php://input'),
            $_SERVER['argv'] ?? null, $_SERVER['QUERY_STRING'], (function () { global $argv; return $argv; })()]);
        """, "front.php")
    lwc.start(children=1, lwc={"warmup": [script]}, ini={"register_argc_argv": "1"})
    for n in ("1", "2"):
        answer = json.loads(lwc.get(script, query=f"g={n}", body=f"p={n}".encode(), HTTP_COOKIE=f"c={n}", HTTP_X=n,
                                    content_type="application/x-www-form-urlencoded").text)
        assert answer == [{"g": n}, {"p": n}, {"c": n}, {"g": n, "p": n}, [], None, None, n, n, f"p={n}",
                          [f"g={n}"], f"g={n}", None]  # no global $argv, as under php-fpm


def test_superglobals_that_are_first_named_after_the_snapshot(lwc):
    """PHP fills them in when code that names them is compiled (auto_globals_jit)."""
    lwc.script("return [$_SERVER['HTTP_X'] ?? null, $_REQUEST['g'] ?? null, isset($_ENV)];", "late.inc.php")
    script = lwc.script("lwc_snapshot(); echo json_encode(require __DIR__ . '/late.inc.php');", "front.php")
    lwc.start(children=1, lwc={"warmup": [script]})
    for n in ("1", "2"):
        assert json.loads(lwc.get(script, HTTP_X=n, query=f"g={n}").text) == [n, n, True]


@pytest.mark.parametrize("limit", ["ini", "set_time_limit"])
def test_max_execution_time_is_armed_again(lwc, limit):
    before = "set_time_limit(1);" if limit == "set_time_limit" else ""
    script = lwc.script(f"{before} lwc_snapshot(); if (isset($_GET['loop'])) while (true); echo 'short';", "front.php")
    lwc.start(children=1, lwc={"warmup": [script]}, ini={"max_execution_time": "1" if limit == "ini" else "30"})
    for _ in range(2):
        answer = lwc.get(script, query="loop=1")
        assert answer.status == 500
        assert b"Maximum execution time of 1 second exceeded" in answer.stderr
        assert lwc.get(script).text == "short"


def test_execution_time_of_the_warm_up_is_not_counted(lwc):
    """A slow boot must not eat the children's time."""
    script = lwc.script("$end = hrtime(true) + 900_000_000; while (hrtime(true) < $end); lwc_snapshot();"
                        " $end = hrtime(true) + 500_000_000; while (hrtime(true) < $end); echo 'in time';", "front.php")
    lwc.start(children=1, lwc={"warmup": [script]}, ini={"max_execution_time": "1"})
    assert [lwc.get(script).text for _ in range(2)] == ["in time"] * 2


def test_headers_and_status(lwc):
    before = "header('X-Warm: 1'); http_response_code(404); header('Content-Type: text/warm'); setcookie('w', '1');"
    seen = children(lwc, "[http_response_code(), preg_grep('/warm|cookie/i', headers_list()), headers_sent()]", before)
    assert seen == [[200, [], False]] * 4


def test_output_buffers(lwc):
    """Those that the warm-up opened go on, empty: an application may filter its output so."""
    script = lwc.script("echo 'lost'; ob_start(fn ($text) => strtoupper($text)); echo 'lost too'; lwc_snapshot();"
                        " echo 'own', ob_get_level();", "front.php")
    plain = lwc.script("echo ob_get_level();")
    lwc.start(children=1, lwc={"warmup": [script]})
    level = int(lwc.get(plain).text)
    assert [lwc.get(script).text for _ in range(4)] == [f"OWN{level + 1}"] * 4


def test_output_of_the_warm_up_is_reported(lwc):
    children(lwc, "1", "echo 'said during warm-up'; while (ob_get_level() > 0) ob_end_flush(); flush();", count=1)
    assert "19 bytes of output before lwc_snapshot() go to nobody" in lwc.wait_for_log("bytes of output")
    assert "headers set before" not in lwc.wait_for_log("is ready")  # PHP's own, of a type for the output, is none of the script's


def test_client_that_is_gone_is_this_childs_own(lwc):
    """The child before wrote to a client until it found that nobody is there any more."""
    code = "[connection_status(), connection_aborted(), ignore_user_abort()]"
    script = lwc.script(f"""
        ignore_user_abort(true);
        lwc_snapshot();
        if (isset($_GET['leave'])) {{
            echo 'begun'; flush();
            while (!connection_aborted()) {{ echo str_repeat('x', 100000); flush(); }}
            file_put_contents('{lwc.file("gone")}', json_encode({code}));
        }}
        echo json_encode({code});
        """, "front.php")
    lwc.start(children=1, lwc={"warmup": [script]})
    for _ in range(3):
        assert json.loads(lwc.get(script).text) == [0, 0, 1]
        lwc.file("gone").unlink(missing_ok=True)
        with lwc.connect() as connection:
            connection.send_request(lwc.params(script, query="leave=1"))
            assert b"begun" in connection.read_record().content
        assert json.loads(lwc.wait_for_file("gone")) == [1, 1, 1]
    assert json.loads(lwc.get(script).text) == [0, 0, 1]


def test_memory_figures(lwc):
    """A peak of the warm-up is not the children's."""
    seen = children(lwc, "memory_get_peak_usage() < (40 << 20)", "$x = str_repeat('x', 90 << 20); unset($x);",
                    ini={"memory_limit": "256M"})
    assert seen == [True] * 4


def test_ini_umask_directory_locale_environment(lwc):
    """As at the snapshot, whatever the child before did."""
    script = lwc.script("""
        chdir('/usr'); umask(0077); setlocale(LC_ALL, 'C.UTF-8'); putenv('WARM=1'); ini_set('precision', '4');
        lwc_snapshot();
        echo json_encode([getcwd(), umask(), setlocale(LC_ALL, '0'), getenv('WARM'), ini_get('precision')]);
        chdir('/'); umask(0); setlocale(LC_ALL, 'C'); putenv('WARM=2'); ini_set('precision', '9');
        """, "front.php")
    lwc.start(children=1, lwc={"warmup": [script]})
    for _ in range(4):
        assert json.loads(lwc.get(script).text) == ["/usr", 0o077, "C.UTF-8", "1", "4"]


def test_realpath_cache_is_as_at_the_snapshot(lwc):
    before = "realpath('/usr/share/doc');"
    seen = children(lwc, "[isset(realpath_cache_get()['/usr/share/doc']),"
                         " isset(realpath_cache_get()['/usr/lib/php']), realpath('/usr/lib/php')]", before)
    assert seen == [[True, False, "/usr/lib/php"]] * 4


def test_files_are_seen_as_they_are(lwc):
    """The stat cache of the warm-up must not answer for a file that has changed since."""
    lwc.file("watched").write_text("1")
    script = lwc.script(f"$f = '{lwc.file('watched')}'; $old = filesize($f); lwc_snapshot();"
                        " echo json_encode([$old, filesize($f)]);", "front.php")
    lwc.start(children=1, lwc={"warmup": [script]})
    for size in (2, 3, 4):
        lwc.file("watched").write_text("x" * size)
        assert json.loads(lwc.get(script).text) == [1, size]


def test_opcache_and_apcu_are_shared_on_purpose(lwc):
    """Not rolled back: what one child stores, the next one finds."""
    seen = children(lwc, "[apcu_inc('n'), opcache_is_script_cached(__FILE__)]", "apcu_store('n', 0);",
                    ini={"apc.enabled": "1"})
    assert seen == [[n, True] for n in (1, 2, 3, 4)]


def test_object_ids(lwc):
    """Equal across children, which is harmless; distinct within one."""
    seen = children(lwc, "(function () { $a = new stdClass; $b = new stdClass; return spl_object_id($a) !=="
                         " spl_object_id($b); })()")
    assert seen == [True] * 4


def test_signals_timers_limits_threads_and_children(lwc):
    """The child before leaves none of them."""
    script = lwc.script("""
        $c = FFI::cdef('int alarm(unsigned); void *signal(int, long); int fork(void); int pause(void); void *dlsym(void *, const char *);
            int waitpid(int, int *, int); int pthread_create(unsigned long *, void *, void *, void *);');
        lwc_snapshot();
        $seen = fn () => [preg_match_all('/^Sig(?:Blk|Ign|Cgt):.*$/m', file_get_contents('/proc/self/status'), $m) ? $m[0] : null,
            count(scandir('/proc/self/task')) - 2, posix_getrlimit()['soft core'], $c->waitpid(-1, null, 1)];
        echo json_encode([$seen(), $c->alarm(0)]), "\n";
        $c->signal(30, 1);
        $c->alarm(500);
        $thread = FFI::new('unsigned long');
        $c->pthread_create(FFI::addr($thread), null, $c->dlsym(null, 'pause'), null);
        if ($c->fork() === 0) while (true) $c->pause();
        posix_setrlimit(POSIX_RLIMIT_CORE, 0, 0);
        echo json_encode([$seen(), $c->alarm(0)]);
        $c->alarm(500);
        """, "front.php")
    lwc.start(children=1, settings={"rlimit_core": 4096}, lwc={"warmup": [script]}, ini={"ffi.enable": "1"})
    answers = [[json.loads(line) for line in lwc.get(script).text.splitlines()] for _ in range(4)]
    before, after = answers[0]
    assert before[0][1:] == [1, 4096, -1] and before[1] == 0  # waitpid(): there is no child
    assert after[0][0] != before[0][0] and after[0][1:] == [2, 0, 0] and after[1] == 500
    assert answers == [[before, after]] * 4
