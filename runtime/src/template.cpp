// SPDX-License-Identifier: Apache-2.0
#include "lwc/template.hpp"

#include <sys/socket.h>

#include <array>

#include "lwc/message.hpp"
#include "template_protocol.hpp"

namespace lwc {

Result<ControlPair> make_control_pair() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    return errno_error("cannot make a control socket");
  }
  return ControlPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void report_failure(int control, std::string_view reason) {
  Message message;
  message.kind = static_cast<std::uint32_t>(TemplateEvent::Kind::Failed);
  message.text = reason.substr(0, kMaxMessageText);
  [[maybe_unused]] Status sent = send_message(control, message, {});
}

Status TemplateHandle::spawn(std::uint32_t slot, int slot_control, int inbox) const {
  Message message;
  message.kind = static_cast<std::uint32_t>(TemplateCommand::Spawn);
  message.slot = slot;
  return send_message(control_.get(), message, {slot_control, inbox}, false);
}

Status TemplateHandle::prepare(SnapshotId id, std::string_view spec, int other) const {
  Message message;
  message.kind = static_cast<std::uint32_t>(TemplateCommand::Prepare);
  message.snapshot = id;
  message.text = spec;
  return send_message(control_.get(), message, {other}, false);
}

void TemplateHandle::dismiss() const {
  ::shutdown(control_.get(), SHUT_WR);
}

std::optional<TemplateEvent> TemplateHandle::receive() const {
  Message message;
  switch (receive_message(control_.get(), message, false)) {
    case Received::Nothing:
      return std::nullopt;
    case Received::Closed:
      return TemplateEvent{};
    case Received::Message:
      break;
  }
  return TemplateEvent{static_cast<TemplateEvent::Kind>(message.kind), message.snapshot,
                       message.slot, message.pid, std::move(message.text)};
}

}  // namespace lwc
