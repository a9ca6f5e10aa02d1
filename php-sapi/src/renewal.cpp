// SPDX-License-Identifier: Apache-2.0
#include "renewal.hpp"

#include <cstring>
#include <string>

#include "ini.hpp"
#include "messages.hpp"
#include "opcache.hpp"
#include "php.hpp"
#include "randomness.hpp"
#include "request.hpp"
#include "superglobals.hpp"
#include "warmup.hpp"

extern "C" {
#include <ext/session/php_session.h>
#include <ext/standard/basic_functions.h>
#include <ext/standard/php_filestat.h>
}

namespace lwc::php {

namespace {

/// Buffers opened before the snapshot stay open, empty and as if nothing had gone through them:
/// what the script opened it will want to close.
std::size_t empty_output_buffers() {
  std::size_t dropped = 0;
  const int levels = zend_stack_count(&OG(handlers));
  auto** handlers = static_cast<php_output_handler**>(zend_stack_base(&OG(handlers)));
  for (int i = 0; i < levels; ++i) {
    dropped += handlers[i]->buffer.used;
    handlers[i]->buffer.used = 0;
    handlers[i]->flags &=
        ~(PHP_OUTPUT_HANDLER_STARTED | PHP_OUTPUT_HANDLER_DISABLED | PHP_OUTPUT_HANDLER_PROCESSED);
  }
  OG(flags) &= ~(PHP_OUTPUT_WRITTEN | PHP_OUTPUT_SENT | PHP_OUTPUT_DISABLED);
  if (OG(output_start_filename) != nullptr) {
    zend_string_release(OG(output_start_filename));
    OG(output_start_filename) = nullptr;
  }
  OG(output_start_lineno) = 0;
  return dropped;
}

/// A header that the warm-up set and that is not one every request gets.
/// PHP adds it by itself, when there is output.
std::string default_content_type() {
  char* type = sapi_get_default_content_type();
  std::string header = std::string("Content-type: ") + (type != nullptr ? type : "");
  if (type != nullptr) {
    efree(type);
  }
  return header;
}

const char* header_of_warmup() {
  const std::string own = default_content_type();
  zend_llist_position position;
  for (auto* header = static_cast<sapi_header_struct*>(
           zend_llist_get_first_ex(&SG(sapi_headers).headers, &position));
       header != nullptr; header = static_cast<sapi_header_struct*>(
                              zend_llist_get_next_ex(&SG(sapi_headers).headers, &position))) {
    if (strncasecmp(header->header, "X-Powered-By:", std::strlen("X-Powered-By:")) != 0 &&
        header->header != own) {
      return header->header;
    }
  }
  return nullptr;
}

}  // namespace

void end_warmup_session(const char* script) {
  if (PS(session_status) == php_session_active) {
    log(LogLevel::Warning,
        "%s had a session open at lwc_snapshot(); it was destroyed. Start sessions after it.",
        script);
    php_session_destroy();
    zend_hash_str_del(&EG(symbol_table), ZEND_STRL("_SESSION"));
  }
  if (PS(id) != nullptr) {
    zend_string_release(PS(id));
    PS(id) = nullptr;
  }
  PS(send_cookie) = true;
  PS(define_sid) = true;
}

namespace {

void clear_last_error() {
  if (PG(last_error_message) != nullptr) {
    zend_string_release(PG(last_error_message));
    PG(last_error_message) = nullptr;
  }
  if (PG(last_error_file) != nullptr) {
    zend_string_release(PG(last_error_file));
    PG(last_error_file) = nullptr;
  }
  PG(last_error_type) = 0;
  PG(last_error_lineno) = 0;
}

/// As php_request_startup() does for every request, but for the script's own header callback.
void activate_sapi() {
  zval callback;
  ZVAL_COPY_VALUE(&callback, &SG(callback_func));
  SG(server_context) = &current_request();
  sapi_activate();
  ZVAL_COPY_VALUE(&SG(callback_func), &callback);
  if (PG(expose_php)) {
    sapi_add_header(SAPI_PHP_VERSION_HEADER, sizeof(SAPI_PHP_VERSION_HEADER) - 1, true);
  }
}

void start_session_where_configured() {
  if (PS(auto_start) && PS(session_status) == php_session_none) {
    php_session_start();
  }
}

/// PHP limits the time that it takes to read the request, and php_execute_script() that of the
/// script.
void limit_input_time() {
  if (PG(max_input_time) == -1) {
    zend_set_timeout(EG(timeout_seconds), false);
  } else if (SG(request_info).content_length > 0) {
    zend_set_timeout(PG(max_input_time), false);
  }
}

}  // namespace

void put_away_warmup(const char* script) {
  const char* header = header_of_warmup();
  const std::size_t bytes = empty_output_buffers() + warmup_output().bytes;
  if (bytes > 0) {
    log(LogLevel::Notice, "%s: %zu bytes of output before lwc_snapshot() go to nobody", script,
        bytes);
  }
  if (header != nullptr) {
    log(LogLevel::Notice, "%s: headers set before lwc_snapshot() go to nobody, the first is \"%s\"",
        script, header);
  }
  zend_llist_clean(&SG(sapi_headers).headers);
  zend_unset_timeout();
  clear_last_error();
  find_generators();
}

void renew_for_request() {
  SG(request_info).auth_user = nullptr;
  SG(request_info).auth_password = nullptr;
  SG(request_info).auth_digest = nullptr;
  fill_request_info();
  apply_request_ini();
  announce_request();
  PG(during_request_startup) = true;
  PG(connection_status) = PHP_CONNECTION_NORMAL;
  PG(header_is_being_sent) = false;
  EG(exit_status) = 0;
  activate_sapi();
  renew_opcache(static_cast<long>(sapi_get_request_time()));
  reseed_generators();
  rebuild_superglobals();
  PG(during_request_startup) = false;
  php_clear_stat_cache(false, nullptr, 0);
  zend_memory_reset_peak_usage();
  zend_set_timeout(EG(timeout_seconds), false);
  start_session_where_configured();
}

void renew_early_start() {
  PG(during_request_startup) = true;
  limit_input_time();
  activate_sapi();
  php_hash_environment();
  begin_opcache_request();
}

}  // namespace lwc::php
