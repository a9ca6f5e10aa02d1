// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fastcgi/fcgi_transport.hpp"
#include "log_channel.hpp"
#include "lwc/php/interpreter.hpp"
#include "scoreboard.hpp"
#include "status/function.hpp"
#include "status/pages.hpp"
#include "worker/access_recorder.hpp"

namespace lwc {

class Worker;

/// What the PHP side asks of the daemon while it runs in a child.
class ChildHost final : public php::Host {
 public:
  ChildHost(Worker& worker, Engine& engine, status::Pages pages, LogChannel& log);

  php::Transport* open(const Job& job) noexcept override;
  bool is_plain_script() const noexcept override;
  void request_started(const php::RequestStart& start) noexcept override;
  void request_ended(const php::RequestEnd& end) noexcept override;
  const php::OwnPage* own_page(const php::OwnPageRequest& request) noexcept override;
  void snapshot_wanted() noexcept override;
  void warming_up(const char* script) noexcept override;
  void upload_stored(const char* path) noexcept override;
  void log(php::LogLevel level, const char* text) noexcept override;
  bool status(StatusVisitor add, void* context) noexcept override;

 private:
  Worker& worker_;
  Engine& engine_;
  LogChannel& log_;
  FcgiTransport transport_;
  AccessRecorder access_;
  status::Pages pages_;
  std::vector<status::Row> rows_;
  std::int64_t ticks_at_start_ = 0;
};

}  // namespace lwc
