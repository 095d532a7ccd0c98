// The records of the journal, and what they come to.
#include "local/journal/journal_state.h"

#include <gtest/gtest.h>

#include <set>

#include "base/thread.h"
#include "fake_log_disk.h"

namespace pail::local {
namespace {

WallTime at_ns(std::int64_t ns) {
  return WallTime(std::chrono::nanoseconds(ns));
}

const ObjectTarget kTarget{"bucket", "dir/caf\xe9", "\"etag\""};
const FileAttributes kAttributes{04755, 1000, 100, at_ns(1'234'567'890'123'456'789), at_ns(-5), "sA\nb\n"};

std::vector<Record> one_of_each() {
  return {InodeNumbersReserved{1'000'000},
          IndexGenerationBegun{0x7fffffff},
          StagedFileBegun{7, kTarget, kAttributes},
          SmallFileWritten{8, kTarget, kAttributes, std::string("bytes\0with zeros", 16)},
          StagedFileEnded{7, StagedFileEnded::How::dropped},
          UploadBegun{9, "big", "upload-1"},
          UploadEnded{"upload-1"},
          JobBegun{3, JobBegun::Kind::remove, {"a", "", "c"}},
          JobProgressed{3, "b"},
          JobEnded{3}};
}

TEST(JournalRecords, EachIsDecodedAsItWasEncoded) {
  const auto records = one_of_each();
  ASSERT_EQ(records.size(), std::variant_size_v<Record>);
  for (std::size_t i = 0; i < records.size(); ++i) {
    ASSERT_EQ(records[i].index(), i);
    const JournalRecord encoded = encode(records[i]);
    EXPECT_EQ(encoded.type, i + 1) << "types on disk never change";
    const auto decoded = decode_journal_record(encoded.type, encoded.payload);
    ASSERT_TRUE(decoded) << i;
    EXPECT_EQ(*decoded, records[i]) << i;
  }
}

TEST(JournalRecords, BytesMissingLeftOverOrUnknownAreNoRecord) {
  for (const Record& record : one_of_each()) {
    const auto [type, payload] = encode(record);
    for (std::size_t size = 0; size < payload.size(); ++size)
      EXPECT_FALSE(decode_journal_record(type, payload.substr(0, size))) << int{type} << " cut at " << size;
    EXPECT_FALSE(decode_journal_record(type, payload + "x"));
    EXPECT_FALSE(decode_journal_record(type, "\x02" + payload.substr(1))) << "another version";
    EXPECT_FALSE(decode_journal_record(0, payload));
    EXPECT_FALSE(decode_journal_record(11, payload));
  }
  EXPECT_FALSE(decode_journal_record(5, std::string("\x01\x07\x02", 3))) << "ended in an unknown way";
  EXPECT_FALSE(decode_journal_record(8, std::string("\x01\x03\x02\x00", 4))) << "a job of an unknown kind";
}

TEST(LiveEntries, HoldWhatWasBegunAndNotEnded) {
  LiveEntries live;
  live.apply(StagedFileBegun{7, kTarget, kAttributes});
  live.apply(UploadBegun{7, "big", "upload-1"});
  live.apply(UploadBegun{7, "big", "upload-2"});
  live.apply(JobBegun{3, JobBegun::Kind::rename_directory, {"old", "new"}});
  live.apply(JobProgressed{3, "old/k"});
  live.apply(UploadEnded{"upload-1"});
  EXPECT_EQ(std::get<StagedFileBegun>(live.files().at(7)).target, kTarget);
  EXPECT_EQ(live.uploads().size(), 1u);
  EXPECT_TRUE(live.uploads().contains("upload-2"));
  EXPECT_EQ(live.jobs().at(3).done_to, "old/k");
  live.apply(StagedFileEnded{7});
  live.apply(UploadEnded{"upload-2"});
  live.apply(JobEnded{3});
  EXPECT_EQ(live, LiveEntries());
}

TEST(LiveEntries, BytesOfSmallFilesAreCountedWhileTheyLive) {
  LiveEntries live;
  live.apply(SmallFileWritten{8, kTarget, kAttributes, "12345"});
  live.apply(SmallFileWritten{9, kTarget, kAttributes, "123"});
  EXPECT_EQ(live.small_bytes(), ByteCount{8});
  live.apply(SmallFileWritten{8, kTarget, kAttributes, "1"});
  EXPECT_EQ(live.small_bytes(), ByteCount{4});
  live.apply(StagedFileBegun{8, kTarget, kAttributes});  // it grew
  live.apply(StagedFileEnded{9});
  EXPECT_EQ(live.small_bytes(), ByteCount{0});
  EXPECT_EQ(live.files().size(), 1u);
}

TEST(LiveEntries, NumbersReservedNeverGoBack) {
  LiveEntries live;
  live.apply(InodeNumbersReserved{100});
  live.apply(InodeNumbersReserved{50});
  EXPECT_EQ(live.reserved_below(), 100u);
}

// Of few numbers, so that they meet.
Record random_record(std::mt19937& random) {
  const auto below = [&](unsigned limit) { return random() % limit; };
  const auto name = [&] { return std::string(1, static_cast<char>('a' + below(4))); };
  switch (below(10)) {
    case 0:
      return InodeNumbersReserved{below(1000)};
    case 1:
      return IndexGenerationBegun{1 + below(100)};
    case 2:
      return StagedFileBegun{below(4), {"b", name(), name()}, kAttributes};
    case 3:
      return SmallFileWritten{below(4), {"b", name(), ""}, kAttributes, name()};
    case 4:
      return StagedFileEnded{below(4)};
    case 5:
      return UploadBegun{below(4), name(), name()};
    case 6:
      return UploadEnded{name()};
    case 7:
      return JobBegun{below(3), JobBegun::Kind::remove, {name()}};
    case 8:
      return JobProgressed{below(3), name()};
    default:
      return JobEnded{below(3)};
  }
}

class JournalStateTest : public ::testing::Test {
 protected:
  void reopen() {
    state.reset();
    auto opened = JournalState::open(disk->directory());
    ASSERT_TRUE(opened) << opened.error().context;
    state = std::move(opened->state);
    finding = opened->finding;
  }
  void lose_power() {
    state.reset();
    disk->lose_all_unsynced();
    reopen();
  }

  std::mt19937 random{1};
  std::shared_ptr<FakeLogDisk> disk = std::make_shared<FakeLogDisk>();
  std::unique_ptr<JournalState> state;
  JournalFinding finding;
};

TEST_F(JournalStateTest, EveryPrefixOfTheRecordsIsAStateThatASnapshotTellsAgain) {
  reopen();
  LiveEntries model;
  for (int i = 0; i < 400; ++i) {
    const Record record = random_record(random);
    ASSERT_TRUE(state->record(record));
    model.apply(record);
    LiveEntries told;
    for (const Record& one : model.snapshot()) told.apply(one);
    ASSERT_EQ(told, model);
    if (i % 50 == 7) {
      ASSERT_TRUE(state->compact());
    }
    if (i % 20 == 0) reopen();
    ASSERT_EQ(state->live(), model);
  }
}

TEST_F(JournalStateTest, ACommittedRecordSurvivesAPowerLoss) {
  reopen();
  EXPECT_TRUE(std::holds_alternative<JournalCreated>(finding));
  ASSERT_TRUE(state->commit(UploadBegun{9, "big", "upload-1"}));
  lose_power();
  EXPECT_TRUE(state->live().uploads().contains("upload-1"));
  const auto sequence = state->record(UploadEnded{"upload-1"});
  ASSERT_TRUE(sequence && state->sync(*sequence));
  lose_power();
  EXPECT_TRUE(state->live().uploads().empty());
}

TEST_F(JournalStateTest, WhatCouldNotBeAppendedChangesNothing) {
  reopen();
  const auto refused = state->commit(UploadBegun{9, "big", std::string(kLargestPayload.n, 'u')});
  EXPECT_EQ(errnum_of(refused), EMSGSIZE);
  EXPECT_EQ(state->live(), LiveEntries());
}

TEST_F(JournalStateTest, AnswersForOneFileAndOneUpload) {
  reopen();
  const StagedFileBegun begun{7, kTarget, kAttributes};
  ASSERT_TRUE(state->record(begun));
  ASSERT_TRUE(state->record(UploadBegun{7, "big", "upload-1"}));
  EXPECT_EQ(state->file(7), StagedEntry(begun));
  EXPECT_EQ(state->file(8), std::nullopt);
  EXPECT_TRUE(state->has_upload("upload-1"));
  EXPECT_FALSE(state->has_upload("upload-2"));
  ASSERT_TRUE(state->record(StagedFileEnded{7}));
  ASSERT_TRUE(state->record(UploadEnded{"upload-1"}));
  EXPECT_EQ(state->file(7), std::nullopt);
  EXPECT_FALSE(state->has_upload("upload-1"));
}

TEST_F(JournalStateTest, InodeNumbersAreNeverHandedOutTwice) {
  std::set<InodeNumber> seen;
  const auto take = [&](InodeNumber at_least) {
    const auto range = state->reserve_inode_numbers(10, at_least);
    ASSERT_TRUE(range);
    ASSERT_EQ(range->end - range->begin, 10u);
    ASSERT_GE(range->begin, std::max(at_least, kRootInode + 1));
    for (InodeNumber number = range->begin; number < range->end; ++number)
      ASSERT_TRUE(seen.insert(number).second) << number;
  };
  for (int life = 0; life < 20; ++life) {
    reopen();
    take(0);
    take(life == 5 ? 100'000 : 0);
    if (life % 3 == 0) {
      ASSERT_TRUE(state->compact());
    }
    state.reset();
    disk->lose_power(random, 512);
  }
  EXPECT_EQ(seen.size(), 400u);
}

TEST_F(JournalStateTest, InodeNumbersEndWithEOVERFLOW) {
  reopen();
  ASSERT_TRUE(state->reserve_inode_numbers(10, std::numeric_limits<InodeNumber>::max() - 20));
  EXPECT_EQ(errnum_of(state->reserve_inode_numbers(11, 0)), EOVERFLOW);
}

TEST_F(JournalStateTest, NumbersOfARangeThatCouldNotBeSyncedAreNotHandedOut) {
  reopen();
  disk->syncs_to_fail = 1;
  EXPECT_EQ(errnum_of(state->reserve_inode_numbers(10, 0)), EIO);
  EXPECT_TRUE(state->failure());
}

TEST_F(JournalStateTest, ThreadsGetRangesOfTheirOwn) {
  reopen();
  Mutex mutex;
  std::set<InodeNumber> begins;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back("reserves", [&] {
        for (int i = 0; i < 20; ++i) {
          const auto range = state->reserve_inode_numbers(5, 0);
          ASSERT_TRUE(range);
          const MutexLock lock(mutex);
          begins.insert(range->begin);
        }
      });
  }
  EXPECT_EQ(begins.size(), 160u);
  EXPECT_EQ(state->live().reserved_below(), kRootInode + 1 + 160 * 5);
}

TEST_F(JournalStateTest, SmallFilesHaveALimitTogether) {
  reopen();
  const std::string bytes(64 << 10, 's');
  InodeNumber file = 2;
  while (state->record(SmallFileWritten{file, kTarget, kAttributes, bytes})) ++file;
  EXPECT_EQ(state->live().small_bytes(), JournalState::kMostSmallBytes);
  EXPECT_EQ(errnum_of(state->record(SmallFileWritten{file, kTarget, kAttributes, "x"})), ENOSPC);
  ASSERT_TRUE(state->record(StagedFileEnded{2}));
  EXPECT_TRUE(state->record(SmallFileWritten{file, kTarget, kAttributes, bytes}));
}

TEST_F(JournalStateTest, CompactionIsDueWhenTheLogIsMostlyHistory) {
  reopen();
  EXPECT_FALSE(state->compaction_due());
  const std::string bytes(64 << 10, 's');
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(state->record(SmallFileWritten{7, kTarget, kAttributes, bytes}));
  EXPECT_TRUE(state->compaction_due());
  ASSERT_TRUE(state->compact());
  EXPECT_FALSE(state->compaction_due());
  EXPECT_EQ(state->live().files().size(), 1u);
  lose_power();
  EXPECT_EQ(state->live().files().size(), 1u);
}

TEST_F(JournalStateTest, ARecordOfALaterVersionEndsTheOpening) {
  auto journal = Journal::open(disk->directory(), [](auto, auto) { return Result<Unit>(Unit{}); });
  ASSERT_TRUE(journal && journal->journal->append(200, "from the future"));
  journal->journal.reset();
  EXPECT_EQ(errnum_of(JournalState::open(disk->directory())), EBADMSG);
}

}  // namespace
}  // namespace pail::local
