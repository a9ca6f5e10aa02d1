// SPDX-License-Identifier: Apache-2.0
#include "reentry.hpp"

#include "guarded.hpp"
#include "php.hpp"
#include "request.hpp"

extern "C" {
#include <zend_execute.h>
#include <ext/session/php_session.h>
#include <ext/standard/basic_functions.h>
}

namespace lwc::php {

namespace {

std::uint32_t g_shared_shutdown_functions = 0;

/// The script that called lwc_snapshot().
zend_execute_data* caller() {
  return EG(current_execute_data)->prev_execute_data;
}

/// Whether a temporary value is alive across the call: `f() . lwc_snapshot()`.
bool in_expression(const zend_execute_data& frame) {
  const zend_op_array& code = frame.func->op_array;
  const auto at = static_cast<std::uint32_t>(frame.opline - code.opcodes);
  for (int i = 0; i < code.last_live_range; ++i) {
    if (at >= code.live_range[i].start && at < code.live_range[i].end) {
      return true;
    }
  }
  return frame.call != nullptr;
}

/// A frame for the caller's code, beginning after the call.
zend_execute_data* push_rest(zval* return_value) {
  const zend_execute_data* main = caller();
  zend_execute_data* frame = zend_vm_stack_push_call_frame(
      ZEND_CALL_TOP_CODE | ZEND_CALL_HAS_SYMBOL_TABLE, main->func, 0, nullptr);
  frame->symbol_table = main->symbol_table;
  zend_init_code_execute_data(frame, &main->func->op_array, return_value);
  const zend_op* call = main->opline;
  if ((call->result_type & (IS_TMP_VAR | IS_VAR)) != 0) {
    ZVAL_TRUE(ZEND_CALL_VAR(frame, call->result.var));
  }
  frame->opline = call + 1;
  return frame;
}

void report_exception() {
  if (EG(exception) != nullptr && Z_TYPE(EG(user_exception_handler)) != IS_UNDEF) {
    zend_user_exception_handler();
  }
  if (EG(exception) != nullptr) {
    zend_exception_error(EG(exception), E_ERROR);
  }
}

void run_rest() {
  zval result;
  ZVAL_UNDEF(&result);
  zend_execute_data* frame = push_rest(&result);
  zend_execute_ex(frame);
  zend_vm_stack_free_call_frame(frame);
  zval_ptr_dtor(&result);
  report_exception();
}

void forget_own_shutdown_functions() {
  HashTable* functions = BG(user_shutdown_function_names);
  if (functions == nullptr) {
    return;
  }
  while (zend_hash_num_elements(functions) > g_shared_shutdown_functions) {
    zend_hash_index_del(functions, functions->nNextFreeElement - 1);
    functions->nNextFreeElement--;
  }
}

void end_session() {
  php_session_flush(1);
  if (PS(id) != nullptr) {
    zend_string_release(PS(id));
    PS(id) = nullptr;
  }
  if (!Z_ISUNDEF(PS(http_session_vars))) {
    zval_ptr_dtor(&PS(http_session_vars));
    ZVAL_UNDEF(&PS(http_session_vars));
  }
  zend_hash_str_del(&EG(symbol_table), ZEND_STRL("_SESSION"));
}

void restart_output() {
  php_output_end_all();
  php_output_deactivate();
  php_output_activate();
  if (PG(output_buffering) != 0) {
    php_output_start_user(nullptr, PG(output_buffering) > 1 ? PG(output_buffering) : 0,
                          PHP_OUTPUT_HANDLER_STDFLAGS);
  }
}

}  // namespace

const char* reason_against_reentry() {
  const zend_execute_data* frame = caller();
  if (frame == nullptr || frame->func == nullptr || !ZEND_USER_CODE(frame->func->type) ||
      frame->prev_execute_data != nullptr) {
    return "engine none can only begin again in the main script, and it was called elsewhere";
  }
  if (in_expression(*frame)) {
    return "engine none can only begin again after a statement or condition of its own";
  }
  return nullptr;
}

void note_reentry_point() {
  HashTable* functions = BG(user_shutdown_function_names);
  g_shared_shutdown_functions = functions != nullptr ? zend_hash_num_elements(functions) : 0;
}

bool run_rest_of_script() {
  zend_execute_data* own = EG(current_execute_data);
  const bool whole = guarded(run_rest);
  EG(current_execute_data) = own;
  return whole;
}

void end_reentered_request() {
  guarded([] { php_call_shutdown_functions(); });
  forget_own_shutdown_functions();
  guarded(end_session);
  guarded(restart_output);
  zend_unset_timeout();
  keep_headers();
  sapi_deactivate();
  SG(sapi_started) = true;
  if (SG(request_info).path_translated != nullptr) {
    efree(SG(request_info).path_translated);
    SG(request_info).path_translated = nullptr;
  }
  close_request();
}

}  // namespace lwc::php
