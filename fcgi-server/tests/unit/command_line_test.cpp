// SPDX-License-Identifier: Apache-2.0
#include "config/command_line.hpp"

#include <gtest/gtest.h>

namespace lwc::config {
namespace {

CommandLine parse(std::vector<std::string> words) {
  words.insert(words.begin(), "/usr/sbin/lwc-fpm");
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  return parse_command_line(static_cast<int>(words.size()), argv.data());
}

TEST(CommandLine, NothingMeansRun) {
  const CommandLine line = parse({});
  EXPECT_EQ(line.program, "lwc-fpm");
  EXPECT_EQ(line.action, Action::Run);
  EXPECT_FALSE(line.daemonize);
}

TEST(CommandLine, TakesEveryOption) {
  const CommandLine line = parse({"-F", "-O", "-R", "-n", "-e", "-c", "/etc/php", "-p", "/srv",
                                  "-g", "/run/x.pid", "-y", "x.conf"});
  EXPECT_EQ(line.action, Action::Run);
  EXPECT_EQ(line.daemonize, false);
  EXPECT_TRUE(line.force_stderr);
  EXPECT_TRUE(line.allow_root);
  EXPECT_TRUE(line.ignore_ini);
  EXPECT_TRUE(line.extended_info);
  EXPECT_EQ(line.ini_path, "/etc/php");
  EXPECT_EQ(line.prefix, "/srv");
  EXPECT_EQ(line.pid, "/run/x.pid");
  EXPECT_EQ(line.config_path, "x.conf");
  EXPECT_EQ(parse({"-F", "-D"}).daemonize, true);
}

TEST(CommandLine, TakesValuesInEveryForm) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-y", "a"},
                                                {"-ya"},
                                                {"-y=a"},
                                                {"--fpm-config", "a"},
                                                {"--fpm-config=a"},
                                                {"-nya"}}) {
    EXPECT_EQ(parse(words).config_path, "a") << words[0];
  }
}

TEST(CommandLine, EngineForPoolsWithoutOne) {
  EXPECT_EQ(to_options(parse({})).engine, "auto");
  EXPECT_EQ(to_options(parse({"--engine", "fork"})).engine, "fork");
  EXPECT_EQ(to_options(parse({"--engine=Rollback"})).engine, "rollback");
  EXPECT_EQ(parse({"--engine", "steam"}).action, Action::Misuse);
}

TEST(CommandLine, TestsOnceOrTwice) {
  EXPECT_EQ(parse({"-t"}).action, Action::Test);
  EXPECT_FALSE(parse({"-t"}).dump);
  EXPECT_TRUE(parse({"-tt"}).dump);
  EXPECT_TRUE(parse({"--test", "-t"}).dump);
}

TEST(CommandLine, FirstEndingActionWins) {
  EXPECT_EQ(parse({"-v", "--bogus"}).action, Action::Version);
  EXPECT_EQ(parse({"-m", "-h"}).action, Action::Modules);
  EXPECT_EQ(parse({"-i", "-t"}).action, Action::Info);
  EXPECT_EQ(parse({"-t", "-i", "word"}).action, Action::Info);
  EXPECT_EQ(parse({"-?"}).action, Action::Help);
  EXPECT_EQ(parse({"--probe"}).action, Action::Probe);
}

TEST(CommandLine, RefusesAndSaysWhat) {
  EXPECT_EQ(parse({"--bogus"}).error, "unknown option --bogus");
  EXPECT_EQ(parse({"--te"}).error, "unknown option --te");
  EXPECT_EQ(parse({"-x"}).error, "unknown option -x");
  EXPECT_EQ(parse({"-y"}).error, "option -y needs a value");
  EXPECT_EQ(parse({"word", "-t"}).error, "'word' is not an option");
  EXPECT_EQ(parse({"--", "-t"}).error, "'-t' is not an option");
  EXPECT_EQ(parse({"--bogus"}).action, Action::Misuse);
}

TEST(CommandLine, MakesLinesForPhpIni) {
  EXPECT_EQ(parse({"-d", "foo", "-dbar=1", "--define=path=/x y", "-d", "empty=", "-d", "q='x'"})
                .ini_entries,
            "foo=1\nbar=1\npath=\"/x y\"\nempty=\nq='x'\n");
}

TEST(CarryOut, ReturnsExitStatuses) {
  Informers informers;
  informers.info = [] { return 3; };
  informers.version = [] { return std::string("version\n"); };
  informers.probe = [] {
    return std::vector<EngineProbe>{{"kernel", true, "not for auto", false},
                                    {"rollback", false, "not here", true},
                                    {"fork", true, "clone", true}};
  };
  EXPECT_EQ(carry_out(parse({}), informers), std::nullopt);
  EXPECT_EQ(carry_out(parse({"-t"}), informers), std::nullopt);
  EXPECT_EQ(carry_out(parse({"-i"}), informers), 3);

  testing::internal::CaptureStdout();
  EXPECT_EQ(carry_out(parse({"-v"}), informers), kExitOk);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "version\n");

  testing::internal::CaptureStdout();
  EXPECT_EQ(carry_out(parse({"--probe"}), informers), kExitOk);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "kernel    yes  not for auto\nrollback  no   not here\nfork      yes  clone (what auto "
            "takes)\n");

  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  EXPECT_EQ(carry_out(parse({"-x"}), informers), kExitUsage);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "lwc-fpm: unknown option -x\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout().substr(0, 15), "Usage: lwc-fpm ");
}

}  // namespace
}  // namespace lwc::config
