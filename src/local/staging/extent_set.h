// A set of bytes as disjoint extents in order. One thread at a time.
#pragma once

#include <map>
#include <vector>

#include "pailfs/base/bytes.h"

namespace pail::local {

class ExtentSet {
 public:
  void add(Extent extent);
  void remove(Extent extent);
  bool empty() const { return extents_.empty(); }
  bool overlaps(Extent extent) const;
  // What of `within` is in the set, in order.
  std::vector<Extent> in(Extent within) const;
  // The first byte of the set at or after `at`; the largest offset when there is none.
  ByteOffset first_from(ByteOffset at) const;

 private:
  std::map<std::uint64_t, std::uint64_t> extents_;  // begin → end
};

}  // namespace pail::local
