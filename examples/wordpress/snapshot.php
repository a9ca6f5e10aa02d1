<?php
/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * Plugin Name: Snapshot point for lwc-fpm
 * Description: Marks, as the last of the actions "after_setup_theme", the point where lwc-fpm may take its snapshot. Put it into wp-content/mu-plugins/.
 *
 * WordPress, its plugins and its theme are loaded by then; the visitor has not been looked at. Three things must not be in
 * a snapshot and are made anew afterwards: the connection to the database, options and other things read from it, and
 * what was derived from the warm-up request.
 *
 * Which plugins and which theme are loaded, and who may do what, is fixed by the snapshot. When such an option changes,
 * a stamp file is written; it is part of the snapshot, and so the snapshot is made again.
 */

namespace LwcFpm;

const STAMP = __DIR__ . '/snapshot-stamp.inc';

/** These scripts load WordPress before they look at the request. Others, such as wp-admin/, start from the base snapshot. */
const SCRIPTS = ['index.php', 'wp-login.php'];

function take_snapshot(): void
{
    global $wpdb;

    $script = realpath($_SERVER['SCRIPT_FILENAME']);
    if (!function_exists('lwc_snapshot') || !in_array($script, array_map(fn ($name) => realpath(ABSPATH . $name), SCRIPTS), true)) {
        return;
    }
    if (is_file(STAMP)) {
        include STAMP;
    }
    if (!lwc_warming_up()) {
        lwc_snapshot();

        return;
    }
    $wpdb->close();
    lwc_snapshot();
    resume();
}

/** In the child: what wp-settings.php did before, where the request or the database had a part in it. */
function resume(): void
{
    global $wpdb, $wp_rewrite, $wp_roles;

    wp_fix_server_vars();
    timer_start();
    $wpdb->db_connect();
    wp_cache_flush();
    wp_magic_quotes();
    do_action('sanitize_comment_cookies');
    $wp_rewrite->init();
    $wp_roles->for_site(get_current_blog_id());
}

function option_changed(string $option): void
{
    $fixed = ['active_plugins', 'template', 'stylesheet', 'WPLANG', 'blog_charset', 'siteurl', 'home', 'permalink_structure'];
    if (in_array($option, $fixed, true) || str_starts_with($option, 'theme_mods_') || str_ends_with($option, 'user_roles')) {
        file_put_contents(STAMP, '<?php // ' . microtime() . ' ' . $option . "\n", LOCK_EX);
    }
}

add_action('after_setup_theme', __NAMESPACE__ . '\take_snapshot', PHP_INT_MAX);
foreach (['added_option', 'updated_option', 'deleted_option'] as $event) {
    add_action($event, __NAMESPACE__ . '\option_changed');
}
