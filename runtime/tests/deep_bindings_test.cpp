// SPDX-License-Identifier: Apache-2.0
#include "../src/rollback/deep_bindings.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string_view>

namespace lwc::rollback {
namespace {

void* replacement_of(std::string_view name) {
  for (const Replacement& one : replacements()) {
    if (one.name == name) {
      return reinterpret_cast<void*>(one.function);
    }
  }
  return nullptr;
}

TEST(DeepBindings, LibrariesThatSkipThisProgramCallItsFunctions) {
  void* library = ::dlopen(LWC_DEEP_LIBRARY, RTLD_LAZY | RTLD_LOCAL | RTLD_DEEPBIND);
  ASSERT_NE(library, nullptr) << ::dlerror();
  auto* in_data = static_cast<void**>(::dlsym(library, "in_data"));
  auto as_address = reinterpret_cast<void* (*)()>(::dlsym(library, "as_address"));
  auto by_call = reinterpret_cast<off_t (*)(int)>(::dlsym(library, "by_call"));
  void* const ours = replacement_of("read");
  ASSERT_NE(ours, nullptr);
  EXPECT_NE(*in_data, ours) << "it found this program's function by itself: this tests nothing";
  EXPECT_NE(as_address(), ours);

  bind_libraries_to_replacements();

  EXPECT_EQ(*in_data, ours);
  EXPECT_EQ(as_address(), ours);
  const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(::lseek(fd, 7, SEEK_SET), 7);
  EXPECT_EQ(by_call(fd), 7);
  ::close(fd);
}

TEST(DeepBindings, ListHasWhatExtensionsCallMost) {
  for (const char* name : {"read", "write", "fcntl64", "pread64", "fstat64", "open64", "mmap64"}) {
    EXPECT_NE(replacement_of(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace lwc::rollback
