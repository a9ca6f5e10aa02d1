// SPDX-License-Identifier: Apache-2.0
// The manual page and the shipped configuration keep up with the parser.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "config/command_line.hpp"
#include "config/config.hpp"

namespace lwc::config {
namespace {

const std::filesystem::path kRoot = LWC_SOURCE_ROOT;

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> known_keys() {
  const DirectiveNames names = directive_names();
  std::set<std::string> keys(names.global.begin(), names.global.end());
  keys.insert(names.pool.begin(), names.pool.end());
  return keys;
}

TEST(ManPage, HasEveryKeyAndNoOther) {
  std::set<std::string> documented;
  std::istringstream page(read(kRoot / "docs/man/lwc-fpm.conf.5"));
  const std::string item = ".It Ic ";
  for (std::string line; std::getline(page, line);) {
    if (line.compare(0, item.size(), item) == 0) {
      documented.insert(line.substr(item.size()));
    }
  }
  EXPECT_EQ(documented, known_keys());
}

TEST(ManPage, HasEveryOptionAndNoOther) {
  std::set<std::string> documented;
  std::istringstream page(read(kRoot / "docs/man/lwc-fpm.8"));
  for (std::string line; std::getline(page, line);) {
    static const std::regex kOption("Fl (-?[A-Za-z-]+)");
    if (line.compare(0, 7, ".It Fl ") == 0) {
      for (std::sregex_iterator one(line.begin(), line.end(), kOption), end; one != end; ++one) {
        documented.insert("-" + (*one)[1].str());
      }
    }
  }
  const std::vector<std::string> names = option_names();
  EXPECT_EQ(documented, std::set<std::string>(names.begin(), names.end()));
}

TEST(Usage, HasEveryLetter) {
  const std::string usage = usage_text({});
  for (const std::string& name : option_names()) {
    if (name.size() == 2) {
      EXPECT_NE(usage.find(name), std::string::npos) << name;
    }
  }
}

/// The shipped files with their include replaced by the pool, as one text.
std::string shipped(bool with_what_is_commented_out) {
  std::string text = read(kRoot / "packaging/lwc-fpm.conf");
  text = std::regex_replace(text, std::regex("\ninclude = [^\n]*\n"), "\n");
  text += read(kRoot / "packaging/pool.d/www.conf");
  // A setting that is commented out follows its semicolon at once.
  return with_what_is_commented_out ? std::regex_replace(text, std::regex("\n;(?=[a-z])"), "\n")
                                    : text;
}

Result<Config> load_text(const std::string& text) {
  std::string pattern = std::filesystem::temp_directory_path() / "lwc-shipped-XXXXXX";
  const int fd = mkstemp(pattern.data());
  EXPECT_GE(fd, 0);
  std::ofstream(pattern) << text;
  Options options;
  options.path = pattern;
  options.touch_files = false;
  const Result<Config> config = load(options);
  close(fd);
  std::filesystem::remove(pattern);
  return config;
}

TEST(ShippedConfiguration, IsAccepted) {
  const auto config = load_text(shipped(false));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->pools.at(0).listen, "/run/lwc-fpm/www.sock");
  EXPECT_EQ(config->global.error_log, "/var/log/lwc-fpm.log");
}

TEST(ShippedConfiguration, IsAcceptedWithEverySuggestion) {
  const auto config = load_text(shipped(true));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->pools.at(0).lwc_warmup.size(), 2U);
  EXPECT_EQ(config->pools.at(0).lwc_warmup[1].uri, "/login?lang=en");
  EXPECT_EQ(config->pools.at(0).request_slowlog_timeout, 5);
  EXPECT_EQ(config->global.process_max, 128);
}

}  // namespace
}  // namespace lwc::config
