// SPDX-License-Identifier: Apache-2.0
#include "fastcgi/request_head.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace lwc {
namespace {

using State = RequestHead::State;
using Params = std::vector<std::pair<std::string, std::string>>;

std::string record(int type, int id, const std::string& content, int padding = 0) {
  std::string text;
  for (int value : {1, type, id >> 8, id & 0xff, static_cast<int>(content.size() >> 8),
                    static_cast<int>(content.size() & 0xff), padding, 0}) {
    text.push_back(static_cast<char>(value));
  }
  return text + content + std::string(static_cast<std::size_t>(padding), 'p');
}

std::string begin(int id, int role = 1, int flags = 0) {
  return record(1, id,
                {static_cast<char>(role >> 8), static_cast<char>(role), static_cast<char>(flags), 0,
                 0, 0, 0, 0});
}

std::string length(std::size_t size) {
  if (size < 0x80) {
    return {static_cast<char>(size)};
  }
  return {static_cast<char>(0x80 | size >> 24), static_cast<char>(size >> 16),
          static_cast<char>(size >> 8), static_cast<char>(size)};
}

std::string pair(const std::string& name, const std::string& value) {
  return length(name.size()) + length(value.size()) + name + value;
}

RequestHead read(const std::string& text) {
  static std::deque<std::string> kept;  // what was read points into the text
  const std::string& own = kept.emplace_back(text);
  return read_head({reinterpret_cast<const unsigned char*>(own.data()), own.size()});
}

Params params_of(const RequestHead& head) {
  return {head.params.begin(), head.params.end()};
}

TEST(RequestHead, ReadsParameters) {
  std::string stream = pair("SCRIPT_FILENAME", "/srv/index.php") + pair("QUERY_STRING", "");
  RequestHead head = read(begin(7, 1, 1) + record(4, 7, stream) + record(4, 7, ""));
  EXPECT_EQ(head.state, State::Complete);
  EXPECT_EQ(head.request_id, 7);
  EXPECT_TRUE(head.keep_connection);
  EXPECT_EQ(params_of(head), (Params{{"SCRIPT_FILENAME", "/srv/index.php"}, {"QUERY_STRING", ""}}));
  EXPECT_EQ(head.param("SCRIPT_FILENAME"), "/srv/index.php");
  EXPECT_EQ(head.param("ABSENT"), "");
}

// So many bytes are read without looking: one more would be the next request's, or the body's.
TEST(RequestHead, KnowsItsSize) {
  const std::string own = begin(7, 1, 1) + record(4, 7, pair("A", "b"), 3) + record(4, 7, "");
  const std::string next = begin(8, 1, 1) + record(4, 8, pair("A", "c")) + record(4, 8, "");
  EXPECT_EQ(read(own).size, own.size());
  EXPECT_EQ(read(own + record(5, 7, "body")).size, own.size());
  EXPECT_EQ(read(own + record(5, 7, "") + next).size, own.size() + 8);
  EXPECT_EQ(read(own.substr(0, own.size() - 1)).size, 0u);
}

TEST(RequestHead, ParametersMayBeCutAnywhereAndPadded) {
  std::string stream = pair("A", std::string(300, 'x')) + pair("B", "b");
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    RequestHead head = read(begin(1) + record(4, 1, stream.substr(0, cut), 3) +
                            record(4, 1, stream.substr(cut)) + record(4, 1, "", 5));
    ASSERT_EQ(head.state, State::Complete) << "cut at " << cut;
    EXPECT_EQ(params_of(head), (Params{{"A", std::string(300, 'x')}, {"B", "b"}}));
  }
}

TEST(RequestHead, SeesThatThereIsNoBody) {
  std::string head = begin(1) + record(4, 1, pair("A", "a")) + record(4, 1, "");
  EXPECT_FALSE(read(head).body_ended) << "it may still come";
  EXPECT_TRUE(read(head + record(5, 1, "")).body_ended);
  EXPECT_FALSE(read(head + record(5, 2, "")).body_ended) << "of another request";
  EXPECT_FALSE(read(head + record(5, 1, "body") + record(5, 1, "")).body_ended);
}

TEST(RequestHead, EveryPrefixIsIncomplete) {
  std::string whole = begin(1) + record(4, 1, pair("A", "a"), 2) + record(4, 1, "");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(read(whole.substr(0, size)).state, State::Incomplete) << size << " bytes";
  }
  EXPECT_EQ(read(whole).state, State::Complete);
}

TEST(RequestHead, RefusesWhatIsNotFastCgi) {
  EXPECT_EQ(read("GET / HTTP/1.1\r\n\r\n").state, State::Bad);
  EXPECT_EQ(read(record(4, 1, pair("A", "a"))).state, State::Bad) << "parameters without a request";
}

TEST(RequestHead, RefusesLengthsThatDoNotAddUp) {
  std::string stream = pair("A", "a");
  stream[0] = 100;
  EXPECT_EQ(read(begin(1) + record(4, 1, stream) + record(4, 1, "")).state, State::Bad);
  stream = std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  EXPECT_EQ(read(begin(1) + record(4, 1, stream) + record(4, 1, "")).state, State::Bad);
}

TEST(RequestHead, TellsManagementRecordsAndOtherRolesApart) {
  EXPECT_EQ(read(record(9, 0, "")).state, State::Management);
  EXPECT_EQ(read(begin(1, 2) + record(4, 1, "")).state, State::Ignored) << "an authorizer";
  EXPECT_EQ(read(begin(1) + record(2, 1, "")).state, State::Ignored) << "aborted at once";
}

TEST(SnapshotKey, DependsOnTheSiteAloneAndOnWhatIsNamed) {
  Params site{{"SCRIPT_FILENAME", "/a/index.php"},
              {"DOCUMENT_ROOT", "/a"},
              {"APP_ENV", "prod"},
              {"QUERY_STRING", "q"}};
  Params other_query = site;
  other_query[3].second = "r";
  Params other_env = site;
  other_env[2].second = "dev";
  Params other_ini = site;
  other_ini.emplace_back("PHP_VALUE", "precision=3");
  EXPECT_EQ(snapshot_key(site, {}), snapshot_key(other_query, {}));
  EXPECT_EQ(snapshot_key(site, {}), snapshot_key(other_env, {}));
  EXPECT_NE(snapshot_key(site, {"APP_ENV"}), snapshot_key(other_env, {"APP_ENV"}));
  EXPECT_NE(snapshot_key(site, {}), snapshot_key(other_ini, {}));
}

TEST(SnapshotKey, DoesNotRunValuesTogether) {
  EXPECT_NE(snapshot_key({{"PHP_VALUE", "ab"}, {"PHP_ADMIN_VALUE", "c"}}, {}),
            snapshot_key({{"PHP_VALUE", "a"}, {"PHP_ADMIN_VALUE", "bc"}}, {}));
}

}  // namespace
}  // namespace lwc
