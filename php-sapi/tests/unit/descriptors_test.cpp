// SPDX-License-Identifier: Apache-2.0
#include "descriptors.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "lwc/unique_fd.hpp"

namespace lwc::php {
namespace {

UniqueFd listening(in_port_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::listen(fd.get(), 1), 0);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  port = address.sin_port;
  return fd;
}

TEST(Descriptors, TcpConnectionNamesItsPeer) {
  in_port_t port = 0;
  const UniqueFd server = listening(port);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = port;
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string peer = "127.0.0.1:" + std::to_string(ntohs(port));
  EXPECT_EQ(describe(client.get()).name, "tcp:" + peer);
  EXPECT_TRUE(describe(client.get()).description.starts_with("a TCP connection to " + peer));
  EXPECT_TRUE(describe(server.get()).description.starts_with("a TCP socket listening on " + peer));
}

TEST(Descriptors, OtherKinds) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  const UniqueFd one(pair[0]);
  const UniqueFd two(pair[1]);
  EXPECT_EQ(describe(one.get()).name, "unix:");
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const UniqueFd in(pipe[0]);
  const UniqueFd out(pipe[1]);
  EXPECT_EQ(describe(in.get()).description, "a pipe");
  const UniqueFd event(::eventfd(0, 0));
  EXPECT_EQ(describe(event.get()).name, "anon:eventfd");
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY));
  EXPECT_TRUE(describe(file.get()).read_only_file);
  EXPECT_TRUE(describe(file.get()).description.ends_with("open for reading"));
  EXPECT_EQ(describe(9999).description, "closed");
}

TEST(Descriptors, OnlyWhatWasOpenedSince) {
  const UniqueFd before(::open("/etc/passwd", O_RDONLY));
  const OpenSet open = open_descriptors();
  EXPECT_TRUE(opened_since(open).empty());
  const UniqueFd null(::open("/dev/null", O_RDWR));
  EXPECT_TRUE(opened_since(open).empty());
  const UniqueFd after(::open("/etc/group", O_RDONLY));
  ASSERT_EQ(opened_since(open).size(), 1U);
  EXPECT_EQ(opened_since(open)[0].name, "/etc/group");
  // The number of a closed descriptor may come to mean another file.
  ASSERT_EQ(::dup2(after.get(), before.get()), before.get());
  EXPECT_EQ(opened_since(open).size(), 2U);
}

TEST(Descriptors, AllowList) {
  Descriptor mysql;
  mysql.name = "tcp:127.0.0.1:3306";
  EXPECT_TRUE(is_allowed(mysql, {"/x", "tcp:127.0.0.1:*"}));
  EXPECT_FALSE(is_allowed(mysql, {"tcp:127.0.0.1:330"}));
  EXPECT_FALSE(is_allowed(mysql, {}));
}

TEST(Processes, ChildrenAreNamed) {
  const std::size_t before = child_processes().size();
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  const auto children = child_processes();
  ASSERT_EQ(children.size(), before + 1);
  EXPECT_TRUE(children.back().starts_with(std::to_string(pid) + " ("));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  EXPECT_EQ(thread_count(), 1);
}

TEST(Locks, HeldOnesAreNamed) {
  const OpenSet before = open_descriptors();
  char path[] = "/tmp/lock-XXXXXX";
  const UniqueFd file(::mkstemp(path));
  EXPECT_TRUE(held_locks(before).empty());
  ASSERT_EQ(::flock(file.get(), LOCK_EX), 0);
  EXPECT_EQ(held_locks(before), std::vector<std::string>{std::string("flock on ") + path});
  ::unlink(path);
}

}  // namespace
}  // namespace lwc::php
