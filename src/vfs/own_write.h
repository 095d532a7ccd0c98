// Whether an object in the bucket is the one we know, told by its time where the ETag tells nothing.
//
// Attributes changed by another mount are a copy of the object onto itself: the ETag stays, the time does not. The time
// of an object that we wrote is not in the answer; the first time that is seen of it and lies between the request and
// its answer is taken as ours. A change that others make within that second is then seen with the next one only.
#pragma once

#include "local/records.h"

namespace pail::vfs {

// When the store wrote what we sent at `sent` (our clock), given the date of its answer. `date` epoch: not said.
local::WriteWindow write_window(WallTime sent, WallTime date);

// The object was seen with this time. When somebody else wrote it, its attributes are to be asked for. False: the time
// is what it was, and nothing changed.
bool note_time(local::InodeRecord& record, WallTime stored);

}  // namespace pail::vfs
