// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include <cstddef>

using lwc::rollback::Context;
static_assert(offsetof(Context, rsp) == 0 && offsetof(Context, rbx) == 8 &&
              offsetof(Context, r15) == 48 && offsetof(Context, mxcsr) == 56 &&
              offsetof(Context, fpu_control) == 60);

// The return address stays in its place on the caller's stack: it is part of what is restored.
asm(R"(
  .text
  .p2align 4
  .globl lwc_context_save_and_run
  .type lwc_context_save_and_run, @function
lwc_context_save_and_run:
  mov %rsp, 0(%rdi)
  mov %rbx, 8(%rdi)
  mov %rbp, 16(%rdi)
  mov %r12, 24(%rdi)
  mov %r13, 32(%rdi)
  mov %r14, 40(%rdi)
  mov %r15, 48(%rdi)
  stmxcsr 56(%rdi)
  fnstcw 60(%rdi)
  mov %rsi, %rsp
  and $-16, %rsp
  mov %rcx, %rdi
  call *%rdx
  ud2
  .size lwc_context_save_and_run, . - lwc_context_save_and_run

  .p2align 4
  .globl lwc_context_resume
  .type lwc_context_resume, @function
lwc_context_resume:
  cld
  fninit
  fldcw 60(%rdi)
  ldmxcsr 56(%rdi)
  mov 0(%rdi), %rsp
  mov 8(%rdi), %rbx
  mov 16(%rdi), %rbp
  mov 24(%rdi), %r12
  mov 32(%rdi), %r13
  mov 40(%rdi), %r14
  mov 48(%rdi), %r15
  mov %rsi, %rax
  ret
  .size lwc_context_resume, . - lwc_context_resume

  .p2align 4
  .globl lwc_run_on_stack
  .type lwc_run_on_stack, @function
lwc_run_on_stack:
  mov %rdi, %rsp
  and $-16, %rsp
  mov %rdx, %rdi
  call *%rsi
  ud2
  .size lwc_run_on_stack, . - lwc_run_on_stack
)");
