// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "php.hpp"

namespace lwc::php {

/// lwc_on_resume(): keeps the callable for run_resume_callbacks(), in the order of the calls.
void add_resume_callback(zval* callable);

/// Calls them. An exception that one throws is the script's; the rest are not called.
void run_resume_callbacks();

/// At the end of a request that is not discarded.
void forget_resume_callbacks();

}  // namespace lwc::php
