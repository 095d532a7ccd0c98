// Inodes as paths, keys and attributes: what every part of the file system asks of a record.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "local/names/index.h"
#include "vfs/filesystem.h"
#include "vfs/object_metadata.h"

namespace pail::vfs {

// Thread-safe: it holds settings, and which directories moved lately.
class Tree {
 public:
  Tree(const Options& options, std::uint64_t generation);

  // The key of an inode without a trailing '/', by way of its parents. The root's is its prefix without the '/'.
  // Errors: ESTALE a parent is gone; ENAMETOOLONG over 1024 bytes.
  Result<std::string> key_of(local::ReadTransaction& view, InodeNumber number) const;
  // The prefix of the keys in a directory: "" or ends with '/'.
  Result<std::string> prefix_of(local::ReadTransaction& view, InodeNumber directory) const;
  // The object that stores the attributes of a directory of this form; empty for the root of a whole bucket.
  static std::string marker_key(const std::string& prefix, local::DirectoryForm form);
  Result<cache::ObjectVersion> version_of(local::ReadTransaction& view, const local::InodeRecord& record) const;

  // Where an inode lies when the store is asked about it: an answer counts only while it has been there all the time.
  struct Spot {
    InodeNumber number = 0;
    std::string key;
    std::uint64_t moves = 0;
  };
  Result<Spot> spot(local::ReadTransaction& view, InodeNumber number) const;
  bool still_lies(local::ReadTransaction& view, const Spot& spot) const PAIL_EXCLUDES(mutex_);
  // Said in the transaction that gives a directory another place.
  void moving(InodeNumber directory) const PAIL_EXCLUDES(mutex_);

  // The time for saying when something was confirmed: the wall clock when the file system was opened, and what has
  // passed since. It goes on evenly when the wall clock is set.
  WallTime moment() const;
  AttributeDefaults defaults() const;
  Attributes attributes(const local::InodeRecord& record) const;
  // With what is left of the time for which `confirmed` is good.
  Entry entry(const local::InodeRecord& record, WallTime confirmed) const;
  // A time to come is not fresh: the clock was set back since.
  bool fresh(WallTime confirmed) const;
  // Nothing that was confirmed up to now is fresh any more.
  void distrust() const;
  // Whether the attributes of the record may be shown without asking, when its name was confirmed then.
  bool attributes_fresh(const local::InodeRecord& record, WallTime confirmed) const;
  // When the record was last confirmed: by itself or by a complete listing of its parent.
  WallTime confirmed(local::ReadTransaction& view, const local::InodeRecord& record) const;

 private:
  WallTime attributes_confirmed(const local::InodeRecord& record, WallTime confirmed) const;

  const Options& options_;
  std::uint64_t generation_;
  mutable Mutex mutex_;
  mutable std::uint64_t moves_ PAIL_GUARDED_BY(mutex_) = 0;
  mutable std::uint64_t forgotten_moves_ PAIL_GUARDED_BY(mutex_) = 0;  // up to here any directory may have moved
  mutable std::unordered_map<InodeNumber, std::uint64_t> moved_ PAIL_GUARDED_BY(mutex_);  // its last move
  mutable std::atomic<WallTime> trusted_from_{WallTime{}};
  const WallTime opened_;
  const SteadyTime opened_boot_;
};

// Errors: ENOENT "" "." ".." or NUL; ENAMETOOLONG over 255 bytes; EINVAL holds '/'.
Result<Unit> check_name(std::string_view name);

// The record, or ESTALE: the kernel asks for a number that no longer exists.
Result<local::InodeRecord> require(local::ReadTransaction& view, InodeNumber number);

WallTime now();

}  // namespace pail::vfs
