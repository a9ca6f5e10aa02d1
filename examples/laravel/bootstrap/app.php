<?php
// SPDX-License-Identifier: Apache-2.0
// The application, without Composer: Debian's packages bring an autoloader each.

use Illuminate\Contracts\Console\Kernel as ConsoleKernel;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel as HttpKernel;
use Illuminate\Foundation\Application;

require_once 'Illuminate/autoload.php';
require_once 'Illuminate/Foundation/helpers.php';

spl_autoload_register(static function (string $class): void {
    $folders = ['App\\' => dirname(__DIR__) . '/app/', 'Illuminate\\Foundation\\' => '/usr/share/php/Illuminate/Foundation/'];
    foreach ($folders as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            @include $folder . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
        }
    }
});

$app = new Application(dirname(__DIR__));
$app->singleton(HttpKernel::class, App\HttpKernel::class);
$app->singleton(ConsoleKernel::class, Illuminate\Foundation\Console\Kernel::class);
$app->singleton(ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);

return $app;
