// SPDX-License-Identifier: Apache-2.0
// Where a request ends among the bytes of its connection. A client that keeps the connection may
// have sent its next request already, and that one belongs to another child.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace lwc {

class RequestBounds {
 public:
  /// `bytes` come next on the connection: how many of them are this request's.
  std::size_t take(std::span<const unsigned char> bytes);

  /// Bytes that are this request's in any case, as far as is known now.
  std::size_t certain() const { return whole_connection_ ? SIZE_MAX : content_left_; }

  bool ended() const { return ended_; }

 private:
  void on_header();
  void on_content(std::span<const unsigned char> part);

  std::array<unsigned char, 8> header_{};
  std::size_t header_size_ = 0;
  std::size_t content_left_ = 0;  ///< of the current record, padding included
  std::size_t content_seen_ = 0;
  std::uint16_t id_ = 0;      ///< 0: the request has not begun
  bool last_record_ = false;  ///< the current record is the request's last
  bool ended_ = false;
  bool whole_connection_ = false;  ///< nothing can follow, or it cannot be told what
};

}  // namespace lwc
