// SPDX-License-Identifier: Apache-2.0
// Drives php-sapi without a daemon: every step on the command line is a request, run in a forked
// child; what the child answers goes to standard output.
//
//   driver [-d name=value]... [--no-discard] step...
//   step: get SCRIPT [NAME=VALUE]...      a request to the base snapshot
//         prepare SCRIPT [NAME=VALUE]...  a warm-up; the steps after it go to its snapshot
//         base                            the steps after it go to the base again
//   NAME=VALUE: a FastCGI parameter; BODY=... is the request's body.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "lwc/php/interpreter.hpp"

namespace {

using lwc::Engine;
using lwc::Exchange;
using lwc::HoldOptions;
using lwc::Job;
using lwc::Outcome;
using lwc::Result;
using lwc::Server;
using lwc::SnapshotId;

struct Step {
  std::string kind;
  std::string script;
  std::vector<std::pair<std::string, std::string>> params;
};

std::vector<Step> g_steps;
bool g_discard = true;

/// Memory that all processes share.
struct Shared {
  Exchange exchange;
  std::size_t next_step;
};
Shared* g_shared;

class StepTransport final : public lwc::php::Transport {
 public:
  void begin(const Step& step) {
    params_ = {{"REQUEST_METHOD", "GET"},        {"SCRIPT_FILENAME", step.script},
               {"SCRIPT_NAME", "/script.php"},   {"REQUEST_URI", "/script.php"},
               {"SERVER_PROTOCOL", "HTTP/1.1"},  {"DOCUMENT_ROOT", "/nonexistent"},
               {"GATEWAY_INTERFACE", "CGI/1.1"}, {"QUERY_STRING", ""},
               {"FCGI_ROLE", "RESPONDER"}};
    body_.clear();
    at_ = 0;
    for (const auto& [name, value] : step.params) {
      if (name == "BODY") {
        body_ = value;
        set("CONTENT_LENGTH", std::to_string(body_.size()));
      } else {
        set(name, value);
      }
    }
  }
  const char* param(const char* name) const noexcept override {
    for (const auto& [key, value] : params_) {
      if (key == name) {
        return value.c_str();
      }
    }
    return nullptr;
  }
  void each_param(ParamVisitor visit, void* context) const noexcept override {
    for (const auto& [name, value] : params_) {
      visit(name.c_str(), value.c_str(), context);
    }
  }
  std::size_t read(char* buffer, std::size_t size) noexcept override {
    size = std::min(size, body_.size() - at_);
    std::memcpy(buffer, body_.data() + at_, size);
    at_ += size;
    return size;
  }
  bool write(const char* data, std::size_t size) noexcept override {
    return std::fwrite(data, 1, size, stdout) == size;
  }
  bool flush() noexcept override { return std::fflush(stdout) == 0; }
  void write_error(const char* text, std::size_t size) noexcept override {
    std::printf("[stderr: %.*s]\n", static_cast<int>(size), text);
  }
  void finish() noexcept override {
    std::printf("[finish]\n");
    std::fflush(stdout);
  }

 private:
  void set(const std::string& name, const std::string& value) {
    for (auto& [key, old] : params_) {
      if (key == name) {
        old = value;
        return;
      }
    }
    params_.emplace_back(name, value);
  }
  std::vector<std::pair<std::string, std::string>> params_;
  std::string body_;
  std::size_t at_ = 0;
};

class StepHost final : public lwc::php::Host {
 public:
  lwc::php::Transport* open(const Job& job) noexcept override {
    transport_.begin(g_steps[static_cast<std::size_t>(job.connection)]);
    return &transport_;
  }
  void request_started(const lwc::php::RequestStart& start) noexcept override {
    std::printf("[start %s %s]\n", start.method, start.script);
  }
  void request_ended(const lwc::php::RequestEnd& end) noexcept override {
    std::printf("[end %d, %lu bytes]\n", end.status, end.body_bytes);
    std::fflush(stdout);
  }
  void log(lwc::php::LogLevel, const char* text) noexcept override {
    std::printf("[log: %s]\n", text);
    std::fflush(stdout);
  }
  const lwc::php::OwnPage* own_page(const lwc::php::OwnPageRequest&) noexcept override {
    return nullptr;
  }
  void snapshot_wanted() noexcept override { g_shared->exchange.report.wants_snapshot = 1; }
  bool status(StatusVisitor add, void* context) noexcept override {
    add("pool", "driver", 0, context);
    add("procs", nullptr, 0, context);
    add("pid", nullptr, 1, context);
    return true;
  }

 private:
  StepTransport transport_;
};

std::string uri_of(const Step& step) {
  for (const auto& [name, value] : step.params) {
    if (name == "REQUEST_URI") {
      return value;
    }
  }
  return {};
}

class StepServer final : public Server {
 public:
  void enter_slot(std::uint32_t, SnapshotId, lwc::UniqueFd, lwc::UniqueFd) override {}
  bool next(Job& job) override {
    if (g_shared->next_step >= g_steps.size()) {
      return false;
    }
    const std::size_t index = g_shared->next_step;
    const Step& step = g_steps[index];
    job.connection = static_cast<int>(index);
    job.kind = step.kind == "prepare" ? Job::Kind::Prepare : Job::Kind::Serve;
    job.snapshot = job.kind == Job::Kind::Prepare ? static_cast<SnapshotId>(index + 1) : 0;
    job.spec = lwc::php::encode_warmup({step.script, uri_of(step), step.params});
    return true;
  }
  void finished(const Job&, const Outcome& outcome) override {
    std::printf("[child: end %u, status %d%s]\n\n", static_cast<unsigned>(outcome.end),
                outcome.status, exchange().report.wants_snapshot ? ", wants a snapshot" : "");
    std::fflush(stdout);
  }
  std::chrono::milliseconds deadline() override { return {}; }
  Exchange& exchange() override { return g_shared->exchange; }
  void entered_child() override {}
  std::vector<int> server_descriptors() override { return {}; }
};

class StepEngine final : public Engine {
 public:
  std::string_view name() const override { return g_discard ? "fork" : "none"; }
  bool discards_children() const override { return g_discard; }

  Result<Job> hold(Server& server, const HoldOptions& options) override {
    const bool base = options.id == lwc::kBaseSnapshot;
    if (!base && !held_) {
      std::printf("[snapshot %u: %s]\n", options.id, options.description.c_str());
      std::fflush(stdout);
    }
    held_ = true;
    for (;;) {
      if (options.is_fresh && !options.is_fresh()) {
        std::printf("[stale]\n");
        std::fflush(stdout);
      }
      Job job;
      if (!server.next(job) || (!base && (step_kind() == "base" || step_kind() == "prepare"))) {
        ::_exit(0);
      }
      ++g_shared->next_step;
      if (job.kind == Job::Kind::Serve && step_name(job) == "base") {
        continue;
      }
      g_shared->exchange.report = {};
      if (!g_discard && job.kind == Job::Kind::Serve) {
        return job;
      }
      std::fflush(nullptr);
      const pid_t child = ::fork();
      if (child == 0) {
        held_ = false;
        return job;
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      server.finished(job, WIFSIGNALED(status) ? Outcome{Outcome::End::Fault, WTERMSIG(status)}
                                               : Outcome{Outcome::End::Done, WEXITSTATUS(status)});
    }
  }
  void end_child() override {
    std::fflush(nullptr);
    if (g_discard) {
      ::_exit(0);
    }
  }
  [[noreturn]] void abandon(std::string_view reason) override {
    std::printf("[abandoned: %.*s]\n", static_cast<int>(reason.size()), reason.data());
    std::fflush(stdout);
    ::_exit(1);
  }

 private:
  static const std::string& step_kind() { return g_steps[g_shared->next_step].kind; }
  static const std::string& step_name(const Job& job) {
    return g_steps[static_cast<std::size_t>(job.connection)].kind;
  }
  bool held_ = false;
};

bool is_step(const std::string& word) {
  return word == "get" || word == "prepare" || word == "base";
}

void parse(int argc, char** argv, lwc::php::StartOptions& start, lwc::php::PoolOptions& pool) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.find('=');
    if (word == "-d" && i + 1 < argc) {
      start.ini_entries += std::string(argv[++i]) + "\n";
    } else if (word == "--no-discard") {
      g_discard = false;
    } else if (word == "--allow-fd" && i + 1 < argc) {
      pool.allow_fds.emplace_back(argv[++i]);
    } else if (is_step(word)) {
      g_steps.push_back({word, word != "base" && i + 1 < argc ? argv[++i] : "", {}});
    } else if (equals != std::string::npos && !g_steps.empty()) {
      g_steps.back().params.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  lwc::php::StartOptions start;
  lwc::php::PoolOptions pool;
  pool.limit_extensions = {".php"};
  parse(argc, argv, start, pool);
  g_shared = static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (const auto status = lwc::php::start(start); !status) {
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
    return 1;
  }
  StepEngine engine;
  StepServer server;
  StepHost host;
  lwc::php::run_pool(pool, engine, server, host);
}
