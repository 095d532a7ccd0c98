#include "cache/block_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "../temporary_directory.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "base/file.h"

namespace pail::cache {
namespace {

ObjectVersion object_of(std::string key, ByteCount size) {
  return {std::move(key), "\"etag\"", size};
}

// Bytes that tell which object and which place they are of.
std::vector<std::byte> content(const ObjectVersion& object, std::uint64_t at, std::size_t size) {
  std::vector<std::byte> bytes(size);
  const std::uint64_t salt = xxh3(bytes_of(object.key + object.etag));
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((at + i) * 251 % 65521 + salt);
  return bytes;
}

std::shared_ptr<const Block> block_of(const ObjectVersion& object, std::uint64_t number) {
  const std::uint64_t begin = number * kBlockSize.n;
  return std::make_shared<Block>(Block{content(object, begin, std::min(kBlockSize.n, object.size.n - begin))});
}

class BlockCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options.capacity = 64_MiB;
    options.min_free = ByteCount{0};
    reopen();
  }

  void reopen() {
    cache.reset();
    auto opened = BlockCache::open(directory.path(), "test", options, system_clock());
    ASSERT_TRUE(opened) << opened.error().context;
    cache = *std::move(opened);
  }

  void insert(const ObjectVersion& object, std::uint64_t number) {
    cache->insert(object, number, block_of(object, number));
    cache->drain();
  }

  // What a read of [at, at + size) gives; checks that every byte of it is right.
  std::size_t read(const ObjectVersion& object, std::uint64_t at, std::size_t size) {
    std::vector<std::byte> out(size);
    const std::size_t n = cache->read(object, ByteOffset{at}, out);
    out.resize(n);
    EXPECT_TRUE(out == content(object, at, n)) << object.key << " at " << at;
    return n;
  }

  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path() / "blocks"))
      if (entry.is_regular_file()) found.push_back(entry.path());
    return found;
  }

  ByteCount disk_usage() const {
    ByteCount total;
    for (const auto& file : files()) {
      struct stat st {};
      if (::stat(file.c_str(), &st) == 0) total.n += static_cast<std::uint64_t>(st.st_blocks) * 512;
    }
    return total;
  }

  TemporaryDirectory directory;
  BlockCacheOptions options;
  std::unique_ptr<BlockCache> cache;
};

TEST_F(BlockCacheTest, UnknownObjectIsAMiss) {
  EXPECT_EQ(read(object_of("a", ByteCount{10}), 0, 10), 0u);
  EXPECT_EQ(cache->counters().misses, 1u);
}

TEST_F(BlockCacheTest, InsertedBlockIsReadInPartsAndWhole) {
  const ObjectVersion object = object_of("a", 3_MiB);
  insert(object, 1);
  EXPECT_TRUE(cache->contains(object, 1));
  EXPECT_FALSE(cache->contains(object, 0));
  EXPECT_EQ(read(object, (1 << 20) + 5, 100), 100u);
  EXPECT_EQ(read(object, 1 << 20, 1 << 20), std::size_t{1} << 20);
  EXPECT_EQ(read(object, (2 << 20) - 10, 100), 10u);  // the next block is not there
  EXPECT_EQ(read(object, 0, 100), 0u);
}

TEST_F(BlockCacheTest, LastBlockEndsWithTheObject) {
  const ObjectVersion object = object_of("a", ByteCount{(1 << 20) + 7});
  insert(object, 0);
  insert(object, 1);
  EXPECT_EQ(read(object, 0, 4 << 20), object.size.n);
  EXPECT_EQ(read(object, object.size.n, 10), 0u);
}

TEST_F(BlockCacheTest, AnotherETagOrSizeIsAnotherVersion) {
  const ObjectVersion object = object_of("a", ByteCount{100});
  insert(object, 0);
  ObjectVersion changed = object;
  changed.etag = "\"other\"";
  EXPECT_EQ(read(changed, 0, 100), 0u);
  changed = object;
  changed.size = ByteCount{99};
  EXPECT_EQ(read(changed, 0, 99), 0u);
}

TEST_F(BlockCacheTest, KeepsBlocksAcrossReopen) {
  const ObjectVersion object = object_of("a", 2_MiB);
  insert(object, 0);
  reopen();
  EXPECT_EQ(read(object, 0, 2 << 20), std::size_t{1} << 20);
  EXPECT_EQ(cache->counters().bytes, 1_MiB);
}

TEST_F(BlockCacheTest, BlockOfTheWrongLengthIsNotTaken) {
  const ObjectVersion object = object_of("a", 2_MiB);
  cache->insert(object, 0, std::make_shared<Block>(Block{content(object, 0, 10)}));
  cache->insert(object, 2, std::make_shared<Block>(Block{content(object, 0, 10)}));
  cache->drain();
  EXPECT_EQ(cache->counters().skipped, 2u);
  EXPECT_FALSE(cache->contains(object, 0));
}

TEST_F(BlockCacheTest, FlippedByteIsAMissAndTheBlockIsForgotten) {
  const ObjectVersion object = object_of("a", 2_MiB);
  insert(object, 0);
  insert(object, 1);
  const auto file = open_file(files().at(0), O_RDWR);
  ASSERT_TRUE(write_at(file->get(), ByteOffset{777}, bytes_of("?!")));
  EXPECT_EQ(read(object, 5000, 10), 0u);
  EXPECT_EQ(cache->counters().damaged, 1u);
  EXPECT_FALSE(cache->contains(object, 0));
  EXPECT_EQ(read(object, 1 << 20, 10), 10u);
  insert(object, 0);
  EXPECT_EQ(read(object, 0, 2 << 20), std::size_t{2} << 20);
}

TEST_F(BlockCacheTest, TruncatedFileIsAMiss) {
  const ObjectVersion object = object_of("a", 2_MiB);
  insert(object, 0);
  insert(object, 1);
  EXPECT_EQ(read(object, 0, 10), 10u);  // checked before it is torn
  std::filesystem::resize_file(files().at(0), 100);
  EXPECT_EQ(read(object, 200, 10), 0u);
  EXPECT_EQ(read(object, 1 << 20, 10), 0u);
  EXPECT_EQ(cache->counters().bytes, ByteCount{0});
}

TEST_F(BlockCacheTest, VanishedFileIsAMissAndIsForgotten) {
  const ObjectVersion object = object_of("a", 2_MiB);
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
  std::vector<ObjectVersion> objects;
  for (const char* key : {"a", "b", "c", "d", "e"}) objects.push_back(object_of(key, 1_MiB));
  for (int i = 0; i < 4; ++i) insert(objects[i], 0);
  EXPECT_EQ(read(objects[0], 0, 1), 1u);
  insert(objects[4], 0);
  EXPECT_TRUE(cache->contains(objects[0], 0));
  EXPECT_FALSE(cache->contains(objects[1], 0));
  EXPECT_TRUE(cache->contains(objects[2], 0));
  EXPECT_TRUE(cache->contains(objects[4], 0));
  EXPECT_EQ(cache->counters().evicted, 1u);
}

TEST_F(SmallBlockCacheTest, OrderOfUseSurvivesReopen) {
  std::vector<ObjectVersion> objects;
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
    EXPECT_LE(cache->counters().bytes, options.capacity);
    EXPECT_LE(disk_usage(), options.capacity);
  }
}

TEST_F(SmallBlockCacheTest, PartOfAHugeObjectStaysWhenItDoesNotFit) {
  options.capacity = 80_MiB;
  options.queue = 256_MiB;
  reopen();
  const ObjectVersion object = object_of("huge", 130_MiB);
  for (std::uint64_t number = 0; number < 130; ++number) insert(object, number);
  EXPECT_LE(cache->counters().bytes, options.capacity);
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
  EXPECT_EQ(cache->counters().skipped, 1u);
  EXPECT_EQ(disk_usage(), ByteCount{0});
}

TEST_F(BlockCacheTest, NothingIsCachedBelowTheFloorOfTheDisk) {
  options.min_free = ByteCount{1ull << 60};
  reopen();
  insert(object_of("a", 1_MiB), 0);
  EXPECT_EQ(cache->counters().skipped, 1u);
  EXPECT_TRUE(files().empty());
}

TEST_F(BlockCacheTest, BlocksThatFindTheQueueFullAreSkipped) {
  options.queue = ByteCount{1000};
  reopen();
  insert(object_of("a", 1_MiB), 0);
  EXPECT_EQ(cache->counters().skipped, 1u);
  EXPECT_FALSE(cache->contains(object_of("a", 1_MiB), 0));
}

TEST_F(BlockCacheTest, DroppedObjectIsGone) {
  const ObjectVersion object = object_of("a", 1_MiB);
  insert(object, 0);
  cache->drop(object);
  EXPECT_EQ(read(object, 0, 10), 0u);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(cache->counters().bytes, ByteCount{0});
}

class BlockCacheAdoptTest : public BlockCacheTest {
 protected:
  std::filesystem::path write_whole(const ObjectVersion& object) {
    std::filesystem::path path = directory.path() / "upload";
    const auto file = open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    EXPECT_TRUE(write_at(file->get(), {}, content(object, 0, object.size.n)));
    return path;
  }
  static std::vector<std::uint64_t> checksums(const ObjectVersion& object) {
    std::vector<std::uint64_t> found;
    for (std::uint64_t at = 0; at < object.size.n; at += kBlockSize.n)
      found.push_back(xxh3(block_of(object, at / kBlockSize.n)->bytes));
    return found;
  }
};

TEST_F(BlockCacheAdoptTest, AdoptedFileIsReadWithoutCopying) {
  const ObjectVersion object = object_of("a", ByteCount{(2 << 20) + 5});
  const auto file = write_whole(object);
  EXPECT_TRUE(cache->adopt(object, file, checksums(object)));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(read(object, 0, 4 << 20), object.size.n);
}

TEST_F(BlockCacheAdoptTest, AdoptionReplacesBlocksOfTheSameVersion) {
  const ObjectVersion object = object_of("a", 2_MiB);
  insert(object, 1);
  EXPECT_EQ(read(object, 1 << 20, 10), 10u);
  EXPECT_TRUE(cache->adopt(object, write_whole(object), checksums(object)));
  EXPECT_EQ(read(object, 0, 4 << 20), object.size.n);
  EXPECT_EQ(cache->counters().bytes, 2_MiB);
}

TEST_F(BlockCacheAdoptTest, FileThatDoesNotFitIsLeftAlone) {
  const ObjectVersion object = object_of("a", 2_MiB);
  const auto file = write_whole(object);
  ObjectVersion larger = object;
  larger.size = 3_MiB;
  EXPECT_FALSE(cache->adopt(larger, file, checksums(larger)));
  EXPECT_FALSE(cache->adopt(object, file, {1}));
  options.capacity = 1_MiB;
  reopen();
  EXPECT_FALSE(cache->adopt(object, file, checksums(object)));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(BlockCacheAdoptTest, WrongChecksumIsAMissNotAWrongByte) {
  const ObjectVersion object = object_of("a", 1_MiB);
  EXPECT_TRUE(cache->adopt(object, write_whole(object), {42}));
  EXPECT_EQ(read(object, 0, 10), 0u);
}

TEST_F(BlockCacheTest, WhatAKilledProcessWroteIsReadOrMissedNeverWrong) {
  const ObjectVersion object = object_of("a", 8_MiB);
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
  const ObjectVersion object = object_of("a", 1_MiB);
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
  const ObjectVersion huge = object_of("huge", 200_MiB);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (unsigned seed = 0; seed < 2; ++seed) {
    readers.emplace_back([&, seed] {
      std::mt19937 random(seed);
      while (!stop) read(huge, random() % huge.size.n, 1 + random() % 70'000);
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
  EXPECT_EQ(cache->counters().damaged, 0u);
  EXPECT_LE(cache->counters().bytes, options.capacity);
}

}  // namespace
}  // namespace pail::cache
