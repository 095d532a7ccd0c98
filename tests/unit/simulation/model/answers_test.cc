// What calls may be answered that come one after the other, or overlap.
#include "model_fixture.h"

namespace pail::simulation {
namespace {

using testing::HasSubstr;

class AnswersTest : public ModelTest {};

// ---- names ----------------------------------------------------------------------------------------------------------

TEST_F(AnswersTest, ANameIsThereOnceItWasMade) {
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  create("f", 5);
  call(Lookup{kRootNumber, "f"}, file(5));
}

TEST_F(AnswersTest, ANameThatWasMadeIsNotMissing) {
  create("f", 5);
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
}

TEST_F(AnswersTest, ARemovedNameDoesNotComeBack) {
  store("f", 5, "x");
  remove("f");
  call(Unlink{kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
}

TEST_F(AnswersTest, TheNumberOfARemovedFileIsNotUsedAgain) {
  store("f", 5, "x");
  remove("f");
  call(Unlink{kRootNumber, "f"});
  ask(Forget{5});
  const auto made = ask(Create{.parent = kRootNumber, .name = "g", .flags = O_CREAT});
  answer(made, opened(file(5)));
  EXPECT_THAT(violation(), HasSubstr("a new one"));
}

TEST_F(AnswersTest, AFileHasOneNumber) {
  create("f", 5);
  call(Lookup{kRootNumber, "f"}, file(6));
  EXPECT_THAT(violation(), HasSubstr("#5"));
}

TEST_F(AnswersTest, TwoFilesHaveTwoNumbers) {
  create("f", 5);
  call(Create{.parent = kRootNumber, .name = "g", .flags = O_CREAT}, opened(file(5)));
  EXPECT_NE(violation(), "");
}

TEST_F(AnswersTest, ErrorsAreThoseOfPosix) {
  mkdir("d", 2);
  create("f", 5);
  call_error(MakeDirectory{kRootNumber, "d"}, EEXIST);
  call_error(Create{.parent = kRootNumber, .name = "f", .flags = O_CREAT | O_EXCL}, EEXIST);
  call_error(Unlink{kRootNumber, "d"}, EISDIR);
  call_error(RemoveDirectory{kRootNumber, "f"}, ENOTDIR);
  call_error(RemoveDirectory{kRootNumber, "none"}, ENOENT);
  call_error(Lookup{5, "below"}, ENOTDIR);
  call_error(Rename{kRootNumber, "f", kRootNumber, "d"}, EISDIR);
  call_error(Rename{kRootNumber, "d", kRootNumber, "f"}, ENOTDIR);
  call_error(Rename{kRootNumber, "d", 2, "e"}, EINVAL);
  call_error(Rename{kRootNumber, "f", 2, "g", vfs::RenameMode::exchange}, EINVAL);
  call_error(Open{.number = 2, .flags = O_RDONLY}, EISDIR);
  call_error(ReadLink{5}, EINVAL);
  call_error(Lookup{kRootNumber, std::string(256, 'n')}, ENAMETOOLONG);
  create("g", 6, 2);
  call_error(RemoveDirectory{kRootNumber, "d"}, ENOTEMPTY);
  call_error(Rename{kRootNumber, "f", 2, "g", vfs::RenameMode::no_replace}, EEXIST);
}

TEST_F(AnswersTest, AFullDirectoryIsNotRemoved) {
  mkdir("d", 2);
  create("f", 5, 2);
  remove("d/");
  call(RemoveDirectory{kRootNumber, "d"});
  EXPECT_THAT(violation(), HasSubstr("ENOTEMPTY"));
}

TEST_F(AnswersTest, AnErrorNeedsAReason) {
  create("f", 5);
  call_error(Write{.number = 5, .handle = 1, .bytes = "x"}, EIO);
  EXPECT_THAT(violation(), HasSubstr("EIO"));
}

TEST_F(AnswersTest, EstaleIsNoAnswerForAFileThatIsOpen) {
  store("f", 5, "x");
  open(5);
  call_error(Read{.number = 5, .handle = 1, .size = 1}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(AnswersTest, AForgetMayOvertakeTheNextLookUp) {
  store("f", 5, "x");
  ask(Forget{5});
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  call_error(Open{.number = 5, .flags = O_RDONLY}, ESTALE);
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  EXPECT_EQ(violation(), "");
  call_error(Open{.number = 5, .flags = O_RDONLY}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(AnswersTest, AnOpenMaySendTheKernelToLookAgainAlthoughALookIsAnsweredBeforeIt) {
  store("f", 5, "x");
  model_.resumed();
  const auto looking = ask(Lookup{kRootNumber, "f"});
  const auto opening = ask(Open{.number = 5, .flags = O_RDONLY});
  answer(looking, file(5, 1));
  answer_error(opening, ESTALE);
  EXPECT_EQ(violation(), "");
  call_error(Open{.number = 5, .flags = O_RDONLY}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(AnswersTest, AnOpenMaySendTheKernelToLookAgainAfterANewWorkerBegan) {
  store("f", 5, "x");
  model_.resumed();
  call_error(Open{.number = 5, .flags = O_RDONLY}, ESTALE);
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  EXPECT_EQ(violation(), "");
  call_error(Open{.number = 5, .flags = O_RDONLY}, ESTALE);
  EXPECT_THAT(violation(), HasSubstr("ESTALE"));
}

TEST_F(AnswersTest, ARenamedFileKeepsItsNumberAndReplacesTheOther) {
  store("f", 5, "old");
  store("new", 6, "new");
  put("f", "new");
  remove("new");
  call(Rename{kRootNumber, "new", kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(6, 3));
  call_error(Lookup{kRootNumber, "new"}, ENOENT);
}

TEST_F(AnswersTest, ARenamedFileDoesNotShowTheNumberOfTheOneItReplaced) {
  store("f", 5, "old");
  store("new", 6, "new");
  put("f", "new");
  remove("new");
  call(Rename{kRootNumber, "new", kRootNumber, "f"});
  call(Lookup{kRootNumber, "f"}, file(5, 3));
  EXPECT_THAT(violation(), HasSubstr("#6"));
}

TEST_F(AnswersTest, ARemovedDirectoryTakesNothingIn) {
  mkdir("d", 2);
  remove("d/");
  call(RemoveDirectory{kRootNumber, "d"});
  call_error(Create{.parent = 2, .name = "f", .flags = O_CREAT}, ENOENT);
  call(Create{.parent = 2, .name = "f", .flags = O_CREAT}, opened(file(5)));
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
}

TEST_F(AnswersTest, SymbolicLinksHaveTheirTarget) {
  put("l", "to", 0777);
  ShownEntry link{.number = 5, .type = vfs::FileType::symlink, .permissions = 0777, .size = 2};
  call(MakeSymlink{kRootNumber, "l", "to"}, link);
  call(ReadLink{5}, Bytes{"to"});
  call(ReadLink{5}, Bytes{"from"});
  EXPECT_THAT(violation(), HasSubstr("to"));
}

// ---- contents and attributes ----------------------------------------------------------------------------------------

TEST_F(AnswersTest, WhatWasWrittenIsRead) {
  create("f", 5);
  write(5, "abcdef");
  write(5, "XY", 2);
  reads(5, "abXYef");
  write(5, "end", 8);
  reads(5, std::string("abXYef\0\0end", 11));
}

TEST_F(AnswersTest, AWriteThatWasAnsweredIsNotLostByANewWorker) {
  create("f", 5);
  write(5, "abc");
  model_.resumed();
  reads(5, "");
  EXPECT_THAT(violation(), HasSubstr("abc"));
}

TEST_F(AnswersTest, AReadBesideAWriteMayHaveSomeOfBoth) {
  create("f", 5);
  write(5, "aaaaaaaa");
  const auto writing = ask(Write{.number = 5, .handle = 1, .at = 2, .bytes = "bbbb"});
  reads(5, "aabbaaaa");
  const auto read = ask(Read{.number = 5, .handle = 1, .size = 9});
  reads(5, "aabbabaa");
  answer(writing, Written{4});
  answer(read, Bytes{"aabbbaaa"});
  reads(5, "aabbbbaa");
}

TEST_F(AnswersTest, AReadBesideSeveralWritesMayHaveSomeOfEach) {
  create("f", 5);
  write(5, "aaaaaa");
  const auto read = ask(Read{.number = 5, .handle = 1, .size = 9});
  write(5, "bbbb");
  write(5, "cccc", 4);
  answer(read, Bytes{"abbbac"});
}

TEST_F(AnswersTest, AReadBesideAWriteHasNoOldByteOutsideOfIt) {
  create("f", 5);
  write(5, "aaaaaaaa");
  write(5, "bb");
  const auto writing = ask(Write{.number = 5, .handle = 1, .at = 4, .bytes = "cc"});
  reads(5, "abaacaaa");
  EXPECT_THAT(violation(), HasSubstr("bbaa"));
  answer(writing, Written{2});
}

TEST_F(AnswersTest, AReadBesideAWriteHasNoByteFromNowhere) {
  create("f", 5);
  write(5, "aaaaaaaa");
  const auto writing = ask(Write{.number = 5, .handle = 1, .at = 2, .bytes = "bbbb"});
  reads(5, "aabcaaaa");
  EXPECT_THAT(violation(), HasSubstr("aabbbbaa"));
  answer(writing, Written{4});
}

TEST_F(AnswersTest, AReadBesideAWriteEndsWhereTheFileDidBeforeOrAfter) {
  create("f", 5);
  write(5, "aaaa");
  const auto writing = ask(Write{.number = 5, .handle = 1, .at = 2, .bytes = "bbbb"});
  reads(5, "aabb");
  reads(5, "aabbb");
  EXPECT_THAT(violation(), HasSubstr("aabbbb"));
  answer(writing, Written{4});
}

TEST_F(AnswersTest, AReadBesideACutMayEndBetween) {
  create("f", 5);
  write(5, "abcdef");
  const auto read = ask(Read{.number = 5, .handle = 1, .size = 9});
  const auto other = ask(Read{.number = 5, .handle = 1, .size = 9});
  call(SetAttributes{.number = 5, .handle = 1, .size = 2}, file(5, 2));
  answer(read, Bytes{"abcd"});
  EXPECT_EQ(violation(), "");
  answer(other, Bytes{"a"});
  EXPECT_NE(violation(), "");
  answer(other, Bytes{"ab"});
}

TEST_F(AnswersTest, WhatAReadBesideAWriteHasShownStaysAlsoForOthers) {
  create("f", 5);
  write(5, "aaaa");
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "bbbb"});
  reads(5, "abba");
  reads(5, "aaba");
  EXPECT_NE(violation(), "");
  answer(writing, Written{4});
}

TEST_F(AnswersTest, ANewerContentIsNotFollowedByAnOlderOne) {
  create("f", 5);
  write(5, "old");
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "new"});
  reads(5, "new");
  reads(5, "old");
  EXPECT_THAT(violation(), HasSubstr("new"));
  answer(writing, Written{3});
}

TEST_F(AnswersTest, TheSizeIsThatOfTheLastWrite) {
  create("f", 5);
  write(5, "abc");
  call(GetAttributes{5}, file(5, 3));
  call(GetAttributes{5}, file(5, 0));
  EXPECT_THAT(violation(), HasSubstr("3 bytes"));
}

TEST_F(AnswersTest, AttributesThatWereSetAreShown) {
  const WallTime time{std::chrono::seconds(1000)};
  create("f", 5);
  ShownEntry entry = file(5, 0, 0600);
  entry.modified = time;
  call(SetAttributes{.number = 5, .permissions = 0600, .modified = time}, entry);
  call(GetAttributes{5}, entry);
  entry.modified += std::chrono::nanoseconds(1);
  call(GetAttributes{5}, entry);
  EXPECT_NE(violation(), "");
}

TEST_F(AnswersTest, AWriteUnderWayMayShowInTheTimeAlone) {
  const WallTime time{std::chrono::seconds(1000)};
  create("f", 5);
  ShownEntry entry = file(5, 0);
  entry.modified = time;
  call(SetAttributes{.number = 5, .modified = time}, entry);
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "abc"});
  entry.modified += std::chrono::seconds(1);
  call(GetAttributes{5}, entry);
  call(Lookup{kRootNumber, "f"}, entry);
  answer(writing, Written{3});
  call(GetAttributes{5}, entry);
  EXPECT_NE(violation(), "");  // by now the size is another one
}

TEST_F(AnswersTest, OldPermissionsAreNotShown) {
  create("f", 5);
  call(SetAttributes{.number = 5, .permissions = 0600}, file(5, 0, 0600));
  call(GetAttributes{5}, file(5, 0, 0644));
  EXPECT_THAT(violation(), HasSubstr("0600"));
}

TEST_F(AnswersTest, TruncateCutsAndGrowsWithZeros) {
  create("f", 5);
  write(5, "abc");
  call(SetAttributes{.number = 5, .handle = 1, .size = 1}, file(5, 1));
  call(SetAttributes{.number = 5, .handle = 1, .size = 3}, file(5, 3));
  reads(5, std::string("a\0\0", 3));
}

TEST_F(AnswersTest, AnUnlinkedFileLivesForWhoHasItOpen) {
  create("f", 5);
  write(5, "abc");
  call(Unlink{kRootNumber, "f"});
  write(5, "ABC");
  reads(5, "ABC");
  reads(5, "abc");
  EXPECT_THAT(violation(), HasSubstr("ABC"));
}

TEST_F(AnswersTest, AnAnswerIsTrustedNoLongerThanTheMountAllows) {
  create("f", 5);
  ShownEntry entry = file(5);
  entry.attributes_ttl = std::chrono::seconds(31);
  call(GetAttributes{5}, entry);
  EXPECT_NE(violation(), "");
}

// ---- calls that overlap ---------------------------------------------------------------------------------------------

class OverlapTest : public AnswersTest {
 protected:
  void SetUp() override {
    store("f", 5, "x");
    renaming_ = ask(Rename{kRootNumber, "f", kRootNumber, "g"});
    looking_ = ask(Lookup{kRootNumber, "f"});
    bucket_.clear();
    put("g", "x");
  }
  std::uint64_t renaming_ = 0, looking_ = 0;
};

TEST_F(OverlapTest, ALookUpMayComeBeforeTheRename) {
  answer(renaming_);
  answer(looking_, file(5, 1));
  call_error(Lookup{kRootNumber, "f"}, ENOENT);
}

TEST_F(OverlapTest, ALookUpMayComeAfterTheRename) {
  answer_error(looking_, ENOENT);
  call(Lookup{kRootNumber, "g"}, file(5, 1));
  answer(renaming_);
}

TEST_F(OverlapTest, ANameIsNotBackAfterOneSawItGone) {
  answer_error(looking_, ENOENT);
  call(Lookup{kRootNumber, "f"}, file(5, 1));
  EXPECT_THAT(violation(), HasSubstr("ENOENT"));
  answer(renaming_);
}

TEST_F(OverlapTest, AFileIsAlwaysUnderOneOfItsNames) {
  answer_error(looking_, ENOENT);
  call_error(Lookup{kRootNumber, "g"}, ENOENT);
  EXPECT_NE(violation(), "");
  answer(renaming_);
}

TEST_F(AnswersTest, OfTwoThatMakeOneNameOneIsRefused) {
  const auto one = ask(MakeDirectory{kRootNumber, "d"});
  const auto other = ask(MakeDirectory{kRootNumber, "d"});
  put("d/", "", 0755);
  answer_error(one, EEXIST);
  answer(other, directory(2));
}

TEST_F(AnswersTest, OfTwoThatMakeOneNameNotBothAreRefused) {
  const auto one = ask(MakeDirectory{kRootNumber, "d"});
  const auto other = ask(MakeDirectory{kRootNumber, "d"});
  answer_error(one, EEXIST);
  answer_error(other, EEXIST);
  EXPECT_NE(violation(), "");
}

// ---- directories ----------------------------------------------------------------------------------------------------

class ListingTest : public AnswersTest {
 protected:
  void SetUp() override {
    create("a", 5);
    create("b", 6);
  }
  void page(std::uint64_t offset, std::vector<ListedName> names) {
    call(ReadDirectory{.number = kRootNumber, .offset = offset, .most = 100}, Listed{std::move(names)});
  }
};

TEST_F(ListingTest, ShowsEachNameOnce) {
  page(0, {listed(".", 1, 1), listed("..", 1, 2), listed("a", 5, 7)});
  page(7, {listed("b", 6, 8)});
  page(8, {});
}

TEST_F(ListingTest, MissesNoName) {
  page(0, {listed("a", 5, 7)});
  page(7, {});
  EXPECT_THAT(violation(), HasSubstr("\"b\""));
}

TEST_F(ListingTest, ShowsNoNameTwice) {
  page(0, {listed("a", 5, 7)});
  page(7, {listed("a", 5, 8)});
  EXPECT_NE(violation(), "");
}

TEST_F(ListingTest, ShowsNoNameThatIsNotThere) {
  page(0, {listed("c", 7, 9)});
  EXPECT_NE(violation(), "");
}

TEST_F(ListingTest, HasTheNumbersOfLookups) {
  page(0, {listed("a", 6, 7)});
  EXPECT_NE(violation(), "");
}

TEST_F(ListingTest, MayShowOrMissWhatChangesMeanwhile) {
  page(0, {listed("a", 5, 7)});
  create("c", 7);
  call(Unlink{kRootNumber, "b"});
  page(7, {listed("b", 6, 8)});
  page(8, {});
}

TEST_F(ListingTest, ShowsTheSizeOfNow) {
  write(5, "abc");
  ListedName name = listed("a", 5, 7);
  name.entry = file(5, 0);
  call(ReadDirectory{.number = kRootNumber, .most = 100, .with_attributes = true}, Listed{{name}});
  EXPECT_NE(violation(), "");
}

TEST_F(ListingTest, PageThatIsAskedForAgainAfterTheEndMayShowEitherSizeOfWhatIsWrittenMeanwhile) {
  page(0, {listed("a", 5, 7), listed("b", 6, 8)});
  page(8, {});
  const auto listing = ask(ReadDirectory{.number = kRootNumber, .offset = 2, .most = 100, .with_attributes = true});
  write(5, "abc");
  ListedName name = listed("a", 5, 7);
  name.entry = file(5, 0);
  answer(listing, Listed{{name}});
}

TEST_F(ListingTest, MayShowEitherSizeOfWhatIsWrittenMeanwhile) {
  const auto listing = ask(ReadDirectory{.number = kRootNumber, .most = 100, .with_attributes = true});
  write(5, "abc");
  ListedName name = listed("a", 5, 7);
  name.entry = file(5, 0);
  answer(listing, Listed{{name}});
}

}  // namespace
}  // namespace pail::simulation
