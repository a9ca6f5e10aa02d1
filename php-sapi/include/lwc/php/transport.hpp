// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace lwc::php {

/// One request and its answer, as php-sapi needs them. fcgi-server implements it over libfcgi.
///
/// Calls come from inside the PHP engine, which leaves functions by longjmp: no call may throw, and
/// no implementation may hold an object with a destructor across a call into php-sapi.
class Transport {
 public:
  virtual ~Transport() = default;

  /// A FastCGI parameter, or null. The text lives as long as the request.
  virtual const char* param(const char* name) const noexcept = 0;
  using ParamVisitor = void (*)(const char* name, const char* value, void* context);
  virtual void each_param(ParamVisitor visit, void* context) const noexcept = 0;

  /// Reads up to `size` bytes of the body. 0: end of the body, or the client is gone.
  virtual std::size_t read(char* buffer, std::size_t size) noexcept = 0;

  /// Writes `size` bytes of the answer (headers included). False: the client is gone.
  virtual bool write(const char* data, std::size_t size) noexcept = 0;
  /// Sends what was written so far. False: the client is gone.
  virtual bool flush() noexcept = 0;

  /// A line for the web server's error log (FCGI_STDERR).
  virtual void write_error(const char* text, std::size_t size) noexcept = 0;

  /// Ends the answer; later writes are dropped. Calling it twice is harmless.
  virtual void finish() noexcept = 0;
};

}  // namespace lwc::php
