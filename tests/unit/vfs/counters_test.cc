// What a mount says of itself.
#include <gmock/gmock.h>

#include "fake_store_fixture.h"

namespace pail::vfs {
namespace {

class CountersTest : public FakeStoreTest {
 protected:
  std::uint64_t count(std::string_view name) {
    for (const auto& [known, value] : fs_->counters())
      if (known == name) return value;
    ADD_FAILURE() << "nothing is counted as " << name;
    return 0;
  }
};

TEST_F(CountersTest, AreAllToldFromTheStartOn) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : fs_->counters()) names.push_back(name);
  EXPECT_THAT(names,
              testing::ElementsAre("cache_bytes", "cache_damaged_blocks", "cache_evicted_blocks", "cache_hits",
                                   "cache_inserted_blocks", "cache_misses", "cache_skipped_blocks", "fetched_bytes",
                                   "memory_bytes", "read_bytes", "uploaded_bytes", "written_bytes"));
}

TEST_F(CountersTest, WhatIsReadAndFetchedIsCountedOnce) {
  store_->put("f", ramp(10'000));
  ASSERT_EQ(read("f"), ramp(10'000));
  ASSERT_EQ(read("f"), ramp(10'000));
  EXPECT_EQ(count("fetched_bytes"), 10'000u);
  EXPECT_EQ(count("memory_bytes"), 10'000u) << "the block";
  EXPECT_EQ(count("read_bytes"), 20'000u);
  EXPECT_EQ(count("written_bytes"), 0u);
}

TEST_F(CountersTest, WhatIsWrittenAndUploadedIsCounted) {
  ASSERT_EQ(write("f", ramp(5'000)), 0);
  EXPECT_EQ(count("written_bytes"), 5'000u);
  EXPECT_EQ(count("uploaded_bytes"), 5'000u);
  EXPECT_EQ(count("cache_inserted_blocks"), 1u) << "what was uploaded is kept";
}

TEST_F(CountersTest, BeginAnewWithTheMount) {
  ASSERT_EQ(write("f", "text"), 0);
  start();
  EXPECT_EQ(count("written_bytes"), 0u);
  EXPECT_GT(count("cache_bytes"), 0u) << "but what is on disk is there";
}

}  // namespace
}  // namespace pail::vfs
