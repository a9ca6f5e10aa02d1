// SPDX-License-Identifier: Apache-2.0
// The PHP functions lwc_*, see lwc.stub.php.
#include "functions.hpp"
#include "request.hpp"

namespace lwc::php {

extern "C" {

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_lwc_snapshot, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

static PHP_FUNCTION(lwc_snapshot) {
  ZEND_PARSE_PARAMETERS_NONE();
  if (pool().options->snapshots) {
    pool().host->snapshot_wanted();
  }
  RETURN_FALSE;
}

static const zend_function_entry lwc_functions[] = {ZEND_FE(lwc_snapshot, arginfo_lwc_snapshot)
                                                        ZEND_FE_END};

static zend_module_entry lwc_module_entry = {STANDARD_MODULE_HEADER,
                                             "lwc",
                                             lwc_functions,
                                             nullptr,
                                             nullptr,
                                             nullptr,
                                             nullptr,
                                             nullptr,
                                             "0.1.0",
                                             STANDARD_MODULE_PROPERTIES};

}  // extern "C"

zend_module_entry* lwc_module() {
  return &lwc_module_entry;
}

}  // namespace lwc::php
