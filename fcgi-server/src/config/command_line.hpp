// SPDX-License-Identifier: Apache-2.0
// The command line: php-fpm's options and exit statuses, and --probe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "lwc/engine.hpp"

namespace lwc::config {

/// php-fpm's exit statuses (those of sysexits.h).
enum ExitStatus : int { kExitOk = 0, kExitUsage = 64, kExitSoftware = 70, kExitConfig = 78 };

enum class Action {
  Run,      ///< start the daemon
  Test,     ///< -t, -tt
  Help,     ///< -h
  Misuse,   ///< an error on the command line: `error` says which
  Info,     ///< -i
  Modules,  ///< -m
  Version,  ///< -v
  Probe,    ///< --probe
};

struct CommandLine {
  std::string program;  ///< argv[0] without its directory
  Action action = Action::Run;
  std::string error;                       ///< Misuse: what is wrong
  std::optional<std::string> config_path;  ///< -y
  std::optional<std::string> prefix;       ///< -p
  std::optional<std::string> pid;          ///< -g
  std::optional<bool> daemonize;           ///< -D, -F; the last one counts
  bool force_stderr = false;               ///< -O
  bool allow_root = false;                 ///< -R
  std::optional<std::string> engine;       ///< --engine
  bool dump = false;                       ///< -tt
  bool extended_info = false;              ///< -e
  std::optional<std::string> ini_path;     ///< -c
  bool ignore_ini = false;                 ///< -n
  std::string ini_entries;                 ///< -d: lines "name=value\n" for PHP
};

/// Never fails: what cannot be understood is Action::Misuse. As in php-fpm, -h, -m and -v end the
/// reading where they stand.
CommandLine parse_command_line(int argc, char* const* argv);

/// All options, each as it is written: "-c", "--php-ini".
std::vector<std::string> option_names();

std::string usage_text(const CommandLine& command_line);

/// What only a started PHP can tell. Each is called at most once; PHP has to be started in it, with
/// the command line's ini_path, ignore_ini and ini_entries.
struct Informers {
  std::function<int()> info;             ///< -i, to standard output; an exit status
  std::function<int()> modules;          ///< -m, likewise
  std::function<std::string()> version;  ///< -v: the text
  std::function<std::vector<EngineProbe>()> probe = probe_engines;
};

/// Carries out an action that needs no configuration and returns its exit status; nothing for Run
/// and Test.
std::optional<int> carry_out(const CommandLine& command_line, const Informers& informers);

/// The options of load() as far as the command line has them.
Options to_options(const CommandLine& command_line);

/// -t and -tt: loads, checks, says the result to options.sink. Returns the exit status.
int test_configuration(const CommandLine& command_line, const Options& options);

}  // namespace lwc::config
