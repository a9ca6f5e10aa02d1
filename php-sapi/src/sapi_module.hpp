// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "php.hpp"

namespace lwc::php {

/// The cgi.* and fastcgi.* ini settings.
struct CgiSettings {
  bool rfc2616_headers;
  bool nph;
  bool force_redirect;
  bool fix_pathinfo;
  bool discard_path;
  bool logging;
  char* redirect_status_env;
  char* error_header;
  char* fpm_config;
};

CgiSettings& cgi_settings();

/// PHP works on a request, or on a warm-up.
bool is_serving();

/// The SAPI as the engine sees it.
sapi_module_struct& sapi();

/// From here on output goes to the request's transport, and $_ENV and $_SERVER hold its parameters.
void enter_serving();

}  // namespace lwc::php
