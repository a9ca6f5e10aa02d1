// SPDX-License-Identifier: Apache-2.0
#include "log/worker_output.hpp"

#include <algorithm>
#include <cstring>

#include "log/logger.hpp"

namespace lwc::log {
namespace {

constexpr std::size_t kLongestOrigin = 510;

}  // namespace

WorkerOutput::WorkerOutput(Options options, std::function<std::string()> prefix,
                           std::function<void(std::string_view)> write)
    : options_(std::move(options)), prefix_(std::move(prefix)), write_(std::move(write)) {}

WorkerOutput WorkerOutput::to(Logger& logger, std::string pool, bool decorate) {
  Options options{std::move(pool), decorate, logger.settings().buffered, logger.settings().limit};
  if (logger.settings().json) {
    // A JSON line needs its whole text; the logger puts the rest around it.
    const std::string name = options.pool;
    options.decorate = true;
    options.buffered = true;
    return {options, [] { return std::string(); },
            [&logger, name](std::string_view line) {
              line.remove_prefix(std::min(line.size(), name.size() + std::strlen("[pool ] ")));
              logger.write(Level::Warning, name, line.substr(0, line.find_last_not_of('\n') + 1));
            }};
  }
  // php-fpm passes worker output on below log_level, too, but without decoration.
  options.decorate = decorate && logger.is_enabled(Level::Warning);
  return {options, [&logger] { return logger.prefix(Level::Warning); },
          [&logger](std::string_view text) { logger.write_raw(text); }};
}

void WorkerOutput::said(pid_t child, bool is_stdout, std::string_view bytes) {
  std::string origin = "[pool " + options_.pool + "] child " + std::to_string(child) +
                       " said into " + (is_stdout ? "stdout" : "stderr") + ": ";
  origin.resize(std::min(origin.size(), kLongestOrigin));
  if (origin != origin_) {
    append(std::exchange(held_, {}));
    end_line("");
    origin_ = std::move(origin);
  }
  const std::string joined = std::exchange(held_, {}) + std::string(bytes);
  std::string_view rest = joined;
  while (!rest.empty()) {
    const std::size_t stop = std::min(rest.find_first_of(std::string_view("\n\0", 2)), rest.size());
    append(rest.substr(0, stop));
    rest.remove_prefix(stop);
    if (rest.empty()) {
      break;
    }
    if (rest[0] == '\n') {
      end_line("");
      rest.remove_prefix(1);
    } else if (rest.substr(0, kEndOfRequest.size()) == kEndOfRequest) {
      end_line("");
      rest.remove_prefix(kEndOfRequest.size());
    } else if (kEndOfRequest.substr(0, rest.size()) == rest) {
      held_ = rest;
      break;
    } else {
      append(rest.substr(0, 1));
      rest.remove_prefix(1);
    }
  }
}

void WorkerOutput::closed() {
  append(std::exchange(held_, {}));
  end_line(options_.decorate ? ", pipe is closed" : "");
}

void WorkerOutput::begin_line() {
  if (options_.decorate) {
    emit(prefix_() + origin_ + "\"");
  }
}

void WorkerOutput::append(std::string_view text) {
  while (!text.empty()) {
    if (length_ == 0) {
      begin_line();
      room_left_ = room_after_prefix();
    }
    const std::size_t part = std::min(room_left_, text.size());
    emit(text.substr(0, part));
    room_left_ -= part;
    text.remove_prefix(part);
    if (!text.empty()) {
      end_line("");
    }
  }
}

/// What log_limit leaves for text, the closing quote and the line end set aside. At least one byte,
/// so that every line takes some.
std::size_t WorkerOutput::room_after_prefix() const {
  const std::size_t taken = length_ + (options_.decorate ? 2 : 1);
  return options_.limit > taken ? options_.limit - taken : 1;
}

void WorkerOutput::emit(std::string_view text) {
  length_ += text.size();
  if (options_.buffered) {
    line_ += text;
  } else {
    write_(text);
  }
}

void WorkerOutput::end_line(std::string_view suffix) {
  if (length_ == 0) {
    return;
  }
  emit(options_.decorate ? "\"" : "");
  emit(suffix);
  emit("\n");
  if (options_.buffered) {
    write_(line_);
    line_.clear();
  }
  length_ = 0;
}

}  // namespace lwc::log
