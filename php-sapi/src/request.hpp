// SPDX-License-Identifier: Apache-2.0
// One request: what the SAPI callbacks work on, and its life from parameters to the last byte.
#pragma once

#include <cstdint>

#include "lwc/php/interpreter.hpp"
#include "params.hpp"

namespace lwc::php {

/// The request that PHP is working on. There is at most one; SG(server_context) points to it.
struct Request {
  Transport* transport = nullptr;
  Params params;
  std::uint64_t body_bytes = 0;  ///< of the answer, headers not counted
  bool sending_headers = false;
  bool finished = false;        ///< the answer was ended, by fastcgi_finish_request() or at the end
  bool told = false;            ///< the host knows that it has ended
  bool log_started = false;     ///< something was written to FCGI_STDERR
  std::size_t peak_memory = 0;  ///< bytes
  int body_file = -1;           ///< REQUEST_BODY_FILE
  bool is_plain = false;        ///< Host::is_plain_script(), and no ini settings came with it
  bool no_directory_ini = false;  ///< it was looked for, and there is none
};

/// What run_pool() was given. Set once in the base template, inherited by all that is made of it.
struct Pool {
  const PoolOptions* options = nullptr;
  Engine* engine = nullptr;
  Server* server = nullptr;
  Host* host = nullptr;
};

Pool& pool();
Request& current_request();

/// Serves one request in a child of the base snapshot, from opening to the last byte.
void serve(const Job& job);

/// Opens `job`'s request as the current one. False: there is no request.
bool open_request(const Job& job);
void open_request(Transport& transport);

/// Tells the host what the current request is.
void announce_request();

/// Puts what the parameters say into SG(request_info). Runs no script code.
void fill_request_info();

/// Runs the script of the current request: the body of php_request_startup() to the end of
/// php_execute_script(), with php-fpm's answers where there is nothing to run.
void run_script();

/// What follows the script: shutdown functions, destructors, output, headers, sessions; then the
/// end of the answer.
void end_request();

/// Keeps the answer's headers for the access log. For engines that do not discard children, before
/// the engine frees its own.
void keep_headers();

/// After the answer: tells the host that the current request is over and forgets it.
void close_request();

/// Ends the answer on the wire.
void finish_answer();
/// The request's end: the host is told, then the answer is finished.
void conclude();

}  // namespace lwc::php
