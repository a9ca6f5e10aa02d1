// SPDX-License-Identifier: Apache-2.0
#include "status/function.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "status/figures.hpp"

namespace lwc::status {
namespace {

/// "start time" is "start-time" here, and one has a name of its own.
std::string row_name(std::string_view name) {
  if (name == "content length") {
    return "request-length";
  }
  std::string out(name);
  std::replace(out.begin(), out.end(), ' ', '-');
  return out;
}

Row row_of(const Field& field) {
  const std::string name = row_name(field.name);
  if (const auto* text = std::get_if<std::string>(&field.value)) {
    return {name, *text};
  }
  if (const auto* amount = std::get_if<double>(&field.value)) {
    return {name, std::nullopt, std::llround(*amount * 100)};
  }
  const auto* moment = std::get_if<Moment>(&field.value);
  return {name, std::nullopt,
          moment != nullptr ? moment->seconds : std::get<std::int64_t>(field.value)};
}

}  // namespace

std::vector<Row> function_rows(PoolBoard& board) {
  const Figures figures = read_figures(board, true);
  std::vector<Row> rows;
  std::transform(figures.php.begin(), figures.php.end(), std::back_inserter(rows), row_of);
  for (const ProcessFigures& process : figures.processes) {
    rows.push_back({"procs", std::nullopt});
    for (const Field& field : process.php) {
      rows.push_back(row_of(field));
      if (rows.back().name == "request-uri") {
        rows.back().text = process.uri;
        rows.push_back({"query-string", process.query});
      }
    }
  }
  return rows;
}

}  // namespace lwc::status
