<?php
// SPDX-License-Identifier: Apache-2.0

return ['default' => 'file', 'prefix' => 'example', 'stores' => ['file' => ['driver' => 'file', 'path' => storage_path('framework/cache')]]];
