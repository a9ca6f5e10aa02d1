// SPDX-License-Identifier: Apache-2.0
#include "caught_output.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "log.hpp"
#include "log/sinks.hpp"

namespace lwc {
namespace {

// A worker that writes without end must not keep the master from everything else.
constexpr int kMostReads = 64;

Result<UniqueFd> pipe_behind(int target) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return errno_error("cannot make a pipe for a worker's output");
  }
  UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  if (::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) != 0 || ::dup2(write_end.get(), target) < 0) {
    return errno_error("cannot redirect a worker's output");
  }
  return read_end;
}

}  // namespace

Result<OutputPipes> redirect_output() {
  Result<UniqueFd> out = pipe_behind(STDOUT_FILENO);
  if (!out) {
    return out.error();
  }
  Result<UniqueFd> err = pipe_behind(STDERR_FILENO);
  if (!err) {
    return err.error();
  }
  return OutputPipes{std::move(*out), std::move(*err)};
}

void drop_output() {
  if (const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC)); null) {
    ::dup2(null.get(), STDOUT_FILENO);
    ::dup2(null.get(), STDERR_FILENO);
  }
}

void mark_end_of_request() {
  log::write_fully(STDERR_FILENO, log::kEndOfRequest);
}

void CaughtOutput::add(const std::string& pool, bool decorate, pid_t pid, OutputPipes pipes) {
  add({pipes.out.release(), pid, true, decorate, pool});
  add({pipes.err.release(), pid, false, decorate, pool});
}

void CaughtOutput::add(Source source) {
  pool_ = std::move(source.pool);
  decorate_ = source.decorate;
  if (!lines_) {
    lines_.emplace(log::WorkerOutput::to(log::logger(), pool_, decorate_));
  }
  pipes_.push_back({UniqueFd(source.fd), source.pid, source.is_stdout});
}

std::vector<CaughtOutput::Source> CaughtOutput::sources() const {
  std::vector<Source> all;
  all.reserve(pipes_.size());
  for (const Pipe& pipe : pipes_) {
    all.push_back({pipe.fd.get(), pipe.pid, pipe.is_stdout, decorate_, pool_});
  }
  return all;
}

void CaughtOutput::add_fds(std::vector<pollfd>& fds) const {
  for (const Pipe& pipe : pipes_) {
    fds.push_back({pipe.fd.get(), POLLIN, 0});
  }
}

bool CaughtOutput::on_readable(int fd) {
  const auto found = std::find_if(pipes_.begin(), pipes_.end(),
                                  [fd](const Pipe& pipe) { return pipe.fd.get() == fd; });
  if (found == pipes_.end()) {
    return false;
  }
  read(*found);
  drop_closed();
  return true;
}

void CaughtOutput::drain() {
  for (Pipe& pipe : pipes_) {
    read(pipe);
  }
  drop_closed();
}

void CaughtOutput::read(Pipe& pipe) {
  std::array<char, 16384> bytes;
  for (int i = 0; i < kMostReads; ++i) {
    const ssize_t got = ::read(pipe.fd.get(), bytes.data(), bytes.size());
    if (got > 0) {
      lines_->said(pipe.pid, pipe.is_stdout, {bytes.data(), static_cast<std::size_t>(got)});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      if (got == 0 || errno != EAGAIN) {
        pipe.fd.reset();
      }
      return;
    }
  }
}

void CaughtOutput::drop_closed() {
  const bool had_pipes = !pipes_.empty();
  std::erase_if(pipes_, [](const Pipe& pipe) { return !pipe.fd; });
  if (had_pipes && pipes_.empty()) {
    lines_->closed();
  }
}

}  // namespace lwc
