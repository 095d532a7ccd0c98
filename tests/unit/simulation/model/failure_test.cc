// What a failure may leave, and what it may not.
#include "model_fixture.h"

namespace pail::simulation {
namespace {

using testing::HasSubstr;

class FailureTest : public ModelTest {
 protected:
  ShownEntry modified_at(int seconds) const {
    ShownEntry entry = file(5, 3);
    entry.modified = WallTime(std::chrono::seconds(seconds));
    return entry;
  }
  // "f" over "g", a file that is open and has changes.
  void fail_to_rename_over_changes() {
    store("f", 5, "x");
    store("g", 6, "yz");
    open(6);
    write(6, "abc");
    fails(Rename{kRootNumber, "f", kRootNumber, "g"});
  }
  void ends_early(Write write, std::uint64_t size) {
    around_ = kAnyTrouble;
    call(std::move(write), Written{size});
    around_ = Around::calm;
  }
};

TEST_F(FailureTest, TroubleExcusesAnErrorThatChangesNothing) {
  create("f", 5);
  write(5, "abc");
  fails(Write{.number = 5, .handle = 1, .bytes = "xyz"}, ENOSPC);
  reads(5, "abc");
  reads(5, "xyz");
  EXPECT_THAT(violation(), HasSubstr("abc"));
}

TEST_F(FailureTest, ATroubleExcusesErrorsOfItsOwnKindAlone) {
  constexpr Around kStore{.store = true}, kFull{.full_disk = true}, kFailing{.failing_disk = true},
      kKilled{.killed_caller = true};
  for (const int errnum : {EIO, ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH, EBUSY, EACCES, ENOSPC, EINTR, ENODEV, EBADMSG}) {
    const bool is_of_the_store = errnum != ENOSPC && errnum != EINTR && errnum != ENODEV && errnum != EBADMSG;
    EXPECT_EQ(kStore.excuses(errnum), is_of_the_store) << errnum;
    EXPECT_EQ(kFull.excuses(errnum), errnum == ENOSPC) << errnum;
    EXPECT_EQ(kFailing.excuses(errnum), errnum == EIO) << errnum;
    EXPECT_EQ(kKilled.excuses(errnum), errnum == EINTR) << errnum;
    EXPECT_FALSE(Around::calm.excuses(errnum)) << errnum;
  }
}

TEST_F(FailureTest, AFullDiskIsNoExcuseForAnErrorOfTheStore) {
  store("f", 5, "x");
  around_ = {.full_disk = true};
  call_error(Lookup{kRootNumber, "f"}, EIO);
  EXPECT_THAT(violation(), HasSubstr("EIO"));
}

TEST_F(FailureTest, AWriteThatTheStoreFailedDoesAllOrNothing) {
  create("f", 5);
  write(5, "abc");
  around_ = {.store = true};
  call_error(Write{.number = 5, .handle = 1, .bytes = "xyz"}, EIO);
  around_ = Around::calm;
  reads(5, "abc");
  reads(5, "xbz");
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AWriteThatFailedMayShowInTheTimeAlone) {
  create("f", 5);
  write(5, "abc");
  call(SetAttributes{.number = 5, .modified = WallTime(std::chrono::seconds(7))}, modified_at(7));
  fails(Write{.number = 5, .handle = 1, .at = 1, .bytes = "xyz"}, ENOSPC);
  call(GetAttributes{5}, modified_at(9));
  reads(5, "abc");
}

TEST_F(FailureTest, EachCheckAndEachExcuseIsCounted) {
  store("f", 5, "x");
  EXPECT_EQ(model_.counts().of(Check::stored), 1u);
  EXPECT_EQ(model_.counts().of(Check::made_and_opened), 1u);
  EXPECT_EQ(model_.counts().of(Check::written), 1u);
  EXPECT_EQ(model_.counts().of(Check::object), 0u);
  settles();
  EXPECT_EQ(model_.counts().of(Check::object), 1u);
  around_ = {.store = true};
  call_error(Lookup{kRootNumber, "f"}, EIO);
  EXPECT_EQ(model_.counts().of(Check::excused_by_the_store), 1u);
  EXPECT_EQ(model_.counts().of(Check::excused_by_a_full_disk), 0u);
}

TEST_F(FailureTest, AnOpenFileThatIsRemovedInTroubleMayBeUnreadable) {
  store("f", 5, "x");
  open(5);
  remove("f");
  around_ = kAnyTrouble;
  call(Unlink{kRootNumber, "f"});
  around_ = Around::calm;
  reads(5, "x");
  call_error(Read{.number = 5, .handle = 1, .size = 1}, ESTALE);
}

TEST_F(FailureTest, AnOpenFileThatIsRemovedWithoutTroubleIsReadable) {
  store("f", 5, "x");
  open(5);
  remove("f");
  call(Unlink{kRootNumber, "f"});
  call_error(Read{.number = 5, .handle = 1, .size = 1}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(FailureTest, AnOpenFileWhoseRemoverIsKilledIsReadable) {
  store("f", 5, "x");
  open(5);
  remove("f");
  around_ = {.killed_caller = true};
  call(Unlink{kRootNumber, "f"});
  around_ = Around::calm;
  call_error(Read{.number = 5, .handle = 1, .size = 1}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(FailureTest, AFileThatWasNotStoredIsReadableWhenItIsRemovedInTrouble) {
  create("f", 5);
  write(5, "x");
  around_ = kAnyTrouble;
  call(Unlink{kRootNumber, "f"});
  around_ = Around::calm;
  call_error(Read{.number = 5, .handle = 1, .size = 1}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(FailureTest, AWriteThatWasSeenDoesNotFail) {
  create("f", 5);
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "abc"});
  reads(5, "abc");
  around_ = kAnyTrouble;
  answer_error(writing, ENOSPC);
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, EachByteOfAWriteThatADiskFailedMayBeThere) {
  create("f", 5);
  write(5, "abcdef");
  fails(Write{.number = 5, .handle = 1, .at = 1, .bytes = "xyz"}, EIO);
  reads(5, "axczef");
  fails(Write{.number = 5, .handle = 1, .at = 3, .bytes = "!!"}, EIO);
  reads(5, "axc!ef");
  put("f", "axcd!f");
  flush(5);
  write(5, "XYZ", 1);
  put("f", "aXYZ!f");
  flush(5);
}

TEST_F(FailureTest, AWriteThatADiskFailedMakesTheFileNoLonger) {
  create("f", 5);
  write(5, "abc");
  fails(Write{.number = 5, .handle = 1, .at = 2, .bytes = "xyz"}, EIO);
  reads(5, "abx" + std::string("\0z", 2));
  EXPECT_NE(violation(), "");
  reads(5, "abx");
}

TEST_F(FailureTest, AWriteThatFailedMayMakeTheFileLongerWhereTheDiskDoesNotCutIt) {
  create("f", 5);
  write(5, "abc");
  around_ = {.failing_disk = true, .failing_cut = true};
  call_error(Write{.number = 5, .handle = 1, .at = 2, .bytes = "xyz"}, EIO);
  around_ = Around::calm;
  reads(5, "abx" + std::string("\0z", 2));
  reads(5, "abc");
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AWriteThatFailedWhenItWasAskedAgainMayHaveMadeTheFileLongerBefore) {
  create("f", 5);
  write(5, "abc");
  const auto writing = ask(Write{.number = 5, .handle = 1, .at = 3, .bytes = "d"});
  model_.resumed();
  around_ = {.failing_disk = true};
  answer_error(writing, EIO);
  around_ = Around::calm;
  reads(5, "abcd");
}

TEST_F(FailureTest, AWriteThatADiskFailedLosesNoOtherByte) {
  create("f", 5);
  write(5, "abc");
  fails(Write{.number = 5, .handle = 1, .bytes = "xy"}, EIO);
  reads(5, "xyz");
  EXPECT_NE(violation(), "");
  reads(5, "nyc");
  EXPECT_NE(violation(), "");
  put("f", "xxc");
  flush(5);
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AFileGoesOnAfterAWriteThatADiskFailed) {
  create("f", 5);
  fails(Write{.number = 5, .handle = 1, .bytes = "xy"}, EIO);
  write(5, "abc");
  put("f", "abc");
  flush(5);
  call_error(Write{.number = 5, .handle = 1, .bytes = "z"}, EIO);
  EXPECT_THAT(violation(), HasSubstr("EIO"));
}

TEST_F(FailureTest, AWriteThatEndedEarlyIsThereUpToItsCount) {
  store("f", 5, "abcd");
  open(5);
  ends_early(Write{.number = 5, .handle = 1, .at = 2, .bytes = "wxyz"}, 3);
  reads(5, "abwxy");
  call(GetAttributes{5}, file(5, 5));
  ends_early(Write{.number = 5, .handle = 1, .bytes = "12"}, 1);
  put("f", "1bwxy");
  flush(5);
  release(5);
  settles();
}

TEST_F(FailureTest, NoWriteEndsEarlyWithoutTrouble) {
  create("f", 5);
  call(Write{.number = 5, .handle = 1, .bytes = "abc"}, Written{2});
  EXPECT_THAT(violation(), HasSubstr("3 bytes written"));
}

TEST_F(FailureTest, NoByteIsThereBehindTheCountOfAWrite) {
  create("f", 5);
  ends_early(Write{.number = 5, .handle = 1, .bytes = "abc"}, 2);
  reads(5, "abc");
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, BytesBehindTheCountOfAWriteThatWasAskedAgainMayBeThereFromBefore) {
  create("f", 5);
  write(5, "ab");
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "vwxyz"});
  model_.resumed();
  around_ = {.failing_disk = true};
  answer(writing, Written{1});
  around_ = Around::calm;
  reads(5, "vwxyz");
  EXPECT_EQ(violation(), "");
  reads(5, "v");
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, TheEndOfAWriteThatEndsEarlyIsSeenBeforeItsAnswer) {
  create("f", 5);
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "abc"});
  around_ = kAnyTrouble;
  reads(5, "ab");
  call(GetAttributes{5}, file(5, 2));
  answer(writing, Written{2});
  around_ = Around::calm;
  reads(5, "ab");
}

TEST_F(FailureTest, AWriteThatWasSeenToEndEarlyIsWholeWhenItWasAskedAgain) {
  create("f", 5);
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "abc"});
  around_ = kAnyTrouble;
  call(GetAttributes{5}, file(5, 2));
  around_ = Around::calm;
  model_.resumed();
  answer(writing, Written{3});
  reads(5, "abc");
}

TEST_F(FailureTest, TroubleMakesNoNameMissingOrThere) {
  create("f", 5);
  fails(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
  fails(MakeDirectory{kRootNumber, "d"}, EEXIST);
  EXPECT_THAT(violation(), HasSubstr("EEXIST"));
}

TEST_F(FailureTest, AFlushThatFailedMayHaveStored) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  fails(Flush{.number = 5, .handle = 1});
  reads(5, "new");
  around_ = kAnyTrouble;
  release(5);
  around_ = Around::calm;
  settles();
  put("f", "new");
  settles();
  EXPECT_THAT(violation(), HasSubstr("\"old\""));
}

TEST_F(FailureTest, AFlushThatFailedStoresNothingElse) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  fails(Flush{.number = 5, .handle = 1});
  put("f", "ne");
  around_ = kAnyTrouble;
  release(5);
  settles();
  EXPECT_THAT(violation(), HasSubstr("\"ne\""));
}

TEST_F(FailureTest, ADirectoryThatCouldNotBeMadeMayBeThere) {
  fails(MakeDirectory{kRootNumber, "d"});
  put("d/", "", 0755);
  settles();
  call(Lookup{kRootNumber, "d"}, directory(2));
  call_error(Lookup{kRootNumber, "d"}, ENOENT);
  EXPECT_THAT(violation(), HasSubstr("#2"));
}

TEST_F(FailureTest, ADirectoryThatCouldNotBeMadeIsThereOrNot) {
  fails(MakeDirectory{kRootNumber, "d"});
  call_error(Lookup{kRootNumber, "d"}, ENOENT);
  call(Lookup{kRootNumber, "d"}, directory(2));
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
}

TEST_F(FailureTest, ANameThatCouldNotBeRemovedIsDecidedByTheNextLook) {
  store("f", 5, "x");
  fails(Unlink{kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, WhatALookShowedAsTheBucketHasItIsNotStale) {
  store("f", 5, "x");
  fails(Unlink{kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call_error(GetAttributes{5}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(FailureTest, WhatALookShowedOfAnObjectThatHasGoneMayBeStale) {
  store("f", 5, "x");
  fails(Unlink{kRootNumber, "f"});
  remove("f");
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call_error(GetAttributes{5}, ESTALE);
}

TEST_F(FailureTest, WhoHadAFileOpenWhenItsRemovalFailedMayBeToldThatItIsStale) {
  store("f", 5, "x");
  open(5);
  fails(Unlink{kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call_error(Write{.number = 5, .handle = 1, .bytes = "y"}, ESTALE);
}

TEST_F(FailureTest, ARenameOfAChangedFileWhoseRemovalFailedMayFindAConflict) {
  store("f", 5, "x");
  open(5);
  write(5, "yz");
  remove("f");
  fails(Unlink{kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(5, 2));
  call_error(Rename{kRootNumber, "f", kRootNumber, "g"}, ESTALE);
  EXPECT_EQ(violation(), "");
  store("h", 6, "x");
  call_error(Rename{kRootNumber, "h", kRootNumber, "g"}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(FailureTest, ARenameThatFailedMayHaveHappened) {
  store("f", 5, "x");
  fails(Rename{kRootNumber, "f", kRootNumber, "g"});
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  call(Lookup{kRootNumber, "g"}, file(5, 1));
}

TEST_F(FailureTest, ARenameThatFailedMayLeaveTwoFiles) {
  store("f", 5, "x");
  fails(Rename{kRootNumber, "f", kRootNumber, "g"});
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call(Lookup{kRootNumber, "g"}, file(6, 1));
}

TEST_F(FailureTest, ARenameThatFailedLosesNothing) {
  store("f", 5, "x");
  fails(Rename{kRootNumber, "f", kRootNumber, "g"});
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  call_error(Lookup{kRootNumber, "g"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, ARenameOverAFileThatFailedMayShowTheCopyAsThatFileWithoutTheOldName) {
  store("f", 5, "x");
  store("g", 6, "yz");
  fails(Rename{kRootNumber, "f", kRootNumber, "g"});
  call(Lookup{kRootNumber, "g"}, file(6, 1));
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
}

TEST_F(FailureTest, ARenameOverAFileThatFailedRemovesTheOldNameWithTheCopyAlone) {
  store("f", 5, "x");
  store("g", 6, "yz");
  fails(Rename{kRootNumber, "f", kRootNumber, "g"});
  call(Lookup{kRootNumber, "g"}, file(6, 2));
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AFileThatIsWrittenAfterARenameOverItFailedMayLoseAgainstTheCopy) {
  fail_to_rename_over_changes();
  call(Lookup{kRootNumber, "g"}, file(6, 3));
  write(6, "d", 3);
  call_error(Flush{.number = 6, .handle = 1}, ESTALE);
  release(6);
  call(Lookup{kRootNumber, "g"}, file(7, 1));
  EXPECT_EQ(violation(), "");
  call(Lookup{kRootNumber, "g"}, file(7, 4));
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AFileThatIsClosedAfterARenameOverItFailedMayLoseAgainstTheCopyUnseen) {
  fail_to_rename_over_changes();
  call(Lookup{kRootNumber, "g"}, file(6, 3));
  write(6, "d", 3);
  fails(Flush{.number = 6, .handle = 1});
  around_ = kAnyTrouble;
  release(6);
  around_ = Around::calm;
  call_error(Open{.number = 6, .flags = O_RDONLY}, ESTALE);
  call(Lookup{kRootNumber, "g"}, file(7, 1));
  EXPECT_EQ(violation(), "");
  call(Lookup{kRootNumber, "g"}, file(8, 1));
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AFileThatIsOpenAfterARenameOverItFailedDoesNotLoseUnseen) {
  fail_to_rename_over_changes();
  call(Lookup{kRootNumber, "g"}, file(6, 3));
  write(6, "d", 3);
  fails(Flush{.number = 6, .handle = 1});
  call(Lookup{kRootNumber, "g"}, file(7, 1));
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, WhatAFlushStoredMayBeGoneByARemovalThatFailedMeanwhile) {
  store("f", 5, "x");
  open(5);
  write(5, "abc");
  const auto flushing = ask(Flush{.number = 5, .handle = 1});
  fails(Unlink{kRootNumber, "f"});
  remove("f");
  call(Lookup{kRootNumber, "f"}, file(5, 3));
  write(5, "abcd");
  answer(flushing);
  EXPECT_EQ(violation(), "");
}

TEST_F(FailureTest, WhatAFlushStoredIsNotGoneWithoutARemoval) {
  store("f", 5, "x");
  open(5);
  write(5, "abc");
  const auto flushing = ask(Flush{.number = 5, .handle = 1});
  remove("f");
  answer(flushing);
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AnOpenFileOverWhichARenameFailedMayBeShownAsItWasStoredOnceItsChangesAreSetAside) {
  fail_to_rename_over_changes();
  call(Lookup{kRootNumber, "g"}, file(7, 1));
  call_error(Flush{.number = 6, .handle = 1}, ESTALE);
  call(GetAttributes{6}, file(6, 2));
  EXPECT_EQ(violation(), "");
  call(GetAttributes{6}, file(6, 3));
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, AFileThatIsShownWhileItIsBeingStoredMayLoseAgainstTheCopyOfAFailedRename) {
  fail_to_rename_over_changes();
  const auto flushing = ask(Flush{.number = 6, .handle = 1});
  call(Lookup{kRootNumber, "g"}, file(6, 3));
  answer_error(flushing, ESTALE);
  release(6);
  call(Lookup{kRootNumber, "g"}, file(7, 1));
}

TEST_F(FailureTest, AFileOverWhichARenameFailedIsListedAsThatFileUntilItIsLookedAt) {
  store("f", 5, "x");
  store("g", 6, "yz");
  fails(Rename{kRootNumber, "f", kRootNumber, "g"});
  auto with_attributes = listed("g", 6, 6);
  with_attributes.entry = file(6, 7);
  call(ReadDirectory{.number = kRootNumber, .most = 2}, Listed{{listed("f", 5, 5), with_attributes}});
  EXPECT_NE(violation(), "");
  call(ReadDirectory{.number = kRootNumber, .most = 2}, Listed{{listed("f", 5, 5), listed("g", 6, 6)}});
  call(Lookup{kRootNumber, "g"}, file(7, 1));
}

class LinkOverAFileTest : public FailureTest {
 protected:
  // A rename of a link over a file has failed.
  void SetUp() override {
    store("f", 5, "xyz");
    put("l", "to", 0777);
    call(MakeSymlink{kRootNumber, "l", "to"}, link(6));
    fails(Rename{kRootNumber, "l", kRootNumber, "f"});
  }
  static ShownEntry link(InodeNumber number) {
    return {.number = number, .type = vfs::FileType::symlink, .permissions = 0777, .size = 2};
  }
};

TEST_F(LinkOverAFileTest, ThatFailedShowsTheLinkAsAnotherInode) {
  call(Lookup{kRootNumber, "f"}, link(7));
  call(Lookup{kRootNumber, "l"}, link(6));
}

TEST_F(LinkOverAFileTest, ThatFailedIsListedAsTheFileUntilItIsLookedAt) {
  call(ReadDirectory{.number = kRootNumber, .most = 2}, Listed{{listed("f", 5, 5), listed("l", 6, 6)}});
  call(Lookup{kRootNumber, "f"}, link(7));
}

TEST_F(LinkOverAFileTest, ThatFailedIsListedAsTheFileWhereTheOldNameHasGoneToo) {
  call(ReadDirectory{.number = kRootNumber, .most = 1}, Listed{{listed("f", 5, 5)}});
  call_error(Lookup{kRootNumber, "l"}, ENOENT);
  call(Lookup{kRootNumber, "f"}, link(7));
}

TEST_F(LinkOverAFileTest, ThatFailedDoesNotMakeItTheFile) {
  call(Lookup{kRootNumber, "f"}, link(5));
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, ALookThatBeganBeforeMayShowWhatWasThereBeforeItFailed) {
  mkdir("d", 5);
  const auto looking = ask(Lookup{kRootNumber, "d"});
  fails(SetAttributes{.number = 5, .permissions = 0700});
  answer(looking, directory(5, 0755));
  call(Lookup{kRootNumber, "d"}, directory(5, 0700));
  EXPECT_EQ(violation(), "");
  call(Lookup{kRootNumber, "d"}, directory(5, 0755));
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, ARenameOfATreeThatFailedShowsTheWholeOldTree) {
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  fails(Rename{kRootNumber, "d", kRootNumber, "e"});
  call(Lookup{kRootNumber, "d"}, directory(2));
  call_error(Lookup{kRootNumber, "e"}, ENOENT);
  call_error(Lookup{2, "f"}, ENOENT);
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, ARenameOfATreeWhoseOldObjectsStayIsTwoTrees) {
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  fails(Rename{kRootNumber, "d", kRootNumber, "e"});
  call(Lookup{kRootNumber, "e"}, directory(7));
  call(Lookup{7, "f"}, file(8, 1));
  call(Lookup{kRootNumber, "d"}, directory(2));
  call(Lookup{2, "f"}, file(5, 1));
}

TEST_F(FailureTest, ATreeWhoseRenameFailedMayHaveNoMarkerUnderTheNewName) {
  constexpr std::uint32_t kAsSet = 0700, kWithoutMarker = 0755;
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  put("d/", "", kAsSet);
  call(SetAttributes{.number = 2, .permissions = kAsSet}, directory(2, kAsSet));
  fails(Rename{kRootNumber, "d", kRootNumber, "e"});
  call(Lookup{kRootNumber, "e"}, directory(7, kWithoutMarker));
}

TEST_F(FailureTest, ADirectoryOntoWhichARenameFailedMayHaveTheMarkerOfTheOther) {
  constexpr std::uint32_t kAsSet = 0700;
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  mkdir("e", 7);
  put("d/", "", kAsSet);
  call(SetAttributes{.number = 2, .permissions = kAsSet}, directory(2, kAsSet));
  fails(Rename{kRootNumber, "d", kRootNumber, "e"});
  call(Lookup{kRootNumber, "e"}, directory(7, kAsSet));
  call(Lookup{kRootNumber, "d"}, directory(2, kAsSet));
}

TEST_F(FailureTest, WhatIsCopiedByARenameThatFailedHasItsOwnNumber) {
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  fails(Rename{kRootNumber, "d", kRootNumber, "e"});
  call(Lookup{kRootNumber, "d"}, directory(2));
  call(Lookup{kRootNumber, "e"}, directory(2));
  EXPECT_NE(violation(), "");
}

TEST_F(FailureTest, FailuresThatNothingDecidesMakeTheModelTooUncertain) {
  for (InodeNumber i = 0; i < 8; ++i) store("f" + std::to_string(i), 10 + i, "x");
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(model_.too_uncertain());
    const std::string name = "f" + std::to_string(i);
    fails(Rename{kRootNumber, name, kRootNumber, "g" + std::to_string(i)});
  }
  EXPECT_TRUE(model_.too_uncertain());
}

}  // namespace
}  // namespace pail::simulation
