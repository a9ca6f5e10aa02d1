// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcgiapp.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "lwc/exchange.hpp"
#include "lwc/php/transport.hpp"

namespace lwc {

/// php-sapi's Transport over libfcgi. One object per process, made before the snapshot and used by
/// one request.
class FcgiTransport final : public php::Transport {
 public:
  /// Prepares libfcgi's buffers. Once per process. `answered` is called when an answer is complete.
  explicit FcgiTransport(std::function<void()> answered);
  FcgiTransport(const FcgiTransport&) = delete;
  FcgiTransport& operator=(const FcgiTransport&) = delete;
  ~FcgiTransport() override = default;

  /// Takes the connection and reads the request's parameters. `known`: so many bytes of the request
  /// have been seen on it. False: there is no request that can be answered.
  bool open(int connection, std::size_t known, ChildReport& report) noexcept;

  /// A slow head came with a limit (Worker::look_at_request); a body may take its time.
  void wait_without_limit() noexcept;
  /// The end of the body is known to have arrived, and there is none: takes that note.
  void skip_body() noexcept;

  const char* param(const char* name) const noexcept override;
  void each_param(ParamVisitor visit, void* context) const noexcept override;
  std::size_t read(char* buffer, std::size_t size) noexcept override;
  bool write(const char* data, std::size_t size) noexcept override;
  bool flush() noexcept override;
  void write_error(const char* text, std::size_t size) noexcept override;
  void finish() noexcept override;

  /// In a process that the request has forked.
  bool is_copy() const { return is_copy_; }
  std::uint16_t request_id() const { return static_cast<std::uint16_t>(request_.requestId); }

 private:
  bool drain() noexcept;
  /// In a process that the request has forked: the answer is the request's own. Two that write to
  /// one connection would garble it, and the one that is left behind would answer whoever has the
  /// connection next.
  void leave_to_parent() noexcept;
  void split_params() noexcept;
  void forget_params() noexcept;

  struct Param {
    std::string_view name;
    const char* value;
    std::uint16_t same_hash;  // the index of the one before it with the same hash; kNone: none
  };
  static constexpr std::uint16_t kNone = 0xffff;
  static std::size_t hash_of(std::string_view name);
  /// The index of that name among those with its hash, of which `last` is the last one.
  std::uint16_t find(std::string_view name, std::uint16_t last) const;

  FCGX_Request request_{};
  std::vector<Param> params_;
  std::array<std::uint16_t, 128> last_of_hash_{};
  std::function<void()> answered_;
  ChildReport* report_ = nullptr;
  bool open_ = false;
  bool is_copy_ = false;  // what it writes goes nowhere
  bool body_ended_ = false;
};

}  // namespace lwc
