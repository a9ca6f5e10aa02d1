// SPDX-License-Identifier: Apache-2.0
// What a server has to know of a request before it can choose a snapshot for it: looked at in the
// socket's buffer (MSG_PEEK), without consuming it. Parsing for good happens in the child, by
// libfcgi.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lwc {

struct RequestHead {
  enum class State {
    Incomplete,  ///< more bytes are needed
    Complete,    ///< all parameters were seen
    Bad,         ///< not FastCGI; the connection cannot be answered
    Management,  ///< a management record, to be answered by itself
    Ignored,     ///< another role, or records out of order: the child shall deal with it
  };
  RequestHead() = default;
  RequestHead(RequestHead&&) = default;  // a copy's parameters would point into the original
  RequestHead& operator=(RequestHead&&) = default;

  State state = State::Incomplete;
  std::uint16_t request_id = 0;
  bool keep_connection = false;
  bool body_ended = false;  ///< there is no body: its end was seen, too
  std::size_t size = 0;     ///< once Complete: bytes of the head, and of the end of the body
  std::vector<std::pair<std::string_view, std::string_view>>
      params;                         ///< into the bytes that were read, or into `joined`
  std::vector<unsigned char> joined;  ///< where the parameters came in several records

  std::string_view param(std::string_view name) const;

  /// Parameters that a web server usually sends, at most.
  static constexpr std::size_t kUsualParams = 40;
};

/// Reads as much of the head as `bytes` holds, which must outlive it. Never trusts a length it was
/// told. `before`: of whose memory it may make use.
RequestHead read_head(std::span<const unsigned char> bytes, RequestHead before = {});

/// What else than the script's path a snapshot depends on: the two ini parameters, and what
/// lwc.snapshot_params names. FNV-1a, 64 bits.
std::uint64_t snapshot_key(const RequestHead& head,
                           const std::vector<std::string>& snapshot_params);
std::uint64_t snapshot_key(const std::vector<std::pair<std::string, std::string>>& params,
                           const std::vector<std::string>& snapshot_params);

}  // namespace lwc
