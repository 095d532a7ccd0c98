#include "simulation/kernel/dentries.h"

#include <utility>
#include <vector>

namespace pail::simulation::kernel {

bool is_above(const InodeRef& ancestor, InodeRef inode) {
  while (inode && inode != ancestor) inode = inode->parent.lock();
  return inode != nullptr;
}

Dentries::Dentries(Names names, Requests& requests) : names_(names), requests_(requests) {
  root_ = make_inode({.number = vfs::kRootInode, .type = vfs::FileType::directory});
}

InodeRef Dentries::make_inode(const ShownEntry& entry) {
  auto* inode = new Inode;
  inode->number = entry.number;
  inode->type = entry.type;
  inode->lock = requests_.make_lock();
  const InodeRef made(inode, [this](Inode* unused) {
    const std::unique_ptr<Inode> owned(unused);
    if (requests_.ended()) return;
    inodes_.erase(owned->number);
    requests_.forget(owned->number);
  });
  inodes_[entry.number] = made;
  return made;
}

// ---- attributes -----------------------------------------------------------------------------------------------------

InodeRef Dentries::learn(const ShownEntry& entry, std::uint64_t asked_at) {
  const auto known = inodes_.find(entry.number);
  const InodeRef inode = known == inodes_.end() ? make_inode(entry) : known->second.lock();
  if (inode->version > asked_at || inode->size_is_changing) return inode;
  inode->version = ++version_;
  inode->attributes = entry;
  inode->attributes_expire = now_ + entry.attributes_ttl;
  return inode;
}

void Dentries::content_changed(Inode& inode) {
  inode.version = ++version_;
  expire_attributes(inode);
}

// ---- names ----------------------------------------------------------------------------------------------------------

InodeRef Dentries::child(const Inode& directory, const std::string& name) const {
  const auto child = directory.children.find(name);
  return child == directory.children.end() ? nullptr : child->second.inode;
}

bool Dentries::trusts_name(const Inode& directory, const std::string& name) const {
  const auto child = directory.children.find(name);
  return child != directory.children.end() && now_ < child->second.expires;
}

InodeRef Dentries::link(const InodeRef& directory, const std::string& name, const ShownEntry& entry,
                        std::uint64_t asked_at) {
  InodeRef inode = learn(entry, asked_at);
  put(directory, name, {inode, names_ == Names::trusted ? now_ + entry.name_ttl : now_});
  return inode;
}

void Dentries::put(const InodeRef& directory, const std::string& name, Inode::Name child) {
  if (child.inode->is_directory()) child.inode->parent = directory;
  directory->children.insert_or_assign(name, std::move(child));
}

void Dentries::unlink(const InodeRef& directory, const std::string& name) {
  const auto removed = directory->children.extract(name);
}

void Dentries::expire_name(const InodeRef& directory, const std::string& name) const {
  const auto child = directory->children.find(name);
  if (child != directory->children.end()) child->second.expires = now_;
}

// Who asks for a name anew holds no lock, and may have found it gone meanwhile.
SteadyTime Dentries::expiry_of(const Inode& directory, const std::string& name) const {
  const auto child = directory.children.find(name);
  return child == directory.children.end() ? now_ : child->second.expires;
}

void Dentries::shrink(std::uint64_t choice) {
  std::vector<std::pair<InodeRef, std::string>> unused;
  for (const auto& [number, weak] : inodes_)
    if (const InodeRef directory = weak.lock())
      for (const auto& [name, child] : directory->children)
        if (child.inode.use_count() == 1 && child.inode->children.empty()) unused.emplace_back(directory, name);
  if (unused.empty()) return;
  const auto& [directory, name] = unused[choice % unused.size()];
  directory->children.erase(name);
}

void Dentries::abandon_locks() {
  for (const auto& [number, weak] : inodes_)
    if (const InodeRef inode = weak.lock()) {
      inode->lock->abandon();
      for (const auto& [name, lock] : inode->looked_up) lock->abandon();
    }
}

}  // namespace pail::simulation::kernel
