// SPDX-License-Identifier: Apache-2.0
// What the master tells log and service manager of how it is.
#include <array>
#include <cstdio>

#include "log.hpp"
#include "lwc/clean_pages.hpp"
#include "master/master.hpp"
#include "master/service_manager.hpp"

namespace lwc {
void Master::tell_ready() {
  unmap_clean_pages();
  log::notice("", "ready to handle connections");
  service_manager::ready("Ready to handle connections");
  // php-fpm's words, with systemd or without.
  const int interval = config_.global.systemd_interval_ms;
  log::notice("", interval > 0
                      ? "systemd monitor interval set to " + std::to_string(interval) + "ms"
                      : "systemd monitor disabled");
  reported_ns_ = monotonic_ns();
}

// What `systemctl status` shows, in php-fpm's words, and the watchdog's sign of life.
void Master::report() {
  const std::int64_t interval = config_.global.systemd_interval_ms * 1'000'000LL;
  const std::int64_t elapsed = monotonic_ns() - reported_ns_;
  if (interval <= 0 || elapsed + kSecond / 2 < interval) {
    return;
  }
  Pool::Counts counts;
  std::uint64_t requests = 0;
  std::uint64_t slow = 0;
  for (const auto& pool : pools_) {
    const Pool::Counts one = pool->count();
    counts.idle += one.idle;
    counts.active += one.active;
    requests += pool->board().accepted.load();
    slow += pool->board().slow.load();
  }
  std::array<char, 160> text{};
  std::snprintf(
      text.data(), text.size(),
      "Processes active: %d, idle: %d, Requests: %llu, slow: %llu, Traffic: %.2greq/sec",
      counts.active, counts.idle, static_cast<unsigned long long>(requests),
      static_cast<unsigned long long>(slow),
      static_cast<double>(requests - reported_requests_) * kSecond / static_cast<double>(elapsed));
  service_manager::status(text.data(), config_.global.systemd_watchdog);
  reported_ns_ = monotonic_ns();
  reported_requests_ = requests;
}

}  // namespace lwc
