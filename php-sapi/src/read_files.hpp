// SPDX-License-Identifier: Apache-2.0
// Which files PHP opens: what is read during a warm-up has gone into the snapshot.
#pragma once

#include "file_set.hpp"

namespace lwc::php {

/// From here on files opened through PHP's streams are noted in `files`.
void watch_files(FileSet& files);
void unwatch_files();

/// The scripts included so far. Those that opcache had were not opened.
void add_scripts(FileSet& files);

}  // namespace lwc::php
