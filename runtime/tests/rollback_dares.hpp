// SPDX-License-Identifier: Apache-2.0
// Things that a request can do to its process and that an engine may answer by giving the process
// up: an attacker's list. Each must be undone or lead to that.
#pragma once

#include <cstddef>

namespace lwc::test {

/// What exists before the snapshot, for dares to work on.
struct DarePlaces {
  char* writable = nullptr;   // a private mapping, some pages
  char* read_only = nullptr;  // the same, not writable
  int file = -1;              // a regular file
  int pipe[2] = {-1, -1};
  int event = -1, timer = -1, epoll = -1, inotify = -1, socket = -1;
};
DarePlaces& dare_places();
void prepare_dares();

std::size_t dare_count();
const char* dare_name(std::size_t which);
void dare(std::size_t which);

}  // namespace lwc::test
