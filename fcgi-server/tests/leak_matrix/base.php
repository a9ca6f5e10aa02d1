<?php
// SPDX-License-Identifier: Apache-2.0
// A request of the leak matrix, served from the base snapshot.
require __DIR__ . '/lib.inc';
require __DIR__ . '/step.inc';
