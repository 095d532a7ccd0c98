// Extended attributes as programs read and change them, on the record of an inode; how an object carries them is in
// object_metadata.h. Plain functions without state.
//
// All may fail as xattrs_of() does.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "local/records.h"
#include "vfs/filesystem.h"

namespace pail::vfs {

// Errors: EOPNOTSUPP it is of a kind that is not kept.
Result<Unit> check_xattr_name(std::string_view name);

// What ENODATA says: there is none of this name.
Error no_such_attribute(std::string_view name);

// Errors: ENODATA the inode has none of this name.
Result<std::string> xattr(const local::InodeRecord& record, std::string_view name);
Result<std::vector<std::string>> xattr_names(const local::InodeRecord& record);

// Both change the record alone. Where `request` is asked again, what it changed the first time is no error.
// Errors: EEXIST and ENODATA as `mode` says.
Result<Unit> set_xattr(local::InodeRecord& record, std::string_view name, std::span<const std::byte> value,
                       XattrMode mode, const Request& request);
// Errors: ENODATA the inode has none of this name.
Result<Unit> remove_xattr(local::InodeRecord& record, std::string_view name, const Request& request);

}  // namespace pail::vfs
