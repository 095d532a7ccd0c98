#include "pailfs/http/budget.h"

#include <algorithm>

namespace pail::http {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

Budget::Budget(milliseconds bound, const Clock& clock) : bound_(bound), clock_(clock), end_(0) {
  renew();
}

void Budget::renew() {
  end_ = (clock_.steady() + bound_).time_since_epoch() / nanoseconds(1);
}

milliseconds Budget::left() const {
  return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(end() - clock_.steady()));
}

// One attempt reports at a time, so nothing comes between the look and the change.
void Budget::advance(std::atomic<std::uint64_t>& furthest, ByteCount bytes) {
  if (bytes.n <= furthest) return;
  furthest = bytes.n;
  renew();
}

}  // namespace pail::http
