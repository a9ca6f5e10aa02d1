// SPDX-License-Identifier: Apache-2.0
#include "gate.hpp"

#if !defined(__x86_64__)
#error "port me: the gate and the context switch are x86-64 assembly"
#endif

// The restorer's bytes are the ones libunwind and gdb know a signal frame by.
asm(R"(
  .text
  .p2align 4
  .globl lwc_gate_begin
lwc_gate_begin:
  .globl lwc_gate_syscall
  .type lwc_gate_syscall, @function
lwc_gate_syscall:
  .cfi_startproc
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
  ret
  .cfi_endproc
  .size lwc_gate_syscall, . - lwc_gate_syscall
  .p2align 4
  nop
  .globl lwc_gate_restorer
  .type lwc_gate_restorer, @function
lwc_gate_restorer:
  mov $15, %rax
  syscall
  .size lwc_gate_restorer, . - lwc_gate_restorer
  nop  # the kernel compares the address of the instruction after the system call
  .globl lwc_gate_end
lwc_gate_end:
)");
