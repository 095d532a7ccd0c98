// One value that a thread waits for and another one gives.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace pail {

// A handle: copies share the value. Thread-safe.
template <class T>
class Promise {
 public:
  // Once.
  void set(T value) const {
    const MutexLock lock(shared_->mutex);
    shared_->value.emplace(std::move(value));
    shared_->given.notify_all();
  }
  // Waits, and takes the value: once.
  T wait() const {
    const MutexLock lock(shared_->mutex);
    while (!shared_->value) shared_->given.wait(shared_->mutex);
    return *std::exchange(shared_->value, std::nullopt);
  }

 private:
  struct Shared {
    Mutex mutex;
    CondVar given;
    std::optional<T> value PAIL_GUARDED_BY(mutex);
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace pail
