// SPDX-License-Identifier: Apache-2.0
// listen.acl_users and listen.acl_groups: who may connect to a Unix socket besides its owner.
#pragma once

#include "config/config.hpp"
#include "lwc/result.hpp"

namespace lwc {

/// The pool names somebody; its listen.owner and listen.group have no effect then.
bool has_socket_acl(const config::PoolConfig& pool);

/// Lets those that the pool names read and write its socket, which has the file mode `mode`.
Status set_socket_acl(const config::PoolConfig& pool, unsigned mode);

}  // namespace lwc
