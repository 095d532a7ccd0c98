// A block cache in a directory of its own, and objects whose bytes tell whose they are.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../temporary_directory.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "base/file.h"
#include "cache/block_cache.h"

namespace pail::cache {

inline ObjectVersion version_of(std::string key, ByteCount size) {
  return {std::move(key), "\"etag\"", size};
}

// A content whose id tells its key.
inline ObjectContent object_of(const std::string& key, ByteCount size) {
  return {*ContentId::from_text(xxh3_name(bytes_of(key))), version_of(key, size)};
}

// Bytes that tell which object and which place they are of.
inline std::vector<std::byte> content(const ObjectContent& object, std::uint64_t at, std::size_t size) {
  std::vector<std::byte> bytes(size);
  const std::uint64_t salt = xxh3(bytes_of(object.version.key + object.version.etag));
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((at + i) * 251 % 65521 + salt);
  return bytes;
}

inline std::shared_ptr<const Block> block_of(const ObjectContent& object, std::uint64_t number) {
  const std::uint64_t begin = number * kBlockSize.n;
  return std::make_shared<Block>(
      Block{{}, content(object, begin, std::min(kBlockSize.n, object.version.size.n - begin))});
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
    counters.emplace();
    auto opened = BlockCache::open(directory.path(), "test", options, system_clock(), *counters);
    ASSERT_TRUE(opened) << opened.error().context;
    cache = *std::move(opened);
  }

  std::uint64_t count(std::string_view name) const { return counters->value(name); }

  void insert(const ObjectContent& object, std::uint64_t number) {
    cache->insert(object, number, block_of(object, number));
    cache->drain();
  }

  // What a read of [at, at + size) gives; checks that every byte of it is right.
  std::size_t read(const ObjectContent& object, std::uint64_t at, std::size_t size) {
    std::vector<std::byte> out(size);
    const std::size_t n = cache->read(object, ByteOffset{at}, out);
    out.resize(n);
    EXPECT_TRUE(out == content(object, at, n)) << object.version.key << " at " << at;
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
  BlockCacheOptions options{.queue = 32_MiB};
  std::optional<runtime::Counters> counters;  // of this cache, and of none that was open before
  std::unique_ptr<BlockCache> cache;
};

class BlockCacheAdoptTest : public BlockCacheTest {
 protected:
  std::filesystem::path write_whole(const ObjectContent& object) {
    return write_whole(object, directory.path() / "upload");
  }
  static std::filesystem::path write_whole(const ObjectContent& object, const std::filesystem::path& path) {
    const auto file = open_file(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    EXPECT_TRUE(write_at(file->get(), {}, content(object, 0, object.version.size.n)));
    return path;
  }
  static std::vector<std::uint64_t> checksums(const ObjectContent& object) {
    std::vector<std::uint64_t> found;
    for (std::uint64_t at = 0; at < object.version.size.n; at += kBlockSize.n)
      found.push_back(xxh3(block_of(object, at / kBlockSize.n)->bytes));
    return found;
  }
};

}  // namespace pail::cache
