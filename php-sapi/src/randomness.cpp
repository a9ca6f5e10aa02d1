// SPDX-License-Identifier: Apache-2.0
#include "randomness.hpp"

#include <dlfcn.h>
#include <sys/random.h>

#include <cstddef>

#include "php.hpp"

extern "C" {
#include <ext/random/php_random.h>
}

namespace lwc::php {

namespace {

// The libraries are not linked: only those that an extension has loaded matter.
using OpensslPrimary = void* (*)(void*);
using SodiumStir = void (*)();
using GcryptControl = int (*)(int, ...);
using GcryptAdd = int (*)(const void*, std::size_t, int);
using GnutlsRefresh = void (*)();
using SqliteRandomness = void (*)(int, void*);

struct Generators {
  SodiumStir sodium_stir = nullptr;
  GcryptAdd gcrypt_add = nullptr;
  GnutlsRefresh gnutls_refresh = nullptr;
};

Generators g_generators;

constexpr int kGcryctlAnyInitialization = 40;  // GCRYCTL_ANY_INITIALIZATION_P

template <typename Function>
Function loaded(const char* library, const char* symbol) {
  void* handle = ::dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) {
    return nullptr;
  }
  void* address = ::dlsym(handle, symbol);
  ::dlclose(handle);  // an extension keeps it loaded
  return reinterpret_cast<Function>(address);
}

/// gmp_random_*() are seeded once a request; its end is the only way to have them seeded again.
void forget_gmp_state() {
  auto* gmp =
      static_cast<zend_module_entry*>(zend_hash_str_find_ptr(&module_registry, ZEND_STRL("gmp")));
  if (gmp != nullptr && gmp->request_shutdown_func != nullptr) {
    gmp->request_shutdown_func(gmp->type, gmp->module_number);
  }
}

}  // namespace

void find_generators() {
  forget_gmp_state();
  g_generators = {};
  if (auto primary = loaded<OpensslPrimary>("libcrypto.so.3", "RAND_get0_primary")) {
    // Made here once instead of in every child that needs it. It seeds itself anew, and with that
    // every other one, when it is used in a process with another id than this one: in every child.
    primary(nullptr);
  }
  if (auto sqlite = loaded<SqliteRandomness>("libsqlite3.so.0", "sqlite3_randomness")) {
    sqlite(0, nullptr);  // random(), randomblob(): forgets its state, and is seeded at its next use
  }
  g_generators.sodium_stir = loaded<SodiumStir>("libsodium.so.23", "randombytes_stir");
  auto control = loaded<GcryptControl>("libgcrypt.so.20", "gcry_control");
  if (control != nullptr && control(kGcryctlAnyInitialization) != 0) {
    g_generators.gcrypt_add = loaded<GcryptAdd>("libgcrypt.so.20", "gcry_random_add_bytes");
  }
  g_generators.gnutls_refresh = loaded<GnutlsRefresh>("libgnutls.so.30", "gnutls_rnd_refresh");
}

void reseed_generators() {
  // mt_rand(), rand(), shuffle() ... and lcg_value(): seeded anew at first use.
  RANDOM_G(combined_lcg_seeded) = false;
  RANDOM_G(mt19937_seeded) = false;
  if (g_generators.sodium_stir != nullptr) {
    g_generators.sodium_stir();
  }
  if (g_generators.gcrypt_add != nullptr) {
    unsigned char fresh[32];
    if (::getrandom(fresh, sizeof(fresh), 0) != static_cast<ssize_t>(sizeof(fresh))) {
      zend_error_noreturn(E_ERROR, "The kernel gives no random numbers");
    }
    g_generators.gcrypt_add(fresh, sizeof(fresh), 100);
  }
  if (g_generators.gnutls_refresh != nullptr) {
    g_generators.gnutls_refresh();
  }
}

}  // namespace lwc::php
