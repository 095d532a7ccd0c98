// Inodes as keys and attributes: what every part of the file system asks of a record.
#pragma once

#include <string>
#include <string_view>

#include "cache/block_cache.h"
#include "local/names/name_store.h"
#include "vfs/filesystem.h"

namespace pail::vfs {

// What is shown of objects that store no attributes.
local::DefaultAttributes default_attributes(const Options& options);

// Thread-safe: it holds settings.
class Tree {
 public:
  Tree(const Options& options, const local::NameStore& names);

  // The key of a path in the bucket view, without a trailing '/'. The root's is its prefix without the '/'.
  // Errors: ENAMETOOLONG over 1024 bytes.
  Result<std::string> key(const std::string& path) const;
  // The prefix of the keys in a directory: "" or ends with '/'.
  Result<std::string> prefix(const std::string& path) const;
  // The same of an inode, by way of its parents. Errors: ESTALE a parent is gone, too.
  Result<std::string> key_of(const local::View& view, InodeNumber number) const;
  Result<std::string> prefix_of(const local::View& view, InodeNumber directory) const;
  // The object that stores the attributes of a directory of this form; empty for the root of a whole bucket.
  static std::string marker_key(const std::string& prefix, local::DirectoryForm form);
  Result<cache::ObjectVersion> version_of(const local::View& view, const local::InodeRecord& record) const;

  // What a calendar says, for times that are shown.
  WallTime now() const { return options_.clock->wall(); }
  // The time by which confirmations are noted.
  WallTime moment() const { return names_.moment(); }
  local::DefaultAttributes defaults() const { return default_attributes(options_); }
  Attributes attributes(const local::InodeRecord& record) const;
  // With what is left of the time for which `confirmed` is good.
  Entry entry(const local::InodeRecord& record, WallTime confirmed) const;
  // As if confirmed so long ago that it is asked for anew after two seconds: of what the store refused to show.
  WallTime trusted_briefly() const;
  // A time to come is not fresh.
  bool fresh(WallTime confirmed) const;
  // Whether the attributes of the record may be shown without asking, when its name was confirmed then.
  bool attributes_fresh(const local::InodeRecord& record, WallTime confirmed) const;
  // When the record was last confirmed: by itself or by a complete listing of its parent.
  WallTime confirmed(const local::View& view, const local::InodeRecord& record) const;

 private:
  WallTime attributes_confirmed(const local::InodeRecord& record, WallTime confirmed) const;

  const Options& options_;
  const local::NameStore& names_;
};

// Errors: ENOENT "" "." ".." or NUL; ENAMETOOLONG over 255 bytes; EINVAL holds '/'.
Result<Unit> check_name(std::string_view name);

}  // namespace pail::vfs
