// SPDX-License-Identifier: Apache-2.0
#include "log/logger.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

namespace lwc::log {
namespace {

using Lines = std::vector<std::string>;

class LoggerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "lwc-logger-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    settings_.path = directory_ + "/error.log";
    // What would go to standard error goes to a file of its own.
    saved_stderr_ = dup(STDERR_FILENO);
    const UniqueFd file(
        open((directory_ + "/stderr").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    dup2(file.get(), STDERR_FILENO);
  }
  void TearDown() override {
    dup2(saved_stderr_, STDERR_FILENO);
    close(saved_stderr_);
    std::filesystem::remove_all(directory_);
  }

  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::string in_log() const { return read(settings_.path); }
  std::string in_stderr() const { return read(directory_ + "/stderr"); }

  static void expect_matches(const std::string& text, const std::string& pattern) {
    EXPECT_TRUE(std::regex_match(text, std::regex(pattern))) << text;
  }

  std::string directory_;
  LoggerSettings settings_;
  int saved_stderr_ = -1;
};

const std::string kTime = R"(\[\d\d-[A-Z][a-z][a-z]-\d{4} \d\d:\d\d:\d\d\] )";

TEST_F(LoggerTest, WritesPhpFpmsLines) {
  Logger logger;
  ASSERT_TRUE(logger.open(settings_));
  logger.launched();
  logger.write(Level::Notice, "", "fpm is running, pid 1");
  logger.write(Level::Warning, "www", "child 2 exited");
  logger.write(Level::Error, "", "e");
  logger.write(Level::Alert, "", "a");
  logger.write(Level::Debug, "", "not shown");
  expect_matches(in_log(), kTime + "NOTICE: fpm is running, pid 1\n" + kTime +
                               R"(WARNING: \[pool www\] child 2 exited)" + "\n" + kTime +
                               "ERROR: e\n" + kTime + "ALERT: a\n");
}

TEST_F(LoggerTest, KnowsTheMonth) {
  setenv("TZ", "UTC", 1);
  tzset();
  Logger logger;
  ASSERT_TRUE(logger.open(settings_));
  const std::time_t now = std::time(nullptr);
  logger.write(Level::Notice, "", "x");
  const std::time_t later = std::time(nullptr);
  std::string expected[2];
  for (int i = 0; i < 2; ++i) {
    std::array<char, 64> text;
    const std::time_t when = i == 0 ? now : later;
    std::strftime(text.data(), text.size(), "[%d-%b-%Y %H:%M:%S] NOTICE: x\n", std::gmtime(&when));
    expected[i] = text.data();
  }
  EXPECT_TRUE(in_log() == expected[0] || in_log() == expected[1]) << in_log();
  unsetenv("TZ");
}

TEST_F(LoggerTest, TellsWhereAtLevelDebug) {
  Logger logger;
  settings_.level = Level::Debug;
  ASSERT_TRUE(logger.open(settings_));
  logger.write(Level::Debug, "www", "text");
  expect_matches(in_log(), R"(\[\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d\.\d{6}\] DEBUG: pid )" +
                               std::to_string(getpid()) +
                               R"(, TestBody\(\), line \d+: \[pool www\] text)" + "\n");
}

TEST_F(LoggerTest, CopiesToStandardErrorUntilLaunched) {
  Logger logger;
  logger.write(Level::Notice, "", "zero");
  ASSERT_TRUE(logger.open(settings_));
  logger.write(Level::Notice, "", "one");
  expect_matches(in_stderr(), kTime + "NOTICE: zero\n" + kTime + "NOTICE: one\n");
  logger.launched();
  logger.write(Level::Notice, "", "two");
  expect_matches(in_stderr(), kTime + "NOTICE: zero\n" + kTime + "NOTICE: one\n");
  expect_matches(in_log(), kTime + "NOTICE: one\n" + kTime + "NOTICE: two\n");
  dprintf(STDERR_FILENO, "by somebody else\n");
  expect_matches(in_log(), kTime + "NOTICE: one\n" + kTime + "NOTICE: two\nby somebody else\n");
}

TEST_F(LoggerTest, DoesNotRepeatItselfWhereStandardErrorIsTheLog) {
  Logger logger;
  settings_.path = directory_ + "/stderr";
  ASSERT_TRUE(logger.open(settings_));
  logger.write(Level::Notice, "", "once");
  expect_matches(in_stderr(), kTime + "NOTICE: once\n");
}

TEST_F(LoggerTest, ShowsAPersonWhoLooksOn) {
  Logger logger;
  settings_.use_path = false;
  ASSERT_TRUE(logger.open(settings_));
  logger.launched();
  logger.write(Level::Notice, "", "seen");
  EXPECT_TRUE(std::filesystem::exists(settings_.path));
  EXPECT_EQ(in_log(), "");
  expect_matches(in_stderr(), kTime + "NOTICE: seen\n");
}

TEST_F(LoggerTest, KeepsWithinTheLevel) {
  Logger logger;
  settings_.level = Level::Error;
  ASSERT_TRUE(logger.open(settings_));
  logger.write(Level::Warning, "", "no");
  logger.write(Level::Error, "", "yes");
  expect_matches(in_log(), kTime + "ERROR: yes\n");
}

TEST_F(LoggerTest, CutsWhatPhpFpmCuts) {
  Logger logger;
  ASSERT_TRUE(logger.open(settings_));
  const std::size_t prefix = std::string("[22-Nov-2026 10:00:00] NOTICE: ").size();
  logger.write(Level::Notice, "", std::string(2047 - prefix, 'x'));
  EXPECT_EQ(in_log().size(), 2048U) << "the longest whole line";
  logger.write(Level::Notice, "", std::string(2048 - prefix, 'y'));
  const std::string second = in_log().substr(2048);
  EXPECT_EQ(second.size(), 1024U);
  EXPECT_EQ(second.substr(second.size() - 5), "y...\n");
}

TEST_F(LoggerTest, ReopensAfterRotation) {
  Logger logger;
  ASSERT_TRUE(logger.open(settings_));
  logger.launched();
  logger.write(Level::Notice, "", "old");
  std::filesystem::rename(settings_.path, settings_.path + ".1");
  ASSERT_TRUE(logger.reopen());
  logger.write(Level::Notice, "", "new");
  dprintf(STDERR_FILENO, "stderr\n");
  expect_matches(read(settings_.path + ".1"), kTime + "NOTICE: old\n");
  expect_matches(in_log(), kTime + "NOTICE: new\nstderr\n");
}

TEST_F(LoggerTest, GoesOnWhenReopeningFails) {
  Logger logger;
  ASSERT_TRUE(logger.open(settings_));
  const std::string moved = directory_ + ".moved";
  std::filesystem::rename(directory_, moved);
  const Status reopened = logger.reopen();
  logger.write(Level::Notice, "", "still here");
  std::filesystem::rename(moved, directory_);
  ASSERT_FALSE(reopened);
  EXPECT_EQ(reopened.error().message,
            "failed to open error_log (" + settings_.path + "): No such file or directory (2)");
  expect_matches(in_log(), kTime + "NOTICE: still here\n");
}

TEST_F(LoggerTest, SaysWhyItCannotOpen) {
  Logger logger;
  settings_.path = directory_ + "/none/error.log";
  const Status opened = logger.open(settings_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message,
            "failed to open error_log (" + settings_.path + "): No such file or directory (2)");
}

TEST_F(LoggerTest, WritesSyslogsFormToStandardErrorAsWell) {
  Logger logger;
  settings_.path = "syslog";
  settings_.syslog_ident = "lwc-fpm-unit-test";
  ASSERT_TRUE(logger.open(settings_));
  logger.write(Level::Notice, "www", "both");
  EXPECT_EQ(in_stderr(), "[NOTICE] [pool www] both\n");
}

TEST_F(LoggerTest, WritesJson) {
  Logger logger;
  settings_.json = true;
  ASSERT_TRUE(logger.open(settings_));
  logger.launched();
  logger.write(Level::Warning, "www", "a \"quoted\"\nand broken \xff text");
  logger.write(Level::Notice, "", "plain");
  std::istringstream lines(in_log());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto first = nlohmann::json::parse(line);
  EXPECT_EQ(first["level"], "WARNING");
  EXPECT_EQ(first["pool"], "www");
  EXPECT_EQ(first["pid"], getpid());
  EXPECT_EQ(first["message"], "a \"quoted\"\nand broken \xef\xbf\xbd text");
  expect_matches(first["time"], R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d)");
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_FALSE(nlohmann::json::parse(line).contains("pool"));
  EXPECT_FALSE(std::getline(lines, line));
}

}  // namespace
}  // namespace lwc::log
