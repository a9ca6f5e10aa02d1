// SPDX-License-Identifier: Apache-2.0
#include "lwc/clean_pages.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>

#include "lwc/unique_fd.hpp"

namespace lwc {
namespace {

constexpr std::size_t kPage = 4096;

/// Two pages of a file, mapped privately and read.
class CleanPages : public testing::Test {
 protected:
  void SetUp() override {
    std::array<char, 32> path{"/tmp/clean-pages-XXXXXX"};
    file_ = UniqueFd(::mkstemp(path.data()));
    ASSERT_TRUE(file_);
    ::unlink(path.data());
    const std::string contents(2 * kPage, 'f');
    ASSERT_EQ(::write(file_.get(), contents.data(), contents.size()),
              static_cast<ssize_t>(contents.size()));
    memory_ =
        static_cast<char*>(::mmap(nullptr, 2 * kPage, PROT_READ, MAP_PRIVATE, file_.get(), 0));
    ASSERT_NE(memory_, MAP_FAILED);
    EXPECT_EQ(read(0), 'f');
    EXPECT_EQ(read(1), 'f');
  }

  void TearDown() override { ::munmap(memory_, 2 * kPage); }

  char read(std::size_t page) const { return *static_cast<volatile char*>(memory_ + page * kPage); }

  void write(std::size_t page, char what) {
    ASSERT_EQ(::mprotect(memory_, 2 * kPage, PROT_READ | PROT_WRITE), 0);
    memory_[page * kPage] = what;
    ASSERT_EQ(::mprotect(memory_, 2 * kPage, PROT_READ), 0);
  }

  bool is_mapped(std::size_t page) const {
    constexpr std::uint64_t kPresent = std::uint64_t{1} << 63;
    const UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    std::uint64_t entry = 0;
    const auto at = reinterpret_cast<std::uintptr_t>(memory_) / kPage + page;
    EXPECT_EQ(::pread(pagemap.get(), &entry, sizeof entry, static_cast<off_t>(at * sizeof entry)),
              static_cast<ssize_t>(sizeof entry));
    return (entry & kPresent) != 0;
  }

  UniqueFd file_;
  char* memory_ = nullptr;
};

TEST_F(CleanPages, AreUnmappedAndComeBack) {
  ASSERT_TRUE(is_mapped(0));
  unmap_clean_pages();
  EXPECT_FALSE(is_mapped(0));
  EXPECT_FALSE(is_mapped(1));
  EXPECT_EQ(read(0), 'f');
}

TEST_F(CleanPages, StayWhereAPageWasChanged) {
  write(1, 'o');
  unmap_clean_pages();
  EXPECT_EQ(read(0), 'f');
  EXPECT_EQ(read(1), 'o');
}

TEST_F(CleanPages, StayWhereTheyCanBeWritten) {
  ASSERT_EQ(::mprotect(memory_, 2 * kPage, PROT_READ | PROT_WRITE), 0);
  unmap_clean_pages();
  EXPECT_TRUE(is_mapped(0));
}

}  // namespace
}  // namespace lwc
