// Staged files after a power cut.
#include <gmock/gmock.h>

#include "power_cut_fixture.h"

namespace pail::vfs {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST_F(PowerCutTest, AFileThatWasBeingWrittenIsKeptWithItsKeyAndAttributes) {
  ASSERT_EQ(mkdir("dir"), 0);
  const Handle file = make("dir/new", "bytes of mine");
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.permissions = 0751, .uid = 12}));
  wait_for_the_journal();
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  const local::KeptDescription about = kept_descriptions().front();
  EXPECT_EQ(about.reason, local::KeptReason::name_lost);
  EXPECT_EQ(about.bucket, kBucket);
  EXPECT_EQ(about.key, "dir/new");
  EXPECT_EQ(about.name, "new");
  EXPECT_EQ(about.permissions, 0751u);
  EXPECT_EQ(about.uid, 12u);
  EXPECT_EQ(about.base_etag, "");
  EXPECT_TRUE(about.complete());
  EXPECT_THAT(kept(), ElementsAre("bytes of mine"));
}

TEST_F(PowerCutTest, AChangedFileIsKeptWithTheVersionThatItChanges) {
  store_->put("f", "before");
  ASSERT_EQ(write_to(open("f"), "BE"), 0);
  wait_for_the_journal();
  const std::string etag = store_->info("f")->etag.text;
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "f");
  EXPECT_EQ(kept_descriptions().front().base_etag, etag);
  EXPECT_EQ(read("f"), "before");
}

TEST_F(PowerCutTest, AFileIsKeptUnderTheNameThatItsRenameAndThatOfADirectoryAboveGaveIt) {
  ASSERT_EQ(mkdir("dir"), 0);
  make("dir/old", "mine");
  ASSERT_EQ(rename("dir/old", "dir/new"), 0);
  ASSERT_EQ(rename("dir", "other"), 0);
  wait_for_the_journal();
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "other/new");
}

TEST_F(PowerCutTest, WhatCloseAnsweredForIsInTheBucketAndNotKept) {
  ASSERT_EQ(write("f", "stored"), 0);
  wait_for_the_journal();
  lose_power();
  EXPECT_THAT(kept_descriptions(), IsEmpty());
  EXPECT_EQ(read("f"), "stored");
}

TEST_F(PowerCutTest, AFileThatWasRemovedWhileItWasOpenLeavesNothing) {
  make("written", "of no use");
  store_->put("read", "by an open handle");
  open("read");
  ASSERT_EQ(unlink("written"), 0);
  ASSERT_EQ(unlink("read"), 0);
  wait_for_the_journal();
  lose_power();
  EXPECT_THAT(kept_descriptions(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(options_.state_directory / "staging"));
}

TEST_F(PowerCutTest, AFileThatWasRemovedWhileItWasWrittenLeavesNothingAfterAKillEither) {
  make("written", "of no use");
  ASSERT_EQ(unlink("written"), 0);
  stop(Stops::process);
  start();
  EXPECT_THAT(kept_descriptions(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(options_.state_directory / "staging"));
}

TEST_F(PowerCutTest, WhatTheDiskDidNotHaveYetOfTheJournalCostsTheNameAndNotTheBytes) {
  make("new", "mine");
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "");
  EXPECT_THAT(kept(), ElementsAre("mine"));
}

TEST_F(PowerCutTest, NumbersAreNotUsedAgainAndHandlesOfBeforeAreStale) {
  const Handle file = make("old", "mine");
  const std::uint64_t generation = fs_->getattr(request(), file.number)->generation;
  lose_power();
  const Handle fresh = make("new", "mine");
  EXPECT_GT(fresh.number, file.number);
  EXPECT_NE(fs_->getattr(request(), fresh.number)->generation, generation);
  EXPECT_EQ(errnum_of(fs_->getattr(request(), file.number)), ESTALE);
}

TEST_F(PowerCutTest, ASecondOneFindsWhatTheFirstLeft) {
  make("one", "1");
  wait_for_the_journal();
  lose_power();
  make("two", "22");
  wait_for_the_journal();
  lose_power();
  std::vector<std::string> keys;
  for (const auto& about : kept_descriptions()) keys.push_back(about.key);
  EXPECT_THAT(keys, UnorderedElementsAre("one", "two"));
}

TEST_F(PowerCutTest, AfterAKillTheNamesCorrectWhatTheJournalMissed) {
  make("old", "mine");
  const fs::path log = options_.state_directory / "journal" / "log", earlier = directory_.path() / "earlier";
  fs::copy_file(log, earlier);
  ASSERT_EQ(rename("old", "new"), 0);
  fs_.reset();
  fs::copy_file(earlier, log, fs::copy_options::overwrite_existing);  // as if killed before the record
  resume();
  wait_for_the_journal();
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "new");
}

}  // namespace
}  // namespace pail::vfs
