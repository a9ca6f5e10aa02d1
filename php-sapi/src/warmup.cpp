// SPDX-License-Identifier: Apache-2.0
#include "warmup.hpp"

#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>

#include "guarded.hpp"
#include "ini.hpp"
#include "opcache.hpp"
#include "php.hpp"
#include "read_files.hpp"
#include "request.hpp"
#include "snapshot.hpp"

namespace lwc::php {

namespace {

/// The request of a warm-up: nobody's, and its answer goes to nobody.
class WarmupTransport final : public Transport {
 public:
  void begin(Warmup warmup) {
    params_ = std::move(warmup.params);
    const std::string path = warmup.uri.substr(0, warmup.uri.find('?'));
    const std::string query =
        path.size() < warmup.uri.size() ? warmup.uri.substr(path.size() + 1) : std::string();
    const std::string script_name = warmup.script.substr(warmup.script.rfind('/'));
    set("SCRIPT_FILENAME", warmup.script);
    add("SCRIPT_NAME", script_name);
    set("REQUEST_URI", warmup.uri.empty() ? value("SCRIPT_NAME") : warmup.uri);
    set("QUERY_STRING", query);
    set("REQUEST_METHOD", "GET");
    set("CONTENT_LENGTH", "");
    set("CONTENT_TYPE", "");
    add("DOCUMENT_URI", value("SCRIPT_NAME"));
    add("DOCUMENT_ROOT", warmup.script.substr(0, warmup.script.rfind('/')));
    add("SERVER_NAME", "localhost");
    add("HTTP_HOST", value("SERVER_NAME"));
    add("SERVER_PROTOCOL", "HTTP/1.1");
    add("GATEWAY_INTERFACE", "CGI/1.1");
    add("SERVER_SOFTWARE", "lwc-fpm");
    add("SERVER_ADDR", "127.0.0.1");
    add("SERVER_PORT", "80");
    add("REMOTE_ADDR", "127.0.0.1");
    add("REMOTE_PORT", "0");
    add("REQUEST_SCHEME", "http");
    add("REDIRECT_STATUS", "200");
    add("FCGI_ROLE", "RESPONDER");
  }

  const char* param(const char* name) const noexcept override {
    for (const auto& [key, text] : params_) {
      if (key == name) {
        return text.c_str();
      }
    }
    return nullptr;
  }
  void each_param(ParamVisitor visit, void* context) const noexcept override {
    for (const auto& [name, text] : params_) {
      visit(name.c_str(), text.c_str(), context);
    }
  }
  std::size_t read(char*, std::size_t) noexcept override { return 0; }
  bool write(const char*, std::size_t size) noexcept override {
    if (!current_request().sending_headers) {
      output.bytes += size;
    }
    return true;
  }
  bool flush() noexcept override { return true; }
  void write_error(const char*, std::size_t) noexcept override {}
  void finish() noexcept override {}

  WarmupOutput output;

 private:
  std::string value(const char* name) const {
    const char* text = param(name);
    return text != nullptr ? text : "";
  }
  void add(const char* name, const std::string& text) {
    if (param(name) == nullptr) {
      params_.emplace_back(name, text);
    }
  }
  void set(const char* name, const std::string& text) {
    for (auto& [key, old] : params_) {
      if (key == name) {
        old = text;
        return;
      }
    }
    params_.emplace_back(name, text);
  }
  std::vector<std::pair<std::string, std::string>> params_;
};

/// An ini setting with a value of its own during warm-ups.
struct WarmupIni {
  const char* name;
  const char* value;
  zend_string* usual;
};

WarmupIni g_ini[] = {
    // A snapshot lives long: it must not begin with code that is already old.
    {"opcache.revalidate_freq", "0", nullptr},
    // The daemon ends a warm-up that takes too long; the limit is meant for requests.
    {"max_execution_time", "0", nullptr},
    {"session.auto_start", "0", nullptr},
};

WarmupTransport g_transport;
std::optional<FileSet> g_files;
OpenSet g_open_before;

zend_ini_entry* ini_entry(const char* name) {
  return static_cast<zend_ini_entry*>(
      zend_hash_str_find_ptr(EG(ini_directives), name, std::strlen(name)));
}

void change_ini() {
  for (WarmupIni& setting : g_ini) {
    if (zend_ini_entry* entry = ini_entry(setting.name)) {
      setting.usual = entry->value;
      set_ini(setting.name, setting.value, false);
    }
  }
}

void restore_ini() {
  for (WarmupIni& setting : g_ini) {
    zend_ini_entry* entry = ini_entry(setting.name);
    if (entry == nullptr || setting.usual == nullptr) {
      continue;
    }
    if (entry->modified) {  // the script has set it: that holds, ours is what it would restore
      entry->orig_value = setting.usual;
    } else {
      entry->on_modify(entry, setting.usual, entry->mh_arg1, entry->mh_arg2, entry->mh_arg3,
                       PHP_INI_STAGE_ACTIVATE);
      entry->value = setting.usual;
    }
  }
}

/// Every .user.ini that php-fpm would read for the script, whether it is there or not.
void add_user_ini_files(FileSet& files, std::string directory, std::string root) {
  if (PG(user_ini_filename) == nullptr || *PG(user_ini_filename) == '\0') {
    return;
  }
  if (root.ends_with('/')) {
    root.pop_back();
  }
  const bool below_root = directory.starts_with(root);
  while (!directory.empty()) {
    files.add(directory + "/" + PG(user_ini_filename));
    if (!below_root || directory.size() <= root.size()) {
      break;
    }
    directory.erase(directory.rfind('/'));
  }
}

void begin_files(const Warmup& warmup, const Transport& transport) {
  g_files.emplace(FileSet::now());
  // By the name that the web server uses: "current" in it may come to point to another release.
  g_files->add(warmup.script);
  const char* root = transport.param("DOCUMENT_ROOT");
  add_user_ini_files(*g_files, warmup.script.substr(0, warmup.script.rfind('/')),
                     root != nullptr ? root : "");
}

/// Why the script is over without a snapshot.
std::string reason_without_snapshot(const std::string& script) {
  std::string reason = "the warm-up of " + script + " ended before lwc_snapshot()";
  if (PG(last_error_message) != nullptr) {
    reason += ": ";
    const std::string_view message = ZSTR_VAL(PG(last_error_message));
    reason += message.substr(0, message.find('\n'));  // without the stack trace
    if (PG(last_error_file) != nullptr && !message.starts_with("Uncaught")) {
      reason += std::string(" in ") + ZSTR_VAL(PG(last_error_file)) + ":" +
                std::to_string(PG(last_error_lineno));
    }
  } else if (SG(sapi_headers).http_response_code != 200) {
    reason += "; it answered with status " + std::to_string(SG(sapi_headers).http_response_code);
  }
  return reason;
}

[[noreturn]] void give_up(const std::string& script) {
  const std::string reason = reason_without_snapshot(script);
  end_request();
  pool().engine->abandon(reason);
  ::_exit(1);  // not reached; g++ does not believe a virtual function that it does not return
}

}  // namespace

const WarmupOutput& warmup_output() {
  return g_transport.output;
}

FileSet& warmup_files() {
  return *g_files;
}

const OpenSet& open_before_warmup() {
  return g_open_before;
}

void leave_warmup() {
  unwatch_files();
  // Session settings cannot be changed once headers are sent; these were sent to nobody.
  SG(headers_sent) = false;
  restore_ini();
}

void prepare(const Job& job) {
  Warmup warmup = decode_warmup(job.spec);
  const std::string script = warmup.script;
  if (!script.starts_with('/')) {
    pool().engine->abandon("a warm-up needs the absolute path of a script, not \"" + script + "\"");
  }
  pool().host->warming_up(script.c_str());
  g_open_before = open_descriptors();
  g_transport.begin(std::move(warmup));
  begin_files({script, {}, {}}, g_transport);
  begin_warmup(job.snapshot, script);
  change_ini();
  open_request(g_transport);
  const bool filled = guarded([] {
    fill_request_info();
    apply_request_ini();
  });
  if (!filled || php_request_startup() == FAILURE) {
    pool().engine->abandon("PHP could not start the warm-up of " + script);
  }
  if (opcache_restart_pending()) {
    // Its lock would keep the restart off for as long as the snapshot lives.
    disable_opcache();
    build_without_opcache();
  }
  watch_files(*g_files);
  run_script();
  if (!in_snapshot_child()) {
    give_up(script);
  }
  end_request();
}

}  // namespace lwc::php
