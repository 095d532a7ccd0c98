#include "vfs/own_write.h"

namespace pail::vfs {

using std::chrono::seconds;

local::WriteWindow write_window(WallTime sent, WallTime date) {
  const WallTime answered = system_clock().wall();
  if (date == WallTime{} || answered < sent) return {sent, answered};
  // Dates are cut to whole seconds.
  return {date - (answered - sent), date + seconds(1)};
}

}  // namespace pail::vfs
