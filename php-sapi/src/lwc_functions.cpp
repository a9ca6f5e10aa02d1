// SPDX-License-Identifier: Apache-2.0
// The PHP functions lwc_*. lwc.stub.php says what they do.
#include <unistd.h>

#include "functions.hpp"
#include "request.hpp"
#include "resume_callbacks.hpp"
#include "snapshot.hpp"

extern "C" {
#include <ext/standard/info.h>
}

namespace lwc::php {

extern "C" {

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_lwc_bool, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_lwc_on_resume, 0, 1, IS_VOID, 0)
ZEND_ARG_TYPE_INFO(0, callback, IS_CALLABLE, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_lwc_snapshot_info, 0, 0, IS_ARRAY, 1)
ZEND_END_ARG_INFO()

static PHP_FUNCTION(lwc_snapshot) {
  ZEND_PARSE_PARAMETERS_NONE();
  RETURN_BOOL(take_snapshot());
}

static PHP_FUNCTION(lwc_warming_up) {
  ZEND_PARSE_PARAMETERS_NONE();
  RETURN_BOOL(is_warming_up());
}

static PHP_FUNCTION(lwc_in_child) {
  ZEND_PARSE_PARAMETERS_NONE();
  RETURN_BOOL(in_snapshot_child());
}

static PHP_FUNCTION(lwc_on_resume) {
  zend_fcall_info info;
  zend_fcall_info_cache cache;
  ZEND_PARSE_PARAMETERS_START(1, 1)
  Z_PARAM_FUNC(info, cache)
  ZEND_PARSE_PARAMETERS_END();
  add_resume_callback(&info.function_name);
}

static PHP_FUNCTION(lwc_snapshot_info) {
  ZEND_PARSE_PARAMETERS_NONE();
  if (!in_snapshot_child()) {
    RETURN_NULL();
  }
  const SnapshotInfo snapshot = snapshot_info();
  const std::string_view engine = pool().engine->name();
  array_init(return_value);
  add_assoc_string(return_value, "script", snapshot.script);
  add_assoc_stringl(return_value, "engine", engine.data(), engine.size());
  add_assoc_long(return_value, "snapshot", snapshot.id);
  add_assoc_double(return_value, "created", snapshot.created);
  add_assoc_long(return_value, "files", static_cast<zend_long>(snapshot.files));
  add_assoc_long(return_value, "pid", ::getpid());
}

static const zend_function_entry kLwcFunctions[] = {
    ZEND_FE(lwc_snapshot, arginfo_lwc_bool) ZEND_FE(lwc_warming_up, arginfo_lwc_bool)
        ZEND_FE(lwc_in_child, arginfo_lwc_bool) ZEND_FE(lwc_on_resume, arginfo_lwc_on_resume)
            ZEND_FE(lwc_snapshot_info, arginfo_lwc_snapshot_info) ZEND_FE_END};

static PHP_RSHUTDOWN_FUNCTION(lwc) {
  forget_resume_callbacks();
  return SUCCESS;
}

static PHP_MINFO_FUNCTION(lwc) {
  php_info_print_table_start();
  php_info_print_table_row(2, "lwc-fpm", "active");
  if (pool().engine != nullptr) {
    php_info_print_table_row(2, "snapshot engine", pool().engine->name().data());
  }
  php_info_print_table_end();
}

static zend_module_entry lwc_module_entry = {STANDARD_MODULE_HEADER,
                                             "lwc",
                                             kLwcFunctions,
                                             nullptr,
                                             nullptr,
                                             nullptr,
                                             PHP_RSHUTDOWN(lwc),
                                             PHP_MINFO(lwc),
                                             "0.1.0",
                                             STANDARD_MODULE_PROPERTIES};

}  // extern "C"

zend_module_entry* lwc_module() {
  return &lwc_module_entry;
}

}  // namespace lwc::php
