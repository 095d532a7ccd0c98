// The thread that waits for the answer to a request, as /proc shows it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

#include "base/unique_fd.h"

namespace pail::fuse {

class Caller {
 public:
  // The thread with this id, as the header of its request names it. None: it cannot be seen from
  // here (it lives in another pid namespace, /proc hides it or is full of another one's).
  static std::optional<Caller> find(pid_t thread);

  // Whether a signal is about to end it. True also when it is gone.
  bool dying() const;

 private:
  explicit Caller(UniqueFd status) : status_(std::move(status)) {}

  // /proc/TID/status. Open, it stays with this thread, whoever gets its number next.
  UniqueFd status_;
};

// Whether the thread with this /proc/TID/status has a signal pending that will end it. True also
// when the text does not say.
bool deadly_signal_pending(std::string_view status);

}  // namespace pail::fuse
