// SPDX-License-Identifier: Apache-2.0
// A function of its own: nothing of the caller is in a register that setjmp() would lose.
#include "guarded.hpp"

#include "php.hpp"

namespace lwc::php {

bool guarded(void (*step)()) {
  volatile bool whole = false;
  zend_try {
    step();
    whole = true;
  }
  zend_end_try();
  return whole;
}

}  // namespace lwc::php
