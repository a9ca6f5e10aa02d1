// SPDX-License-Identifier: Apache-2.0
#include "superglobals.hpp"

#include "php.hpp"

namespace lwc::php {

namespace {

constexpr unsigned kMaxGlobals = 16;

/// A superglobal as it was before the new request.
struct Former {
  zend_string* name;
  zend_reference* reference;  ///< what the script made of it with &, or null
  bool in_use;                ///< of those that auto_globals_jit fills at first use: it was used
};

unsigned note_former(Former* formers) {
  unsigned count = 0;
  zval* entry;
  ZEND_HASH_FOREACH_VAL(CG(auto_globals), entry) {
    const auto* global = static_cast<zend_auto_global*>(Z_PTR_P(entry));
    if (count == kMaxGlobals) {
      break;
    }
    Former& former = formers[count++];
    former = {global->name, nullptr, global->jit && !global->armed};
    zval* value = zend_hash_find(&EG(symbol_table), global->name);
    if (value != nullptr && Z_ISREF_P(value)) {
      former.reference = Z_REF_P(value);
      GC_ADDREF(former.reference);
    }
  }
  ZEND_HASH_FOREACH_END();
  return count;
}

/// Code that was compiled before does not ask for its superglobals again.
void fill_used(const Former* formers, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    if (formers[i].in_use) {
      zend_is_auto_global(formers[i].name);
    }
  }
}

/// Whoever holds a reference to a superglobal sees the new request in it.
void relink(const Former& former) {
  zval* value = zend_hash_find(&EG(symbol_table), former.name);
  if (value == nullptr || Z_ISREF_P(value)) {
    zval held;
    ZVAL_REF(&held, former.reference);
    zval_ptr_dtor(&held);
    return;
  }
  zval old;
  ZVAL_COPY_VALUE(&old, &former.reference->val);
  ZVAL_COPY_VALUE(&former.reference->val, value);
  ZVAL_REF(value, former.reference);
  zval_ptr_dtor(&old);
}

}  // namespace

void rebuild_superglobals() {
  Former formers[kMaxGlobals];
  const unsigned count = note_former(formers);
  php_hash_environment();
  fill_used(formers, count);
  for (unsigned i = 0; i < count; ++i) {
    if (formers[i].reference != nullptr) {
      relink(formers[i]);
    }
  }
}

}  // namespace lwc::php
