// SPDX-License-Identifier: Apache-2.0
// PHP loads extensions with RTLD_DEEPBIND: they, and the libraries they bring along, find libc's
// functions in libc, not the replacements in this program. So what the dynamic linker has written
// (or would write at the first call) into their tables is written again.
#include "deep_bindings.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "ranges.hpp"

namespace lwc::rollback {
namespace {

/// What the dynamic section of a library says about its references.
struct References {
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  const ElfW(Rela) * data = nullptr;
  std::size_t data_size = 0;
  const ElfW(Rela) * calls = nullptr;
  std::size_t calls_size = 0;
};

References references_of(const dl_phdr_info& library, const ElfW(Phdr) & dynamic) {
  References found;
  // The dynamic linker has turned these into addresses; the vDSO's are left as they are in the
  // file.
  const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(library.dlpi_addr + dynamic.p_vaddr);
  for (; entry->d_tag != DT_NULL; ++entry) {
    switch (entry->d_tag) {
      case DT_SYMTAB:
        found.symbols = reinterpret_cast<const ElfW(Sym)*>(entry->d_un.d_ptr);
        break;
      case DT_STRTAB:
        found.names = reinterpret_cast<const char*>(entry->d_un.d_ptr);
        break;
      case DT_RELA:
        found.data = reinterpret_cast<const ElfW(Rela)*>(entry->d_un.d_ptr);
        break;
      case DT_RELASZ:
        found.data_size = entry->d_un.d_val;
        break;
      case DT_JMPREL:
        found.calls = reinterpret_cast<const ElfW(Rela)*>(entry->d_un.d_ptr);
        break;
      case DT_PLTRELSZ:
        found.calls_size = entry->d_un.d_val;
        break;
      default:
        break;
    }
  }
  return found;
}

class Binder {
 public:
  Binder() {
    own_ = base_of(reinterpret_cast<void*>(&bind_libraries_to_replacements));
    libc_ = base_of(::dlsym(RTLD_NEXT, "read"));
    for (const Replacement& one : replacements()) {
      replacements_.emplace(one.name, reinterpret_cast<void*>(one.function));
    }
  }

  void look_at(const dl_phdr_info& library) {
    const ElfW(Phdr)* dynamic = nullptr;
    relro_ = {};
    for (int i = 0; i < library.dlpi_phnum; ++i) {
      const ElfW(Phdr)& header = library.dlpi_phdr[i];
      if (header.p_type == PT_DYNAMIC) {
        dynamic = &header;
      } else if (header.p_type == PT_GNU_RELRO) {
        const std::uintptr_t begin = library.dlpi_addr + header.p_vaddr;
        relro_ = {page_down(begin), page_down(begin + header.p_memsz)};
      }
    }
    if (dynamic == nullptr || is_left_alone(library)) {
      return;
    }
    const References references = references_of(library, *dynamic);
    if (references.symbols == nullptr || references.names == nullptr) {
      return;
    }
    bind(library, references, references.data, references.data_size);
    bind(library, references, references.calls, references.calls_size);
    if (opened_) {
      ::mprotect(reinterpret_cast<void*>(relro_.begin), relro_.size(), PROT_READ);
      opened_ = false;
    }
  }

 private:
  /// This program, where the replacements call libc's; libc; the dynamic linker and the vDSO.
  bool is_left_alone(const dl_phdr_info& library) const {
    const auto* first = reinterpret_cast<const void*>(library.dlpi_addr);
    const std::string_view path(library.dlpi_name);
    return path.empty() || first == own_ || first == libc_ || path.starts_with("linux-vdso") ||
           path.find("/ld-linux") != std::string_view::npos;
  }

  void bind(const dl_phdr_info& library, const References& references, const ElfW(Rela) * table,
            std::size_t size) {
    if (table == nullptr) {
      return;
    }
    for (std::size_t i = 0; i < size / sizeof *table; ++i) {
      const ElfW(Rela)& one = table[i];
      const auto type = ELF64_R_TYPE(one.r_info);
      const ElfW(Sym)& symbol = references.symbols[ELF64_R_SYM(one.r_info)];
      const bool refers = type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT ||
                          (type == R_X86_64_64 && one.r_addend == 0);
      if (!refers || symbol.st_shndx != SHN_UNDEF) {
        continue;
      }
      auto found = replacements_.find(references.names + symbol.st_name);
      if (found != replacements_.end()) {
        write(reinterpret_cast<void**>(library.dlpi_addr + one.r_offset), found->second);
      }
    }
  }

  static const void* base_of(const void* address) {
    Dl_info about{};
    return ::dladdr(address, &about) != 0 ? about.dli_fbase : nullptr;
  }

  void write(void** slot, void* replacement) {
    if (*slot == replacement) {
      return;
    }
    if (!opened_ && relro_.contains(reinterpret_cast<std::uintptr_t>(slot))) {
      if (::mprotect(reinterpret_cast<void*>(relro_.begin), relro_.size(),
                     PROT_READ | PROT_WRITE) != 0) {
        return;  // its calls are trapped
      }
      opened_ = true;
    }
    *slot = replacement;
  }

  const void* own_ = nullptr;
  const void* libc_ = nullptr;
  Range relro_;
  bool opened_ = false;                                       // relro_ can be written
  std::unordered_map<std::string_view, void*> replacements_;  // by name
};

}  // namespace

void bind_libraries_to_replacements() {
  Binder binder;
  ::dl_iterate_phdr(
      [](dl_phdr_info* library, std::size_t, void* raw) {
        static_cast<Binder*>(raw)->look_at(*library);
        return 0;
      },
      &binder);
}

}  // namespace lwc::rollback
