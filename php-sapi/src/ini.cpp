// SPDX-License-Identifier: Apache-2.0
#include "ini.hpp"

#include <sys/stat.h>

#include <cctype>
#include <cstdio>
#include <cstring>

#include "messages.hpp"
#include "modules.hpp"
#include "php.hpp"
#include "request.hpp"

extern "C" {
#include <zend_ini_scanner.h>
#include <ext/standard/dl.h>
}

namespace lwc::php {

namespace {

/// "extension=..." in a pool or request loads it. True when there is something new to call.
bool load_extension(const char* name) {
  zval loaded;
  zend_interned_strings_switch_storage(0);
  php_dl(name, MODULE_PERSISTENT, &loaded, 1);
  zend_interned_strings_switch_storage(1);
  return Z_TYPE(loaded) == IS_TRUE;
}

void disable_classes(const char* list) {
  // Kept by the engine for the life of the process.
  char* names = ::strdup(list);
  PG(disable_classes) = names;
  for (char* rest = names; char* name = ::strtok_r(rest, " ,", &rest);) {
    zend_disable_class(name, std::strlen(name));
  }
}

extern "C" void request_ini_entry(zval* name, zval* value, zval*, int type,
                                  void* context) noexcept {
  const bool admin = *static_cast<const bool*>(context);
  if (name == nullptr) {
    return;
  }
  if (type != ZEND_INI_PARSER_ENTRY) {
    complain(LogLevel::Error,
             "Passing INI directive through FastCGI: only classic entries are allowed");
    return;
  }
  if (Z_STRLEN_P(name) == 0) {
    complain(LogLevel::Error, "Passing INI directive through FastCGI: empty key");
    return;
  }
  if (value == nullptr) {
    complain(LogLevel::Error, "Passing INI directive through FastCGI: empty value for key '%s'",
             Z_STRVAL_P(name));
    return;
  }
  if (!set_ini(Z_STRVAL_P(name), Z_STRVAL_P(value), admin)) {
    complain(LogLevel::Error, "Passing INI directive through FastCGI: unable to set '%s'",
             Z_STRVAL_P(name));
  }
}

void apply_request_param(const char* param, bool admin) {
  const char* text = current_request().params.get(param);
  if (text == nullptr) {
    return;
  }
  char* lines = nullptr;
  spprintf(&lines, 0, "%s\n", text);
  zend_parse_ini_string(lines, true, ZEND_INI_SCANNER_NORMAL, request_ini_entry, &admin);
  efree(lines);
}

/// Calls visit(directory) for every directory whose .user.ini counts: from the document root down
/// to `directory`, which ends in '/' and is changed meanwhile. Stops when it returns false.
template <typename Visit>
void each_user_ini_directory(char* directory, const char* document_root, Visit visit) {
  std::size_t root_length = std::strlen(document_root);
  if (root_length > 0 && document_root[root_length - 1] == '/') {
    --root_length;
  }
  const std::size_t length = std::strlen(directory);
  const std::size_t shorter = length < root_length ? length : root_length;
  if (std::strncmp(document_root, directory, shorter) != 0) {
    visit(directory);
    return;
  }
  bool go_on = true;
  for (char* slash = directory + shorter; go_on && (slash = std::strchr(slash, '/')) != nullptr;
       ++slash) {
    *slash = '\0';
    go_on = visit(directory);
    *slash = '/';
  }
}

void apply_user_ini(char* directory, const char* document_root) {
  HashTable settings;
  zend_hash_init(&settings, 8, nullptr, config_zval_dtor, 1);
  each_user_ini_directory(directory, document_root, [&settings](const char* one) {
    php_parse_user_ini_file(one, PG(user_ini_filename), &settings);
    return true;
  });
  php_ini_activate_config(&settings, PHP_INI_PERDIR, PHP_INI_STAGE_HTACCESS);
  zend_hash_destroy(&settings);
}

bool reads_user_ini() {
  return PG(user_ini_filename) != nullptr && *PG(user_ini_filename) != '\0';
}

void apply_host_ini() {
  const char* name = current_request().params.get("SERVER_NAME");
  if (!php_ini_has_per_host_config() || name == nullptr) {
    return;
  }
  const std::size_t length = std::strlen(name);
  char* lower = estrndup(name, length);
  zend_str_tolower(lower, length);
  php_ini_activate_per_host_config(lower, length);
  efree(lower);
}

}  // namespace

bool set_ini(const char* name, const char* value, bool admin) {
  if (std::strcmp(name, "extension") == 0 && *value != '\0') {
    if (load_extension(value)) {
      zend_collect_module_handlers();
      find_modules();
    }
    return true;
  }
  auto* entry = static_cast<zend_ini_entry*>(
      zend_hash_str_find_ptr(EG(ini_directives), name, std::strlen(name)));
  if (entry == nullptr) {
    return false;
  }
  zend_string* text = zend_string_init(value, std::strlen(value), true);
  if (entry->on_modify == nullptr ||
      entry->on_modify(entry, text, entry->mh_arg1, entry->mh_arg2, entry->mh_arg3,
                       PHP_INI_STAGE_ACTIVATE) == SUCCESS) {
    // The former value may be referenced from anywhere: it stays.
    entry->value = text;
    if (admin) {
      entry->modifiable = ZEND_INI_SYSTEM;
    }
  } else {
    zend_string_release_ex(text, true);
  }
  if (*value != '\0' && std::strcmp(name, "disable_functions") == 0) {
    zend_disable_functions(value);
  } else if (*value != '\0' && std::strcmp(name, "disable_classes") == 0) {
    disable_classes(value);
  }
  return true;
}

void apply_pool_ini(const PoolOptions& options) {
  // As php-fpm: first what scripts may change, then what they may not.
  for (const bool admin : {false, true}) {
    for (const IniSetting& setting : options.ini) {
      if (setting.admin == admin &&
          !set_ini(setting.name.c_str(), setting.value.c_str(), setting.admin)) {
        log(LogLevel::Error, "Unable to set %s '%s'", admin ? "php_admin_value" : "php_value",
            setting.name.c_str());
      }
    }
  }
}

void apply_request_ini() {
  apply_request_param("PHP_VALUE", false);
  apply_request_param("PHP_ADMIN_VALUE", true);
}

void apply_directory_ini() {
  const char* script = SG(request_info).path_translated;
  if (script == nullptr || current_request().no_directory_ini) {
    return;
  }
  apply_host_ini();
  if (!php_ini_has_per_dir_config() && !reads_user_ini()) {
    return;
  }
  std::size_t length = std::strlen(script);
  auto* directory = static_cast<char*>(emalloc(length + 2));
  std::memcpy(directory, script, length + 1);
  length = zend_dirname(directory, length);
  directory[length++] = '/';
  directory[length] = '\0';
  php_ini_activate_per_dir_config(directory, length);
  const char* document_root = current_request().params.get("DOCUMENT_ROOT");
  if (reads_user_ini() && document_root != nullptr && !current_request().is_plain) {
    apply_user_ini(directory, document_root);
  }
  efree(directory);
}

bool has_directory_ini() {
  return !current_request().is_plain &&
         has_directory_ini(SG(request_info).path_translated,
                           current_request().params.get("DOCUMENT_ROOT"));
}

bool has_directory_ini(const char* script, const char* document_root) {
  if (script == nullptr || document_root == nullptr || !reads_user_ini()) {
    return false;
  }
  char directory[MAXPATHLEN];
  if (std::strlen(script) + 2 > sizeof directory) {
    return true;  // whoever reads them will say what is wrong
  }
  std::memcpy(directory, script, std::strlen(script) + 1);
  std::size_t length = zend_dirname(directory, std::strlen(script));
  directory[length++] = '/';
  directory[length] = '\0';
  bool found = false;
  each_user_ini_directory(directory, document_root, [&found](const char* one) {
    char path[MAXPATHLEN];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", one, PG(user_ini_filename));
    found = ::stat(path, &status) == 0;
    return !found;
  });
  return found;
}

}  // namespace lwc::php
