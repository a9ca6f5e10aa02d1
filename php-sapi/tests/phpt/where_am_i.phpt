--TEST--
lwc_warming_up() and lwc_in_child() before and after the snapshot
--FILE--
<?php
$before = [lwc_warming_up(), lwc_in_child()];
lwc_snapshot();
echo json_encode([$before, lwc_warming_up(), lwc_in_child()]);
--EXPECT-BASE--
[[false,false],false,false]
--EXPECT--
[[true,false],false,true]
