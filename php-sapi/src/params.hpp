// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "lwc/php/transport.hpp"

namespace lwc::php {

/// The FastCGI parameters of one request with what path resolution changed in them.
///
/// Values live until the next reset(): PHP keeps pointers to them.
class Params {
 public:
  void reset(const Transport* transport);

  /// The value, or null where there is none or it was removed.
  const char* get(const char* name) const;

  /// Gives `name` a new value (null: removes it) and returns the stored copy.
  const char* set(const char* name, const char* value);

  /// Calls `visit` for every parameter, the last one sent first, as php-fpm shows them in $_SERVER.
  void each(Transport::ParamVisitor visit, void* context) const;

 private:
  struct Change {
    std::string name;
    const char* value;
  };
  const Change* find(const char* name) const;

  const Transport* transport_ = nullptr;
  std::vector<Change> changes_;
  std::deque<std::string> texts_;
  mutable std::vector<std::pair<const char*, const char*>> order_;
};

}  // namespace lwc::php
