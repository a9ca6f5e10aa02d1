// SPDX-License-Identifier: Apache-2.0
// Part of builds with AddressSanitizer only. PHP loads its extensions with RTLD_DEEPBIND, which
// that sanitizer refuses, because libraries would then not find its malloc().
#include <dlfcn.h>

extern "C" void* lwc_dlopen(const char* file, int mode) __asm__("dlopen")
    __attribute__((visibility("default"), used));
extern "C" void* lwc_dlopen(const char* file, int mode) {
  static const auto original =
      reinterpret_cast<void* (*)(const char*, int)>(::dlsym(RTLD_NEXT, "dlopen"));
  return original(file, mode & ~RTLD_DEEPBIND);
}
