#include "local/staging/extent_set.h"

#include <limits>

namespace pail::local {

void ExtentSet::add(Extent extent) {
  if (extent.empty()) return;
  std::uint64_t begin = extent.begin.n, end = extent.end.n;
  auto it = extents_.upper_bound(begin);
  if (it != extents_.begin() && std::prev(it)->second >= begin) --it;
  while (it != extents_.end() && it->first <= end) {
    begin = std::min(begin, it->first);
    end = std::max(end, it->second);
    it = extents_.erase(it);
  }
  extents_.emplace(begin, end);
}

void ExtentSet::remove(Extent extent) {
  if (extent.empty()) return;
  auto it = extents_.upper_bound(extent.begin.n);
  if (it != extents_.begin() && std::prev(it)->second > extent.begin.n) --it;
  while (it != extents_.end() && it->first < extent.end.n) {
    const auto [begin, end] = *it;
    it = extents_.erase(it);
    if (begin < extent.begin.n) extents_.emplace(begin, extent.begin.n);
    if (end > extent.end.n) extents_.emplace(extent.end.n, end);
  }
}

bool ExtentSet::overlaps(Extent extent) const {
  return !extent.empty() && first_from(extent.begin) < extent.end;
}

std::vector<Extent> ExtentSet::in(Extent within) const {
  std::vector<Extent> found;
  if (within.empty()) return found;
  auto it = extents_.upper_bound(within.begin.n);
  if (it != extents_.begin()) --it;
  for (; it != extents_.end() && it->first < within.end.n; ++it) {
    const Extent common = intersect(Extent{{it->first}, {it->second}}, within);
    if (!common.empty()) found.push_back(common);
  }
  return found;
}

ByteOffset ExtentSet::first_from(ByteOffset at) const {
  auto it = extents_.upper_bound(at.n);
  if (it != extents_.begin() && std::prev(it)->second > at.n) return at;
  return it == extents_.end() ? ByteOffset{std::numeric_limits<std::uint64_t>::max()} : ByteOffset{it->first};
}

}  // namespace pail::local
