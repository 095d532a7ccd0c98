#include "local/names/tree_walk.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "local/names/absent_names.h"

namespace pail::local {

Error no_longer_exists(InodeNumber number) {
  return {ESTALE, fmt::format("inode {}: no longer exists", number)};
}

Error was_removed(const InodeRecord& directory) {
  return {ENOENT, fmt::format("{}: was removed", quote(directory.name))};
}

Result<std::string> path_of(ReadTransaction& records, InodeNumber number) {
  constexpr int kDeepest = 1024;  // a key has no room for more names
  std::string path;
  for (int depth = 0; number != kRootInode; ++depth) {
    const auto inode = records.inode(number);
    if (!inode) return no_longer_exists(number);
    if (depth == kDeepest)
      return Error{ENAMETOOLONG, fmt::format("{}: too many directories above it", quote(inode->name))};
    path = path.empty() ? inode->name : inode->name + "/" + path;
    number = inode->parent;
  }
  return path;
}

bool lies_below(ReadTransaction& records, InodeNumber number, InodeNumber directory) {
  auto inode = records.inode(number);
  while (inode && !inode->unlinked() && inode->number != kRootInode && inode->number != directory)
    inode = records.inode(inode->parent);
  return inode && inode->number == directory;
}

bool holds_staged(ReadTransaction& records, InodeNumber directory) {
  return std::ranges::any_of(records.staged(),
                             [&](InodeNumber number) { return lies_below(records, number, directory); });
}

std::optional<InodeRecord> inode_below(ReadTransaction& records, InodeNumber directory, std::string_view path) {
  std::optional<InodeRecord> inode = records.inode(directory);
  while (inode && !path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const auto dirent = records.dirent(inode->number, path.substr(0, end));
    inode = dirent ? records.inode(dirent->number) : std::nullopt;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return inode;
}

bool has_its_name(ReadTransaction& records, const InodeRecord& inode) {
  const auto dirent = records.dirent(inode.parent, inode.name);
  return dirent && dirent->number == inode.number;
}

WallTime last_shown(ReadTransaction& records, const InodeRecord& inode) {
  WallTime last = inode.type == FileType::directory ? WallTime{} : inode.checked;  // of a directory its marker was seen
  const auto dirent = records.dirent(inode.parent, inode.name);
  if (dirent && dirent->number == inode.number) last = std::max(last, dirent->checked);
  const auto parent = records.inode(inode.parent);
  return parent ? std::max(last, parent->listed) : last;
}

WallTime last_free(ReadTransaction& records, const AbsentNames& absent, const Place& place) {
  const auto dirent = records.dirent(place.parent, place.name);
  if (dirent && dirent->number != 0) return {};
  const auto absence = absent.find(place.parent, place.name);
  const WallTime removed = absence && absence->sequence != 0 ? absence->checked : WallTime{};
  WallTime last = dirent ? dirent->checked : WallTime{};
  if (absence && absence->sequence == 0) last = std::max(last, absence->checked);
  const auto parent = records.inode(place.parent);
  return parent && parent->listed > removed ? std::max(last, parent->listed) : last;
}

}  // namespace pail::local
