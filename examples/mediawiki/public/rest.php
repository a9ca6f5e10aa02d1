<?php
// SPDX-License-Identifier: Apache-2.0
// A wiki's entry point outside the package: it names the wiki's own settings and lets MediaWiki's do the rest.
// The snapshot is taken from within Setup.php, by a hook that LocalSettings.php registers; see ../snapshot.php.

define('MW_CONFIG_FILE', dirname(__DIR__) . '/LocalSettings.php');
require '/usr/share/mediawiki/rest.php';
