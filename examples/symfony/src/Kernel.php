<?php
// SPDX-License-Identifier: Apache-2.0

namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Bundle\SecurityBundle\SecurityBundle;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;
use Symfony\Component\Security\Core\User\InMemoryUser;

class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable
    {
        return [new FrameworkBundle(), new TwigBundle(), new SecurityBundle()];
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
            'form' => true,
            'validation' => ['enable_annotations' => false],
            'default_locale' => 'en',
            'translator' => ['default_path' => $this->getProjectDir() . '/translations'],
            'session' => [
                'handler_id' => null,
                'save_path' => $this->getProjectDir() . '/var/sessions',
                'cookie_samesite' => 'lax',
                'storage_factory_id' => 'session.storage.factory.native',
            ],
            'router' => ['utf8' => true],
            'php_errors' => ['log' => true],
        ]);
        $container->extension('security', [
            'enable_authenticator_manager' => true,
            'password_hashers' => [InMemoryUser::class => 'auto'],
            'providers' => ['editors' => ['memory' => ['users' => ['editor' => [
                'password' => '$2y$10$W4Bh3Toh8o0VE/aEVkWp1ekdK4oY3HuTUF7WpXkmIQkmPHG6acS8K', // example
                'roles' => ['ROLE_EDITOR'],
            ]]]]],
            'firewalls' => ['main' => [
                'lazy' => true,
                'form_login' => ['login_path' => 'login', 'check_path' => 'login', 'enable_csrf' => true, 'csrf_parameter' => 'token'],
                'logout' => ['path' => 'logout', 'target' => 'home'],
            ]],
            'access_control' => [['path' => '^/desk', 'roles' => 'ROLE_EDITOR']],
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
