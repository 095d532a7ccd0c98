// Threads with names, and waits that end.
#pragma once

#include <chrono>
#include <functional>
#include <string_view>

#include "pailfs/base/stop.h"
#include "schedule/primitives.h"

namespace pail {

// Asks what runs to stop when it is destroyed or assigned to, and joins. The signal mask is that of its maker.
class Thread {
 public:
  Thread() = default;
  // `name`: at most 15 bytes, for ps and debuggers.
  Thread(std::string_view name, std::function<void()> run);
  Thread(std::string_view name, std::function<void(const StopToken& stop)> run);
  Thread(Thread&&) = default;
  Thread& operator=(Thread&& other) noexcept;
  ~Thread() { end(); }

  void join() { thread_.join(); }
  bool joinable() const { return thread_.joinable(); }
  bool is_current() const { return thread_.id() == schedule::this_thread(); }

 private:
  void end();

  StopSource stop_;
  schedule::RunningThread thread_;
};

// False when `stop` came first.
bool sleep_for(std::chrono::nanoseconds time, const StopToken& stop = {});

}  // namespace pail
