// SPDX-License-Identifier: Apache-2.0
// Which engines there are, and which of them work on this machine.
#include <algorithm>
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

// In the order of kEngineTraits.
constexpr std::array kEngines{
    Entry{"kernel", KernelEngine::probe, make<KernelEngine>},
    Entry{"rollback", RollbackEngine::probe, make<RollbackEngine>},
    Entry{"fork", probe_fork, make<ForkEngine>},
    Entry{"none", probe_none, make<NoneEngine>},
};
static_assert(std::ranges::equal(kEngines, kEngineTraits, {}, &Entry::name, &EngineTraits::name));

bool automatic(const Entry& entry) {
  return kEngineTraits.at(static_cast<std::size_t>(&entry - kEngines.data())).automatic;
}

EngineProbe probe(const Entry& entry) {
  EngineProbe result = entry.probe();
  result.automatic = automatic(entry);
  return result;
}

}  // namespace

std::vector<EngineProbe> probe_engines() {
  std::vector<EngineProbe> all;
  all.reserve(kEngines.size());
  for (const Entry& entry : kEngines) {
    all.push_back(probe(entry));
  }
  return all;
}

Result<std::unique_ptr<Engine>> make_engine(std::string_view name, UniqueFd control,
                                            EngineChoice* choice) {
  std::string reasons;
  for (const Entry& entry : kEngines) {
    if (name == "auto" ? !automatic(entry) : entry.name != name) {
      continue;
    }
    EngineProbe found = probe(entry);
    if (found.available) {
      if (choice != nullptr) {
        *choice = {found.detail, reasons};
      }
      return entry.make(std::move(control));
    }
    reasons += (reasons.empty() ? "" : "; ") + found.name + ": " + found.detail;
  }
  if (reasons.empty()) {
    return Error{"unknown engine '" + std::string(name) + "'"};
  }
  return Error{"engine '" + std::string(name) + "' cannot work here: " + reasons};
}

Status share_memory() {
  return RollbackEngine::probe().available ? RollbackEngine::share_memory() : ok();
}

}  // namespace lwc
