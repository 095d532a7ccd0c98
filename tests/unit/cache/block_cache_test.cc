#include "cache/block_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/file.h"
#include "cache_fixture.h"

namespace pail::cache {
namespace {

TEST_F(BlockCacheTest, UnknownObjectIsAMiss) {
  EXPECT_EQ(read(object_of("a", ByteCount{10}), 0, 10), 0u);
  EXPECT_EQ(count("cache_misses"), 1u);
}

TEST_F(BlockCacheTest, InsertedBlockIsReadInPartsAndWhole) {
  const ObjectContent object = object_of("a", 3_MiB);
  insert(object, 1);
  EXPECT_TRUE(cache->contains(object, 1));
  EXPECT_FALSE(cache->contains(object, 0));
  EXPECT_EQ(read(object, (1 << 20) + 5, 100), 100u);
  EXPECT_EQ(read(object, 1 << 20, 1 << 20), std::size_t{1} << 20);
  EXPECT_EQ(read(object, (2 << 20) - 10, 100), 10u);  // the next block is not there
  EXPECT_EQ(read(object, 0, 100), 0u);
}

TEST_F(BlockCacheTest, LastBlockEndsWithTheObject) {
  const ObjectContent object = object_of("a", ByteCount{(1 << 20) + 7});
  insert(object, 0);
  insert(object, 1);
  EXPECT_EQ(read(object, 0, 4 << 20), object.version.size.n);
  EXPECT_EQ(read(object, object.version.size.n, 10), 0u);
}

TEST_F(BlockCacheTest, AnotherETagOrSizeIsAnotherVersion) {
  const ObjectContent object = object_of("a", ByteCount{100});
  insert(object, 0);
  const ObjectVersion changed{object.version.key, "\"other\"", object.version.size};
  EXPECT_EQ(read({cache->identify(changed), changed}, 0, 100), 0u);
  const ObjectVersion shorter = version_of("a", ByteCount{99});
  EXPECT_EQ(read({cache->identify(shorter), shorter}, 0, 99), 0u);
  EXPECT_EQ(read({object.id, shorter}, 0, 99), 0u) << "one content has one size";
}

TEST_F(BlockCacheTest, KeepsBlocksAcrossReopen) {
  const ObjectContent object = object_of("a", 2_MiB);
  insert(object, 0);
  reopen();
  EXPECT_EQ(read(object, 0, 2 << 20), std::size_t{1} << 20);
  EXPECT_EQ(ByteCount{count("cache_bytes")}, 1_MiB);
}

TEST_F(BlockCacheTest, BlockOfTheWrongLengthIsNotTaken) {
  const ObjectContent object = object_of("a", 2_MiB);
  cache->insert(object, 0, std::make_shared<Block>(Block{{}, content(object, 0, 10)}));
  cache->insert(object, 2, std::make_shared<Block>(Block{{}, content(object, 0, 10)}));
  cache->drain();
  EXPECT_EQ(count("cache_skipped_blocks"), 2u);
  EXPECT_FALSE(cache->contains(object, 0));
}

TEST_F(BlockCacheTest, FlippedByteIsAMissAndTheBlockIsForgotten) {
  const ObjectContent object = object_of("a", 2_MiB);
  insert(object, 0);
  insert(object, 1);
  const auto file = open_file(files().at(0), O_RDWR);
  ASSERT_TRUE(write_at(file->get(), ByteOffset{777}, bytes_of("?!")));
  EXPECT_EQ(read(object, 5000, 10), 0u);
  EXPECT_EQ(count("cache_damaged_blocks"), 1u);
  EXPECT_FALSE(cache->contains(object, 0));
  EXPECT_EQ(read(object, 1 << 20, 10), 10u);
  insert(object, 0);
  EXPECT_EQ(read(object, 0, 2 << 20), std::size_t{2} << 20);
}

TEST_F(BlockCacheTest, TruncatedFileIsAMiss) {
  const ObjectContent object = object_of("a", 2_MiB);
  insert(object, 0);
  insert(object, 1);
  EXPECT_EQ(read(object, 0, 10), 10u);  // checked before it is torn
  std::filesystem::resize_file(files().at(0), 100);
  EXPECT_EQ(read(object, 200, 10), 0u);
  EXPECT_EQ(read(object, 1 << 20, 10), 0u);
  EXPECT_EQ(ByteCount{count("cache_bytes")}, ByteCount{0});
}

TEST_F(BlockCacheTest, VanishedFileIsAMissAndIsForgotten) {
  const ObjectContent object = object_of("a", 2_MiB);
  insert(object, 0);
  std::filesystem::remove(files().at(0));
  EXPECT_EQ(read(object, 0, 10), 0u);
  EXPECT_FALSE(cache->contains(object, 0));
  insert(object, 0);
  EXPECT_EQ(read(object, 0, 10), 10u);
}

TEST_F(BlockCacheTest, FilesAreForTheOwnerOnly) {
  insert(object_of("a", 1_MiB), 0);
  struct stat st {};
  ASSERT_EQ(::stat(files().at(0).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

class SmallBlockCacheTest : public BlockCacheTest {
 protected:
  void SetUp() override {
    options.capacity = 4_MiB;
    options.min_free = ByteCount{0};
    reopen();
  }
};

TEST_F(SmallBlockCacheTest, EvictsWhatWasUsedLongestAgo) {
  std::vector<ObjectContent> objects;
  for (const char* key : {"a", "b", "c", "d", "e"}) objects.push_back(object_of(key, 1_MiB));
  for (int i = 0; i < 4; ++i) insert(objects[i], 0);
  EXPECT_EQ(read(objects[0], 0, 1), 1u);
  insert(objects[4], 0);
  EXPECT_TRUE(cache->contains(objects[0], 0));
  EXPECT_FALSE(cache->contains(objects[1], 0));
  EXPECT_TRUE(cache->contains(objects[2], 0));
  EXPECT_TRUE(cache->contains(objects[4], 0));
  EXPECT_EQ(count("cache_evicted_blocks"), 1u);
}

TEST_F(SmallBlockCacheTest, OrderOfUseSurvivesReopen) {
  std::vector<ObjectContent> objects;
  for (const char* key : {"a", "b", "c", "d", "e"}) objects.push_back(object_of(key, 1_MiB));
  for (int i = 0; i < 4; ++i) insert(objects[i], 0);
  EXPECT_EQ(read(objects[0], 0, 1), 1u);
  reopen();
  insert(objects[4], 0);
  EXPECT_TRUE(cache->contains(objects[0], 0));
  EXPECT_FALSE(cache->contains(objects[1], 0));
}

TEST_F(SmallBlockCacheTest, NeverHoldsMoreThanItsCapacity) {
  for (int i = 0; i < 40; ++i) {
    insert(object_of("small" + std::to_string(i), ByteCount{300'000}), 0);
    EXPECT_LE(ByteCount{count("cache_bytes")}, options.capacity);
    EXPECT_LE(disk_usage(), options.capacity);
  }
}

TEST_F(SmallBlockCacheTest, PartOfAHugeObjectStaysWhenItDoesNotFit) {
  options.capacity = 80_MiB;
  options.queue = 256_MiB;
  reopen();
  const ObjectContent object = object_of("huge", 130_MiB);
  for (std::uint64_t number = 0; number < 130; ++number) insert(object, number);
  EXPECT_LE(ByteCount{count("cache_bytes")}, options.capacity);
  EXPECT_LE(disk_usage(), options.capacity);
  EXPECT_FALSE(cache->contains(object, 0));
  EXPECT_EQ(read(object, 0, 10), 0u);
  EXPECT_TRUE(cache->contains(object, 129));
  EXPECT_EQ(read(object, 129 << 20, 10), 10u);
}

TEST_F(SmallBlockCacheTest, SmallerCapacityAppliesAfterReopen) {
  for (const char* key : {"a", "b", "c", "d"}) insert(object_of(key, 1_MiB), 0);
  options.capacity = 2_MiB;
  reopen();
  insert(object_of("e", 1_MiB), 0);
  EXPECT_LE(disk_usage(), options.capacity);
}

TEST_F(SmallBlockCacheTest, BlockLargerThanTheCapacityIsSkipped) {
  options.capacity = ByteCount{1 << 19};
  reopen();
  insert(object_of("a", 1_MiB), 0);
  EXPECT_EQ(count("cache_skipped_blocks"), 1u);
  EXPECT_EQ(disk_usage(), ByteCount{0});
}

TEST_F(BlockCacheTest, NothingIsCachedBelowTheFloorOfTheDisk) {
  options.min_free = ByteCount{1ull << 60};
  reopen();
  insert(object_of("a", 1_MiB), 0);
  EXPECT_EQ(count("cache_skipped_blocks"), 1u);
  EXPECT_TRUE(files().empty());
}

TEST_F(BlockCacheTest, BlocksThatFindTheQueueFullAreSkipped) {
  options.queue = ByteCount{1000};
  reopen();
  insert(object_of("a", 1_MiB), 0);
  EXPECT_EQ(count("cache_skipped_blocks"), 1u);
  EXPECT_FALSE(cache->contains(object_of("a", 1_MiB), 0));
}

TEST_F(BlockCacheTest, DroppedObjectIsGone) {
  const ObjectContent object = object_of("a", 1_MiB);
  insert(object, 0);
  cache->drop(object);
  EXPECT_EQ(read(object, 0, 10), 0u);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(ByteCount{count("cache_bytes")}, ByteCount{0});
}

TEST_F(BlockCacheAdoptTest, AdoptedFileIsReadWithoutCopying) {
  const ObjectContent object = object_of("a", ByteCount{(2 << 20) + 5});
  const auto file = write_whole(object);
  EXPECT_TRUE(cache->adopt(object, file, checksums(object)));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(read(object, 0, 4 << 20), object.version.size.n);
}

TEST_F(BlockCacheAdoptTest, AdoptionReplacesBlocksOfTheSameVersion) {
  const ObjectContent object = object_of("a", 2_MiB);
  insert(object, 1);
  EXPECT_EQ(read(object, 1 << 20, 10), 10u);
  EXPECT_TRUE(cache->adopt(object, write_whole(object), checksums(object)));
  EXPECT_EQ(read(object, 0, 4 << 20), object.version.size.n);
  EXPECT_EQ(ByteCount{count("cache_bytes")}, 2_MiB);
}

TEST_F(BlockCacheAdoptTest, FileThatDoesNotFitIsLeftAlone) {
  const ObjectContent object = object_of("a", 2_MiB);
  const auto file = write_whole(object);
  ObjectContent larger = object;
  larger.version.size = 3_MiB;
  EXPECT_FALSE(cache->adopt(larger, file, checksums(larger)));
  EXPECT_FALSE(cache->adopt(object, file, {1}));
  options.capacity = 1_MiB;
  reopen();
  EXPECT_FALSE(cache->adopt(object, file, checksums(object)));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(BlockCacheAdoptTest, WrongChecksumIsAMissNotAWrongByte) {
  const ObjectContent object = object_of("a", 1_MiB);
  EXPECT_TRUE(cache->adopt(object, write_whole(object), {42}));
  EXPECT_EQ(read(object, 0, 10), 0u);
}

TEST_F(BlockCacheTest, WhatAKilledProcessWroteIsReadOrMissedNeverWrong) {
  const ObjectContent object = object_of("a", 8_MiB);
  cache.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    reopen();
    insert(object, 0);
    for (std::uint64_t number = 1; number < 8; ++number) cache->insert(object, number, block_of(object, number));
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  reopen();
  EXPECT_EQ(read(object, 0, 1 << 20), std::size_t{1} << 20);
  for (std::uint64_t number = 1; number < 8; ++number) read(object, number << 20, 1 << 20);
}

TEST_F(BlockCacheTest, FilesWithoutRecordsAreSwept) {
  const ObjectContent object = object_of("a", 1_MiB);
  insert(object, 0);
  cache.reset();
  std::filesystem::remove_all(directory.path() / "index");  // as if it had been set aside
  reopen();
  // One directory is swept after each batch.
  for (int i = 0; i < 256; ++i) insert(object_of("other" + std::to_string(i), ByteCount{1}), 0);
  EXPECT_FALSE(cache->contains(object, 0));
  EXPECT_EQ(files().size(), 256u);
}

TEST_F(BlockCacheTest, ReadersSeeRightBytesWhileBlocksAreEvicted) {
  options.capacity = 70_MiB;
  reopen();
  const ObjectContent huge = object_of("huge", 200_MiB);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (unsigned seed = 0; seed < 2; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937 random(seed);
      while (!stop) read(huge, random() % huge.version.size.n, 1 + random() % 70'000);
    });
  }
  std::thread inserter([&] {
    for (std::uint64_t number = 0; number < 200; ++number) {
      cache->insert(huge, number, block_of(huge, number));
      if (number % 16 == 0) cache->drain();
      if (number == 100) cache->drop(huge);
    }
  });
  inserter.join();
  cache->drain();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(count("cache_damaged_blocks"), 0u);
  EXPECT_LE(ByteCount{count("cache_bytes")}, options.capacity);
}

}  // namespace
}  // namespace pail::cache
