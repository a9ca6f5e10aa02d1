<?php
// SPDX-License-Identifier: Apache-2.0
// Laravel's front controller, with a snapshot after the framework has served one request.

use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;

define('LARAVEL_START', microtime(true));

/** @var Illuminate\Foundation\Application $app */
$app = require __DIR__ . '/../bootstrap/app.php';
$kernel = $app->make(Kernel::class);

if (function_exists('lwc_snapshot')) {
    if (lwc_warming_up()) {
        $request = Request::capture();
        $kernel->terminate($request, $kernel->handle($request));
        // Laravel is made to serve one request and end. What belongs to a visitor must not be in the snapshot, or all
        // visitors would share it: the session with its CSRF token, cookies waiting to be sent, who is logged in.
        $app['session']->driver()->flush();
        $app['cookie']->flushQueuedCookies();
    }
    lwc_snapshot();
}

$request = Request::capture();
$response = $kernel->handle($request)->send();
$kernel->terminate($request, $response);
