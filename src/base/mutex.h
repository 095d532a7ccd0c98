// A mutex with clang's thread-safety annotations: `clang++ -Wthread-safety` then knows what a lock protects.
#pragma once

#include "pailfs/base/clock.h"
#include "schedule/primitives.h"

#if defined(__clang__)
#define PAIL_ANNOTATE(x) __attribute__((x))
#else
#define PAIL_ANNOTATE(x)
#endif
#define PAIL_GUARDED_BY(mutex) PAIL_ANNOTATE(guarded_by(mutex))
#define PAIL_REQUIRES(...) PAIL_ANNOTATE(requires_capability(__VA_ARGS__))
#define PAIL_EXCLUDES(...) PAIL_ANNOTATE(locks_excluded(__VA_ARGS__))
#define PAIL_ACQUIRE(...) PAIL_ANNOTATE(acquire_capability(__VA_ARGS__))
#define PAIL_RELEASE(...) PAIL_ANNOTATE(release_capability(__VA_ARGS__))
#define PAIL_NO_ANALYSIS PAIL_ANNOTATE(no_thread_safety_analysis)

namespace pail {

class PAIL_ANNOTATE(capability("mutex")) Mutex {
 public:
  void lock() PAIL_ACQUIRE() { mutex_.lock(); }
  void unlock() PAIL_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  schedule::Lock mutex_;
};

class PAIL_ANNOTATE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PAIL_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() PAIL_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits on a Mutex the caller holds. Callers loop over their condition: wake-ups may be spurious.
class CondVar {
 public:
  void wait(Mutex& mutex) PAIL_REQUIRES(mutex) { condition_.wait(mutex.mutex_); }
  // False when `until` passed first.
  bool wait_until(Mutex& mutex, SteadyTime until) PAIL_REQUIRES(mutex) {
    return condition_.wait_until(mutex.mutex_, until);
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  schedule::Condition condition_;
};

}  // namespace pail
