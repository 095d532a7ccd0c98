#include "simulation/audit.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "simulation/model/views.h"
#include "simulation/wrong.h"

namespace pail::simulation {
namespace {

// An object beside a directory of its name.
bool is_hidden(const fake::Bucket& bucket, const std::string& key) {
  const std::string as_directory = key + "/";
  return std::ranges::any_of(bucket.keys(), [&](const std::string& each) { return each.starts_with(as_directory); });
}

}  // namespace

Audit::Audit(const fake::Bucket& bucket, Attributes attributes, Ask ask, Note note)
    : bucket_(bucket), attributes_(attributes), ask_(std::move(ask)), note_(std::move(note)) {}

void Audit::run() {
  check(vfs::kRootInode, "");
  for (const std::string& key : bucket_.keys())
    if (!seen_.contains(key) && !is_hidden(bucket_, key))
      throw Wrong{fmt::format("a fresh mount does not show {}", key)};
}

void Audit::check(InodeNumber directory, const std::string& prefix) {
  note_(kShowsDirectory);
  for (const ListedName& name : names_of(directory)) {
    if (name.name == "." || name.name == "..") continue;
    const std::string key = prefix + name.name;
    const Answer looked = ask_(Lookup{directory, name.name});
    if (looked.errnum != 0)
      throw Wrong{fmt::format("a fresh mount lists {} and does not find it: {}", key, looked.context)};
    const auto& entry = std::get<ShownEntry>(looked.value);
    if (entry.type == vfs::FileType::directory) {
      seen_.insert(key + "/");
      check_permissions(key + "/", entry);
      check(entry.number, key + "/");
    } else {
      seen_.insert(key);
      check_file(key, entry);
    }
  }
}

void Audit::check_file(const std::string& key, const ShownEntry& entry) {
  note_(kShowsFile);
  const auto object = bucket_.look(key);
  if (!object) throw Wrong{fmt::format("a fresh mount shows {}, which is not in the bucket", key)};
  if (entry.type == vfs::FileType::regular && read(entry.number, entry.size) != object->content.bytes())
    throw Wrong{fmt::format("a fresh mount shows other bytes of {} than the bucket has", key)};
  if (entry.type == vfs::FileType::symlink && target_of(entry.number) != object->content.bytes())
    throw Wrong{fmt::format("a fresh mount shows another target of {} than the bucket has", key)};
  check_permissions(key, entry);
  check_time(key, entry);
}

void Audit::check_permissions(const std::string& key, const ShownEntry& entry) const {
  const auto object = bucket_view(bucket_).look(key);
  const bool is_as_stored = !object || !object->permissions || object->permissions == entry.permissions;
  if (attributes_ == Attributes::any || is_as_stored) return;
  throw Wrong{fmt::format("a fresh mount shows {:04o} for {}, which has {:04o} in the bucket", entry.permissions, key,
                          *object->permissions)};
}

// The time of a directory also changes with its names, here alone.
void Audit::check_time(const std::string& key, const ShownEntry& entry) const {
  const auto object = bucket_view(bucket_).look(key);
  const bool is_as_stored = !object->modified || object->modified == entry.modified;
  if (attributes_ == Attributes::any || is_as_stored) return;
  throw Wrong{fmt::format("a fresh mount shows another time of {} than the bucket has", key)};
}

std::string Audit::target_of(InodeNumber link) {
  const Answer read = ask_(ReadLink{link});
  if (read.errnum != 0) throw Wrong{"a fresh mount cannot read a link: " + read.context};
  return std::get<Bytes>(read.value).bytes;
}

std::vector<ListedName> Audit::names_of(InodeNumber directory) {
  std::vector<ListedName> names;
  for (std::uint64_t offset = 0;;) {
    const Answer page = ask_(ReadDirectory{directory, offset, 100, false});
    if (page.errnum != 0) throw Wrong{"a fresh mount cannot list: " + page.context};
    const auto& listed = std::get<Listed>(page.value).names;
    if (listed.empty()) return names;
    names.insert(names.end(), listed.begin(), listed.end());
    offset = listed.back().next_offset;
  }
}

std::string Audit::read(InodeNumber number, std::uint64_t size) {
  const Answer opened = ask_(Open{number, O_RDONLY});
  if (opened.errnum != 0) throw Wrong{"a fresh mount cannot open a file: " + opened.context};
  const std::uint64_t handle = std::get<OpenedFile>(opened.value).handle;
  std::string bytes;
  while (bytes.size() < size) {
    const Answer piece = ask_(Read{number, handle, bytes.size(), 1 << 20});
    if (piece.errnum != 0) throw Wrong{"a fresh mount cannot read a file: " + piece.context};
    const std::string& got = std::get<Bytes>(piece.value).bytes;
    if (got.empty()) break;
    bytes += got;
  }
  (void)ask_(Release{number, handle});
  return bytes;
}

}  // namespace pail::simulation
