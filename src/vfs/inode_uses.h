// Who uses an inode or a name, as the name store asks for it: open handles, operations in their turn, and those that
// have closed the gate.
#pragma once

#include "local/names/name_store.h"
#include "vfs/names_at_work.h"
#include "vfs/turns.h"
#include "vfs/types.h"

namespace pail::vfs {

// Thread-safe.
class InodeUses final : public local::InodeUses {
 public:
  InodeUses(const OpenTable& opens, const Turns& turns, const NamesAtWork& names)
      : opens_(opens), turns_(turns), names_(names) {}
  bool open(InodeNumber number) const override { return opens_.maybe_open(number); }
  bool busy(InodeNumber number) const override { return turns_.taken(number); }
  bool busy(const local::Place& place) const override { return names_.has(place); }

 private:
  const OpenTable& opens_;
  const Turns& turns_;
  const NamesAtWork& names_;
};

}  // namespace pail::vfs
