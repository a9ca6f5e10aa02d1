// SPDX-License-Identifier: Apache-2.0
#include "worker/apparmor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include "lwc/unique_fd.hpp"

namespace lwc {
namespace {

constexpr const char* kConfinement = "/proc/self/attr/current";

bool is_enabled() {
  std::ifstream parameter("/sys/module/apparmor/parameters/enabled");
  return parameter.get() == 'Y';
}

/// The profile's name, without its mode: "php-fpm" of "php-fpm (enforce)".
std::string own_profile() {
  std::ifstream file(kConfinement);
  std::string line;
  std::getline(file, line);
  return line.substr(0, line.rfind(" ("));
}

}  // namespace

Status enter_apparmor_hat(const std::string& hat) {
  const std::string own = is_enabled() ? own_profile() : "";
  if (own.empty()) {
    return Error{
        "failed to query apparmor confinement. Please check if AppArmor is enabled and "
        "\"/proc/*/attr/current\" is read and writeable"};
  }
  const std::string wanted = own + "//" + hat;
  const std::string command = "changeprofile " + wanted;
  const UniqueFd file(::open(kConfinement, O_WRONLY | O_CLOEXEC));
  if (!file ||
      ::write(file.get(), command.data(), command.size()) != static_cast<ssize_t>(command.size())) {
    return errno_error("failed to change to new confinement (" + wanted +
                       "). Please check if \"/proc/*/attr/current\" is read and writeable and "
                       "\"change_profile -> " +
                       own + "//*\" is allowed");
  }
  return ok();
}

}  // namespace lwc
