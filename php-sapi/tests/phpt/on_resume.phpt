--TEST--
lwc_on_resume() calls back in children only, in order, before lwc_snapshot() returns
--GET--
a=1
--FILE--
<?php
class Seeds {
    public function again() { echo "method {$_GET['a']}\n"; }
    public static function all() { echo "static\n"; }
}
lwc_on_resume(fn () => print("closure\n"));
lwc_on_resume([new Seeds, 'again']);
lwc_on_resume('Seeds::all');
lwc_snapshot();
echo "script\n";
lwc_on_resume(fn () => print("never\n"));
--EXPECT-BASE--
script
--EXPECT--
closure
method 1
static
script
