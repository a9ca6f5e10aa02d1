// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "config/config.hpp"
#include "log.hpp"
#include "lwc/php/interpreter.hpp"
#include "master.hpp"

int main(int argc, char** argv) {
  using namespace lwc;
  config::Options options;
  bool test = false;
  for (int c; (c = ::getopt(argc, argv, "y:FRtO")) != -1;) {
    switch (c) {
      case 'y':
        options.path = optarg;
        break;
      case 'F':
        options.daemonize = false;
        break;
      case 'R':
        options.allow_root = true;
        break;
      case 't':
        test = true;
        break;
      case 'O':
        break;
      default:
        return 64;
    }
  }
  options.sink = [](log::Level level, std::string_view text) {
    std::fprintf(stderr, "%s: %.*s\n", log::level_name(level).data(), static_cast<int>(text.size()),
                 text.data());
  };
  Result<config::Config> config = config::load(options);
  if (!config) {
    return 78;
  }
  if (test) {
    std::fprintf(stderr, "configuration file %s test is successful\n", config->path.c_str());
    return 0;
  }
  if (Status opened = log::open(config->global, true); !opened) {
    std::fprintf(stderr, "%s\n", opened.error().message.c_str());
    return 78;
  }
  if (Status started = php::start({}); !started) {
    log::error("", started.error().message);
    return 78;
  }
  MasterOptions master;
  master.arguments.assign(argv, argv + argc);
  return Master(std::move(*config), std::move(master)).run();
}
