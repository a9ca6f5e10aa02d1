// SPDX-License-Identifier: Apache-2.0
// Things that a request can do to its process and that an engine may answer by giving the process
// up: an attacker's list. Each must be undone or lead to that.
#pragma once

#include <cstddef>

namespace lwc::test {

/// What exists before the snapshot, for dares to work on.
struct DarePlaces {
  char* writable = nullptr;   // a private mapping, some pages
  char* anonymous = nullptr;  // the same, of which the snapshot has no copy mapped in its place
  char* read_only = nullptr;  // the same, not writable
  char* heap = nullptr;       // from malloc()
  int file = -1;              // a regular file
  int pipe[2] = {-1, -1};
  int event = -1, timer = -1, epoll = -1, inotify = -1, socket = -1;
};
DarePlaces& dare_places();
void prepare_dares();

std::size_t dare_count();
const char* dare_name(std::size_t which);
/// Does a machine's kernel or the rights of this process decide whether it can be done at all?
bool dare_may_be_refused(std::size_t which);
/// Does it end the request by a fault?
bool dare_faults(std::size_t which);
/// 0, or the errno of what did not succeed: then it was no dare.
int dare(std::size_t which);

}  // namespace lwc::test
