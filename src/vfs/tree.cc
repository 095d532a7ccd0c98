#include "vfs/tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace pail::vfs {

using local::DirectoryForm;
using local::InodeRecord;

WallTime now() {
  return system_clock().wall();
}

Result<Unit> check_name(std::string_view name) {
  if (name.size() > 255) return Error{ENAMETOOLONG, fmt::format("a name of {} bytes: at most 255", name.size())};
  if (name.empty() || name == "." || name == ".." || name.find('\0') != std::string_view::npos)
    return Error{ENOENT, fmt::format("{}: not a name of a file", quote(name))};
  if (name.find('/') != std::string_view::npos) return Error{EINVAL, fmt::format("{}: holds a slash", quote(name))};
  return Unit{};
}

Result<InodeRecord> require(local::ReadTransaction& view, InodeNumber number) {
  auto record = view.inode(number);
  if (!record) return Error{ESTALE, fmt::format("inode {}: no longer exists", number)};
  return std::move(*record);
}

Tree::Tree(const Options& options, std::uint64_t generation)
    : options_(options), generation_(generation), opened_(options.clock->wall()), opened_boot_(options.clock->boot()) {}

WallTime Tree::moment() const {
  return opened_ + (options_.clock->boot() - opened_boot_);
}

Result<std::string> Tree::key_of(local::ReadTransaction& view, InodeNumber number) const {
  std::string key;
  constexpr int kDeepest = 1024;  // a key has no room for more names
  for (int depth = 0; number != kRootInode; ++depth) {
    PAIL_TRY(const InodeRecord record, require(view, number));
    key = key.empty() ? record.name : record.name + "/" + key;
    if (key.size() + options_.prefix.size() > cos::kMaxKeyBytes || depth == kDeepest)
      return Error{ENAMETOOLONG,
                   fmt::format("{}: its key would have more than {} bytes", quote(record.name), cos::kMaxKeyBytes)};
    number = record.parent;
  }
  if (!key.empty()) return options_.prefix + key;
  return options_.prefix.empty() ? std::string() : options_.prefix.substr(0, options_.prefix.size() - 1);
}

Result<std::string> Tree::prefix_of(local::ReadTransaction& view, InodeNumber directory) const {
  PAIL_TRY(std::string key, key_of(view, directory));
  if (!key.empty()) key += '/';
  return key;
}

Result<Tree::Spot> Tree::spot(local::ReadTransaction& view, InodeNumber number) const {
  Spot spot{number, {}, 0};
  PAIL_TRY(spot.key, key_of(view, number));
  MutexLock lock(mutex_);
  spot.moves = moves_;
  return spot;
}

// A directory that went away and came back has the key of before, but not all the time.
bool Tree::still_lies(local::ReadTransaction& view, const Spot& spot) const {
  const auto key = key_of(view, spot.number);
  if (!key || *key != spot.key) return false;
  std::vector<InodeNumber> above;
  for (auto record = view.inode(spot.number); record && record->number != kRootInode;
       record = view.inode(record->parent))
    above.push_back(record->number);
  MutexLock lock(mutex_);
  if (spot.moves < forgotten_moves_) return false;
  return std::ranges::none_of(above, [&](InodeNumber number) PAIL_NO_ANALYSIS {
    const auto last = moved_.find(number);
    return last != moved_.end() && last->second > spot.moves;
  });
}

void Tree::moving(InodeNumber directory) const {
  constexpr std::size_t kRemembered = 10'000;
  MutexLock lock(mutex_);
  if (moved_.size() == kRemembered) {
    moved_.clear();
    forgotten_moves_ = moves_;
  }
  moved_[directory] = ++moves_;
}

std::string Tree::marker_key(const std::string& prefix, DirectoryForm form) {
  if (prefix.empty()) return {};
  const std::string plain = prefix.substr(0, prefix.size() - 1);
  switch (form) {
    case DirectoryForm::plain_marker:
      return plain;
    case DirectoryForm::folder_marker:
      return plain + "_$folder$";
    case DirectoryForm::implicit:
    case DirectoryForm::slash_marker:
      return prefix;
  }
  return prefix;
}

Result<cache::ObjectVersion> Tree::version_of(local::ReadTransaction& view, const InodeRecord& record) const {
  PAIL_TRY(std::string key, key_of(view, record.number));
  return cache::ObjectVersion{std::move(key), record.etag, record.size};
}

AttributeDefaults Tree::defaults() const {
  return {options_.file_permissions, options_.directory_permissions, options_.uid, options_.gid};
}

Attributes Tree::attributes(const InodeRecord& record) const {
  Attributes shown;
  shown.number = record.number;
  shown.type = record.type;
  shown.permissions = record.permissions & ~options_.umask.value_or(0);
  shown.links = record.unlinked() ? 0 : 1;  // 1 for directories: their number of sub-directories is not kept
  shown.uid = options_.force_uid.value_or(record.uid);
  shown.gid = options_.force_gid.value_or(record.gid);
  shown.device = record.device;
  shown.size = record.size;
  shown.accessed = record.accessed;
  shown.modified = record.modified;
  shown.changed = record.changed;
  return shown;
}

Entry Tree::entry(const InodeRecord& record, WallTime confirmed) const {
  auto left = [&](WallTime since) {
    if (!fresh(since)) return std::chrono::nanoseconds(0);
    return std::chrono::nanoseconds(options_.metadata_ttl - (moment() - since));
  };
  return {attributes(record), generation_, left(confirmed), left(attributes_confirmed(record, confirmed))};
}

void Tree::distrust() const {
  trusted_from_ = moment();
}

bool Tree::fresh(WallTime confirmed) const {
  if (confirmed < trusted_from_.load()) return false;
  const auto age = moment() - confirmed;
  return age >= std::chrono::nanoseconds(0) && age < options_.metadata_ttl;
}

// A listing of the parent shows when a file was changed; of a directory it shows no more than that it is there.
WallTime Tree::attributes_confirmed(const InodeRecord& record, WallTime confirmed) const {
  const bool stored = record.type == FileType::directory && record.number != kRootInode && !record.unlinked();
  return stored ? std::max(record.checked, record.listed) : confirmed;
}

bool Tree::attributes_fresh(const InodeRecord& record, WallTime confirmed) const {
  return record.knowledge == local::Knowledge::exact && fresh(attributes_confirmed(record, confirmed));
}

WallTime Tree::confirmed(local::ReadTransaction& view, const InodeRecord& record) const {
  if (record.content == local::Content::staged || record.unlinked() || record.number == kRootInode) return moment();
  const auto parent = view.inode(record.parent);
  return parent ? std::max(record.checked, parent->listed) : record.checked;
}

}  // namespace pail::vfs
