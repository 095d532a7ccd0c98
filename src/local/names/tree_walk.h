// Ways through the tree of inodes, the same for those that read and for those that change it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "local/names/facts.h"
#include "local/names/index.h"

namespace pail::local {

class AbsentNames;

// The names that lead to an inode from the root, with '/' between them.
// Errors: ESTALE a directory above is gone; ENAMETOOLONG no key has room for so many names.
Result<std::string> path_of(ReadTransaction& records, InodeNumber number);
// By way of names that are bound: what was removed lies nowhere.
bool lies_below(ReadTransaction& records, InodeNumber number, InodeNumber directory);
bool holds_staged(ReadTransaction& records, InodeNumber directory);
std::optional<InodeRecord> inode_below(ReadTransaction& records, InodeNumber directory, std::string_view path);
// Whether the name in the record leads to it.
bool has_its_name(ReadTransaction& records, const InodeRecord& inode);
// The latest question whose answer showed the inode under its name.
WallTime last_shown(ReadTransaction& records, const InodeRecord& inode);
// The latest question whose answer told that nothing lies under a name. Epoch: none did, the name leads to an inode, or
// our side took away what was there since, and others may have put keys below it before.
WallTime last_free(ReadTransaction& records, const AbsentNames& absent, const Place& place);
Error no_longer_exists(InodeNumber number);
Error was_removed(const InodeRecord& directory);

}  // namespace pail::local
