// SPDX-License-Identifier: Apache-2.0
// The answer that a server gives in place of a child that could not.
#pragma once

#include <cstdint>

namespace lwc {

/// Sends a complete FastCGI answer with HTTP status `status` (500, 503, 504) and a short page. Used
/// from a server when the child has sent nothing; the connection is to be closed afterwards. Never
/// blocks.
void send_error_page(int connection, std::uint16_t request_id, int status);

/// Closes a connection so that the client can still read what was sent: what it goes on sending is
/// read and dropped for up to 5 seconds if `unread` says that it may not be through, else not at
/// all.
void close_connection(int connection, bool unread);

}  // namespace lwc
