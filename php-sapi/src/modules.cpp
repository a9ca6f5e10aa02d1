// SPDX-License-Identifier: Apache-2.0
#include "modules.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "guarded.hpp"
#include "opcache.hpp"

namespace lwc::php {

namespace {

/// An extension that we have read the source of. Of any other, everything is called as PHP does.
struct Known {
  std::string_view name;
  bool quiet_end;      ///< its RSHUTDOWN only gives back memory and state of the process
  bool plain_objects;  ///< so does freeing its objects
};

// All of them begin every request alike, but for the settings that modules_begin_alike() looks at.
constexpr std::array<Known, 59> kKnown{{
    {"Core", true, true},       {"date", true, true},       {"libxml", true, true},
    {"openssl", true, false},   {"pcre", true, true},       {"zlib", true, false},
    {"filter", true, false},    {"hash", true, true},       {"json", true, true},
    {"pcntl", true, false},     {"random", true, true},     {"Reflection", true, true},
    {"SPL", true, true},        {"session", false, false},  {"standard", true, true},
    {"sodium", true, false},    {"mysqlnd", true, false},   {"PDO", true, false},
    {"xml", true, false},       {"apcu", true, false},      {"bcmath", true, false},
    {"bz2", true, false},       {"calendar", true, false},  {"ctype", true, false},
    {"curl", true, false},      {"dba", true, false},       {"dom", true, true},
    {"exif", true, false},      {"FFI", true, false},       {"fileinfo", true, false},
    {"ftp", true, false},       {"gd", true, false},        {"gettext", true, false},
    {"gmp", true, true},        {"iconv", true, false},     {"intl", true, true},
    {"ldap", true, false},      {"mbstring", true, false},  {"mysqli", true, false},
    {"pdo_mysql", true, false}, {"pdo_pgsql", true, false}, {"pdo_sqlite", true, false},
    {"pgsql", false, false},    {"Phar", true, false},      {"posix", true, false},
    {"readline", true, false},  {"shmop", true, false},     {"SimpleXML", true, true},
    {"soap", true, false},      {"sockets", true, false},   {"sqlite3", true, false},
    {"sysvmsg", true, false},   {"sysvsem", true, false},   {"sysvshm", true, false},
    {"tokenizer", true, true},  {"xmlreader", true, false}, {"xmlwriter", true, false},
    {"xsl", true, false},       {"zip", true, false},
}};

// Ours and opcache: what they do in a request is called by name where it is needed.
constexpr std::array<std::string_view, 3> kOwn{"lwc", "cgi-fcgi", "Zend OPcache"};

std::vector<const zend_module_entry*> g_at_end;  // last loaded first, as PHP has them
std::vector<const zend_module_entry*> g_late;    // first loaded first
std::vector<bool> g_plain_objects;               // by module number
const char* g_unknown = nullptr;                 // the first one's name

bool is_own(const zend_module_entry& module) {
  return std::find(kOwn.begin(), kOwn.end(), module.name) != kOwn.end();
}

const Known* find_known(const zend_module_entry& module) {
  const auto* found = std::find_if(kKnown.begin(), kKnown.end(), [&module](const Known& known) {
    return known.name == module.name;
  });
  return found != kKnown.end() ? found : nullptr;
}

void add_module(const zend_module_entry& module) {
  const Known* known = find_known(module);
  if (is_own(module)) {
    return;
  }
  if (known == nullptr && g_unknown == nullptr) {
    g_unknown = module.name;
  }
  if (module.request_shutdown_func != nullptr && (known == nullptr || !known->quiet_end)) {
    g_at_end.insert(g_at_end.begin(), &module);
  }
  if (module.post_deactivate_func != nullptr && (known == nullptr || !known->quiet_end)) {
    g_late.push_back(&module);
  }
  const auto number = static_cast<std::size_t>(module.module_number);
  if (known != nullptr && known->plain_objects) {
    g_plain_objects.resize(std::max(g_plain_objects.size(), number + 1));
    g_plain_objects[number] = true;
  }
}

bool is_set(const char* setting) {
  const auto* entry = static_cast<const zend_ini_entry*>(
      zend_hash_str_find_ptr(EG(ini_directives), setting, std::strlen(setting)));
  return entry != nullptr && entry->value != nullptr && ZSTR_LEN(entry->value) > 0 &&
         !zend_string_equals_literal(entry->value, "0") &&
         !zend_string_equals_literal_ci(entry->value, "off");
}

// For guarded(), which takes no argument.
const zend_module_entry* g_ending = nullptr;

}  // namespace

void find_modules() {
  g_at_end.clear();
  g_late.clear();
  g_plain_objects.clear();
  g_unknown = nullptr;
  zval* entry;
  ZEND_HASH_FOREACH_VAL(&module_registry, entry) {
    add_module(*static_cast<const zend_module_entry*>(Z_PTR_P(entry)));
  }
  ZEND_HASH_FOREACH_END();
}

// A session is the visitor's, and zlib looks at what the client accepts.
bool modules_begin_alike() {
  return g_unknown == nullptr && !is_set("session.auto_start") &&
         !is_set("zlib.output_compression");
}

const char* unknown_module() {
  return g_unknown;
}

void end_module_requests() {
  EG(current_execute_data) = nullptr;
  for (const zend_module_entry* module : g_at_end) {
    g_ending = module;
    guarded([] { g_ending->request_shutdown_func(g_ending->type, g_ending->module_number); });
  }
}

void end_modules_late() {
  for (const zend_module_entry* module : g_late) {
    module->post_deactivate_func();
  }
}

bool is_only_memory(const zend_class_entry& type) {
  const zend_class_entry* builtin = &type;
  while (builtin != nullptr && builtin->type == ZEND_USER_CLASS) {
    builtin = builtin->parent;
  }
  const zend_module_entry* module = builtin != nullptr ? builtin->info.internal.module : nullptr;
  return module != nullptr &&
         static_cast<std::size_t>(module->module_number) < g_plain_objects.size() &&
         g_plain_objects[static_cast<std::size_t>(module->module_number)];
}

}  // namespace lwc::php
