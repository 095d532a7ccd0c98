// When an object was written that we sent, as far as the store's answer tells.
#pragma once

#include "local/records.h"

namespace pail::vfs {

// When the store wrote what we sent at `sent` (our clock), given the date of its answer. `date` epoch: not said.
local::WriteWindow write_window(WallTime sent, WallTime date);

}  // namespace pail::vfs
