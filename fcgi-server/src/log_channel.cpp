// SPDX-License-Identifier: Apache-2.0
#include "log_channel.hpp"

#include "lwc/template.hpp"

namespace lwc {

Result<LogChannel> LogChannel::make() {
  Result<ControlPair> pair = make_control_pair();
  if (!pair) {
    return pair.error();
  }
  LogChannel channel;
  channel.master_ = std::move(pair->master);
  channel.others_ = std::move(pair->other);
  return channel;
}

LogChannel LogChannel::adopt(const std::vector<int>& fds) {
  LogChannel channel;
  channel.master_.reset(fds.at(0));
  channel.others_.reset(fds.at(1));
  return channel;
}

void LogChannel::send(php::LogLevel level, std::string_view pool,
                      std::string_view text) const noexcept {
  Message message;
  message.kind = static_cast<std::uint32_t>(level);
  message.slot = static_cast<std::uint32_t>(pool.size());
  message.text = pool;
  constexpr std::size_t kLongest = 16 * std::size_t{1024};
  message.text += text.substr(0, kLongest);
  [[maybe_unused]] Status sent = send_message(others_.get(), message, {}, false);
}

bool LogChannel::receive(Entry& out) const {
  Message message;
  if (receive_message(master_.get(), message, false) != Received::Message) {
    return false;
  }
  std::size_t split = std::min<std::size_t>(message.slot, message.text.size());
  out.level = static_cast<php::LogLevel>(message.kind);
  out.pool = message.text.substr(0, split);
  out.text = message.text.substr(split);
  return true;
}

}  // namespace lwc
