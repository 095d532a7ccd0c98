// Names that our side makes, takes away and moves.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "../data_syncs.h"
#include "names_fixture.h"

namespace pail::local {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(NamesTest, TheRootIsAsTheSettingsSayUntilItsAttributesAreSet) {
  EXPECT_EQ(inode(kRoot).permissions, 0750u);
  EXPECT_EQ(inode(kRoot).uid, 7u);
  ASSERT_EQ(*names->attributes_changed(version_of(inode(kRoot)), {.permissions = 0111}, {}), Taken::taken);
  reopen();
  EXPECT_EQ(inode(kRoot).permissions, 0111u);
}

TEST_F(NamesTest, AMomentGoesOnEvenlyWhenTheCalendarIsSet) {
  const WallTime before = names->moment();
  clock.set_wall(clock.wall() - std::chrono::hours(5));
  EXPECT_EQ(names->moment(), before);
  clock.pass(std::chrono::seconds(3));
  EXPECT_EQ(names->moment(), before + std::chrono::seconds(3));
}

TEST_F(NamesTest, GenerationStaysWithTheIndexAndDiffersBetweenTwo) {
  const auto generation = names->generation();
  EXPECT_NE(generation, 0u);
  reopen();
  EXPECT_EQ(names->generation(), generation);
  const auto other = NameStore::open(directory.path() / "other", settings(), uses);
  ASSERT_TRUE(other);
  EXPECT_NE((*other)->generation(), generation);
}

TEST_F(NamesTest, EventsReachTheDiskWhenTheyAreSynced) {
  create(kRoot, "f");
  const int before = data_syncs;
  ASSERT_TRUE(names->sync());
  EXPECT_GT(data_syncs, before);
}

TEST_F(NamesTest, AStoreThatIsOpenIsNotOpenedTwiceNorForAnotherBucket) {
  EXPECT_EQ(errnum_of(NameStore::open(directory.path() / "index", settings(), uses)), EBUSY);
  names.reset();
  auto other = settings();
  other.identity = "another/";
  EXPECT_EQ(errnum_of(NameStore::open(directory.path() / "index", other, uses)), EINVAL);
}

TEST_F(NamesTest, NumbersAreNeverUsedTwiceNotEvenByTheNextProcess) {
  const InodeNumber first = *names->next_number(), second = *names->next_number();
  EXPECT_GT(second, first);
  const auto job = names->next_job();
  ASSERT_TRUE(job);
  reopen();
  EXPECT_GT(*names->next_number(), second);
  EXPECT_GT(*names->next_job(), *job);
}

// ---- creating ----

TEST_F(NamesTest, ACreatedFileIsStagedUnderItsNameInTheNextProcessToo) {
  clock.pass(std::chrono::seconds(9));
  const InodeNumber number = create(kRoot, "f", 31);
  reopen();
  EXPECT_EQ(look(kRoot, "f"), number);
  const InodeRecord file = inode(number);
  EXPECT_EQ(file.content, Content::staged);
  EXPECT_EQ(file.permissions, 0600u);
  EXPECT_EQ(file.uid, 1u);
  EXPECT_EQ(file.knowledge, Knowledge::exact);
  EXPECT_EQ(inode(kRoot).modified, clock.wall());
  EXPECT_THAT(names->view().staged(), ElementsAre(number));
  const auto attempt = names->view().attempt(31);
  ASSERT_TRUE(attempt);
  ASSERT_TRUE(std::holds_alternative<Answered>(*attempt));
  EXPECT_EQ(std::get<Answered>(*attempt).subject, number);
  EXPECT_FALSE(std::get<Answered>(*attempt).failure);
}

TEST(Attempts, EachHasItsSubject) {
  EXPECT_EQ(subject_of(Begun{5}), 5u);
  EXPECT_EQ(subject_of(DeletesLeft{1, 6, "job"}), 6u);
  EXPECT_EQ(subject_of(Answered{7, {}}), 7u);
}

TEST_F(NamesTest, AFileIsNotCreatedOverOneThatIsBeingWritten) {
  create(kRoot, "f");
  EXPECT_EQ(errnum_of(names->created(0, {kRoot, "f"}, *names->next_number(), {})), EEXIST);
}

TEST_F(NamesTest, AFileTakesTheNameOfOneThatAListingFoundMeanwhile) {
  list(kRoot, {file("f", "theirs")});
  const InodeNumber theirs = *look(kRoot, "f");
  const InodeNumber ours = create(kRoot, "f");
  EXPECT_EQ(look(kRoot, "f"), ours);
  EXPECT_FALSE(exists(theirs));
}

TEST_F(NamesTest, NothingIsMadeInADirectoryThatWasRemoved) {
  const InodeNumber gone = make_directory(kRoot, "d");
  ASSERT_EQ(*names->removed(0, {kRoot, "d"}, gone), Taken::taken);
  EXPECT_EQ(errnum_of(names->created(0, {gone, "f"}, *names->next_number(), {})), ENOENT);
  EXPECT_EQ(errnum_of(names->made(0, {gone, "f"}, {}, {})), ENOENT);
  EXPECT_EQ(errnum_of(names->inherited(gone, {})), ENOENT);
  EXPECT_EQ(errnum_of(names->created(0, {999, "f"}, *names->next_number(), {})), ESTALE);
}

TEST_F(NamesTest, AMadeLinkHasItsObjectAndItsTarget) {
  const auto made = names->made(
      4, {kRoot, "l"}, {.type = FileType::symlink, .permissions = 0777},
      {.etag = "e", .written = WriteWindow{at(1), at(2)}, .size = {6}, .link_target = "../far", .modified = at(77)});
  ASSERT_TRUE(made);
  reopen();
  const InodeRecord link = inode(made->number);
  EXPECT_EQ(link.link_target, "../far");
  EXPECT_EQ(link.etag, "e");
  EXPECT_EQ(link.size, ByteCount{6});
  EXPECT_EQ(link.modified, at(77));
  EXPECT_EQ(link.content, Content::remote);
  EXPECT_EQ(link.knowledge, Knowledge::exact);
  EXPECT_EQ(link.written, (WriteWindow{at(1), at(2)}));
  EXPECT_TRUE(names->view().attempt(4));
}

TEST_F(NamesTest, WhatWasFoundMadeIsAskedForItsAttributes) {
  const auto made = names->made(0, {kRoot, "l"}, {.type = FileType::fifo}, {.link_target = {}});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->knowledge, Knowledge::listed);
}

TEST_F(NamesTest, ANewDirectoryIsKnownToBeEmptySinceItsNameWasSeenFree) {
  list(kRoot, {});
  const WallTime listed = inode(kRoot).listed;
  clock.pass(std::chrono::seconds(20));
  const InodeNumber number = make_directory(kRoot, "d");
  EXPECT_EQ(inode(number).listed, listed);
  EXPECT_EQ(inode(number).form, DirectoryForm::slash_marker);
  const auto asked = names->ask({number, "e"});
  ASSERT_TRUE(asked);
  ASSERT_EQ(*names->answered(*asked, NoSuchName{}), Taken::taken);
  const WallTime answered = names->view().name(number, "e")->checked;
  clock.pass(std::chrono::seconds(5));
  EXPECT_EQ(inode(make_directory(number, "e")).listed, answered);
}

TEST_F(NamesTest, ANewDirectoryMayHoldWhatOthersPutBelowWhatWasRemovedFromItsName) {
  list(kRoot, {file("f", "e")});
  ASSERT_EQ(*names->removed(0, {kRoot, "f"}, *look(kRoot, "f")), Taken::taken);
  EXPECT_EQ(inode(make_directory(kRoot, "f")).listed, WallTime{});
}

TEST_F(NamesTest, ANewDirectoryIsNotKnownToBeEmptyAfterADoubtOrByAListingThatMayHaveShownIt) {
  list(kRoot, {});
  const WallTime free = names->view().last_free(kRoot, "d");
  list(kRoot, {});
  const NewInode directory{.type = FileType::directory, .permissions = 0700};
  const auto made = names->made(0, {kRoot, "d"}, directory, {.link_target = {}, .free = free});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->listed, free);
  const WallTime later = names->view().last_free(kRoot, "e");
  ASSERT_TRUE(names->doubted({kRoot, "e"}));
  const auto doubted = names->made(0, {kRoot, "e"}, directory, {.link_target = {}, .free = later});
  ASSERT_TRUE(doubted);
  EXPECT_EQ(doubted->listed, WallTime{});
}

TEST_F(NamesTest, TheGroupOfADirectoryIsInheritedWhereItsBitSaysSo) {
  const InodeNumber d = make_directory(kRoot, "d");
  EXPECT_EQ(names->inherited(d, {.permissions = 0100644, .gid = 5})->gid, 5u);
  EXPECT_EQ(names->inherited(d, {.permissions = 0100644, .gid = 5})->permissions, 0644u);
  ASSERT_EQ(*names->attributes_changed(version_of(inode(d)), {.permissions = 02775, .gid = 44}, {}), Taken::taken);
  EXPECT_EQ(names->inherited(d, {.gid = 5})->gid, 44u);
  EXPECT_EQ(names->inherited(d, {.permissions = 0755})->permissions, 0755u);
  EXPECT_EQ(names->inherited(d, {.type = FileType::directory, .permissions = 0755})->permissions, 02755u);
}

// ---- removing ----

TEST_F(NamesTest, ARemovedFileLivesUntilItIsLetGo) {
  const InodeNumber number = create_stored(kRoot, "f", "e");
  uses.open_one(number);
  ASSERT_EQ(*names->removed(9, {kRoot, "f"}, number), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), 0u);
  EXPECT_EQ(inode(number).binding, Binding::removed);
  EXPECT_THAT(names->view().orphans(), ElementsAre(number));
  EXPECT_TRUE(std::holds_alternative<Answered>(*names->view().attempt(9)));
  ASSERT_TRUE(names->let_go(number));
  EXPECT_TRUE(exists(number));  // somebody has it open
  uses.close_one(number);
  reopen();
  ASSERT_TRUE(names->let_go(number));
  EXPECT_FALSE(exists(number));
  EXPECT_THAT(names->view().orphans(), IsEmpty());
}

TEST_F(NamesTest, WhatHasANameIsNotLetGo) {
  const InodeNumber number = create_stored(kRoot, "f", "e");
  ASSERT_TRUE(names->let_go(number));
  EXPECT_EQ(look(kRoot, "f"), number);
}

TEST_F(NamesTest, ARemovalStaysAlthoughAListingThatBeganBeforeShowsTheName) {
  const InodeNumber number = create_stored(kRoot, "f", "e");
  auto asked = names->ask_all(kRoot);
  ASSERT_EQ(*names->removed(0, {kRoot, "f"}, number), Taken::taken);
  EXPECT_EQ(show(*asked, {file("f", "e")}), Taken::taken);
  EXPECT_EQ(complete(*asked), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), 0u);
  list(kRoot, {file("f", "others")});  // one that began later tells what others made
  EXPECT_NE(look(kRoot, "f"), 0u);
}

TEST_F(NamesTest, ARemovalThatAListingSawFirstIsOursAllTheSame) {
  const InodeNumber d = make_directory(kRoot, "d");
  list(kRoot, {});
  EXPECT_FALSE(exists(d));
  ASSERT_EQ(*names->removed(3, {kRoot, "d"}, d), Taken::taken);
  EXPECT_EQ(look(kRoot, "d"), 0u);
  EXPECT_TRUE(names->view().attempt(3));
}

TEST_F(NamesTest, ADirectoryWithUnstoredBytesAnywhereBelowIsNotRemoved) {
  const InodeNumber d = make_directory(kRoot, "d"), below = make_directory(d, "below");
  const InodeNumber written = create(below, "f");
  EXPECT_EQ(*names->removed(5, {kRoot, "d"}, d), Taken::kept);
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(look(below, "f"), written);
  EXPECT_EQ(inode(d).form, DirectoryForm::implicit);  // its marker is gone
  EXPECT_FALSE(names->view().attempt(5));
}

TEST_F(NamesTest, WhatIsKnownBelowARemovedDirectoryGoesWithIt) {
  const InodeNumber d = make_directory(kRoot, "d"), below = make_directory(d, "below");
  const InodeNumber file = create_stored(below, "f", "e");
  const InodeNumber open = create_stored(below, "open", "e");
  uses.open_one(open);
  ASSERT_EQ(*names->removed(0, {kRoot, "d"}, d), Taken::taken);
  EXPECT_FALSE(exists(below));
  EXPECT_FALSE(exists(file));
  EXPECT_EQ(inode(open).binding, Binding::vanished);
}

// ---- renaming ----

TEST_F(NamesTest, ARenamedFileHasItsNewNameAndTheETagOfItsCopy) {
  const InodeNumber d = make_directory(kRoot, "d"), f = create_stored(kRoot, "f", "old");
  clock.pass(std::chrono::seconds(1));
  ASSERT_TRUE(
      names->renamed(8, {{kRoot, "f"}, {d, "g"}, f, 0}, {.etag = "new", .stored = at(50), .confirmed = at(40)}));
  reopen();
  EXPECT_EQ(look(d, "g"), f);
  EXPECT_NE(look(kRoot, "f"), f);
  EXPECT_EQ(inode(f).etag, "new");
  EXPECT_EQ(inode(f).stored, at(50));
  EXPECT_EQ(inode(f).checked, at(40)) << "others may have replaced it while the old object was deleted";
  EXPECT_EQ(names->view().name(d, "g")->checked, at(40));
  EXPECT_EQ(inode(f).parent, d);
  EXPECT_EQ(inode(f).epoch, 0u);  // a rename makes no other content of it
  EXPECT_EQ(inode(d).modified, clock.wall());
  EXPECT_EQ(inode(kRoot).modified, clock.wall());
  EXPECT_TRUE(std::holds_alternative<Answered>(*names->view().attempt(8)));
  EXPECT_EQ(*names->view().path(f), "d/g");
}

TEST_F(NamesTest, ARenamedFileTakesThePlaceOfAnother) {
  const InodeNumber f = create(kRoot, "f"), g = create(kRoot, "g");
  ASSERT_TRUE(names->attempted(g, "\"maybe\""));
  ASSERT_TRUE(names->renamed(0, {{kRoot, "f"}, {kRoot, "g"}, f, g}, {.etag = "base"}));
  EXPECT_EQ(look(kRoot, "g"), f);
  EXPECT_EQ(look(kRoot, "f"), 0u);
  EXPECT_EQ(inode(g).binding, Binding::removed);
  EXPECT_EQ(inode(f).attempted, "\"maybe\"");  // what may lie there is ours to replace
  EXPECT_THAT(children(kRoot), ElementsAre("g"));
}

TEST_F(NamesTest, ARenameDoesNotReplaceWhatIsBeingWrittenAndNobodyNamed) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  create(kRoot, "g");
  EXPECT_EQ(errnum_of(names->renamed(0, {{kRoot, "f"}, {kRoot, "g"}, f, 0}, {})), EEXIST);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(inode(f).name, "f");
}

TEST_F(NamesTest, ARenamedDirectoryTakesWhatIsInItAlong) {
  const InodeNumber d = make_directory(kRoot, "d"), f = create_stored(d, "f", "in-parts"), g = create(d, "g");
  const InodeNumber below = create_stored(make_directory(d, "s"), "h", "in-parts");
  ASSERT_TRUE(names->attempted(g, "\"tried\""));
  const CopiedContents copies = one_by_one({{"f", "in-parts", "whole"},
                                            {"g", "\"tried\"", "\"copy\""},
                                            {"", "", "no"},
                                            {"s/h", "in-parts", "deeper"},
                                            {"h", "in-parts", "no"}});
  ASSERT_EQ(*names->directory_renamed(6, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 55, "job", copies), Taken::taken);
  EXPECT_EQ(*names->view().path(f), "e/f");
  EXPECT_EQ(inode(f).etag, "whole");
  EXPECT_EQ(inode(f).epoch, 0u);
  EXPECT_EQ(inode(g).attempted, "\"tried\"\"copy\"");
  EXPECT_EQ(inode(below).etag, "deeper") << "found by its way, and by no other";
  EXPECT_EQ(inode(d).etag, "");
  EXPECT_EQ(inode(d).form, DirectoryForm::slash_marker);
  const auto attempt = names->view().attempt(6);
  ASSERT_TRUE(attempt && std::holds_alternative<DeletesLeft>(*attempt));
  EXPECT_EQ(std::get<DeletesLeft>(*attempt).job, "job");
  EXPECT_EQ(std::get<DeletesLeft>(*attempt).subject, d);
}

TEST_F(NamesTest, ADirectoryDoesNotReplaceOneInWhichSomethingIsBeingWritten) {
  const InodeNumber d = make_directory(kRoot, "d"), e = make_directory(kRoot, "e");
  create(e, "f");
  EXPECT_EQ(*names->directory_renamed(6, {{kRoot, "d"}, {kRoot, "e"}, d, e}, 55, "job", nothing_copied()), Taken::kept);
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(look(kRoot, "e"), e);
}

TEST_F(NamesTest, DeletesThatLeftNothingEndARename) {
  const InodeNumber d = make_directory(kRoot, "d");
  ASSERT_EQ(*names->directory_renamed(0, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 55, "job", nothing_copied()),
            Taken::taken);
  const RequestNumber request = NameStore::request_of_deletes(0, 55);
  EXPECT_NE(request, 0u);
  EXPECT_EQ(NameStore::request_of_deletes(3, 55), 3u);
  EXPECT_TRUE(std::holds_alternative<DeletesLeft>(*names->view().attempt(request)));
  ASSERT_TRUE(names->deletes_ended(request, {kRoot, "d"}, d, OldObjects::gone, {}));
  EXPECT_TRUE(std::holds_alternative<Answered>(*names->view().attempt(request)));
  EXPECT_EQ(look(kRoot, "d"), 0u);
  EXPECT_EQ(look(kRoot, "e"), d);
}

TEST_F(NamesTest, WhatDeletesLeftIsLookedUpUnderTheOldName) {
  const InodeNumber d = make_directory(kRoot, "d");
  list(kRoot, {folder("d")});
  ASSERT_EQ(*names->directory_renamed(1, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 55, "job", nothing_copied()),
            Taken::taken);
  ASSERT_TRUE(names->deletes_ended(1, {kRoot, "d"}, d, OldObjects::some, {}));
  EXPECT_EQ(look(kRoot, "d"), std::nullopt);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  EXPECT_EQ(look(kRoot, "e"), d);
}

TEST_F(NamesTest, ADirectoryWhoseCallerWasToldThatNothingHappenedHasItsOldName) {
  const InodeNumber d = make_directory(kRoot, "d"), f = create(d, "f");
  ASSERT_EQ(*names->directory_renamed(1, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 55, "job", nothing_copied()),
            Taken::taken);
  ASSERT_TRUE(names->deletes_ended(1, {kRoot, "d"}, d, OldObjects::told_all, Error{EACCES, "refused"}));
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(look(kRoot, "e"), std::nullopt);
  EXPECT_EQ(*names->view().path(f), "d/f");
  EXPECT_EQ(inode(d).knowledge, Knowledge::listed);
  EXPECT_EQ(inode(d).listed, WallTime{});
  const auto attempt = names->view().attempt(1);
  ASSERT_TRUE(std::holds_alternative<Answered>(*attempt));
  ASSERT_TRUE(std::get<Answered>(*attempt).failure);
  EXPECT_EQ(std::get<Answered>(*attempt).failure->errnum, EACCES);
  EXPECT_EQ(std::get<Answered>(*attempt).failure->context, "refused");
}

TEST_F(NamesTest, ANewFileUnderTheOldNameOutlivesTheDeletes) {
  const InodeNumber d = make_directory(kRoot, "d");
  ASSERT_EQ(*names->directory_renamed(1, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 55, "job", nothing_copied()),
            Taken::taken);
  const InodeNumber f = create(kRoot, "d");
  ASSERT_TRUE(names->deletes_ended(1, {kRoot, "d"}, d, OldObjects::told_all, Error{EACCES, "refused"}));
  EXPECT_EQ(look(kRoot, "d"), f);
  EXPECT_EQ(look(kRoot, "e"), d);
}

TEST_F(NamesTest, ACopyWhoseOldObjectStaysIsLookedUpAnewAndReplacesTheTarget) {
  const InodeNumber f = create_stored(kRoot, "f", "e"), g = create_stored(kRoot, "g", "x");
  ASSERT_TRUE(names->rename_left_both(2, {{kRoot, "f"}, {kRoot, "g"}, f, g}, Error{EIO, "no delete"}));
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(look(kRoot, "g"), std::nullopt);
  EXPECT_EQ(inode(g).binding, Binding::removed);
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
  EXPECT_TRUE(std::get<Answered>(*names->view().attempt(2)).failure);
}

TEST_F(NamesTest, ACopyWhoseOldObjectStaysLeavesItsNameToTheInodeThatAnAnswerFoundThere) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  list(kRoot, {file("f", "e"), file("g", "of others")});
  const InodeNumber g = *look(kRoot, "g");
  ASSERT_TRUE(names->rename_left_both(2, {{kRoot, "f"}, {kRoot, "g"}, f, 0}, Error{EIO, "no delete"}));
  EXPECT_EQ(look(kRoot, "g"), g);
  EXPECT_EQ(inode(g).checked, WallTime{});
  list(kRoot, {file("f", "e")});
  EXPECT_FALSE(exists(g)) << "an inode without a name stays for ever";
}

// ---- requests ----

TEST_F(NamesTest, ARequestThatHasBegunIsKnownToTheNextProcess) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->begun(7, {f}));
  reopen();
  const auto attempt = names->view().attempt(7);
  ASSERT_TRUE(attempt && std::holds_alternative<Begun>(*attempt));
  EXPECT_EQ(std::get<Begun>(*attempt).subject, f);
  const auto begun = names->view().begun();
  ASSERT_EQ(begun.size(), 1u);
  EXPECT_EQ(begun[0].first, 7u);
  EXPECT_EQ(begun[0].second.subject, f);
}

TEST_F(NamesTest, WhoNeverAsksAgainLeavesNoRequest) {
  ASSERT_TRUE(names->begun(0, {5}));
  ASSERT_TRUE(names->found_done(0, 5));
  EXPECT_FALSE(names->view().attempt(0));
}

TEST_F(NamesTest, AFailureIsTheAnswerWhenItIsAskedAgain) {
  ASSERT_TRUE(names->failed(7, Error{EPERM, "never begun"}));
  EXPECT_FALSE(names->view().attempt(7));
  ASSERT_TRUE(names->begun(7, {5}));
  ASSERT_TRUE(names->failed(7, Error{ENOSPC, "no room left"}));
  ASSERT_TRUE(names->failed(7, Error{EPERM, "too late"}));
  reopen();
  const auto attempt = names->view().attempt(7);
  ASSERT_TRUE(std::holds_alternative<Answered>(*attempt));
  EXPECT_EQ(std::get<Answered>(*attempt).failure->errnum, ENOSPC);
  EXPECT_EQ(std::get<Answered>(*attempt).failure->context, "no room left");
}

TEST_F(NamesTest, WhatWasFoundDoneIsAnswered) {
  ASSERT_TRUE(names->begun(7, {5}));
  ASSERT_TRUE(names->found_done(7, 6));
  EXPECT_EQ(std::get<Answered>(*names->view().attempt(7)).subject, 6u);
}

TEST_F(NamesTest, AMountBeginsWithTheDeletesThatAreLeftAndNoRequests) {
  const InodeNumber d = make_directory(kRoot, "d"), e = make_directory(kRoot, "e");
  ASSERT_EQ(*names->directory_renamed(1, {{kRoot, "d"}, {kRoot, "D"}, d, 0}, 55, "of d", nothing_copied()),
            Taken::taken);
  ASSERT_EQ(*names->directory_renamed(0, {{kRoot, "e"}, {kRoot, "E"}, e, 0}, 56, "of e", nothing_copied()),
            Taken::taken);
  ASSERT_TRUE(names->found_done(2, d));
  ASSERT_TRUE(names->mount_begun());
  ASSERT_TRUE(names->begun(3, {d}));
  reopen();
  const auto interrupted = names->mount_begun();
  ASSERT_TRUE(interrupted);
  ASSERT_EQ(interrupted->size(), 2u);
  for (const RequestNumber request : {1, 2, 3}) EXPECT_FALSE(names->view().attempt(request)) << request;
  std::set<std::string> jobs;
  for (const DeletesLeft& left : *interrupted) {
    jobs.insert(left.job);
    const auto attempt = names->view().attempt(left.request);
    ASSERT_TRUE(attempt && std::holds_alternative<DeletesLeft>(*attempt));
    EXPECT_EQ(std::get<DeletesLeft>(*attempt).job, left.job);
  }
  EXPECT_THAT(jobs, ElementsAre("of d", "of e"));
  const auto again = names->mount_begun();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->size(), 2u);
}

// ---- views ----

TEST_F(NamesTest, AViewKeepsTheMomentOfItsBeginning) {
  const View before = names->view();
  const InodeNumber f = create(kRoot, "f");
  EXPECT_FALSE(before.name(kRoot, "f"));
  EXPECT_FALSE(before.inode(f));
  EXPECT_EQ(look(kRoot, "f"), f);
}

TEST_F(NamesTest, AViewFindsWaysThroughTheTree) {
  const InodeNumber d = make_directory(kRoot, "d"), e = make_directory(d, "e"), f = create(e, "f");
  const View view = names->view();
  EXPECT_EQ(*view.path(kRoot), "");
  EXPECT_EQ(*view.path(f), "d/e/f");
  EXPECT_EQ(errnum_of(view.path(999)), ESTALE);
  EXPECT_EQ(errnum_of(view.require(999)), ESTALE);
  EXPECT_TRUE(view.lies_below(f, d));
  EXPECT_FALSE(view.lies_below(d, f));
  EXPECT_TRUE(view.holds_staged(d));
  EXPECT_FALSE(view.holds_staged(f + 1));
  EXPECT_TRUE(view.leads_to(e, "f", f));
  EXPECT_FALSE(view.leads_to(e, "f", 0));
  EXPECT_TRUE(view.leads_to(e, "g", 0));
}

TEST_F(NamesTest, ChildrenComeByRisingNumberAndFromWhereTheyAreWanted) {
  std::vector<InodeNumber> made;
  for (const char* name : {"z", "a", "m"}) made.push_back(create(kRoot, name));
  EXPECT_THAT(children(kRoot), ElementsAre("z", "a", "m"));
  std::vector<std::string> some;
  names->view().children(kRoot, made[0], [&](const InodeRecord& inode) {
    some.push_back(inode.name);
    return false;
  });
  EXPECT_THAT(some, ElementsAre("a"));
}

}  // namespace
}  // namespace pail::local
