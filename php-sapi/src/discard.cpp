// SPDX-License-Identifier: Apache-2.0
// What must happen at the end of a request although its process state is thrown away. The numbers
// are those of the steps in php_request_shutdown() (main/main.c), which is the specification:
//
//  0   observers           run: a tracer sends what it measured
//  1   shutdown functions  run
//  2   destructors         run, if there are any
//  3   output buffers      flushed, with their handlers
//  4   max_execution_time  unset: no more code of the script may be interrupted
//  5   RSHUTDOWN           run for all modules but those that only give back memory and state of
//  the
//                          process (modules.cpp): sessions are written, tracers report
//  6   output layer        headers are sent, also without output
//  7   shutdown functions, 8 superglobals: only memory, skipped
//  9   executor            resources are closed: buffered, filtered and compressed streams written,
//                          stream_close() of user wrappers called, tmpfile()s deleted, processes of
//                          proc_open() waited for, connections ended in their protocol. Objects of
//                          internal classes are freed for the same reason: ZipArchive and XMLWriter
//                          write when freed, mysqli and PDO say goodbye, semaphores are released;
//                          what is known to hold only memory is left.
//                          zend_extensions are told. Symbol tables, classes, functions, constants,
//                          arena, ini values: only memory, skipped
//  10  globals             only memory, skipped
//  11  post-RSHUTDOWN      likewise; opcache's would give back the snapshot's lock: only what the
//                          request itself locked is unlocked
//  12  SAPI                the answer ends here; uploaded files are deleted
//  13  virtual cwd, 14 stream tables, 15 memory, 16 signals: state of the process, skipped
#include "discard.hpp"

#include "guarded.hpp"
#include "modules.hpp"
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

/// Calls visit(object) for every object that has not been freed; stops when it returns false.
template <typename Visit>
void each_object_last_first(Visit visit) {
  const zend_objects_store& store = EG(objects_store);
  for (std::uint32_t i = store.top; i-- > 1;) {
    zend_object* object = store.object_buckets[i];
    if (IS_OBJ_VALID(object) && !visit(*object)) {
      return;
    }
  }
}

/// Generators count: ending one runs what it has in `finally`.
bool has_destructor(const zend_object& object) {
  return (OBJ_FLAGS(&object) & IS_OBJ_DESTRUCTOR_CALLED) == 0 &&
         (object.ce->destructor != nullptr ||
          object.handlers->dtor_obj != zend_objects_destroy_object);
}

/// The engine marks every object as destructed and takes apart what global variables hold. Where no
/// object has a destructor nobody sees that, but all pages with objects are written.
void call_destructors() {
  bool any = false;
  each_object_last_first([&any](const zend_object& object) {
    any = has_destructor(object);
    return !any;
  });
  if (any) {
    zend_call_destructors();
  }
}

/// As zend_objects_store_free_object_storage(), for the objects that hold more than memory.
void free_objects() {
  each_object_last_first([](zend_object& object) {
    if (object.handlers->free_obj != zend_object_std_dtor && !is_only_memory(*object.ce) &&
        (OBJ_FLAGS(&object) & IS_OBJ_FREE_CALLED) == 0) {
      GC_ADD_FLAGS(&object, IS_OBJ_FREE_CALLED);
      GC_ADDREF(&object);
      object.handlers->free_obj(&object);
    }
    return true;
  });
}

/// Last opened, first closed. What is closed may open or free others: the table is read every time.
void close_resources() {
  const HashTable& list = EG(regular_list);
  for (std::uint32_t i = list.nNumUsed; i-- > 0;) {
    const zval* entry = HT_IS_PACKED(&list) ? &list.arPacked[i] : &list.arData[i].val;
    if (Z_TYPE_P(entry) != IS_UNDEF && Z_RES_P(entry)->type >= 0) {
      zend_list_close(Z_RES_P(entry));
    }
  }
}

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
  guarded(call_destructors);
  guarded([] { php_output_end_all(); });
  zend_unset_timeout();
}

void close_everything() {
  EG(flags) |= EG_FLAGS_IN_RESOURCE_SHUTDOWN;
  guarded(close_resources);
  EG(active) = false;  // no code of the script is run from here on
  guarded(free_objects);
  guarded([] { zend_llist_apply(&zend_extensions, tell_extension); });
}

}  // namespace

void shut_down_discarded() {
  EG(flags) |= EG_FLAGS_IN_SHUTDOWN;
  EG(current_execute_data) = nullptr;
  run_script_endings();
  end_module_requests();
  guarded([] { php_output_deactivate(); });
  close_everything();
  guarded(end_modules_late);
  release_opcache(in_snapshot_child());
  conclude();
  if (SG(rfc1867_uploaded_files) != nullptr) {
    destroy_uploaded_files_hash();
  }
}

}  // namespace lwc::php
