// SPDX-License-Identifier: Apache-2.0
#include "early_start.hpp"

#include <string_view>

#include "guarded.hpp"
#include "ini.hpp"
#include "messages.hpp"
#include "modules.hpp"
#include "opcache.hpp"
#include "php.hpp"
#include "renewal.hpp"
#include "request.hpp"
#include "small_blocks.hpp"

namespace lwc::php {

namespace {

bool g_started = false;

bool has_own_settings(const Request& request) {
  return request.params.get("PHP_VALUE") != nullptr ||
         request.params.get("PHP_ADMIN_VALUE") != nullptr || has_directory_ini();
}

/// PHP reads a form before extensions begin the request: what they see of an upload (the session's
/// progress), and what a form that is too long leads to, depends on that.
bool brings_a_form() {
  const sapi_request_info& info = SG(request_info);
  return info.request_method != nullptr && info.content_type != nullptr &&
         std::string_view(info.request_method) == "POST";
}

/// With no request and nobody to answer: the real ones are put back afterwards.
void end_what_was_begun() {
  Request& request = current_request();
  Transport* const transport = request.transport;
  request.transport = nullptr;
  SG(server_context) = nullptr;
  SG(request_info).path_translated = nullptr;
  php_request_shutdown(nullptr);
  g_started = false;
  if (transport != nullptr) {
    open_request(*transport);
  }
}

}  // namespace

void start_early() {
  if (unknown_module() != nullptr) {
    log(LogLevel::Debug,
        "every request is started from the beginning: what extension %s does there is not known",
        unknown_module());
  }
  if (!modules_begin_alike() || php_ini_has_per_dir_config() || php_ini_has_per_host_config()) {
    return;
  }
  SG(server_context) = nullptr;
  SG(request_info) = {};
  if (php_request_startup() == FAILURE) {
    log(LogLevel::Warning, "PHP could not start a request in advance; it will for every request");
    php_request_shutdown(nullptr);
    return;
  }
  zend_unset_timeout();
  zend_llist_clean(&SG(sapi_headers).headers);
  release_opcache(false);
  lay_out_small_blocks();
  g_started = true;
}

void forget_early_start() {
  if (g_started) {
    end_what_was_begun();
  }
}

EarlyStart adopt_early_start() {
  if (!g_started) {
    return EarlyStart::None;
  }
  const bool filled = guarded(fill_request_info);
  if (!filled || has_own_settings(current_request()) || brings_a_form()) {
    end_what_was_begun();
    return EarlyStart::None;
  }
  current_request().no_directory_ini = true;
  announce_request();
  return guarded(renew_early_start) ? EarlyStart::Adopted : EarlyStart::Failed;
}

}  // namespace lwc::php
