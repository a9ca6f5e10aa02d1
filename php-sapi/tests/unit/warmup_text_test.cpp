// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "lwc/php/interpreter.hpp"

namespace lwc::php {
namespace {

TEST(WarmupText, ComesBackAsItWas) {
  const Warmup before{"/srv/index.php", "/a?b=c", {{"DOCUMENT_ROOT", "/srv"}, {"HTTPS", ""}}};
  const Warmup after = decode_warmup(encode_warmup(before));
  EXPECT_EQ(after.script, before.script);
  EXPECT_EQ(after.uri, before.uri);
  EXPECT_EQ(after.params, before.params);
}

TEST(WarmupText, EmptyFieldsStayInTheirPlace) {
  const Warmup after = decode_warmup(encode_warmup({"/s", "", {{"", "x"}, {"y", ""}}}));
  EXPECT_EQ(after.uri, "");
  ASSERT_EQ(after.params.size(), 2U);
  EXPECT_EQ(after.params[0].second, "x");
  EXPECT_EQ(after.params[1].first, "y");
}

TEST(WarmupText, NulInAValueCannotStartAnotherParameter) {
  const Warmup before{"/s", "", {{"A", std::string("x\0PHP_ADMIN_VALUE\0y", 19)}}};
  const Warmup after = decode_warmup(encode_warmup(before));
  ASSERT_EQ(after.params.size(), 1U);
  EXPECT_EQ(after.params[0].second, "x");
}

TEST(WarmupText, CutTextIsNoError) {
  const std::string whole = encode_warmup({"/s", "/u", {{"A", "b"}}});
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    EXPECT_LE(decode_warmup(std::string_view(whole).substr(0, size)).params.size(), 1U);
  }
  EXPECT_EQ(decode_warmup("").script, "");
}

}  // namespace
}  // namespace lwc::php
