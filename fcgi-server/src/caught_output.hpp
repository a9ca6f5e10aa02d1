// SPDX-License-Identifier: Apache-2.0
// catch_workers_output: the pipes behind the standard output and error of a slot's holders, read by
// the master and written to its log. Children write to their holder's.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "log/worker_output.hpp"
#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

/// In a holder: puts pipes behind standard output and error. The ends to read from, output first.
struct OutputPipes {
  UniqueFd out;
  UniqueFd err;
};
Result<OutputPipes> redirect_output();
/// In a holder: what it writes to standard output and error is lost, as in php-fpm.
void drop_output();

/// Told to the master in between a worker's lines: its request is over, and with it an unended
/// line.
void mark_end_of_request();

class CaughtOutput {
 public:
  /// One pipe, as it goes over to the master after a reload.
  struct Source {
    int fd;
    pid_t pid;
    bool is_stdout;
    bool decorate;
    std::string pool;
  };

  /// Of holder `pid`; what it wrote already waits in the pipes. `decorate`:
  /// decorate_workers_output.
  void add(const std::string& pool, bool decorate, pid_t pid, OutputPipes pipes);
  void add(Source source);
  std::vector<Source> sources() const;
  void add_fds(std::vector<pollfd>& fds) const;
  /// False: not one of these.
  bool on_readable(int fd);
  /// Takes what the pipes hold still; for a process that has ended. Others may have them open.
  void drain();

 private:
  struct Pipe {
    UniqueFd fd;
    pid_t pid;
    bool is_stdout;
  };
  void read(Pipe& pipe);
  void drop_closed();

  std::vector<Pipe> pipes_;
  std::string pool_;
  bool decorate_ = true;
  std::optional<log::WorkerOutput> lines_;
};

}  // namespace lwc
