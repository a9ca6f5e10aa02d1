<?php
// SPDX-License-Identifier: Apache-2.0
// Debian's packages bring an autoloader each; this one adds the classes of the application.

require_once 'Symfony/Bundle/FrameworkBundle/autoload.php';
require_once 'Symfony/Bundle/SecurityBundle/autoload.php';
require_once 'Symfony/Bundle/TwigBundle/autoload.php';
require_once 'Symfony/Component/Form/autoload.php';
require_once 'Symfony/Component/Translation/autoload.php';
require_once 'Symfony/Component/Validator/autoload.php';

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'App\\')) {
        require __DIR__ . '/' . strtr(substr($class, 4), '\\', '/') . '.php';
    }
});
