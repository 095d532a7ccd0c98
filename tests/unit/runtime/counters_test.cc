#include "runtime/counters.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/thread.h"

namespace pail::runtime {
namespace {

std::string text_of(const std::vector<Counters::Value>& values) {
  std::string text;
  for (const auto& [name, value] : values) text += std::string(name) + "=" + std::to_string(value) + " ";
  return text;
}

TEST(Counters, AreToldInTheOrderOfTheirNames) {
  Counters counters;
  const auto written = counters.counter("written_bytes");
  const auto used = counters.gauge("memory_bytes");
  const auto hits = counters.counter("cache_hits");
  written.add(4096);
  hits.add();
  hits.add();
  used.set(7);
  EXPECT_EQ(text_of(counters.values()), "cache_hits=2 memory_bytes=7 written_bytes=4096 ");
}

TEST(Counters, OneThatWasNotChangedIsToldAsZero) {
  Counters counters;
  const auto hits = counters.counter("cache_hits");
  EXPECT_EQ(text_of(counters.values()), "cache_hits=0 ");
}

TEST(Counters, ANameThatNobodyHasIsZero) {
  EXPECT_EQ(Counters().value("absent"), 0u);
}

TEST(CountersDeathTest, ANameIsGivenOnce) {
  Counters counters;
  const auto hits = counters.counter("cache_hits");
  EXPECT_DEATH(static_cast<void>(counters.gauge("cache_hits")), "is_new");
}

TEST(Counters, NothingThatThreadsCountIsLost) {
  Counters counters;
  const auto hits = counters.counter("cache_hits");
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back("counter", [copy = hits] {
        for (int round = 0; round < 10'000; ++round) copy.add();
      });
    for (Thread& thread : threads) thread.join();
  }
  EXPECT_EQ(counters.value("cache_hits"), 40'000u);
}

TEST(Counters, AGaugeRisesToItsBoundAndNotBeyond) {
  Counters counters;
  const auto used = counters.gauge("memory_bytes");
  EXPECT_TRUE(used.add_within(6, 10));
  EXPECT_FALSE(used.add_within(5, 10));
  EXPECT_TRUE(used.add_within(4, 10));
  used.add(5);
  EXPECT_FALSE(used.add_within(0, 10)) << "it is beyond";
  used.subtract(6);
  EXPECT_EQ(counters.value("memory_bytes"), 9u);
}

TEST(Counters, AnOwnerMayOutliveThem) {
  std::optional<Counters> counters(std::in_place);
  const auto hits = counters->counter("cache_hits");
  counters.reset();
  hits.add();
}

}  // namespace
}  // namespace pail::runtime
