// SPDX-License-Identifier: Apache-2.0
// What the status pages tell, read from a pool's scoreboard at one moment.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "scoreboard.hpp"

namespace lwc::status {

/// A moment: a date on pages for people, seconds since the epoch elsewhere.
struct Moment {
  std::int64_t seconds = 0;
};
/// An amount that is shown with two decimals.
using Value = std::variant<std::int64_t, double, std::string, Moment>;

/// One line of a page. `name` is in words: "accepted conn"; formats that have no blanks in names
/// put hyphens or underscores there.
struct Field {
  const char* name;
  Value value;
};
using Fields = std::vector<Field>;

struct ProcessFigures {
  Fields php;  ///< php-fpm's, in its order, without the request's
  Fields own;  ///< what php-fpm does not have
  std::string uri;
  std::string query;
};

struct Figures {
  Fields php;
  Fields own;
  std::vector<Fields> snapshots;
  std::vector<ProcessFigures> processes;
  ProcessFigures no_process;  ///< for the names of its fields
};

/// `with_processes`: as for a query with "full".
Figures read_figures(PoolBoard& board, bool with_processes);

/// The value of a field, or null.
const Value* find(const Fields& fields, const char* name);

}  // namespace lwc::status
