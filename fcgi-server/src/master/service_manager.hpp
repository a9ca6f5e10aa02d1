// SPDX-License-Identifier: Apache-2.0
// What systemd, or another service manager that speaks its protocols, is told and gives:
// notifications (sd_notify(3), Type=notify) and listening sockets (sd_listen_fds(3)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lwc/result.hpp"
#include "master/listener.hpp"

namespace lwc::service_manager {

/// The sockets this process was started with (LISTEN_FDS). Call it once, early: the environment
/// variables are removed, so that no process that is started later takes them for its own. Not one
/// of them may be anything but a listening stream socket.
Result<std::vector<InheritedSocket>> take_sockets();

/// Requests are served. `status`: a line for `systemctl status`.
void ready(std::string_view status);
/// The process is about to execute itself anew; ready() says when that is over.
void reloading();
void stopping();
/// `alive`: also restarts the watchdog's time (WatchdogSec=).
void status(std::string_view status, bool alive);

}  // namespace lwc::service_manager
