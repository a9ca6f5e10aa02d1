<?php
// SPDX-License-Identifier: Apache-2.0
// In place of the package's own, which names /etc/dokuwiki: the instance's configuration.
if (!defined('DOKU_CONF')) {
    define('DOKU_CONF', dirname(__DIR__, 2) . '/conf/');
}
