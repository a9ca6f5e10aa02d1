// SPDX-License-Identifier: Apache-2.0
// Errors as values: C++20 has no std::expected yet.
#pragma once

#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace lwc {

/// What went wrong, in words for the person who reads the log. Never empty.
struct Error {
  std::string message;
};

/// An Error that names what was attempted and ends in the text of `errnum`.
inline Error errno_error(std::string what, int errnum = errno) {
  return Error{std::move(what) + ": " + std::strerror(errnum)};
}

/// A value or an error. Must be looked at before its value is taken.
template <typename T, typename E = Error>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() {
    assert(*this);
    return std::get<0>(state_);
  }
  const T& operator*() const {
    assert(*this);
    return std::get<0>(state_);
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  const E& error() const {
    assert(!*this);
    return std::get<1>(state_);
  }

 private:
  std::variant<T, E> state_;
};

/// A Result that carries nothing but success.
using Status = Result<std::monostate>;
inline Status ok() {
  return Status{std::monostate{}};
}

}  // namespace lwc
