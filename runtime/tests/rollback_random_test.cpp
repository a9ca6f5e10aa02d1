// SPDX-License-Identifier: Apache-2.0
// Random requests on a process that undoes itself; after every one, another process compares it
// with what it was at the snapshot. LWC_SEED repeats a run, LWC_ROUNDS sets its length.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include "../src/rollback/pristine_store.hpp"
#include "../src/rollback/rollback.hpp"
#include "rollback_checker.hpp"
#include "rollback_dares.hpp"
#include "rollback_operations.hpp"

namespace lwc::test {
namespace {

using rollback::Ending;
using rollback::g_state;
using rollback::gate;
using rollback::Mechanism;

/// What passes between the process under test and its checker.
struct Control {
  std::atomic<int> paused;   // how often the process has stopped to be looked at
  std::atomic<int> resumed;  // how often it was told to go on
  std::uint64_t seed;
  int operations;
  bool stop;
  std::size_t dare;
  DareReport report_of_dare;
  Exempt exempt;
  bool tainted;
  char reason[rollback::kMaxReason];
  Ending ending;
  rollback::UndoReport report;
  std::uint32_t working_set;
  int private_failures;  // what cannot be seen from outside was different
};

void wait_in_engine(void* raw) {
  auto* control = static_cast<Control*>(raw);
  control->tainted = g_state->tainted;
  for (std::size_t i = 0; i < sizeof control->reason; ++i) {
    control->reason[i] = g_state->taint_reason[i];
  }
  control->ending = g_state->ending;
  control->report = g_state->report;
  control->working_set = g_state->tracker.working_set();
  int now = control->paused.fetch_add(1) + 1;
  while (control->resumed.load() < now) {
    timespec nap{0, 20000};
    gate(SYS_nanosleep, &nap, nullptr);
  }
}

/// State that /proc does not show.
struct Hidden {
  itimerval timers[3];
  rollback::KernelSigaction actions[65];
  int rounding;
  std::uint32_t control_word;
  stack_t stack;
  long controls[10];
  long io_priority, policy, memory_policy, program_break;
  void* robust_list;
  f_owner_ex owner;
  int signal, lease, pipe_size, keep_alive;

  static void take(Hidden& hidden) {
    std::memset(&hidden, 0, sizeof hidden);
    for (int i = 0; i < 3; ++i) {
      gate(SYS_getitimer, i, &hidden.timers[i]);
    }
    for (int i = 1; i <= 64; ++i) {
      gate(SYS_rt_sigaction, i, nullptr, &hidden.actions[i], 8);
    }
    hidden.rounding = std::fegetround();
    hidden.control_word = __builtin_ia32_stmxcsr();
    gate(SYS_sigaltstack, nullptr, &hidden.stack);
    int at = 0;
    for (int what : {PR_GET_TIMERSLACK, PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_GET_NO_NEW_PRIVS,
                     PR_GET_SECUREBITS, PR_GET_THP_DISABLE, PR_MCE_KILL_GET}) {
      hidden.controls[at++] = gate(SYS_prctl, what, 0, 0, 0, 0);
    }
    for (int what : {PR_GET_PDEATHSIG, PR_GET_CHILD_SUBREAPER}) {
      int value = 0;
      gate(SYS_prctl, what, &value);
      hidden.controls[at++] = value;
    }
    hidden.io_priority = gate(SYS_ioprio_get, 1, 0);
    hidden.policy = gate(SYS_sched_getscheduler, 0);
    gate(SYS_get_mempolicy, &hidden.memory_policy, nullptr, 0, nullptr, 0);
    hidden.program_break = gate(SYS_brk, 0);
    std::size_t length = 0;
    gate(SYS_get_robust_list, 0, &hidden.robust_list, &length);
    const DarePlaces& places = dare_places();
    gate(SYS_fcntl, places.socket, F_GETOWN_EX, &hidden.owner);
    hidden.signal = static_cast<int>(gate(SYS_fcntl, places.socket, F_GETSIG));
    hidden.lease = static_cast<int>(gate(SYS_fcntl, places.file, F_GETLEASE));
    hidden.pipe_size = static_cast<int>(gate(SYS_fcntl, places.pipe[1], F_GETPIPE_SZ));
    socklen_t size = sizeof hidden.keep_alive;
    gate(SYS_getsockopt, places.socket, SOL_SOCKET, SO_KEEPALIVE, &hidden.keep_alive, &size);
  }
};

/// Settings of a run; mutations make the engine wrong on purpose.
struct Setup {
  Mechanism mechanism = Mechanism::None;
  bool shared_store = true;
  bool learning = true;
  bool dares = false;  // one dare a request instead of random operations
  std::function<void()> mutate{};
};

[[noreturn]] void run_holder(Control& control, const Setup& setup) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  static rollback::PristineStore store;
  if (setup.shared_store && !store.build()) {
    ::_exit(90);
  }
  static auto* before = static_cast<Hidden*>(::mmap(
      nullptr, 2 * sizeof(Hidden), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  rollback::Options options;
  options.mechanism = setup.mechanism;
  options.store = setup.shared_store ? &store : nullptr;
  if (!rollback::prepare(options)) {
    ::_exit(91);
  }
  control.exempt.arena_begin = g_state->arena.begin;
  control.exempt.arena_end = g_state->arena.end;
  control.exempt.rseq_begin = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer()) +
                              static_cast<std::uintptr_t>(__rseq_offset);
  control.exempt.rseq_end = control.exempt.rseq_begin + 32;
  g_state->paused = wait_in_engine;
  g_state->paused_argument = &control;
  g_state->process.set_deadline(0);  // makes the timer, which is not the request's
  g_state->tracker.set_learning(setup.learning);
  long result = LWC_TAKE_SNAPSHOT();
  if (result < 0) {
    ::_exit(92);
  }
  if (result == 0) {
    Hidden::take(before[0]);
    if (setup.mutate) {
      setup.mutate();
    }
  }
  Hidden::take(before[1]);
  if (std::memcmp(&before[0], &before[1], sizeof(Hidden)) != 0) {
    ++control.private_failures;
  }
  if (control.stop) {
    ::_exit(0);
  }
  rollback::begin_child(std::chrono::milliseconds(500));  // some block for ever
  if (setup.dares) {
    play_dare(control.seed, control.dare);
  } else {
    play(control.seed, control.operations);
  }
  rollback::end_child(Ending::Done, 0);
}

constexpr int kNotReturned = -1;
const char* const kEndedByItself = "ended by itself";

struct Tally {
  int rounds = 0;
  int holders = 0;
  int tainted = 0;
  int faults = 0;
  int dare_error = 0;  // of the last one: dare(), or kNotReturned
  int wrong = 0;       // rounds after which the process was not as before, and did not say so
  std::vector<std::string> complaints;
  std::map<std::string, int> reasons;
  rollback::UndoReport last;
};

class Harness {
 public:
  explicit Harness(Setup setup) : setup_(std::move(setup)) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    char name[] = "/tmp/lwc-rollback-XXXXXX";
    directory_ = ::mkdtemp(name);
    control_ = static_cast<Control*>(::mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;
  ~Harness() {
    end();
    ::munmap(control_, sizeof(Control));
    std::filesystem::remove_all(directory_);
  }

  /// `which`: the dare, where dares are played.
  Tally run(std::uint64_t first_seed, int rounds, int max_operations, std::size_t which = 0) {
    Tally tally;
    for (int i = 0; i < rounds && tally.wrong < 3; ++i) {
      if (pid_ == 0 && !begin()) {
        tally.complaints.push_back("no process to test: " + how_it_failed());
        ++tally.wrong;
        return tally;
      }
      tally.holders += fresh_ ? 1 : 0;
      fresh_ = false;
      std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
      control_->seed = seed;
      control_->dare = which;
      control_->report_of_dare.error = kNotReturned;
      control_->operations = 1 + static_cast<int>(seed * 2654435761u % max_operations);
      one_round(tally, seed);
      tally.dare_error = control_->report_of_dare.error;
      ++tally.rounds;
    }
    return tally;
  }

 private:
  bool begin() {
    new (control_) Control{};
    before_ = ProcessPicture{};  // or the new process would have it in its memory, too
    ::malloc_trim(0);
    pid_ = ::fork();
    if (pid_ == 0) {
      prepare_playground(directory_, &control_->report_of_dare);
      run_holder(*control_, setup_);
    }
    fresh_ = true;
    if (!wait_for_pause(1)) {
      return false;
    }
    before_ = ProcessPicture::take(pid_, control_->exempt);
    return true;
  }

  void one_round(Tally& tally, std::uint64_t seed) {
    int next = control_->paused.load() + 1;
    control_->resumed.fetch_add(1);
    if (!wait_for_pause(next)) {
      if (control_->report_of_dare.dared && WIFEXITED(status_)) {
        ++tally.tainted;
        ++tally.reasons[kEndedByItself];
        end();
        return;
      }
      complain(tally, seed, {how_it_failed()});
      return;
    }
    tally.faults += control_->ending == Ending::Fault ? 1 : 0;
    tally.last = control_->report;
    if (control_->tainted) {
      if (std::string left = what_goes_on(); !left.empty()) {
        complain(tally, seed, {"given up, with " + left + ": " + control_->reason});
        return;
      }
      ++tally.tainted;
      ++tally.reasons[control_->reason];
      end();
      return;
    }
    std::vector<std::string> differences =
        ProcessPicture::take(pid_, control_->exempt).differences_from(before_);
    if (control_->private_failures != 0) {
      differences.push_back(
          "what /proc does not show differs (seen late): timers, signal actions, program break "
          "...");
    }
    if (!differences.empty()) {
      complain(tally, seed, differences);
    }
  }

  static std::string user_of(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    std::string line;
    while (std::getline(status, line) && !line.starts_with("Uid:")) {
    }
    return line;
  }

  /// Children, those of threads included, and threads, unless they may have blocked all signals.
  std::string what_goes_on() const {
    const std::filesystem::path tasks = "/proc/" + std::to_string(pid_) + "/task";
    int threads = 0;
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      ++threads;
      std::ifstream children(task.path() / "children");
      pid_t child = 0;
      if (children >> child && user_of(child) == user_of(pid_)) {  // it may not end another's
        return "a child";
      }
    }
    return setup_.dares && threads > 1 ? "a thread" : "";
  }

  void complain(Tally& tally, std::uint64_t seed, const std::vector<std::string>& what) {
    ++tally.wrong;
    std::string text = "LWC_SEED=" + std::to_string(seed) + ", " +
                       std::to_string(control_->operations) + " operations:";
    for (std::size_t i = 0; i < what.size() && i < 8; ++i) {
      text += "\n  " + what[i];
    }
    std::printf("%s\n", text.c_str());
    std::fflush(stdout);
    tally.complaints.push_back(text);
    end();
  }

  // Why wait_for_pause() gave up.
  std::string how_it_failed() const {
    if (pid_ != 0) {
      return "the process did not come to its end in a minute";
    }
    return WIFSIGNALED(status_)
               ? "the process ended by signal " + std::to_string(WTERMSIG(status_))
               : "the process ended with code " + std::to_string(WEXITSTATUS(status_));
  }

  bool wait_for_pause(int count) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (std::chrono::steady_clock::now() < patience) {
      if (control_->paused.load() >= count) {
        return true;
      }
      if (::waitpid(pid_, &status_, WNOHANG) == pid_) {
        pid_ = 0;
        return false;
      }
      timespec nap{0, 50000};
      ::nanosleep(&nap, nullptr);
    }
    return false;
  }

  void end() {
    if (pid_ != 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      pid_ = 0;
    }
    end_orphans();
  }

  // What requests started and a killed holder left behind comes to us.
  static void end_orphans() {
    for (int tries = 0; tries < 100 && ::waitpid(-1, nullptr, WNOHANG) >= 0; ++tries) {
      std::ifstream children("/proc/thread-self/children");
      for (pid_t pid = 0; children >> pid;) {
        ::kill(pid, SIGKILL);
      }
      ::usleep(1000);
    }
  }

  Setup setup_;
  std::string directory_;
  Control* control_;
  pid_t pid_ = 0;
  int status_ = 0;
  bool fresh_ = false;
  ProcessPicture before_;
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t seed() {
  static const std::uint64_t value =
      number_from("LWC_SEED", static_cast<std::uint64_t>(::time(nullptr)) * 1000);
  return value;
}

int rounds(int otherwise) {
  return static_cast<int>(number_from("LWC_ROUNDS", static_cast<std::uint64_t>(otherwise)));
}

std::string join(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

class RandomRequests : public testing::TestWithParam<Mechanism> {
 protected:
  void SetUp() override {
    if (!rollback::system_calls_can_be_watched() || !rollback::mechanism_works(GetParam())) {
      GTEST_SKIP() << "not on this machine: " << rollback::describe(GetParam());
    }
  }
};

void print_seed() {
  std::printf("LWC_SEED=%llu\n", static_cast<unsigned long long>(seed()));
  std::fflush(stdout);
}

void expect_all_undone(Setup setup, int count) {
  print_seed();
  Harness harness(std::move(setup));
  Tally tally = harness.run(seed(), count, 40);
  std::printf("%d rounds, %d faults, %d given up, %d processes\n", tally.rounds, tally.faults,
              tally.tainted, tally.holders);
  for (const auto& [reason, times] : tally.reasons) {
    std::printf("  given up %d times: %s\n", times, reason.c_str());
  }
  EXPECT_EQ(tally.wrong, 0) << join(tally.complaints);
  EXPECT_LE(tally.holders, tally.tainted + 1);  // the last one may have been given up
}

TEST_P(RandomRequests, AreUndone) {
  expect_all_undone({.mechanism = GetParam()}, rounds(1500));
}

TEST_P(RandomRequests, AreUndoneWithoutWorkingSet) {
  expect_all_undone({.mechanism = GetParam(), .learning = false}, rounds(500));
}

TEST_P(RandomRequests, AreUndoneWithoutSharedCopy) {
  expect_all_undone({.mechanism = GetParam(), .shared_store = false}, rounds(300));
}

// Everything on the attacker's list is undone, or the process is given up. Twice, so that what one
// leaves behind unseen is found after the next.
TEST_P(RandomRequests, DaresAreUndoneOrLeadToANewProcess) {
  print_seed();
  Harness harness({.mechanism = GetParam(), .dares = true});
  for (std::size_t which = 0; which < dare_count(); ++which) {
    Tally tally;
    for (int time = 0; time < 2; ++time) {
      Tally one = harness.run(seed() + which, 1, 1, which);
      tally.wrong += one.wrong;
      tally.tainted += one.tainted;
      tally.reasons.merge(one.reasons);
      tally.complaints.insert(tally.complaints.end(), one.complaints.begin(), one.complaints.end());
      tally.dare_error = std::max(tally.dare_error, one.dare_error);
      const bool faulted = dare_faults(which) && one.faults == 1;
      // A process that is gone cannot tell.
      EXPECT_TRUE(one.dare_error != kNotReturned || faulted || one.reasons.contains(kEndedByItself))
          << dare_name(which) << " did not come to its end";
    }
    std::string what = tally.tainted == 0 ? "undone" : tally.reasons.begin()->first;
    if (tally.dare_error > 0) {
      what += std::string(" (cannot be done here: ") + std::strerror(tally.dare_error) + ")";
    }
    std::printf("%s: %s\n", dare_name(which), what.c_str());
    EXPECT_TRUE(tally.dare_error <= 0 || dare_may_be_refused(which))
        << dare_name(which) << ": " << what;
    EXPECT_EQ(tally.wrong, 0) << dare_name(which) << "\n" << join(tally.complaints);
  }
}

// An engine that forgets something must be found out.
void expect_found_out(Mechanism mechanism, std::function<void()> mutate) {
  print_seed();
  Harness harness({.mechanism = mechanism, .mutate = std::move(mutate)});
  Tally tally = harness.run(seed(), 600, 40);
  std::printf("found out after %d rounds\n", tally.rounds);
  // A process that cannot be tested at all is not "found out".
  EXPECT_GT(tally.rounds, 0);
  EXPECT_GT(tally.wrong, 0);
  for (const std::string& complaint : tally.complaints) {
    EXPECT_EQ(complaint.find("the process"), std::string::npos) << complaint;
  }
}

TEST_P(RandomRequests, FindAnEngineThatForgetsAPage) {
  expect_found_out(GetParam(), [] {
    std::uintptr_t page = favourite_places().page;
    g_state->tracker.set_blind_spot({page, page + 4096});
  });
}

TEST_P(RandomRequests, FindAnEngineThatForgetsARegion) {
  expect_found_out(GetParam(), [] {
    Favourite places = favourite_places();
    g_state->tracker.set_blind_spot({places.region_begin, places.region_end});
  });
}

TEST_P(RandomRequests, FindAnEngineThatForgetsADescriptor) {
  expect_found_out(GetParam(), [] { g_state->process.set_blind_fd(favourite_places().fd); });
}

INSTANTIATE_TEST_SUITE_P(Mechanisms, RandomRequests,
                         testing::Values(Mechanism::WpAsync, Mechanism::SoftDirty),
                         [](const auto& info) {
                           return info.param == Mechanism::WpAsync ? "WpAsync" : "SoftDirty";
                         });

}  // namespace
}  // namespace lwc::test
