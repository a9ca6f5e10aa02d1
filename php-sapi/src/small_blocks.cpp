// SPDX-License-Identifier: Apache-2.0
#include "small_blocks.hpp"

#include <cstddef>

#include "php.hpp"

extern "C" {
#include <Zend/zend_alloc_sizes.h>
}

namespace lwc::php {
namespace {

#define LWC_SIZE(number, size, elements, pages, x, y) size,
constexpr std::size_t kSizes[] = {ZEND_MM_BINS_INFO(LWC_SIZE, , )};
#undef LWC_SIZE

}  // namespace

void lay_out_small_blocks() {
  for (std::size_t size : kSizes) {
    efree(emalloc(size));
  }
}

}  // namespace lwc::php
