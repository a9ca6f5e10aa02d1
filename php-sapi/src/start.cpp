// SPDX-License-Identifier: Apache-2.0
// Starting PHP in this process and what can be asked of it outside a request.
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "functions.hpp"
#include "lwc/php/interpreter.hpp"
#include "messages.hpp"
#include "opcache.hpp"
#include "php.hpp"
#include "sapi_module.hpp"
#include "upload_files.hpp"

extern "C" {
#include <ext/standard/info.h>
}

namespace lwc::php {

namespace {

// libphp was built for the embed SAPI and would look into its directory. An administrator who puts
// lwc-fpm in php-fpm's place expects php-fpm's settings.
constexpr char kIniDirectory[] = "/etc/php/8.2/fpm";
constexpr char kScanDirectory[] = "/etc/php/8.2/fpm/conf.d";

bool is_directory(const char* path) {
  struct stat status;
  return ::stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/// Debian's php8.2-fpm leaves its directories behind when it is removed, but takes the extensions'
/// files out of them. Then libphp's own are the ones that are maintained.
bool has_ini_files(const char* directory) {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
    if (entry.path().extension() == ".ini") {
      return true;
    }
  }
  return false;
}

extern "C" int register_extensions() noexcept {
  const int result = php_register_internal_extensions();
  if (result == SUCCESS && zend_register_internal_module(lwc_module()) == nullptr) {
    return FAILURE;
  }
  return result;
}

/// Where php.ini is looked for: $PHPRC before php-fpm's directory, as php-fpm does. The engine
/// takes a list of directories, or one file.
std::string ini_search_path() {
  const char* phprc = std::getenv("PHPRC");
  std::string first = phprc != nullptr ? phprc : "";
  struct stat status;
  if (::stat(first.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
    return first;
  }
  const std::string last = is_directory(kIniDirectory) ? kIniDirectory : "";
  return first + (first.empty() || last.empty() ? "" : ":") + last;
}

void choose_ini_files(const StartOptions& options) {
  // Kept: the engine reads them for as long as it runs.
  static std::string path;
  static std::string entries;
  // PHP reads the file that it is told of also when it is to ignore php.ini.
  path = options.ini_path;
  if (path.empty() && !options.ignore_ini) {
    path = ini_search_path();
  }
  entries = options.ini_entries;
  sapi_module_struct& module = sapi();
  module.php_ini_path_override = path.empty() ? nullptr : path.data();
  module.php_ini_ignore = options.ignore_ini ? 1 : 0;
  module.php_ini_ignore_cwd = 1;
  module.ini_entries = entries.empty() ? nullptr : entries.data();
}

/// Runs the module's start-up with php-fpm's scan directory, unless the environment names another.
/// The engine keeps the pointer that getenv() gave it, so that the string must stay.
int start_module() {
  static char scan[] = "PHP_INI_SCAN_DIR=/etc/php/8.2/fpm/conf.d";
  const bool ours = std::getenv("PHP_INI_SCAN_DIR") == nullptr && has_ini_files(kScanDirectory);
  if (ours) {
    ::putenv(scan);
  }
  const int result = sapi().startup(&sapi());
  if (ours) {
    ::unsetenv("PHP_INI_SCAN_DIR");
  }
  return result;
}

void print_sorted_modules() {
  HashTable sorted;
  zend_hash_init(&sorted, 64, nullptr, nullptr, 1);
  zend_hash_copy(&sorted, &module_registry, nullptr);
  zend_hash_sort(
      &sorted,
      [](Bucket* a, Bucket* b) {
        return strcasecmp(static_cast<zend_module_entry*>(Z_PTR(a->val))->name,
                          static_cast<zend_module_entry*>(Z_PTR(b->val))->name);
      },
      0);
  zval* entry;
  ZEND_HASH_FOREACH_VAL(&sorted, entry) {
    php_printf("%s\n", static_cast<zend_module_entry*>(Z_PTR_P(entry))->name);
  }
  ZEND_HASH_FOREACH_END();
  zend_hash_destroy(&sorted);
}

void print_extension(void* extension) {
  php_printf("%s\n", static_cast<zend_extension*>(extension)->name);
}

}  // namespace

namespace {

/// The running program's path, for good.
char* own_path() {
  static char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  return length > 0 ? path : nullptr;
}

}  // namespace

Status start(const StartOptions& options) {
  // A client that went away is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  report_to(options.report);
  zend_signal_startup();
  sapi().executable_location = own_path();  // PHP_BINARY
  sapi_startup(&sapi());
  choose_ini_files(options);
  php_register_internal_extensions_func = register_extensions;
  if (start_module() == FAILURE) {
    return Error{"PHP could not be started; the messages above say why"};
  }
  if (options.extended_info) {
    CG(compiler_options) |= ZEND_COMPILE_EXTENDED_INFO;
  }
  find_opcache();
  watch_uploads();
  return ok();
}

void stop() {
  SG(server_context) = nullptr;
  php_module_shutdown();
  sapi_shutdown();
}

std::optional<std::string> constant_value(std::string_view name) {
  // With a colon it would be a class's: php.ini's rule.
  zval* value = name.find(':') == std::string_view::npos
                    ? zend_get_constant_str(name.data(), name.size())
                    : nullptr;
  if (value == nullptr) {
    return std::nullopt;
  }
  zend_string* text = zval_get_string(value);
  std::string copy(ZSTR_VAL(text), ZSTR_LEN(text));
  zend_string_release(text);
  return copy;
}

std::optional<std::string> ini_file_value(const std::string& name) {
  zend_string* key = zend_string_init(name.data(), name.size(), 0);
  const zval* value = cfg_get_entry_ex(key);
  zend_string_release(key);
  if (value == nullptr || Z_TYPE_P(value) != IS_STRING) {
    return std::nullopt;
  }
  return std::string(Z_STRVAL_P(value), Z_STRLEN_P(value));
}

int print_info() {
  ::sapi_module.phpinfo_as_text = 1;
  if (php_request_startup() == FAILURE) {
    return 70;
  }
  SG(headers_sent) = 1;
  SG(request_info).no_headers = 1;
  php_print_info(PHP_INFO_ALL);
  php_request_shutdown(nullptr);
  return 0;
}

int print_modules() {
  php_output_activate();
  SG(headers_sent) = 1;
  php_printf("[PHP Modules]\n");
  print_sorted_modules();
  php_printf("\n[Zend Modules]\n");
  zend_llist_apply(&zend_extensions, print_extension);
  php_printf("\n");
  php_output_end_all();
  php_output_deactivate();
  return 0;
}

std::string version_text() {
  // Tools read php-fpm's shape of this line.
  return std::string("PHP ") + PHP_VERSION + " (" + ::sapi_module.name +
         ") (built: " __DATE__ " " __TIME__ ")\nCopyright (c) The PHP Group\n" + get_zend_version();
}

}  // namespace lwc::php
