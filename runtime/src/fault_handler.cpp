// SPDX-License-Identifier: Apache-2.0
#define UNW_LOCAL_ONLY
#include "lwc/fault_handler.hpp"

#include <cxxabi.h>
#include <dlfcn.h>
#include <libunwind.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// Of the linker.
extern "C" const char __executable_start;  // NOLINT(*-reserved-identifier,*-identifier-naming)

namespace lwc {
namespace {

constexpr std::array kFatalSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
constexpr std::size_t kStackSize =
    256 * std::size_t{1024};  // bytes; libunwind's cursor and context take about 5 KB

Exchange* g_exchange = nullptr;

std::uint64_t instruction_pointer(const ucontext_t* context) {
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(context->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return context->uc_mcontext.pc;
#else
#error "port me: where does ucontext_t keep the instruction pointer?"
#endif
}

void unwind(ucontext_t* context, FaultReport& report) {
  unw_cursor_t cursor;
  if (unw_init_local2(&cursor, context, UNW_INIT_SIGNAL_FRAME) != 0) {
    return;
  }
  while (report.frame_count < report.frames.size()) {
    unw_word_t ip = 0;
    if (unw_get_reg(&cursor, UNW_REG_IP, &ip) != 0 || ip == 0) {
      break;
    }
    report.frames[report.frame_count++] = ip;
    if (unw_step(&cursor) <= 0) {
      break;
    }
  }
}

void on_fatal_signal(int signal, siginfo_t* info, void* raw_context) {
  // From here on the default action: a second fault, in the unwinder say, ends the process at once.
  ::signal(signal, SIG_DFL);
  if (signal != SIGSEGV) {
    ::signal(SIGSEGV, SIG_DFL);
  }
  record_fault(g_exchange->fault, signal, *info, raw_context);
  ::raise(signal);  // Taken when this handler returns. A signal that was sent would not come again
                    // by itself.
}

std::string describe_frame(std::uint64_t ip) {
  char line[512];
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(ip), &info) == 0) {
    std::snprintf(line, sizeof line, "0x%llx", static_cast<unsigned long long>(ip));
    return line;
  }
  // The program itself goes by its first argument, which is the process's title by now.
  const char* object = info.dli_fbase == &__executable_start
                           ? reinterpret_cast<const char*>(::getauxval(AT_EXECFN))
                           : info.dli_fname;
  if (info.dli_sname == nullptr) {
    std::snprintf(
        line, sizeof line, "%s+0x%llx", object,
        static_cast<unsigned long long>(ip - reinterpret_cast<std::uint64_t>(info.dli_fbase)));
    return line;
  }
  int failed = 0;
  char* demangled = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &failed);
  std::snprintf(
      line, sizeof line, "%s+0x%llx in %s", demangled != nullptr ? demangled : info.dli_sname,
      static_cast<unsigned long long>(ip - reinterpret_cast<std::uint64_t>(info.dli_saddr)),
      object);
  std::free(demangled);
  return line;
}

}  // namespace

void record_fault(FaultReport& report, int signal, const siginfo_t& info, void* raw_context) {
  auto* context = static_cast<ucontext_t*>(raw_context);
  report.code = info.si_code;
  const bool sent = info.si_code <= 0;
  report.sender = sent ? info.si_pid : 0;
  report.address = sent ? 0 : reinterpret_cast<std::uint64_t>(info.si_addr);
  report.ip = instruction_pointer(context);
  report.frame_count = 0;
  report.signal = signal;
  unwind(context, report);
}

Status install_fault_handler(Exchange& exchange) {
  g_exchange = &exchange;
  void* memory = ::mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) {
    return errno_error("cannot map a stack for fault handling");
  }
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = kStackSize;
  struct sigaction action {};
  action.sa_sigaction = on_fatal_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  if (::sigaltstack(&stack, nullptr) != 0) {
    return errno_error("cannot set a stack for fault handling");
  }
  for (int signal : kFatalSignals) {
    if (::sigaction(signal, &action, nullptr) != 0) {
      return errno_error("cannot handle " + std::string(::sigabbrev_np(signal)));
    }
  }
  return ok();
}

std::string describe_fault(const FaultReport& report) {
  if (report.signal == 0) {
    return "";
  }
  char head[64];
  if (report.sender != 0) {
    std::snprintf(head, sizeof head, "sent by process %d", report.sender);
  } else {
    std::snprintf(head, sizeof head, "code %d, address 0x%llx", report.code,
                  static_cast<unsigned long long>(report.address));
  }
  std::string text = head;
  // The report is the child's word.
  const std::size_t count = std::min<std::size_t>(report.frame_count, report.frames.size());
  for (std::size_t i = 0; i < count; ++i) {
    text += "\n  #" + std::to_string(i) + " " + describe_frame(report.frames[i]);
  }
  return text;
}

}  // namespace lwc
