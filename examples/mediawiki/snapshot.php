<?php
// SPDX-License-Identifier: Apache-2.0

use MediaWiki\HeaderCallback;
use MediaWiki\MediaWikiServices;

/**
 * The snapshot point of a wiki: the hook SetupAfterCache, which Setup.php runs when the configuration and the
 * extensions are loaded and the services exist, but before session and user are looked up. No database connection has
 * been opened by then.
 *
 * A warm-up page view would make the snapshot warmer, but MediaWiki keeps what it read from the database in many
 * places (titles, links, messages, revisions), and every later request would see that page as it was. So what is warmed
 * up is only what depends on nothing but files: classes, texts, and services without memory of a request.
 */
final class ExampleSnapshot
{
    private const CLASS_LIST = __DIR__ . '/cache/classes.php';

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
        $services = MediaWikiServices::getInstance();
        $services->getContentLanguage()->getMessage('edit');
        $services->getSpecialPageFactory()->getNames();
        $services->getResourceLoader();
        $services->getSkinFactory()->getInstalledSkins();
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
