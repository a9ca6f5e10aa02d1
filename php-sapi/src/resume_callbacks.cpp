// SPDX-License-Identifier: Apache-2.0
#include "resume_callbacks.hpp"

namespace lwc::php {

namespace {

zval g_callbacks;  // undefined, or an array of callables

}  // namespace

void add_resume_callback(zval* callable) {
  if (Z_TYPE(g_callbacks) == IS_UNDEF) {
    array_init(&g_callbacks);
  }
  Z_TRY_ADDREF_P(callable);
  add_next_index_zval(&g_callbacks, callable);
}

void run_resume_callbacks() {
  if (Z_TYPE(g_callbacks) == IS_UNDEF) {
    return;
  }
  zval* callback;
  ZEND_HASH_FOREACH_VAL(Z_ARRVAL(g_callbacks), callback) {
    zval result;
    ZVAL_UNDEF(&result);
    call_user_function(nullptr, nullptr, callback, &result, 0, nullptr);
    zval_ptr_dtor(&result);
    if (EG(exception) != nullptr) {
      break;
    }
  }
  ZEND_HASH_FOREACH_END();
}

void forget_resume_callbacks() {
  zval_ptr_dtor(&g_callbacks);
  ZVAL_UNDEF(&g_callbacks);
}

}  // namespace lwc::php
