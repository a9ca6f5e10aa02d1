<?php
// SPDX-License-Identifier: Apache-2.0

use App\Controller\EditorController;
use App\Controller\SectionController;
use App\Controller\ToolController;
use App\Library;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

return static function (RoutingConfigurator $routes): void {
    $routes->add('home', '/')->controller([SectionController::class, 'home']);
    $sections = ['index' => '', 'show' => '/{id<\d+>}', 'tag' => '/tagged/{tag}', 'data' => '/{id<\d+>}.json', 'old' => '/old/{id<\d+>}'];
    foreach (Library::SECTIONS as $section) {
        foreach ($sections as $action => $path) {
            $routes->add("{$section}_$action", "/$section$path")->controller([SectionController::class, $action])
                ->defaults(['section' => $section])->methods(['GET']);
        }
    }
    foreach (['login', 'desk'] as $page) {
        $routes->add($page, "/$page")->controller([EditorController::class, $page]);
    }
    $routes->add('logout', '/logout'); // the firewall's
    foreach (['notes', 'forget', 'request', 'upload', 'streamed', 'download', 'cookie', 'fail', 'random'] as $tool) {
        $routes->add($tool, "/$tool")->controller([ToolController::class, $tool]);
    }
};
