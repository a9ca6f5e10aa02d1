// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "file_descriptions.hpp"
#include "kernel_process_state.hpp"
#include "lwc/lwc.hpp"
#include "process_engine.hpp"

namespace lwc {

/// A child is a light-weight context of the kernel (lwc(7)): a copy of the holder in an address
/// space of its own, without the server's descriptors. The holder's thread goes there for a request
/// and comes back, whatever the request did; then the kernel undoes it.
class KernelEngine final : public ProcessEngine {
 public:
  using ProcessEngine::ProcessEngine;

  std::string_view name() const override { return "kernel"; }
  bool discards_children() const override { return true; }
  bool limits_memory() const override { return true; }
  void call_server() override;
  void lift_deadline() override;
  void end_child() override;

  static EngineProbe probe();

 protected:
  void begin_holder(Server& server) override;
  Job serve(Server& server, SnapshotId own) override;

 private:
  CallResult<Context> make_child(Server& server, const std::vector<MemoryRange>& withdrawn,
                                 lwc_event& event) const;
  Job begin(Server& server, SnapshotId own, bool with_files_of_its_own);
  [[noreturn]] void run_server(Server& server, SnapshotId own);
  Outcome run(Server& server, const Job& job);
  void enter(Server& server, lwc_event& event);
  bool goes_on(Server& server, lwc_event& event);
  void undo(Cost& cost);
  void count(Cost& cost);
  void go_to_server(std::uint64_t wish) const;

  std::vector<FileDescription> files_;  // of the holder's own, which its children share with it
  pid_t pid_ = -1;                      // of the server, which is that of its children
  bool has_forked_ = false;  // then perhaps with processes that a request has left behind as well
  UniqueFd nothing_;   // the server's: lies at the place of handover when no request is served
  UniqueFd handover_;  // its number: in the server's table a request's connection lies there, and
                       // the child takes it to the same number in its own
  Context child_;      // in the server
  KernelProcessState process_;  // in the server
  std::string tainted_;         // why no other request can be served
  lwc_info counted_{};          // the child's accounts after the last request
  int server_context_ = -1;     // in the child: where to go when done
};

}  // namespace lwc
