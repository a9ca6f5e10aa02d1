// SPDX-License-Identifier: Apache-2.0
// Reads the files: lines, sections, includes.
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "config/check.hpp"
#include "config/config.hpp"
#include "config/constants.hpp"
#include "config/directives.hpp"
#include "config/ini_parser.hpp"
#include "config/paths.hpp"
#include "config/reporter.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc::config {
namespace {

using log::Level;

constexpr int kMaxNesting = 5;
/// Far above any real file; keeps `include = /dev/zero` from filling the memory.
constexpr std::size_t kMaxFileSize = 16U << 20U;

class Loader : private IniHandler {
 public:
  Loader(const Options& options, Config& config, Reporter& report)
      : options_(options), config_(config), report_(report) {
    names_.constant = options.constant ? options.constant : builtin_constant;
    names_.variable = [this](const std::string& name) { return variable(name); };
  }

  bool load_file(const std::string& path);

 private:
  struct Place {
    std::string file;
    int line = 0;
  };

  bool read_whole(int fd, const std::string& path, std::string& content);
  bool load_lines(const std::string& content);
  bool include(const std::string& pattern);
  std::optional<std::string> variable(const std::string& name) const;

  void section(const std::string& name) override;
  void entry(const std::string& name, const IniValue& value) override;
  void element(const std::string& name, const std::string& key, const IniValue& value) override;
  void bare(const std::string& name) override;

  template <typename Target>
  void assign(const std::vector<Directive<Target>>& table, Target& target, const std::string& name,
              const IniValue& value);
  bool check_key(const ArrayDirective* array, const std::string& name, const std::string& key,
                 const std::string& value);

  PoolConfig* pool() { return in_pool_ ? &config_.pools[pool_] : nullptr; }
  ValueContext context(const IniValue& value) {
    return {in_pool_ ? &config_.pools[pool_].name : nullptr, value.word, true};
  }
  std::string where() const { return concat("[", place_.file, ":", place_.line, "]"); }
  template <typename... Parts>
  void refuse(const Parts&... parts) {
    report_.say(Level::Error, where(), " ", parts...);
    failed_ = true;
  }
  void warn_if_cut(const ValueContext& context, const std::string& name, const std::string& value) {
    if (!context.exact) {
      report_.say(Level::Warning, where(), " value '", value, "' for entry '", name,
                  "' does not fit into 32 bits and was cut, as php-fpm does");
    }
  }

  const Options& options_;
  Config& config_;
  Reporter& report_;
  IniNames names_;
  Place place_;
  int nesting_ = 0;
  bool failed_ = false;
  bool in_pool_ = false;
  std::size_t pool_ = 0;
  std::optional<std::string> include_;
};

std::optional<std::string> Loader::variable(const std::string& name) const {
  if (options_.ini_value) {
    if (auto value = options_.ini_value(name)) {
      return value;
    }
  }
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

bool Loader::read_whole(int fd, const std::string& path, std::string& content) {
  std::vector<char> buffer(65536);  // not on the stack, where secrets would stay (wipe_freed.hpp)
  while (true) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count == 0) {
      return true;
    }
    if (count < 0) {
      report_.system_error("failed to read configuration file '", path, "'");
      return false;
    }
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > kMaxFileSize) {
      report_.say(Level::Error, "configuration file '", path, "' is larger than ",
                  kMaxFileSize >> 20U, " MiB; is it one?");
      return false;
    }
  }
}

bool Loader::load_file(const std::string& path) {
  if (path.empty()) {
    report_.say(Level::Error, "configuration filename is empty");
    return false;
  }
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    report_.system_error("failed to open configuration file '", path, "'");
    return false;
  }
  if (nesting_ >= kMaxNesting) {
    report_.say(Level::Error, "failed to include more than ", kMaxNesting, " files recursively");
    return false;
  }
  std::string content;
  if (!read_whole(fd.get(), path, content)) {
    return false;
  }
  ++nesting_;
  const Place outer = std::exchange(place_, Place{path, 0});
  const bool loaded = load_lines(content);
  place_ = outer;
  --nesting_;
  return loaded;
}

bool Loader::load_lines(const std::string& content) {
  for (std::size_t start = 0; start < content.size();) {
    const std::size_t end = std::min(content.find('\n', start), content.size());
    ++place_.line;
    const std::string line = content.substr(start, end - start) + "\n";
    start = end + 1;
    if (line.size() == 1) {
      continue;
    }
    if (const Status parsed = parse_ini_line(line, names_, *this); !parsed && !failed_) {
      refuse(parsed.error().message);
    }
    if (failed_) {
      return false;
    }
    if (include_) {
      std::string pattern = *std::exchange(include_, std::nullopt);
      make_absolute(pattern, std::nullopt, options_.prefix);
      if (options_.touch_files && !include(pattern)) {
        return false;
      }
    }
  }
  return true;
}

bool Loader::include(const std::string& pattern) {
  glob_t found{};
  const int status = glob(pattern.c_str(), GLOB_ERR | GLOB_MARK, nullptr, &found);
  bool loaded = true;
  if (status == GLOB_NOMATCH) {
    report_.say(Level::Warning, "Nothing matches the include pattern '", pattern, "' from ",
                place_.file, " at line ", place_.line, ".");
  } else if (status != 0) {
    report_.say(Level::Error, "Unable to globalize '", pattern, "' (ret=", status, ") from ",
                place_.file, " at line ", place_.line, ".");
    loaded = false;
  }
  for (std::size_t i = 0; loaded && i < found.gl_pathc; ++i) {
    const std::string path = found.gl_pathv[i];
    if (path.empty() || path.back() == '/') {
      continue;
    }
    if (!load_file(path)) {
      report_.say(Level::Error, "Unable to include ", path, " from ", place_.file, " at line ",
                  place_.line);
      loaded = false;
    }
  }
  globfree(&found);
  return loaded;
}

void Loader::section(const std::string& name) {
  if (failed_) {
    return;
  }
  if (equals_ignoring_case(name, "global")) {
    in_pool_ = false;
    return;
  }
  in_pool_ = true;
  const auto same = std::find_if(config_.pools.begin(), config_.pools.end(), [&](const auto& pool) {
    return equals_ignoring_case(pool.name, name);
  });
  pool_ = static_cast<std::size_t>(same - config_.pools.begin());
  if (same == config_.pools.end()) {
    config_.pools.emplace_back().name = name;
  }
}

void Loader::bare(const std::string& name) {
  if (failed_) {
    return;
  }
  refuse("value is NULL for a ZEND_INI_PARSER_ENTRY; '", name, "' needs '=' and a value");
}

void Loader::entry(const std::string& name, const IniValue& value) {
  if (failed_) {
    return;
  }
  if (name == "include") {
    if (include_) {
      refuse("two includes at the same time !");
    } else {
      include_ = value.text;
    }
  } else if (in_pool_) {
    assign(pool_directives(), *pool(), name, value);
  } else {
    assign(global_directives(), config_.global, name, value);
  }
}

template <typename Target>
void Loader::assign(const std::vector<Directive<Target>>& table, Target& target,
                    const std::string& name, const IniValue& value) {
  const auto found = std::find_if(table.begin(), table.end(), [&name](const auto& directive) {
    return equals_ignoring_case(directive.name, name);
  });
  if (found == table.end()) {
    refuse("unknown entry '", name, "'", hint_for_unknown(name, in_pool_));
    return;
  }
  ValueContext context = this->context(value);
  if (const Refusal refusal = found->read(target, value.text, context)) {
    refuse("unable to parse value for entry '", found->name, "': ", *refusal);
    return;
  }
  warn_if_cut(context, name, value.text);
}

/// The checks on an array's key, as php-fpm makes them before it looks whether it knows the array.
bool Loader::check_key(const ArrayDirective* array, const std::string& name, const std::string& key,
                       const std::string& value) {
  if (name == "access.suppress_path") {
    if (!key.empty()) {
      refuse("Keys provided to field 'access.suppress_path' are ignored");
    }
    if (value.empty() || value[0] != '/') {
      refuse("Values provided to field 'access.suppress_path' must begin with '/'");
    }
  } else if (array != nullptr && !array->has_keys) {
    if (!key.empty()) {
      refuse("Keys provided to field '", name, "' are ignored; write ", name, "[] = value");
    }
  } else if (key.empty()) {
    refuse("You must provide a key for field '", name, "'");
  }
  if (!failed_ && !in_pool_) {
    refuse("Array are not allowed in the global section");
  }
  return !failed_;
}

void Loader::element(const std::string& name, const std::string& key, const IniValue& value) {
  if (failed_) {
    return;
  }
  const auto& table = array_directives();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&name](const auto& array) { return array.name == name; });
  const ArrayDirective* array = found == table.end() ? nullptr : &*found;
  if (!check_key(array, name, key, value.text)) {
    return;
  }
  if (array == nullptr) {
    refuse("unknown directive '", name, "'");
    return;
  }
  if (name == "env" && value.text.empty()) {
    refuse("empty value");
    return;
  }
  ValueContext context = this->context(value);
  if (const Refusal refusal = array->add(*pool(), key, value.text, context)) {
    refuse("error while parsing '", name, "[", key, "]' : ", *refusal);
  }
}

/// php-fpm keeps these in lists that grow at the front.
void turn_lists_around(std::vector<PoolConfig>& pools) {
  for (PoolConfig& pool : pools) {
    std::reverse(pool.env.begin(), pool.env.end());
    std::reverse(pool.php_values.begin(), pool.php_values.end());
    std::reverse(pool.php_admin_values.begin(), pool.php_admin_values.end());
    std::reverse(pool.access_suppress_path.begin(), pool.access_suppress_path.end());
  }
}

bool load_all(const Options& options, Config& config, Reporter& report) {
  if (options.prefix && !options.prefix->empty() && !is_directory(*options.prefix)) {
    report.say(Level::Error, "the global prefix '", *options.prefix,
               "' does not exist or is not a directory");
    return false;
  }
  if (options.pid && !options.pid->empty()) {
    config.global.pid = options.pid;
  }
  const bool has_path = options.path && !options.path->empty();
  config.path = has_path ? *options.path : default_path(options.prefix, options.program);
  if (!Loader(options, config, report).load_file(config.path)) {
    report.say(Level::Error, "failed to load configuration file '", config.path, "'");
    return false;
  }
  turn_lists_around(config.pools);
  if (!settle_global(config.global, options, report) || !settle_pools(config, options, report) ||
      !check_access_logs(config, options, report)) {
    report.say(Level::Error, "failed to post process the configuration");
    return false;
  }
  return true;
}

}  // namespace

std::string default_path(const std::optional<std::string>& prefix, std::string_view program) {
  const bool as_php_fpm = program.substr(0, 7) == "php-fpm";
  if (!prefix) {
    return as_php_fpm ? "/etc/php/8.2/fpm/php-fpm.conf" : "/etc/lwc-fpm/lwc-fpm.conf";
  }
  const std::string own = *prefix + "/etc/lwc-fpm.conf";
  const std::string php_fpms = *prefix + "/etc/php-fpm.conf";
  // A prefix laid out for php-fpm is taken as it is.
  const bool laid_out_for_php_fpm =
      access(own.c_str(), F_OK) != 0 && access(php_fpms.c_str(), F_OK) == 0;
  return as_php_fpm || laid_out_for_php_fpm ? php_fpms : own;
}

Result<Config> load(const Options& options) {
  Config config;
  Reporter report(options.sink);
  if (!load_all(options, config, report)) {
    return report.error();
  }
  return config;
}

}  // namespace lwc::config
