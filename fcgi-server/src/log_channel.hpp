// SPDX-License-Identifier: Apache-2.0
// How templates, holders and children log: each line goes to the master as one datagram, and the
// master alone writes the log. So reopening, a full disk and line order concern one process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lwc/message.hpp"
#include "lwc/php/interpreter.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

class LogChannel {
 public:
  /// Makes the pair. Once, in the master, before it forks.
  static Result<LogChannel> make();
  /// The one that an earlier master's workers know; `fds` as fds() gave them there.
  static LogChannel adopt(const std::vector<int>& fds);
  std::vector<int> fds() const { return {master_.get(), others_.get()}; }

  /// Sends one entry, which may have several lines. Never blocks: if the master is overwhelmed the
  /// entry is dropped.
  void send(php::LogLevel level, std::string_view pool, std::string_view text) const noexcept;

  int master_fd() const { return master_.get(); }
  struct Entry {
    php::LogLevel level;
    std::string pool;
    std::string text;
  };
  /// In the master: the next entry, if one is there.
  bool receive(Entry& out) const;

 private:
  UniqueFd master_;
  UniqueFd others_;
};

}  // namespace lwc
