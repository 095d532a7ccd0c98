// What several kinds of calls share in changing a state.
//
// A State& is changed in place; whoever calls owns it, and has seen that the call may do so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "simulation/calls.h"
#include "simulation/model/expectation.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

inline constexpr std::size_t kLongestName = 255;  // bytes

// Nothing is changed, and the answer is one of these.
Outcome failed(const State& state, Errors errnums);

// What can be wrong with a name in a directory before it is looked for; empty: nothing is, and the directory is one.
Errors wrong_with(const State& state, InodeNumber parent, const std::string& name);
// Whether a removal may find nothing in it.
bool may_be_empty(const Inode& directory);

// The inode that the call makes, without a name, and with nothing in the bucket if it is a file. Its id comes from the
// call: a call makes one in this way.
Inode new_inode(const Call& call, FileType type, std::uint32_t permissions);
Inode new_link(const Call& call, const MakeSymlink& asked);
// The permissions of a directory that is made in this one.
std::uint32_t inherited(const Inode& directory, std::uint32_t permissions);

// The content cut, or filled with zeros, to `size` bytes. Its time counts as not set.
Snapshot truncated(const Inode& inode, std::uint64_t size);
// Change what is asked for of an inode of the state, which was `inode` until now: its size; its permissions and time.
void set_size(State& state, const Inode& inode, const SetAttributes& asked);
void set_others(State& state, const Inode& inode, const SetAttributes& asked);
// The bucket may have the attributes of the file, but not what was written since it was stored.
void may_store_attributes(State& state, Id id);

}  // namespace pail::simulation::model
