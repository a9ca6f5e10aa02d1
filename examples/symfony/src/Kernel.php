<?php
// SPDX-License-Identifier: Apache-2.0

namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable
    {
        return [new FrameworkBundle(), new TwigBundle()];
    }

    public function getProjectDir(): string
    {
        return \dirname(__DIR__);
    }

    private function configureContainer(ContainerConfigurator $container): void
    {
        $container->extension('framework', [
            'secret' => 'a secret of the example only',
            'http_method_override' => false,
            'csrf_protection' => true,
            'session' => [
                'handler_id' => null,
                'save_path' => $this->getProjectDir() . '/var/sessions',
                'cookie_samesite' => 'lax',
                'storage_factory_id' => 'session.storage.factory.native',
            ],
            'router' => ['utf8' => true],
            'php_errors' => ['log' => true],
        ]);
        $container->extension('twig', ['default_path' => $this->getProjectDir() . '/templates']);
        $container->services()->defaults()->autowire()->autoconfigure()
            ->load('App\\Controller\\', __DIR__ . '/Controller/')->tag('controller.service_arguments')
            ->set(Library::class);
    }

    private function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->import(__DIR__ . '/../config/routes.php');
    }
}
