#include "fuse/mount_record.h"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "fuse/stop_clock.h"

namespace pail::fuse {
namespace {

class MountRecordTest : public ::testing::Test {
 protected:
  MountRecordTest() {
    path_ = (std::filesystem::temp_directory_path() / "pailfs-record-XXXXXX").string();
    writer_ = UniqueFd(::mkostemp(path_.data(), O_APPEND | O_CLOEXEC));
    EXPECT_EQ(::flock(writer_.get(), LOCK_EX | LOCK_NB), 0);
  }
  ~MountRecordTest() override { ::unlink(path_.c_str()); }

  void append(std::string_view text) {
    EXPECT_EQ(::write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  std::string path_;
  UniqueFd writer_;
};

TEST_F(MountRecordTest, TellsWhatWasAppendedSinceTheLastLook) {
  auto record = MountRecord::open(path_);
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->refresh().ending);
  record_mounted(writer_.get(), {"/mnt/my bucket", "0:42", 7});
  record_ending(writer_.get());
  record_pending(writer_.get(), {3, ByteCount{1000}});
  const RecordedEnd& known = record->refresh();
  EXPECT_TRUE(known.ending);
  ASSERT_TRUE(known.mount && known.pending);
  EXPECT_EQ(known.mount->path, "/mnt/my bucket");
  EXPECT_EQ(known.mount->device, "0:42");
  EXPECT_EQ(known.mount->id, 7u);
  EXPECT_EQ(known.pending->files, 3u);
  EXPECT_FALSE(known.code);
  record_ended(writer_.get(), 1);
  EXPECT_EQ(record->refresh().code, 1);
}

TEST_F(MountRecordTest, ASentenceStaysOneLineAndIsToldOnce) {
  auto record = MountRecord::open(path_);
  ASSERT_TRUE(record);
  record_stays(writer_.get(), "two\nlines");
  record_stays(writer_.get(), "two\nlines");
  EXPECT_EQ(record->refresh().stays, std::vector<std::string>{"two lines"});
}

TEST_F(MountRecordTest, ALineWithoutItsEndAndAnUnknownOneAreNotTaken) {
  auto record = MountRecord::open(path_);
  ASSERT_TRUE(record);
  append("later versions say more\nmounted 1\nended");
  EXPECT_FALSE(record->refresh().code);
  EXPECT_FALSE(record->refresh().mount);
  append(" 0\n");
  EXPECT_EQ(record->refresh().code, 0);
}

TEST_F(MountRecordTest, IsHeldAsLongAsItsWriterLives) {
  const auto record = MountRecord::open(path_);
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->held());
  writer_.reset();
  EXPECT_FALSE(record->held());
}

TEST_F(MountRecordTest, IsNoOtherKindOfFile) {
  EXPECT_EQ(errnum_of(MountRecord::open("/dev/null")), EINVAL);
}

TEST(StopClock, TheFirstWhoSeesTheEndSetsTheOneBound) {
  auto memory = SharedMemory::create();
  ASSERT_TRUE(memory);
  SharedState& state = **memory;
  EXPECT_EQ(time_left(state), std::chrono::milliseconds::max());
  state.stop_timeout = std::chrono::milliseconds(std::chrono::hours(1)).count();
  begin_end(state);
  const auto end_by = state.end_by.load();
  state.stop_timeout *= 2;
  begin_end(state);
  EXPECT_EQ(state.end_by, end_by);
  EXPECT_LE(time_left(state), std::chrono::hours(1));
}

TEST(StopClock, RunsOnlyOnceTheEndHasBegun) {
  auto memory = SharedMemory::create();
  ASSERT_TRUE(memory);
  StopClock clock(**memory);  // with no time at all
  EXPECT_FALSE(clock.time_up().stop_requested());
  clock.begin_end();
  while (!clock.time_up().stop_requested()) ::usleep(1000);
}

}  // namespace
}  // namespace pail::fuse
