// SPDX-License-Identifier: Apache-2.0
#include "fastcgi/request_bounds.hpp"

#include <fastcgi.h>

#include <algorithm>

namespace lwc {
namespace {

constexpr std::size_t kFlags = offsetof(FCGI_BeginRequestBody, flags);

}  // namespace

std::size_t RequestBounds::take(std::span<const unsigned char> bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && !ended_) {
    if (whole_connection_) {
      return bytes.size();
    }
    if (content_left_ > 0) {
      const std::size_t part = std::min(content_left_, bytes.size() - taken);
      on_content(bytes.subspan(taken, part));
      taken += part;
      content_left_ -= part;
      ended_ = last_record_ && content_left_ == 0;
      continue;
    }
    header_[header_size_++] = bytes[taken++];
    if (header_size_ == header_.size()) {
      on_header();
    }
  }
  return taken;
}

void RequestBounds::on_header() {
  const unsigned type = header_[1];
  const auto id = static_cast<std::uint16_t>(header_[2] << 8 | header_[3]);
  const std::size_t length = std::size_t{header_[4]} << 8 | header_[5];
  header_size_ = 0;
  content_seen_ = 0;
  content_left_ = length + header_[6];
  if (header_[0] != FCGI_VERSION_1 || (id_ == 0 && (type != FCGI_BEGIN_REQUEST || id == 0))) {
    whole_connection_ = true;  // libfcgi will find it unacceptable
    return;
  }
  if (id_ == 0) {
    id_ = id;
  }
  last_record_ = type == FCGI_STDIN && id == id_ && length == 0;
  ended_ = last_record_ && content_left_ == 0;
}

// Only of the record that begins the request: does its client keep the connection?
void RequestBounds::on_content(std::span<const unsigned char> part) {
  if (header_[1] == FCGI_BEGIN_REQUEST && content_seen_ <= kFlags &&
      content_seen_ + part.size() > kFlags) {
    whole_connection_ = (part[kFlags - content_seen_] & FCGI_KEEP_CONN) == 0;
  }
  content_seen_ += part.size();
}

}  // namespace lwc
