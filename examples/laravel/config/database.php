<?php
// SPDX-License-Identifier: Apache-2.0

return ['default' => 'none', 'connections' => [], 'migrations' => 'migrations'];
