// SPDX-License-Identifier: Apache-2.0
// What a holder makes of its inbox after somebody has died (DESIGN.md, "The races"). A holder that
// overlooks a request there accepts others, and that one waits for good.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "lwc/template.hpp"
#include "slot_protocol.hpp"
#include "worker/worker.hpp"

namespace lwc {
namespace {

using namespace std::string_view_literals;

// A whole request without parameters, and with `id` to know it by.
std::string request(char id) {
  const auto record = [id](char type, std::string_view content) {
    const std::string head{'\1', type, '\0', id, '\0', static_cast<char>(content.size()),
                           '\0', '\0'};
    return head + std::string(content);
  };
  return record(1, "\0\1\0\0\0\0\0\0"sv) + record(4, "") + record(5, "");
}

class HandingOver : public testing::Test {
 protected:
  void SetUp() override {
    Result<PoolBoardPtr> board = make_board(1);
    Result<LogChannel> log = LogChannel::make();
    Result<ControlPair> control = make_control_pair();
    Result<ControlPair> inbox = make_control_pair();
    ASSERT_TRUE(board && log && control && inbox);
    board_ = std::move(*board);
    log_.emplace(std::move(*log));
    control_ = std::move(*control);
    inbox_ = std::move(*inbox);
    listen_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_EQ(::bind(listen_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)), 0);
    ASSERT_EQ(::listen(listen_.get(), 1), 0);
  }

  // A client at the listening socket: who does not find the request in the inbox takes this one.
  void connect(char id) {
    sockaddr_un address{};
    socklen_t length = sizeof address;
    ASSERT_EQ(::getsockname(listen_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    client_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::connect(client_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    const std::string text = request(id);
    ASSERT_EQ(::write(client_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  void put(SlotMessage kind, std::uint32_t number) { put(kind, number, {}); }

  void put_request(char id) {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
    handed_ = UniqueFd(pair[0]);
    const UniqueFd server(pair[1]);
    const std::string text = request(id);
    ASSERT_EQ(::write(handed_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    put(SlotMessage::Baton, 0, {server.get()});
  }

  // The id of the request that a new base holder begins with. In a process of its own, which it
  // makes a worker of: signals, standard input, output.
  char first_request() {
    const pid_t pid = ::fork();
    if (pid == 0) {
      Worker worker(WorkerOptions{}, listen_.get(), *board_, *log_);
      worker.enter_slot(0, kBaseSnapshot, std::move(control_.other), std::move(inbox_.other));
      Job job;
      std::array<char, 8> head{};
      const bool got = worker.next(job) && ::read(job.connection, head.data(), head.size()) == 8;
      ::_exit(got && board_->slot(0).baton.load().is_held_by(kBaseSnapshot) ? head[3] : 0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return static_cast<char>(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
  }

  Slot& slot() { return board_->slot(0); }

 private:
  void put(SlotMessage kind, std::uint32_t number, const std::vector<int>& fds) {
    Message message;
    message.kind = static_cast<std::uint32_t>(kind);
    message.number = number;
    ASSERT_TRUE(send_message(inbox_.master.get(), message, fds));
  }

  PoolBoardPtr board_;
  std::optional<LogChannel> log_;
  ControlPair control_;
  ControlPair inbox_;
  UniqueFd listen_;
  UniqueFd client_;
  UniqueFd handed_;
};

TEST_F(HandingOver, ARequestComesWithTheBaton) {
  slot().send_baton(1, kBaseSnapshot);
  put_request(7);
  connect(9);
  EXPECT_EQ(first_request(), 7);
}

// The sender of number 1 died, but its message had gone out: the word of the master that replaces
// it was left in the inbox until the next request was on its way.
TEST_F(HandingOver, ALateRecoverIsNotTakenForTheNextBaton) {
  put(SlotMessage::Recover, slot().send_baton(1, kBaseSnapshot));
  slot().send_baton(1, kBaseSnapshot);
  put_request(7);
  connect(9);
  EXPECT_EQ(first_request(), 7);
}

TEST_F(HandingOver, RecoverStandsInForTheMessageOfADeadSender) {
  put(SlotMessage::Recover, slot().send_baton(1, kBaseSnapshot));
  connect(9);
  EXPECT_EQ(first_request(), 9);
}

// The holder before died when it had taken the baton and not yet the message.
TEST_F(HandingOver, TheNextHolderFindsTheRequestOfTheOneBefore) {
  put_request(7);
  connect(9);
  EXPECT_EQ(first_request(), 7);
}

}  // namespace
}  // namespace lwc
