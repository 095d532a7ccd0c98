// The network of a simulated process: its http::Client hands requests to the world outside and gets its answers.
#pragma once

#include <cstdint>

#include "simulation/messages.h"

namespace pail::simulation {

class Network {
 public:
  virtual ~Network() = default;
  virtual void send(StoreRequest request) = 0;
  virtual void cancel(std::uint64_t id) = 0;
};

// Where the clients of this process send from now on. `network` lives for ever.
void use(Network& network);
// An answer for one of them. One that nobody waits for is dropped.
void arrive(StoreAnswer answer);

}  // namespace pail::simulation
