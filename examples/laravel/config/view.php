<?php
// SPDX-License-Identifier: Apache-2.0

return ['paths' => [base_path('views')], 'compiled' => storage_path('framework/views')];
