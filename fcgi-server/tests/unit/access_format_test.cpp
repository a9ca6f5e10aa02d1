// SPDX-License-Identifier: Apache-2.0
#include "log/access_format.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace lwc::log {
namespace {

using namespace std::chrono_literals;

class AccessFormatTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC-2", 1);  // two hours east of Greenwich
    tzset();
    facts_.pool = "www";
    facts_.script = "/srv/index.php";
    facts_.method = "POST";
    facts_.uri = "/index.php/a";
    facts_.query = "x=1&y=2";
    facts_.remote_addr = "192.0.2.7";
    facts_.user = "mary";
    facts_.status = 404;
    facts_.content_length = 42;
    facts_.peak_memory = 5U << 20U;
    facts_.duration = 1500250us;
    facts_.cpu_user = 300050us;
    facts_.cpu_system = 75000us;
    facts_.accepted = 1'000'000'000;
    facts_.finished = 1'000'000'002;
    facts_.pid = 4711;
    facts_.parent_pid = 4700;
    facts_.param = [](const std::string& name) {
      return name == "SERVER_NAME" ? std::string("example.org") : std::string();
    };
    facts_.header = [](const std::string& name) {
      return name == "Content-Type" ? std::string("text/html") : std::string();
    };
  }
  void TearDown() override {
    unsetenv("TZ");
    tzset();
  }

  std::string line(const std::string& format) {
    const auto parsed = AccessFormat::parse(format);
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
    return parsed ? parsed->format(facts_) : "";
  }
  static std::string error(const std::string& format) {
    const auto parsed = AccessFormat::parse(format);
    EXPECT_FALSE(parsed) << format;
    return parsed ? "" : parsed.error().message;
  }

  RequestFacts facts_;
};

TEST_F(AccessFormatTest, Percent) {
  EXPECT_EQ(line("100%%"), "100%");
}

TEST_F(AccessFormatTest, Cpu) {
  EXPECT_EQ(line("%C %{total}C"), "25.00 25.00");
  EXPECT_EQ(line("%{user}C"), "20.00");
  EXPECT_EQ(line("%{SYSTEM}C"), "5.00");
  facts_.duration = 0us;
  EXPECT_EQ(line("%C"), "0.00");
}

TEST_F(AccessFormatTest, Duration) {
  EXPECT_EQ(line("%d %{seconds}d"), "1.500 1.500");
  EXPECT_EQ(line("%{milli}d %{milliseconds}d %{mili}d %{miliseconds}d"),
            "1500.250 1500.250 1500.250 1500.250");
  EXPECT_EQ(line("%{micro}d %{microseconds}d"), "1500250 1500250");
}

TEST_F(AccessFormatTest, Parameter) {
  EXPECT_EQ(line("%{SERVER_NAME}e"), "example.org");
  EXPECT_EQ(line("%{NO_SUCH}e"), "-");
  facts_.param = nullptr;
  EXPECT_EQ(line("%{SERVER_NAME}e"), "-");
}

TEST_F(AccessFormatTest, Script) {
  EXPECT_EQ(line("%f"), "/srv/index.php");
  facts_.script = "";
  EXPECT_EQ(line("%f"), "-");
}

TEST_F(AccessFormatTest, ContentLength) {
  EXPECT_EQ(line("%l"), "42");
}

TEST_F(AccessFormatTest, Method) {
  EXPECT_EQ(line("%m"), "POST");
  facts_.method = "";
  EXPECT_EQ(line("%m"), "-");
}

TEST_F(AccessFormatTest, Memory) {
  EXPECT_EQ(line("%M %{bytes}M"), "5242880 5242880");
  EXPECT_EQ(line("%{kilo}M %{kilobytes}M"), "5120 5120");
  EXPECT_EQ(line("%{mega}M %{megabytes}M"), "5 5");
}

TEST_F(AccessFormatTest, Pool) {
  EXPECT_EQ(line("%n"), "www");
}

TEST_F(AccessFormatTest, Header) {
  EXPECT_EQ(line("%{Content-Type}o"), "text/html");
  EXPECT_EQ(line("%{X-None}o"), "-");
}

TEST_F(AccessFormatTest, Pids) {
  EXPECT_EQ(line("%p %P"), "4711 4700");
}

TEST_F(AccessFormatTest, Query) {
  EXPECT_EQ(line("%r%Q%q"), "/index.php/a?x=1&y=2");
  facts_.query = "";
  EXPECT_EQ(line("%r%Q%q"), "/index.php/a");
}

TEST_F(AccessFormatTest, RemoteAddress) {
  EXPECT_EQ(line("%R"), "192.0.2.7");
  facts_.remote_addr = "";
  EXPECT_EQ(line("%R"), "-");
}

TEST_F(AccessFormatTest, StatusCode) {
  EXPECT_EQ(line("%s"), "404");
}

TEST_F(AccessFormatTest, Times) {
  EXPECT_EQ(line("%t"), "09/Sep/2001:03:46:40 +0200");
  EXPECT_EQ(line("%T"), "09/Sep/2001:03:46:42 +0200");
  EXPECT_EQ(line("%{%Y-%m-%d %H}t"), "2001-09-09 03");
  EXPECT_EQ(line("%{%S}T"), "42");
}

TEST_F(AccessFormatTest, User) {
  EXPECT_EQ(line("%u"), "mary");
  facts_.user = "";
  EXPECT_EQ(line("<%u>"), "<>");
}

TEST_F(AccessFormatTest, DefaultLine) {
  EXPECT_EQ(line("%R - %u %t \"%m %r\" %s"),
            "192.0.2.7 - mary 09/Sep/2001:03:46:40 +0200 \"POST /index.php/a\" 404");
}

TEST_F(AccessFormatTest, Oddities) {
  EXPECT_EQ(line(""), "");
  EXPECT_EQ(line("a%"), "a");
  EXPECT_EQ(line("%{}d"), "1.500");
  EXPECT_EQ(line("%{milli}{micro}d"), "1500250") << "the last braces count";
  EXPECT_EQ(line("{x}"), "{x}");
}

TEST_F(AccessFormatTest, Refusals) {
  EXPECT_EQ(error("%Z"), "Invalid token in the access.format (%Z)");
  EXPECT_EQ(error("%{x}f"), "embrace is not allowed for modifier %f");
  EXPECT_EQ(error("%e"),
            "the name of the environment variable must be set between embraces for %e");
  EXPECT_EQ(error("%o"), "the name of the header must be set between embraces for %o");
  EXPECT_EQ(error("%{weeks}d"),
            "only 'seconds', 'milli', 'milliseconds', 'micro' or 'microseconds' are allowed as a "
            "modifier for %d ('weeks')");
  EXPECT_EQ(error("%{tera}M"),
            "only 'bytes', 'kilo', 'kilobytes', 'mega' or 'megabytes' are allowed as a modifier "
            "for %M ('tera')");
  EXPECT_EQ(error("%{idle}C"),
            "only 'total', 'user' or 'system' are allowed as a modifier for %C ('idle')");
  EXPECT_EQ(error("%{abc"), "missing closing embrace in the access.format");
}

TEST_F(AccessFormatTest, CutsLongLines) {
  const std::string uri(3000, 'u');
  facts_.uri = uri;
  bool truncated = false;
  const auto format = AccessFormat::parse("%s %r");
  ASSERT_TRUE(format);
  EXPECT_EQ(format->format(facts_, &truncated), "404 " + std::string(1020, 'u'));
  EXPECT_TRUE(truncated);
}

TEST_F(AccessFormatTest, Suppression) {
  const std::vector<std::string> paths{"/health", "/ping"};
  facts_.method = "GET";
  facts_.uri = "/ping";
  facts_.query = "";
  facts_.status = 200;
  facts_.content_length = 0;
  EXPECT_TRUE(is_suppressed(facts_, paths));
  RequestFacts other = facts_;
  other.method = "HEAD";
  EXPECT_TRUE(is_suppressed(other, paths));
  other.method = "POST";
  EXPECT_FALSE(is_suppressed(other, paths));
  other = facts_;
  other.query = "a";
  EXPECT_FALSE(is_suppressed(other, paths));
  other = facts_;
  other.status = 302;
  EXPECT_FALSE(is_suppressed(other, paths));
  other = facts_;
  other.content_length = 1;
  EXPECT_FALSE(is_suppressed(other, paths));
  other = facts_;
  other.uri = "/ping/";
  EXPECT_FALSE(is_suppressed(other, paths));
}

}  // namespace
}  // namespace lwc::log
