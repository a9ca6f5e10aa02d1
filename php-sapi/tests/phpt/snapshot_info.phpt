--TEST--
lwc_snapshot_info()
--FILE--
<?php
lwc_snapshot();
$info = lwc_snapshot_info();
if ($info) {
    $info['script'] = basename($info['script']);
    $info['created'] = $info['created'] <= microtime(true);
    $info['pid'] = $info['pid'] === getmypid();
}
var_dump($info);
--EXPECT-BASE--
NULL
--EXPECT--
array(6) {
  ["script"]=>
  string(8) "test.php"
  ["engine"]=>
  string(%d) "%s"
  ["snapshot"]=>
  int(%d)
  ["created"]=>
  bool(true)
  ["files"]=>
  int(%d)
  ["pid"]=>
  bool(true)
}
