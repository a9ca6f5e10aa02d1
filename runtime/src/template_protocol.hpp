// SPDX-License-Identifier: Apache-2.0
// Message kinds between the master and a template. Answers use TemplateEvent::Kind.
#pragma once

#include <cstdint>

namespace lwc {

enum class TemplateCommand : std::uint32_t {
  Spawn = 100,  ///< slot; descriptors: the slot's control, the holder's inbox
  Prepare,      ///< snapshot, spec in the text; descriptor: the new template's control
};

}  // namespace lwc
