// SPDX-License-Identifier: Apache-2.0
// The command line and configuration of lwc-fpm without PHP and without a daemon: what -t, -tt and
// -h do, for the comparison with php-fpm.
#include <cstdio>

#include "config/command_line.hpp"

int main(int argc, char** argv) {
  using namespace lwc::config;
  const CommandLine command_line = parse_command_line(argc, argv);
  Informers informers;
  informers.info = informers.modules = [] { return static_cast<int>(kExitSoftware); };
  informers.version = [] { return std::string(); };
  if (const auto status = carry_out(command_line, informers)) {
    return *status;
  }
  Options options = to_options(command_line);
  options.sink = [](lwc::log::Level level, std::string_view text) {
    std::fprintf(stderr, "[-] %s: %.*s\n", lwc::log::level_name(level).data(),
                 static_cast<int>(text.size()), text.data());
  };
  return test_configuration(command_line, options);
}
