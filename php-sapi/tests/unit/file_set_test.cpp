// SPDX-License-Identifier: Apache-2.0
#include "file_set.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace lwc::php {
namespace {

namespace fs = std::filesystem;

class FileSetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "file-set-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { fs::remove_all(directory_); }

  /// Writes the file, last changed `seconds_ago`.
  fs::path write(const std::string& name, const std::string& text, int seconds_ago) {
    const fs::path path = directory_ / name;
    std::ofstream(path) << text;
    set_age(path, seconds_ago);
    return path;
  }
  static void set_age(const fs::path& path, int seconds_ago) {
    timespec when = FileSet::now();
    when.tv_sec -= seconds_ago;
    const timespec times[2] = {when, when};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  fs::path directory_;
};

TEST_F(FileSetTest, UnchangedIsFresh) {
  const fs::path path = write("a.php", "1", 60);
  FileSet files(FileSet::now());
  files.add(path.string());
  EXPECT_TRUE(files.seal());
  EXPECT_TRUE(files.is_fresh());
  EXPECT_EQ(files.size(), 1U);
}

TEST_F(FileSetTest, ChangesAreNoticedAndNamed) {
  const fs::path path = write("a.php", "1", 60);
  FileSet files(FileSet::now());
  files.add(path.string());
  ASSERT_TRUE(files.seal());
  set_age(path, 30);  // same size: only the time differs
  EXPECT_FALSE(files.is_fresh());
  EXPECT_EQ(files.changed(), path);
}

TEST_F(FileSetTest, SameTimeButOtherSizeOrFileIsAChange) {
  const fs::path a = write("a.php", "1", 0);
  struct stat status;
  ASSERT_EQ(::stat(a.c_str(), &status), 0);
  FileSet files(timespec{status.st_mtim.tv_sec + 1, 0});
  files.add(a.string());
  const fs::path b = write("b.php", "2", 0);
  const timespec times[2] = {status.st_mtim, status.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, b.c_str(), times, 0), 0);
  fs::rename(b, a);  // as an editor or deployment tool replaces a file
  EXPECT_FALSE(files.is_fresh());
}

TEST_F(FileSetTest, DeletedAndAppearedAreChanges) {
  const fs::path gone = write("gone.php", "1", 60);
  const fs::path absent = directory_ / ".user.ini";
  FileSet both(FileSet::now());
  both.add(gone.string());
  both.add(absent.string());
  ASSERT_TRUE(both.is_fresh());
  FileSet only_absent = both;
  fs::remove(gone);
  EXPECT_FALSE(both.is_fresh());
  write("gone.php", "1", 60);
  write(".user.ini", "a=b", 60);
  EXPECT_FALSE(only_absent.is_fresh());
}

TEST_F(FileSetTest, SymbolicLinkToAnotherReleaseIsAChange) {
  for (const char* release : {"r1", "r2"}) {
    fs::create_directory(directory_ / release);
    write(std::string(release) + "/index.php", "same", 60);
  }
  fs::create_directory_symlink(directory_ / "r1", directory_ / "current");
  FileSet files(FileSet::now());
  files.add((directory_ / "current/index.php").string());
  ASSERT_TRUE(files.seal());
  fs::remove(directory_ / "current");
  fs::create_directory_symlink(directory_ / "r2", directory_ / "current");
  EXPECT_FALSE(files.is_fresh());
}

TEST_F(FileSetTest, ChangedWhileItWasReadIsStaleAtOnce) {
  FileSet files(FileSet::now());
  const fs::path path = write("a.php", "1", 0);
  files.add(path.string());
  EXPECT_FALSE(files.seal());
  EXPECT_EQ(files.changed(), path);
}

TEST_F(FileSetTest, WhatTheWarmUpWroteItselfIsFresh) {
  FileSet files(FileSet::now());
  const fs::path path = write("cache.php", "1", 0);
  files.add_written(path.string());
  files.add(path.string());
  EXPECT_TRUE(files.seal());
  EXPECT_TRUE(files.is_fresh());
}

TEST_F(FileSetTest, FutureTimesAreNoChange) {
  const fs::path path = write("a.php", "1", -3600);
  FileSet files(FileSet::now());
  files.add(path.string());
  EXPECT_TRUE(files.seal());
}

}  // namespace
}  // namespace lwc::php
