// SPDX-License-Identifier: Apache-2.0
#include "rollback_checker.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

namespace lwc::test {
namespace {

std::string proc(pid_t pid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string link_target(const std::string& path) {
  char target[4096];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size < 0 ? "" : std::string(target, static_cast<std::size_t>(size));
}

std::string hex(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
  return text;
}

constexpr std::uint64_t kPage = 4096;

/// VmFlags without those in which a process that is as before may differ.
std::string telling_flags(const std::string& line) {
  static const std::set<std::string> kMayDiffer{
      "ac",        // accounted for: memory that was writable at some time
      "nh",        // no huge pages: the tracker's advice
      "sd",        // written since the marks were taken back
      "um", "uw",  // watched by userfaultfd: the tracker's mechanism
  };
  std::stringstream flags(line);
  std::string kept;
  for (std::string flag; flags >> flag;) {
    if (!kMayDiffer.contains(flag)) {
      kept += " " + flag;
    }
  }
  return kept;
}

}  // namespace

ProcessPicture ProcessPicture::take(pid_t pid, const Exempt& exempt) {
  ProcessPicture picture;
  picture.read_maps(pid, exempt);
  picture.read_memory(pid, exempt);
  picture.read_fds(pid);
  picture.read_facts(pid);
  return picture;
}

// smaps has what maps has, and below each mapping its flags, of which most are what was advised.
void ProcessPicture::read_maps(pid_t pid, const Exempt& exempt) {
  std::ifstream file(proc(pid, "smaps"));
  Mapping mapping{};
  for (std::string line; std::getline(file, line);) {
    if (std::isupper(static_cast<unsigned char>(line[0])) == 0) {
      add_mapping(mapping, exempt);
      mapping = Mapping{};
      char dash = 0;
      std::stringstream text(line);
      text >> std::hex >> mapping.begin >> dash >> mapping.end;
      std::getline(text, mapping.attributes);
      mapping.attributes.erase(mapping.attributes.find_last_not_of(' ') + 1);
    } else if (line.starts_with("VmFlags:")) {
      mapping.flags = telling_flags(line.substr(line.find(':') + 1));
    } else if (line.starts_with("ProtectionKey:")) {
      mapping.flags = line + mapping.flags;
    }
  }
  add_mapping(mapping, exempt);
}

void ProcessPicture::add_mapping(Mapping mapping, const Exempt& exempt) {
  if (mapping.end == 0 ||
      (mapping.begin >= exempt.arena_begin && mapping.end <= exempt.arena_end)) {
    return;
  }
  // Memory is mapped from the snapshot's copy, and after a request that has unmapped it no more.
  // Which of the two nobody can tell from what is in it. That of the program break has a name only
  // if it is not the copy; where the break is is asked for otherwise.
  const bool is_copy = mapping.attributes[4] == 'p' &&
                       mapping.attributes.find("/memfd:lwc-snapshot") != std::string::npos;
  if (is_copy || mapping.attributes.ends_with("[heap]")) {
    mapping.attributes = mapping.attributes.substr(0, 5) + " 00000000 00:00 0";
  }
  // What the kernel merges or not is not a difference.
  if (!maps_.empty() && maps_.back().end == mapping.begin &&
      maps_.back().attributes == mapping.attributes && maps_.back().flags == mapping.flags &&
      mapping.attributes.find(" 00:00 0") != std::string::npos) {
    maps_.back().end = mapping.end;
  } else {
    maps_.push_back(std::move(mapping));
  }
}

void ProcessPicture::read_memory(pid_t pid, const Exempt& exempt) {
  int mem = ::open(proc(pid, "mem").c_str(), O_RDONLY | O_CLOEXEC);
  for (const Mapping& mapping : maps_) {
    bool is_private = mapping.attributes.size() > 4 && mapping.attributes[4] == 'p';
    if (!is_private || mapping.attributes.find("[v") != std::string::npos) {  // vvar, vsyscall
      continue;
    }
    std::string contents(mapping.end - mapping.begin, '\0');
    ssize_t got = ::pread(mem, contents.data(), contents.size(), static_cast<off_t>(mapping.begin));
    contents.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    for (std::uint64_t at = std::max(exempt.rseq_begin, mapping.begin);
         at < std::min(exempt.rseq_end, mapping.end); ++at) {
      contents[at - mapping.begin] = 0;
    }
    memory_[mapping.begin] = std::move(contents);
  }
  ::close(mem);
}

void ProcessPicture::read_fds(pid_t pid) {
  DIR* directory = ::opendir(proc(pid, "fd").c_str());
  if (directory == nullptr) {
    facts_["fd"] = "unreadable";
    return;
  }
  while (dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') {
      continue;
    }
    std::string name = entry->d_name;
    facts_["fd " + name] =
        link_target(proc(pid, "fd/" + name)) + "\n" + slurp(proc(pid, "fdinfo/" + name));
  }
  ::closedir(directory);
}

void ProcessPicture::read_facts(pid_t pid) {
  static const std::set<std::string> kStatus{
      "Name",   "Umask",   "Tgid",       "Pid",          "PPid",         "TracerPid", "Uid",
      "Gid",    "FDSize",  "Groups",     "Threads",      "SigQ",         "SigPnd",    "ShdPnd",
      "SigBlk", "SigIgn",  "SigCgt",     "CapInh",       "CapPrm",       "CapEff",    "CapBnd",
      "CapAmb", "Seccomp", "NoNewPrivs", "Cpus_allowed", "Mems_allowed", "VmLck",     "VmPin"};
  std::ifstream status(proc(pid, "status"));
  for (std::string line; std::getline(status, line);) {
    std::string name = line.substr(0, line.find(':'));
    if (kStatus.contains(name) && name != "FDSize" && name != "SigQ") {
      facts_["status " + name] = line;
    }
  }
  facts_["cwd"] = link_target(proc(pid, "cwd"));
  facts_["root"] = link_target(proc(pid, "root"));
  facts_["limits"] = slurp(proc(pid, "limits"));
  facts_["timers"] = slurp(proc(pid, "timers"));
  facts_["personality"] = slurp(proc(pid, "personality"));
  facts_["timerslack"] = slurp(proc(pid, "timerslack_ns"));
  facts_["oom_score_adj"] = slurp(proc(pid, "oom_score_adj"));
  facts_["coredump_filter"] = slurp(proc(pid, "coredump_filter"));
  facts_["children"] = slurp(proc(pid, "task/" + std::to_string(pid) + "/children"));
  // Fields 19 (nice), 40 and 41 (real-time priority, policy), 5 and 6 (process group, session).
  std::string stat = slurp(proc(pid, "stat"));
  std::stringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string field;
  for (int number = 3; fields >> field; ++number) {
    if (number == 19 || number == 40 || number == 41 || number == 5 || number == 6) {
      facts_["stat " + std::to_string(number)] = field;
    }
  }
}

std::vector<std::string> ProcessPicture::differences_from(const ProcessPicture& before) const {
  std::vector<std::string> all;
  for (const Mapping& mapping : maps_) {
    if (std::find(before.maps_.begin(), before.maps_.end(), mapping) == before.maps_.end()) {
      all.push_back("mapping is new: " + hex(mapping.begin) + "-" + hex(mapping.end) +
                    mapping.attributes + " flags:" + mapping.flags);
    }
  }
  for (const Mapping& mapping : before.maps_) {
    if (std::find(maps_.begin(), maps_.end(), mapping) == maps_.end()) {
      all.push_back("mapping is gone: " + hex(mapping.begin) + "-" + hex(mapping.end) +
                    mapping.attributes + " flags:" + mapping.flags);
    }
  }
  for (const auto& [begin, contents] : memory_) {
    auto old = before.memory_.find(begin);
    if (old == before.memory_.end() || old->second.size() != contents.size()) {
      continue;  // reported above
    }
    for (std::uint64_t at = 0; at < contents.size(); at += kPage) {
      std::size_t size = std::min<std::size_t>(kPage, contents.size() - at);
      if (std::memcmp(contents.data() + at, old->second.data() + at, size) != 0) {
        std::size_t byte = at;
        while (contents[byte] == old->second[byte]) {
          ++byte;
        }
        all.push_back("memory differs at " + hex(begin + byte));
      }
    }
  }
  for (const auto& [name, text] : facts_) {
    auto old = before.facts_.find(name);
    if (old == before.facts_.end()) {
      all.push_back(name + " is new: " + text);
    } else if (old->second != text) {
      all.push_back(name + " was: " + old->second + " is: " + text);
    }
  }
  for (const auto& [name, text] : before.facts_) {
    if (!facts_.contains(name)) {
      all.push_back(name + " is gone: " + text);
    }
  }
  return all;
}

}  // namespace lwc::test
