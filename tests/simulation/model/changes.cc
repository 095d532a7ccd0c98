#include "simulation/model/changes.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "pailfs/cos/types.h"

namespace pail::simulation::model {

Outcome failed(const State& state, Errors errnums) {
  return {state, {.promise = Promise::errors, .errnums = std::move(errnums), .shown = {}}};
}

Errors wrong_with(const State& state, InodeNumber parent, const std::string& name) {
  const Inode* directory = state.by_number(parent);
  if (directory == nullptr) return {ENOENT, ESTALE};
  Errors errnums;
  if (!directory->is_directory()) errnums.insert(ENOTDIR);
  if (!directory->linked()) errnums.insert(ENOENT);
  const bool long_key = directory->linked() && state.key(directory->id).size() + name.size() + 1 > cos::kMaxKeyBytes;
  if (name.size() > kLongestName || long_key) errnums.insert(ENAMETOOLONG);
  return errnums;
}

bool may_be_empty(const Inode& directory) {
  return std::ranges::none_of(directory.names, [](const auto& name) { return name.second.sure; });
}

Inode new_inode(const Call& call, FileType type, std::uint32_t permissions) {
  Inode inode;
  inode.id = call.unique << 16;
  inode.type = type;
  inode.now = make_snapshot({.bytes = {}, .permissions = permissions & 07777, .modified = {}});
  if (type == FileType::regular) inode.stored = Snapshots(SnapshotPtr());
  return inode;
}

Inode new_link(const Call& call, const MakeSymlink& asked) {
  Inode link = new_inode(call, FileType::symlink, 0777);
  Snapshot with_target = *link.now;
  with_target.bytes.write(0, call.unique, std::make_shared<const std::string>(asked.target));
  link.now = make_snapshot(with_target);
  link.stored = Snapshots(link.now);
  return link;
}

std::uint32_t inherited(const Inode& directory, std::uint32_t permissions) {
  const bool set_group = directory.now->permissions && (*directory.now->permissions & S_ISGID) != 0;
  return set_group ? permissions | S_ISGID : permissions;
}

Snapshot truncated(const Inode& inode, std::uint64_t size) {
  Snapshot to = *inode.now;
  to.bytes.resize(size);
  to.modified = {};
  return to;
}

void set_size(State& state, const Inode& inode, const SetAttributes& asked) {
  if (asked.size) state.change(inode.id, truncated(inode, *asked.size));
}

void set_others(State& state, const Inode& inode, const SetAttributes& asked) {
  if (!asked.permissions && !asked.modified) return;
  Snapshot to = *inode.now;
  if (asked.permissions) to.permissions = *asked.permissions & 07777;
  if (asked.modified) to.modified = *asked.modified;
  state.change(inode.id, to);
}

// Whether it was staged just then, so that its attributes are stored with its bytes alone, is not always known.
void may_store_attributes(State& state, Id id) {
  Inode& inode = state.edit(id);
  if (!inode.rewritten) return inode.stored.add(inode.now);
  const Snapshots stored = inode.stored.without_nothing();
  for (const SnapshotPtr& each : stored) {
    Snapshot as_now = *inode.now;
    as_now.bytes = each->bytes;
    inode.stored.add(make_snapshot(std::move(as_now)));
  }
}

}  // namespace pail::simulation::model
