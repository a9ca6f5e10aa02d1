# SPDX-License-Identifier: Apache-2.0
"""State of the PHP engine and its extensions."""

from .case import Table

php = Table()

php.line("ini_set") \
    .add("ini_set", "ini_set('user_agent', 'leaked');", "ini_get('user_agent')") \
    .add("ini_set of an extension", "ini_set('session.gc_maxlifetime', '77');", "ini_get('session.gc_maxlifetime')") \
    .add("include_path", "set_include_path('/leaked');", "get_include_path()")
php.line("set_time_limit").add("set_time_limit", "set_time_limit(7);", "ini_get('max_execution_time')")
php.line("error_reporting").add("error_reporting", "error_reporting(E_ERROR);", "error_reporting()")
php.line("error/exception handlers") \
    .add("error handler", "set_error_handler(fn () => true);", "set_error_handler(null) === null") \
    .add("exception handler", "set_exception_handler(fn () => true);", "set_exception_handler(null) === null") \
    .add("last error", "@trigger_error('leaked');", "error_get_last()['message'] ?? null") \
    .add("preg_last_error", "@preg_match('/(?:\\D+|<\\d+>)*[!?]/', 'foobar foobar foobar');", "preg_last_error()",
         ini={"pcre.backtrack_limit": "100", "pcre.jit": "0"}) \
    .add("json_last_error", "json_decode('{');", "json_last_error()") \
    .add("posix error", "posix_kill(-99999999, 0);", "posix_get_last_error()") \
    .add("socket error", "@socket_connect(socket_create(AF_UNIX, SOCK_STREAM, 0), '/nowhere');",
         "socket_last_error()") \
    .add("openssl errors", "@openssl_pkey_get_private('rubbish');", "openssl_error_string() === false")
php.line("shutdown functions") \
    .add("shutdown function", "register_shutdown_function(function () { echo 'leaked'; });", "'nothing more'",
         visible=False) \
    .add("header callback", "header_register_callback(fn () => header('X-Leaked: 1'));", "'no header'",
         visible=False) \
    .add("tick function", "register_tick_function(function () { echo 'leaked'; });", "(function () { declare(ticks=1); $a = 1;"
         " $a++; return 'no tick'; })()")
php.line("autoloaders").add("autoloader", "spl_autoload_register(fn ($c) => null);",
                            "count(spl_autoload_functions())")
php.line("constants") \
    .add("define", "define('LEAKED', 1);", "defined('LEAKED')") \
    .add("user constants", "define('ALSO_LEAKED', [1]);", "isset(get_defined_constants(true)['user']['ALSO_LEAKED'])")
php.line("classes").add("class", "eval('class Leaked {}');", "class_exists('Leaked', false)")
php.line("functions") \
    .add("function", "eval('function leaked() {}');", "function_exists('leaked')") \
    .add("included files", "require __DIR__ . '/part.inc';", "count(preg_grep('/part/', get_included_files()))")
php.line("static and global variables") \
    .add("global variable", "$GLOBALS['leaked'] = 1;", "isset($GLOBALS['leaked'])") \
    .add("static variable", "require_once __DIR__ . '/part.inc'; counter();",
         "(require_once __DIR__ . '/part.inc') ? counter() : counter()") \
    .add("strtok", "strtok('leaked words here', ' ');", "strtok(' ')")
php.line("static properties").add(
    "static property", "require_once __DIR__ . '/part.inc'; Holder::$value = 'leaked';",
    "(require_once __DIR__ . '/part.inc') ? Holder::$value : Holder::$value")
php.line("class aliases").add("class alias", "eval('class Original {}'); class_alias('Original', 'LeakedAlias');",
                              "class_exists('LeakedAlias', false)")
php.line("stream wrappers") \
    .add("wrapper added", "stream_wrapper_register('leaked', 'ArrayObject');",
         "in_array('leaked', stream_get_wrappers())") \
    .add("wrapper removed", "stream_wrapper_unregister('http');", "in_array('http', stream_get_wrappers())")
php.line("filters").add("stream filter", "stream_filter_register('leaked', 'php_user_filter');",
                        "in_array('leaked', stream_get_filters())")
php.line("contexts").add(
    "default context", "stream_context_set_default(['http' => ['user_agent' => 'leaked']]);",
    "stream_context_get_options(stream_context_get_default())")
php.line("output handlers") \
    .add("output handler", "ob_start(fn ($text) => $text);", "ob_get_level()") \
    .add("rewrite variables", "output_add_rewrite_var('leaked', '1');", "ob_list_handlers()")
php.line("assert options") \
    .add("assert_options", "@assert_options(ASSERT_WARNING, 0);", "@assert_options(ASSERT_WARNING)") \
    .add("assert callback", "@assert_options(ASSERT_CALLBACK, 'leaked');", "@assert_options(ASSERT_CALLBACK)")
php.line("putenv") \
    .add("putenv", "putenv('LEAKED=1');", "getenv('LEAKED')") \
    .add("putenv of TZ", "putenv('TZ=Asia/Tokyo');", "getenv('TZ')") \
    .add("setenv by C code", "libc()->setenv('LEAKED', '1', 1);", "getenv('LEAKED', true)")
php.line("setlocale") \
    .add("setlocale", "setlocale(LC_ALL, 'C.UTF-8');", "setlocale(LC_ALL, '0')") \
    .add("setlocale by C code", "libc()->setlocale(6, 'C.UTF-8');", "FFI::string(libc()->setlocale(6, null))") \
    .add("Locale default", "Locale::setDefault('ja_JP');", "Locale::getDefault()")
php.line("date.timezone").add("date_default_timezone_set", "date_default_timezone_set('Asia/Tokyo');",
                              "date_default_timezone_get() . date(' e')")
php.line("mb_* and iconv encodings") \
    .add("mb_internal_encoding", "mb_internal_encoding('SJIS');", "mb_internal_encoding()") \
    .add("mb_regex_encoding", "function_exists('mb_regex_encoding') && mb_regex_encoding('EUC-JP');",
         "mb_regex_encoding()", needs="mb_regex_encoding") \
    .add("mb_language", "mb_language('Japanese');", "mb_language()") \
    .add("mb_substitute_character", "mb_substitute_character(0x3013);", "mb_substitute_character()") \
    .add("mb_detect_order", "mb_detect_order(['SJIS']);", "mb_detect_order()") \
    .add("mb_http_output", "mb_http_output('SJIS');", "mb_http_output()") \
    .add("iconv encoding", "@iconv_set_encoding('internal_encoding', 'SJIS');",
         "iconv_get_encoding('internal_encoding')")
php.line("libxml settings") \
    .add("libxml_use_internal_errors", "libxml_use_internal_errors(true);", "libxml_use_internal_errors()") \
    .add("libxml errors", "libxml_use_internal_errors(true); simplexml_load_string('<a');",
         "count(libxml_get_errors())") \
    .add("entity loader", "libxml_set_external_entity_loader(fn () => null);",
         "libxml_get_external_entity_loader() === null") \
    .add("streams context", "libxml_set_streams_context(stream_context_create(['probe' => ['leaked' => 1]]));",
         "probe_libxml_context()") \
    .add("libxml_disable_entity_loader", "@libxml_disable_entity_loader(true);",
         "@libxml_disable_entity_loader(false)")
php.line("textdomain") \
    .add("textdomain", "textdomain('leaked');", "textdomain(null)") \
    .add("bindtextdomain", "bindtextdomain('leaked', '/usr');", "bindtextdomain('leaked', null)") \
    .add("bind_textdomain_codeset", "bind_textdomain_codeset('leaked', 'SJIS');",
         "bind_textdomain_codeset('leaked', null)")
php.line("bcscale").add("bcscale", "bcscale(9);", "bcadd('1', '2') . ' ' . bcscale()")
php.line("precision").add("precision", "ini_set('precision', '3');", "(string) (1 / 3)")
php.line("mt_srand") \
    .add("mt_srand", "mt_srand(42);", "in_sequence(42, mt_rand())") \
    .add("mt_srand mode", "mt_srand(42, MT_RAND_PHP); mt_rand();", "in_sequence(42, mt_rand(), MT_RAND_PHP)")
php.line("srand") \
    .add("srand", "srand(43);", "in_sequence(43, rand())") \
    .add("srandom of C", "libc()->srandom(44);", "random_of_c(44)")
php.line("gc settings") \
    .add("gc_disable", "gc_disable();", "gc_enabled()") \
    .add("gc runs", "gc_collect_cycles(); $a = []; $a[0] = &$a; unset($a); gc_collect_cycles();",
         "gc_status()['collected']")
php.line("ignore_user_abort").add("ignore_user_abort", "ignore_user_abort(true);", "ignore_user_abort()")
php.line("headers") \
    .add("header", "header('X-Leaked: 1');", "preg_grep('/leaked/i', headers_list())") \
    .add("cookie", "setcookie('leaked', '1');", "preg_grep('/leaked/i', headers_list())") \
    .add("content type", "ini_set('default_mimetype', 'text/leaked');", "ini_get('default_mimetype')") \
    .add("header_remove", "header_remove('X-Powered-By');", "count(preg_grep('/x-powered-by/i', headers_list()))",
         ini={"expose_php": "1"})
php.line("http_response_code").add("http_response_code", "http_response_code(418);", "http_response_code()",
                                   answer="end")
php.line("session state") \
    .add("session", "session_id('leaked'); session_start(); $_SESSION['leaked'] = 1;",
         "[session_id(), session_status(), isset($_SESSION)]") \
    .add("session name", "session_name('LEAKED');", "session_name()") \
    .add("session save path", "session_save_path('/leaked');", "session_save_path()") \
    .add("session cookie params", "session_set_cookie_params(777);", "session_get_cookie_params()['lifetime']") \
    .add("session save handler", "session_set_save_handler(new SessionHandler());", "session_module_name()") \
    .add("session cache limiter", "session_cache_limiter('public');", "session_cache_limiter()")
php.line("uploaded files") \
    .add("uploaded file", "", "[array_keys($_FILES), count(glob(scratch() . '/php*'))]",
         content_type="multipart/form-data; boundary=b",
         body=b"--b\r\nContent-Disposition: form-data; name=\"leaked\"; filename=\"f\"\r\n\r\ncontent\r\n--b--\r\n") \
    .add("post fields", "", "[array_keys($_POST), strlen(file_get_contents('php://input'))]",
         content_type="application/x-www-form-urlencoded", body=b"leaked=1")
php.line("$_SERVER injections") \
    .add("$_SERVER", "$_SERVER['LEAKED'] = 1;", "isset($_SERVER['LEAKED'])") \
    .add("$_ENV", "$_ENV['LEAKED'] = 1;", "isset($_ENV['LEAKED'])") \
    .add("a parameter of the request", "", "[$_SERVER['HTTP_X_LEAKED'] ?? null, getenv('HTTP_X_LEAKED')]",
         params={"HTTP_X_LEAKED": "1"}) \
    .add("$_COOKIE", "", "$_COOKIE", params={"HTTP_COOKIE": "leaked=1"}) \
    .add("basic auth", "", "[$_SERVER['PHP_AUTH_USER'] ?? null, $_SERVER['PHP_AUTH_PW'] ?? null]",
         params={"HTTP_AUTHORIZATION": "Basic bGVha2VkOmxlYWtlZA=="})
php.line("PHP_VALUE of the request before") \
    .add("PHP_VALUE", "", "ini_get('user_agent')", params={"PHP_VALUE": "user_agent=leaked"}) \
    .add("PHP_ADMIN_VALUE", "", "[ini_get('user_agent'), @ini_set('user_agent', 'mine')]",
         params={"PHP_ADMIN_VALUE": "user_agent=leaked"}) \
    .add("PHP_ADMIN_VALUE disable_functions", "", "function_exists('strrev') && strrev('ab') === 'ba'",
         params={"PHP_ADMIN_VALUE": "disable_functions=strrev"})
php.line("spl_autoload order") \
    .add("autoload order", "spl_autoload_unregister('first_loader'); spl_autoload_register('first_loader');",
         "spl_autoload_functions()") \
    .add("spl_autoload_extensions", "spl_autoload_extensions('.leaked');", "spl_autoload_extensions()")
php.line("PDO persistent").add(
    "PDO persistent", "persistent_db()->exec('create table if not exists leaked (a)');",
    "persistent_db()->query('select name from sqlite_master')->fetchAll(PDO::FETCH_COLUMN)")
php.line("curl share handles") \
    .add("curl share", "$GLOBALS['share'] = curl_share_init();"
         " curl_share_setopt($GLOBALS['share'], CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);"
         " $GLOBALS['handle'] = shared_curl($GLOBALS['share']);"
         " curl_setopt($GLOBALS['handle'], CURLOPT_COOKIELIST, 'Set-Cookie: leaked=1; domain=a.example; path=/');",
         "curl_getinfo(shared_curl($GLOBALS['share'] ?? null), CURLINFO_COOKIELIST)")
