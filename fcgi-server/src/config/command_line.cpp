// SPDX-License-Identifier: Apache-2.0
#include "config/command_line.hpp"

#include <getopt.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "config/paths.hpp"
#include "config/text.hpp"
#include "config/values.hpp"

namespace lwc::config {
namespace {

constexpr int kProbe = 256;
constexpr int kEngine = 257;

// '+': reading ends at the first word that is no option. ':': errors are ours to report.
constexpr const char* kShortOptions = "+:c:d:ehimnvy:tp:g:RDFO";
constexpr std::array<option, 19> kLongOptions{{{"php-ini", required_argument, nullptr, 'c'},
                                               {"define", required_argument, nullptr, 'd'},
                                               {"profile-info", no_argument, nullptr, 'e'},
                                               {"help", no_argument, nullptr, 'h'},
                                               {"info", no_argument, nullptr, 'i'},
                                               {"modules", no_argument, nullptr, 'm'},
                                               {"no-php-ini", no_argument, nullptr, 'n'},
                                               {"usage", no_argument, nullptr, 'h'},
                                               {"version", no_argument, nullptr, 'v'},
                                               {"fpm-config", required_argument, nullptr, 'y'},
                                               {"test", no_argument, nullptr, 't'},
                                               {"prefix", required_argument, nullptr, 'p'},
                                               {"pid", required_argument, nullptr, 'g'},
                                               {"allow-to-run-as-root", no_argument, nullptr, 'R'},
                                               {"daemonize", no_argument, nullptr, 'D'},
                                               {"nodaemonize", no_argument, nullptr, 'F'},
                                               {"force-stderr", no_argument, nullptr, 'O'},
                                               {"engine", required_argument, nullptr, kEngine},
                                               {"probe", no_argument, nullptr, kProbe}}};

/// -d name, -d name=value: a line of php.ini, quoted where PHP's parser would trip over the value.
std::string ini_line(const std::string& definition) {
  const std::size_t equals = definition.find('=');
  if (equals == std::string::npos) {
    return definition + "=1\n";
  }
  const std::string value = definition.substr(equals + 1);
  if (value.empty() || std::isalnum(static_cast<unsigned char>(value[0])) != 0 || value[0] == '"' ||
      value[0] == '\'') {
    return definition + "\n";
  }
  return definition.substr(0, equals) + "=\"" + value + "\"\n";
}

class Reader {
 public:
  explicit Reader(CommandLine& result) : result_(result) {}

  void read(int argc, char* const* argv) {
    std::vector<option> options(kLongOptions.begin(), kLongOptions.end());
    options.push_back({nullptr, 0, nullptr, 0});
    optind = 0;  // glibc: start afresh
    while (result_.action == Action::Run || result_.action == Action::Test ||
           result_.action == Action::Info) {
      const int word = optind == 0 ? 1 : optind;
      int index = -1;
      const int found = getopt_long(argc, argv, kShortOptions, options.data(), &index);
      if (found == -1) {
        break;
      }
      if (index >= 0 && !is_whole_name(argv[word], options[static_cast<std::size_t>(index)].name)) {
        misuse(concat("unknown option ", argv[word]));
        return;
      }
      take(found, argv[word]);
    }
    if ((result_.action == Action::Run || result_.action == Action::Test) && optind < argc) {
      misuse(concat("'", argv[optind], "' is not an option"));
    }
  }

 private:
  /// getopt_long() takes shortened names; php-fpm does not, and scripts would get used to it.
  static bool is_whole_name(std::string_view word, std::string_view name) {
    return word.substr(2, word.find('=') - 2) == name;
  }

  void misuse(std::string error) {
    result_.action = Action::Misuse;
    result_.error = std::move(error);
  }

  /// -c file, -cfile and -c=file.
  static std::string argument() {
    const std::string_view text = optarg;
    return std::string(text.substr(text.substr(0, 1) == "=" ? 1 : 0));
  }

  void take(int found, const char* word) {
    switch (found) {
      case 'c':
        result_.ini_path = argument();
        break;
      case 'd':
        result_.ini_entries += ini_line(argument());
        break;
      case 'y':
        result_.config_path = argument();
        break;
      case 'p':
        result_.prefix = argument();
        break;
      case 'g':
        result_.pid = argument();
        break;
      case 'e':
        result_.extended_info = true;
        break;
      case 'n':
        result_.ignore_ini = true;
        break;
      case 'R':
        result_.allow_root = true;
        break;
      case 'D':
      case 'F':
        result_.daemonize = found == 'D';
        break;
      case 'O':
        result_.force_stderr = true;
        break;
      case kEngine:
        take_engine();
        break;
      default:
        take_action(found, word);
    }
  }

  void take_engine() {
    result_.engine.emplace();
    ValueContext context;
    if (const Refusal refusal = read_engine(*result_.engine, argument(), context)) {
      misuse(concat("--engine: ", *refusal));
    }
  }

  void take_action(int found, const char* word) {
    switch (found) {
      case 't':
        result_.dump = result_.dump || result_.action == Action::Test;
        // -i wins over -t wherever it stands, as in php-fpm.
        result_.action = result_.action == Action::Info ? Action::Info : Action::Test;
        break;
      case 'i':
        result_.action = Action::Info;
        break;
      case 'm':
        result_.action = Action::Modules;
        break;
      case 'v':
        result_.action = Action::Version;
        break;
      case 'h':
        result_.action = Action::Help;
        break;
      case kProbe:
        result_.action = Action::Probe;
        break;
      case ':':
        misuse(concat("option ", word, " needs a value"));
        break;
      default:
        if (optopt == '?') {
          result_.action = Action::Help;
        } else {
          misuse(concat("unknown option ", word));
        }
    }
  }

  CommandLine& result_;
};

int print_probe(const std::vector<EngineProbe>& probes) {
  bool chosen = false;
  for (const EngineProbe& probe : probes) {
    const bool is_auto = probe.available && probe.automatic && !chosen;
    chosen = chosen || is_auto;
    std::printf("%-9s %-4s %s%s\n", probe.name.c_str(), probe.available ? "yes" : "no",
                probe.detail.c_str(), is_auto ? " (what auto takes)" : "");
  }
  return kExitOk;
}

}  // namespace

CommandLine parse_command_line(int argc, char* const* argv) {
  CommandLine result;
  const char* path = argc > 0 && argv[0] != nullptr ? argv[0] : "lwc-fpm";
  const char* slash = std::strrchr(path, '/');
  result.program = slash == nullptr ? path : slash + 1;
  Reader(result).read(argc, argv);
  return result;
}

std::vector<std::string> option_names() {
  std::vector<std::string> names;
  for (const char* letter = kShortOptions; *letter != '\0'; ++letter) {
    if (std::isalpha(static_cast<unsigned char>(*letter)) != 0) {
      names.push_back(std::string("-") + *letter);
    }
  }
  for (const option& one : kLongOptions) {
    names.push_back(std::string("--") + one.name);
  }
  return names;
}

std::string usage_text(const CommandLine& command_line) {
  return concat(
      "Usage: ", command_line.program,
      " [-n] [-e] [-h] [-i] [-m] [-v] [-t] [-p <prefix>] [-g <pid>] [-c <file>] [-d foo[=bar]] "
      "[-y <file>] [-D] [-F [-O]] [-R] [--engine <name>] [--probe]\n"
      "  -c <path>|<file> Read php.ini from this directory, or this file as php.ini\n"
      "  -n               Read no php.ini at all\n"
      "  -d foo[=bar]     Set the php.ini directive foo to 'bar' (to 1 without a value)\n"
      "  -e               Compile with the extra information that debuggers and profilers use\n"
      "  -h               Show this help\n"
      "  -i               Show what phpinfo() shows\n"
      "  -m               Show the modules PHP has loaded\n"
      "  -v               Show the version\n"
      "  -p, --prefix <dir>\n"
      "                   Relative paths start here (default: ",
      kBuiltInPrefix,
      ")\n"
      "  -g, --pid <file>\n"
      "                   Write the master's process id to this file\n"
      "  -y, --fpm-config <file>\n"
      "                   Read this configuration (default: ",
      default_path(command_line.prefix, command_line.program),
      ")\n"
      "  -t, --test       Check the configuration and exit; twice: show it, too\n"
      "  -D, --daemonize  Go to the background, whatever the configuration says\n"
      "  -F, --nodaemonize\n"
      "                   Stay in the foreground, whatever the configuration says\n"
      "  -O, --force-stderr\n"
      "                   With -F: log to stderr even if it is not a terminal\n"
      "  -R, --allow-to-run-as-root\n"
      "                   Accept pools that run as root\n"
      "      --engine <name>\n"
      "                   Use this snapshot engine in pools that do not set lwc.engine\n"
      "      --probe      Show which snapshot engines this machine can run\n");
}

std::optional<int> carry_out(const CommandLine& command_line, const Informers& informers) {
  switch (command_line.action) {
    case Action::Run:
    case Action::Test:
      return std::nullopt;
    case Action::Help:
      std::fputs(usage_text(command_line).c_str(), stdout);
      return kExitOk;
    case Action::Misuse:
      // The error is what shall be seen, so it comes last.
      std::fputs(usage_text(command_line).c_str(), stdout);
      std::fflush(stdout);
      std::fprintf(stderr, "%s: %s\n", command_line.program.c_str(), command_line.error.c_str());
      return kExitUsage;
    case Action::Info:
      return informers.info();
    case Action::Modules:
      return informers.modules();
    case Action::Version:
      std::fputs(informers.version().c_str(), stdout);
      return kExitOk;
    case Action::Probe:
      return print_probe(informers.probe());
  }
  return kExitSoftware;
}

Options to_options(const CommandLine& command_line) {
  Options options;
  options.path = command_line.config_path;
  options.prefix = command_line.prefix;
  options.pid = command_line.pid;
  options.program = command_line.program;
  options.daemonize = command_line.daemonize;
  options.allow_root = command_line.allow_root;
  options.engine = command_line.engine.value_or(options.engine);
  return options;
}

int test_configuration(const CommandLine& command_line, const Options& options) {
  const Result<Config> config = load(options);
  if (!config || !check_identities(*config, options.sink) || !check_snapshots(*config, options)) {
    options.sink(log::Level::Error, "FPM initialization failed");
    return kExitConfig;
  }
  if (config->global.effective_log_level() <= log::Level::Notice) {
    if (command_line.dump) {
      for (const std::string& line : dump(*config)) {
        options.sink(log::Level::Notice, line);
      }
    }
    options.sink(log::Level::Notice,
                 concat("configuration file ", config->path, " test is successful\n"));
  }
  return kExitOk;
}

}  // namespace lwc::config
