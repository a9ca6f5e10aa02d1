// SPDX-License-Identifier: Apache-2.0
#include "upload_files.hpp"

#include <dlfcn.h>

#include "php.hpp"
#include "request.hpp"

extern "C" {
#include <main/rfc1867.h>
}

namespace lwc::php {

namespace {

using Callback = int (*)(unsigned int event, void* data, void** extra);

Callback g_next = nullptr;    ///< who had the callback before: the session extension
bool g_reading_form = false;  ///< from the first to the last byte of a multipart body

extern "C" int on_upload_event(unsigned int event, void* data, void** extra) noexcept {
  if (event == MULTIPART_EVENT_START) {
    g_reading_form = true;
  } else if (event == MULTIPART_EVENT_END) {
    g_reading_form = false;
  }
  return g_next != nullptr ? g_next(event, data, extra) : SUCCESS;
}

}  // namespace

void watch_uploads() {
  g_next = php_rfc1867_callback;
  php_rfc1867_callback = on_upload_event;
}

void forget_uploads() {
  g_reading_form = false;
}

}  // namespace lwc::php

// PHP says no file's name before the file is complete, and a request can be killed earlier. This is
// how it makes them. The name on the left is not libc's, which is declared with attributes.
extern "C" int lwc_mkstemp(char* path) __asm__("mkstemp")
    __attribute__((visibility("default"), used));
extern "C" int lwc_mkstemp(char* path) {
  using namespace lwc::php;
  static const auto original = reinterpret_cast<int (*)(char*)>(::dlsym(RTLD_NEXT, "mkstemp"));
  const int fd = original(path);
  if (fd >= 0 && g_reading_form && pool().host != nullptr) {
    pool().host->upload_stored(path);
  }
  return fd;
}
