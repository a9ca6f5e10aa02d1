// SPDX-License-Identifier: Apache-2.0
// PAGEMAP_SCAN and asynchronous userfaultfd write protection: newer than Debian 12's headers.
#pragma once

#include <linux/ioctl.h>

#include <cstdint>

namespace lwc::rollback {

struct PageRegion {
  std::uint64_t start, end, categories;
};

struct ScanArgument {
  std::uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  std::uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
static_assert(sizeof(PageRegion) == 24 && sizeof(ScanArgument) == 96);

inline constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArgument);
inline constexpr std::uint64_t kPageIsWpAllowed = 1 << 0;
inline constexpr std::uint64_t kPageIsWritten = 1 << 1;

inline constexpr std::uint64_t kUffdWpUnpopulated = 1 << 13;
inline constexpr std::uint64_t kUffdWpAsync = 1 << 15;

inline constexpr std::uint64_t kUserEnd = 0x7ffffffff000;  // with four levels of page tables

/// A userfaultfd for the calling process with asynchronous write protection, or -errno. Needs no
/// privilege: write faults are resolved inside the kernel and never reported, so that a
/// user-mode-only descriptor is enough for the kernel's own writes, too.
int open_wp_async();

}  // namespace lwc::rollback
