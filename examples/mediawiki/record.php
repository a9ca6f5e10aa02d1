<?php
// SPDX-License-Identifier: Apache-2.0
// Views the wiki's main page once, from the command line, and notes which classes that takes.
// usage: php record.php INSTANCE

$instance = $argv[1];
$_SERVER = ['REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/index.php?title=Main_Page', 'SCRIPT_NAME' => '/index.php',
    'REMOTE_ADDR' => '127.0.0.1', 'SERVER_NAME' => 'localhost', 'HTTP_HOST' => 'localhost', 'SERVER_PORT' => '80'] + $_SERVER;
$_GET = ['title' => 'Main_Page'];
register_shutdown_function(static fn () => ExampleSnapshot::recordClasses());
ob_start(static fn () => '');
require "$instance/public/index.php";
