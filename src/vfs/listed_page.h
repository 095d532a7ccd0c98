// Pages of a listing as the names of a directory.
#pragma once

#include <string>

#include "local/names/name_store.h"
#include "pailfs/cos/types.h"

namespace pail::vfs {

// What the page of the keys below `prefix` says of the names in that directory. Of a file and a directory of one name
// the directory is shown. Keys that no file can be named by are left out.
local::ListedPage listed_page(const std::string& prefix, const cos::ListPage& page);

}  // namespace pail::vfs
