// Who uses an inode besides the name store: asked in the middle of an event.
#pragma once

#include "local/names/facts.h"
#include "local/records.h"

namespace pail::local {

// Thread-safe. An answer waits for nobody and calls nobody back.
class InodeUses {
 public:
  virtual ~InodeUses() = default;
  // Somebody may have it open: never false of one that is open.
  virtual bool open(InodeNumber number) const = 0;
  // Somebody works on it: what the store says of it may be that work, half done. An event that asked before the work
  // began may still end after it has: what was read meanwhile may be gone with the first event of that work.
  virtual bool busy(InodeNumber number) const = 0;
  // The same of what a name leads to: it is being made, moved or removed.
  virtual bool busy(const Place& place) const = 0;
};

}  // namespace pail::local
