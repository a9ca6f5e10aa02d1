// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc::php {

/// Runs engine code that may leave by zend_bailout(). False: it did.
bool guarded(void (*step)());

}  // namespace lwc::php
