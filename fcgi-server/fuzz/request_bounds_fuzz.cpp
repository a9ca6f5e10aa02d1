// SPDX-License-Identifier: Apache-2.0
// Every byte that a client sends on a kept connection goes past RequestBounds. However the bytes
// are cut into parts, the request ends at the same one. The first byte of the input says how they
// are cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "fastcgi/request_bounds.hpp"

namespace {

std::size_t taken(lwc::RequestBounds& bounds, std::span<const std::uint8_t> bytes,
                  std::size_t step) {
  std::size_t total = 0;
  while (total < bytes.size()) {
    const std::size_t asked = std::min(step, bytes.size() - total);
    const std::size_t certain = std::min(bounds.certain(), asked);
    const std::size_t now = bounds.take(bytes.subspan(total, asked));
    if (now > asked || now < certain || (now < asked) != (now < asked && bounds.ended())) {
      std::abort();  // more than there is, less than was certain, or a stop before the end
    }
    total += now;
    if (now < asked) {
      break;
    }
  }
  return total;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  lwc::RequestBounds whole;
  lwc::RequestBounds cut;
  if (taken(whole, bytes, size) != taken(cut, bytes, data[0] % 16 + 1) ||
      whole.ended() != cut.ended()) {
    std::abort();
  }
  if (whole.ended() && whole.take(bytes) != 0) {
    std::abort();  // the next request's
  }
  return 0;
}
