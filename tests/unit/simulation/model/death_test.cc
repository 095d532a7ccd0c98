// What a death may leave, of the worker or of the mount, and what it may not.
#include "model_fixture.h"

namespace pail::simulation {
namespace {

using testing::HasSubstr;

class DeathTest : public ModelTest {
 protected:
  ShownEntry shown_as_stored(const std::string& key, InodeNumber number) {
    bucket_.at(key).modified = WallTime{std::chrono::seconds(1000)};
    ShownEntry entry = file(number, bucket_.at(key).content.bytes().size());
    entry.modified = *bucket_.at(key).modified;
    return entry;
  }
};

TEST_F(DeathTest, AWorkersDeathIsNoExcuseForAnError) {
  create("f", 5);
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "x"});
  model_.resumed();
  answer_error(writing, EIO);
  EXPECT_THAT(violation(), HasSubstr("EIO"));
  answer(writing, Written{1});
  reads(5, "x");
}

TEST_F(DeathTest, AFreshMountShowsWhatWasStored) {
  store("f", 5, "x");
  remounted();
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, AFreshMountDoesNotShowWhatWasNotStored) {
  create("f", 5);
  write(5, "x");
  remounted();
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
}

TEST_F(DeathTest, ALinkThatAnUnstoredFileWasMovedOverIsThereAgain) {
  put("l", "to", 0777);
  const ShownEntry link{.number = 5, .type = vfs::FileType::symlink, .permissions = 0777, .size = 2};
  call(MakeSymlink{kRootNumber, "l", "to"}, link);
  create("f", 6);
  call(Rename{kRootNumber, "f", kRootNumber, "l"});
  remounted();
  call(Lookup{kRootNumber, "l"}, link);
}

TEST_F(DeathTest, WhatWasNotStoredIsKept) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  remounted();
  call(Lookup{kRootNumber, "f"}, file(5, 3));
  settles();
  EXPECT_THAT(violation(), HasSubstr("not kept"));
  kept_.emplace_back("new");
  settles();
}

TEST_F(DeathTest, WhatWasStoredByAFlushUnderWayNeedNotBeKept) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  ask(Flush{.number = 5, .handle = 1});
  remounted();
  put("f", "new");
  settles();
}

TEST_F(DeathTest, WhatWasStoredAndRemovedBeforeItWasLookedAtNeedNotBeKept) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  ask(Flush{.number = 5, .handle = 1});
  put("f", "new");
  remounted();
  remove("f");
  call(Unlink{kRootNumber, "f"});
  settles();
}

TEST_F(DeathTest, WhatAFlushUnderWayDidNotStoreIsKept) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  ask(Flush{.number = 5, .handle = 1});
  remounted();
  settles();
  EXPECT_THAT(violation(), HasSubstr("not kept"));
}

TEST_F(DeathTest, WhatWasWrittenAfterARemovalThatFailedIsKeptOverACalmUnmount) {
  store("f", 5, "x");
  open(5);
  remove("f");
  fails(Unlink{kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  write(5, "new");
  around_ = kAnyTrouble;
  call_error(Flush{.number = 5, .handle = 1}, EIO);
  release(5);
  around_ = Around::calm;
  model_.unmounted(Around::calm, view());
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_EQ(violation(), "");
  settles();
  EXPECT_THAT(violation(), HasSubstr("not kept"));
}

TEST_F(DeathTest, WhatAFlushUnderWayDidNotStoreOfANewFileIsKept) {
  create("f", 5);
  write(5, "new");
  ask(Flush{.number = 5, .handle = 1});
  remounted();
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_EQ(violation(), "");
  settles();
  EXPECT_THAT(violation(), HasSubstr("not kept"));
}

TEST_F(DeathTest, WhatWasWrittenBeforeNewAttributesFailedIsKept) {
  create("f", 5);
  write(5, "new");
  fails(SetAttributes{.number = 5, .permissions = 0600});
  remounted();
  settles();
  EXPECT_THAT(violation(), HasSubstr("not kept"));
}

TEST_F(DeathTest, NewAttributesThatFailedAreStoredWithoutWhatWasWritten) {
  store("f", 5, "x");
  open(5);
  write(5, "new");
  fails(SetAttributes{.number = 5, .permissions = 0600});
  put("f", "x", 0600);
  remounted();
  call(Lookup{kRootNumber, "f"}, file(5, 1, 0600));
}

TEST_F(DeathTest, WhatWasWrittenIsNotStoredWithNewAttributesThatFailed) {
  store("f", 5, "x");
  open(5);
  write(5, "new");
  fails(SetAttributes{.number = 5, .permissions = 0600});
  put("f", "new", 0600);
  remounted();
  call(Lookup{kRootNumber, "f"}, file(5, 3, 0600));
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, WhatWasWrittenIsNotStoredWithNewAttributes) {
  store("f", 5, "x");
  open(5);
  write(5, "new");
  call(SetAttributes{.number = 5, .permissions = 0600}, file(5, 3, 0600));
  put("f", "new", 0600);
  remounted();
  call(Lookup{kRootNumber, "f"}, file(5, 3, 0600));
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, ACallUnderWayMayHaveHappenedOrNot) {
  ask(MakeDirectory{kRootNumber, "d"});
  remounted();
  call(Lookup{kRootNumber, "d"}, directory(2));
  call_error(Lookup{kRootNumber, "d"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, WhatTheDeletesOfAFailedRenameTookIsGoneAfterACalmUnmount) {
  mkdir("d", 5);
  store("f", 6, "x", 5, "d/f");
  around_ = kAnyTrouble;
  call_error(Rename{kRootNumber, "d", kRootNumber, "e"}, EIO);
  around_ = Around::calm;
  remove("d/f");
  put("e/f", "x");
  call(Lookup{5, "f"}, file(6, 1));  // as the mount knows it
  model_.unmounted(Around::calm, view());
  call(Lookup{kRootNumber, "d"}, directory(5));
  call_error(Lookup{5, "f"}, ENOENT);
}

TEST_F(DeathTest, ADirectoryWhoseMarkerAFailedRenameTookIsGoneAfterAnUnmount) {
  mkdir("d", 5);
  mkdir("s", 6, 5, "d/s/");
  around_ = kAnyTrouble;
  call_error(Rename{kRootNumber, "d", kRootNumber, "e"}, EIO);
  around_ = Around::calm;
  call(Lookup{5, "s"}, directory(6));  // as the mount knows it
  remove("d/s/");
  model_.unmounted(Around::calm, view());
  call(Lookup{kRootNumber, "d"}, directory(5));
  call_error(Lookup{5, "s"}, ENOENT);
}

TEST_F(DeathTest, ADirectoryWhoseMarkerStayedWhenARenameFailedIsThereAfterAnUnmount) {
  mkdir("d", 5);
  mkdir("s", 6, 5, "d/s/");
  around_ = kAnyTrouble;
  call_error(Rename{kRootNumber, "d", kRootNumber, "e"}, EIO);
  around_ = Around::calm;
  call(Lookup{5, "s"}, directory(6));
  model_.unmounted(Around::calm, view());
  call(Lookup{kRootNumber, "d"}, directory(5));
  call_error(Lookup{5, "s"}, ENOENT);
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
}

TEST_F(DeathTest, ANameIsNotLostByARenameThatWasCutOff) {
  store("f", 5, "x");
  ask(Rename{kRootNumber, "f", kRootNumber, "g"});
  remounted();
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  call(Lookup{kRootNumber, "g"}, file(5, 1));
  call_error(Lookup{kRootNumber, "g"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, AFreshMountShowsNoNumberOfAnotherFile) {
  store("f", 5, "x");
  store("g", 6, "y");
  store("h", 7, "z");
  remove("h");
  call(Unlink{kRootNumber, "h"});
  remounted();
  call(Lookup{kRootNumber, "f"}, file(6, 1));
  EXPECT_THAT(violation(), HasSubstr("#6"));
  call(Lookup{kRootNumber, "f"}, file(7, 1));
  EXPECT_THAT(violation(), HasSubstr("#7"));
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call(Lookup{kRootNumber, "g"}, file(8, 1));
}

TEST_F(DeathTest, AFileMayHaveItsNumberInEachMount) {
  store("f", 5, "x");
  remounted();
  remounted();
  call(Lookup{kRootNumber, "f"}, file(5, 1));
}

TEST_F(DeathTest, AnAbandonedRequestMayMakeAName) {
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  put("f", "late");
  model_.abandoned("f");
  call(Lookup{kRootNumber, "f"}, file(5, 4));
  remounted();
  settles();
}

TEST_F(DeathTest, AnAbandonedRequestBelowTheNameOfAFileMayHideIt) {
  store("f", 5, "x");
  put("f/a", "late");
  model_.abandoned("f/a");
  call(Lookup{kRootNumber, "f"}, directory(6));
  call(Lookup{6, "a"}, shown_as_stored("f/a", 7));
  EXPECT_EQ(violation(), "");
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, AnAbandonedRequestBelowTheNameOfAFileMayNotHideIt) {
  store("f", 5, "x");
  put("f/a", "late");
  model_.abandoned("f/a");
  call(Lookup{kRootNumber, "f"}, file(5, 1));
}

TEST_F(DeathTest, AnAbandonedRequestIsAboutItsKeyAlone) {
  store("f", 5, "x");
  store("g", 6, "y");
  remove("f");
  model_.abandoned("f");
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  call_error(Lookup{kRootNumber, "g"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, WhatAnAbandonedRequestDidIsJudgedOnceItIsShown) {
  put("f", "late");
  model_.abandoned("f");
  call(Lookup{kRootNumber, "f"}, shown_as_stored("f", 5));
  open(5);
  reads(5, "late");
  reads(5, "lost");
  EXPECT_THAT(violation(), HasSubstr("\"late\""));
  release(5);
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
  remove("f");
  settles();
  EXPECT_THAT(violation(), HasSubstr("no object"));
}

TEST_F(DeathTest, WhatIsShownAfterAnAbandonedRequestMayStillBeStagedAndStoredAnewLater) {
  create("f", 5);
  write(5, "abc");
  around_ = {.store = true};
  call_error(Flush{.number = 5, .handle = 1}, EIO);
  release(5);
  around_ = Around::calm;
  put("f", "abc");
  model_.abandoned("f");
  auto entry = shown_as_stored("f", 5);
  call(Lookup{kRootNumber, "f"}, entry);
  entry.permissions = 0600;
  call(SetAttributes{.number = 5, .permissions = 0600}, entry);
  EXPECT_EQ(violation(), "");
  call(Sync{.number = 5});
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, NewAttributesOfWhatIsShownAfterAnAbandonedRequestMayBeStoredAlthoughTheyFailed) {
  store("f", 5, "x");
  put("f", "late");
  model_.abandoned("f");
  call(Lookup{kRootNumber, "f"}, shown_as_stored("f", 5));
  around_ = {.store = true};
  call_error(SetAttributes{.number = 5, .permissions = 0600}, ETIMEDOUT);
  around_ = Around::calm;
  put("f", "late", 0600);
  remounted();
  auto entry = shown_as_stored("f", 5);
  entry.permissions = 0600;
  call(Lookup{kRootNumber, "f"}, entry);
}

TEST_F(DeathTest, ALookAtWhatWasThereBeforeAnAbandonedRequestSaysNothingOfIt) {
  store("f", 5, "x");
  put("f", "late");
  model_.abandoned("f");
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  open(5);
  reads(5, "late");
  call_error(Read{.number = 5, .handle = 1, .size = 9}, ESTALE);
}

TEST_F(DeathTest, WhatIsStoredAfterAnAbandonedRequestIsJudged) {
  store("f", 5, "x");
  open(5);
  model_.abandoned("f");
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  write(5, "abc");
  remove("f");
  const auto flush = ask(Flush{.number = 5, .handle = 1});
  answer(flush);
  EXPECT_THAT(violation(), HasSubstr("no object"));
  put("f", "abc");
  answer(flush);
  put("f", "other");
  settles();
  EXPECT_THAT(violation(), HasSubstr("\"other\""));
}

TEST_F(DeathTest, AnAbandonedRequestTakesNothingOfWhatWasStagedAway) {
  store("f", 5, "x");
  open(5);
  write(5, "abc");
  remounted();
  model_.abandoned("f");
  put("f", "late");
  settles();
  EXPECT_THAT(violation(), HasSubstr("not kept"));
  kept_.emplace_back("abc");
  settles();
}

TEST_F(DeathTest, WhatAnAbandonedRequestStoredNeedNotBeKept) {
  store("f", 5, "x");
  open(5);
  write(5, "abc");
  remounted();
  put("f", "abc");
  model_.abandoned("f", "abc");
  put("f", "later");
  settles();
}

TEST_F(DeathTest, WhatIsRemovedAfterAnAbandonedRequestIsGone) {
  store("f", 5, "x");
  model_.abandoned("f");
  remove("f");
  call(Unlink{kRootNumber, "f"});
  put("f", "x");
  settles();
  EXPECT_THAT(violation(), HasSubstr("belongs to nothing"));
}

TEST_F(DeathTest, AListingOfWhatAnAbandonedRequestTookAwayDoesNotBringItBack) {
  store("f", 5, "x");
  remove("f");
  model_.abandoned("f");
  call(ReadDirectory{.number = kRootNumber, .offset = 0, .most = 9},
       Listed{{listed(".", kRootNumber, 1), listed("..", kRootNumber, 2), listed("f", 5, 7)}});
  call_error(Unlink{kRootNumber, "f"}, ENOENT);
}

TEST_F(DeathTest, ADirectoryOfAnAbandonedRequestIsFoundByWhoMakesIt) {
  put("d/", "");
  model_.abandoned("d/");
  call_error(Lookup{kRootNumber, "d"}, ENOENT);
  call_error(MakeDirectory{kRootNumber, "d"}, EEXIST);
  call(Lookup{kRootNumber, "d"}, directory(2));
  EXPECT_EQ(violation(), "");
  call_error(Lookup{kRootNumber, "d"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(DeathTest, WhatTheBucketHasOfAFileThatNobodyLookedAtIsNotOwed) {
  create("f", 5);
  call(Flush{.number = 5, .handle = 1, .caller_has_another = true});
  write(5, "abc");
  ask(Flush{.number = 5, .handle = 1});
  remounted();
  put("f", "");
  settles();
  EXPECT_THAT(violation(), HasSubstr("not kept"));
  put("f", "abc");
  settles();
}

TEST_F(DeathTest, AnOrderlyEndStoresEverything) {
  create("f", 5);
  write(5, "x");
  model_.unmounted(Around::calm, view());
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_NE(violation(), "");
  put("f", "x");
  settles();
}

}  // namespace
}  // namespace pail::simulation
