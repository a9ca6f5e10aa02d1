// SPDX-License-Identifier: Apache-2.0
#include "request.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "discard.hpp"
#include "early_start.hpp"
#include "guarded.hpp"
#include "ini.hpp"
#include "messages.hpp"
#include "php.hpp"
#include "sapi_module.hpp"
#include "script_path.hpp"
#include "snapshot.hpp"
#include "upload_files.hpp"

namespace lwc::php {

namespace {

constinit Pool g_pool;

const char* or_empty(const char* text) {
  return text != nullptr ? text : "";
}

void answer_with(int status, const char* text) {
  zend_try {
    SG(sapi_headers).http_response_code = status;
    PUTS(text);
  }
  zend_end_try();
}

void run_file() {
  zend_file_handle file;
  // The engine frees path_translated when it cannot open the file.
  char* script = estrdup(SG(request_info).path_translated);
  if (php_fopen_primary_script(&file) == FAILURE) {
    const int error = errno;
    complain(LogLevel::Error, "Unable to open primary script: %s (%s)", script,
             std::strerror(error));
    answer_with(error == EACCES ? 403 : 404,
                error == EACCES ? "Access denied.\n" : "No input file specified.\n");
  } else {
    EG(exit_status) = 0;
    php_execute_script(&file);
  }
  // With opcache the handle may not be in the engine's list of files to close.
  if (!file.in_list) {
    zend_destroy_file_handle(&file);
  }
  efree(script);
}

// A name in the query is matched by its own length, so that "?f" is "?full": php-fpm's way.
bool is_asked_for(const char* word) {
  const zval* query = &PG(http_globals)[TRACK_VARS_GET];
  if (Z_TYPE_P(query) != IS_ARRAY) {
    return false;
  }
  zend_string* name = nullptr;
  ZEND_HASH_FOREACH_STR_KEY(Z_ARRVAL_P(query), name) {
    if (name != nullptr && std::strncmp(ZSTR_VAL(name), word, ZSTR_LEN(name)) == 0) {
      return true;
    }
  }
  ZEND_HASH_FOREACH_END();
  return false;
}

bool answer_with_own_page() {
  const auto& info = SG(request_info);
  if (info.request_uri == nullptr) {
    return false;
  }
  const OwnPage* page = pool().host->own_page({info.request_uri, info.headers_only, is_asked_for});
  if (page == nullptr) {
    return false;
  }
  for (const char* header : page->headers) {
    if (header != nullptr) {
      sapi_add_header_ex(const_cast<char*>(header), std::strlen(header), true, true);
    }
  }
  SG(sapi_headers).http_response_code = 200;
  if (!info.headers_only) {
    PHPWRITE(page->body.data(), page->body.size());
  }
  return true;
}

void run_known_method() {
  if (answer_with_own_page()) {
    return;
  }
  if (SG(request_info).path_translated == nullptr) {
    complain(LogLevel::Debug, "Primary script unknown");
    answer_with(404, "File not found.\n");
    return;
  }
  if (!is_allowed_extension(SG(request_info).path_translated, pool().options->limit_extensions)) {
    complain(LogLevel::Notice,
             "Access to the script '%s' has been denied (see security.limit_extensions)",
             SG(request_info).path_translated);
    answer_with(403, "Access denied.\n");
    return;
  }
  run_file();
}

void send_error_header() {
  char* header = cgi_settings().error_header;
  if (EG(exit_status) != 255 || header == nullptr || *header == '\0' || SG(headers_sent)) {
    return;
  }
  sapi_header_line line{};
  line.line = header;
  line.line_len = std::strlen(header);
  sapi_header_op(SAPI_HEADER_REPLACE, &line);
}

}  // namespace

Pool& pool() {
  return g_pool;
}

Request& current_request() {
  static Request instance;
  return instance;
}

bool open_request(const Job& job) {
  Transport* transport = pool().host->open(job);
  if (transport == nullptr) {
    return false;
  }
  open_request(*transport);
  Request& request = current_request();
  // The settings may change what file is looked for.
  request.is_plain = pool().host->is_plain_script() && request.params.get("PHP_VALUE") == nullptr &&
                     request.params.get("PHP_ADMIN_VALUE") == nullptr;
  return true;
}

void open_request(Transport& transport) {
  Request& request = current_request();
  request.transport = &transport;
  request.params.reset(request.transport);
  request.body_bytes = 0;
  request.sending_headers = false;
  request.finished = false;
  request.told = false;
  request.log_started = false;
  request.body_file = -1;
  forget_uploads();
  request.no_directory_ini = false;
  request.is_plain = false;
}

void fill_request_info() {
  Request& request = current_request();
  const CgiSettings& settings = cgi_settings();
  const ScriptPath script = resolve_script(
      request.params,
      {settings.fix_pathinfo, settings.discard_path, PG(doc_root), request.is_plain});
  // What was looked at is the path that the web server named, and not, say, PATH_TRANSLATED.
  request.is_plain = request.is_plain && request.transport != nullptr &&
                     script.path == request.transport->param("SCRIPT_FILENAME");
  SG(server_context) = &request;
  auto& info = SG(request_info);
  info.path_translated = nullptr;
  info.request_method = request.params.get("REQUEST_METHOD");
  info.proto_num = 1000;
  info.query_string = nullptr;
  info.request_uri = nullptr;
  info.content_type = nullptr;
  info.content_length = 0;
  SG(sapi_headers).http_response_code = 200;
  if (!script.known) {
    return;
  }
  if (script.path != nullptr) {
    info.path_translated = estrdup(script.path);
  } else {
    SG(sapi_headers).http_response_code = 404;
  }
  info.request_uri = const_cast<char*>(script.request_uri);
  info.query_string = const_cast<char*>(request.params.get("QUERY_STRING"));
  info.content_type = or_empty(request.params.get("CONTENT_TYPE"));
  const char* length = request.params.get("CONTENT_LENGTH");
  info.content_length = length != nullptr ? std::atol(length) : 0;
  php_handle_auth_data(request.params.get("HTTP_AUTHORIZATION"));
}

void announce_request() {
  const auto& info = SG(request_info);
  pool().host->request_started(
      {.method = or_empty(info.request_method),
       .uri = or_empty(info.request_uri),
       .query = or_empty(info.query_string),
       .script = or_empty(info.path_translated),
       .user = or_empty(info.auth_user),
       .body_size = static_cast<std::uint64_t>(info.content_length > 0 ? info.content_length : 0)});
}

void run_script() {
  zend_first_try {
    if (SG(request_info).request_method != nullptr) {
      run_known_method();
    }
  }
  zend_end_try();
}

void finish_answer() {
  Request& request = current_request();
  if (request.transport != nullptr && !request.finished) {
    request.finished = true;
    request.transport->finish();
  }
}

/// The answer's headers as "Name: value", where they are needed after the engine has freed its own.
std::vector<std::string>& kept_headers() {
  static std::vector<std::string> headers;
  return headers;
}

template <typename Visitor>
void each_header(Visitor visit) {
  zend_llist_position position;
  for (void* entry = zend_llist_get_first_ex(&SG(sapi_headers).headers, &position);
       entry != nullptr; entry = zend_llist_get_next_ex(&SG(sapi_headers).headers, &position)) {
    const auto* header = static_cast<const sapi_header_struct*>(entry);
    visit(std::string_view(header->header, header->header_len));
  }
}

void keep_headers() {
  kept_headers().clear();
  each_header([](std::string_view header) { kept_headers().emplace_back(header); });
}

const char* sent_header(const char* name) {
  const std::string wanted = std::string(name) + ": ";
  const char* value = nullptr;
  const auto look_at = [&](std::string_view header) {
    if (value == nullptr && header.size() > wanted.size() &&
        header.substr(0, wanted.size()) == wanted) {
      value = header.data() + wanted.size();
    }
  };
  if (pool().engine->discards_children()) {
    each_header(look_at);
  } else {
    for (const std::string& header : kept_headers()) {
      look_at(header);
    }
  }
  return value;
}

// In this order, as in php-fpm: once a client has its answer, the access log's line is certain.
void conclude() {
  Request& request = current_request();
  if (request.transport != nullptr && !request.told && !is_warming_up()) {
    request.told = true;
    pool().host->request_ended({.status = SG(sapi_headers).http_response_code,
                                .body_bytes = request.body_bytes,
                                .peak_memory = request.peak_memory,
                                .header = sent_header});
  }
  finish_answer();
}

void close_request() {
  Request& request = current_request();
  if (request.body_file >= 0) {
    ::close(request.body_file);
    request.body_file = -1;
  }
  conclude();
  request.transport = nullptr;
  SG(server_context) = nullptr;
}

void end_request() {
  send_error_header();
  if (SG(request_info).path_translated != nullptr) {
    efree(SG(request_info).path_translated);
    SG(request_info).path_translated = nullptr;
  }
  // Asked before the engine's memory is given back.
  current_request().peak_memory = zend_memory_peak_usage(true);
  if (pool().engine->discards_children()) {
    shut_down_discarded();
  } else {
    keep_headers();
    php_request_shutdown(nullptr);
  }
  close_request();
}

bool start_request() {
  switch (adopt_early_start()) {
    case EarlyStart::Adopted:
      return true;
    case EarlyStart::Failed:
      return false;
    case EarlyStart::None:
      break;
  }
  const bool filled = guarded([] {
    fill_request_info();
    apply_request_ini();
    announce_request();
  });
  return filled && php_request_startup() != FAILURE;
}

void serve(const Job& job) {
  if (!open_request(job)) {
    return;
  }
  if (!start_request()) {
    log(LogLevel::Error, "PHP could not start the request for %s",
        or_empty(SG(request_info).path_translated));
    close_request();
    return;
  }
  run_script();
  end_request();
}

}  // namespace lwc::php
