<?php
// SPDX-License-Identifier: Apache-2.0
// Symfony's front controller, with a snapshot after the kernel has served one request.

use App\Kernel;
use Symfony\Component\HttpFoundation\Request;

require __DIR__ . '/../src/autoload.php';

$kernel = new Kernel('prod', false);

if (function_exists('lwc_snapshot')) {
    if (lwc_warming_up()) {
        // Booting is the smaller part. Routing, the controller, Twig and the response are what takes time when they
        // are used for the first time, so one request goes through all of them; its response is dropped.
        $request = Request::createFromGlobals();
        $kernel->terminate($request, $kernel->handle($request));
        // A kernel that has handled a request resets its services (the tag kernel.reset) when it is booted for the next
        // one. Done here, no child has to.
        $kernel->boot();
    }
    lwc_snapshot();
}

// From here on the request is the one that a client sent.
$request = Request::createFromGlobals();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
