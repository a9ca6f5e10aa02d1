// SPDX-License-Identifier: Apache-2.0
#include "config/ini_parser.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lwc::config {
namespace {

/// Writes down what it is given.
class Recorder : public IniHandler {
 public:
  void section(const std::string& name) override { seen.push_back("[" + name + "]"); }
  void entry(const std::string& name, const IniValue& value) override {
    seen.push_back(name + "=" + value.text + (value.word.empty() ? "" : " (" + value.word + ")"));
  }
  void element(const std::string& name, const std::string& key, const IniValue& value) override {
    seen.push_back(name + "[" + key + "]=" + value.text);
  }
  void bare(const std::string& name) override { seen.push_back(name); }

  std::vector<std::string> seen;
};

using Seen = std::vector<std::string>;

Seen parse(const std::string& line, std::string* error = nullptr) {
  IniNames names;
  names.constant = [](std::string_view name) -> std::optional<std::string> {
    return name == "SIX" ? std::optional<std::string>("6") : std::nullopt;
  };
  names.variable = [](const std::string& name) -> std::optional<std::string> {
    return name == "HOME" ? std::optional<std::string>("/home/x") : std::nullopt;
  };
  Recorder recorder;
  const Status parsed = parse_ini_line(line + "\n", names, recorder);
  if (error != nullptr) {
    *error = parsed ? "" : parsed.error().message;
  } else {
    EXPECT_TRUE(parsed) << line << ": " << (parsed ? "" : parsed.error().message);
  }
  return recorder.seen;
}

std::string error_of(const std::string& line) {
  std::string error;
  parse(line, &error);
  return error;
}

TEST(IniParser, TellsStatementsApart) {
  EXPECT_EQ(parse("[www]"), Seen{"[www]"});
  EXPECT_EQ(parse(" user  =  www-data  ; comment"), Seen{"user=www-data"});
  EXPECT_EQ(parse("env[PATH] = /bin"), Seen{"env[PATH]=/bin"});
  EXPECT_EQ(parse("a[] = b"), Seen{"a[]=b"});
  EXPECT_EQ(parse("user"), Seen{"user"});
  EXPECT_EQ(parse("; comment"), Seen{});
  EXPECT_EQ(parse("  \t "), Seen{});
  EXPECT_EQ(parse("a = 1\rb = 2"), (Seen{"a=1", "b=2"}));
  EXPECT_EQ(parse("[www] user = x"), (Seen{"[www]", "user=x"}));
}

TEST(IniParser, ReadsBooleanWordsOnlyWithoutQuotes) {
  EXPECT_EQ(parse("a = Yes"), Seen{"a=1 (Yes)"});
  EXPECT_EQ(parse("a = none"), Seen{"a= (none)"});
  EXPECT_EQ(parse("a = \"yes\""), Seen{"a=yes"});
  EXPECT_EQ(parse("a = yesterday"), Seen{"a=yesterday"});
  EXPECT_EQ(parse("a ="), Seen{"a="});
}

TEST(IniParser, JoinsStringsAndResolvesNames) {
  EXPECT_EQ(parse("a = \"x \"'y'z"), Seen{"a=x yz"});
  EXPECT_EQ(parse("a = ${HOME}/\"${HOME}\"${UNSET}"), Seen{"a=/home/x//home/x"});
  EXPECT_EQ(parse("a = SIX"), Seen{"a=6"});
  EXPECT_EQ(parse("a = \"SIX\" 'SIX' SIXTY"), Seen{"a=SIXSIX SIXTY"});
  EXPECT_EQ(parse(R"(a = "\"q\" \\ \$ \n")"), Seen{R"(a="q" \ $ \n)"});
}

TEST(IniParser, Computes) {
  EXPECT_EQ(parse("a = 1 | SIX"), Seen{"a=7"});
  EXPECT_EQ(parse("a = 7 & ~2"), Seen{"a=5"});
  EXPECT_EQ(parse("a = (1 | 2) ^ !0"), Seen{"a=2"});
  EXPECT_EQ(parse("a = 1 | 2 & 4"), Seen{"a=0"}) << "operators bind alike, from the left";
}

TEST(IniParser, RefusesAndSaysWhatToDo) {
  EXPECT_EQ(error_of("a = b(c)"),
            "syntax error, unexpected '('; put the value in double quotes if it is meant as it "
            "stands");
  EXPECT_EQ(error_of("a = \"b"),
            "syntax error, unexpected end of the line; a double quote is not closed on this line");
  EXPECT_EQ(error_of("[www"),
            "syntax error, unexpected end of the line; a section is a name in brackets, such as "
            "[www]");
  EXPECT_NE(error_of("a = ${x"), "");
  EXPECT_NE(error_of("a[b"), "");
  EXPECT_NE(error_of("= 1"), "");
}

TEST(IniParser, SurvivesDeepNesting) {
  EXPECT_NE(error_of("a = " + std::string(100'000, '(')), "");
  EXPECT_NE(error_of("a = " + std::string(100'000, '!') + "1"), "");
  EXPECT_EQ(parse("a = " + std::string(50, '(') + "1" + std::string(50, ')')), Seen{"a=1"});
}

TEST(IniParser, EndsAtTheFirstNul) {
  EXPECT_EQ(parse(std::string("a = b\0c", 7)), Seen{"a=b"});
}

TEST(CNumber, IsAtoi) {
  bool exact = true;
  EXPECT_EQ(c_number(" 12abc", &exact), 12);
  EXPECT_EQ(c_number("-3", &exact), -3);
  EXPECT_EQ(c_number("", &exact), 0);
  EXPECT_TRUE(exact);
  EXPECT_EQ(c_number("4294967297", &exact), 1);
  EXPECT_FALSE(exact);
}

}  // namespace
}  // namespace lwc::config
