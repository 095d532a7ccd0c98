// What was written or read here is not fetched again, whatever becomes of its name; and other bytes always are.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>

#include "fake_store_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using fake::Hold;
using fake::kAlways;
using fake::Moment;
using fake::Operation;

class ContentsTest : public FakeStoreTest {
 protected:
  ContentsTest() {
    options_.state_directory = directory_.path() / "state";
    options_.part_size = 5_MiB;
  }

  unsigned fetches() const { return store_->count(Operation::get_object_range); }
  // Reads the file twice: now, and when nothing is in memory any more.
  void expect_no_fetch(std::string_view path, const std::string& content) {
    const unsigned before = fetches();
    EXPECT_TRUE(read(path) == content) << path;
    EXPECT_EQ(fetches(), before) << path << " was fetched";
    start();
    EXPECT_TRUE(read(path) == content) << path << " of the next mount";
    EXPECT_EQ(fetches(), before) << path << " was fetched by the next mount";
  }
  bool in_parts(const std::string& key) const { return store_->info(key)->etag.text.find('-') != std::string::npos; }

  const std::string small_ = ramp(10'000), large_ = ramp(11'000'000);
};

// ---- what is not fetched

TEST_F(ContentsTest, WhatWasWrittenIsNotFetchedAfterARename) {
  ASSERT_EQ(write("small", small_), 0);
  ASSERT_EQ(write("large", large_), 0);
  ASSERT_EQ(rename("small", "other"), 0);
  ASSERT_EQ(rename("large", "largest"), 0);
  ASSERT_FALSE(in_parts("largest")) << "a copy has another ETag";
  expect_no_fetch("other", small_);
  expect_no_fetch("largest", large_);
}

TEST_F(ContentsTest, WhatWasReadIsNotFetchedAfterARename) {
  store_->put("f", large_);
  ASSERT_TRUE(read("f") == large_);
  ASSERT_EQ(rename("f", "g"), 0);
  expect_no_fetch("g", large_);
}

TEST_F(ContentsTest, WhatLiesInARenamedDirectoryIsNotFetched) {
  ASSERT_EQ(mkdir("d"), 0);
  ASSERT_EQ(write("d/large", large_), 0);
  store_->put("d/below/read", small_);
  ASSERT_TRUE(read("d/below/read") == small_);
  ASSERT_EQ(rename("d", "e"), 0);
  ASSERT_EQ(rename("e", "f"), 0);
  expect_no_fetch("f/large", large_);
  expect_no_fetch("f/below/read", small_);
}

TEST_F(ContentsTest, WhatLiesInADirectoryWhoseRenameFailedIsNotFetched) {
  ASSERT_EQ(mkdir("d"), 0);
  ASSERT_EQ(write("d/0", small_), 0);
  ASSERT_EQ(write("d/1", large_), 0);
  store_->fail({.operation = Operation::copy_object, .key = "e/1", .times = kAlways}, {.fault = Fault::denied});
  ASSERT_NE(rename("d", "e"), 0);
  expect_no_fetch("d/0", small_);
  expect_no_fetch("d/1", large_);
}

TEST_F(ContentsTest, WhatWasWrittenIsNotFetchedAfterItsAttributesChanged) {
  ASSERT_EQ(write("f", large_), 0);
  ASSERT_TRUE(in_parts("f"));
  ASSERT_TRUE(fs_->setattr(request(), look("f"), {.permissions = 0600}));
  ASSERT_FALSE(in_parts("f")) << "a copy onto itself has another ETag";
  expect_no_fetch("f", large_);
}

TEST_F(ContentsTest, WhatWasReadIsNotFetchedAfterItsAttributesChanged) {
  ASSERT_EQ(write("f", large_), 0);
  start_cold();
  ASSERT_TRUE(read("f") == large_);
  const AttributeChange changes[] = {{.permissions = 0600}, {.uid = 7, .gid = 8}, {.modified = WallTime{} + 77s}};
  for (const auto& change : changes) ASSERT_TRUE(fs_->setattr(request(), look("f"), change));
  ASSERT_TRUE(fs_->setxattr(request(), look("f"), "user.note", bytes("hello"), XattrMode::any));
  expect_no_fetch("f", large_);
}

TEST_F(ContentsTest, WhatWasReadIsNotFetchedAfterNamesWereMadeAnew) {
  ASSERT_EQ(write("f", small_), 0);
  ASSERT_EQ(rename("f", "g"), 0);
  store_->put("h", large_);
  ASSERT_TRUE(read("h") == large_);
  fs_.reset();
  std::filesystem::remove_all(options_.state_directory);
  start();
  expect_no_fetch("g", small_);
  expect_no_fetch("h", large_);
}

TEST_F(ContentsTest, WhatWasWrittenIsNotFetchedWhereStateAndCacheLieOnDifferentDisks) {
  const std::filesystem::path elsewhere = "/dev/shm";
  struct stat here {
  }, there{};
  if (::stat(directory_.path().c_str(), &here) != 0 || ::stat(elsewhere.c_str(), &there) != 0 ||
      here.st_dev == there.st_dev)
    GTEST_SKIP() << "/dev/shm is no other file system";
  options_.state_directory = elsewhere / ("pailfs-contents-test." + std::to_string(::getpid()));
  start();
  EXPECT_EQ(write("f", large_), 0);
  EXPECT_TRUE(std::filesystem::is_empty(options_.state_directory / "staging"));
  EXPECT_EQ(rename("f", "g"), 0);
  expect_no_fetch("g", large_);
  fs_.reset();
  std::filesystem::remove_all(options_.state_directory);
}

// ---- what is

TEST_F(ContentsTest, WhatOthersPutUnderTheNameIsFetched) {
  const std::string theirs = ramp(small_.size(), 7);
  ASSERT_EQ(write("f", small_), 0);
  ASSERT_EQ(rename("f", "g"), 0);
  store_->put("g", theirs);
  store_->put("f", ramp(small_.size(), 8));
  EXPECT_TRUE(read("g") == theirs);
  EXPECT_TRUE(read("f") == ramp(small_.size(), 8));
  start();
  EXPECT_TRUE(read("g") == theirs);
}

TEST_F(ContentsTest, AChangedFileIsItsNewContentWhereverItGoes) {
  ASSERT_EQ(write("f", small_), 0);
  ASSERT_TRUE(read("f") == small_);
  const auto [number, handle] = open("f", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {100}, bytes("changed")));
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  const std::string changed = std::string(small_).replace(100, 7, "changed");
  ASSERT_EQ(rename("f", "g"), 0);
  expect_no_fetch("g", changed);
  ASSERT_TRUE(fs_->setattr(request(), look("g"), {.size = ByteCount{50}}));
  ASSERT_EQ(rename("g", "f"), 0);
  expect_no_fetch("f", changed.substr(0, 50));
}

TEST_F(ContentsTest, AFileThatIsRenamedOverIsGoneAndItsBytesAreNeverTaken) {
  const std::string over = ramp(small_.size(), 3);
  ASSERT_EQ(write("f", small_), 0);
  ASSERT_EQ(write("g", over), 0);
  ASSERT_TRUE(read("g") == over);
  ASSERT_EQ(rename("f", "g"), 0);
  expect_no_fetch("g", small_);
  ASSERT_EQ(write("f", over), 0);
  expect_no_fetch("f", over);
  expect_no_fetch("g", small_);
}

TEST_F(ContentsTest, ACopyWhoseOutcomeIsNotKnownIsFetchedByWhoeverReadsIt) {
  ASSERT_EQ(write("f", small_), 0);
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .at = Moment::after});
  ASSERT_NE(rename("f", "g"), 0);
  store_->put("g", ramp(small_.size(), 5));
  EXPECT_TRUE(read("g") == ramp(small_.size(), 5));
  EXPECT_TRUE(read("f") == small_);
}

TEST_F(ContentsTest, AnUploadWhoseOutcomeIsNotKnownIsNotTakenForWhatOthersStored) {
  ASSERT_EQ(write("f", small_), 0);
  const auto [number, handle] = open("f", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_FALSE(fs_->flush(request(), number, handle));
  const std::string theirs = ramp(small_.size(), 9);
  store_->put("f", theirs);
  EXPECT_FALSE(fs_->flush(request(), number, handle));
  start();
  EXPECT_TRUE(read("f") == theirs);
}

// ---- while it is on its way

TEST_F(ContentsTest, AReadUnderTheNewNameDoesNotFailWithOneUnderTheOld) {
  store_->put("f", small_);
  const auto [number, handle] = open("f", O_RDONLY);
  const Hold get = store_->hold({.operation = Operation::get_object_range, .key = "f"}, Moment::before);
  const auto reading = [&, number = number, handle = handle] {
    int errnum = 0;
    return read_open(number, handle, small_.size(), &errnum) == small_ && errnum == 0;
  };
  auto before = std::async(std::launch::async, reading);
  ASSERT_TRUE(get.await());
  ASSERT_EQ(rename("f", "g"), 0);
  // Joins what is on its way, or asks under the new name; either way it is answered after the old name failed.
  const Hold again =
      store_->hold({.operation = Operation::get_object_range, .key = "g", .times = kAlways}, Moment::before);
  auto after = std::async(std::launch::async, reading);
  EXPECT_EQ(after.wait_for(100ms), std::future_status::timeout);
  get.release();
  again.release();
  EXPECT_TRUE(before.get());
  EXPECT_TRUE(after.get());
}

}  // namespace
}  // namespace pail::vfs
