// SPDX-License-Identifier: Apache-2.0
#include "worker/access_recorder.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_address.hpp"

namespace lwc {

AccessRecorder::CpuTime AccessRecorder::cpu_time() {
  const auto micros = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  CpuTime sum;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    ::getrusage(who, &usage);
    sum.user += micros(usage.ru_utime);
    sum.system += micros(usage.ru_stime);
  }
  return sum;
}

void AccessRecorder::opened(int connection) {
  started_ = false;
  if (!options_.format) {
    return;
  }
  SocketAddress peer;
  peer_ = ::getpeername(connection, &peer.any, &peer.length) == 0 ? describe(peer) : "";
  begin_ = std::chrono::steady_clock::now();
  accepted_ = std::time(nullptr);
  cpu_ = cpu_time();
}

void AccessRecorder::started(const php::RequestStart& start, const php::Transport& transport) {
  if (!options_.format) {
    return;
  }
  started_ = true;
  method_ = start.method;
  uri_ = start.uri;
  query_ = start.query;
  script_ = start.script;
  user_ = start.user;
  body_size_ = start.body_size;
  params_.clear();
  for (const std::string& name : options_.format->params()) {
    const char* value = transport.param(name.c_str());
    params_.emplace_back(value != nullptr ? value : "");
  }
}

std::string AccessRecorder::ended(const php::RequestEnd& end, bool* truncated) {
  if (!started_) {
    return {};
  }
  started_ = false;
  const CpuTime cpu = cpu_time();
  log::RequestFacts facts;
  facts.pool = pool_;
  facts.script = script_;
  facts.method = method_;
  facts.uri = uri_;
  facts.query = query_;
  facts.remote_addr = peer_;
  facts.user = user_;
  facts.status = end.status;
  facts.content_length = body_size_;
  facts.peak_memory = end.peak_memory;
  facts.duration = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin_);
  facts.cpu_user = cpu.user - cpu_.user;
  facts.cpu_system = cpu.system - cpu_.system;
  facts.accepted = accepted_;
  facts.finished = std::time(nullptr);
  facts.pid = ::getpid();
  facts.parent_pid = options_.master;
  facts.param = [this](const std::string& name) {
    const std::vector<std::string>& names = options_.format->params();
    for (std::size_t i = 0; i < names.size() && i < params_.size(); ++i) {
      if (names[i] == name) {
        return params_[i];
      }
    }
    return std::string();
  };
  facts.header = [&end](const std::string& name) {
    const char* value = end.header != nullptr ? end.header(name.c_str()) : nullptr;
    return std::string(value != nullptr ? value : "");
  };
  if (log::is_suppressed(facts, options_.suppress)) {
    return {};
  }
  return options_.format->format(facts, truncated) + "\n";
}

}  // namespace lwc
