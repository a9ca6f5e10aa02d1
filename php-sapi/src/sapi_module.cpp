// SPDX-License-Identifier: Apache-2.0
// What the engine asks of its server: output, headers, input, variables, messages. The behaviour
// is php-fpm's, down to the name, which opcache and applications test for.
#include "sapi_module.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "functions.hpp"
#include "ini.hpp"
#include "messages.hpp"
#include "request.hpp"

extern "C" {
#include <main/http_status_codes.h>
}

namespace lwc::php {

namespace {

CgiSettings g_settings;
bool g_serving = false;
void (*g_process_environment)(zval*) = nullptr;

constexpr std::size_t kMaxStatusLine = 1024;

/// The request of SG(server_context), or null between requests.
Request* serving() {
  return static_cast<Request*>(SG(server_context));
}

std::size_t write_to_stdout(const char* data, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t written = ::write(STDOUT_FILENO, data + done, size - done);
    if (written <= 0) {
      break;
    }
    done += static_cast<std::size_t>(written);
  }
  return done;
}

extern "C" std::size_t sapi_ub_write(const char* data, std::size_t size) noexcept {
  if (!g_serving) {
    return write_to_stdout(data, size);
  }
  Request* request = serving();
  if (request == nullptr || request->transport == nullptr) {
    return size;
  }
  if (request->finished) {
    return size;  // after fastcgi_finish_request() there is nobody to read it
  }
  if (!request->transport->write(data, size)) {
    // Leaves by longjmp unless the script ignores user aborts.
    php_handle_aborted_connection();
    return 0;
  }
  if (!request->sending_headers) {
    request->body_bytes += size;
  }
  return size;
}

extern "C" void sapi_flush_output(void* context) noexcept {
  auto* request = static_cast<Request*>(context);
  if (!g_serving || request == nullptr || request->transport == nullptr) {
    return;
  }
  if (!request->finished && !request->transport->flush()) {
    php_handle_aborted_connection();
  }
}

void write_line(const char* text, std::size_t size) {
  sapi_ub_write(text, size);
  sapi_ub_write("\r\n", 2);
}

bool is_header(const sapi_header_struct& header, const char* name) {
  const std::size_t length = std::strlen(name);
  return header.header_len > length && strncasecmp(header.header, name, length) == 0;
}

sapi_header_struct* first_header(sapi_headers_struct& headers, zend_llist_position& position) {
  return static_cast<sapi_header_struct*>(zend_llist_get_first_ex(&headers.headers, &position));
}

sapi_header_struct* next_header(sapi_headers_struct& headers, zend_llist_position& position) {
  return static_cast<sapi_header_struct*>(zend_llist_get_next_ex(&headers.headers, &position));
}

bool has_status_header(sapi_headers_struct& headers) {
  zend_llist_position position;
  for (auto* header = first_header(headers, position); header != nullptr;
       header = next_header(headers, position)) {
    if (is_header(*header, "Status:")) {
      return true;
    }
  }
  return false;
}

const char* reason_phrase(int code) {
  for (const http_response_status_code_pair* pair = http_status_map; pair->code != 0; ++pair) {
    if (pair->code == code) {
      return pair->str;
    }
  }
  return nullptr;
}

/// Writes the status line. False: the script's own "Status:" header takes its place. `status`
/// becomes the code that the client sees.
bool send_status(sapi_headers_struct& headers, int& status) {
  char line[kMaxStatusLine];
  int length = 0;
  const char* given = headers.http_status_line;
  const char* reason = given != nullptr ? std::strchr(given, ' ') : nullptr;
  if (g_settings.rfc2616_headers && given != nullptr) {
    length = slprintf(line, sizeof(line), "%s", given);
  } else if (reason != nullptr && reason - given >= 5 && strncasecmp(given, "HTTP/", 5) == 0) {
    length = slprintf(line, sizeof(line), "Status:%s", reason);
  } else if (has_status_header(headers)) {
    return false;
  } else {
    const char* phrase = reason_phrase(headers.http_response_code);
    length = phrase != nullptr
                 ? slprintf(line, sizeof(line), "Status: %d %s", headers.http_response_code, phrase)
                 : slprintf(line, sizeof(line), "Status: %d", headers.http_response_code);
    reason = nullptr;
  }
  if (reason != nullptr) {
    status = std::atoi(reason + 1);
  }
  write_line(line, static_cast<std::size_t>(length));
  return true;
}

void send_header_lines(sapi_headers_struct& headers) {
  int status = headers.http_response_code;
  bool status_sent = false;
  if (g_settings.nph || status != 200) {
    status_sent = send_status(headers, status);
  }
  zend_llist_position position;
  for (auto* header = first_header(headers, position); header != nullptr;
       header = next_header(headers, position)) {
    if (header->header_len == 0) {
      continue;  // an empty line would end the headers
    }
    if (is_header(*header, "Status:")) {
      if (status_sent) {
        continue;
      }
      status_sent = true;
    } else if (status == 304 && is_header(*header, "Content-Type:")) {
      continue;
    }
    write_line(header->header, header->header_len);
  }
  sapi_ub_write("\r\n", 2);
}

extern "C" int sapi_send_header_block(sapi_headers_struct* headers) noexcept {
  if (SG(request_info).no_headers) {
    return SAPI_HEADER_SENT_SUCCESSFULLY;
  }
  Request* request = serving();
  if (request != nullptr) {
    request->sending_headers = true;
  }
  send_header_lines(*headers);
  if (request != nullptr) {
    request->sending_headers = false;
  }
  return SAPI_HEADER_SENT_SUCCESSFULLY;
}

/// The descriptor of REQUEST_BODY_FILE, which a web server may name instead of sending the body.
/// -1: there is none. -2: it cannot be opened.
int body_file(Request& request) {
  const char* path = request.params.get("REQUEST_BODY_FILE");
  if (request.body_file >= 0 || path == nullptr || *path == '\0') {
    return request.body_file;
  }
  request.body_file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (request.body_file < 0) {
    php_error_docref(nullptr, E_WARNING, "REQUEST_BODY_FILE: open('%s') failed: %s (%d)", path,
                     std::strerror(errno), errno);
    return -2;
  }
  return request.body_file;
}

extern "C" std::size_t sapi_read_body(char* buffer, std::size_t size) noexcept {
  Request* request = serving();
  if (request == nullptr || request->transport == nullptr) {
    return 0;
  }
  const zend_long expected = SG(request_info).content_length;
  if (expected < SG(read_post_bytes)) {
    return 0;
  }
  const auto left = static_cast<std::size_t>(expected - SG(read_post_bytes));
  size = left < size ? left : size;
  const int file = body_file(*request);
  if (file == -2) {
    return 0;
  }
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        file >= 0 ? ::read(file, buffer + done, size - done)
                  : static_cast<ssize_t>(request->transport->read(buffer + done, size - done));
    if (got <= 0) {
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return done;
}

extern "C" char* sapi_read_cookie_header() noexcept {
  // The engine parses it in a copy.
  return const_cast<char*>(current_request().params.get("HTTP_COOKIE"));
}

extern "C" char* sapi_getenv_param(const char* name, std::size_t) noexcept {
  if (!g_serving) {
    return std::getenv(name);
  }
  const Request* request = serving();
  return request != nullptr ? const_cast<char*>(request->params.get(name)) : nullptr;
}

void add_filtered(const char* name, const char* value, void* context) {
  auto* array = static_cast<zval*>(context);
  const zval& env = PG(http_globals)[TRACK_VARS_ENV];
  const bool is_env = Z_TYPE(env) == IS_ARRAY && Z_ARR_P(array) == Z_ARR(env);
  auto* text = const_cast<char*>(value);
  std::size_t length = 0;
  if (sapi_module.input_filter(is_env ? PARSE_ENV : PARSE_SERVER, name, &text, std::strlen(text),
                               &length)) {
    php_register_variable_safe(name, text, length, array);
  }
}

void add_unfiltered(const char* name, const char* value, void* array) {
  php_register_variable_safe(name, value, std::strlen(value), static_cast<zval*>(array));
}

/// Takes over `array`'s content from the same variables under another name, if they are there.
bool copy_variables(zval* array, int other) {
  const zval& source = PG(http_globals)[other];
  if (Z_TYPE(source) != IS_ARRAY || Z_ARR_P(array) == Z_ARR(source) ||
      zend_hash_num_elements(Z_ARRVAL(source)) == 0) {
    return false;
  }
  zend_array_destroy(Z_ARR_P(array));
  Z_ARR_P(array) = zend_array_dup(Z_ARR(source));
  return true;
}

extern "C" void import_environment(zval* array) noexcept {
  if (copy_variables(array, TRACK_VARS_ENV) || copy_variables(array, TRACK_VARS_SERVER)) {
    return;
  }
  g_process_environment(array);
  if (const Request* request = serving()) {
    request->params.each(add_filtered, array);
  }
}

extern "C" void load_environment(zval* array) noexcept {
  g_process_environment(array);
  if (const Request* request = serving()) {
    request->params.each(add_unfiltered, array);
  }
}

extern "C" void sapi_register_variables(zval* array) noexcept {
  php_import_environment_variables(array);
  const char* script = SG(request_info).request_uri;
  const char* info = nullptr;
  if (g_settings.fix_pathinfo && serving() != nullptr) {
    info = serving()->params.get("PATH_INFO");
  }
  char* self = nullptr;
  std::size_t length =
      spprintf(&self, 0, "%s%s", script != nullptr ? script : "", info != nullptr ? info : "");
  if (sapi_module.input_filter(PARSE_SERVER, "PHP_SELF", &self, length, &length)) {
    php_register_variable_safe("PHP_SELF", self, length, array);
  }
  efree(self);
}

extern "C" int sapi_activate_request() noexcept {
  if (SG(request_info).path_translated == nullptr) {
    return FAILURE;
  }
  apply_directory_ini();
  return SUCCESS;
}

extern "C" int sapi_deactivate_request() noexcept {
  if (SG(sapi_started) && g_serving) {
    conclude();
  }
  return SUCCESS;
}

extern "C" int sapi_start(sapi_module_struct* module) noexcept {
  return php_module_startup(module, cgi_module());
}

sapi_module_struct make_module() {
  sapi_module_struct module{};
  // opcache starts only under names that it knows.
  module.name = const_cast<char*>("fpm-fcgi");
  module.pretty_name = const_cast<char*>("FPM/FastCGI");
  module.startup = sapi_start;
  module.shutdown = php_module_shutdown_wrapper;
  module.activate = sapi_activate_request;
  module.deactivate = sapi_deactivate_request;
  module.ub_write = sapi_ub_write;
  module.flush = sapi_flush_output;
  module.getenv = sapi_getenv_param;
  module.sapi_error = php_error;
  module.send_headers = sapi_send_header_block;
  module.read_post = sapi_read_body;
  module.read_cookies = sapi_read_cookie_header;
  module.register_server_variables = sapi_register_variables;
  module.log_message = sapi_log;
  return module;
}

}  // namespace

bool is_serving() {
  return g_serving && serving() != nullptr;
}

bool splits_path_info() {
  return g_settings.fix_pathinfo;
}

CgiSettings& cgi_settings() {
  return g_settings;
}

sapi_module_struct& sapi() {
  static sapi_module_struct module = make_module();
  return module;
}

void enter_serving() {
  if (g_serving) {
    return;
  }
  g_serving = true;
  g_process_environment = php_import_environment_variables;
  php_import_environment_variables = import_environment;
  php_load_environment_variables = load_environment;
}

}  // namespace lwc::php
