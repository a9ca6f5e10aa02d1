// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file: they are read, checked, dumped, and nothing else happens.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/config.hpp"
#include "log/access_format.hpp"

namespace {

int memory_file() {
  static const int fd = memfd_create("configuration", MFD_CLOEXEC);
  return fd;
}

/// What must hold for every configuration that is accepted.
void expect(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void use(const lwc::config::Config& config) {
  expect(!lwc::config::dump(config).empty());
  for (const auto& pool : config.pools) {
    expect(pool.listen && !pool.listen->empty());
    expect(pool.pm_max_children > 0);
    expect(pool.lwc_max_snapshots > 0);
    expect(pool.request_slowlog_trace_depth > 0);
    if (pool.access_format) {
      if (const auto format = lwc::log::AccessFormat::parse(*pool.access_format)) {
        expect(format->format({}).size() <= lwc::log::AccessFormat::kMaxLine);
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int fd = memory_file();
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) {
    return 0;
  }
  lwc::config::Options options;
  options.path = "/proc/self/fd/" + std::to_string(fd);
  options.allow_root = true;
  options.touch_files = false;
  std::size_t complaints = 0;
  options.sink = [&complaints](lwc::log::Level level, std::string_view text) {
    complaints += level >= lwc::log::Level::Error && !text.empty() ? 1 : 0;
  };
  if (const auto config = lwc::config::load(options)) {
    use(*config);
  } else {
    expect(complaints > 0 && !config.error().message.empty());
  }
  return 0;
}
