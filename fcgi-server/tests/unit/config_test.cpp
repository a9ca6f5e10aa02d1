// SPDX-License-Identifier: Apache-2.0
// What the comparison with php-fpm does not show: typed values, our own keys, our own words.
#include "config/config.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lwc::config {
namespace {

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "lwc-config-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  /// Loads `text` as the main file. Lines for the administrator end up in lines_.
  Result<Config> load_text(const std::string& text) {
    Options options;
    options.path = write("main.conf", text);
    options.allow_root = true;
    options.sink = [this](log::Level level, std::string_view line) {
      lines_.push_back(std::string(log::level_name(level)) + ": " + std::string(line));
    };
    return load(options);
  }

  std::string global() { return "[global]\nerror_log = " + directory_ + "/error.log\n"; }
  std::string pool() {
    return "[www]\nlisten = 127.0.0.1:9000\npm = static\npm.max_children = 3\n";
  }
  PoolConfig load_pool(const std::string& more) {
    const auto config = load_text(global() + pool() + more);
    EXPECT_TRUE(config) << (config ? "" : config.error().message);
    return config ? config->pools.at(0) : PoolConfig{};
  }
  /// The refusal of a pool with `more` lines, without the file's name and the line number.
  std::string refusal(const std::string& more) {
    const auto config = load_text(global() + pool() + more);
    EXPECT_FALSE(config) << more;
    return config ? "" : config.error().message;
  }
  std::string place(int line) {
    return "[" + directory_ + "/main.conf:" + std::to_string(line) + "] ";
  }

  std::string directory_;
  std::vector<std::string> lines_;
};

TEST_F(ConfigTest, Defaults) {
  const auto config = load_text(global() + pool());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->global.effective_log_level(), log::Level::Notice);
  EXPECT_TRUE(config->global.daemonize);
  EXPECT_EQ(config->global.log_format, LogFormat::Text);
  EXPECT_EQ(config->global.systemd_interval_ms, 10'000);
  const PoolConfig& www = config->pools.at(0);
  EXPECT_EQ(www.name, "www");
  EXPECT_FALSE(www.listen_is_unix);
  EXPECT_EQ(www.limit_extensions, (std::vector<std::string>{".php", ".phar"}));
  EXPECT_EQ(www.lwc_engine, "auto");
  EXPECT_TRUE(www.lwc_snapshots);
  EXPECT_EQ(www.lwc_max_snapshots, 16);
  EXPECT_EQ(www.lwc_memory_limit, 0U);
  EXPECT_TRUE(www.lwc_warmup.empty());
}

TEST_F(ConfigTest, OwnKeys) {
  const PoolConfig www = load_pool(
      "lwc.engine = Rollback\nlwc.snapshots = no\nlwc.max_snapshots = 3\n"
      "lwc.memory_limit = 64m\n"
      "lwc.warmup[] = /srv/a.php\nlwc.warmup[] = \"/srv/$pool.php /x?a=b&c=d\"\n"
      "lwc.snapshot_params[] = HTTP_HOST\nlwc.snapshot_allow_fds[] = /srv/*.db\n"
      "lwc.snapshot_allow_fds[] = tcp:[::1]:3306\nlwc.snapshot_allow_fds[] = unix:/run/x.sock\n");
  EXPECT_EQ(www.lwc_engine, "rollback");
  EXPECT_FALSE(www.lwc_snapshots);
  EXPECT_EQ(www.lwc_max_snapshots, 3);
  EXPECT_EQ(www.lwc_memory_limit, 64U << 20);
  ASSERT_EQ(www.lwc_warmup.size(), 2U);
  EXPECT_EQ(www.lwc_warmup[0].script, "/srv/a.php");
  EXPECT_EQ(www.lwc_warmup[0].uri, "");
  EXPECT_EQ(www.lwc_warmup[1].script, "/srv/www.php");
  EXPECT_EQ(www.lwc_warmup[1].uri, "/x?a=b&c=d");
  EXPECT_EQ(www.lwc_snapshot_params, std::vector<std::string>{"HTTP_HOST"});
  EXPECT_EQ(www.lwc_snapshot_allow_fds,
            (std::vector<std::string>{"/srv/*.db", "tcp:[::1]:3306", "unix:/run/x.sock"}));
}

TEST_F(ConfigTest, EngineNoneHasToBeWritten) {
  EXPECT_EQ(load_pool("lwc.engine = none\n").lwc_engine, "none");
  EXPECT_EQ(load_pool("lwc.engine = \"none\"\n").lwc_engine, "none");
  for (const char* other : {"", "no", "off", "null", "yes", "fast"}) {
    EXPECT_EQ(refusal(std::string("lwc.engine = ") + other + "\n"),
              place(7) +
                  "unable to parse value for entry 'lwc.engine': invalid engine (auto, kernel, "
                  "rollback, fork or none)");
  }
}

TEST_F(ConfigTest, MemoryLimit) {
  EXPECT_EQ(load_pool("lwc.memory_limit = 4096\n").lwc_memory_limit, 4096U);
  EXPECT_EQ(load_pool("lwc.memory_limit = 2G\n").lwc_memory_limit, 2ULL << 30);
  for (const char* bad :
       {"", "-1", "M", "1T", "1MB", "1 M", "99999999999G", "99999999999999999999"}) {
    EXPECT_EQ(refusal(std::string("lwc.memory_limit = ") + bad + "\n"),
              place(7) +
                  "unable to parse value for entry 'lwc.memory_limit': not a size (a number "
                  "of bytes, or of K, M or G)");
  }
}

TEST_F(ConfigTest, RefusesBadOwnKeys) {
  EXPECT_EQ(refusal("lwc.max_snapshots = 0\n"),
            "[pool www] lwc.max_snapshots(0) must be a positive value; lwc.snapshots = no turns "
            "snapshots off");
  EXPECT_EQ(refusal("lwc.max_snapshots = 1025\n"),
            "[pool www] lwc.max_snapshots(1025) is more than a pool can keep (1024)");
  EXPECT_EQ(refusal("lwc.warmup[] =\n"),
            place(7) +
                "error while parsing 'lwc.warmup[]' : empty value; give the path of a script, and "
                "a URI if it shall see one");
  EXPECT_EQ(refusal("lwc.warmup[] = /a.php b c\n"),
            place(7) +
                "error while parsing 'lwc.warmup[]' : more than a script and a URI; a blank in a "
                "URI is written as %20");
  EXPECT_EQ(refusal("lwc.warmup[] = /a.php b\n"),
            place(7) + "error while parsing 'lwc.warmup[]' : the URI 'b' must start with a '/'");
  EXPECT_EQ(
      refusal("lwc.warmup[x] = /a.php\n"),
      place(7) + "Keys provided to field 'lwc.warmup' are ignored; write lwc.warmup[] = value");
  EXPECT_EQ(refusal("lwc.snapshot_params[] = a b\n"),
            place(7) +
                "error while parsing 'lwc.snapshot_params[]' : must be the name of one FastCGI "
                "parameter, such as HTTP_HOST");
  for (const char* bad : {"relative", "tcp:3306", "tcp:host:port", "unix:", "udp:host:1"}) {
    EXPECT_EQ(refusal(std::string("lwc.snapshot_allow_fds[] = ") + bad + "\n"),
              place(7) +
                  "error while parsing 'lwc.snapshot_allow_fds[]' : must be a path pattern that "
                  "starts with '/', tcp:host:port or unix:path");
  }
  const auto config = load_text("[global]\nlwc.log_format = xml\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            place(2) +
                "unable to parse value for entry 'lwc.log_format': invalid log format (text or "
                "json)");
}

TEST_F(ConfigTest, SaysWhatAnUnknownEntryMayHaveMeant) {
  EXPECT_EQ(refusal("pm.max_childern = 1\n"),
            place(7) + "unknown entry 'pm.max_childern'; did you mean 'pm.max_children'?");
  EXPECT_EQ(refusal("pid = /x\n"),
            place(7) + "unknown entry 'pid'; it belongs into the section [global]");
  EXPECT_EQ(refusal("env = 1\n"),
            place(7) + "unknown entry 'env'; it is an array: write env[name] = value");
  EXPECT_EQ(refusal("lwc.warmup = /a.php\n"),
            place(7) + "unknown entry 'lwc.warmup'; it is an array: write lwc.warmup[] = value");
  EXPECT_EQ(refusal("zzzzzzzzzzzz = 1\n"), place(7) + "unknown entry 'zzzzzzzzzzzz'");
  const auto config = load_text("user = x\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(
      config.error().message,
      place(1) + "unknown entry 'user'; it belongs into the section of a pool, such as [www]");
}

TEST_F(ConfigTest, NamesTheRightLineAfterAnInclude) {
  write("part.conf", "[part]\nlisten = 9001\npm = static\npm.max_children = 1\n\n\n\n");
  const auto config =
      load_text(global() + "include = " + directory_ + "/part.conf\nnonsense = 1\n");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, place(4) + "unknown entry 'nonsense'");
}

TEST_F(ConfigTest, UpperLineWinsInTheOrderOfApplication) {
  const PoolConfig www = load_pool(
      "php_value[a] = 1\nphp_flag[b] = on\nphp_admin_flag[c] = off\nenv[X] = $HOME\nenv[Y] = 2\n");
  ASSERT_EQ(www.php_values.size(), 2U);
  EXPECT_EQ(www.php_values[0].key, "b");
  EXPECT_EQ(www.php_values[0].value, "1");
  EXPECT_EQ(www.php_values[1].key, "a");
  ASSERT_EQ(www.php_admin_values.size(), 1U);
  EXPECT_EQ(www.php_admin_values[0].value, "0");
  ASSERT_EQ(www.env.size(), 2U);
  EXPECT_EQ(www.env[0].key, "Y");
  EXPECT_EQ(www.env[1].value, "$HOME");
}

TEST_F(ConfigTest, AsksForConstantsAndDirectives) {
  Options options;
  options.allow_root = true;
  options.path = write("main.conf",
                       global() + pool() + "php_value[a] = MINE\nphp_value[b] = ${memory_limit}\n");
  options.constant = [](std::string_view name) -> std::optional<std::string> {
    return name == "MINE" ? std::optional<std::string>("gold") : std::nullopt;
  };
  options.ini_value = [](const std::string& name) -> std::optional<std::string> {
    return name == "memory_limit" ? std::optional<std::string>("128M") : std::nullopt;
  };
  const auto config = load(options);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->pools[0].php_values[0].value, "128M");
  EXPECT_EQ(config->pools[0].php_values[1].value, "gold");
}

TEST_F(ConfigTest, StartsTheLoggerBeforeThePools) {
  Options options;
  options.allow_root = true;
  options.path = write("main.conf", global());
  std::string opened;
  options.open_error_log = [&opened](const GlobalConfig& global) -> Status {
    opened = global.error_log;
    return ok();
  };
  EXPECT_FALSE(load(options));
  EXPECT_EQ(opened, directory_ + "/error.log");
  options.open_error_log = [](const GlobalConfig&) -> Status { return Error{"disk full"}; };
  const auto config = load(options);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message, "disk full");
}

TEST_F(ConfigTest, WarnsOfNumbersThatAreCut) {
  const PoolConfig www = load_pool("rlimit_files = 4294967297\n");
  EXPECT_EQ(www.rlimit_files, 1);
  ASSERT_FALSE(lines_.empty());
  EXPECT_EQ(lines_[0], "WARNING: " + place(7) +
                           "value '4294967297' for entry 'rlimit_files' does not fit into 32 bits "
                           "and was cut, as php-fpm does");
}

TEST_F(ConfigTest, KeepsSilentBelowTheLogLevel) {
  const auto config = load_text(global() + "log_level = error\n" +
                                "[www]\nlisten = 9000\npm = dynamic\npm.max_children = 3\n"
                                "pm.min_spare_servers = 1\npm.max_spare_servers = 2\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->pools[0].pm_start_servers, 1);
  EXPECT_TRUE(lines_.empty()) << lines_[0];
}

TEST_F(ConfigTest, PoolNameThatHoldsItsOwnToken) {
  const auto config = load_text(global() +
                                "[a$poolb]\nlisten = 9000\npm = static\npm.max_children = 1\n"
                                "env[X] = $pool$pool\n");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->pools[0].env[0].value, "a$poolba$poolb");
}

TEST_F(ConfigTest, RefusesWhatIsNoConfiguration) {
  auto config =
      load_text(std::string("\x7f") + "ELF\x01\x02\0\0\xff\xfe" + std::string(1000, '\0'));
  EXPECT_FALSE(config);
  Options options;
  options.path = "/dev/zero";
  config = load(options);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            "configuration file '/dev/zero' is larger than 16 MiB; is it one?");
  options.path = directory_;
  config = load(options);
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("Is a directory"), std::string::npos);
}

TEST_F(ConfigTest, StatusListenMakesAPool) {
  const auto config = load_text(global() + pool() + "pm.status_listen = 9001\nuser = x\n");
  ASSERT_TRUE(config);
  ASSERT_EQ(config->pools.size(), 2U);
  EXPECT_EQ(config->pools[1].name, "www_status");
  EXPECT_EQ(config->pools[1].status_of, "www");
  EXPECT_EQ(config->pools[1].listen, "9001");
  EXPECT_EQ(config->pools[1].user, "x");
  EXPECT_EQ(config->pools[0].pm_status_path, "/");
}

TEST_F(ConfigTest, DumpCanBeReadAgain) {
  const auto config = load_text(global() + pool() + "lwc.warmup[] = /a.php /b\nenv[A] = 1\n");
  ASSERT_TRUE(config);
  // Lines that php-fpm prints and cannot read.
  const std::vector<std::string> unreadable{"undefined", "unknown", "facility", "trace_depth"};
  std::string text;
  for (const std::string& line : dump(*config)) {
    if (std::none_of(unreadable.begin(), unreadable.end(), [&line](const std::string& word) {
          return line.find(word) != std::string::npos;
        })) {
      text += line + "\n";
    }
  }
  const auto again = load_text(text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(dump(*again).size(), dump(*config).size());
  EXPECT_EQ(again->pools[0].lwc_warmup[0].uri, "/b");
  EXPECT_EQ(again->pools[0].env[0].value, "1");
}

TEST(DefaultPath, FollowsTheNameAndThePrefix) {
  EXPECT_EQ(default_path({}, "lwc-fpm"), "/etc/lwc-fpm/lwc-fpm.conf");
  EXPECT_EQ(default_path({}, "php-fpm8.2"), "/etc/php/8.2/fpm/php-fpm.conf");
  EXPECT_EQ(default_path("/nonexistent", "lwc-fpm"), "/nonexistent/etc/lwc-fpm.conf");
  EXPECT_EQ(default_path("/nonexistent", "php-fpm"), "/nonexistent/etc/php-fpm.conf");
}

}  // namespace
}  // namespace lwc::config
