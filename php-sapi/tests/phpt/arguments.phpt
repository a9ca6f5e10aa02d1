--TEST--
Wrong arguments are errors of the script
--FILE--
<?php
foreach ([fn () => lwc_snapshot(1), fn () => lwc_on_resume(), fn () => lwc_on_resume('no_such_function'),
          fn () => lwc_in_child(1), fn () => lwc_warming_up(1), fn () => lwc_snapshot_info(1)] as $call) {
    try {
        $call();
        echo "no error\n";
    } catch (Error $e) {
        echo get_class($e), ": ", $e->getMessage(), "\n";
    }
}
--EXPECT-BASE--
ArgumentCountError: lwc_snapshot() expects exactly 0 arguments, 1 given
ArgumentCountError: lwc_on_resume() expects exactly 1 argument, 0 given
TypeError: lwc_on_resume(): Argument #1 ($callback) must be a valid callback, function "no_such_function" not found or invalid function name
ArgumentCountError: lwc_in_child() expects exactly 0 arguments, 1 given
ArgumentCountError: lwc_warming_up() expects exactly 0 arguments, 1 given
ArgumentCountError: lwc_snapshot_info() expects exactly 0 arguments, 1 given
