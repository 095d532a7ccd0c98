// What the kernel asks a mount, and what it is answered, as values: they go over a pipe, into a trace and through the
// model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "vfs/types.h"

namespace pail::simulation {

using vfs::InodeNumber;

// Whose all programs are.
struct Owner {
  std::uint32_t uid = 0, gid = 0;
  bool operator==(const Owner&) const = default;
};
inline constexpr Owner kProgramOwner{1000, 100};

struct Lookup {
  InodeNumber parent = 0;
  std::string name;
};
struct Forget {  // has no answer
  InodeNumber number = 0;
};
struct GetAttributes {
  InodeNumber number = 0;
};
struct SetAttributes {  // empty members stay
  InodeNumber number = 0;
  std::optional<std::uint64_t> handle;  // as ftruncate(2); none: by name
  std::optional<std::uint32_t> permissions;
  std::optional<std::uint64_t> size;
  std::optional<WallTime> modified;
};
struct ReadLink {
  InodeNumber number = 0;
};
struct MakeDirectory {
  InodeNumber parent = 0;
  std::string name;
  std::uint32_t permissions = 0755;
};
struct MakeSymlink {
  InodeNumber parent = 0;
  std::string name, target;
};
struct Unlink {
  InodeNumber parent = 0;
  std::string name;
};
struct RemoveDirectory {
  InodeNumber parent = 0;
  std::string name;
};
struct Rename {
  InodeNumber parent = 0;
  std::string name;
  InodeNumber new_parent = 0;
  std::string new_name;
  vfs::RenameMode mode = vfs::RenameMode::replace;
};
struct Open {
  InodeNumber number = 0;
  int flags = 0;  // of open(2); O_TRUNC is carried out by the file system
};
struct Create {  // as open(O_CREAT): of a name that is there it opens, and truncates with O_TRUNC
  InodeNumber parent = 0;
  std::string name;
  std::uint32_t permissions = 0644;
  int flags = 0;
};
struct Read {
  InodeNumber number = 0;
  std::uint64_t handle = 0;
  std::uint64_t at = 0;
  std::uint64_t size = 0;
};
struct Write {
  InodeNumber number = 0;
  std::uint64_t handle = 0;
  std::uint64_t at = 0;
  std::string bytes;
};
struct Flush {
  InodeNumber number = 0;
  std::uint64_t handle = 0;
  bool caller_has_another = false;  // another descriptor of the same file
};
struct Sync {  // fsync(2)
  InodeNumber number = 0;
  std::uint64_t handle = 0;
};
struct Release {
  InodeNumber number = 0;
  std::uint64_t handle = 0;
};
struct ReadDirectory {
  InodeNumber number = 0;
  std::uint64_t offset = 0;
  std::uint64_t most = 0;
  bool with_attributes = false;
};
struct StatFs {};

using Question =
    std::variant<Lookup, Forget, GetAttributes, SetAttributes, ReadLink, MakeDirectory, MakeSymlink, Unlink,
                 RemoveDirectory, Rename, Open, Create, Read, Write, Flush, Sync, Release, ReadDirectory, StatFs>;

// One request of the kernel.
struct Call {
  std::uint64_t unique = 0;  // even, above 0; the same when it is asked again
  bool resent = false;
  std::uint32_t process = 0;  // which of the programs waits for it
  Question question;
};

struct ShownEntry {
  InodeNumber number = 0;
  vfs::FileType type = vfs::FileType::regular;
  std::uint32_t permissions = 0;
  std::uint64_t size = 0;
  WallTime modified{};
  std::chrono::nanoseconds name_ttl{0}, attributes_ttl{0};
};
struct OpenedFile {
  std::optional<ShownEntry> entry;  // of Create
  std::uint64_t handle = 0;
  bool keep_page_cache = false;
};
struct ListedName {
  std::string name;
  InodeNumber number = 0;
  std::optional<vfs::FileType> type;
  std::uint64_t next_offset = 0;
  std::optional<ShownEntry> entry;
};
struct Listed {
  std::vector<ListedName> names;  // "." and ".." among them; none: the end
};
struct Bytes {  // of Read and ReadLink
  std::string bytes;
};
struct Written {
  std::uint64_t size = 0;  // bytes, from the first on
};
struct Done {};

struct Answer {
  std::uint64_t unique = 0;
  int errnum = 0;                                                            // 0: without error
  std::string context;                                                       // of an error, for people
  std::variant<Done, Written, ShownEntry, OpenedFile, Bytes, Listed> value;  // of an answer without error
};

}  // namespace pail::simulation
