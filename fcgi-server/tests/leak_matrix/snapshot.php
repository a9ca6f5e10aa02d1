<?php
// SPDX-License-Identifier: Apache-2.0
// A request of the leak matrix, resumed from an application snapshot.
require __DIR__ . '/lib.inc';
$resumed = lwc_snapshot();
header('X-Resumed: ' . ($resumed ? 'yes' : 'no'));
require __DIR__ . '/step.inc';
