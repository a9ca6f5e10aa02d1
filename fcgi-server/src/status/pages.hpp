// SPDX-License-Identifier: Apache-2.0
// The daemon's own pages of a pool: ping.path and pm.status_path. Asked in a child, before a script
// is looked for.
#pragma once

#include <optional>
#include <string>

#include "lwc/php/interpreter.hpp"
#include "scoreboard.hpp"

namespace lwc::status {

struct PageOptions {
  std::string status_path;  ///< empty: none
  std::string ping_path;    ///< empty: none
  std::string ping_response;
};

class Pages {
 public:
  /// `board`: of the pool that the status page is about, which with pm.status_listen is another one
  /// than the page is asked from.
  Pages(PageOptions options, PoolBoard& board) : options_(std::move(options)), board_(board) {}

  /// The page, valid until the next call; or null: a script is to answer.
  const php::OwnPage* find(const php::OwnPageRequest& request);

 private:
  const php::OwnPage* ping();
  const php::OwnPage* status(const php::OwnPageRequest& request);

  PageOptions options_;
  PoolBoard& board_;
  std::string body_;
  php::OwnPage page_;
};

}  // namespace lwc::status
