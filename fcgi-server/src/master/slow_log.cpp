// SPDX-License-Identifier: Apache-2.0
#include "master/slow_log.hpp"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <ctime>

#include "exit_words.hpp"
#include "log.hpp"
#include "log/sinks.hpp"
#include "lwc/php/backtrace.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {
namespace {

std::string numbered(const std::string& what) {
  const int number = errno;
  return what + ": " + std::strerror(number) + " (" + std::to_string(number) + ")";
}

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm broken_down{};
  ::localtime_r(&now, &broken_down);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "[%d-%b-%Y %H:%M:%S] ", &broken_down);
  return text.data();
}

php::MemoryReader memory_of(pid_t pid) {
  return [pid](std::uintptr_t address, void* to, std::size_t size) {
    iovec local{to, size};
    iovec remote{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
  };
}

std::string line_of(const php::Frame& frame) {
  std::array<char, 32> address{};
  std::snprintf(address.data(), address.size(), "[0x%016lx] ", frame.address);
  return address.data() + frame.function + "() " + frame.file + ":" + std::to_string(frame.line) +
         "\n";
}

}  // namespace

SlowLog::SlowLog(const config::PoolConfig& pool, PoolBoard& board)
    : pool_(pool), board_(board), logged_(is_on() ? board.slot_count : 0) {}

void SlowLog::check() {
  if (!is_on()) {
    return;
  }
  const std::int64_t limit = pool_.request_slowlog_timeout * kSecond;
  for (std::uint32_t i = 0; i < board_.slots_touched.load(); ++i) {
    const Slot& slot = board_.slot(i);
    const Progress request = slot.progress();
    const pid_t pid = slot.exchange.child_pid.load();
    if (slot.in_use.load() == 0 || request.stage != Stage::Running || pid <= 0 ||
        request.spent_ns < limit || logged_[i] == request.started_ns) {
      continue;
    }
    logged_[i] = request.started_ns;
    const bool asked = ask_to_stop(pid, {i, request.started_ns});
    log::warning(pool_.name, describe_request(slot) + " executing too slow (" +
                                 describe_seconds(request.spent_ns) + " sec), logging");
    if (!asked) {
      board_.slow.fetch_add(1);
    }
  }
}

bool SlowLog::ask_to_stop(pid_t pid, const Trace& trace) {
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) {
    log::error("", numbered("failed to ptrace(ATTACH) child " + std::to_string(pid)));
    return false;
  }
  traces_[pid] = trace;
  ::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr);
  return true;
}

bool SlowLog::on_stop(pid_t pid, int status) {
  const auto found = traces_.find(pid);
  if (found == traces_.end()) {
    return false;
  }
  const Trace trace = found->second;
  traces_.erase(found);
  log::notice("", "child " + std::to_string(pid) + " stopped for tracing");
  const Slot& slot = board_.slot(trace.slot);
  const Progress request = slot.progress();
  if (request.started_ns == trace.request_started_ns && request.stage == Stage::Running) {
    write_trace(pid);
  }
  board_.slow.fetch_add(1);
  // A signal that was on its way stopped it before our request did: it gets its signal.
  const bool ours = status >> 16 == PTRACE_EVENT_STOP;
  const long signal = ours ? 0 : WSTOPSIG(status);
  if (::ptrace(PTRACE_DETACH, pid, nullptr, signal) != 0) {
    log::error("", numbered("failed to ptrace(DETACH) child " + std::to_string(pid)));
  }
  return true;
}

bool SlowLog::forget(pid_t pid) {
  return traces_.erase(pid) > 0;
}

void SlowLog::write_trace(pid_t pid) const {
  log::notice("", "about to trace " + std::to_string(pid));
  const UniqueFd file(
      ::open(pool_.slowlog->c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file) {
    log::error("", numbered("unable to open slowlog (" + *pool_.slowlog + ")"));
  } else {
    log::write_fully(file.get(), entry(pid));
  }
  log::notice("", "finished trace of " + std::to_string(pid));
}

std::string SlowLog::entry(pid_t pid) const {
  const php::Backtrace trace =
      php::read_backtrace(memory_of(pid), pool_.request_slowlog_trace_depth);
  std::string text =
      "\n" + time_text() + " [pool " + pool_.name + "] pid " + std::to_string(pid) + "\n";
  if (!trace.script.empty()) {
    text += "script_filename = " + trace.script + "\n";
  }
  for (const php::Frame& frame : trace.frames) {
    text += line_of(frame);
  }
  return trace.whole ? text : text + "+++ dump failed\n";
}

}  // namespace lwc
