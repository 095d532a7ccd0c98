// What the layers above wait and schedule with: stop tokens, threads and promises.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "base/promise.h"
#include "base/thread.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/stop.h"

namespace pail {
namespace {

using std::chrono::milliseconds;

TEST(StopTest, ATokenOfNobodyIsNeverStopped) {
  const StopToken token;
  EXPECT_FALSE(token.stop_possible());
  EXPECT_FALSE(token.stop_requested());
  const StopCallback never(token, [] { FAIL(); });
}

TEST(StopTest, ARequestIsSeenByAllCopiesAndMadeOnce) {
  const StopSource source, copy = source;
  const StopToken token = source.token();
  EXPECT_TRUE(token.stop_possible());
  EXPECT_FALSE(token.stop_requested());
  EXPECT_TRUE(copy.request_stop());
  EXPECT_TRUE(token.stop_requested());
  EXPECT_TRUE(source.stop_requested());
  EXPECT_FALSE(source.request_stop());
}

TEST(StopTest, CallbacksRunOnceInTheirOrder) {
  const StopSource source;
  std::vector<int> run;
  const StopCallback first(source.token(), [&] { run.push_back(1); });
  const StopCallback second(source.token(), [&] { run.push_back(2); });
  source.request_stop();
  source.request_stop();
  EXPECT_EQ(run, (std::vector<int>{1, 2}));
}

TEST(StopTest, ACallbackThatComesLateRunsAtOnce) {
  const StopSource source;
  source.request_stop();
  bool run = false;
  const StopCallback late(source.token(), [&] { run = true; });
  EXPECT_TRUE(run);
}

TEST(StopTest, ACallbackThatIsTakenBackDoesNotRun) {
  const StopSource source;
  bool run = false;
  std::optional<StopCallback> callback;
  callback.emplace(source.token(), [&] { run = true; });
  callback.reset();
  source.request_stop();
  EXPECT_FALSE(run);
}

TEST(StopTest, TakingBackWaitsForACallbackThatRuns) {
  const StopSource source;
  const Promise<bool> begun, go_on;
  bool ended = false;
  std::optional<StopCallback> callback;
  callback.emplace(source.token(), [&] {
    begun.set(true);
    go_on.wait();
    ended = true;
  });
  Thread stopper("stopper", [&] { source.request_stop(); });
  begun.wait();
  Thread releaser("releaser", [&] {
    (void)sleep_for(milliseconds(20));
    go_on.set(true);
  });
  callback.reset();
  EXPECT_TRUE(ended);
}

TEST(StopTest, ACallbackMayTakeItselfBackAndEndItsSource) {
  auto source = std::make_unique<StopSource>();
  std::optional<StopCallback> callback;
  bool run = false;
  callback.emplace(source->token(), [&] {
    callback.reset();
    source.reset();
    run = true;
  });
  source->request_stop();
  EXPECT_TRUE(run);
}

TEST(ThreadTest, IsAskedToStopAndJoinedWhenItGoes) {
  bool ended = false;
  {
    Thread thread("worker", [&](const StopToken& stop) {
      while (sleep_for(milliseconds(1000), stop)) {
      }
      ended = true;
    });
    EXPECT_TRUE(thread.joinable());
    EXPECT_FALSE(thread.is_current());
  }
  EXPECT_TRUE(ended);
}

TEST(ThreadTest, AssigningAnotherOneEndsTheFirst) {
  const Promise<bool> first_ended;
  Thread thread("first", [&](const StopToken& stop) {
    while (sleep_for(milliseconds(1000), stop)) {
    }
    first_ended.set(true);
  });
  thread = Thread("second", [] {});
  EXPECT_TRUE(first_ended.wait());
}

TEST(ThreadTest, SleepLastsItsTimeUnlessItIsStopped) {
  const SteadyTime begin = system_clock().steady();
  EXPECT_TRUE(sleep_for(milliseconds(20)));
  EXPECT_GE(system_clock().steady() - begin, milliseconds(20));
  const StopSource source;
  source.request_stop();
  EXPECT_FALSE(sleep_for(std::chrono::hours(1), source.token()));
}

TEST(PromiseTest, TheValueIsTakenByWhoeverWaits) {
  const Promise<std::unique_ptr<int>> answer;
  Thread giver("giver", [answer] { answer.set(std::make_unique<int>(7)); });
  EXPECT_EQ(*answer.wait(), 7);
}

}  // namespace
}  // namespace pail
