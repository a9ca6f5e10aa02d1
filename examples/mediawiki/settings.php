
# Added by the example. Texts of the interface come from PHP files, which opcache keeps in shared memory.
$wgCacheDirectory = __DIR__ . '/cache';
$wgLocalisationCacheConf['store'] = 'array';
$wgUploadDirectory = __DIR__ . '/images';
# The load balancer answers from the database alone, and no request pays for a background job of another.
$wgJobRunRate = 0;

# Shared between requests as APCu is; the snapshot: see snapshot.php.
$wgMainCacheType = CACHE_ACCEL;
require_once __DIR__ . '/snapshot.php';
$wgHooks['SetupAfterCache'][] = 'ExampleSnapshot::take';
$wgHooks['BeforePageDisplay'][] = 'ExampleSnapshot::useCompiledTemplates';
