#include "vfs/tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "pailfs/cos/types.h"

namespace pail::vfs {

using local::DirectoryForm;
using local::InodeRecord;

Result<Unit> check_name(std::string_view name) {
  if (name.size() > 255) return Error{ENAMETOOLONG, fmt::format("a name of {} bytes: at most 255", name.size())};
  if (name.empty() || name == "." || name == ".." || name.find('\0') != std::string_view::npos)
    return Error{ENOENT, fmt::format("{}: not a name of a file", quote(name))};
  if (name.find('/') != std::string_view::npos) return Error{EINVAL, fmt::format("{}: holds a slash", quote(name))};
  return Unit{};
}

local::DefaultAttributes default_attributes(const Options& options) {
  return {options.file_permissions, options.directory_permissions, options.uid, options.gid};
}

Tree::Tree(const Options& options, const local::NameStore& names) : options_(options), names_(names) {}

Result<std::string> Tree::key(const std::string& path) const {
  if (path.size() + options_.prefix.size() > cos::kMaxKeyBytes)
    return Error{ENAMETOOLONG,
                 fmt::format("{}: its key would have more than {} bytes", quote(path), cos::kMaxKeyBytes)};
  if (!path.empty()) return options_.prefix + path;
  return options_.prefix.empty() ? std::string() : options_.prefix.substr(0, options_.prefix.size() - 1);
}

Result<std::string> Tree::prefix(const std::string& path) const {
  PAIL_TRY(std::string prefix, key(path));
  if (!prefix.empty()) prefix += '/';
  return prefix;
}

Result<std::string> Tree::key_of(const local::View& view, InodeNumber number) const {
  PAIL_TRY(const std::string path, view.path(number));
  return key(path);
}

Result<std::string> Tree::prefix_of(const local::View& view, InodeNumber directory) const {
  PAIL_TRY(const std::string path, view.path(directory));
  return prefix(path);
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

Result<cache::ObjectVersion> Tree::version_of(const local::View& view, const InodeRecord& record) const {
  PAIL_TRY(std::string key, key_of(view, record.number));
  return cache::ObjectVersion{std::move(key), record.etag, record.size};
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
  return {attributes(record), names_.generation(), left(confirmed), left(attributes_confirmed(record, confirmed)),
          record.epoch};
}

WallTime Tree::trusted_briefly() const {
  constexpr std::chrono::nanoseconds kBriefly = std::chrono::seconds(2);
  return moment() - (options_.metadata_ttl - std::min(options_.metadata_ttl, kBriefly));
}

bool Tree::fresh(WallTime confirmed) const {
  if (confirmed < names_.trusted_from()) return false;
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

WallTime Tree::confirmed(const local::View& view, const InodeRecord& record) const {
  if (record.content == local::Content::staged || record.unlinked() || record.number == kRootInode) return moment();
  const auto parent = view.inode(record.parent);
  return parent ? std::max(record.checked, parent->listed) : record.checked;
}

}  // namespace pail::vfs
