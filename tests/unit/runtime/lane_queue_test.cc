#include "runtime/lane_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace pail::runtime {
namespace {

std::string drained(LaneQueue<char>& queue) {
  std::string order;
  while (!queue.empty()) order += queue.pop();
  return order;
}

TEST(LaneQueue, ServesTheMoreUrgentFirstAndEachLaneInOrder) {
  LaneQueue<char> queue;
  for (const auto& [lane, value] : {std::pair(Lane::background, 'x'),
                                    {Lane::ahead, 'm'},
                                    {Lane::demand, 'a'},
                                    {Lane::background, 'y'},
                                    {Lane::ahead, 'n'},
                                    {Lane::demand, 'b'}})
    queue.push(lane, value);
  EXPECT_EQ(drained(queue), "abmnxy");
}

TEST(LaneQueue, EachLaneGoesOnHoweverMuchIsMoreUrgent) {
  LaneQueue<char> queue;
  for (int i = 0; i < 2; ++i) {
    queue.push(Lane::ahead, 'm');
    queue.push(Lane::background, 'x');
  }
  for (int i = 0; i < 40; ++i) queue.push(Lane::demand, '.');
  const std::string row(LaneQueue<char>::kMostPassed, '.');
  EXPECT_EQ(drained(queue), row + "mx" + row + "mx" + std::string(8, '.'));
}

TEST(LaneQueue, WhatIsTakenBackIsNotServed) {
  LaneQueue<char> queue;
  for (const char value : {'a', 'b', 'c'}) queue.push(Lane::ahead, value);
  queue.erase(Lane::ahead, 'b');
  queue.erase(Lane::demand, 'a');
  EXPECT_EQ(drained(queue), "ac");
}

}  // namespace
}  // namespace pail::runtime
