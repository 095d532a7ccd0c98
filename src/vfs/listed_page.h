// Pages of a listing as the names of a directory.
#pragma once

#include <string>
#include <vector>

#include "local/names/name_store.h"
#include "pailfs/cos/types.h"

namespace pail::vfs {

// Files of which a later page may tell that their name is that of a directory.
using UndecidedFiles = std::vector<local::ListedName>;

struct DecidedPage {
  local::ListedPage page;
  UndecidedFiles undecided;
};

// What the page of the keys below `prefix` says of the names in that directory, with what those before left undecided.
// Of a file and a directory of one name the directory is shown: pages are in the order of keys, in which "a" comes
// before "a-b", and that before "a/c". Keys that no file can be named by are left out.
DecidedPage listed_page(const std::string& prefix, const cos::ListPage& page, const UndecidedFiles& before);

}  // namespace pail::vfs
