// Who uses an inode, as the name store asks for it: open handles, and operations in their turn.
#pragma once

#include "local/names/name_store.h"
#include "vfs/turns.h"
#include "vfs/types.h"

namespace pail::vfs {

// Thread-safe.
class InodeUses final : public local::InodeUses {
 public:
  InodeUses(const OpenTable& opens, const Turns& turns) : opens_(opens), turns_(turns) {}
  bool open(InodeNumber number) const override { return opens_.maybe_open(number); }
  bool busy(InodeNumber number) const override { return turns_.taken(number); }

 private:
  const OpenTable& opens_;
  const Turns& turns_;
};

}  // namespace pail::vfs
