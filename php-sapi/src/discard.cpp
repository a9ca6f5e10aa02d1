// SPDX-License-Identifier: Apache-2.0
// What must happen at the end of a request although its process state is thrown away. The numbers
// are those of the steps in php_request_shutdown() (main/main.c), which is the specification:
//
//  0   observers           run: a tracer sends what it measured
//  1   shutdown functions  run
//  2   destructors         run
//  3   output buffers      flushed, with their handlers
//  4   max_execution_time  unset: no more code of the script may be interrupted
//  5   RSHUTDOWN           run for all modules: sessions are written, tracers report
//  6   output layer        headers are sent, also without output
//  7   shutdown functions, 8 superglobals: only memory, skipped
//  9   executor            resources are closed: buffered, filtered and compressed streams written,
//                          stream_close() of user wrappers called, tmpfile()s deleted, processes of
//                          proc_open() waited for, connections ended in their protocol. Objects of
//                          internal classes are freed for the same reason: ZipArchive and XMLWriter
//                          write when freed, mysqli and PDO say goodbye, semaphores are released.
//                          zend_extensions are told. Symbol tables, classes, functions, constants,
//                          arena, ini values: only memory, skipped
//  10  globals             only memory, skipped
//  11  post-RSHUTDOWN      run, but for opcache's, which would give back the snapshot's lock: only
//                          what the request itself locked is unlocked
//  12  SAPI                the answer ends here; uploaded files are deleted
//  13  virtual cwd, 14 stream tables, 15 memory, 16 signals: state of the process, skipped
#include "discard.hpp"

#include "guarded.hpp"
#include "opcache.hpp"
#include "php.hpp"
#include "request.hpp"
#include "snapshot.hpp"

extern "C" {
#include <main/rfc1867.h>
#include <zend_observer.h>
#include <ext/standard/basic_functions.h>
}

namespace lwc::php {

namespace {

void tell_extension(void* entry) {
  auto* extension = static_cast<zend_extension*>(entry);
  if (extension->deactivate != nullptr) {
    extension->deactivate();
  }
}

void run_script_endings() {
  if (ZEND_OBSERVER_ENABLED) {
    zend_observer_fcall_end_all();
  }
  php_call_shutdown_functions();
  guarded([] { zend_call_destructors(); });
  guarded([] { php_output_end_all(); });
  zend_unset_timeout();
}

void close_everything() {
  // "Fast": frees objects, but not what they and the tables hold.
  zend_shutdown_executor_values(true);
  guarded([] { zend_llist_apply(&zend_extensions, tell_extension); });
}

void end_modules() {
  zval* entry;
  ZEND_HASH_FOREACH_VAL(&module_registry, entry) {
    const auto* module = static_cast<zend_module_entry*>(Z_PTR_P(entry));
    if (module->post_deactivate_func != nullptr && !is_opcache(*module)) {
      module->post_deactivate_func();
    }
  }
  ZEND_HASH_FOREACH_END();
}

}  // namespace

void shut_down_discarded() {
  EG(flags) |= EG_FLAGS_IN_SHUTDOWN;
  EG(current_execute_data) = nullptr;
  run_script_endings();
  zend_deactivate_modules();
  guarded([] { php_output_deactivate(); });
  close_everything();
  guarded(end_modules);
  release_opcache(in_snapshot_child());
  finish_answer();
  if (SG(rfc1867_uploaded_files) != nullptr) {
    destroy_uploaded_files_hash();
  }
}

}  // namespace lwc::php
