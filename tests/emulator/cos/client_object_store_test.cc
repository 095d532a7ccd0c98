// A blocking client as an ObjectStore: which thread carries what, and what waits for what.
#include "cos/client_object_store.h"

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "emulator_fixture.h"

namespace pail::cos {
namespace {

using namespace std::chrono_literals;
using emulator::FaultKind;

class ClientObjectStoreTest : public EmulatorTest {
 protected:
  // A client of its own, which the store shares.
  std::shared_ptr<ObjectStore> bucket() {
    return client_object_store(std::shared_ptr<Client>(std::move(connection_.store)), "bucket");
  }
};

TEST_F(ClientObjectStoreTest, AStartedCallAnswersOnAnotherThreadThanTheCallers) {
  ASSERT_TRUE(put("a", "content"));
  const auto store = bucket();
  std::promise<std::thread::id> thread;
  store->head_object("a", {}, [&](Result<ObjectInfo> info) {
    EXPECT_TRUE(info && info->size.n == 7);
    thread.set_value(std::this_thread::get_id());
  });
  EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
}

TEST_F(ClientObjectStoreTest, AStartedHeadIsAnsweredWhileMorePutsThanThreadsAreStuck) {
  ASSERT_TRUE(put("a", "content"));
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::stall});
  const auto store = bucket();
  const StopSource end;
  std::atomic<int> ended{0};
  for (int i = 0; i < 32; ++i)
    store->put_object({.key = "slow"}, end.token(), [&](Result<PutResult> result) {
      EXPECT_EQ(errnum_of(result), EINTR);
      ++ended;
    });
  std::promise<Result<ObjectInfo>> head;
  store->head_object("a", {}, [&](Result<ObjectInfo> info) { head.set_value(std::move(info)); });
  EXPECT_TRUE(head.get_future().get());
  EXPECT_EQ(ended, 0);
  end.request_stop();
  while (ended < 32) std::this_thread::sleep_for(1ms);
}

TEST_F(ClientObjectStoreTest, AWaitingCallNeedsNoneOfTheThreads) {
  ASSERT_TRUE(put("a", "content"));
  server_->add_fault({.operations = {"HeadObject"}, .key_prefix = "slow", .kind = FaultKind::stall});
  const auto store = bucket();
  const StopSource end;
  std::atomic<int> ended{0};
  for (int i = 0; i < 32; ++i) store->head_object("slow", end.token(), [&](Result<ObjectInfo>) { ++ended; });
  EXPECT_TRUE(store->head_object("a"));
  EXPECT_EQ(ended, 0);
  end.request_stop();
  while (ended < 32) std::this_thread::sleep_for(1ms);
}

TEST_F(ClientObjectStoreTest, ItsEndWaitsForWhatWasStarted) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::stall, .times = 1, .stall_time = 200ms});
  std::optional<Fault> put;
  bucket()->put_object({.key = "a"}, {}, [&](Result<PutResult> result) { put = fault_of(result); });
  EXPECT_EQ(put, Fault::none);
}

}  // namespace
}  // namespace pail::cos
