// What a mount has done so far, and what it holds: numbers with names.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace pail::runtime {

// Each number has one owner, who asks for it once and changes it; a change is one relaxed atomic, and numbers read
// together need not be of one moment. Thread-safe. The owner's handles may outlive the counters.
class Counters {
 private:
  using Cell = std::atomic<std::uint64_t>;

 public:
  // A number that only grows. Copies of it count together.
  class Counter {
   public:
    void add(std::uint64_t more = 1) const { cell_->fetch_add(more, std::memory_order_relaxed); }
    std::uint64_t value() const { return cell_->load(std::memory_order_relaxed); }

   private:
    friend Counters;
    explicit Counter(std::shared_ptr<Cell> cell) : cell_(std::move(cell)) {}
    std::shared_ptr<Cell> cell_;
  };

  // A number that rises and falls. Copies of it are one.
  class Gauge {
   public:
    void set(std::uint64_t value) const { cell_->store(value, std::memory_order_relaxed); }
    void add(std::uint64_t more) const { cell_->fetch_add(more, std::memory_order_relaxed); }
    // False, and nothing is added, when that would be more than `most`.
    bool add_within(std::uint64_t more, std::uint64_t most) const;
    void subtract(std::uint64_t less) const { cell_->fetch_sub(less, std::memory_order_relaxed); }
    std::uint64_t value() const { return cell_->load(std::memory_order_relaxed); }

   private:
    friend Counters;
    explicit Gauge(std::shared_ptr<Cell> cell) : cell_(std::move(cell)) {}
    std::shared_ptr<Cell> cell_;
  };

  struct Value {
    std::string_view name;
    std::uint64_t value = 0;
  };

  // `name`: of static duration, and one that nobody else has asked for. Its last word says what is counted.
  Counter counter(std::string_view name) PAIL_EXCLUDES(mutex_) { return Counter(make(name)); }
  Gauge gauge(std::string_view name) PAIL_EXCLUDES(mutex_) { return Gauge(make(name)); }

  // All of them, in the order of their names.
  std::vector<Value> values() const PAIL_EXCLUDES(mutex_);
  // Of one; 0 where there is none of that name.
  std::uint64_t value(std::string_view name) const PAIL_EXCLUDES(mutex_);

 private:
  std::shared_ptr<Cell> make(std::string_view name) PAIL_EXCLUDES(mutex_);

  mutable Mutex mutex_;
  std::map<std::string_view, std::shared_ptr<Cell>> cells_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::runtime
