#include "fuse/caller_descriptors.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/file.h"

namespace pail::fuse {
namespace {

// Whether the mount that `fdinfo` names is one of pailfs: other file systems have small inode numbers, too.
bool is_on_pailfs(pid_t pid, const std::string& fdinfo) {
  constexpr std::string_view kLabel = "mnt_id:\t";
  const auto label = fdinfo.find(kLabel);
  if (label == std::string::npos) return false;
  const auto begin = label + kLabel.size();
  const std::string line = "\n" + fdinfo.substr(begin, fdinfo.find('\n', begin) - begin) + " ";
  const auto mounts = read_file(fmt::format("/proc/{}/mountinfo", pid), 16_MiB);
  const auto place = mounts ? ("\n" + *mounts).find(line) : std::string::npos;
  if (place == std::string::npos) return false;
  const std::string entry = mounts->substr(place, mounts->find('\n', place) - place);
  return entry.find(" - fuse.pailfs ") != std::string::npos;
}

}  // namespace

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
    if (text && text->find(wanted) != std::string::npos && is_on_pailfs(pid, *text)) return true;
  }
  return false;
}

}  // namespace pail::fuse
