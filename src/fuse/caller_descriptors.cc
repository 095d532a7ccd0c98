#include "fuse/caller_descriptors.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/file.h"

namespace pail::fuse {

bool has_descriptor_of(pid_t pid, vfs::InodeNumber number) {
  constexpr int kMost = 256;
  if (pid <= 0) return false;
  const std::string wanted = fmt::format("ino:\t{}\n", number);
  std::error_code failed;
  int looked = 0;
  std::filesystem::directory_iterator entry(fmt::format("/proc/{}/fdinfo", pid), failed);
  for (; !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed)) {
    if (++looked > kMost) return false;
    const auto text = read_file(entry->path(), 64_KiB);
    if (text && text->find(wanted) != std::string::npos) return true;
  }
  return false;
}

}  // namespace pail::fuse
