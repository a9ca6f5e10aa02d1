// SPDX-License-Identifier: Apache-2.0
// Tries the kernel's mechanisms on a page of our own: a version number says little about what a
// kernel was built with, or what a container may use.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "gate.hpp"
#include "lwc/unique_fd.hpp"
#include "maps.hpp"
#include "pagemap_scan.hpp"
#include "ranges.hpp"
#include "tracker.hpp"

namespace lwc::rollback {

int open_wp_async() {
  int fd = static_cast<int>(gate(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY));
  if (fd < 0) {
    return fd;
  }
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | kUffdWpUnpopulated | kUffdWpAsync;
  if (long error = gate(SYS_ioctl, fd, UFFDIO_API, &api); error < 0) {
    gate(SYS_close, fd);
    return static_cast<int>(error);
  }
  return fd;
}

namespace {

/// Three pages; the first one written by us, the second by the kernel, the third by nobody.
class Trial {
 public:
  Trial()
      : pages_(static_cast<char*>(::mmap(nullptr, 3 * kPageSize, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
        pagemap_(static_cast<int>(open_own("/proc/self/pagemap", O_RDONLY))),
        zeroes_(::open("/dev/zero", O_RDONLY | O_CLOEXEC)) {
    if (ready()) {
      pages_[0] = 1;
      pages_[2 * kPageSize] = 1;
    }
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    if (pages_ != MAP_FAILED) {
      ::munmap(pages_, 3 * kPageSize);
    }
  }

  bool ready() const { return pages_ != MAP_FAILED && pagemap_ && zeroes_; }
  std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(pages_); }
  int pagemap() const { return pagemap_.get(); }
  bool write() const {
    *const_cast<volatile char*>(pages_) = 2;
    return ::read(zeroes_.get(), pages_ + kPageSize, kPageSize) == static_cast<ssize_t>(kPageSize);
  }

 private:
  char* pages_;
  UniqueFd pagemap_;
  UniqueFd zeroes_;
};

// The functions say what is missing; empty: it works.

std::string refusal_of_userfaultfd(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return "userfaultfd is not permitted here (by a container's seccomp profile, say)";
    case ENOSYS:
      return "the kernel has no userfaultfd";
    default:  // EINVAL: no user mode only, or a feature that it does not know
      return "userfaultfd cannot write-protect asynchronously (Linux 6.7 and later can)";
  }
}

std::string try_wp_async() {
  UniqueFd uffd(open_wp_async());
  if (uffd.get() < 0) {
    return refusal_of_userfaultfd(-uffd.get());
  }
  Trial trial;
  if (!trial.ready()) {
    return "/proc/self/pagemap cannot be opened";
  }
  uffdio_register request{};
  request.range = {trial.address(), 3 * kPageSize};
  request.mode = UFFDIO_REGISTER_MODE_WP;
  uffdio_writeprotect protect{};
  protect.range = request.range;
  protect.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  if (::ioctl(uffd.get(), UFFDIO_REGISTER, &request) != 0 ||
      ::ioctl(uffd.get(), UFFDIO_WRITEPROTECT, &protect) != 0 || !trial.write()) {
    return "userfaultfd does not protect memory as it should";
  }
  PageRegion found[4] = {};
  ScanArgument scan{};
  scan.size = sizeof scan;
  scan.start = trial.address();
  scan.end = trial.address() + 3 * kPageSize;
  scan.vec = reinterpret_cast<std::uint64_t>(found);
  scan.vec_len = 4;
  scan.category_mask = kPageIsWpAllowed | kPageIsWritten;
  scan.return_mask = kPageIsWritten;
  bool right = ::ioctl(trial.pagemap(), kPagemapScan, &scan) == 1 &&
               found[0].start == trial.address() && found[0].end == trial.address() + 2 * kPageSize;
  return right ? "" : "PAGEMAP_SCAN does not name written pages (Linux 6.7 and later can)";
}

std::string try_soft_dirty() {
  Trial trial;
  UniqueFd clear(static_cast<int>(open_own("/proc/self/clear_refs", O_WRONLY)));
  if (!trial.ready() || !clear) {
    return "/proc/self/pagemap or /proc/self/clear_refs cannot be opened";
  }
  if (::write(clear.get(), "4", 1) != 1 || !trial.write()) {
    return "/proc/self/clear_refs cannot be written";
  }
  std::uint64_t entries[3] = {};
  if (::pread(trial.pagemap(), entries, sizeof entries,
              static_cast<off_t>(trial.address() / kPageSize * sizeof(std::uint64_t))) !=
      sizeof entries) {
    return "/proc/self/pagemap cannot be read";
  }
  constexpr std::uint64_t kSoftDirty = std::uint64_t{1} << 55;
  bool right = (entries[0] & kSoftDirty) != 0 && (entries[1] & kSoftDirty) != 0 &&
               (entries[2] & kSoftDirty) == 0;
  return right ? "" : "the kernel was built without soft-dirty bits (CONFIG_MEM_SOFT_DIRTY)";
}

}  // namespace

bool mechanism_works(Mechanism mechanism) {
  return why_not(mechanism).empty();
}

std::string why_not(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::WpAsync:
      return try_wp_async();
    case Mechanism::SoftDirty:
      return try_soft_dirty();
    case Mechanism::None:
      break;
  }
  return "nothing is no mechanism";
}

const char* describe(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::WpAsync:
      return "asynchronous userfaultfd write protection with PAGEMAP_SCAN";
    case Mechanism::SoftDirty:
      return "soft-dirty bits";
    case Mechanism::None:
      break;
  }
  return "nothing";
}

std::string describe_best(Mechanism best, const std::string& why_not_wp_async) {
  std::string words = describe(best);
  if (best != Mechanism::WpAsync) {
    words += std::string(". The better way, ") + describe(Mechanism::WpAsync) +
             ", cannot be used: " + why_not_wp_async;
  }
  return words;
}

}  // namespace lwc::rollback
