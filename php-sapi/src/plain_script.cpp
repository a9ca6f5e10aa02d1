// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include "ini.hpp"
#include "lwc/php/interpreter.hpp"

namespace lwc::php {

bool is_plain_script(const char* script, const char* document_root) {
  struct stat status;
  return ::stat(script, &status) == 0 && S_ISREG(status.st_mode) &&
         !has_directory_ini(script, document_root);
}

}  // namespace lwc::php
