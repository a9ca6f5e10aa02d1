// SPDX-License-Identifier: Apache-2.0
// PHP as a library: started once per daemon, then one request per child.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lwc/engine.hpp"
#include "lwc/php/transport.hpp"
#include "lwc/result.hpp"

namespace lwc::php {

enum class LogLevel { Debug, Notice, Warning, Error, Alert };  // least important first

/// What an administrator can set before PHP starts: php-fpm's -c, -n, -d.
struct StartOptions {
  std::string ini_path;        ///< -c: file or directory; empty: the built-in search
  bool ignore_ini = false;     ///< -n
  std::string ini_entries;     ///< -d, one "name=value\n" each
  bool extended_info = false;  ///< -e: code is compiled with what debuggers and profilers need
  void (*report)(const char* text) = nullptr;  ///< what PHP says while there is no pool
};

/// php_value, php_flag, php_admin_value, php_admin_flag of a pool, in order.
struct IniSetting {
  std::string name;
  std::string value;
  bool admin = false;  ///< cannot be changed by scripts
};

struct PoolOptions {
  std::vector<IniSetting> ini;
  std::vector<std::string> limit_extensions;  ///< security.limit_extensions; empty: all
  std::vector<std::pair<std::string, std::string>>
      env;  ///< what getenv() and $_ENV show besides the process's own
  std::vector<std::string>
      snapshot_params;                 ///< FastCGI params that belong to a snapshot's identity
  std::vector<std::string> allow_fds;  ///< what may be open at a snapshot
  bool snapshots = true;               ///< false: lwc_snapshot() does nothing
  std::size_t log_limit = 1024;        ///< bytes of a message of PHP's, its line end included
  LogLevel log_level = LogLevel::Notice;
};

/// What is known of a request once its parameters are read: for the status page.
struct RequestStart {
  const char* method;
  const char* uri;  ///< SCRIPT_NAME: what php-fpm has as request URI in its logs and status
  const char* query;
  const char* script;       ///< path of the file that is run
  const char* user;         ///< "" when there is none
  std::uint64_t body_size;  ///< CONTENT_LENGTH
};

/// What is known at its end: for the access log and the status page.
struct RequestEnd {
  int status;
  std::uint64_t body_bytes;   ///< bytes of the answer's body
  std::uint64_t peak_memory;  ///< bytes
  /// The value of a header of the answer, or null. The text is good until the next call.
  const char* (*header)(const char* name) = nullptr;
};

/// A request that the daemon may want to answer itself.
struct OwnPageRequest {
  const char* uri;  ///< SCRIPT_NAME, as the access log has it
  bool head_only;   ///< a HEAD request
  /// Whether the query has a name that `word` is, or begins with: php-fpm's rule.
  bool (*asked_for)(const char* word);
};

/// The answer: status 200, these header lines ("Name: value", up to the first null), this body.
struct OwnPage {
  std::array<const char*, 3> headers{};
  std::string_view body;
};

/// The daemon's services, called in children. Same rules as for Transport.
class Host {
 public:
  virtual ~Host() = default;
  /// Reads the request's parameters from job.connection. Null: not a request that can be answered,
  /// the child ends.
  virtual Transport* open(const Job& job) noexcept = 0;
  /// is_plain_script() was true lately for the script of the request that was opened last.
  virtual bool is_plain_script() const noexcept { return false; }
  virtual void request_started(const RequestStart& start) noexcept = 0;
  virtual void request_ended(const RequestEnd& end) noexcept = 0;
  /// A page of the daemon's own (status, ping), good until the next call; null: a script answers.
  virtual const OwnPage* own_page(const OwnPageRequest& request) noexcept = 0;
  /// lwc_snapshot() was called in a child of the base, while the request's parameters can still be
  /// read.
  virtual void snapshot_wanted() noexcept = 0;
  /// A file was made for what the client uploads. PHP deletes it at the end of the request; when
  /// the request does not come to its end, the host has to.
  virtual void upload_stored(const char* /*path*/) noexcept {}
  /// This process becomes the template of the script's snapshot: its warm-up begins.
  virtual void warming_up(const char* /*script*/) noexcept {}
  virtual void log(LogLevel level, const char* text) noexcept = 0;
  /// The rows of fpm_get_status(): fills them in by calling `add` for each; false: not known.
  /// `text` null: the row is `number`. A row "procs" begins a process, the rows after it are its.
  /// "last-request-cpu" is in hundredths of a percent.
  using StatusVisitor = void (*)(const char* name, const char* text, std::int64_t number,
                                 void* context);
  virtual bool status(StatusVisitor add, void* context) noexcept = 0;
};

/// Starts PHP in this process: extensions, opcache, preload. Once, in the master.
Status start(const StartOptions& options);
/// Ends it again; only where the process lives on without PHP, or ends.
void stop();

/// What configuration files can name: a constant's value as text, and what php.ini has for a
/// setting. After start().
std::optional<std::string> constant_value(std::string_view name);
std::optional<std::string> ini_file_value(const std::string& name);

/// php-fpm's -i and -m, to standard output.
int print_info();
int print_modules();
/// "PHP 8.2.36 ..." as php-fpm -v has it after its own name.
std::string version_text();

/// A script that exists under the very path that the web server named, with no .user.ini file in
/// its directory or between that and `document_root`: a child need not look for either.
bool is_plain_script(const char* script, const char* document_root);

/// The life of a pool's base template and of everything forked from it. `warm-ups` arrive as
/// Job::Prepare with the text that make_warmup() made. Never returns.
[[noreturn]] void run_pool(const PoolOptions& options, Engine& engine, Server& server, Host& host);

/// cgi.fix_pathinfo: "/srv/index.php/articles" runs /srv/index.php. Known once run_pool() has
/// applied the pool's ini.
bool splits_path_info();

/// A warm-up run: the front controller, the URI that it shall see, and the parameters that belong
/// to the snapshot.
struct Warmup {
  std::string script;  ///< SCRIPT_FILENAME
  std::string uri;     ///< REQUEST_URI; empty: SCRIPT_NAME
  std::vector<std::pair<std::string, std::string>>
      params;  ///< DOCUMENT_ROOT, SCRIPT_NAME, SERVER_NAME, ...
};
std::string encode_warmup(const Warmup& warmup);
Warmup decode_warmup(std::string_view text);

}  // namespace lwc::php
