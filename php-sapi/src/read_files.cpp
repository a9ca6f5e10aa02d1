// SPDX-License-Identifier: Apache-2.0
#include "read_files.hpp"

#include <cstring>

#include "php.hpp"

extern "C" {
#include <main/php_open_temporary_file.h>
}

namespace lwc::php {

namespace {

FileSet* g_files = nullptr;
const php_stream_wrapper_ops* g_plain_ops = nullptr;
php_stream_wrapper_ops g_watching_ops;

bool is_temporary(const char* path) {
  const char* directory = php_get_temporary_directory();
  const std::size_t length = directory != nullptr ? std::strlen(directory) : 0;
  return length > 0 && std::strncmp(path, directory, length) == 0 && path[length] == '/';
}

/// After the engine is done with the file: this may allocate, the engine may not leave.
void note_opened(const char* path, const char* mode) noexcept {
  if (g_files == nullptr || path[0] != '/') {
    return;
  }
  const bool reads = mode[0] == 'r' && std::strchr(mode, '+') == nullptr;
  if (!reads) {
    g_files->add_written(path);  // also a temporary file: it may be included afterwards
  } else if (!is_temporary(path)) {
    g_files->add(path);
  }
}

extern "C" php_stream* open_watched(php_stream_wrapper* wrapper, const char* filename,
                                    const char* mode, int options, zend_string** opened_path,
                                    php_stream_context* context STREAMS_DC) noexcept {
  php_stream* stream = g_plain_ops->stream_opener(wrapper, filename, mode, options, opened_path,
                                                  context STREAMS_REL_CC);
  if (stream != nullptr && stream->orig_path == nullptr) {
    note_opened(filename, mode);
  } else if (stream != nullptr) {
    note_opened(stream->orig_path, mode);
  }
  return stream;
}

extern "C" int rename_watched(php_stream_wrapper* wrapper, const char* from, const char* to,
                              int options, php_stream_context* context) noexcept {
  const int result = g_plain_ops->rename(wrapper, from, to, options, context);
  if (result != 0) {
    note_opened(to, "w");
  }
  return result;
}

}  // namespace

void watch_files(FileSet& files) {
  g_files = &files;
  g_plain_ops = php_plain_files_wrapper.wops;
  g_watching_ops = *g_plain_ops;
  g_watching_ops.stream_opener = open_watched;
  g_watching_ops.rename = rename_watched;
  php_plain_files_wrapper.wops = &g_watching_ops;
}

void unwatch_files() {
  if (g_files != nullptr) {
    php_plain_files_wrapper.wops = g_plain_ops;
    g_files = nullptr;
  }
}

void add_scripts(FileSet& files) {
  zend_string* path;
  ZEND_HASH_FOREACH_STR_KEY(&EG(included_files), path) {
    if (path != nullptr && ZSTR_VAL(path)[0] == '/') {
      files.add(ZSTR_VAL(path));
    }
  }
  ZEND_HASH_FOREACH_END();
}

}  // namespace lwc::php
