// SPDX-License-Identifier: Apache-2.0
// access.format: php-fpm's letters, from the facts of a request to a line of the access log.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lwc/result.hpp"

namespace lwc::log {

/// What an access log line can tell of a request. Texts are not copied.
struct RequestFacts {
  std::string_view pool;
  std::string_view script;       ///< the file that was run
  std::string_view method;       ///< REQUEST_METHOD
  std::string_view uri;          ///< without the query string
  std::string_view query;        ///< without "?"
  std::string_view remote_addr;  ///< of the connection's peer; empty for a Unix socket
  std::string_view user;         ///< who authenticated; empty for nobody
  int status = 200;
  std::uint64_t content_length = 0;  ///< bytes of the request's body, as announced
  std::uint64_t peak_memory = 0;     ///< bytes
  std::chrono::microseconds duration{0};
  std::chrono::microseconds cpu_user{0};
  std::chrono::microseconds cpu_system{0};
  std::time_t accepted = 0;
  std::time_t finished = 0;
  pid_t pid = 0;         ///< of the process that served the request
  pid_t parent_pid = 0;  ///< of its parent
  /// A FastCGI parameter's value; empty or no function: "-" is shown.
  std::function<std::string(const std::string& name)> param;
  /// The value of a header of the answer; likewise.
  std::function<std::string(const std::string& name)> header;
};

class AccessFormat {
 public:
  /// Longest line, in bytes without the line end; the rest is cut off.
  static constexpr std::size_t kMaxLine = 1024;

  /// The error has php-fpm's words for what is wrong with the format.
  static Result<AccessFormat> parse(std::string_view format);

  /// The names that RequestFacts::param is asked for.
  const std::vector<std::string>& params() const { return params_; }

  /// The line without its end. Sets `truncated` (never clears it) if something was cut off.
  std::string format(const RequestFacts& facts, bool* truncated = nullptr) const;

 private:
  struct Part {
    std::string text;  ///< printed as it stands, or what stood in braces
    std::string (*print)(const RequestFacts& facts, const std::string& text) = nullptr;
  };
  std::vector<Part> parts_;
  std::vector<std::string> params_;
};

/// access.suppress_path: a plain successful GET or HEAD of one of `paths`.
bool is_suppressed(const RequestFacts& facts, const std::vector<std::string>& paths);

}  // namespace lwc::log
