// SPDX-License-Identifier: Apache-2.0
#include "opcache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "guarded.hpp"
#include "php.hpp"

namespace lwc::php {

namespace {

/// zend_accel_directives and zend_accel_globals of PHP 8.2 (ext/opcache/ZendAccelerator.h), as far
/// as the last field used here. Offsets are compared with those that the ini entries state.
struct Directives {
  zend_long memory_consumption;
  zend_long max_accelerated_files;
  double max_wasted_percentage;
  char* user_blacklist_filename;
  zend_long consistency_checks;
  zend_long force_restart_timeout;
  bool flags_before_validate[2];
  bool validate_timestamps;
  bool flags_after_validate[8];
  zend_ulong revalidate_freq;
  zend_ulong file_update_protection;
  char* error_log;
  char* memory_model;
  zend_long log_verbosity_level;
  zend_long optimization_level;
  zend_long opt_debug_level;
  zend_long max_file_size;
  zend_long interned_strings_buffer;
  char* restrict_api;
  char* lockfile_path;
  char* file_cache;
  bool file_cache_only;
  bool file_cache_consistency_checks;
  bool huge_code_pages;
  char* preload;
  char* preload_user;
};

struct Globals {
  bool counted;
  bool enabled;
  bool locked;
  bool accelerator_enabled;
  bool pcre_reseted;
  Directives directives;
  zend_string* cwd;
  zend_string* include_path;
  char include_path_key[32];
  char cwd_key[32];
  int include_path_key_len;
  bool include_path_check;
  int cwd_key_len;
  bool cwd_check;
  int auto_globals_mask;
  time_t request_time;
  time_t last_restart_time;
  HashTable xlat_table;
  zend_ulong root_hash;
  void* mem;
  void* current_persistent_script;
  const void* cache_opline;
  void* cache_persistent_script;
};

Globals* g_globals = nullptr;
const zend_module_entry* g_module = nullptr;
int g_lock_file = -1;

/// Where ini setting `name` is kept: the globals it points into, if its offset is the expected one.
void* globals_of(const char* name, std::size_t offset) {
  auto* entry = static_cast<zend_ini_entry*>(
      zend_hash_str_find_ptr(EG(ini_directives), name, std::strlen(name)));
  if (entry == nullptr || reinterpret_cast<std::size_t>(entry->mh_arg1) != offset) {
    return nullptr;
  }
  return entry->mh_arg2;
}

Globals* find_globals() {
  // The last field of the directives that has an ini entry, and two before it.
  void* last = globals_of("opcache.preload_user", offsetof(Globals, directives.preload_user));
  void* middle =
      globals_of("opcache.revalidate_freq", offsetof(Globals, directives.revalidate_freq));
  void* first =
      globals_of("opcache.validate_timestamps", offsetof(Globals, directives.validate_timestamps));
  return last != nullptr && last == middle && last == first ? static_cast<Globals*>(last) : nullptr;
}

int find_lock_file() {
  DIR* directory = ::opendir("/proc/self/fd");
  int found = -1;
  while (const dirent* entry = directory != nullptr ? ::readdir(directory) : nullptr) {
    char target[256];
    const ssize_t length =
        ::readlinkat(::dirfd(directory), entry->d_name, target, sizeof(target) - 1);
    if (length <= 0) {
      continue;
    }
    target[length] = '\0';
    if (std::strstr(target, "/.ZendSem.") != nullptr) {
      found = std::atoi(entry->d_name);
      break;
    }
  }
  if (directory != nullptr) {
    ::closedir(directory);
  }
  return found;
}

/// Bytes of opcache's lock file.
constexpr off_t kWriteLock = 0;  // zend_shared_alloc_lock()
constexpr off_t kUsageLock = 1;  // accel_activate_add()

/// `length` 0: to the end of the file.
void set_lock(off_t byte, short type, off_t length = 1) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = length;
  ::fcntl(g_lock_file, F_SETLK, &lock);
}

bool g_restart_pending = false;

void ask_restart_pending() {
  zval name;
  zval status;
  zval no_scripts;
  ZVAL_STRING(&name, "opcache_get_status");
  ZVAL_FALSE(&no_scripts);
  if (call_user_function(nullptr, nullptr, &name, &status, 1, &no_scripts) == SUCCESS) {
    if (Z_TYPE(status) == IS_ARRAY) {
      const zval* value = zend_hash_str_find(Z_ARRVAL(status), ZEND_STRL("restart_pending"));
      g_restart_pending = value != nullptr && Z_TYPE_P(value) == IS_TRUE;
    }
    zval_ptr_dtor(&status);
  }
  zval_ptr_dtor(&name);
}

}  // namespace

void find_opcache() {
  g_module = static_cast<const zend_module_entry*>(
      zend_hash_str_find_ptr(&module_registry, ZEND_STRL("zend opcache")));
  g_globals = find_globals();
  g_lock_file = g_globals != nullptr ? find_lock_file() : -1;
}

bool opcache_works() {
  return g_globals != nullptr && g_lock_file >= 0 && g_globals->enabled;
}

bool opcache_validates() {
  return opcache_works() && g_globals->directives.validate_timestamps;
}

long opcache_revalidate_freq() {
  return opcache_works() ? static_cast<long>(g_globals->directives.revalidate_freq) : 0;
}

void hold_opcache() {
  if (opcache_works()) {
    set_lock(kUsageLock, F_RDLCK);
  }
}

void release_opcache(bool keep_usage_lock) {
  if (!opcache_works()) {
    return;
  }
  const bool write_locked = g_globals->locked;  // the script ended while adding to the cache
  const bool counted = g_globals->counted && !keep_usage_lock;
  if (counted) {
    set_lock(0, F_UNLCK, 0);  // all of them, as opcache itself does
  } else if (write_locked) {
    set_lock(kWriteLock, F_UNLCK);
  }
  g_globals->locked = false;
  if (counted) {
    g_globals->counted = false;
  }
}

bool opcache_restart_pending() {
  if (!opcache_works()) {
    return false;
  }
  // opcache.restrict_api is about scripts: this is not one.
  char* const restriction = g_globals->directives.restrict_api;
  g_restart_pending = false;
  g_globals->directives.restrict_api = nullptr;
  guarded(ask_restart_pending);
  g_globals->directives.restrict_api = restriction;
  return g_restart_pending;
}

void renew_opcache(long request_time) {
  if (!opcache_works()) {
    return;
  }
  g_globals->request_time = request_time;
  g_globals->cache_opline = nullptr;
  g_globals->cache_persistent_script = nullptr;
}

void begin_opcache_request() {
  if (g_module != nullptr && g_module->request_startup_func != nullptr) {
    g_module->request_startup_func(g_module->type, g_module->module_number);
  }
}

void disable_opcache() {
  zend_string* name = zend_string_init(ZEND_STRL("opcache.enable"), false);
  zend_alter_ini_entry_chars(name, "0", 1, ZEND_INI_USER, ZEND_INI_STAGE_RUNTIME);
  zend_string_release(name);
}

}  // namespace lwc::php
