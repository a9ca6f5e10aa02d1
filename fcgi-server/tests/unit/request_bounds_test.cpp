// SPDX-License-Identifier: Apache-2.0
#include "fastcgi/request_bounds.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace lwc {
namespace {

using namespace std::string_view_literals;

std::string record(unsigned char type, std::string_view content, unsigned char id = 1,
                   unsigned char padding = 0) {
  const std::string head{'\x01',
                         static_cast<char>(type),
                         '\0',
                         static_cast<char>(id),
                         static_cast<char>(content.size() >> 8),
                         static_cast<char>(content.size() & 0xff),
                         static_cast<char>(padding),
                         '\0'};
  return head + std::string(content) + std::string(padding, 'p');
}

std::string begin(bool keep, unsigned char id = 1) {
  return record(1, keep ? "\0\1\1\0\0\0\0\0"sv : "\0\1\0\0\0\0\0\0"sv, id);
}

std::string request(bool keep, std::string_view body, unsigned char padding = 0) {
  return begin(keep) + record(4, "\1\1ab"sv, 1, padding) + record(4, "") +
         (body.empty() ? "" : record(5, body, 1, padding)) + record(5, "", 1, padding);
}

// Feeds at most `step` bytes at a time; how many were taken in all.
std::size_t taken(RequestBounds& bounds, std::string_view text, std::size_t step) {
  std::size_t total = 0;
  while (total < text.size()) {
    const std::string_view part = text.substr(total, step);
    const std::size_t now =
        bounds.take({reinterpret_cast<const unsigned char*>(part.data()), part.size()});
    total += now;
    if (now < part.size()) {
      break;
    }
  }
  return total;
}

TEST(RequestBounds, EndsBeforeTheNextRequest) {
  for (std::string_view body : {""sv, "x"sv, "a body of some length"sv}) {
    for (unsigned char padding : {0, 1, 7}) {
      const std::string one = request(true, body, padding);
      for (std::size_t step = 1; step < one.size() * 2; ++step) {
        RequestBounds bounds;
        EXPECT_EQ(taken(bounds, one + one, step), one.size());
        EXPECT_TRUE(bounds.ended());
      }
    }
  }
}

TEST(RequestBounds, WithoutKeepingEverythingBelongsToTheRequest) {
  const std::string one = request(false, "body");
  RequestBounds bounds;
  EXPECT_EQ(taken(bounds, one + one, 10), one.size() * 2);
  EXPECT_FALSE(bounds.ended());
  EXPECT_EQ(bounds.certain(), SIZE_MAX);
}

TEST(RequestBounds, IsNotEndedInTheMiddle) {
  const std::string one = request(true, "body");
  for (std::size_t size = 0; size < one.size(); ++size) {
    RequestBounds bounds;
    EXPECT_EQ(taken(bounds, std::string_view(one).substr(0, size), 5), size);
    EXPECT_FALSE(bounds.ended()) << size;
  }
}

TEST(RequestBounds, KnowsWhatIsCertain) {
  RequestBounds bounds;
  const std::string head = begin(true) + record(4, "\1\1ab"sv) + record(4, "");
  taken(bounds, head + record(5, std::string(1000, 'x')).substr(0, 8 + 10), 100);
  EXPECT_EQ(bounds.certain(), 990U);
}

TEST(RequestBounds, RecordsOfOthersDoNotEndIt) {
  const std::string text = begin(true) + record(4, "") + record(5, "", 2) + record(5, "y");
  RequestBounds bounds;
  EXPECT_EQ(taken(bounds, text, 3), text.size());
  EXPECT_FALSE(bounds.ended());
}

TEST(RequestBounds, LeavesGarbageToLibfcgi) {
  for (std::string_view text :
       {"GET / HTTP/1.1\r\n\r\n"sv, "\1\4\0\1\0\0\0\0abc"sv, "\2\1\0\1\0\10\0\0"sv}) {
    RequestBounds bounds;
    EXPECT_EQ(taken(bounds, text, 4), text.size());
    EXPECT_FALSE(bounds.ended());
  }
}

}  // namespace
}  // namespace lwc
