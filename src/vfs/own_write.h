// When an object was written that we sent, as far as the store's answer tells.
#pragma once

#include "local/records.h"

namespace pail::vfs {

// When the store wrote what we sent and got the answer to in `ours` (our clock), given the date of that answer. `date`
// epoch: not said.
local::WriteWindow write_window(const local::WriteWindow& ours, WallTime date);

}  // namespace pail::vfs
