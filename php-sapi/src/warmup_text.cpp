// SPDX-License-Identifier: Apache-2.0
// A Warmup as text and back: NUL-separated, which no parameter can contain.
#include "lwc/php/interpreter.hpp"

namespace lwc::php {

namespace {

std::string take(std::string_view& text) {
  const std::size_t end = text.find('\0');
  std::string field(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return field;
}

}  // namespace

std::string encode_warmup(const Warmup& warmup) {
  std::string text;
  const auto put = [&text](const std::string& field) {
    // A NUL in a field would start another one.
    text.append(field, 0, field.find('\0'));
    text.push_back('\0');
  };
  put(warmup.script);
  put(warmup.uri);
  for (const auto& [name, value] : warmup.params) {
    put(name);
    put(value);
  }
  return text;
}

Warmup decode_warmup(std::string_view text) {
  Warmup warmup;
  warmup.script = take(text);
  warmup.uri = take(text);
  while (!text.empty()) {
    std::string name = take(text);
    std::string value = take(text);
    warmup.params.emplace_back(std::move(name), std::move(value));
  }
  return warmup;
}

}  // namespace lwc::php
