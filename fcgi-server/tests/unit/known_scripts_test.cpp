// SPDX-License-Identifier: Apache-2.0
#include "worker/known_scripts.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace lwc {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

class KnownScriptsTest : public testing::Test {
 protected:
  KnownScriptsTest() {
    std::string name = testing::TempDir() + "known_scripts_XXXXXX";
    root_ = ::mkdtemp(name.data());
  }
  ~KnownScriptsTest() override { std::filesystem::remove_all(root_); }

  std::string make(const std::string& name) const {
    std::ofstream(root_ + "/" + name) << "<?php";
    return root_ + "/" + name;
  }

  std::string root_;
  KnownScripts known_;
};

TEST_F(KnownScriptsTest, IsBelievedForASecond) {
  const std::string script = make("a.php");
  EXPECT_TRUE(known_.is_plain(script, root_, 0));
  std::filesystem::remove(script);
  EXPECT_TRUE(known_.is_plain(script, root_, kSecond - 1));
  EXPECT_FALSE(known_.is_plain(script, root_, kSecond));
  make("a.php");
  EXPECT_FALSE(known_.is_plain(script, root_, 2 * kSecond - 1));
  EXPECT_TRUE(known_.is_plain(script, root_, 2 * kSecond));
}

TEST_F(KnownScriptsTest, WhatIsNoFileIsNotPlain) {
  EXPECT_FALSE(known_.is_plain(root_, root_, 0));
  EXPECT_FALSE(known_.is_plain(make("a.php") + "/path/info", root_, 0));
  EXPECT_FALSE(known_.is_plain("", root_, 0));
  EXPECT_FALSE(known_.is_plain("proxy:fcgi://" + make("b.php"), root_, 0));
}

TEST_F(KnownScriptsTest, NothingIsSaidOfWhatIsTooLongOrHasNoDocumentRoot) {
  const std::string script = make("a.php");
  EXPECT_FALSE(known_.is_plain(script, "", 0));
  EXPECT_FALSE(known_.is_plain(script, std::string(480, '/'), 0));
}

TEST_F(KnownScriptsTest, WhatIsNotPlainTakesNoOthersPlace) {
  const std::string script = make("a.php");
  EXPECT_TRUE(known_.is_plain(script, root_, 0));
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(known_.is_plain(script + "/" + std::to_string(i), root_, 0));
  }
  std::filesystem::remove(script);
  EXPECT_TRUE(known_.is_plain(script, root_, kSecond - 1));
}

TEST_F(KnownScriptsTest, EachScriptIsKnownByItsOwnName) {
  for (int i = 0; i < 20; ++i) {  // more than are remembered
    EXPECT_TRUE(known_.is_plain(make(std::to_string(i) + ".php"), root_, 0));
  }
  EXPECT_FALSE(known_.is_plain(root_ + "/20.php", root_, 0));
  EXPECT_TRUE(known_.is_plain(root_ + "/19.php", root_, 0));
}

}  // namespace
}  // namespace lwc
