// SPDX-License-Identifier: Apache-2.0
// What the loaded extensions do at the beginning and at the end of a request, as far as a child
// that is thrown away has to care.
#pragma once

#include "php.hpp"

namespace lwc::php {

/// Looks at the loaded extensions. Call it again when one was added.
void find_modules();

/// True: the beginning of a request (RINIT of all extensions) does the same whatever the request
/// is, so that it can be done before there is one.
bool modules_begin_alike();
/// The extension that is in the way of that because nobody has looked at it, or null.
const char* unknown_module();

/// RSHUTDOWN, of those extensions where it does more than give memory back.
void end_module_requests();
/// What extensions do after that, in the same way; not opcache's.
void end_modules_late();

/// True: freeing an object of this class gives memory back and does nothing else.
bool is_only_memory(const zend_class_entry& type);

}  // namespace lwc::php
