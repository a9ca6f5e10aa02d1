// SPDX-License-Identifier: Apache-2.0
// A stranger's program in C++, compiled against the installed library: memory that a child does not
// have, a run that is ended by its budget, errors as values.
#include <lwc/lwc.hpp>

#include <sys/mman.h>
#include <cstdio>
#include <string>
#include <string_view>

namespace {

int fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  return 1;
}

int fail(const char* what, std::errc error) {
  std::fprintf(stderr, "%s: %s\n", what, std::make_error_code(error).message().c_str());
  return 1;
}

constexpr std::string_view kMore = ", and more than fits into the string itself";
constexpr std::uint64_t kPeek = 1, kLoop = 2, kGrow = 3;

}  // namespace

int main() {
  if (!lwc::supported()) {
    std::puts("this kernel has no light-weight contexts");
    return 77;
  }
  constexpr std::size_t kSize = 4096;
  void* secret = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (secret == MAP_FAILED) {
    return fail("mmap");
  }
  *static_cast<volatile char*>(secret) = 42;

  lwc::Spec spec;
  spec.memory(LWC_HOW_UNMAP, secret, static_cast<char*>(secret) + kSize);
  std::string text = "as it was";
  auto snapshot = lwc::Snapshot::take(
      {.flags = LWC_CREATE_TRAP_FAULT, .spec = spec.lines()},
      [&](const lwc::Arguments& in) noexcept -> lwc::Arguments {
        if (in[0] == kPeek) {
          return {static_cast<std::uint64_t>(*static_cast<volatile char*>(secret))};
        }
        while (in[0] == kLoop) {
          asm volatile("");
        }
        text += kMore;
        return {text.size()};
      });
  if (!snapshot) {
    return fail("Snapshot::take", snapshot.error());
  }

  lwc_event event;
  for (int round = 0; round < 3; round++) {
    if (auto run = snapshot->run({kPeek}, event); !run) {
      return fail("run", run.error());
    }
    if (event.type != LWC_EVENT_FAULT || event.addr != reinterpret_cast<std::uintptr_t>(secret)) {
      return fail("the secret is there");
    }
    if (auto run = snapshot->run({kLoop}, event, {.cpu = std::chrono::milliseconds(20)}); !run) {
      return fail("run", run.error());
    }
    if (event.type != LWC_EVENT_TIMEOUT) {
      return fail("it did not run out of time");
    }
    if (auto run = snapshot->run({kGrow}, event); !run) {
      return fail("run", run.error());
    }
    if (event.type != LWC_EVENT_SWITCH || event.args[0] != text.size() + kMore.size()) {
      return fail("a run saw what another wrote");
    }
  }
  const auto info = snapshot->context().query();
  if (!info || info->rollbacks != 9) {
    return fail("query");
  }
  lwc::Context wrong(STDIN_FILENO);
  const auto refused = wrong.rollback();
  if (refused || refused.error() != std::errc::invalid_argument) {
    return fail("a descriptor of something else was taken for a context");
  }
  std::puts("9 runs: no secret, no endless loop, no trace");
  return 0;
}
