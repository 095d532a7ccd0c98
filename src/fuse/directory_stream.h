// Directory entries in the form the kernel reads.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <vector>

#include "vfs/filesystem.h"

namespace pail::fuse {

// What FUSE_READDIR asks for. `offset` is the file system's own; it lists "." and ".." like any other entry.
struct ListingRequest {
  vfs::InodeNumber directory = 0;
  off_t offset = 0;
  std::size_t size = 0;  // bytes the kernel has room for
  vfs::WithAttributes with = vfs::WithAttributes::no;
};

// As many entries as fit; empty at the end. The kernel takes a reference to each inode given with attributes.
Result<std::vector<char>> fill_listing(fuse_req_t request, vfs::FileSystem& files, const vfs::Request& asked,
                                       const ListingRequest& wanted);

}  // namespace pail::fuse
