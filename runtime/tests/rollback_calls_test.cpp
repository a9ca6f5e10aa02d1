// SPDX-License-Identifier: Apache-2.0
// Single requests on a process that undoes itself, where what they did can be told in a line.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

#include "../src/rollback/rollback.hpp"

namespace lwc::test {
namespace {

using rollback::g_state;
using rollback::Mechanism;

constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioWhoUser = 3;
constexpr unsigned kNobody = 3999999999;  // no process has this user: nothing would happen to any

/// What a request leaves for the test to look at: it is not undone.
struct Report {
  int numbers[16];
  bool tainted;
  char reason[rollback::kMaxReason];
};

/// Runs `request` on a new holder and, when it has been undone, `after`.
class RollbackCalls : public testing::Test {
 protected:
  void SetUp() override {
    if (rollback::best_mechanism() == Mechanism::None) {
      GTEST_SKIP() << "not on this machine";
    }
    report_ = static_cast<Report*>(
        ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }

  void run(
      const std::function<void()>& request, const std::function<void()>& after = [] {}) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::_exit(hold(request, after));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    ASSERT_EQ(WEXITSTATUS(status), 0);
  }

  int& number(int which) { return report_->numbers[which]; }
  std::string taint() const { return report_->tainted ? report_->reason : ""; }

 private:
  int hold(const std::function<void()>& request, const std::function<void()>& after) {
    rollback::Options options;
    options.mechanism = rollback::best_mechanism();
    if (!rollback::prepare(options)) {
      return 1;
    }
    const long taken = LWC_TAKE_SNAPSHOT();
    if (taken < 0) {
      return 2;
    }
    if (taken == 1) {
      report_->tainted = g_state->tainted;
      std::copy(std::begin(g_state->taint_reason), std::end(g_state->taint_reason),
                std::begin(report_->reason));
      after();
      return 0;
    }
    rollback::begin_child(std::chrono::milliseconds(0));
    request();
    rollback::end_child(rollback::Ending::Done, 0);
  }

  Report* report_ = nullptr;
};

// A process of the same user can be another worker, or the template: there nothing is undone.
TEST_F(RollbackCalls, OfOtherProcessesNothingIsChanged) {
  run([this] {
    const pid_t other = ::getppid();
    int at = 0;
    const auto note = [&](long result) { number(at++) = result == 0 ? 0 : errno; };
    sched_param none{};
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    const rlimit lower{0, limit.rlim_max};
    cpu_set_t set;
    ::sched_getaffinity(0, sizeof set, &set);
    std::uint64_t attributes[6] = {48};
    note(::setpriority(PRIO_PROCESS, static_cast<id_t>(other), 5));
    note(::setpriority(PRIO_USER, kNobody, 5));
    note(::setpriority(PRIO_PGRP, kNobody, 5));
    note(::syscall(SYS_ioprio_set, kIoprioWhoProcess, other, 3 << 13));
    note(::syscall(SYS_ioprio_set, kIoprioWhoUser, kNobody, 3 << 13));
    note(::prlimit(other, RLIMIT_CORE, &lower, nullptr));
    note(::sched_setaffinity(other, sizeof set, &set));
    note(::sched_setscheduler(other, SCHED_BATCH, &none));
    note(::sched_setparam(other, &none));
    note(::syscall(SYS_sched_setattr, other, attributes, 0));
    note(::prlimit(other, RLIMIT_CORE, nullptr, &limit));  // this only looks
  });
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(number(i), EPERM) << i;
  }
  EXPECT_EQ(number(10), 0);
  EXPECT_EQ(taint(), "");
}

TEST_F(RollbackCalls, TheOwnPriorityAndLimitsAreChangedAndPutBack) {
  const bool is_root = ::geteuid() == 0;  // nobody else may lower a nice value again
  run(
      [&] {
        if (is_root) {
          number(0) = ::setpriority(PRIO_PROCESS, 0, 5);
          number(1) = ::setpriority(PRIO_PROCESS, static_cast<id_t>(::getpid()), 6);
          number(2) = ::getpriority(PRIO_PROCESS, 0);
        }
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        const rlimit lower{77, before.rlim_max};
        number(3) = ::prlimit(::getpid(), RLIMIT_NOFILE, &lower, nullptr);
      },
      [&] {
        number(4) = ::getpriority(PRIO_PROCESS, 0);
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        number(5) = limit.rlim_cur == 77;
      });
  EXPECT_EQ(number(0), 0);
  EXPECT_EQ(number(1), 0);
  EXPECT_EQ(number(2), is_root ? 6 : 0);
  EXPECT_EQ(number(3), 0);
  EXPECT_EQ(number(4), ::getpriority(PRIO_PROCESS, 0));
  EXPECT_EQ(number(5), 0);
  EXPECT_EQ(taint(), "");
}

// The kernel makes the action of such a handler the default when it runs it. No call is made.
TEST_F(RollbackCalls, AHandlerForOneTimeIsThereForTheNextRequestToo) {
  struct sigaction once {};
  once.sa_handler = [](int) {};
  once.sa_flags = static_cast<int>(SA_RESETHAND);
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR2, &once, &before), 0);
  const auto has_handler = [&] {
    struct sigaction now {};
    ::sigaction(SIGUSR2, nullptr, &now);
    return now.sa_handler == once.sa_handler;
  };
  run(
      [&] {
        ::raise(SIGUSR2);
        number(0) = has_handler();
      },
      [&] { number(1) = has_handler(); });
  EXPECT_EQ(number(0), 0) << "it was not delivered";
  EXPECT_EQ(number(1), 1);
  EXPECT_EQ(taint(), "");
  ::sigaction(SIGUSR2, &before, nullptr);
}

std::string path_of(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

class PipeOfTheSnapshot : public RollbackCalls {
 protected:
  void SetUp() override {
    RollbackCalls::SetUp();
    ASSERT_EQ(::pipe2(ends_, O_NONBLOCK | O_CLOEXEC), 0);
  }
  void TearDown() override {
    close_end(0);
    close_end(1);
  }
  void close_end(int which) {
    if (ends_[which] >= 0) {
      ::close(ends_[which]);
      ends_[which] = -1;
    }
  }

  int ends_[2] = {-1, -1};
};

constexpr const char* kOpenedAgain = "a pipe of the snapshot was opened again";

TEST_F(PipeOfTheSnapshot, OpenedAgainAndWrittenToCostsTheProcess) {
  run([this] {
    const int again = ::open(path_of(ends_[1]).c_str(), O_WRONLY | O_NONBLOCK);
    number(0) = static_cast<int>(::write(again, "attack", 6));
  });
  EXPECT_EQ(number(0), 6);
  EXPECT_EQ(taint(), kOpenedAgain);
}

TEST_F(PipeOfTheSnapshot, OpenedAgainAndReadCostsTheProcess) {
  ASSERT_EQ(::write(ends_[1], "there", 5), 5);
  run([this] {
    char bytes[8];
    const int again = ::open(path_of(ends_[0]).c_str(), O_RDONLY | O_NONBLOCK);
    number(0) = static_cast<int>(::read(again, bytes, sizeof bytes));
  });
  EXPECT_EQ(number(0), 5);
  EXPECT_EQ(taint(), kOpenedAgain);
}

TEST_F(PipeOfTheSnapshot, OfWhichOnlyTheOtherEndWasThereCostsTheProcessToo) {
  close_end(1);
  run([this] {
    const int again = ::open(path_of(ends_[0]).c_str(), O_WRONLY | O_NONBLOCK);
    number(0) = static_cast<int>(::write(again, "attack", 6));
  });
  EXPECT_EQ(number(0), 6);
  EXPECT_EQ(taint(), kOpenedAgain);
}

// A log that is a pipe is often written to through /dev/stderr. What is written is for somebody
// else.
TEST_F(PipeOfTheSnapshot, ToALogMayBeOpenedAgain) {
  close_end(0);
  run([this] {
    const int again = ::open(path_of(ends_[1]).c_str(), O_RDWR | O_NONBLOCK);
    number(0) = static_cast<int>(::write(again, "said", 4));
  });
  EXPECT_EQ(number(0), 4);
  EXPECT_EQ(taint(), "");
}

TEST_F(PipeOfTheSnapshot, OpenedAgainKeepsItsSize) {
  close_end(0);
  run([this] {
    const int again = ::open(path_of(ends_[1]).c_str(), O_WRONLY | O_NONBLOCK);
    number(0) = ::fcntl(again, F_SETPIPE_SZ, 4096);
  });
  EXPECT_NE(taint(), "");
}

TEST(BestMechanism, SaysWhyItIsNotTheBetterOne) {
  EXPECT_EQ(rollback::describe_best(Mechanism::WpAsync, ""),
            "asynchronous userfaultfd write protection with PAGEMAP_SCAN");
  EXPECT_EQ(rollback::describe_best(Mechanism::SoftDirty, "userfaultfd is not permitted here"),
            "soft-dirty bits. The better way, asynchronous userfaultfd write protection with "
            "PAGEMAP_SCAN, cannot be used: userfaultfd is not permitted here");
}

}  // namespace
}  // namespace lwc::test
