// SPDX-License-Identifier: Apache-2.0
// What -t says of the own keys: what would be an error, or lost, when the daemon starts.
#include <unistd.h>

#include "config/config.hpp"
#include "config/reporter.hpp"

namespace lwc::config {
namespace {

void warn_of_absent_scripts(const PoolConfig& pool, Reporter& report) {
  for (const Warmup& warmup : pool.lwc_warmup) {
    const std::string path = pool.chroot.value_or("") + warmup.script;
    if (::access(path.c_str(), F_OK) != 0) {
      report.say(log::Level::Warning, "[pool ", pool.name, "] lwc.warmup: there is no script '",
                 path, "': no snapshot is made of it before the pool is ready");
    }
  }
}

}  // namespace

Status check_snapshots(const Config& config, const Options& options) {
  Reporter report(options.sink);
  report.set_level(config.global.effective_log_level());
  for (const PoolConfig& pool : config.pools) {
    const Status works = options.engine_works
                             ? options.engine_works(pool.lwc_engine, pool.lwc_memory_limit != 0)
                             : ok();
    if (!works) {
      report.say(log::Level::Error, "[pool ", pool.name, "] ", works.error().message);
      return report.error();
    }
    warn_of_absent_scripts(pool, report);
  }
  return ok();
}

}  // namespace lwc::config
