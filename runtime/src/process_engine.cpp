// SPDX-License-Identifier: Apache-2.0
#include "process_engine.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "child_processes.hpp"
#include "fork_sibling.hpp"
#include "lwc/clean_pages.hpp"
#include "lwc/fragments.hpp"
#include "lwc/template.hpp"
#include "template_protocol.hpp"

namespace lwc {

using Kind = TemplateEvent::Kind;

Result<Job> ProcessEngine::hold(Server& server, const HoldOptions& options) {
  if (!is_holder_) {
    use_up_fragments();
    if (Status prepared = prepare_template(); !prepared) {
      return prepared.error();
    }
    unmap_clean_pages();
    tell(static_cast<std::uint32_t>(Kind::Ready), options.id, 0, ::getpid(), options.description);
    if (std::optional<Job> preparing = run_template(server, options)) {
      return std::move(*preparing);
    }
    is_holder_ = true;
    begin_holder(server);
    if (options.in_holder) {
      options.in_holder();
    }
  }
  return serve(server, options.id);
}

std::vector<int> ProcessEngine::withheld_descriptors(Server& server) {
  std::vector<int> fds = server.server_descriptors();
  for (int lent : server.lent_descriptors()) {
    std::erase(fds, lent);
  }
  return fds;
}

void ProcessEngine::abandon(std::string_view reason) {
  kill_child_processes();
  tell(static_cast<std::uint32_t>(Kind::Failed), 0, 0, ::getpid(),
       reason.substr(0, kMaxMessageText));
  ::_exit(0);
}

void ProcessEngine::tell(std::uint32_t kind, SnapshotId snapshot, std::uint32_t slot, pid_t pid,
                         std::string_view text) const {
  Message message;
  message.kind = kind;
  message.snapshot = snapshot;
  message.slot = slot;
  message.pid = pid;
  message.text = text.substr(0, kMaxMessageText);
  if (!send_message(control_.get(), message, {})) {
    ::_exit(0);  // The master is gone, and with it the reason to live.
  }
}

std::optional<Job> ProcessEngine::run_template(Server& server, const HoldOptions& options) {
  bool stale = false;
  for (;;) {
    bool check = options.is_fresh && options.check_every.count() > 0 && !stale;
    pollfd wait{control_.get(), POLLIN, 0};
    int ready = ::poll(&wait, 1, check ? static_cast<int>(options.check_every.count()) : -1);
    if (ready == 0 && !options.is_fresh()) {
      stale = true;
      tell(static_cast<std::uint32_t>(Kind::Stale), options.id, 0, ::getpid(), "");
    }
    if (ready <= 0) {
      continue;
    }
    Message command;
    switch (receive_message(control_.get(), command, false)) {
      case Received::Closed:
        ::_exit(0);
      case Received::Nothing:
        continue;
      case Received::Message:
        break;
    }
    if (command.kind == static_cast<std::uint32_t>(TemplateCommand::Spawn)) {
      if (spawn_holder(server, options, command)) {
        return std::nullopt;
      }
    } else if (std::optional<Job> job = start_preparing(command)) {
      return job;
    }
  }
}

bool ProcessEngine::spawn_holder(Server& server, const HoldOptions& options, Message& command) {
  if (command.fds.size() != 2) {
    return false;
  }
  Result<ControlPair> announced = make_control_pair();
  pid_t pid = announced ? fork_sibling() : -1;
  if (pid == 0) {
    control_.reset();
    announced->master.reset();
    // Were the template killed before it has said that this process exists, nobody would ever end
    // it, and another would be started in its place.
    Message word;
    while (receive_message(announced->other.get(), word, true) == Received::Nothing) {
    }
    if (word.kind != static_cast<std::uint32_t>(Kind::Spawned)) {
      ::_exit(0);
    }
    server.enter_slot(command.slot, options.id, std::move(command.fds[0]),
                      std::move(command.fds[1]));
    return true;
  }
  if (pid < 0) {
    tell(static_cast<std::uint32_t>(Kind::Refused), options.id, command.slot, 0,
         errno_error("cannot fork").message);
  } else {
    tell(static_cast<std::uint32_t>(Kind::Spawned), options.id, command.slot, pid, "");
    Message word;
    word.kind = static_cast<std::uint32_t>(Kind::Spawned);
    [[maybe_unused]] Status sent = send_message(announced->master.get(), word, {});
  }
  return false;
}

std::optional<Job> ProcessEngine::start_preparing(Message& command) {
  if (command.fds.size() != 1) {
    return std::nullopt;
  }
  pid_t pid = fork_sibling();
  if (pid == 0) {
    // A warm-up looks at nothing but its script: without the master nobody would end it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    control_ = std::move(command.fds[0]);
    Job job;
    job.kind = Job::Kind::Prepare;
    job.snapshot = command.snapshot;
    job.spec = std::move(command.text);
    return job;
  }
  if (pid < 0) {
    tell(static_cast<std::uint32_t>(Kind::Refused), command.snapshot, 0, 0,
         errno_error("cannot fork").message);
  } else {
    tell(static_cast<std::uint32_t>(Kind::Preparing), command.snapshot, 0, pid, "");
  }
  return std::nullopt;
}

}  // namespace lwc
