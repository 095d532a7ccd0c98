// Whose memory the blocks are that are read, and which of them go first.
#include "vfs/block_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/promise.h"
#include "fake_store/fake_store.h"

namespace pail::vfs {
namespace {

using cache::Block;
using cache::kBlockSize;
using cache::ObjectContent;
using cache::ObjectVersion;
using fake::Hold;
using fake::Moment;
using fake::Operation;

// A disk that writes nothing: blocks wait in its queue for as long as the test pleases.
class SlowCache final : public cache::BlockCache {
 public:
  cache::ContentId identify(const ObjectVersion&) override { return cache::ContentId::make(); }
  void copied(std::span<const cache::Copy>) override {}
  std::size_t read(const ObjectContent&, ByteOffset, std::span<std::byte>) override {
    const MutexLock lock(mutex_);
    readers_.push_back(std::this_thread::get_id());
    return 0;
  }
  bool contains(const ObjectContent&, std::uint64_t) override { return false; }
  void insert(const ObjectContent&, std::uint64_t, std::shared_ptr<const Block> block) override {
    const MutexLock lock(mutex_);
    if (keeps_) queue_.push_back(std::move(block));
  }
  bool adopt(const ObjectContent&, const std::filesystem::path&, const std::vector<std::uint64_t>&) override {
    return false;
  }
  void drop(const ObjectContent&) override {}
  void drain() override {
    const MutexLock lock(mutex_);
    queue_.clear();
  }

  void keep_what_comes() {
    const MutexLock lock(mutex_);
    keeps_ = true;
  }
  // Who looked for blocks, in this order.
  std::vector<std::thread::id> readers() {
    const MutexLock lock(mutex_);
    return readers_;
  }

 private:
  Mutex mutex_;
  std::vector<std::thread::id> readers_ PAIL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<const Block>> queue_ PAIL_GUARDED_BY(mutex_);
  bool keeps_ PAIL_GUARDED_BY(mutex_) = false;
};

class BlockReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    store_.put_zeros("f", 64_MiB);
    content_ = ObjectContent{cache::ContentId::make(), {"f", store_.info("f")->etag.text, 64_MiB}};
  }

  static Extent block(std::uint64_t number) {
    const ByteOffset begin{number * kBlockSize.n};
    return {begin, begin + kBlockSize};
  }
  // The whole block. Blocks that lie far from each other make no stream: nothing is read ahead of them.
  Result<ReadData> read(std::uint64_t number) {
    auto data = reader_.read_now(*content_, kFile, block(number), {});
    settle();
    return data;
  }
  // The store carries out one request after the other: what was asked before has ended.
  void settle() { EXPECT_FALSE(store_.head_object("absent")); }
  unsigned fetches() const { return store_.count(Operation::get_object_range); }
  ByteCount in_use() const { return memory_.in_use(); }

  static constexpr InodeNumber kFile = 7;
  runtime::Counters counters_;
  runtime::MemoryBudget memory_{3_MiB, counters_};
  fake::FakeStore store_;
  SlowCache cache_;
  BlockReader reader_{store_, cache_, memory_, counters_};
  std::optional<ObjectContent> content_;
};

TEST_F(BlockReaderTest, BlocksAreTakenFromTheBudgetUntilTheReaderEnds) {
  {
    runtime::Counters others;
    BlockReader other(store_, cache_, memory_, others);
    const Hold hold = store_.hold({.operation = Operation::get_object_range}, Moment::before);
    other.read(*content_, kFile, block(9), {}, [](const Result<ReadData>&) {});
    ASSERT_TRUE(hold.await());
    EXPECT_EQ(in_use(), 1_MiB) << "in flight";
    hold.release();
    settle();
    EXPECT_EQ(in_use(), 1_MiB) << "kept";
  }
  EXPECT_EQ(in_use(), ByteCount{0});
}

TEST_F(BlockReaderTest, WhatWasUsedLongestAgoMakesRoom) {
  for (const std::uint64_t number : {10, 20, 30}) ASSERT_TRUE(read(number));
  ASSERT_TRUE(read(10));
  ASSERT_EQ(fetches(), 3u);
  ASSERT_TRUE(read(40));
  EXPECT_EQ(in_use(), memory_.bound());
  ASSERT_TRUE(read(10));
  EXPECT_EQ(fetches(), 4u) << "it is still in memory";
  ASSERT_TRUE(read(20));
  EXPECT_EQ(fetches(), 5u) << "it was let go";
}

TEST_F(BlockReaderTest, AReaderDoesNotWaitForMemoryThatOthersHold) {
  const auto others = memory_.take_regardless(memory_.bound());
  EXPECT_TRUE(read(10));
  EXPECT_EQ(in_use(), memory_.bound() + 1_MiB);
}

TEST_F(BlockReaderTest, ReadAheadGoesAsFarAsTheMemoryThatIsFree) {
  ASSERT_TRUE(reader_.read_now(*content_, kFile, block(0), {}));
  settle();
  EXPECT_EQ(in_use(), memory_.bound());
}

TEST_F(BlockReaderTest, NothingIsReadAheadIntoMemoryThatOthersHold) {
  const auto others = memory_.try_take(2_MiB);
  ASSERT_TRUE(reader_.read_now(*content_, kFile, block(0), {}));
  settle();
  EXPECT_EQ(in_use(), memory_.bound());
  EXPECT_EQ(fetches(), 1u);
}

TEST_F(BlockReaderTest, ABlockInTheQueueForTheDiskHoldsItsMemory) {
  cache_.keep_what_comes();
  for (const std::uint64_t number : {10, 20, 30, 40}) ASSERT_TRUE(read(number));
  EXPECT_EQ(in_use(), 4_MiB) << "letting go of one would give nothing back";
  ASSERT_TRUE(read(10));
  EXPECT_EQ(fetches(), 4u) << "so none was";
  cache_.drain();
  ASSERT_TRUE(read(50));
  EXPECT_EQ(in_use(), memory_.bound());
}

TEST_F(BlockReaderTest, ABlockThatIsBeingAnsweredHoldsItsMemory) {
  std::optional<Result<ReadData>> data = read(10);
  ASSERT_TRUE(read(20) && read(30));
  for (const std::uint64_t number : {40, 50, 60}) ASSERT_TRUE(read(number));
  EXPECT_EQ(in_use(), memory_.bound());
  ASSERT_TRUE(read(10));
  EXPECT_EQ(fetches(), 6u) << "its bytes are in memory, so they are used";
  data.reset();
  for (const std::uint64_t number : {20, 30, 40}) ASSERT_TRUE(read(number));
  EXPECT_EQ(in_use(), memory_.bound());
}

TEST_F(BlockReaderTest, AFetchThatFailedGivesItsMemoryBack) {
  store_.fail({.operation = Operation::get_object_range}, {.fault = Fault::trouble});
  EXPECT_FALSE(read(10));
  EXPECT_EQ(in_use(), ByteCount{0});
}

// A fetch of the content under the name of before, for which others wait under the present one.
class MovedContentTest : public BlockReaderTest {
 protected:
  void SetUp() override {
    BlockReaderTest::SetUp();
    store_.put_zeros("g", 64_MiB);
    moved_ = ObjectContent{content_->id, {"g", store_.info("g")->etag.text, 64_MiB}};
  }

  const fake::Match before_{.operation = Operation::get_object_range, .key = "f"};
  std::optional<ObjectContent> moved_;
};

TEST_F(MovedContentTest, NoDiskIsReadOnTheThreadOfTheStoreWhenItIsAskedForAnew) {
  store_.remove("f");
  std::thread::id answered;
  const Hold hold = store_.hold(before_, Moment::before);
  reader_.read(*content_, kFile, block(9), {}, [&](const Result<ReadData>&) { answered = std::this_thread::get_id(); });
  ASSERT_TRUE(hold.await());
  const Promise<Result<ReadData>> data;
  reader_.read(*moved_, kFile, block(9), {}, [data](Result<ReadData> found) { data.set(std::move(found)); });
  hold.release();
  EXPECT_TRUE(data.wait());
  settle();
  const auto readers = cache_.readers();
  ASSERT_EQ(readers.size(), 2u) << "the first read, and the one that asks anew";
  EXPECT_NE(readers.back(), answered);
}

TEST_F(MovedContentTest, AReaderThatEndsAnswersWhatIsAskedForAnew) {
  store_.remove("f");
  std::atomic<unsigned> answers = 0;
  {
    runtime::Counters counters;
    BlockReader other(store_, cache_, memory_, counters);
    const Hold hold = store_.hold(before_, Moment::before);
    other.read(*content_, kFile, block(9), {}, [&](const Result<ReadData>&) { ++answers; });
    ASSERT_TRUE(hold.await());
    other.read(*moved_, kFile, block(9), {}, [&](const Result<ReadData>&) { ++answers; });
    hold.release();
  }
  EXPECT_EQ(answers, 2u);
}

}  // namespace
}  // namespace pail::vfs
