--TEST--
An exception of a callback comes out of lwc_snapshot(); later callbacks are not called
--FILE--
<?php
lwc_on_resume(function () { throw new RuntimeException('not today'); });
lwc_on_resume(fn () => print("never\n"));
try {
    lwc_snapshot();
    echo "no exception\n";
} catch (RuntimeException $e) {
    echo $e->getMessage(), "\n";
}
--EXPECT-BASE--
no exception
--EXPECT--
not today
