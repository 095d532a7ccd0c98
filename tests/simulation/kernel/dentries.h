// The inodes and names that a kernel knows of its mount, and for how long it may trust them.
//
// Single-threaded; time is told. An inode lives as long as somebody holds it: a name, an open file, a request under
// way. With the last of them it goes, and the mount is told to forget it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "pailfs/base/clock.h"
#include "simulation/calls.h"
#include "simulation/kernel/inode_lock.h"
#include "simulation/kernel/requests.h"

namespace pail::simulation::kernel {

struct Inode;
using InodeRef = std::shared_ptr<Inode>;

struct Inode {
  struct Name {
    InodeRef inode;
    SteadyTime expires{};
  };

  InodeNumber number = 0;
  vfs::FileType type = vfs::FileType::regular;
  ShownEntry attributes;
  SteadyTime attributes_expire{};
  std::uint64_t version = 0;      // of the attributes
  bool size_is_changing = false;  // attributes that are answered meanwhile say nothing
  bool removed = false;
  std::map<std::string, Name> children;                         // of a directory
  std::map<std::string, std::shared_ptr<InodeLock>> looked_up;  // locks of names that are not known
  std::weak_ptr<Inode> parent;                                  // of a directory
  std::shared_ptr<InodeLock> lock;

  bool is_directory() const { return type == vfs::FileType::directory; }
};

// Also of itself.
bool is_above(const InodeRef& ancestor, InodeRef inode);

enum class Names { trusted, always_asked };

class Dentries {
 public:
  // `requests` lives longer than this, and this longer than all inodes.
  Dentries(Names names, Requests& requests);
  Dentries(const Dentries&) = delete;
  Dentries& operator=(const Dentries&) = delete;

  void set_time(SteadyTime now) { now_ = now; }
  const InodeRef& root() const { return root_; }

  // ---- attributes; what was asked at an older version than an inode has says nothing of them
  std::uint64_t version() const { return version_; }
  // The inode of an answer to what was asked at version `asked_at`.
  InodeRef learn(const ShownEntry& entry, std::uint64_t asked_at);
  bool trusts_attributes_of(const Inode& inode) const { return now_ < inode.attributes_expire; }
  // They are asked for anew.
  void expire_attributes(Inode& inode) const { inode.attributes_expire = now_; }
  // A request of this kernel changed the content: what was asked until now says nothing of the attributes.
  void content_changed(Inode& inode);

  // ---- names
  InodeRef child(const Inode& directory, const std::string& name) const;  // null: not known
  bool trusts_name(const Inode& directory, const std::string& name) const;
  // What the name was answered to be.
  InodeRef link(const InodeRef& directory, const std::string& name, const ShownEntry& entry, std::uint64_t asked_at);
  // In the place of what had the name, if anything had.
  void put(const InodeRef& directory, const std::string& name, Inode::Name child);
  void unlink(const InodeRef& directory, const std::string& name);
  void expire_name(const InodeRef& directory, const std::string& name) const;
  // Of a name that is not known: now.
  SteadyTime expiry_of(const Inode& directory, const std::string& name) const;
  // Gives up one name that nothing uses, the one at `choice` modulo their number.
  void shrink(std::uint64_t choice);

  // Nobody waits any more for the lock of an inode or a name. Only after Requests::end().
  void abandon_locks();

 private:
  InodeRef make_inode(const ShownEntry& entry);

  const Names names_;
  Requests& requests_;
  SteadyTime now_{};
  std::uint64_t version_ = 0;
  std::map<InodeNumber, std::weak_ptr<Inode>> inodes_;
  InodeRef root_;
};

}  // namespace pail::simulation::kernel
