<?php
// SPDX-License-Identifier: Apache-2.0

use MediaWiki\HeaderCallback;
use MediaWiki\MediaWikiServices;

/**
 * The snapshot point of a wiki: the hook SetupAfterCache, which Setup.php runs when the configuration and the
 * extensions are loaded and the services exist, but before session and user are looked up. No database connection has
 * been opened by then.
 *
 * MediaWiki keeps what it read from the database in many places (titles, links, messages, revisions), and every later
 * request would see it as it was. So no page of the wiki is viewed before, and what a page of our own has left behind is
 * thrown away. What stays depends on nothing but files: classes, texts, and services without memory of a request.
 */
final class ExampleSnapshot
{
    private const CLASS_LIST = __DIR__ . '/cache/classes.php';

    /** By skin class: a parser with the skin's templates as compiled code. */
    private static array $templateParsers = [];

    public static function take(): void
    {
        if (!function_exists('lwc_snapshot') || MW_ENTRY_POINT === 'cli') {
            return;
        }
        if (lwc_warming_up()) {
            self::warmUp();
        }
        if (lwc_snapshot()) {
            self::resume();
        }
    }

    private static function warmUp(): void
    {
        foreach (is_file(self::CLASS_LIST) ? require self::CLASS_LIST : [] as $class) {
            class_exists($class) || interface_exists($class) || trait_exists($class);
        }
        if (MW_ENTRY_POINT === 'index') {
            self::renderAside();
        }
        $services = MediaWikiServices::getInstance();
        $services->getContentLanguage()->getMessage('edit');
        $services->getSpecialPageFactory()->getNames();
        $services->getResourceLoader();
        $services->getSkinFactory()->getInstalledSkins();
    }

    /**
     * Renders a page of its own text in the wiki's skin, so that PHP has resolved the code of a page view and compiled its
     * regular expressions. Everything that MediaWiki learns meanwhile goes with it: the services, with connections and
     * caches, are a second set, and static properties and global variables are put back.
     */
    private static function renderAside(): void
    {
        $statics = self::staticProperties();
        $globals = [];
        foreach (array_keys($GLOBALS) as $name) {
            $globals[$name] = $GLOBALS[$name];
        }
        $config = MediaWikiServices::getInstance()->getBootstrapConfig();
        $create = new ReflectionMethod(MediaWikiServices::class, 'newInstance');
        $create->setAccessible(true);
        $aside = $create->invoke(null, $config, 'load');
        self::setStatic(MediaWikiServices::class, 'instance', $aside);
        self::setStatic(RequestContext::class, 'instance', null);
        ObjectCache::clear();

        $request = new FauxRequest(['title' => 'Warm-up']);
        $request->setRequestURL('/index.php/Warm-up');
        $context = RequestContext::getMain();
        $context->setRequest($request);
        $context->setTitle(Title::newFromText('Warm-up'));
        $GLOBALS['wgRequest'] = $request;
        $GLOBALS['wgOut'] = $out = $context->getOutput();
        $out->setPageTitle('Warm-up');
        $out->addWikiTextAsContent("== A ==\n* ''b'' '''c''' [[D]] [http://e.example f]\n\n{|\n| g\n|}\n<nowiki>h</nowiki> {{{i|j}}}");
        $out->output(true);
        $skin = $context->getSkin();
        $aside->getDBLoadBalancerFactory()->destroy();

        foreach ($statics as [$property, $value]) {
            $property->setValue(null, $value);
        }
        foreach (array_diff(array_keys($GLOBALS), array_keys($globals)) as $name) {
            unset($GLOBALS[$name]);
        }
        foreach ($globals as $name => $value) {
            $GLOBALS[$name] = $value;
        }
        if ($skin instanceof SkinMustache) {
            self::$templateParsers[get_class($skin)] = self::templateParser()->getValue($skin);
        }
    }

    /** The hook BeforePageDisplay. Otherwise every page view compiles the skin's templates once more, 7.5 % of its time. */
    public static function useCompiledTemplates(OutputPage $out, Skin $skin): void
    {
        if (isset(self::$templateParsers[get_class($skin)])) {
            self::templateParser()->setValue($skin, self::$templateParsers[get_class($skin)]);
        }
    }

    private static function templateParser(): ReflectionProperty
    {
        return new ReflectionProperty(SkinMustache::class, 'templateParser');
    }

    /** All that are the application's, with their values. */
    private static function staticProperties(): array
    {
        $found = [];
        foreach (get_declared_classes() as $class) {
            $reflection = new ReflectionClass($class);
            foreach ($reflection->isUserDefined() ? $reflection->getProperties(ReflectionProperty::IS_STATIC) : [] as $property) {
                if ($property->getDeclaringClass()->getName() === $class && $property->isInitialized()) {
                    $found[] = [$property, $property->getValue()];
                }
            }
        }

        return $found;
    }

    private static function setStatic(string $class, string $name, $value): void
    {
        (new ReflectionProperty($class, $name))->setValue(null, $value);
    }

    /** What MediaWiki derived from the request before the hook, once more, from the request that has now arrived. */
    private static function resume(): void
    {
        $main = RequestContext::getMain();
        WebRequest::overrideRequestId('');
        $main->setRequest(new WebRequest());
        $GLOBALS['wgRequest'] = $main->getRequest();
        if ($main->getRequest()->getCookie('UseDC', '') === 'master') {
            MediaWikiServices::getInstance()->getMainWANObjectCache()->useInterimHoldOffCaching(false);
        }
        // Headers and output buffers of the warm-up are gone; these are the ones that WebStart.php sets up.
        header('X-Content-Type-Options: nosniff');
        HeaderCallback::register();
        if (ob_get_level() === 0) {
            ob_start('MediaWiki\\OutputHandler::handle');
        }
    }

    /** Writes the list of classes that a page view needs; called by record.php at set-up. */
    public static function recordClasses(): void
    {
        $known = array_merge(get_declared_classes(), get_declared_interfaces(), get_declared_traits());
        $own = array_filter($known, static function (string $class): bool {
            $reflection = new ReflectionClass($class);

            return $reflection->isUserDefined() && !$reflection->isAnonymous();
        });
        file_put_contents(self::CLASS_LIST, '<?php return ' . var_export(array_values($own), true) . ";\n");
    }
}
