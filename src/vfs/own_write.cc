#include "vfs/own_write.h"

namespace pail::vfs {

using std::chrono::seconds;

local::WriteWindow write_window(const local::WriteWindow& ours, WallTime date) {
  if (date == WallTime{} || ours.answered < ours.sent) return ours;
  // Dates are cut to whole seconds.
  return {date - (ours.answered - ours.sent), date + seconds(1)};
}

}  // namespace pail::vfs
