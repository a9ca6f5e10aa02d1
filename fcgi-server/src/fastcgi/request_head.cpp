// SPDX-License-Identifier: Apache-2.0
#include "fastcgi/request_head.hpp"

#include <fastcgi.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

namespace lwc {
namespace {

using Bytes = std::span<const unsigned char>;

// Not DOCUMENT_ROOT: a warm-up that the configuration asks for cannot know it.
constexpr std::array<std::string_view, 2> kIdentity{"PHP_VALUE", "PHP_ADMIN_VALUE"};

// A name's or value's length: one byte, or four when the first has its high bit set.
std::optional<std::size_t> take_length(Bytes& bytes) {
  if (bytes.empty()) {
    return std::nullopt;
  }
  if (bytes[0] < 0x80) {
    std::size_t length = bytes[0];
    bytes = bytes.subspan(1);
    return length;
  }
  if (bytes.size() < 4) {
    return std::nullopt;
  }
  std::size_t length = (std::size_t{bytes[0]} & 0x7f) << 24 | std::size_t{bytes[1]} << 16 |
                       std::size_t{bytes[2]} << 8 | std::size_t{bytes[3]};
  bytes = bytes.subspan(4);
  return length;
}

// Splits the whole parameter stream. False when it does not add up.
bool split_params(Bytes stream, RequestHead& head) {
  while (!stream.empty()) {
    std::optional<std::size_t> name = take_length(stream);
    std::optional<std::size_t> value = name ? take_length(stream) : std::nullopt;
    if (!value || stream.size() < *name || stream.size() - *name < *value) {
      return false;
    }
    const char* text = reinterpret_cast<const char*>(stream.data());
    head.params.emplace_back(std::string_view(text, *name), std::string_view(text + *name, *value));
    stream = stream.subspan(*name + *value);
  }
  return true;
}

std::uint64_t add(std::uint64_t hash, std::string_view text) {
  for (char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return (hash ^ 0xff) * 0x100000001b3ULL;  // an end mark: "ab","c" is not "a","bc"
}

// The last of that name counts, as for the request itself (FcgiTransport::split_params).
template <typename Params>
std::string_view find(const Params& params, std::string_view name) {
  auto found = std::find_if(params.rbegin(), params.rend(),
                            [name](const auto& one) { return one.first == name; });
  return found != params.rend() ? std::string_view(found->second) : std::string_view();
}

template <typename Params>
std::uint64_t key_of(const Params& params, const std::vector<std::string>& snapshot_params) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (std::string_view name : kIdentity) {
    hash = add(hash, find(params, name));
  }
  for (const std::string& name : snapshot_params) {
    hash = add(hash, find(params, name));
  }
  return hash;
}

Bytes join(std::vector<unsigned char>& joined, Bytes first, Bytes second) {
  if (joined.empty()) {
    joined.assign(first.begin(), first.end());
  }
  joined.insert(joined.end(), second.begin(), second.end());
  return joined;
}

// The empty record that ends a body.
bool begins_with_end_of_body(Bytes bytes, std::uint16_t id) {
  return bytes.size() >= FCGI_HEADER_LEN && bytes[0] == FCGI_VERSION_1 && bytes[1] == FCGI_STDIN &&
         (bytes[2] << 8 | bytes[3]) == id && bytes[4] == 0 && bytes[5] == 0 && bytes[6] == 0;
}

}  // namespace

std::string_view RequestHead::param(std::string_view name) const {
  return find(params, name);
}

RequestHead read_head(std::span<const unsigned char> bytes, RequestHead before) {
  RequestHead head;
  head.params = std::move(before.params);
  head.params.clear();
  head.params.reserve(RequestHead::kUsualParams);
  const std::size_t all = bytes.size();
  Bytes stream;
  bool begun = false;
  while (bytes.size() >= FCGI_HEADER_LEN) {
    unsigned type = bytes[1];
    auto id = static_cast<std::uint16_t>(bytes[2] << 8 | bytes[3]);
    std::size_t length = std::size_t{bytes[4]} << 8 | bytes[5];
    std::size_t padding = bytes[6];
    if (bytes[0] != FCGI_VERSION_1) {
      head.state = RequestHead::State::Bad;
      return head;
    }
    if (!begun && (type != FCGI_BEGIN_REQUEST || id == 0)) {
      head.state = id == 0 ? RequestHead::State::Management : RequestHead::State::Bad;
      return head;
    }
    if (bytes.size() - FCGI_HEADER_LEN < length + padding) {
      return head;
    }
    Bytes content = bytes.subspan(FCGI_HEADER_LEN, length);
    bytes = bytes.subspan(FCGI_HEADER_LEN + length + padding);
    if (type == FCGI_BEGIN_REQUEST && !begun && length >= sizeof(FCGI_BeginRequestBody)) {
      begun = true;
      head.request_id = id;
      head.keep_connection = (content[2] & FCGI_KEEP_CONN) != 0;
      if ((content[0] << 8 | content[1]) != FCGI_RESPONDER) {
        head.state = RequestHead::State::Ignored;
        return head;
      }
    } else if (type == FCGI_PARAMS && id == head.request_id && length > 0) {
      stream = stream.empty() ? content : join(head.joined, stream, content);
    } else if (type == FCGI_PARAMS && id == head.request_id) {
      head.state =
          split_params(stream, head) ? RequestHead::State::Complete : RequestHead::State::Bad;
      head.body_ended = begins_with_end_of_body(bytes, id);
      head.size = all - bytes.size() + (head.body_ended ? FCGI_HEADER_LEN : 0);
      return head;
    } else {
      head.state = RequestHead::State::Ignored;
      return head;
    }
  }
  return head;
}

std::uint64_t snapshot_key(const std::vector<std::pair<std::string, std::string>>& params,
                           const std::vector<std::string>& snapshot_params) {
  return key_of(params, snapshot_params);
}

std::uint64_t snapshot_key(const RequestHead& head,
                           const std::vector<std::string>& snapshot_params) {
  return key_of(head.params, snapshot_params);
}

}  // namespace lwc
