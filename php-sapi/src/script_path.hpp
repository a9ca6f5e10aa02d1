// SPDX-License-Identifier: Apache-2.0
// Which file a request is for: SCRIPT_FILENAME, PATH_INFO and the rules of cgi.fix_pathinfo.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "params.hpp"

namespace lwc::php {

struct ScriptPathRules {
  bool fix_pathinfo = true;        ///< cgi.fix_pathinfo
  bool discard_path = false;       ///< cgi.discard_path
  const char* doc_root = nullptr;  ///< the ini setting doc_root
  bool exists = false;             ///< the file that SCRIPT_FILENAME names is known to exist
};

struct ScriptPath {
  const char* path = nullptr;         ///< the file to run; null: none, the answer is 404
  const char* request_uri = nullptr;  ///< SG(request_info).request_uri: the script's URL path
  bool known = false;                 ///< the web server named a script at all
};

/// Finds the script and corrects SCRIPT_FILENAME, SCRIPT_NAME, PATH_INFO and PATH_TRANSLATED in
/// `params` as php-fpm does, keeping what they were as ORIG_*.
ScriptPath resolve_script(Params& params, const ScriptPathRules& rules);

/// Is it a regular file, links followed?
bool is_file(const char* path);

/// False for a path with a ".." component, which php-fpm refuses to run.
bool is_valid_path(const char* path);

/// security.limit_extensions: whether `path` may be run. An empty list allows all.
bool is_allowed_extension(std::string_view path, const std::vector<std::string>& extensions);

}  // namespace lwc::php
