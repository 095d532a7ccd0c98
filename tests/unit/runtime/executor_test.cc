#include "runtime/executor.h"

#include <gtest/gtest.h>

#include <string>

#include "base/promise.h"
#include "pailfs/base/result.h"

namespace pail::runtime {
namespace {

// One thread, which is kept busy until it is let go: what is given to it meanwhile waits.
class ExecutorTest : public testing::Test {
 protected:
  void SetUp() override {
    executor_.run(Lane::demand, [go = go_] { (void)go.wait(); });
  }
  void run(Lane lane, char note, StopToken stop = {}) {
    executor_.run(
        lane, [this, note] { order_ += note; }, std::move(stop));
  }
  std::string order() {
    go_.set(Unit{});
    executor_.finish();
    return order_;
  }

  Promise<Unit> go_;
  std::string order_;
  Executor executor_{1};
};

TEST_F(ExecutorTest, WhatSomebodyWaitsForRunsBeforeWhatWasGivenEarlier) {
  run(Lane::background, 'c');
  run(Lane::ahead, 'b');
  run(Lane::demand, 'a');
  EXPECT_EQ(order(), "abc");
}

TEST_F(ExecutorTest, ATaskThatWasStoppedBeforeItBeganNeverRuns) {
  const StopSource source;
  run(Lane::demand, 'a', source.token());
  run(Lane::demand, 'b');
  source.request_stop();
  EXPECT_EQ(order(), "b");
}

TEST_F(ExecutorTest, WhatIsQueuedRunsBeforeItEnds) {
  for (int i = 0; i < 50; ++i) run(Lane::background, '.');
  EXPECT_EQ(order(), std::string(50, '.'));
}

}  // namespace
}  // namespace pail::runtime
