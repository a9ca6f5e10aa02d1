// SPDX-License-Identifier: Apache-2.0
#include "lwc/fragments.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace lwc {
namespace {

// How many pages a handful of blocks lie in.
std::size_t pages_of_new_blocks() {
  std::vector<void*> blocks(64);
  std::generate(blocks.begin(), blocks.end(), [] { return std::malloc(48); });
  std::vector<std::uintptr_t> pages(blocks.size());
  std::transform(blocks.begin(), blocks.end(), pages.begin(),
                 [](void* block) { return reinterpret_cast<std::uintptr_t>(block) >> 12; });
  std::sort(pages.begin(), pages.end());
  const auto end = std::unique(pages.begin(), pages.end());
  std::for_each(blocks.begin(), blocks.end(), std::free);
  return static_cast<std::size_t>(end - pages.begin());
}

// Free blocks with others in between, each in a page of its own.
void make_fragments() {
  static std::vector<void*> between;
  std::vector<void*> blocks;
  for (int i = 0; i < 200; ++i) {
    blocks.push_back(std::malloc(48));
    between.push_back(std::malloc(8000));
  }
  std::for_each(blocks.begin(), blocks.end(), std::free);
}

TEST(FragmentsTest, WhatIsAllocatedLaterLiesSideBySide) {
  make_fragments();
  ASSERT_GT(pages_of_new_blocks(), 30U);
  use_up_fragments();
  EXPECT_LE(pages_of_new_blocks(), 8U);
}

}  // namespace
}  // namespace lwc
