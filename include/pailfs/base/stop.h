// Asking work to stop, and hearing of it. As std::stop_token, but built from the locks of base.
//
//   StopSource source;
//   Thread work("worker", [token = source.token()] { while (!token.stop_requested()) step(); });
//   source.request_stop();
//
// All types are handles that are cheap to copy and share one request. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace pail {

class StopState;

class StopToken {
 public:
  StopToken() = default;  // of work that nobody can stop
  bool stop_requested() const;
  bool stop_possible() const { return state_ != nullptr; }

 private:
  friend class StopSource;
  friend class StopCallback;
  explicit StopToken(std::shared_ptr<StopState> state) : state_(std::move(state)) {}
  std::shared_ptr<StopState> state_;
};

class StopSource {
 public:
  StopSource();
  StopToken token() const { return StopToken(state_); }
  bool stop_requested() const { return token().stop_requested(); }
  // Runs the callbacks, one after the other, on the caller's thread. False when the request was made before.
  bool request_stop() const;

 private:
  std::shared_ptr<StopState> state_;
};

// Runs `wake` once when stop is requested, at once where it was before. Destruction takes it back, or waits until it
// has run; inside of `wake` itself it does not wait.
class StopCallback {
 public:
  StopCallback(const StopToken& token, std::function<void()> wake);
  ~StopCallback();
  StopCallback(const StopCallback&) = delete;
  StopCallback& operator=(const StopCallback&) = delete;

 private:
  std::shared_ptr<StopState> state_;
  std::uint64_t id_ = 0;
};

}  // namespace pail
