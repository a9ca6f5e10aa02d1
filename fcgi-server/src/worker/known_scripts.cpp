// SPDX-License-Identifier: Apache-2.0
#include "worker/known_scripts.hpp"

#include <algorithm>

#include "lwc/php/interpreter.hpp"

namespace lwc {
namespace {

constexpr std::int64_t kBelievedNs = 1'000'000'000;

}  // namespace

bool KnownScripts::Entry::is_of(std::string_view script, std::string_view document_root) const {
  return script == std::string_view(text.data(), script_size) &&
         document_root == std::string_view(text.data() + script_size + 1, root_size);
}

bool KnownScripts::is_plain(std::string_view script, std::string_view document_root,
                            std::int64_t now_ns) {
  if (!script.starts_with('/') || document_root.empty() ||
      script.size() + document_root.size() + 2 > sizeof Entry::text) {
    return false;
  }
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const Entry& one) { return one.is_of(script, document_root); });
  if (entry == entries_.end()) {
    // Each path that has path info in it is another one, and none of them is plain.
    entry =
        std::find_if(entries_.begin(), entries_.end(), [](const Entry& one) { return !one.plain; });
    if (entry == entries_.end()) {
      entry = entries_.begin() + static_cast<std::ptrdiff_t>(next_++ % entries_.size());
    }
    *entry = Entry{};
    entry->script_size = static_cast<std::uint16_t>(script.copy(entry->text.data(), script.size()));
    entry->root_size = static_cast<std::uint16_t>(
        document_root.copy(entry->text.data() + script.size() + 1, document_root.size()));
  }
  if (now_ns >= entry->until_ns) {
    entry->until_ns = now_ns + kBelievedNs;
    entry->plain = php::is_plain_script(entry->text.data(), entry->text.data() + script.size() + 1);
  }
  return entry->plain;
}

}  // namespace lwc
