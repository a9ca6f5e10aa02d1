// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "access_recorder.hpp"
#include "fcgi_transport.hpp"
#include "log_channel.hpp"
#include "lwc/php/interpreter.hpp"
#include "scoreboard.hpp"

namespace lwc {

class Worker;

/// What the PHP side asks of the daemon while it runs in a child.
class ChildHost final : public php::Host {
 public:
  ChildHost(Worker& worker, LogChannel& log);

  php::Transport* open(const Job& job) noexcept override;
  void request_started(const php::RequestStart& start) noexcept override;
  void request_ended(const php::RequestEnd& end) noexcept override;
  void snapshot_wanted() noexcept override;
  void upload_stored(const char* path) noexcept override;
  void log(php::LogLevel level, const char* text) noexcept override;
  bool status(StatusVisitor add, void* context) noexcept override;

 private:
  Worker& worker_;
  LogChannel& log_;
  FcgiTransport transport_;
  AccessRecorder access_;
};

}  // namespace lwc
