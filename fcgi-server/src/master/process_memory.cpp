// SPDX-License-Identifier: Apache-2.0
#include "master/process_memory.hpp"

#include <fstream>
#include <string>

namespace lwc {

std::uint64_t private_memory(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  for (std::string word; file >> word;) {
    if (word == "Private_Dirty:") {
      std::uint64_t kib = 0;
      file >> kib;
      return kib * 1024;
    }
  }
  return 0;
}

}  // namespace lwc
