// SPDX-License-Identifier: Apache-2.0
// Which engines there are, and which of them work on this machine.
#include <array>
#include <functional>

#include "fork_engine.hpp"
#include "kernel_engine.hpp"
#include "lwc/engine.hpp"
#include "none_engine.hpp"
#include "rollback_engine.hpp"

namespace lwc {
namespace {

struct Entry {
  std::string_view name;
  bool automatic;  // may be chosen by `auto`
  EngineProbe (*probe)();
  std::unique_ptr<Engine> (*make)(UniqueFd control);
};

EngineProbe probe_fork() {
  return {"fork", true, "one forked process per request, parked ahead"};
}

EngineProbe probe_none() {
  return {"none", true, "no isolation between requests: unsafe, for measuring only"};
}

template <typename T>
std::unique_ptr<Engine> make(UniqueFd control) {
  return std::make_unique<T>(std::move(control));
}

// In the order of preference of `auto`.
constexpr std::array kEngines{
    Entry{"kernel", false, KernelEngine::probe, make<KernelEngine>},
    Entry{"rollback", true, RollbackEngine::probe, make<RollbackEngine>},
    Entry{"fork", true, probe_fork, make<ForkEngine>},
    Entry{"none", false, probe_none, make<NoneEngine>},
};

}  // namespace

std::vector<EngineProbe> probe_engines() {
  std::vector<EngineProbe> all;
  for (const Entry& entry : kEngines) {
    all.push_back(entry.probe());
  }
  return all;
}

Result<std::unique_ptr<Engine>> make_engine(std::string_view name, UniqueFd control,
                                            EngineChoice* choice) {
  std::string reasons;
  for (const Entry& entry : kEngines) {
    if (name == "auto" ? !entry.automatic : entry.name != name) {
      continue;
    }
    EngineProbe probe = entry.probe();
    if (probe.available) {
      if (choice != nullptr) {
        *choice = {probe.detail, reasons};
      }
      return entry.make(std::move(control));
    }
    reasons += (reasons.empty() ? "" : "; ") + probe.name + ": " + probe.detail;
  }
  if (reasons.empty()) {
    return Error{"unknown engine '" + std::string(name) + "'"};
  }
  return Error{"engine '" + std::string(name) + "' cannot work here: " + reasons};
}

}  // namespace lwc
