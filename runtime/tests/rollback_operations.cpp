// SPDX-License-Identifier: Apache-2.0
#include "rollback_operations.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cfenv>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "rollback_dares.hpp"

extern char** environ;

namespace lwc::test {
namespace {

using Random = std::mt19937_64;

constexpr std::size_t kPage = 4096;
constexpr int kBlocks = 6;
constexpr std::size_t kBlockPages = 80;  // enough for the engine to map them from its copy
constexpr std::size_t kFilePages = 24;
constexpr std::size_t kArray = 256 * 1024;

char g_data[kArray] = {1};  // .data
char g_bss[kArray];
thread_local char t_local[3 * kPage] = {2};

struct Playground {
  char* blocks[kBlocks];  // anonymous mappings, written
  char* untouched;        // never written before the snapshot
  char* file;             // private mapping of a file
  char* read_only;
  std::vector<char*> heap;  // malloc
  int base_fds[4];          // regular files
  int pipe_fds[2];
  std::string directory;
  DareReport* report;
} g;

std::uint64_t below(Random& random, std::uint64_t limit) {
  return random() % limit;
}

char* some_block(Random& random) {
  return g.blocks[below(random, kBlocks)];
}

struct Target {
  char* at;
  std::size_t size;
};

Target some_memory(Random& random) {
  auto in = [&](char* base, std::size_t size) {
    std::size_t length = 1 + below(random, 3 * kPage);
    return Target{base + below(random, size - length), length};
  };
  switch (below(random, 6)) {
    case 0:
      return in(g_data, sizeof g_data);
    case 1:
      return in(g_bss, sizeof g_bss);
    case 2:
      return in(g.untouched, kBlockPages * kPage);
    case 3:
      return in(g.file, 16 * kPage);
    case 4:
      return in(g.heap[below(random, g.heap.size())], 20000);
    default:
      return in(some_block(random), kBlockPages * kPage);
  }
}

// All the ways in which memory gets written.
void write_memory(Random& random) {
  Target target = some_memory(random);
  switch (below(random, 8)) {
    case 0:
      std::memset(target.at, static_cast<int>(random()), target.size);
      break;
    case 1: {
      int fd = ::open("/dev/urandom", O_RDONLY);
      [[maybe_unused]] ssize_t got = ::read(fd, target.at, target.size);
      ::close(fd);
      break;
    }
    case 2: {
      [[maybe_unused]] ssize_t got = ::pread(g.base_fds[0], target.at, target.size, 10);
      break;
    }
    case 3: {
      iovec parts[2] = {{target.at, target.size / 2},
                        {target.at + target.size / 2, target.size - target.size / 2}};
      [[maybe_unused]] ssize_t got = ::readv(g.base_fds[1], parts, 2);
      break;
    }
    case 4: {
      int pair[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
        char out[600];
        std::memset(out, 'x', sizeof out);
        [[maybe_unused]] ssize_t sent = ::send(pair[0], out, sizeof out, 0);
        ::recv(pair[1], target.at, std::min<std::size_t>(target.size, sizeof out), 0);
        if (below(random, 2) == 0) {
          ::close(pair[0]);
        }
      }
      break;
    }
    case 5: {
      [[maybe_unused]] ssize_t got =
          ::getrandom(target.at, std::min<std::size_t>(target.size, 256), 0);
      break;
    }
    case 6:
      ::syscall(SYS_getcwd, target.at, target.size);
      break;
    default:
      t_local[below(random, sizeof t_local)] ^= 1;
      *target.at = static_cast<char>(*target.at + 1);
  }
}

[[gnu::noinline]] int use_stack(int depth) {
  volatile char room[2000];
  room[0] = static_cast<char>(depth);
  return depth == 0 ? 0 : use_stack(depth - 1) + room[0];
}

void use_heap(Random& random) {
  switch (below(random, 5)) {
    case 0:
      std::free(g.heap[below(random, g.heap.size())] = nullptr);
      for (int i = 0; i < 50; ++i) {
        std::memset(std::malloc(1 + below(random, 5000)), 1, 1);
      }
      for (char*& block : g.heap) {
        if (block == nullptr) {
          block = static_cast<char*>(std::malloc(20000));
        }
      }
      break;
    case 1: {
      char*& block = g.heap[below(random, g.heap.size())];
      block = static_cast<char*>(std::realloc(block, 20000 + below(random, 900000)));
      std::memset(block, 7, 20000);
      break;
    }
    case 2:
      std::memset(std::malloc(300000 + below(random, 300000)), 3, 10000);
      break;
    case 3: {
      void* end = ::sbrk(static_cast<intptr_t>(below(random, 40) * kPage));
      (void)end;
      break;
    }
    default:
      use_stack(static_cast<int>(below(random, 600)));
  }
}

/// malloc() may keep something there, and then fails later.
void lower_break(Random& random) {
  ::sbrk(-static_cast<intptr_t>((1 + below(random, 60)) * kPage / (1 + below(random, 3))));
  if (below(random, 3) == 0) {
    ::sbrk(static_cast<intptr_t>((1 + below(random, 90)) * kPage));
  }
}

void change_mappings(Random& random) {
  char* block = some_block(random);
  std::size_t page = below(random, kBlockPages - 4);
  std::size_t pages = 1 + below(random, 4);
  switch (below(random, 14)) {
    case 0:
      ::munmap(block + page * kPage, pages * kPage);
      if (below(random, 4) == 0) {
        break;  // a hole, in which later operations fail
      }
      ::mmap(block + page * kPage, pages * kPage, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      break;
    case 1:
      ::munmap(g.untouched + 4 * kPage, pages * kPage);
      ::mmap(g.untouched + 4 * kPage, pages * kPage, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      break;
    case 2: {
      auto* fresh =
          static_cast<char*>(::mmap(nullptr, (1 + below(random, 600)) * kPage,
                                    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      fresh[0] = 1;
      break;
    }
    case 3: {
      auto* fresh = static_cast<char*>(
          ::mmap(nullptr, 20 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
      fresh[5] = 1;
      ::munmap(fresh + kPage, 2 * kPage);
      break;
    }
    case 4:
      ::madvise(block + page * kPage, pages * kPage, MADV_DONTNEED);
      block[page * kPage] = 9;
      break;
    case 5:
      ::mprotect(block + page * kPage, pages * kPage,
                 below(random, 2) == 0 ? PROT_READ : PROT_NONE);
      if (below(random, 3) != 0) {
        ::mprotect(block + page * kPage, pages * kPage, PROT_READ | PROT_WRITE);
      }
      ::mprotect(g.read_only, pages * kPage, PROT_NONE);
      break;
    case 6: {
      auto* fresh = static_cast<char*>(
          ::mmap(nullptr, 8 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      void* moved = ::mremap(fresh, 8 * kPage, (1 + below(random, 30)) * kPage, MREMAP_MAYMOVE);
      static_cast<char*>(moved)[1] = 1;
      break;
    }
    case 7: {
      // A block of the snapshot moves away, and something else takes its place.
      void* moved =
          ::mremap(block + page * kPage, pages * kPage, (pages + 9) * kPage, MREMAP_MAYMOVE);
      if (moved != MAP_FAILED && below(random, 4) != 0) {
        ::mmap(block + page * kPage, pages * kPage, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      }
      break;
    }
    case 8:
      ::madvise(g_bss + (kPage - reinterpret_cast<std::uintptr_t>(g_bss) % kPage), 4 * kPage,
                MADV_DONTNEED);
      break;
    case 9: {
      int id = ::shmget(IPC_PRIVATE, 3 * kPage, 0600);
      void* at = ::shmat(id, nullptr, 0);
      ::shmctl(id, IPC_RMID, nullptr);
      static_cast<char*>(at)[0] = 1;
      break;
    }
    case 10:
      ::mremap(block + page * kPage, (pages + 1) * kPage, pages * kPage, 0);
      break;
    case 11: {
      // Moved, with an empty mapping left in its place.
      constexpr int kDontUnmap = 4;
      void* moved =
          ::mremap(block + page * kPage, pages * kPage, pages * kPage, MREMAP_MAYMOVE | kDontUnmap);
      if (moved != MAP_FAILED) {
        static_cast<char*>(moved)[1] = 1;
      }
      break;
    }
    case 12:
      lower_break(random);
      break;
    default:
      // Not through libc's functions.
      ::syscall(SYS_mmap, nullptr, 3 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
}

void change_descriptors(Random& random) {
  int base = g.base_fds[below(random, 4)];
  switch (below(random, 17)) {
    case 0:
      ::open("/dev/null", O_RDWR);
      break;
    case 1:
      ::close(base);
      break;
    case 2:
      ::lseek(base, static_cast<off_t>(below(random, 5000)), SEEK_SET);
      break;
    case 3:
      ::dup2(g.base_fds[below(random, 4)], base);
      break;
    case 4:
      ::dup(base);
      break;
    case 5:
      ::fcntl(base, F_SETFL,
              ::fcntl(base, F_GETFL) ^ (below(random, 2) == 0 ? O_APPEND : O_NONBLOCK));
      break;
    case 6:
      ::fcntl(base, F_SETFD, static_cast<int>(below(random, 2)));
      break;
    case 7: {
      int pair[2];
      [[maybe_unused]] int made = ::pipe(pair);
      break;
    }
    case 8:
      ::epoll_create1(0);
      ::eventfd(3, 0);
      break;
    case 9:
      ::timerfd_create(CLOCK_MONOTONIC, 0);
      break;
    case 10:
      ::flock(base, LOCK_SH);
      break;
    case 11: {
      struct flock lock {};
      lock.l_type = F_RDLCK;
      lock.l_whence = SEEK_SET;
      lock.l_start = static_cast<off_t>(below(random, 100));
      lock.l_len = 10;
      ::fcntl(base, F_SETLK, &lock);
      break;
    }
    case 12: {
      std::FILE* file = std::fopen("/etc/passwd", "r");
      char line[100];
      if (file != nullptr && std::fgets(line, sizeof line, file) != nullptr &&
          below(random, 2) == 0) {
        std::fclose(file);
      }
      break;
    }
    case 13: {
      char byte = 0;
      [[maybe_unused]] ssize_t got = ::read(base, &byte, 1);
      break;
    }
    case 14:
      ::fcntl(base, F_DUPFD_CLOEXEC, static_cast<int>(below(random, 60)));
      break;
    case 15: {
      // A descriptor that arrives in a message.
      int pair[2];
      if (::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) {
        break;
      }
      char byte = 'b';
      iovec part{&byte, 1};
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &base, sizeof base);
      ::sendmsg(pair[0], &message, 0);
      ::recvmsg(pair[1], &message, MSG_DONTWAIT);
      break;
    }
    default:
      ::open(g.directory.c_str(), O_RDONLY | O_DIRECTORY);
  }
}

void on_signal(int) {
  g_data[100] = static_cast<char>(g_data[100] + 1);
}

void change_process(Random& random) {
  switch (below(random, 18)) {
    case 0: {
      [[maybe_unused]] int changed = ::chdir(below(random, 2) == 0 ? "/" : g.directory.c_str());
      break;
    }
    case 1:
      ::umask(static_cast<mode_t>(below(random, 0777)));
      break;
    case 2: {
      struct sigaction action {};
      action.sa_handler = on_signal;
      sigfillset(&action.sa_mask);
      ::sigaction(SIGUSR1, &action, nullptr);
      ::raise(SIGUSR1);
      break;
    }
    case 3:
      ::signal(static_cast<int>(1 + below(random, 8)), SIG_IGN);
      break;
    case 4: {
      sigset_t set;
      sigfillset(&set);
      ::sigprocmask(below(random, 2) == 0 ? SIG_BLOCK : SIG_SETMASK, &set, nullptr);
      if (below(random, 2) == 0) {
        ::raise(SIGUSR2);
        ::kill(::getpid(), SIGRTMIN + 3);
      }
      break;
    }
    case 5: {
      itimerval value{{0, 0}, {100, 0}};
      ::setitimer(static_cast<__itimer_which_t>(below(random, 3)), &value, nullptr);
      break;
    }
    case 6:
      ::alarm(50);
      break;
    case 7: {
      sigevent event{};
      event.sigev_notify = SIGEV_SIGNAL;
      event.sigev_signo = SIGRTMIN + 2;
      timer_t timer;
      if (::timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
        itimerspec when{{0, 0}, {60, 0}};
        ::timer_settime(timer, 0, &when, nullptr);
      }
      break;
    }
    case 8: {
      rlimit limit{};
      ::getrlimit(RLIMIT_CORE, &limit);
      limit.rlim_cur = below(random, 2) == 0 ? 0 : limit.rlim_max;
      ::setrlimit(RLIMIT_CORE, &limit);
      break;
    }
    case 9: {
      [[maybe_unused]] int now = ::nice(1);
      break;
    }
    case 10:
      ::prctl(PR_SET_NAME, "somebody");
      break;
    case 11: {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(0, &set);
      ::sched_setaffinity(0, sizeof set, &set);
      break;
    }
    case 12:
      ::personality(ADDR_NO_RANDOMIZE);
      break;
    case 13: {
      pid_t pid = ::fork();
      if (pid == 0) {
        g_data[7] = 77;
        if (below(random, 2) == 0) {
          ::_exit(0);
        }
        ::pause();
      }
      if (below(random, 3) == 0) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
      }
      break;
    }
    case 14:
      std::fesetround(FE_UPWARD);
      std::setlocale(LC_ALL, "C.UTF-8");
      ::setenv("LWC_TEST", "1", 1);
      std::srand(5);
      break;
    case 15: {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGCHLD);
      ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
      break;
    }
    case 16: {
      timespec nap{0, 1000};
      ::nanosleep(&nap, nullptr);
      break;
    }
    default: {
      itimerval value{{0, 0}, {0, 200}};
      ::signal(SIGALRM, on_signal);
      ::setitimer(ITIMER_REAL, &value, nullptr);
      timespec nap{0, 500000};
      ::nanosleep(&nap, nullptr);
    }
  }
}

void start_programs(Random& random) {
  switch (below(random, 3)) {
    case 0: {
      [[maybe_unused]] int status = std::system("true");
      break;
    }
    case 1: {
      std::FILE* pipe = ::popen("echo hello", "r");
      char line[10];
      if (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr &&
          below(random, 2) == 0) {
        ::pclose(pipe);
      }
      break;
    }
    default: {
      pid_t pid = 0;
      char name[] = "sleep";
      char seconds[] = "100";
      char* const argv[] = {name, seconds, nullptr};
      ::posix_spawnp(&pid, "sleep", nullptr, nullptr, argv, environ);
    }
  }
}

[[gnu::noinline]] int overflow_stack(int depth) {
  volatile char room[4000];
  room[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : overflow_stack(depth + 1) + room[0];
}

void come_to_an_end(Random& random) {
  switch (below(random, 5)) {
    case 0:
      *const_cast<volatile int*>(static_cast<int*>(nullptr)) = 1;
      break;
    case 1:
      overflow_stack(0);
      break;
    case 2:
      std::abort();
    case 3:
      std::exit(3);
    default:
      ::_exit(4);
  }
}

}  // namespace

void prepare_playground(const std::string& directory, DareReport* report) {
  g.report = report;
  g.directory = directory;
  auto map = [](int protection, int flags, int fd) {
    const std::size_t pages = fd >= 0 ? kFilePages : kBlockPages;
    return static_cast<char*>(
        ::mmap(nullptr, pages * kPage, protection, MAP_PRIVATE | flags, fd, 0));
  };
  for (int i = 0; i < kBlocks; ++i) {
    g.blocks[i] = map(PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1);
    for (std::size_t at = 0; at < kBlockPages * kPage; at += 512) {
      g.blocks[i][at] = static_cast<char>(at / 512 + static_cast<std::size_t>(i));
    }
    map(PROT_NONE, MAP_ANONYMOUS, -1);  // so that the blocks stay apart
  }
  g.untouched = map(PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1);
  map(PROT_NONE, MAP_ANONYMOUS, -1);
  g.read_only = map(PROT_READ, MAP_ANONYMOUS, -1);
  for (int i = 0; i < 10; ++i) {
    g.heap.push_back(static_cast<char*>(std::malloc(20000)));
    std::memset(g.heap.back(), i, 20000);
  }
  for (int i = 0; i < 4; ++i) {
    std::string path = directory + "/file" + std::to_string(i);
    g.base_fds[i] = ::open(path.c_str(), O_RDWR | O_CREAT | (i == 2 ? O_CLOEXEC : 0), 0600);
    std::string text(100000, static_cast<char>('a' + i));
    [[maybe_unused]] ssize_t wrote = ::write(g.base_fds[i], text.data(), text.size());
    ::lseek(g.base_fds[i], 1000 * i, SEEK_SET);
  }
  g.file = map(PROT_READ | PROT_WRITE, 0, g.base_fds[3]);
  g.file[kPage] = 'F';
  [[maybe_unused]] int made = ::pipe(g.pipe_fds);
  DarePlaces& places = dare_places();
  places.writable = g.blocks[0];
  places.anonymous = g.untouched;
  places.read_only = g.read_only;
  places.heap = g.heap[3];
  places.file = g.base_fds[0];
  places.pipe[0] = g.pipe_fds[0];
  places.pipe[1] = g.pipe_fds[1];
  prepare_dares();
}

Favourite favourite_places() {
  auto array = reinterpret_cast<std::uintptr_t>(g_data);
  auto block = reinterpret_cast<std::uintptr_t>(g.blocks[1]);
  return {(array + 10 * kPage) / kPage * kPage, block, block + kBlockPages * kPage, g.base_fds[1]};
}

void play(std::uint64_t seed, int count) {
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    std::uint64_t choice = below(random, 100);
    if (choice < 40) {
      write_memory(random);
    } else if (choice < 50) {
      use_heap(random);
    } else if (choice < 65) {
      change_mappings(random);
    } else if (choice < 80) {
      change_descriptors(random);
    } else if (choice < 96) {
      change_process(random);
    } else if (choice < 97) {
      start_programs(random);
    } else if (choice < 98) {
      g.report->dared = true;
      dare(below(random, dare_count()));  // what went before may not let it succeed
    } else if (below(random, 4) == 0) {
      come_to_an_end(random);
    }
  }
}

void play_dare(std::uint64_t seed, std::size_t which) {
  g.report->dared = true;
  Random random(seed);
  write_memory(random);
  g.report->error = dare(which);
  write_memory(random);
}

}  // namespace lwc::test
