// Contents and attributes that our side changes.
#include <gmock/gmock.h>

#include "names_fixture.h"

namespace pail::local {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(NamesTest, StoredBytesAreTheContentAndAreStagedNoMore) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->attempted(f, "\"a\""));
  const auto sequence = inode(f).changed_seq;
  ASSERT_TRUE(names->stored(f, {.etag = "\"a\"",
                                .size = {17},
                                .modified = at(3),
                                .changed = at(4),
                                .confirmed = at(2),
                                .written = {at(5), at(6)}}));
  reopen();
  const InodeRecord file = inode(f);
  EXPECT_EQ(file.content, Content::remote);
  EXPECT_EQ(file.etag, "\"a\"");
  EXPECT_EQ(file.size, ByteCount{17});
  EXPECT_EQ(file.modified, at(3));
  EXPECT_EQ(file.changed, at(4));
  EXPECT_EQ(file.written, (WriteWindow{at(5), at(6)}));
  EXPECT_EQ(file.attempted, "");
  EXPECT_EQ(file.checked, at(2)) << "others may have replaced it before its answer came";
  EXPECT_EQ(file.epoch, 0u);
  EXPECT_GT(file.changed_seq, sequence);
  EXPECT_THAT(names->view().staged(), IsEmpty());
  EXPECT_EQ(errnum_of(names->stored(999, {})), ESTALE);
}

TEST_F(NamesTest, AFileIsStagedFromTheContentThatWasRead) {
  const InodeNumber f = create_stored(kRoot, "f", "e", 5);
  const ContentVersion base = content_of(inode(f));
  EXPECT_EQ(*names->staged(f, {"other", base.size, base.generation}), Taken::stale);
  EXPECT_EQ(*names->staged(f, {base.etag, {6}, base.generation}), Taken::stale);
  EXPECT_EQ(*names->staged(f, {base.etag, base.size, base.generation + 1}), Taken::stale);
  EXPECT_EQ(inode(f).content, Content::remote);
  EXPECT_EQ(*names->staged(f, base), Taken::taken);
  EXPECT_EQ(inode(f).content, Content::staged);
  EXPECT_EQ(content_of(inode(f)), base);
  EXPECT_EQ(errnum_of(names->staged(999, base)), ESTALE);
}

TEST_F(NamesTest, StagedBytesThatAreGivenUpLeaveTheContentAsItWas) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  const ContentVersion base = content_of(inode(f));
  stage(f);
  ASSERT_TRUE(names->unstaged(f));
  EXPECT_EQ(inode(f).content, Content::remote);
  EXPECT_EQ(content_of(inode(f)), base);
  ASSERT_TRUE(names->unstaged(999));
}

TEST_F(NamesTest, AttemptsAreRememberedAndTheOldestForgotten) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->attempted(f, "\"first\""));
  ASSERT_TRUE(names->attempted(f, "\"second\""));
  EXPECT_EQ(inode(f).attempted, "\"first\"\"second\"");
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(names->attempted(f, "\"" + std::to_string(i) + "\""));
  EXPECT_LT(inode(f).attempted.size(), 5000u);
  EXPECT_NE(inode(f).attempted.find("\"1999\""), std::string::npos);
  EXPECT_EQ(errnum_of(names->attempted(999, "x")), ESTALE);
}

// ---- a content that lost against others ----

TEST_F(NamesTest, LostBytesOfAFileThatNobodyHasOpenGiveWayToTheObject) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  stage(f);
  const auto generation = inode(f).epoch;
  ASSERT_TRUE(names->content_lost(f));
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(inode(f).content, Content::remote);
  EXPECT_GT(inode(f).epoch, generation);  // handles of what was lost are stale
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
}

TEST_F(NamesTest, LostBytesOfAnOpenFileLeaveTheNameToAnotherInode) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  list(kRoot, {file("f", "e")});
  stage(f);
  uses.open_one(f);
  const auto generation = inode(f).epoch;
  ASSERT_TRUE(names->content_lost(f));
  EXPECT_EQ(look(kRoot, "f"), std::nullopt);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  EXPECT_EQ(inode(f).binding, Binding::vanished);
  EXPECT_GT(inode(f).epoch, generation);
}

TEST_F(NamesTest, LostBytesOfAFileThatNeverWasInTheBucketTakeItsNameAlong) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->content_lost(f));
  EXPECT_EQ(look(kRoot, "f"), std::nullopt);
  EXPECT_FALSE(exists(f));
  EXPECT_THAT(children(kRoot), IsEmpty());
}

TEST_F(NamesTest, LostBytesOfARemovedFileLeaveNothing) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_EQ(*names->removed(0, {kRoot, "f"}, f), Taken::taken);
  ASSERT_TRUE(names->content_lost(f));
  EXPECT_FALSE(exists(f));
  EXPECT_THAT(names->view().staged(), IsEmpty());
  EXPECT_THAT(names->view().orphans(), IsEmpty());
}

// ---- attributes ----

TEST_F(NamesTest, ChangedAttributesLeaveTheOthersAndTheContentAlone) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  const InodeRecord before = inode(f);
  const AttributeObject object{
      .etag = "e", .confirmed = at(68), .stored = at(70), .written = WriteWindow{at(69), at(71)}};
  ASSERT_EQ(
      *names->attributes_changed(version_of(before), {.permissions = 0777, .headers = "h", .changed = at(90)}, object),
      Taken::taken);
  reopen();
  const InodeRecord after = inode(f);
  EXPECT_EQ(after.permissions, 0777u);
  EXPECT_EQ(after.headers, "h");
  EXPECT_EQ(after.changed, at(90));
  EXPECT_EQ(after.uid, before.uid);
  EXPECT_EQ(after.modified, before.modified);
  EXPECT_EQ(after.stored, at(70));
  EXPECT_EQ(after.checked, at(68));
  EXPECT_EQ(after.written, object.written);
  EXPECT_EQ(content_of(after), content_of(before));
}

TEST_F(NamesTest, TheTimeOfChangeDoesNotGoBack) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  ASSERT_EQ(*names->attributes_changed(version_of(inode(f)), {.changed = at(90)}, {}), Taken::taken);
  ASSERT_EQ(*names->attributes_changed(version_of(inode(f)), {.gid = 3, .changed = at(80)}, {}), Taken::taken);
  EXPECT_EQ(inode(f).changed, at(90));
}

TEST_F(NamesTest, AttributesDecidedOnAnOlderInodeAreRefused) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  const InodeVersion read = version_of(inode(f));
  ASSERT_EQ(*names->attributes_changed(read, {.uid = 50}, {}), Taken::taken);
  EXPECT_EQ(*names->attributes_changed(read, {.uid = 60}, {}), Taken::stale);
  EXPECT_EQ(inode(f).uid, 50u);
  const InodeVersion again = version_of(inode(f));
  list(kRoot, {file("f", "theirs")});
  EXPECT_EQ(*names->attributes_changed(again, {.uid = 70}, {}), Taken::stale);
  EXPECT_EQ(errnum_of(names->attributes_changed({.number = 999}, {}, {})), ESTALE);
}

TEST_F(NamesTest, AttributesThatWereSentWhenAProcessDiedAreAskedForByTheNextOne) {
  const InodeNumber f = create_stored(kRoot, "f", "e"), g = create_stored(kRoot, "g", "e");
  ASSERT_TRUE(names->attributes_sent(f));
  EXPECT_EQ(inode(f).knowledge, Knowledge::exact) << "who looks meanwhile is kept waiting";
  reopen();
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
  EXPECT_EQ(inode(f).checked, WallTime{});
  EXPECT_EQ(inode(g).knowledge, Knowledge::exact);
  EXPECT_THAT(names->view().begun(), IsEmpty());
}

TEST_F(NamesTest, AttributesThatWereSentAreNotInDoubtWhenTheirOutcomeIsKnown) {
  const InodeNumber f = create_stored(kRoot, "f", "e"), g = create_stored(kRoot, "g", "e");
  ASSERT_TRUE(names->attributes_sent(f));
  ASSERT_EQ(*names->attributes_changed(version_of(inode(f)), {.uid = 5}, AttributeObject{.etag = "e"}), Taken::taken);
  ASSERT_TRUE(names->attributes_sent(g));
  ASSERT_TRUE(names->doubted(g));
  EXPECT_THAT(names->view().begun(), IsEmpty());
  reopen();
  EXPECT_EQ(inode(f).knowledge, Knowledge::exact);
}

TEST_F(NamesTest, ADirectorysAttributesChangeWhileNamesAreMadeInIt) {
  const InodeNumber d = make_directory(kRoot, "d");
  const InodeVersion read = version_of(inode(d));
  create(d, "f");
  EXPECT_EQ(*names->attributes_changed(read, {.permissions = 0711}, AttributeObject{}), Taken::taken);
  EXPECT_EQ(inode(d).permissions, 0711u);
}

// ---- uploads ----

TEST_F(NamesTest, AnUploadIsContinuedByTheNextProcess) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->upload_begun(f, {"key", "id", {16}, {40}}));
  ASSERT_TRUE(names->upload_part_sent(f, {2, "\"b\"", "md5"}));
  ASSERT_TRUE(names->upload_part_sent(f, {1, "\"a\"", "md5"}));
  reopen();
  ASSERT_TRUE(names->view().upload(f));
  EXPECT_EQ(names->view().upload(f)->upload_id, "id");
  ASSERT_EQ(names->view().upload_parts(f).size(), 2u);
  EXPECT_EQ(names->view().upload_parts(f)[1].etag, "\"b\"");
  EXPECT_THAT(names->view().uploads(), ElementsAre(f));
  ASSERT_TRUE(names->upload_ended(f));
  EXPECT_FALSE(names->view().upload(f));
  EXPECT_THAT(names->view().upload_parts(f), IsEmpty());
}

}  // namespace
}  // namespace pail::local
