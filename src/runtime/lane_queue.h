// What waits for its turn: demand before ahead before background, and first come first served inside of a lane.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <utility>

#include "pailfs/base/lane.h"

namespace pail::runtime {

// No lane waits for ever: after kMostPassed others of more urgent lanes in a row it is the turn of its first one.
// One thread at a time.
template <class T>
class LaneQueue {
 public:
  static constexpr unsigned kMostPassed = 16;

  void push(Lane lane, T value) { waiting_[index_of(lane)].values.push_back(std::move(value)); }
  bool empty() const {
    return std::ranges::all_of(waiting_, [](const Waiting& lane) { return lane.values.empty(); });
  }
  // Not of an empty queue.
  T pop() {
    const std::size_t chosen = choose();
    waiting_[chosen].passed = 0;
    for (std::size_t lane = chosen + 1; lane < waiting_.size(); ++lane)
      if (!waiting_[lane].values.empty()) ++waiting_[lane].passed;
    T value = std::move(waiting_[chosen].values.front());
    waiting_[chosen].values.pop_front();
    return value;
  }
  void erase(Lane lane, const T& value) { std::erase(waiting_[index_of(lane)].values, value); }

 private:
  struct Waiting {
    std::deque<T> values;
    unsigned passed = 0;  // by others, since the first one here is the first
  };

  static std::size_t index_of(Lane lane) { return static_cast<std::size_t>(lane); }
  std::size_t choose() const {
    const auto its_turn = [](const Waiting& lane) { return !lane.values.empty() && lane.passed >= kMostPassed; };
    auto chosen = std::ranges::find_if(waiting_, its_turn);
    if (chosen == waiting_.end())
      chosen = std::ranges::find_if(waiting_, [](const Waiting& lane) { return !lane.values.empty(); });
    return static_cast<std::size_t>(chosen - waiting_.begin());
  }

  std::array<Waiting, 3> waiting_;  // by lane
};

}  // namespace pail::runtime
