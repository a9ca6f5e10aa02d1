// SPDX-License-Identifier: Apache-2.0
#include "worker/child_host.hpp"

#include <sys/times.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "process_title.hpp"
#include "worker/worker.hpp"

namespace lwc {
namespace {

// The parameters that name a site. The others are one client's data and never reach a warm-up.
constexpr std::array<std::string_view, 10> kSiteParams{
    "SCRIPT_NAME",     "DOCUMENT_ROOT", "SERVER_NAME",    "SERVER_PORT", "SERVER_ADDR",
    "SERVER_PROTOCOL", "HTTPS",         "REQUEST_SCHEME", "PHP_VALUE",   "PHP_ADMIN_VALUE"};

// CPU time of this process and of those it has waited for: what php-fpm counts for a request.
std::int64_t cpu_ticks() {
  tms used{};
  ::times(&used);
  return used.tms_utime + used.tms_stime + used.tms_cutime + used.tms_cstime;
}

}  // namespace

ChildHost::ChildHost(Worker& worker, Engine& engine, status::Pages pages, LogChannel& log)
    : worker_(worker),
      engine_(engine),
      log_(log),
      transport_([this] {
        if (worker_.options().terminate_timeout.count() != 0 && !worker_.is_limited()) {
          engine_.lift_deadline();
        }
      }),
      access_(worker.options().access, worker.pool_name()),
      pages_(std::move(pages)) {}

php::Transport* ChildHost::open(const Job& job) noexcept {
  Slot& slot = worker_.slot();
  slot.stage = Stage::ReadingHeaders;
  // Of a process that served the slot before, what was used since then: its clock is read once.
  const pid_t self = slot.exchange.child_pid.load();
  ticks_at_start_ = slot.cpu_pid == self ? slot.cpu_ticks_read.load() : cpu_ticks();
  access_.opened(job.connection);
  if (!transport_.open(job.connection, slot.head_size, slot.exchange.report)) {
    return nullptr;
  }
  if (slot.slow_client) {
    transport_.wait_without_limit();
  }
  if (slot.no_body) {
    transport_.skip_body();
  }
  return &transport_;
}

bool ChildHost::is_plain_script() const noexcept {
  return worker_.slot().plain_script;
}

void ChildHost::request_started(const php::RequestStart& start) noexcept {
  Slot& slot = worker_.slot();
  set_text(slot.method, start.method);
  set_text(slot.uri, start.uri);
  set_text(slot.query, start.query);
  set_text(slot.script, start.script);
  set_text(slot.user, start.user);
  slot.body_size = start.body_size;
  access_.started(start, transport_);
  slot.stage = Stage::Running;
}

void ChildHost::request_ended(const php::RequestEnd& end) noexcept {
  if (transport_.is_copy()) {
    return;  // the request goes on
  }
  Slot& slot = worker_.slot();
  slot.peak_memory = end.peak_memory;
  slot.cpu_ticks_read = cpu_ticks();
  slot.cpu_pid = slot.exchange.child_pid.load();
  slot.cpu_ticks = slot.cpu_ticks_read - ticks_at_start_;
  slot.stage = Stage::Finishing;
  bool truncated = false;
  const std::string line = access_.ended(end, &truncated);
  slot.access_size =
      static_cast<std::uint32_t>(line.copy(slot.access_line.data(), slot.access_line.size()));
  if (!line.empty() && !worker_.write_access_line_in_child()) {
    engine_.call_server();
  }
  if (truncated) {
    log(php::LogLevel::Notice,
        "the log buffer is full (1024). The access log request has been truncated.");
  }
}

// Leaves in the slot what the master needs to prepare a snapshot of this request's script.
void ChildHost::snapshot_wanted() noexcept {
  php::Warmup warmup;
  warmup.script =
      text_of(worker_.slot().script);  // without the path info that SCRIPT_FILENAME may carry
  auto add = [&](std::string_view name) {
    if (const char* value = transport_.param(std::string(name).c_str())) {
      warmup.params.emplace_back(name, value);
    }
  };
  std::for_each(kSiteParams.begin(), kSiteParams.end(), add);
  const std::vector<std::string>& own = worker_.options().snapshot_params;
  std::for_each(own.begin(), own.end(), add);
  Slot& slot = worker_.slot();
  std::string text = php::encode_warmup(warmup);
  if (text.size() > slot.want.size()) {
    log(php::LogLevel::Warning,
        "the parameters that name this site are too long for a snapshot (limit 8192 bytes)");
    return;
  }
  text.copy(slot.want.data(), text.size());
  slot.want_size = static_cast<std::uint32_t>(text.size());
  slot.exchange.report.wants_snapshot = 1;
}

void ChildHost::warming_up(const char* script) noexcept {
  set_process_title("pool " + worker_.pool_name() + ", snapshot of " + script);
}

// Where there is no more room, a file is left behind if the request is killed.
void ChildHost::upload_stored(const char* path) noexcept {
  Slot& slot = worker_.slot();
  const std::size_t used = slot.uploads_size.load();
  const std::size_t size = std::strlen(path) + 1;
  if (size <= slot.uploads.size() - used) {
    std::memcpy(slot.uploads.data() + used, path, size);
    slot.uploads_size.store(static_cast<std::uint32_t>(used + size));
  }
}

void ChildHost::log(php::LogLevel level, const char* text) noexcept {
  log_.send(level, worker_.pool_name(), text);
}

const php::OwnPage* ChildHost::own_page(const php::OwnPageRequest& request) noexcept {
  return pages_.find(request);
}

bool ChildHost::status(StatusVisitor add, void* context) noexcept {
  // Kept in a member: `add` may leave by longjmp.
  rows_ = status::function_rows(worker_.board());
  for (const status::Row& row : rows_) {
    add(row.name.c_str(), row.text ? row.text->c_str() : nullptr, row.number, context);
  }
  return true;
}

}  // namespace lwc
