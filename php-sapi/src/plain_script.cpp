// SPDX-License-Identifier: Apache-2.0
#include "ini.hpp"
#include "lwc/php/interpreter.hpp"
#include "script_path.hpp"

namespace lwc::php {

bool is_plain_script(const char* script, const char* document_root) {
  return is_file(script) && !has_directory_ini(script, document_root);
}

}  // namespace lwc::php
