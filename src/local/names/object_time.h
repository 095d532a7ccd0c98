// Whether an object in the bucket is the one we know, told by its time where the ETag tells nothing.
//
// Attributes changed by another mount are a copy of the object onto itself: the ETag stays, the time does not. The time
// of an object that we wrote is not in the answer; the first time that is seen of it and lies between the request and
// its answer is taken as ours. A change that others make within that second is then seen with the next one only.
#pragma once

#include "local/records.h"

namespace pail::local {

// Whether the object that we know may have this time.
bool is_known_time(const InodeRecord& record, WallTime stored);
// The object was seen with this time. When somebody else wrote it, its attributes are to be asked for. False: the time
// is what it was, and nothing changed.
bool note_time(InodeRecord& record, WallTime stored);

}  // namespace pail::local
