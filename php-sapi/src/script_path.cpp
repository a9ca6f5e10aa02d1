// SPDX-License-Identifier: Apache-2.0
#include "script_path.hpp"

#include <strings.h>
#include <sys/stat.h>

#include <cstring>

namespace lwc::php {

namespace {

bool same(const char* a, const char* b) {
  return a == b || (a != nullptr && b != nullptr && std::strcmp(a, b) == 0);
}

std::string_view view(const char* text) {
  return text != nullptr ? std::string_view(text) : std::string_view();
}

bool exists(const char* path) {
  struct stat status;
  return ::stat(path, &status) == 0;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string url_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// One resolution: the parameters as they are now and as they came.
class Resolver {
 public:
  Resolver(Params& params, const ScriptPathRules& rules) : params_(params), rules_(rules) {}

  ScriptPath run() {
    script_filename_ = params_.get("SCRIPT_FILENAME");
    path_translated_ = params_.get("PATH_TRANSLATED");
    if (script_filename_ == nullptr && path_translated_ == nullptr) {
      return {};
    }
    result_.known = true;
    path_info_ = params_.get("PATH_INFO");
    script_name_ = params_.get("SCRIPT_NAME");
    correct_iis();
    from_proxy_ = strip_proxy("proxy:fcgi://") || strip_proxy("proxy:balancer://");
    script_ = script_filename_ != nullptr ? script_filename_ : path_translated_;
    if (rules_.fix_pathinfo) {
      fix_pathinfo();
    } else {
      result_.request_uri = path_info_ != nullptr ? path_info_ : script_name_;
      if (!rules_.discard_path && path_translated_ != nullptr) {
        script_ = path_translated_;
      }
    }
    if (is_valid_path(script_)) {
      result_.path = script_;
    }
    return result_;
  }

 private:
  /// IIS sends SCRIPT_NAME in front of PATH_INFO.
  void correct_iis() {
    if (!view(params_.get("SERVER_SOFTWARE")).starts_with("Microsoft-IIS") ||
        script_name_ == nullptr || path_info_ == nullptr ||
        !view(path_info_).starts_with(script_name_)) {
      return;
    }
    path_info_ = params_.set("ORIG_PATH_INFO", path_info_) + std::strlen(script_name_);
    path_info_ = params_.set("PATH_INFO", *path_info_ != '\0' ? path_info_ : nullptr);
  }

  /// Apache's mod_proxy_fcgi sends "proxy:fcgi://host:port/path?query".
  bool strip_proxy(const char* prefix) {
    if (script_filename_ == nullptr ||
        ::strncasecmp(script_filename_, prefix, std::strlen(prefix)) != 0) {
      return false;
    }
    const std::string_view all(script_filename_);
    const std::size_t slash = all.find('/', std::strlen(prefix));
    std::string path(slash == std::string_view::npos ? all : all.substr(slash));
    path.erase(std::min(path.find('?'), path.size()));
    script_filename_ = params_.set("SCRIPT_FILENAME", path.c_str());
    return slash != std::string_view::npos;
  }

  void fix_pathinfo() {
    redirect_url_ = params_.get("REDIRECT_URL");
    document_root_ = params_.get("DOCUMENT_ROOT");
    orig_path_translated_ = path_translated_;
    orig_path_info_ = path_info_;
    orig_script_name_ = script_name_;
    orig_script_filename_ = script_filename_;
    if (document_root_ == nullptr && rules_.doc_root != nullptr) {
      document_root_ = params_.set("DOCUMENT_ROOT", rules_.doc_root);
    }
    // Apache with an Action: script and name are those of the PHP binary.
    if (!from_proxy_ && path_translated_ != nullptr && redirect_url_ != nullptr &&
        !same(path_translated_, script_)) {
      script_ = path_translated_;
      script_name_ = redirect_url_;
    }
    const std::size_t length = std::strlen(script_);
    const bool known = rules_.exists && script_ == script_filename_ && !from_proxy_;
    if (!known && length > 0 && (script_[length - 1] == '/' || !exists(script_))) {
      find_script_above();
    } else {
      take_script_as_it_is();
    }
  }

  /// "/docroot/info.php/test" is "/docroot/info.php" with PATH_INFO "/test": go up until there is
  /// a file.
  void find_script_above() {
    const std::string full(script_);
    std::string path = full;
    bool found = false;
    for (;;) {
      std::size_t cut = path.rfind('/');
      if (cut == std::string::npos) {
        cut = path.rfind('\\');
      }
      if (cut == std::string::npos) {
        break;
      }
      path.erase(cut);
      if (is_file(path.c_str())) {
        found = true;
        break;
      }
    }
    if (found) {
      split_at(path, full);
    } else {
      keep("ORIG_SCRIPT_FILENAME", orig_script_filename_);
      script_ = params_.set("SCRIPT_FILENAME", nullptr);
    }
    if (result_.request_uri == nullptr) {
      set_script_name(script_name_);
    }
  }

  void split_at(const std::string& path, const std::string& full) {
    const std::string tail = full.substr(path.size());
    if (from_proxy_) {
      if (!tail.empty() && !same(orig_path_info_, tail.c_str())) {
        move_path_info(tail, std::string());
      }
    } else {
      const std::string_view info = view(path_info_);
      if (path_info_ != nullptr && info.size() > tail.size()) {
        const std::size_t kept = info.size() - tail.size();
        move_path_info(std::string(info.substr(kept)), std::string(info.substr(0, kept)));
      }
    }
    if (!same(orig_script_filename_, path.c_str()) || orig_script_filename_ == nullptr) {
      keep("ORIG_SCRIPT_FILENAME", orig_script_filename_);
      script_ = params_.set("SCRIPT_FILENAME", path.c_str());
    }
    translate_path_info(path);
  }

  /// PATH_INFO becomes `info`; `front` is what stood before it in what the web server sent.
  void move_path_info(const std::string& info, const std::string& front) {
    if (orig_path_info_ != nullptr) {
      params_.set("ORIG_PATH_INFO", orig_path_info_);
      set_script_name(front.c_str());
    } else if (from_proxy_ && script_name_ != nullptr) {
      cut_script_name(info);
    }
    path_info_ = params_.set("PATH_INFO", info.c_str());
  }

  /// mod_proxy_fcgi cannot send PATH_INFO: it is still at the end of SCRIPT_NAME.
  void cut_script_name(const std::string& info) {
    const std::string_view name(script_name_);
    for (const std::string& end : {info, url_decoded(info)}) {
      if (name.size() > end.size() && name.ends_with(end)) {
        const std::string cut(name.substr(0, name.size() - end.size()));
        keep("ORIG_SCRIPT_NAME", orig_script_name_);
        script_name_ = params_.set("SCRIPT_NAME", cut.c_str());
        result_.request_uri = script_name_;
        return;
      }
    }
  }

  void translate_path_info(const std::string& path) {
    std::string base;
    const std::string_view name = view(script_name_);
    if (document_root_ != nullptr) {
      base = document_root_;
      if (base.ends_with('/')) {
        base.pop_back();
      }
    } else if (script_name_ != nullptr && path.find(name) != std::string::npos) {
      base = path.substr(0, path.size() - name.size());
    } else {
      return;
    }
    keep("ORIG_PATH_TRANSLATED", orig_path_translated_);
    base += view(path_info_);
    path_translated_ = params_.set("PATH_TRANSLATED", base.c_str());
  }

  void take_script_as_it_is() {
    if (!same(script_, orig_script_filename_)) {
      keep("ORIG_SCRIPT_FILENAME", orig_script_filename_);
      script_ = params_.set("SCRIPT_FILENAME", script_);
    }
    if (!from_proxy_ && redirect_url_ != nullptr) {
      if (orig_path_info_ != nullptr) {
        params_.set("ORIG_PATH_INFO", orig_path_info_);
        params_.set("PATH_INFO", nullptr);
      }
      if (orig_path_translated_ != nullptr) {
        params_.set("ORIG_PATH_TRANSLATED", orig_path_translated_);
        params_.set("PATH_TRANSLATED", nullptr);
      }
    }
    if (script_name_ != orig_script_name_) {
      keep("ORIG_SCRIPT_NAME", orig_script_name_);
      result_.request_uri = params_.set("SCRIPT_NAME", script_name_);
    } else {
      result_.request_uri = script_name_;
    }
  }

  void set_script_name(const char* name) {
    if (orig_script_name_ != nullptr && same(orig_script_name_, name)) {
      result_.request_uri = orig_script_name_;
      return;
    }
    keep("ORIG_SCRIPT_NAME", orig_script_name_);
    result_.request_uri = params_.set("SCRIPT_NAME", name);
  }

  void keep(const char* name, const char* value) {
    if (value != nullptr) {
      params_.set(name, value);
    }
  }

  Params& params_;
  const ScriptPathRules& rules_;
  ScriptPath result_;
  bool from_proxy_ = false;
  const char* script_ = nullptr;
  const char* script_filename_ = nullptr;
  const char* path_translated_ = nullptr;
  const char* path_info_ = nullptr;
  const char* script_name_ = nullptr;
  const char* redirect_url_ = nullptr;
  const char* document_root_ = nullptr;
  const char* orig_path_translated_ = nullptr;
  const char* orig_path_info_ = nullptr;
  const char* orig_script_name_ = nullptr;
  const char* orig_script_filename_ = nullptr;
};

}  // namespace

ScriptPath resolve_script(Params& params, const ScriptPathRules& rules) {
  return Resolver(params, rules).run();
}

bool is_file(const char* path) {
  struct stat status;
  return ::stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool is_valid_path(const char* path) {
  if (path == nullptr) {
    return false;
  }
  std::string_view rest(path);
  for (;;) {
    const std::size_t slash = rest.find('/');
    if (rest.substr(0, slash) == "..") {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    rest.remove_prefix(slash + 1);
  }
}

bool is_allowed_extension(std::string_view path, const std::vector<std::string>& extensions) {
  if (extensions.empty()) {
    return true;
  }
  for (const std::string& extension : extensions) {
    if (path.size() > extension.size() && path.ends_with(extension)) {
      return true;
    }
  }
  return false;
}

}  // namespace lwc::php
