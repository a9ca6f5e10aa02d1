// SPDX-License-Identifier: Apache-2.0
// A place in the program to come back to: registers, floating-point control words, thread bases.
#pragma once

#include <cstdint>

namespace lwc::rollback {

struct Context {
  std::uint64_t rsp;
  std::uint64_t rbx, rbp, r12, r13, r14, r15;
  std::uint32_t mxcsr;
  std::uint16_t fpu_control;
};

}  // namespace lwc::rollback

extern "C" {
/// Saves the caller's place in `context`, then runs `function(argument)` on the stack that ends at
/// `stack_top`. Returns what lwc_context_resume() was given, once for every time it is called;
/// `function` must end in it. The caller's stack is not written to in between.
[[gnu::returns_twice]] long lwc_context_save_and_run(lwc::rollback::Context* context,
                                                     void* stack_top, void (*function)(void*),
                                                     void* argument);
[[noreturn]] void lwc_context_resume(const lwc::rollback::Context* context, long value);
/// Leaves the current stack for good.
[[noreturn]] void lwc_run_on_stack(void* stack_top, void (*function)(void*), void* argument);
}
