<?php
// SPDX-License-Identifier: Apache-2.0

return ['default' => 'local', 'disks' => ['local' => ['driver' => 'local', 'root' => storage_path('app')]]];
