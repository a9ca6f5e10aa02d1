<?php
// SPDX-License-Identifier: Apache-2.0
// The smallest page. There is nothing to warm up, so it has no snapshot of its own: the base snapshot serves it.
echo "Hello World\n";
