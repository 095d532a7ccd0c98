// How urgent a piece of work is: what waits for a thread, a connection or memory is served in this order.
#pragma once

namespace pail {

enum class Lane {
  demand,      // somebody waits for it
  ahead,       // somebody is expected to
  background,  // nobody does
};

}  // namespace pail
