// SPDX-License-Identifier: Apache-2.0
#include "engine_figures.hpp"

namespace lwc {
namespace {

// There is one writer at a time: no need for a locked instruction.
void increase(SlotFigures::Count& count, std::uint64_t by) {
  count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

void SlotFigures::add(const Cost& cost) {
  increase(undone, 1);
  increase(pages_written, cost.pages_written);
  increase(pages_restored, cost.pages_restored);
  increase(pages_remapped, cost.pages_remapped);
  increase(calls, cost.calls);
  increase(undo_ns, cost.undo_ns);
  increase(events, cost.events);
}

void SlotFigures::add_fault() {
  increase(faults, 1);
}

void SlotFigures::add_taint(std::string_view reason) {
  increase(taints, 1);
  last_taint[reason.copy(last_taint.data(), last_taint.size() - 1)] = '\0';
}

void SlotFigures::add_replacement() {
  increase(replacements, 1);
}

PoolFigures& PoolFigures::operator+=(const SlotFigures& slot) {
  undone += slot.undone;
  pages_written += slot.pages_written;
  pages_restored += slot.pages_restored;
  pages_remapped += slot.pages_remapped;
  calls += slot.calls;
  undo_ns += slot.undo_ns;
  events += slot.events;
  faults += slot.faults;
  taints += slot.taints;
  replacements += slot.replacements;
  return *this;
}

}  // namespace lwc
