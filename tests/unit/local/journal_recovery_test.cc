// What is made of a journal that a power loss or a bad disk has left: torn, damaged, full of old bytes.
#include <gtest/gtest.h>

#include "base/checksum.h"
#include "base/encoding.h"
#include "fake_log_disk.h"
#include "local/journal/frame.h"
#include "local/journal/journal.h"

namespace pail::local {
namespace {

using Texts = std::vector<std::string>;

bool is_prefix(const Texts& some, const Texts& all) {
  return some.size() <= all.size() && std::equal(some.begin(), some.end(), all.begin());
}

class JournalRecoveryTest : public ::testing::Test {
 protected:
  Result<Unit> open() {
    journal.reset();
    found.clear();
    auto opened = Journal::open(disk->directory(), [&](std::uint8_t, std::string_view payload) {
      found.emplace_back(payload);
      return Result<Unit>(Unit{});
    });
    if (!opened) return std::move(opened).error();
    journal = std::move(opened->journal);
    finding = opened->finding;
    return Unit{};
  }
  void reopen() {
    const auto opened = open();
    ASSERT_TRUE(opened) << opened.error().context;
  }
  ByteOffset append(const std::string& text) {
    EXPECT_TRUE(journal->append(7, text));
    return journal->mark().at;
  }
  void commit(const std::string& text) { ASSERT_TRUE(journal->sync(*journal->append(7, text))); }
  // The file as it is, without most of the reserved space, so that trying every byte of it is quick.
  FakeLogDisk::Bytes short_file() {
    auto bytes = disk->bytes("log");
    bytes.resize(journal->mark().at.n + 64);
    return bytes;
  }
  void use(FakeLogDisk::Bytes bytes) {
    disk = std::make_shared<FakeLogDisk>();
    disk->written["log"] = std::make_shared<FakeLogDisk::Inode>();
    disk->bytes("log") = std::move(bytes);
  }

  std::shared_ptr<FakeLogDisk> disk = std::make_shared<FakeLogDisk>();
  std::unique_ptr<Journal> journal;
  JournalFinding finding;
  Texts found;
};

TEST_F(JournalRecoveryTest, EveryTruncationKeepsTheRecordsBeforeIt) {
  reopen();
  Texts all;
  std::vector<std::uint64_t> ends;
  for (const std::size_t size : {5, 0, 8, 700, 1}) {
    all.push_back(std::string(size, static_cast<char>('a' + all.size())));
    ends.push_back(append(all.back()).n);
  }
  const auto whole = short_file();
  for (std::size_t size = kLogHeaderSize.n; size <= whole.size(); ++size) {
    use({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    reopen();
    const auto fitting = std::count_if(ends.begin(), ends.end(), [&](auto end) { return end <= size; });
    ASSERT_EQ(found.size(), static_cast<std::size_t>(fitting)) << size;
    ASSERT_TRUE(is_prefix(found, all)) << size;
    commit("goes on");
    const Texts before = found;
    reopen();
    ASSERT_EQ(found.size(), before.size() + 1) << size;
    ASSERT_EQ(found.back(), "goes on") << size;
  }
}

TEST_F(JournalRecoveryTest, EveryFlippedByteKeepsTheRecordsBeforeItAndInventsNone) {
  reopen();
  append("snapshot of nothing");
  ASSERT_TRUE(journal->compact(journal->mark(), {{7, "s1"}, {7, "s2"}}));
  Texts all{"s1", "s2"};
  std::vector<std::uint64_t> ends{kLogHeaderSize.n + 48, kLogHeaderSize.n + 96};
  for (const std::size_t size : {5, 0, 8, 90, 1}) {
    all.push_back(std::string(size, static_cast<char>('a' + all.size())));
    ends.push_back(append(all.back()).n);
  }
  const auto whole = short_file();
  const auto is_filling = [](std::size_t at) { return at < kLogHeaderSize.n && at % 4096 >= 64 && at % 512 != 0; };
  for (std::size_t at = 0; at < whole.size(); ++at)
    for (const unsigned mask : {0x01u, 0x80u, 0xffu}) {
      if (is_filling(at)) continue;
      auto bytes = whole;
      bytes[at] ^= std::byte(mask);
      use(std::move(bytes));
      reopen();
      const auto before = std::count_if(ends.begin(), ends.end(), [&](auto end) { return end <= at; });
      ASSERT_GE(found.size(), at < kLogHeaderSize.n ? all.size() : static_cast<std::size_t>(before)) << at;
      ASSERT_TRUE(is_prefix(found, all)) << at;
      commit("goes on");
      const Texts kept = found;
      reopen();
      ASSERT_EQ(found.size(), kept.size() + 1) << at;
    }
}

TEST_F(JournalRecoveryTest, RecordsOfATornTailDoNotComeBackBehindNewOnes) {
  reopen();
  commit("kept");
  const ByteOffset torn = journal->mark().at;
  append("lost 1");
  append("lost 2");
  disk->bytes("log")[torn.n] ^= std::byte{1};
  reopen();
  EXPECT_EQ(found, Texts{"kept"});
  ASSERT_TRUE(std::holds_alternative<JournalTorn>(finding));
  EXPECT_EQ(std::get<JournalTorn>(finding).at, torn);
  append("new: 1");  // as long as the lost one, with its sequence: "lost 2" would fit behind it
  reopen();
  EXPECT_EQ(found, (Texts{"kept", "new: 1"}));
  EXPECT_TRUE(std::holds_alternative<JournalWhole>(finding));
}

TEST_F(JournalRecoveryTest, RecordsOfAnotherFileAreNoRecords) {
  reopen();
  append("of the first");
  const auto first = disk->bytes("log");
  const ByteOffset begin{kLogHeaderSize.n}, end = journal->mark().at;
  disk = std::make_shared<FakeLogDisk>();
  reopen();
  std::copy(first.begin() + begin.n, first.begin() + end.n, disk->bytes("log").begin() + begin.n);
  reopen();
  EXPECT_TRUE(found.empty());
  EXPECT_TRUE(std::holds_alternative<JournalTorn>(finding));
}

TEST_F(JournalRecoveryTest, ARecordThatTellsOfALostOneIsDamageAndTheFileIsKept) {
  reopen();
  commit("first");
  const ByteOffset at = journal->mark().at;
  commit("second");
  append("third");
  append("fourth");
  disk->bytes("log")[at.n + kFrameHeadSize] ^= std::byte{1};
  const auto as_found = disk->bytes("log");
  reopen();
  EXPECT_EQ(found, Texts{"first"});
  const auto* damage = std::get_if<JournalDamaged>(&finding);
  ASSERT_NE(damage, nullptr);
  EXPECT_EQ(damage->at, at);
  EXPECT_EQ(damage->records_behind, 2u);
  EXPECT_EQ(disk->bytes(damage->kept.filename().string()), as_found);
  const auto sequence = journal->append(7, "fifth");
  ASSERT_TRUE(sequence);
  EXPECT_EQ(*sequence, JournalSequence{5}) << "above all that were seen";
  reopen();
  EXPECT_EQ(found, (Texts{"first", "fifth"}));
  EXPECT_TRUE(std::holds_alternative<JournalWhole>(finding));
}

TEST_F(JournalRecoveryTest, RecordsThatNoFlushCoveredAreATornTailInWhateverOrderTheyReachedTheDisk) {
  reopen();
  commit("synced");
  const ByteOffset at = journal->mark().at;
  append("lost");
  append("reached the disk");
  disk->bytes("log")[at.n + kFrameHeadSize] ^= std::byte{1};
  reopen();
  EXPECT_EQ(found, Texts{"synced"});
  EXPECT_TRUE(std::holds_alternative<JournalTorn>(finding));
}

TEST_F(JournalRecoveryTest, ASnapshotThatIsUnreadableIsDamage) {
  reopen();
  append("x");
  ASSERT_TRUE(journal->compact(journal->mark(), {{7, "s1"}, {7, "s2"}, {7, "s3"}}));
  append("later");
  disk->bytes("log")[kLogHeaderSize.n + 48 + kFrameHeadSize] ^= std::byte{1};
  reopen();
  EXPECT_EQ(found, Texts{"s1"});
  ASSERT_TRUE(std::holds_alternative<JournalDamaged>(finding));
  EXPECT_EQ(std::get<JournalDamaged>(finding).records_behind, 2u);
  commit("goes on");
  reopen();
  EXPECT_EQ(found, (Texts{"s1", "goes on"}));
}

TEST_F(JournalRecoveryTest, ADamagedJournalSurvivesAPowerLossAtAnyStepOfItsRepair) {
  reopen();
  commit("first");
  const ByteOffset at = journal->mark().at;
  commit("second");
  commit("third");
  auto bytes = disk->bytes("log");
  bytes[at.n] ^= std::byte{1};
  std::mt19937 random(1);
  for (std::uint64_t step = 0;; ++step) {
    use(bytes);
    disk->written["log"]->synced = bytes;
    disk->synced = disk->written;
    disk->steps_left = step;
    const bool complete = open().has_value();
    journal.reset();
    disk->lose_power(random, 512);
    disk->steps_left = 1'000;
    reopen();
    ASSERT_EQ(found, Texts{"first"}) << step;
    if (complete) break;
  }
}

TEST_F(JournalRecoveryTest, WhatAFailedFlushHasDroppedIsWrittenAgainByTheNextProcess) {
  reopen();
  commit("proven");
  append("dropped");
  disk->syncs_to_fail = 1;
  ASSERT_EQ(errnum_of(journal->sync({2})), EIO);
  reopen();
  EXPECT_EQ(found, (Texts{"proven", "dropped"}));
  journal.reset();
  disk->lose_all_unsynced();
  reopen();
  EXPECT_EQ(found, (Texts{"proven", "dropped"}));
}

TEST_F(JournalRecoveryTest, HeaderIsReadFromItsSecondCopy) {
  reopen();
  commit("kept");
  auto& bytes = disk->bytes("log");
  std::fill_n(bytes.begin(), 4096, std::byte{0xee});
  reopen();
  EXPECT_EQ(found, Texts{"kept"});
}

TEST_F(JournalRecoveryTest, AFileWithoutAHeaderIsEBADMSGAndStaysAsItIs) {
  for (const std::size_t size : {0u, 10u, 5000u, 100'000u}) {
    use(FakeLogDisk::Bytes(size, std::byte{'x'}));
    const auto opened = open();
    EXPECT_EQ(errnum_of(opened), EBADMSG);
    EXPECT_NE(opened.error().context.find("/fake/log"), std::string::npos);
    EXPECT_EQ(disk->bytes("log"), FakeLogDisk::Bytes(size, std::byte{'x'}));
  }
}

TEST_F(JournalRecoveryTest, ANewerFormatIsRefusedWithTheNameOfTheFile) {
  const std::string header = encode(LogHeader{.generation = 1});
  auto newer = header.substr(0, 56);
  newer[8] = 2;  // the version
  const std::uint64_t sum = xxh3(bytes_of(newer));
  for (int i = 0; i < 8; ++i) newer.push_back(static_cast<char>(sum >> (8 * i)));
  const auto bytes = bytes_of(newer);
  use({bytes.begin(), bytes.end()});
  const auto opened = open();
  EXPECT_EQ(errnum_of(opened), ENOTSUP);
  EXPECT_NE(opened.error().context.find("/fake/log"), std::string::npos);
}

TEST_F(JournalRecoveryTest, AnErrorOfTheOwnerEndsTheOpeningAndChangesNothing) {
  reopen();
  commit("a");
  append("b");
  auto& bytes = disk->bytes("log");
  bytes[journal->mark().at.n] = std::byte{9};
  const auto before = bytes;
  journal.reset();
  const auto opened = Journal::open(disk->directory(), [](std::uint8_t, std::string_view) {
    return Result<Unit>(Error{EILSEQ, "not mine"});
  });
  EXPECT_EQ(errnum_of(opened), EILSEQ);
  EXPECT_EQ(disk->bytes("log"), before);
}

TEST_F(JournalRecoveryTest, AFileInTheMakingIsRemoved) {
  reopen();
  disk->written["log.new"] = std::make_shared<FakeLogDisk::Inode>();
  reopen();
  EXPECT_FALSE(disk->has("log.new"));
}

// Random operations against a plain list: what sync() answered for is there, and what is there is the
// beginning of what was appended.
TEST_F(JournalRecoveryTest, AgreesWithAModelUnderRandomOperationsAndPowerLosses) {
  const char* given = std::getenv("PAILFS_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device{}();
  std::printf("PAILFS_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  for (int life = 0; life < 30; ++life) {
    disk = std::make_shared<FakeLogDisk>();
    reopen();
    Texts model;
    std::size_t durable = 0;
    for (int step = 0; step < 60; ++step) {
      switch (below(12)) {
        case 0:
          ASSERT_TRUE(journal->sync(journal->mark().last));
          durable = model.size();
          break;
        case 1: {
          std::vector<JournalRecord> snapshot;
          for (const std::string& text : model) snapshot.push_back({7, text});
          const auto mark = journal->mark();
          if (below(2) == 0) {
            model.push_back("behind the mark");
            append(model.back());
          }
          ASSERT_TRUE(journal->compact(mark, snapshot));
          durable = model.size();
          break;
        }
        case 2:
          reopen();
          ASSERT_EQ(found, model);
          durable = model.size();
          break;
        case 3:
          journal.reset();
          disk->lose_power(random, below(2) == 0 ? 512 : 4096);
          reopen();
          ASSERT_FALSE(std::holds_alternative<JournalDamaged>(finding));
          ASSERT_GE(found.size(), durable);
          ASSERT_TRUE(is_prefix(found, model));
          model = found;
          durable = model.size();
          break;
        default:
          model.push_back(std::string(below(10) == 0 ? below(9000) : below(100), static_cast<char>('a' + below(26))));
          append(model.back());
      }
    }
  }
}

}  // namespace
}  // namespace pail::local
