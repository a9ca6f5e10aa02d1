// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace lwc {

/// Consumes a FastCGI management record at the head of the connection (request id 0) and answers
/// it: what a web server asks before it sends requests. libfcgi would leave such a client waiting.
/// `bytes` is what MSG_PEEK has shown. False: the record is not whole yet, or the client
/// is gone or does not read what it asked for.
bool answer_management_record(int connection, std::span<const unsigned char> bytes,
                              std::uint32_t max_requests);

}  // namespace lwc
