#include "pailfs/base/stop.h"

#include <atomic>
#include <map>
#include <utility>

#include "base/mutex.h"

namespace pail {

class StopState {
 public:
  using Id = std::uint64_t;

  bool requested() const { return requested_.load(std::memory_order_acquire); }
  bool request() PAIL_EXCLUDES(mutex_);
  // 0: stop was requested before, and `wake` was not taken.
  Id add(std::function<void()>& wake) PAIL_EXCLUDES(mutex_);
  void remove(Id id) PAIL_EXCLUDES(mutex_);

 private:
  std::function<void()> next() PAIL_EXCLUDES(mutex_);

  std::atomic<bool> requested_{false};
  Mutex mutex_;
  CondVar ended_;
  Id last_id_ PAIL_GUARDED_BY(mutex_) = 0;
  std::map<Id, std::function<void()>> callbacks_ PAIL_GUARDED_BY(mutex_);
  Id running_ PAIL_GUARDED_BY(mutex_) = 0;
  schedule::ThreadId runner_ PAIL_GUARDED_BY(mutex_);
};

bool StopState::request() {
  {
    const MutexLock lock(mutex_);
    if (requested()) return false;
    requested_.store(true, std::memory_order_release);
    runner_ = schedule::this_thread();
  }
  while (const auto wake = next()) wake();
  return true;
}

// Ends the one that ran before.
std::function<void()> StopState::next() {
  const MutexLock lock(mutex_);
  running_ = 0;
  ended_.notify_all();
  if (callbacks_.empty()) return nullptr;
  auto first = callbacks_.extract(callbacks_.begin());
  running_ = first.key();
  return std::move(first.mapped());
}

StopState::Id StopState::add(std::function<void()>& wake) {
  const MutexLock lock(mutex_);
  if (requested()) return 0;
  callbacks_.emplace(++last_id_, std::move(wake));
  return last_id_;
}

void StopState::remove(Id id) {
  std::function<void()> taken_back;  // goes when the lock is released
  const MutexLock lock(mutex_);
  if (auto waiting = callbacks_.extract(id)) {
    taken_back = std::move(waiting.mapped());
    return;
  }
  while (running_ == id && runner_ != schedule::this_thread()) ended_.wait(mutex_);
}

bool StopToken::stop_requested() const {
  return state_ != nullptr && state_->requested();
}

StopSource::StopSource() : state_(std::make_shared<StopState>()) {}

bool StopSource::request_stop() const {
  const std::shared_ptr<StopState> state = state_;  // a callback may destroy this source
  return state->request();
}

StopCallback::StopCallback(const StopToken& token, std::function<void()> wake) : state_(token.state_) {
  if (state_ == nullptr) return;
  id_ = state_->add(wake);
  if (id_ == 0) wake();
}

StopCallback::~StopCallback() {
  if (id_ != 0) state_->remove(id_);
}

}  // namespace pail
