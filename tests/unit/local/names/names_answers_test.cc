// What the object store says of one inode or one name, in every order with what our side does meanwhile.
#include <gmock/gmock.h>

#include "names_fixture.h"

namespace pail::local {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AnswersTest : public NamesTest {
 protected:
  // A file that a listing showed.
  InodeNumber seen(InodeNumber parent, const std::string& name, const std::string& etag) {
    list(parent, {file(name, etag)});
    return look(parent, name).value_or(0);
  }
  AskedInode ask(InodeNumber number, Asker asker = Asker::anybody) {
    auto asked = names->ask(number, asker);
    EXPECT_TRUE(asked);
    return *std::move(asked);
  }
  AskedName ask_name(InodeNumber parent, const std::string& name) {
    auto asked = names->ask(Place{parent, name});
    EXPECT_TRUE(asked);
    return *std::move(asked);
  }
  Taken learn(const AskedInode& asked, const std::string& etag) { return *names->learned(asked, object(etag)); }
};

// ---- one inode ----

TEST_F(AnswersTest, HeadersCompleteWhatAListingTold) {
  const InodeNumber f = seen(kRoot, "f", "e");
  clock.pass(std::chrono::seconds(2));
  const AskedInode asked = ask(f);
  EXPECT_EQ(asked.inode().number, f);
  EXPECT_EQ(asked.path(), "f");
  EXPECT_EQ(learn(asked, "e"), Taken::taken);
  reopen();
  const InodeRecord known = inode(f);
  EXPECT_EQ(known.knowledge, Knowledge::exact);
  EXPECT_EQ(known.permissions, 0604u);
  EXPECT_EQ(known.uid, 11u);
  EXPECT_EQ(known.gid, 12u);
  EXPECT_EQ(known.size, ByteCount{9});
  EXPECT_EQ(known.accessed, at(20));
  EXPECT_EQ(known.modified, at(21));
  EXPECT_EQ(known.changed, at(22));
  EXPECT_EQ(known.stored, at(22));
  EXPECT_EQ(known.headers, "h");
  EXPECT_EQ(known.checked, names->moment());
  EXPECT_EQ(known.epoch, 0u);
}

TEST_F(AnswersTest, AskingForWhatDoesNotExistIsEstale) {
  EXPECT_EQ(errnum_of(names->ask(999, Asker::anybody)), ESTALE);
  EXPECT_EQ(errnum_of(names->ask(Place{999, "f"})), ESTALE);
  EXPECT_EQ(errnum_of(names->ask_all(999)), ESTALE);
}

TEST_F(AnswersTest, WhatOurSideChangedSinceTheQuestionStays) {
  const InodeNumber f = seen(kRoot, "f", "e");
  const AskedInode before = ask(f), gone = ask(f);
  ASSERT_EQ(*names->attributes_changed(version_of(inode(f)), {.permissions = 0700}, {}), Taken::taken);
  EXPECT_EQ(learn(before, "e"), Taken::kept);
  EXPECT_EQ(*names->gone(gone), Taken::kept);
  EXPECT_EQ(inode(f).permissions, 0700u);
}

TEST_F(AnswersTest, StagedBytesStayWhateverTheStoreSays) {
  const InodeNumber f = seen(kRoot, "f", "e");
  stage(f);
  EXPECT_EQ(*names->gone(ask(f)), Taken::kept);
  EXPECT_EQ(learn(ask(f), "theirs"), Taken::kept);
  EXPECT_EQ(inode(f).content, Content::staged);
  EXPECT_EQ(inode(f).etag, "e");
  EXPECT_EQ(look(kRoot, "f"), f);
}

TEST_F(AnswersTest, WhatSomebodyWorksOnIsLeftAloneByAnybodyElse) {
  const InodeNumber f = seen(kRoot, "f", "e");
  uses.begin_work(f);
  EXPECT_EQ(*names->gone(ask(f)), Taken::kept);
  EXPECT_EQ(learn(ask(f), "e"), Taken::kept);
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
  EXPECT_EQ(learn(ask(f, Asker::at_work), "e"), Taken::taken);
  EXPECT_EQ(*names->gone(ask(f, Asker::at_work)), Taken::taken);
  EXPECT_FALSE(exists(f));
}

TEST_F(AnswersTest, AnAnswerOlderThanAListingIsAskedForAgain) {
  const InodeNumber f = seen(kRoot, "f", "e");
  const AskedInode before = ask(f);
  list(kRoot, {file("f", "newer")});
  EXPECT_EQ(learn(before, "e"), Taken::stale);
  EXPECT_EQ(*names->gone(before), Taken::stale);
  EXPECT_EQ(inode(f).etag, "newer");
}

TEST_F(AnswersTest, AnAnswerFromWhereADirectoryNoLongerLiesIsAboutSomethingElse) {
  const InodeNumber d = make_directory(kRoot, "d"), f = seen(d, "f", "e");
  const AskedInode before = ask(f);
  const AskedName name = ask_name(d, "g");
  ASSERT_EQ(*names->directory_renamed(0, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 1, "", nothing_copied()), Taken::taken);
  EXPECT_EQ(learn(before, "e"), Taken::moved);
  EXPECT_EQ(*names->gone(before), Taken::moved);
  EXPECT_EQ(*names->answered(name, NoSuchName{}), Taken::moved);
  EXPECT_EQ(look(d, "g"), std::nullopt);
  EXPECT_EQ(ask(f).path(), "e/f");
}

TEST_F(AnswersTest, ADirectoryThatWentAwayAndCameBackVoidsWhatWasAskedBetween) {
  const InodeNumber d = make_directory(kRoot, "d"), f = seen(d, "f", "e");
  const AskedInode before = ask(f);
  const AskedName name = ask_name(d, "g");
  ASSERT_EQ(*names->directory_renamed(0, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 1, "", nothing_copied()), Taken::taken);
  ASSERT_EQ(*names->directory_renamed(0, {{kRoot, "e"}, {kRoot, "d"}, d, 0}, 2, "", nothing_copied()), Taken::taken);
  EXPECT_EQ(ask(f).path(), before.path());
  EXPECT_EQ(*names->gone(before), Taken::moved);
  EXPECT_EQ(*names->answered(name, object("x")), Taken::moved);
  EXPECT_TRUE(exists(f));
  EXPECT_EQ(learn(ask(f), "e"), Taken::taken);
}

TEST_F(AnswersTest, AFileThatOthersRemovedLeavesAndAnOpenOneVanishes) {
  const InodeNumber f = seen(kRoot, "f", "e");
  EXPECT_EQ(*names->gone(ask(f)), Taken::taken);
  EXPECT_FALSE(exists(f));
  EXPECT_EQ(look(kRoot, "f"), std::nullopt);
  const InodeNumber g = seen(kRoot, "g", "e");
  uses.open_one(g);
  EXPECT_EQ(*names->gone(ask(g)), Taken::taken);
  EXPECT_EQ(inode(g).binding, Binding::vanished);
  EXPECT_EQ(inode(g).epoch, 1u);
  EXPECT_EQ(errnum_of(names->gone(AskedInode{})), ESTALE);
}

TEST_F(AnswersTest, ADirectoryWithoutItsMarkerIsStillThere) {
  const InodeNumber d = make_directory(kRoot, "d");
  EXPECT_EQ(*names->gone(ask(d)), Taken::taken);
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(inode(d).form, DirectoryForm::implicit);
  EXPECT_EQ(inode(d).knowledge, Knowledge::exact);
}

TEST_F(AnswersTest, AMarkersAttributesAreTheDirectorys) {
  list(kRoot, {folder("d")});
  const InodeNumber d = *look(kRoot, "d");
  EXPECT_EQ(learn(ask(d), "marker"), Taken::taken);
  EXPECT_EQ(inode(d).type, FileType::directory);
  EXPECT_EQ(inode(d).form, DirectoryForm::slash_marker);
  EXPECT_EQ(inode(d).permissions, 0604u);
  EXPECT_EQ(inode(d).size, ByteCount{0});
}

TEST_F(AnswersTest, WhatAnAnswerIsWorthIsKnownBeforeItIsTold) {
  const InodeNumber d = make_directory(kRoot, "d"), f = seen(d, "f", "e");
  const AskedInode before = ask(f);
  uses.begin_work(f);
  EXPECT_EQ(*names->worth(before), Taken::taken);
  uses.end_work(f);
  ASSERT_EQ(*names->directory_renamed(0, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 1, "", nothing_copied()), Taken::taken);
  EXPECT_EQ(*names->worth(before), Taken::moved);
  list(d, {file("f", "newer")});
  EXPECT_EQ(*names->worth(before), Taken::stale);
  stage(f);
  EXPECT_EQ(*names->worth(before), Taken::kept);
  EXPECT_EQ(errnum_of(names->worth(AskedInode{})), ESTALE);
}

// ---- somebody else's content ----

TEST_F(AnswersTest, AnotherContentKeepsTheNumberOfAFileThatNobodyHasOpen) {
  const InodeNumber f = seen(kRoot, "f", "e");
  EXPECT_EQ(learn(ask(f), "theirs"), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(inode(f).etag, "theirs");
  EXPECT_EQ(inode(f).epoch, 1u);
}

TEST_F(AnswersTest, AnotherContentOfAnOpenFileGetsANumberOfItsOwnWhoeverTellsOfIt) {
  const std::vector<std::function<void(InodeNumber)>> tellers = {
      [&](InodeNumber f) { EXPECT_EQ(learn(ask(f), "theirs"), Taken::taken); },
      [&](InodeNumber) { list(kRoot, {file("f", "theirs")}); },
      [&](InodeNumber) { EXPECT_EQ(*names->answered(ask_name(kRoot, "f"), object("theirs")), Taken::taken); }};
  for (const auto& tell : tellers) {
    const InodeNumber f = seen(kRoot, "f", "e");
    const std::uint64_t generation = inode(f).epoch;
    uses.open_one(f);
    tell(f);
    const InodeNumber theirs = look(kRoot, "f").value_or(0);
    EXPECT_NE(theirs, 0u);
    EXPECT_NE(theirs, f);
    EXPECT_EQ(inode(theirs).etag, "theirs");
    EXPECT_EQ(inode(theirs).epoch, 0u);
    EXPECT_EQ(inode(f).binding, Binding::vanished);
    EXPECT_EQ(inode(f).etag, "e");
    EXPECT_EQ(inode(f).epoch, generation + 1);
    EXPECT_THAT(children(kRoot), ElementsAre("f"));
    uses.close_one(f);
    ASSERT_TRUE(names->let_go(f));
  }
}

TEST_F(AnswersTest, TheSameContentOfAnOpenFileKeepsNumberAndGeneration) {
  const InodeNumber f = seen(kRoot, "f", "e");
  uses.open_one(f);
  EXPECT_EQ(learn(ask(f), "e"), Taken::taken);
  list(kRoot, {file("f", "e")});
  EXPECT_EQ(*names->answered(ask_name(kRoot, "f"), object("e")), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(inode(f).epoch, 0u);
}

// ---- links ----

TEST_F(AnswersTest, ALinksTargetStaysWithItsContent) {
  const InodeNumber f = seen(kRoot, "f", "e");
  EXPECT_EQ(*names->link_learned(ask(f), "target"), Taken::taken);
  EXPECT_EQ(learn(ask(f), "e"), Taken::taken);
  EXPECT_EQ(inode(f).link_target, "target");
  const AskedInode before = ask(f);
  EXPECT_EQ(learn(ask(f), "theirs"), Taken::taken);
  EXPECT_EQ(inode(f).link_target, "");
  EXPECT_EQ(*names->link_learned(before, "old"), Taken::stale);
  EXPECT_EQ(inode(f).link_target, "");
}

// ---- one name ----

TEST_F(AnswersTest, ANameThatTheStoreHasGetsAnInode) {
  const AskedName asked = ask_name(kRoot, "f");
  EXPECT_EQ(asked.directory_path(), "");
  EXPECT_EQ(asked.name(), "f");
  EXPECT_EQ(*names->answered(asked, object("e")), Taken::taken);
  const InodeNumber f = look(kRoot, "f").value_or(0);
  EXPECT_EQ(inode(f).etag, "e");
  EXPECT_EQ(inode(f).knowledge, Knowledge::exact);
  EXPECT_EQ(*names->answered(ask_name(kRoot, "d"), SomeDirectory{}), Taken::taken);
  EXPECT_EQ(inode(*look(kRoot, "d")).type, FileType::directory);
  EXPECT_EQ(inode(*look(kRoot, "d")).permissions, 0750u);
  ObjectFacts plain = object("p");
  plain.type = FileType::directory;
  EXPECT_EQ(*names->answered(ask_name(kRoot, "p"), plain), Taken::taken);
  EXPECT_EQ(inode(*look(kRoot, "p")).form, DirectoryForm::plain_marker);
}

TEST_F(AnswersTest, ANameThatTheStoreDoesNotHaveIsKnownToBeAbsent) {
  EXPECT_EQ(look(kRoot, "f"), std::nullopt);
  EXPECT_EQ(*names->answered(ask_name(kRoot, "f"), NoSuchName{}), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), 0u);
  EXPECT_EQ(names->view().name(kRoot, "f")->checked, names->moment());
  EXPECT_EQ(*names->answered(ask_name(kRoot, "f"), object("e")), Taken::taken);
  const InodeNumber f = *look(kRoot, "f");
  EXPECT_NE(f, 0u);
  EXPECT_EQ(*names->answered(ask_name(kRoot, "f"), NoSuchName{}), Taken::taken);
  EXPECT_FALSE(exists(f));
  EXPECT_EQ(look(kRoot, "f"), 0u);
}

TEST_F(AnswersTest, AConfirmedNameIsAsFreshAsTheAnswer) {
  list(kRoot, {folder("d")});
  const InodeNumber d = *look(kRoot, "d");
  clock.pass(std::chrono::minutes(2));
  EXPECT_EQ(*names->answered(ask_name(kRoot, "d"), SomeDirectory{}), Taken::taken);
  EXPECT_EQ(names->view().name(kRoot, "d")->checked, names->moment());
  EXPECT_EQ(look(kRoot, "d"), d);
}

TEST_F(AnswersTest, ANameThatOurSideMadeOrTookAwaySinceTheQuestionStays) {
  const AskedName before = ask_name(kRoot, "f");
  const InodeNumber f = create_stored(kRoot, "f", "e");
  EXPECT_EQ(*names->answered(before, NoSuchName{}), Taken::kept);
  EXPECT_EQ(look(kRoot, "f"), f);
  const AskedName seen = ask_name(kRoot, "f");
  ASSERT_EQ(*names->removed(0, {kRoot, "f"}, f), Taken::taken);
  EXPECT_EQ(*names->answered(seen, object("e")), Taken::kept);
  EXPECT_EQ(look(kRoot, "f"), 0u);
}

TEST_F(AnswersTest, AStagedFileAndItsDirectoriesAreThereWhateverTheStoreSaysOfTheirNames) {
  list(kRoot, {folder("d")});
  const InodeNumber d = *look(kRoot, "d"), f = create(d, "f");
  EXPECT_EQ(*names->answered(ask_name(kRoot, "d"), NoSuchName{}), Taken::kept);
  EXPECT_EQ(*names->answered(ask_name(kRoot, "d"), object("file")), Taken::kept);
  EXPECT_EQ(*names->answered(ask_name(d, "f"), NoSuchName{}), Taken::kept);
  EXPECT_EQ(*names->answered(ask_name(d, "f"), object("theirs")), Taken::kept);
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(look(d, "f"), f);
  EXPECT_EQ(inode(f).etag, "");
}

TEST_F(AnswersTest, AFileThatBecameADirectoryIsAnotherInodeAndTheOtherWayRound) {
  const InodeNumber f = seen(kRoot, "x", "e");
  EXPECT_EQ(*names->answered(ask_name(kRoot, "x"), SomeDirectory{}), Taken::taken);
  const InodeNumber d = *look(kRoot, "x");
  EXPECT_NE(d, f);
  EXPECT_FALSE(exists(f));
  EXPECT_EQ(*names->answered(ask_name(kRoot, "x"), object("e")), Taken::taken);
  EXPECT_NE(*look(kRoot, "x"), d);
  EXPECT_FALSE(exists(d));
}

TEST_F(AnswersTest, AnAnswerAboutANameThatIsOlderThanAListingChangesNothing) {
  const AskedName before = ask_name(kRoot, "f");
  const InodeNumber f = seen(kRoot, "f", "newer");
  EXPECT_EQ(*names->answered(before, object("older")), Taken::kept);
  EXPECT_EQ(*names->answered(before, NoSuchName{}), Taken::kept);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(inode(f).etag, "newer");
}

// ---- doubts ----

TEST_F(AnswersTest, ADoubtedInodeIsAskedForAndOlderAnswersSayNothing) {
  const InodeNumber f = seen(kRoot, "f", "e");
  ASSERT_EQ(learn(ask(f), "e"), Taken::taken);
  const AskedInode before = ask(f);
  ASSERT_TRUE(names->doubted(f));
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
  EXPECT_EQ(inode(f).checked, WallTime{});
  EXPECT_EQ(learn(before, "e"), Taken::kept);
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
  EXPECT_EQ(learn(ask(f), "e"), Taken::taken);
  ASSERT_TRUE(names->doubted(InodeNumber{999}));
}

TEST_F(AnswersTest, NothingIsKnownOfADoubtedNameAndOlderAnswersAndListingsSayNothing) {
  list(kRoot, {file("other", "e")});
  const AskedName before = ask_name(kRoot, "f");
  auto listing = names->ask_all(kRoot);
  ASSERT_EQ(*names->answered(ask_name(kRoot, "f"), NoSuchName{}), Taken::taken);
  ASSERT_TRUE(names->ask_page(*listing));
  ASSERT_TRUE(names->doubted(Place{kRoot, "f"}));
  EXPECT_EQ(look(kRoot, "f"), std::nullopt);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  EXPECT_EQ(*names->answered(before, NoSuchName{}), Taken::moved);
  EXPECT_FALSE(names->ask_page(*listing));
  EXPECT_EQ(show(*listing, {}), Taken::moved);
  EXPECT_EQ(complete(*listing), Taken::moved);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  EXPECT_EQ(look(kRoot, "f"), std::nullopt);
}

TEST_F(AnswersTest, ADoubtedNameKeepsItsInodeUntilTheStoreIsAsked) {
  const InodeNumber f = seen(kRoot, "f", "e");
  ASSERT_EQ(learn(ask(f), "e"), Taken::taken);
  const AskedInode before = ask(f);
  const AskedName name_before = ask_name(kRoot, "f");
  ASSERT_TRUE(names->doubted(Place{kRoot, "f"}));
  ASSERT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(names->view().name(kRoot, "f")->checked, WallTime{});
  EXPECT_EQ(inode(f).checked, WallTime{});
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  EXPECT_EQ(learn(before, "e"), Taken::kept);
  EXPECT_EQ(*names->answered(name_before, NoSuchName{}), Taken::moved);
  EXPECT_EQ(*names->answered(ask_name(kRoot, "f"), NoSuchName{}), Taken::taken);
  EXPECT_FALSE(exists(f)) << "an inode without a name stays for ever";
}

TEST_F(AnswersTest, ADoubtedNameLosesNoStagedBytes) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->doubted(Place{kRoot, "f"}));
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_THAT(names->view().staged(), ElementsAre(f));
}

TEST_F(AnswersTest, ADoubtedNameLeavesQuestionsAboutOthersOpen) {
  const InodeNumber d = make_directory(kRoot, "d");
  const AskedName doubted = ask_name(d, "f"), other = ask_name(d, "g");
  const AskedInode marker = ask(d);
  ASSERT_TRUE(names->doubted(Place{d, "f"}));
  EXPECT_EQ(*names->answered(doubted, object("e")), Taken::moved);
  EXPECT_EQ(*names->answered(other, object("e")), Taken::taken);
  EXPECT_EQ(learn(marker, "m"), Taken::taken);
  EXPECT_EQ(look(d, "f"), std::nullopt);
  EXPECT_NE(look(d, "g").value_or(0), 0u);
}

TEST_F(AnswersTest, ADoubtedTreeIsListedAgain) {
  list(kRoot, {folder("d")});
  const InodeNumber d = *look(kRoot, "d");
  list(d, {file("f", "e")});
  ASSERT_TRUE(names->tree_doubted({kRoot, "d"}));
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(inode(d).listed, WallTime{});
  ASSERT_TRUE(names->tree_doubted({kRoot, "absent"}));
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
}

}  // namespace
}  // namespace pail::local
