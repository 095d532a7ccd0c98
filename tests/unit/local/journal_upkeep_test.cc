#include "local/journal/upkeep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "../../manual_clock.h"
#include "../log_lines.h"
#include "../temporary_directory.h"
#include "base/thread.h"
#include "memory_journal.h"
#include "pailfs/cos/fault.h"

namespace pail::local {
namespace {

const UploadBegun kUpload{7, "big", "upload-1"};

class JournalUpkeepTest : public ::testing::Test {
 protected:
  bool survives_a_power_cut(const std::string& upload_id) {
    disk_->lose_all_unsynced();
    return memory_journal(disk_)->live().uploads().contains(upload_id);
  }

  const std::shared_ptr<FakeLogDisk> disk_ = std::make_shared<FakeLogDisk>();
  std::unique_ptr<JournalState> journal_ = memory_journal(disk_);
};

TEST_F(JournalUpkeepTest, WhatNobodyWaitsForReachesTheDiskALittleLater) {
  const auto flushes = disk_->flushes();
  {
    JournalUpkeep upkeep(*journal_, system_clock(), std::chrono::milliseconds(1));
    ASSERT_TRUE(journal_->record(kUpload));
    while (disk_->flushes() == flushes) (void)sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(survives_a_power_cut("upload-1"));
}

TEST_F(JournalUpkeepTest, ManyRecordsInOnePauseAreOneFlush) {
  const auto flushes = disk_->flushes();
  {
    JournalUpkeep upkeep(*journal_, system_clock());
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(journal_->record(UploadBegun{7, "big", std::to_string(i)}));
  }
  EXPECT_EQ(disk_->flushes(), flushes + 1);
  EXPECT_TRUE(survives_a_power_cut("999"));
}

// A log that is mostly history, on a disk without room for another file.
class JournalOnAFullDiskTest : public JournalUpkeepTest {
 protected:
  void SetUp() override {
    const std::string key(1000, 'k');
    while (!journal_->compaction_due()) ASSERT_TRUE(journal_->record(UploadBegun{7, key, "upload-1"}));
    disk_->refuse_new_files(true);
    upkeep_ = std::make_unique<JournalUpkeep>(*journal_, clock_);
    pass_batch();
    ASSERT_TRUE(log_.await("full"));
  }

  // The upkeep has flushed the record of a batch when it returns.
  void pass_batch() {
    const auto flushes = disk_->flushes();
    ASSERT_TRUE(journal_->record(kUpload));
    clock_.pass_for_a_sleeper(JournalUpkeep::kPause);
    while (disk_->flushes() == flushes) (void)sleep_for(std::chrono::milliseconds(1));
  }
  void end_upkeep() { upkeep_.reset(); }

  const LogLines log_;
  ManualClock clock_;
  std::unique_ptr<JournalUpkeep> upkeep_;
};

TEST_F(JournalOnAFullDiskTest, IsNotWrittenAnewWithEachBatch) {
  for (int i = 0; i < 10; ++i) pass_batch();
  end_upkeep();
  EXPECT_EQ(disk_->new_files_refused(), 1u);
}

TEST_F(JournalOnAFullDiskTest, IsCompactedAMinuteLaterWhenThereIsRoomAgain) {
  disk_->refuse_new_files(false);
  clock_.pass(JournalUpkeep::kPauseAfterFailedCompaction);
  pass_batch();
  end_upkeep();
  EXPECT_FALSE(journal_->compaction_due());
}

TEST_F(JournalOnAFullDiskTest, IsLoggedOnceHoweverOftenItIsTried) {
  clock_.pass(JournalUpkeep::kPauseAfterFailedCompaction);
  pass_batch();
  end_upkeep();
  EXPECT_EQ(disk_->new_files_refused(), 2u);
  EXPECT_EQ(log_.count("cannot be compacted"), 1);
}

TEST_F(JournalOnAFullDiskTest, AFailureForGoodIsLoggedOnceOfItsOwn) {
  disk_->syncs_to_fail = 1;
  pass_batch();
  EXPECT_TRUE(log_.await("failed for good"));
  end_upkeep();
  EXPECT_EQ(log_.count("failed for good"), 1);
}

TEST(JournalOpening, OneInUseIsBusySoThatTheNextProcessWaits) {
  const TemporaryDirectory directory;
  const auto first = open_journal(directory.path() / "journal");
  ASSERT_TRUE(first) << first.error().context;
  EXPECT_EQ(fault_of(open_journal(directory.path() / "journal")), Fault::busy);
}

TEST(JournalOpening, OneThatIsUnreadableIsRefusedByItsNameAndStays) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory.path() / "journal");
  std::filesystem::permissions(directory.path() / "journal", std::filesystem::perms::owner_all);
  std::ofstream(directory.path() / "journal" / "log") << "something else";
  const auto opened = open_journal(directory.path() / "journal");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().context, testing::HasSubstr((directory.path() / "journal").string()));
  EXPECT_EQ(std::filesystem::file_size(directory.path() / "journal" / "log"), 14u);
}

}  // namespace
}  // namespace pail::local
