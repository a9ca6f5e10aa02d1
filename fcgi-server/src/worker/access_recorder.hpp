// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "log/access_format.hpp"
#include "lwc/php/interpreter.hpp"

namespace lwc {

/// What a pool's access log wants.
struct AccessOptions {
  std::optional<log::AccessFormat> format;  ///< none: there is no access log
  std::vector<std::string> suppress;        ///< access.suppress_path
  int fd = -1;                              ///< the file as it was when the base template started
  std::uint32_t generation = 0;             ///< PoolBoard::log_generation of that moment
  pid_t master = 0;
};

/// Gathers the facts of a request in the child and makes the line of them. The worker writes it: a
/// child may have changed its user or root, and must not learn the descriptor.
class AccessRecorder {
 public:
  AccessRecorder(const AccessOptions& options, const std::string& pool)
      : options_(options), pool_(pool) {}

  void opened(int connection);
  void started(const php::RequestStart& start, const php::Transport& transport);
  /// The line with its end; empty: nothing is to be logged. `truncated` as AccessFormat::format().
  std::string ended(const php::RequestEnd& end, bool* truncated);

 private:
  struct CpuTime {
    std::chrono::microseconds user{0};
    std::chrono::microseconds system{0};
  };
  static CpuTime cpu_time();

  const AccessOptions& options_;
  const std::string& pool_;
  bool started_ = false;
  std::chrono::steady_clock::time_point begin_;
  std::time_t accepted_ = 0;
  CpuTime cpu_;
  std::string peer_;
  std::string method_;
  std::string uri_;
  std::string query_;
  std::string script_;
  std::string user_;
  std::uint64_t body_size_ = 0;
  std::vector<std::string> params_;  // values of AccessFormat::params(), in their order
};

}  // namespace lwc
