// SPDX-License-Identifier: Apache-2.0
// Whatever a client sends before a child exists goes through read_head().
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "fastcgi/request_head.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lwc::RequestHead head = lwc::read_head({data, size});
  if (head.state == lwc::RequestHead::State::Complete) {
    std::size_t total = 0;
    for (const auto& [name, value] : head.params) {
      total += name.size() + value.size();
    }
    if (total > size) {
      std::abort();  // more than was sent
    }
    const std::vector<std::pair<std::string, std::string>> own(head.params.begin(),
                                                               head.params.end());
    if (lwc::snapshot_key(head, {"APP_ENV"}) != lwc::snapshot_key(own, {"APP_ENV"})) {
      std::abort();
    }
  }
  return 0;
}
