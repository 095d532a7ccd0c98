// What must be in the bucket when a call was answered, and in the end.
#include "model_fixture.h"

namespace pail::simulation {
namespace {

using testing::HasSubstr;

class DurabilityTest : public ModelTest {};

// ---- close() and fsync() --------------------------------------------------------------------------------------------

TEST_F(DurabilityTest, WhatWasFlushedIsInTheBucket) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  put("f", "new");
  flush(5);
}

TEST_F(DurabilityTest, AFlushDoesNotLeaveTheOldBytes) {
  store("f", 5, "old");
  open(5);
  write(5, "new");
  flush(5);
  EXPECT_THAT(violation(), HasSubstr("\"old\""));
}

TEST_F(DurabilityTest, AFlushMayStoreEitherContentOfItsTime) {
  create("f", 5);
  write(5, "one");
  const auto flushing = ask(Flush{.number = 5, .handle = 1});
  write(5, "two");
  put("f", "one");
  answer(flushing);
  put("f", "two");
  flush(5);
}

TEST_F(DurabilityTest, AFlushStoresNoContentOfBefore) {
  create("f", 5);
  write(5, "one");
  write(5, "two");
  put("f", "one");
  flush(5);
  EXPECT_THAT(violation(), HasSubstr("\"two\""));
}

TEST_F(DurabilityTest, AFlushMayStoreAWriteThatIsNotAnsweredYet) {
  create("f", 5);
  write(5, "one");
  const auto writing = ask(Write{.number = 5, .handle = 1, .bytes = "two"});
  put("f", "two");
  flush(5);
  reads(5, "one");
  EXPECT_THAT(violation(), HasSubstr("two"));
  answer(writing, Written{3});
}

TEST_F(DurabilityTest, FsyncStoresAsWell) {
  create("f", 5);
  write(5, "one");
  call(Sync{.number = 5, .handle = 1});
  EXPECT_THAT(violation(), HasSubstr("no object"));
}

TEST_F(DurabilityTest, WhatTheBucketHasNeedNotBeKeptWhicheverAttributesItWasStoredWith) {
  create("f", 5);
  write(5, "x");
  const auto flush = ask(Flush{.number = 5, .handle = 1});
  ShownEntry entry = file(5, 1);
  entry.modified = WallTime{std::chrono::seconds(1000)};
  call(SetAttributes{.number = 5, .modified = entry.modified}, entry);
  around_ = kAnyTrouble;
  answer_error(flush, EIO);
  put("f", "x");
  remounted();
  settles();
  EXPECT_EQ(violation(), "");
}

TEST_F(DurabilityTest, AnObjectHasTheTimeOfItsFile) {
  const WallTime time{std::chrono::seconds(1000)};
  store("f", 5, "x");
  ShownEntry entry = file(5, 1);
  entry.modified = time;
  bucket_["f"].modified = time;
  call(SetAttributes{.number = 5, .modified = time}, entry);
  settles();
  EXPECT_EQ(violation(), "");
  bucket_["f"].modified = time + std::chrono::seconds(1);
  settles();
  EXPECT_THAT(violation(), HasSubstr("modified 1000000000000"));
}

TEST_F(DurabilityTest, AnObjectHasAllAttributesThatWereSet) {
  store("f", 5, "x");
  bucket_["f"].permissions = {};
  settles();
  EXPECT_THAT(violation(), HasSubstr("0644"));
}

TEST_F(DurabilityTest, AnObjectBelongsToWhoMadeIt) {
  store("f", 5, "x");
  bucket_["f"].owner = kProgramOwner;
  settles();
  EXPECT_EQ(violation(), "");
  bucket_["f"].owner = Owner{};
  settles();
  EXPECT_THAT(violation(), HasSubstr("0:0"));
}

TEST_F(DurabilityTest, AMarkerHasThePermissionsOfItsDirectory) {
  mkdir("d", 2);
  settles();
  EXPECT_EQ(violation(), "");
  put("d/", "", 0700);
  settles();
  EXPECT_THAT(violation(), HasSubstr("0700"));
}

TEST_F(DurabilityTest, AnObjectHasThePermissionsOfItsFile) {
  create("f", 5);
  call(SetAttributes{.number = 5, .permissions = 0600}, file(5, 0, 0600));
  put("f", "", 0644);
  flush(5);
  EXPECT_THAT(violation(), HasSubstr("0600"));
}

TEST_F(DurabilityTest, AFileWithoutBytesMayWaitForTheOtherDescriptor) {
  create("f", 5);
  call(Flush{.number = 5, .handle = 1, .caller_has_another = true});
  write(5, "x");
  call(Flush{.number = 5, .handle = 1, .caller_has_another = true});
  EXPECT_THAT(violation(), HasSubstr("no object"));
}

TEST_F(DurabilityTest, AFileThatStayedEmptyIsThereInTheEnd) {
  create("f", 5);
  call(Flush{.number = 5, .handle = 1, .caller_has_another = true});
  release(5);
  settles();
  EXPECT_THAT(violation(), HasSubstr("no object"));
  put("f", "");
  settles();
}

TEST_F(DurabilityTest, TheLastCloseStoresWhatIsLeft) {
  create("f", 5);
  write(5, "x");
  release(5);
  settles();
  EXPECT_THAT(violation(), HasSubstr("no object"));
}

TEST_F(DurabilityTest, TruncateOfAClosedFileIsInTheBucket) {
  store("f", 5, "abc");
  call(SetAttributes{.number = 5, .size = 1}, file(5, 1));
  EXPECT_THAT(violation(), HasSubstr("\"a\""));
}

TEST_F(DurabilityTest, TruncateOfAFileThatIsBeingOpenedMayWaitForItsClose) {
  store("f", 5, "abc");
  const auto opening = ask(Open{.number = 5, .flags = O_RDWR});
  call(SetAttributes{.number = 5, .size = 1}, file(5, 1));
  answer(opening, handle());
  put("f", "a");
  flush(5);
}

TEST_F(DurabilityTest, PermissionsOfAStoredFileAreInTheBucket) {
  store("f", 5, "abc");
  put("f", "abc", 0600);
  call(SetAttributes{.number = 5, .permissions = 0600}, file(5, 3, 0600));
  call(SetAttributes{.number = 5, .permissions = 0640}, file(5, 3, 0640));
  EXPECT_THAT(violation(), HasSubstr("0640"));
}

// ---- names ----------------------------------------------------------------------------------------------------------

TEST_F(DurabilityTest, ARemovedFileIsNotInTheBucket) {
  store("f", 5, "x");
  call(Unlink{kRootNumber, "f"});
  EXPECT_THAT(violation(), HasSubstr("still has"));
}

TEST_F(DurabilityTest, ADirectoryHasAMarker) {
  mkdir("d", 2);
  call(MakeDirectory{kRootNumber, "e"}, directory(3));
  EXPECT_THAT(violation(), HasSubstr("\"e/\""));
}

TEST_F(DurabilityTest, AttributesOfAFileThatWasCutWhileItWasClosedMayBeStoredAtOnce) {
  constexpr std::uint32_t kNew = 0655;
  create("f", 5);
  write(5, "xyz");
  put("f", "xyz");
  flush(5);
  const auto releasing = ask(Release{.number = 5, .handle = 1});
  const auto cutting = ask(SetAttributes{.number = 5, .size = 1});
  answer(releasing);
  put("f", "x");
  answer(cutting, file(5, 1));
  put("f", "x", kNew);
  call(SetAttributes{.number = 5, .permissions = kNew}, file(5, 1, kNew));
  settles();
}

TEST_F(DurabilityTest, ARemovedDirectoryHasNoMarker) {
  mkdir("d", 2);
  call(RemoveDirectory{kRootNumber, "d"});
  EXPECT_THAT(violation(), HasSubstr("\"d/\""));
}

TEST_F(DurabilityTest, ARenamedFileHasItsNewKeyAlone) {
  store("f", 5, "x");
  put("g", "x");
  call(Rename{kRootNumber, "f", kRootNumber, "g"});
  EXPECT_THAT(violation(), HasSubstr("\"f\" is gone"));
}

TEST_F(DurabilityTest, ARenamedFileHasItsContentUnderTheNewKey) {
  store("f", 5, "x");
  store("g", 6, "y");
  remove("f");
  call(Rename{kRootNumber, "f", kRootNumber, "g"});
  EXPECT_THAT(violation(), HasSubstr("\"y\""));
}

TEST_F(DurabilityTest, ANewFileThatIsRenamedWhileItIsOpenHasNoObjectYet) {
  store("g", 6, "y");
  create("f", 5);
  write(5, "x");
  call(Rename{kRootNumber, "f", kRootNumber, "g"});
  put("g", "x");
  flush(5);
}

TEST_F(DurabilityTest, ARenamedTreeLeavesNothingUnderTheOldName) {
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  remove("d/");
  put("e/", "", 0755);
  put("e/f", "x");
  call(Rename{kRootNumber, "d", kRootNumber, "e"});
  EXPECT_THAT(violation(), HasSubstr("\"d/f\""));
}

TEST_F(DurabilityTest, ARenamedTreeIsWholeUnderTheNewName) {
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  bucket_.clear();
  put("e/", "", 0755);
  call(Rename{kRootNumber, "d", kRootNumber, "e"});
  call(Lookup{2, "f"}, file(5, 1));
  release(5);
  settles();
  EXPECT_THAT(violation(), HasSubstr("\"e/f\" has no object"));
  put("e/f", "x");
  settles();
}

TEST_F(DurabilityTest, AKeyThatMayBeMovingIsNotLookedAt) {
  mkdir("d", 2);
  store("f", 5, "x", 2, "d/f");
  open(5);
  write(5, "y");
  const auto renaming = ask(Rename{kRootNumber, "d", kRootNumber, "e"});
  bucket_.clear();
  put("e/", "", 0755);
  put("e/f", "y");
  flush(5);
  answer(renaming);
  release(5);
  settles();
}

// ---- the end --------------------------------------------------------------------------------------------------------

TEST_F(DurabilityTest, NothingIsInTheBucketThatNobodyMade) {
  store("f", 5, "x");
  settles();
  put("g", "x");
  settles();
  EXPECT_THAT(violation(), HasSubstr("\"g\""));
}

TEST_F(DurabilityTest, EverythingIsInTheBucketThatWasMade) {
  mkdir("d", 2);
  settles();
  remove("d/");
  settles();
  EXPECT_THAT(violation(), HasSubstr("\"d/\""));
}

}  // namespace
}  // namespace pail::simulation
