// SPDX-License-Identifier: Apache-2.0
#include "script_path.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace lwc::php {
namespace {

namespace fs = std::filesystem;

class MapTransport final : public Transport {
 public:
  const char* param(const char* name) const noexcept override {
    const auto found = params.find(name);
    return found != params.end() ? found->second.c_str() : nullptr;
  }
  void each_param(ParamVisitor visit, void* context) const noexcept override {
    for (const auto& [name, value] : params) {
      visit(name.c_str(), value.c_str(), context);
    }
  }
  std::size_t read(char*, std::size_t) noexcept override { return 0; }
  bool write(const char*, std::size_t) noexcept override { return true; }
  bool flush() noexcept override { return true; }
  void write_error(const char*, std::size_t) noexcept override {}
  void finish() noexcept override {}
  std::map<std::string, std::string> params;
};

class ScriptPathTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "script-path-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    std::ofstream(root_ + "/info.php") << "<?php";
  }
  void TearDown() override { fs::remove_all(root_); }

  ScriptPath resolve(std::map<std::string, std::string> given, ScriptPathRules rules = {}) {
    transport_.params = std::move(given);
    params_.reset(&transport_);
    return resolve_script(params_, rules);
  }
  std::string param(const char* name) const {
    const char* value = params_.get(name);
    return value != nullptr ? value : "(none)";
  }

  std::string root_;
  MapTransport transport_;
  Params params_;
};

TEST_F(ScriptPathTest, PlainScript) {
  const ScriptPath script =
      resolve({{"SCRIPT_FILENAME", root_ + "/info.php"}, {"SCRIPT_NAME", "/info.php"}});
  EXPECT_EQ(script.path, root_ + "/info.php");
  EXPECT_STREQ(script.request_uri, "/info.php");
  EXPECT_EQ(param("ORIG_SCRIPT_FILENAME"), "(none)");
}

TEST_F(ScriptPathTest, NothingNamedIsUnknown) {
  EXPECT_FALSE(resolve({}).known);
}

TEST_F(ScriptPathTest, PathInfoAfterTheScript) {
  const ScriptPath script = resolve({{"SCRIPT_FILENAME", root_ + "/info.php/a/b"},
                                     {"SCRIPT_NAME", "/info.php/a/b"},
                                     {"PATH_INFO", "/info.php/a/b"},
                                     {"DOCUMENT_ROOT", root_}});
  EXPECT_EQ(script.path, root_ + "/info.php");
  EXPECT_STREQ(script.request_uri, "/info.php");
  EXPECT_EQ(param("PATH_INFO"), "/a/b");
  EXPECT_EQ(param("ORIG_PATH_INFO"), "/info.php/a/b");
  EXPECT_EQ(param("SCRIPT_NAME"), "/info.php");
  EXPECT_EQ(param("ORIG_SCRIPT_NAME"), "/info.php/a/b");
  EXPECT_EQ(param("SCRIPT_FILENAME"), root_ + "/info.php");
  EXPECT_EQ(param("ORIG_SCRIPT_FILENAME"), root_ + "/info.php/a/b");
  EXPECT_EQ(param("PATH_TRANSLATED"), root_ + "/a/b");
}

TEST_F(ScriptPathTest, NothingAboveIsAFile) {
  const ScriptPath script =
      resolve({{"SCRIPT_FILENAME", root_ + "/no.php/x"}, {"SCRIPT_NAME", "/no.php/x"}});
  EXPECT_TRUE(script.known);
  EXPECT_EQ(script.path, nullptr);
  EXPECT_EQ(param("SCRIPT_FILENAME"), "(none)");
  EXPECT_EQ(param("ORIG_SCRIPT_FILENAME"), root_ + "/no.php/x");
}

TEST_F(ScriptPathTest, WithoutFixPathinfoNothingIsSearched) {
  const ScriptPath script =
      resolve({{"SCRIPT_FILENAME", root_ + "/info.php/a"}, {"SCRIPT_NAME", "/info.php"}},
              {.fix_pathinfo = false});
  EXPECT_EQ(script.path, root_ + "/info.php/a");
}

TEST_F(ScriptPathTest, ApachesProxyPrefixIsCutOff) {
  const ScriptPath script =
      resolve({{"SCRIPT_FILENAME", "proxy:fcgi://localhost:9000" + root_ + "/info.php/t%20x?q=1"},
               {"SCRIPT_NAME", "/info.php/t%20x"}});
  EXPECT_EQ(script.path, root_ + "/info.php");
  EXPECT_EQ(param("PATH_INFO"), "/t%20x");
  EXPECT_EQ(param("SCRIPT_NAME"), "/info.php");
}

TEST_F(ScriptPathTest, ApachesActionNamesTheScriptElsewhere) {
  const ScriptPath script = resolve({{"SCRIPT_FILENAME", "/usr/lib/cgi-bin/php"},
                                     {"SCRIPT_NAME", "/cgi-bin/php"},
                                     {"PATH_TRANSLATED", root_ + "/info.php"},
                                     {"REDIRECT_URL", "/info.php"}});
  EXPECT_EQ(script.path, root_ + "/info.php");
  EXPECT_EQ(param("SCRIPT_NAME"), "/info.php");
  EXPECT_EQ(param("PATH_TRANSLATED"), "(none)");
}

TEST_F(ScriptPathTest, IisRepeatsTheScriptInPathInfo) {
  resolve({{"SERVER_SOFTWARE", "Microsoft-IIS/10.0"},
           {"SCRIPT_FILENAME", root_ + "/info.php"},
           {"SCRIPT_NAME", "/info.php"},
           {"PATH_INFO", "/info.php/a"}});
  EXPECT_EQ(param("PATH_INFO"), "/a");
  EXPECT_EQ(param("ORIG_PATH_INFO"), "/info.php/a");
}

TEST(ValidPath, RefusesOnlyWholeDotDotComponents) {
  for (const char* bad : {"..", "../a", "/a/../b", "/a/..", "a/.."}) {
    EXPECT_FALSE(is_valid_path(bad)) << bad;
  }
  for (const char* good : {"", "/a..b/c", "/..a", "/a../b", "/a/.../b", "/a/./b"}) {
    EXPECT_TRUE(is_valid_path(good)) << good;
  }
  EXPECT_FALSE(is_valid_path(nullptr));
}

TEST(AllowedExtension, ComparesTheEnd) {
  EXPECT_TRUE(is_allowed_extension("/a.php", {".php", ".phar"}));
  EXPECT_FALSE(is_allowed_extension("/a.php.jpg", {".php"}));
  EXPECT_FALSE(is_allowed_extension(".php", {".php"}));
  EXPECT_TRUE(is_allowed_extension("/a.jpg", {}));
}

TEST(ParamsOrder, LastSentFirstThenChanges) {
  MapTransport transport;
  transport.params = {{"A", "1"}, {"B", "2"}, {"C", "3"}};
  Params params;
  params.reset(&transport);
  params.set("B", "changed");
  params.set("C", nullptr);
  params.set("NEW", "4");
  std::string seen;
  params.each(
      [](const char* name, const char* value, void* text) {
        *static_cast<std::string*>(text) += std::string(name) + "=" + value + " ";
      },
      &seen);
  EXPECT_EQ(seen, "NEW=4 B=changed A=1 ");
}

}  // namespace
}  // namespace lwc::php
