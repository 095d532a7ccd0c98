// POSIX attributes as object headers, in the dialect of s3fs, and what other tools write read as well.
//
// Written: x-amz-meta-mode (decimal, with type bits), -uid, -gid, -mtime and, where it differs, -atime
// (seconds.nnnnnnnnn), -xattr (percent-encoded JSON of base64 values). Read in addition: mode in octal (rclone with
// --metadata), goog-reserved-posix-*, permissions/owner/group, fractions of a second with fewer digits.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "local/names/name_store.h"
#include "pailfs/base/result.h"
#include "pailfs/cos/types.h"

namespace pail::vfs {

// Of the target of a symbolic link: an object that is larger is none.
inline constexpr ByteCount kLongestLink{4095};

// What an object's headers say, or what is assumed for it. `key_is_directory`: the key ends with '/'.
local::ObjectFacts object_facts(const cos::ObjectInfo& info, bool key_is_directory,
                                const local::DefaultAttributes& defaults);

// The headers an object of this inode is stored with.
cos::ObjectHeaders to_headers(const local::InodeRecord& record);

using Xattrs = std::map<std::string, std::string, std::less<>>;
// Errors: EIO the stored header is malformed.
Result<Xattrs> xattrs_of(const local::InodeRecord& record);
void set_xattrs(local::InodeRecord& record, const Xattrs& xattrs);

// st_mode's type bits of a file type, and back.
std::uint32_t type_bits(local::FileType type);
std::optional<local::FileType> type_of_mode(std::uint32_t mode);

}  // namespace pail::vfs
