--TEST--
lwc_snapshot() tells whether the request began there, and a second call does nothing
--GET--
a=1
--FILE--
<?php
var_dump(lwc_snapshot());
var_dump(lwc_snapshot());
echo $_GET['a'], "\n";
--EXPECT-BASE--
bool(false)
bool(false)
1
--EXPECT--
bool(true)
bool(true)
1
