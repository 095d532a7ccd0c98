// What append(), sync() and compact() promise, with every fault a disk has. What open() makes of a file
// that is torn or damaged stands in journal_recovery_test.cc.
#include "local/journal/journal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "../temporary_directory.h"
#include "base/thread.h"
#include "fake_log_disk.h"
#include "pailfs/base/clock.h"

namespace pail::local {
namespace {

using Texts = std::vector<std::string>;

class JournalTest : public ::testing::Test {
 protected:
  // As after a kill, unless the test lost power before.
  Texts reopen() {
    journal.reset();
    disk->steps_left = std::numeric_limits<std::uint64_t>::max();
    Texts found;
    auto opened = Journal::open(disk->directory(), [&](std::uint8_t type, std::string_view payload) {
      EXPECT_EQ(type, 7);
      found.emplace_back(payload);
      return Result<Unit>(Unit{});
    });
    EXPECT_TRUE(opened) << opened.error().context;
    if (!opened) return found;
    journal = std::move(opened->journal);
    finding = opened->finding;
    return found;
  }
  Texts reopen_after_power_loss() {
    journal.reset();
    disk->lose_power(random, 512);
    return reopen();
  }
  JournalSequence append(const std::string& text) {
    const auto sequence = journal->append(7, text);
    EXPECT_TRUE(sequence) << sequence.error().context;
    return sequence ? *sequence : JournalSequence{};
  }
  void commit(const std::string& text) { ASSERT_TRUE(journal->sync(append(text))); }
  static std::vector<JournalRecord> records(const Texts& texts) {
    std::vector<JournalRecord> made;
    for (const std::string& text : texts) made.push_back({7, text});
    return made;
  }

  std::mt19937 random{20261121};
  std::shared_ptr<FakeLogDisk> disk = std::make_shared<FakeLogDisk>();
  std::unique_ptr<Journal> journal;
  JournalFinding finding;
};

TEST_F(JournalTest, RecordsAreReplayedInTheirOrder) {
  EXPECT_TRUE(reopen().empty());
  EXPECT_TRUE(std::holds_alternative<JournalCreated>(finding));
  append("first");
  append("");
  append(std::string(kLargestPayload.n, 'x'));
  EXPECT_EQ(reopen(), (Texts{"first", "", std::string(kLargestPayload.n, 'x')}));
  EXPECT_TRUE(std::holds_alternative<JournalWhole>(finding));
}

TEST_F(JournalTest, SequencesRiseForEverThroughReopeningAndCompaction) {
  reopen();
  EXPECT_EQ(append("a"), JournalSequence{1});
  EXPECT_EQ(append("b"), JournalSequence{2});
  reopen();
  EXPECT_EQ(append("c"), JournalSequence{3});
  ASSERT_TRUE(journal->compact(journal->mark(), records({"abc"})));
  EXPECT_EQ(append("d"), JournalSequence{4});
  EXPECT_EQ(reopen(), (Texts{"abc", "d"}));
  EXPECT_EQ(append("e"), JournalSequence{5});
}

TEST_F(JournalTest, WhatSyncAnsweredForSurvivesAPowerLoss) {
  for (int round = 0; round < 50; ++round) {
    disk = std::make_shared<FakeLogDisk>();
    reopen();
    commit("one");
    commit("two");
    append("three");
    const Texts found = reopen_after_power_loss();
    ASSERT_GE(found.size(), 2u);
    EXPECT_EQ(found[0] + found[1], "onetwo");
  }
}

TEST_F(JournalTest, WhatWasReplayedAfterAKillSurvivesALaterPowerLoss) {
  reopen();
  append("never synced");
  EXPECT_EQ(reopen(), Texts{"never synced"});
  journal.reset();
  disk->lose_all_unsynced();
  EXPECT_EQ(reopen(), Texts{"never synced"});
}

TEST_F(JournalTest, WhatWasNeverSyncedMayBeLost) {
  reopen();
  append("never synced");
  journal.reset();
  disk->lose_all_unsynced();
  EXPECT_TRUE(reopen().empty());
}

TEST_F(JournalTest, ACommitAloneIsOneFlush) {
  reopen();
  const std::size_t before = disk->flushes();
  for (int i = 0; i < 10; ++i) commit("alone");
  EXPECT_EQ(disk->flushes() - before, 10u);
}

TEST_F(JournalTest, WhatIsOnDiskIsNotFlushedAgain) {
  reopen();
  const JournalSequence first = append("first");
  commit("second");
  const std::size_t before = disk->flushes();
  EXPECT_TRUE(journal->sync(first));
  EXPECT_EQ(disk->flushes(), before);
}

TEST_F(JournalTest, SyncOfARecordThatWasNeverAppendedIsEINVAL) {
  reopen();
  EXPECT_EQ(errnum_of(journal->sync({1})), EINVAL);
}

TEST_F(JournalTest, ManyThreadsShareFlushes) {
  constexpr int kThreads = 64, kEach = 20;
  disk->sync_takes = std::chrono::milliseconds(1);
  reopen();
  const std::size_t before = disk->flushes();
  const SteadyTime began = system_clock().steady();
  {
    std::vector<Thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back("commits", [&] {
        for (int i = 0; i < kEach; ++i) ASSERT_TRUE(journal->sync(append("shared")));
      });
  }
  const double seconds = std::chrono::duration<double>(system_clock().steady() - began).count();
  const std::size_t flushes = disk->flushes() - before;
  std::printf("%d threads: %.0f commits/s, %.0f flushes/s\n", kThreads, kThreads * kEach / seconds,
              static_cast<double>(flushes) / seconds);
  EXPECT_LT(flushes, kThreads * kEach / 4);
  EXPECT_EQ(reopen_after_power_loss().size(), std::size_t{kThreads * kEach});
}

TEST_F(JournalTest, AFlushThatFailedEndsAllPromises) {
  reopen();
  commit("safe");
  const JournalSequence lost = append("lost");
  disk->syncs_to_fail = 1;
  EXPECT_EQ(errnum_of(journal->sync(lost)), EIO);
  ASSERT_TRUE(journal->failure());
  EXPECT_TRUE(journal->failure()->may_have_happened);
  EXPECT_EQ(errnum_of(journal->sync(lost)), EIO) << "the next flush would succeed, and prove nothing";
  EXPECT_EQ(errnum_of(journal->append(7, "more")), EIO);
  EXPECT_EQ(errnum_of(journal->compact(journal->mark(), {})), EIO);
  EXPECT_TRUE(journal->sync({1})) << "what was on disk before stays there";
}

TEST_F(JournalTest, AllWhoWaitForAFlushThatFailsHearOfIt) {
  disk->sync_takes = std::chrono::milliseconds(1);
  reopen();
  disk->syncs_to_fail = 1;
  std::atomic<int> refused = 0;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back("commits", [&] {
        const auto sequence = journal->append(7, "x");
        if (!sequence || !journal->sync(*sequence)) ++refused;
      });
  }
  EXPECT_EQ(refused, 8);
}

TEST_F(JournalTest, AWriteThatFailsAndCannotBeErasedEndsAllPromises) {
  reopen();
  append("kept");
  disk->writes_fail = true;
  EXPECT_EQ(errnum_of(journal->append(7, "not there")), EIO);
  EXPECT_TRUE(journal->failure());
  disk->writes_fail = false;
  EXPECT_EQ(reopen(), Texts{"kept"});
}

TEST_F(JournalTest, AFullDiskRefusesOneRecordAndNothingElse) {
  reopen();
  commit("before");
  disk->space = disk->bytes("log").size();
  const std::string large(kLargestPayload.n, 'L');
  std::size_t fitted = 0;
  while (journal->append(7, large)) ++fitted;
  EXPECT_EQ(errnum_of(journal->append(7, large)), ENOSPC);
  EXPECT_FALSE(journal->failure());
  commit("small");
  disk->space *= 2;
  commit("after");
  const Texts found = reopen();
  ASSERT_EQ(found.size(), fitted + 3);
  EXPECT_EQ(found[fitted + 1] + found[fitted + 2], "smallafter");
}

TEST_F(JournalTest, ARecordThatIsTooLargeIsRefused) {
  reopen();
  EXPECT_EQ(errnum_of(journal->append(7, std::string(kLargestPayload.n + 1, 'x'))), EMSGSIZE);
  EXPECT_EQ(errnum_of(journal->compact(journal->mark(), {{7, std::string(kLargestPayload.n + 1, 'x')}})), EMSGSIZE);
  EXPECT_FALSE(journal->failure());
  EXPECT_TRUE(reopen().empty());
}

TEST_F(JournalTest, CompactionReplacesHistoryAndKeepsWhatCameLater) {
  reopen();
  for (int i = 0; i < 1000; ++i) append("history");
  const ByteCount before = journal->size();
  const Journal::Mark mark = journal->mark();
  append("later");
  ASSERT_TRUE(journal->compact(mark, records({"s1", "s2"})));
  EXPECT_LT(journal->size(), before);
  append("last");
  EXPECT_EQ(reopen(), (Texts{"s1", "s2", "later", "last"}));
}

TEST_F(JournalTest, AllIsOnDiskAfterACompaction) {
  reopen();
  append("history");
  const Journal::Mark mark = journal->mark();
  const JournalSequence later = append("later");
  ASSERT_TRUE(journal->compact(mark, records({"snapshot"})));
  const std::size_t before = disk->flushes();
  EXPECT_TRUE(journal->sync(later));
  EXPECT_EQ(disk->flushes(), before);
  EXPECT_EQ(reopen_after_power_loss(), (Texts{"snapshot", "later"}));
}

TEST_F(JournalTest, AMarkOfAnEarlierFileIsESTALE) {
  reopen();
  append("a");
  const Journal::Mark mark = journal->mark();
  ASSERT_TRUE(journal->compact(mark, records({"snapshot"})));
  EXPECT_EQ(errnum_of(journal->compact(mark, records({"again"}))), ESTALE);
  EXPECT_EQ(reopen(), Texts{"snapshot"});
}

TEST_F(JournalTest, ACompactionWithoutSpaceLeavesTheOldFile) {
  reopen();
  commit("one");
  disk->space = 100;
  EXPECT_EQ(errnum_of(journal->compact(journal->mark(), records({"snapshot"}))), ENOSPC);
  EXPECT_FALSE(journal->failure());
  EXPECT_FALSE(disk->has("log.new"));
  disk->space = std::numeric_limits<std::uint64_t>::max();
  commit("two");
  EXPECT_EQ(reopen(), (Texts{"one", "two"}));
  EXPECT_TRUE(journal->compact(journal->mark(), records({"both"})));
}

TEST_F(JournalTest, AFullDiskDuringACompactionRefusesOneRecordAndNothingElse) {
  reopen();
  commit("one");
  disk->space = disk->bytes("log").size();
  const std::string large(kLargestPayload.n, 'L');
  while (journal->append(7, large)) continue;
  int refused = 0;
  disk->during_sync = [&] { refused += errnum_of(journal->append(7, large)) == ENOSPC ? 1 : 0; };
  EXPECT_TRUE(journal->compact(journal->mark(), records({"said"})));
  disk->during_sync = {};
  EXPECT_GT(refused, 0);
  EXPECT_FALSE(journal->failure());
  commit("two");
  EXPECT_EQ(reopen_after_power_loss(), (Texts{"said", "two"}));
}

TEST_F(JournalTest, ANextFileWithoutSpaceCostsTheCompactionAndNotTheRecord) {
  reopen();
  commit("one");
  disk->space = disk->bytes("log").size();
  const std::string large(kLargestPayload.n, 'L');
  const Texts snapshot(disk->space / (large.size() + 100), large);
  std::vector<JournalSequence> later;
  disk->during_sync = [&, syncs = 0]() mutable {
    if (++syncs == 2) later.push_back(append(large));  // when nearly all is copied
  };
  EXPECT_EQ(errnum_of(journal->compact(journal->mark(), records(snapshot))), ENOSPC);
  disk->during_sync = {};
  EXPECT_FALSE(journal->failure());
  EXPECT_FALSE(disk->has("log.new"));
  ASSERT_FALSE(later.empty());
  EXPECT_TRUE(journal->sync(later.back()));
  EXPECT_EQ(reopen_after_power_loss().size(), 1 + later.size());
}

TEST_F(JournalTest, WhatIsAppendedAtAnyStepOfACompactionIsInTheFileThatAKillOrAPowerLossLeaves) {
  for (std::uint64_t step = 0; step < 40; ++step)
    for (const bool power : {false, true}) {
      disk = std::make_shared<FakeLogDisk>();
      reopen();
      commit("a");
      const Journal::Mark mark = journal->mark();
      commit("b");
      Texts appended;
      disk->during_sync = disk->during_names_sync = [&] {
        const std::string text = std::to_string(appended.size());
        if (journal->append(7, text)) appended.push_back(text);
      };
      disk->steps_left = step;
      (void)journal->compact(mark, records({"A"}));
      disk->during_sync = disk->during_names_sync = {};
      Texts found = power ? reopen_after_power_loss() : reopen();
      ASSERT_GE(found.size(), 2u);
      EXPECT_TRUE(found[0] == "a" || found[0] == "A");
      EXPECT_EQ(found[1], "b");
      found.erase(found.begin(), found.begin() + 2);
      if (power) {
        ASSERT_LE(found.size(), appended.size() + 1) << "one that was refused may be there";
        appended.resize(std::min(found.size(), appended.size()));
        found.resize(appended.size());
      }
      EXPECT_EQ(found, appended) << "step " << step << ", power loss " << power;
    }
}

TEST_F(JournalTest, ACompactionWhoseNameMayBeLostEndsAllPromises) {
  reopen();
  commit("one");
  disk->names_fail_to_sync = true;
  EXPECT_EQ(errnum_of(journal->compact(journal->mark(), records({"snapshot"}))), EIO);
  EXPECT_TRUE(journal->failure());
  EXPECT_FALSE(journal->append(7, "to which file?"));
}

TEST_F(JournalTest, APowerLossOrAKillAtAnyStepOfACompactionLeavesOneWholeJournal) {
  bool complete = false;
  for (std::uint64_t step = 0; !complete; ++step)
    for (const bool power : {false, true}) {
      disk = std::make_shared<FakeLogDisk>();
      reopen();
      for (const char* text : {"a", "b", "c"}) append(text);
      const Journal::Mark mark = journal->mark();
      commit("d");
      disk->steps_left = step;
      complete = journal->compact(mark, records({"abc"})).has_value();
      const Texts found = power ? reopen_after_power_loss() : reopen();
      const bool old = found == Texts{"a", "b", "c", "d"};
      ASSERT_TRUE(old || found == (Texts{"abc", "d"})) << "step " << step << ", power loss " << power;
      ASSERT_FALSE(complete && old);
      commit("e");
      ASSERT_EQ(reopen_after_power_loss().back(), "e");
    }
}

TEST_F(JournalTest, AppendsAndCommitsGoOnWhileFilesChange) {
  disk->sync_takes = std::chrono::microseconds(200);
  reopen();
  std::atomic<bool> done = false;
  std::atomic<int> committed = 0;
  {
    std::vector<Thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back("commits", [&] {
        while (!done) {
          ASSERT_TRUE(journal->sync(append("later")));
          ++committed;
        }
      });
    int rounds = 0;
    for (; rounds < 20 || committed < 200; ++rounds) {
      const Journal::Mark mark = journal->mark();
      ASSERT_TRUE(journal->compact(mark, records(Texts(mark.last.n, "said"))));
    }
    done = true;
  }
  EXPECT_EQ(reopen_after_power_loss().size(), static_cast<std::size_t>(committed));
}

// ---- on a real disk ----

Texts texts_in(const std::filesystem::path& folder, std::unique_ptr<Journal>* journal) {
  Texts found;
  auto directory = open_log_directory(folder);
  EXPECT_TRUE(directory) << directory.error().context;
  if (!directory) return found;
  auto opened = Journal::open(*std::move(directory), [&](std::uint8_t, std::string_view payload) {
    found.emplace_back(payload);
    return Result<Unit>(Unit{});
  });
  EXPECT_TRUE(opened) << opened.error().context;
  if (opened && journal != nullptr) *journal = std::move(opened->journal);
  return found;
}

template <class Run>
int exit_code_of_child(Run run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(JournalOnDisk, AppendedRecordsSurviveAKill) {
  TemporaryDirectory folder;
  const int code = exit_code_of_child([&] {
    std::unique_ptr<Journal> journal;
    texts_in(folder.path() / "j", &journal);
    for (const char* text : {"one", "two"})
      if (!journal->append(1, text)) return 1;
    return ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(code, -SIGKILL);
  EXPECT_EQ(texts_in(folder.path() / "j", nullptr), (Texts{"one", "two"}));
}

TEST(JournalOnDisk, SecondProcessIsEBUSY) {
  TemporaryDirectory folder;
  std::unique_ptr<Journal> journal;
  texts_in(folder.path() / "j", &journal);
  EXPECT_EQ(errnum_of(open_log_directory(folder.path() / "j")), EBUSY);
  journal.reset();
  EXPECT_TRUE(open_log_directory(folder.path() / "j"));
}

TEST(JournalOnDisk, AFileThatMayNotGrowRefusesOneRecordAndNothingElse) {
  TemporaryDirectory folder;
  const int code = exit_code_of_child([&] {
    std::unique_ptr<Journal> journal;
    texts_in(folder.path() / "j", &journal);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{2 << 20, 2 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string large(60'000, 'L');
    int fitted = 0;
    while (journal->append(1, large)) ++fitted;
    const auto small = journal->append(1, "small");
    const bool goes_on = small && journal->sync(*small) && !journal->failure();
    return goes_on && fitted == 34 ? 0 : 1;
  });
  EXPECT_EQ(code, 0);
  const Texts found = texts_in(folder.path() / "j", nullptr);
  ASSERT_EQ(found.size(), 35u);
  EXPECT_EQ(found.back(), "small");
}

TEST(JournalOnDisk, CompactionShortensTheFile) {
  TemporaryDirectory folder;
  std::unique_ptr<Journal> journal;
  texts_in(folder.path() / "j", &journal);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(journal->append(1, std::string(50'000, 'x')));
  ASSERT_GT(std::filesystem::file_size(folder.path() / "j/log"), 5'000'000u);
  ASSERT_TRUE(journal->compact(journal->mark(), {{1, "all of it"}}));
  EXPECT_LT(std::filesystem::file_size(folder.path() / "j/log"), 2'000'000u);
  EXPECT_TRUE(journal->sync(*journal->append(1, "more")));
  journal.reset();
  EXPECT_EQ(texts_in(folder.path() / "j", nullptr), (Texts{"all of it", "more"}));
}

}  // namespace
}  // namespace pail::local
