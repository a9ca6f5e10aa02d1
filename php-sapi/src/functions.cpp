// SPDX-License-Identifier: Apache-2.0
// php-fpm's own functions and ini settings, under its module's name.
#include "functions.hpp"

#include "request.hpp"
#include "sapi_module.hpp"

extern "C" {
#include <ext/standard/head.h>
#include <ext/standard/info.h>
}

namespace lwc::php {

namespace {

void add_request_header(const char* name, const char* value, void* array) {
  sapi_add_request_header(name, static_cast<unsigned>(std::strlen(name)), const_cast<char*>(value),
                          static_cast<unsigned>(std::strlen(value)), array);
}

/// What fpm_get_status() is put together in.
struct StatusTable {
  zval* rows;  ///< where the next row goes
  zval* pool;
  zval processes;
};

void add_status(const char* name, const char* text, std::int64_t number, void* context) {
  auto* table = static_cast<StatusTable*>(context);
  if (std::strcmp(name, "procs") == 0) {
    zval row;
    array_init(&row);
    table->rows = zend_hash_next_index_insert(Z_ARRVAL(table->processes), &row);
  } else if (text != nullptr) {
    add_assoc_string(table->rows, name, text);
  } else if (std::strcmp(name, "last-request-cpu") == 0) {
    add_assoc_double(table->rows, name, static_cast<double>(number) / 100);
  } else {
    add_assoc_long(table->rows, name, number);
  }
}

}  // namespace

extern "C" {

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_fastcgi_finish_request, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_apache_request_headers, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_fpm_get_status, 0, 0, MAY_BE_ARRAY | MAY_BE_FALSE)
ZEND_END_ARG_INFO()

static PHP_FUNCTION(fastcgi_finish_request) {
  ZEND_PARSE_PARAMETERS_NONE();
  if (current_request().transport == nullptr || current_request().finished) {
    RETURN_FALSE;
  }
  php_output_end_all();
  php_header();
  finish_answer();
  RETURN_TRUE;
}

static PHP_FUNCTION(apache_request_headers) {
  ZEND_PARSE_PARAMETERS_NONE();
  array_init(return_value);
  current_request().params.each(add_request_header, return_value);
}

static PHP_FUNCTION(fpm_get_status) {
  ZEND_PARSE_PARAMETERS_NONE();
  StatusTable table{};
  array_init(return_value);
  array_init(&table.processes);
  table.pool = return_value;
  table.rows = return_value;
  if (!pool().host->status(add_status, &table)) {
    zval_ptr_dtor(&table.processes);
    zval_ptr_dtor(return_value);
    RETURN_FALSE;
  }
  add_assoc_zval(return_value, "procs", &table.processes);
}

static const zend_function_entry kCgiFunctions[] = {
    ZEND_FE(fastcgi_finish_request, arginfo_fastcgi_finish_request)
        ZEND_FE(apache_request_headers, arginfo_apache_request_headers)
            ZEND_FALIAS(getallheaders, apache_request_headers, arginfo_apache_request_headers)
                ZEND_FE(fpm_get_status, arginfo_fpm_get_status) ZEND_FE_END};

static CgiSettings& cgi_globals = cgi_settings();

// clang-format off
PHP_INI_BEGIN()
  STD_PHP_INI_BOOLEAN("cgi.rfc2616_headers", "0", PHP_INI_ALL, OnUpdateBool, rfc2616_headers, CgiSettings, cgi_globals)
  STD_PHP_INI_BOOLEAN("cgi.nph", "0", PHP_INI_ALL, OnUpdateBool, nph, CgiSettings, cgi_globals)
  STD_PHP_INI_BOOLEAN("cgi.force_redirect", "1", PHP_INI_SYSTEM, OnUpdateBool, force_redirect, CgiSettings, cgi_globals)
  STD_PHP_INI_ENTRY("cgi.redirect_status_env", nullptr, PHP_INI_SYSTEM, OnUpdateString, redirect_status_env, CgiSettings, cgi_globals)
  STD_PHP_INI_BOOLEAN("cgi.fix_pathinfo", "1", PHP_INI_SYSTEM, OnUpdateBool, fix_pathinfo, CgiSettings, cgi_globals)
  STD_PHP_INI_BOOLEAN("cgi.discard_path", "0", PHP_INI_SYSTEM, OnUpdateBool, discard_path, CgiSettings, cgi_globals)
  STD_PHP_INI_BOOLEAN("fastcgi.logging", "1", PHP_INI_SYSTEM, OnUpdateBool, logging, CgiSettings, cgi_globals)
  STD_PHP_INI_ENTRY("fastcgi.error_header", nullptr, PHP_INI_SYSTEM, OnUpdateString, error_header, CgiSettings, cgi_globals)
  STD_PHP_INI_ENTRY("fpm.config", nullptr, PHP_INI_SYSTEM, OnUpdateString, fpm_config, CgiSettings, cgi_globals)
PHP_INI_END()
// clang-format on

static PHP_MINIT_FUNCTION(cgi) {
  REGISTER_INI_ENTRIES();
  return SUCCESS;
}

static PHP_MSHUTDOWN_FUNCTION(cgi) {
  UNREGISTER_INI_ENTRIES();
  return SUCCESS;
}

static PHP_MINFO_FUNCTION(cgi) {
  php_info_print_table_start();
  php_info_print_table_row(2, "php-fpm", "active");
  php_info_print_table_end();
  DISPLAY_INI_ENTRIES();
}

static zend_module_entry cgi_module_entry = {STANDARD_MODULE_HEADER,
                                             "cgi-fcgi",
                                             kCgiFunctions,
                                             PHP_MINIT(cgi),
                                             PHP_MSHUTDOWN(cgi),
                                             nullptr,
                                             nullptr,
                                             PHP_MINFO(cgi),
                                             PHP_VERSION,
                                             STANDARD_MODULE_PROPERTIES};

}  // extern "C"

zend_module_entry* cgi_module() {
  return &cgi_module_entry;
}

}  // namespace lwc::php
