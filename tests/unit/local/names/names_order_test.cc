// Orders of events: our side begins to work on an inode while an answer about it is being taken, and answers come in
// another order than they were asked for.
#include <gmock/gmock.h>

#include "names_fixture.h"

namespace pail::local {
namespace {

class OrderOfNamesTest : public NamesTest {
 protected:
  // Others removed the object of the inode; our side begins to work on it after the answer that says so was weighed and
  // before it is taken, and reads it.
  void begin_work_while_it_goes(InodeNumber number, const std::string& name) {
    const auto asked = names->ask(number, Asker::anybody);
    ASSERT_TRUE(asked) << asked.error().context;
    uses.after_busy([&] {
      uses.begin_work(number);
      EXPECT_TRUE(names->view().leads_to(kRoot, name, number));
      seen_ = inode(number);
    });
    ASSERT_EQ(*names->gone(*asked), Taken::taken);
    ASSERT_EQ(seen_.number, number);
  }

  AskedName ask_name(InodeNumber parent, const std::string& name) {
    auto asked = names->ask(Place{parent, name});
    EXPECT_TRUE(asked);
    return *std::move(asked);
  }
  // An answer to a question of this moment.
  InodeNumber tell(InodeNumber parent, const std::string& name, const NameAnswer& answer) {
    EXPECT_EQ(*names->answered(ask_name(parent, name), answer), Taken::taken);
    return look(parent, name).value_or(0);
  }
  InodeNumber tell_open(InodeNumber parent, const std::string& name, const NameAnswer& answer) {
    const InodeNumber number = tell(parent, name, answer);
    uses.open_one(number);
    return number;
  }

  // What others stored gets an inode of its own, as somebody has the old one open.
  std::pair<InodeNumber, InodeNumber> give_to_another(const std::string& name) {
    list(kRoot, {file(name, "e")});
    const InodeNumber number = *look(kRoot, name);
    uses.open_one(number);
    const InodeNumber theirs = tell(kRoot, name, object("theirs"));
    EXPECT_NE(theirs, number);
    return {number, theirs};
  }
  // The name leads to the inode until the store is asked, and nowhere when that does not have it.
  void expect_in_doubt(const std::string& name, InodeNumber number) {
    EXPECT_EQ(look(kRoot, name), number);
    EXPECT_EQ(names->view().name(kRoot, name)->checked, WallTime{});
    EXPECT_EQ(inode(number).checked, WallTime{});
    EXPECT_EQ(inode(kRoot).listed, WallTime{});
    EXPECT_EQ(tell(kRoot, name, NoSuchName{}), 0u);
    EXPECT_FALSE(exists(number));
  }

  InodeRecord seen_;
};

TEST_F(OrderOfNamesTest, NothingIsStagedInAFileThatWentWhileItWasRead) {
  list(kRoot, {file("f", "e")});
  const InodeNumber f = *look(kRoot, "f");
  begin_work_while_it_goes(f, "f");
  EXPECT_EQ(errnum_of(names->staged(f, content_of(seen_))), ESTALE);
  EXPECT_TRUE(names->view().staged().empty());
  EXPECT_FALSE(exists(f));
}

TEST_F(OrderOfNamesTest, ARenameIsDoneAlthoughItsSourceWentWhileItWasReadAndTheNewNameIsLookedUp) {
  list(kRoot, {file("f", "e"), file("g", "x")});
  const InodeNumber f = *look(kRoot, "f"), g = *look(kRoot, "g");
  begin_work_while_it_goes(f, "f");
  ASSERT_TRUE(names->begun(3, {f}));
  // The object was put there again before the copy was made, and has its new key now.
  const auto renamed = names->renamed(3, {{kRoot, "f"}, {kRoot, "g"}, f, g}, {.etag = "e"});
  ASSERT_TRUE(renamed) << renamed.error().context;
  EXPECT_EQ(look(kRoot, "f"), 0u);
  EXPECT_EQ(look(kRoot, "g"), std::nullopt);
  EXPECT_EQ(inode(g).binding, Binding::removed);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  const auto attempt = names->view().attempt(3);
  ASSERT_TRUE(attempt && std::holds_alternative<Answered>(*attempt));
  EXPECT_FALSE(std::get<Answered>(*attempt).failure);
}

TEST_F(OrderOfNamesTest, ACopyWhoseOldObjectStaysIsLookedUpAlthoughItsSourceWentWhileItWasRead) {
  list(kRoot, {file("f", "e"), file("g", "x")});
  const InodeNumber f = *look(kRoot, "f"), g = *look(kRoot, "g");
  begin_work_while_it_goes(f, "f");
  const Error why{EIO, "no delete"};
  ASSERT_TRUE(names->rename_left_both(3, {{kRoot, "f"}, {kRoot, "g"}, f, g}, why));
  EXPECT_EQ(look(kRoot, "g"), std::nullopt);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  const auto attempt = names->view().attempt(3);
  ASSERT_TRUE(attempt && std::holds_alternative<Answered>(*attempt));
  EXPECT_EQ(std::get<Answered>(*attempt).failure->context, why.context);
}

// ---- answers that come in another order than they were asked for ----------------------------------------------------

TEST_F(OrderOfNamesTest, WhatALaterQuestionShowedStaysWhenAnOlderListingComes) {
  list(kRoot, {file("b", "old")});
  auto listing = names->ask_all(kRoot);
  const InodeNumber f = tell_open(kRoot, "f", object("e")), b = tell_open(kRoot, "b", object("new"));
  EXPECT_EQ(show(*listing, {file("b", "old")}), Taken::taken);
  EXPECT_EQ(complete(*listing), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(look(kRoot, "b"), b);
  EXPECT_EQ(inode(b).etag, "new");
  EXPECT_FALSE(inode(f).unlinked());
}

TEST_F(OrderOfNamesTest, WhatALaterQuestionConfirmedStaysWhenAnOlderListingDoesNotHaveIt) {
  list(kRoot, {file("f", "e"), file("g", "e"), folder("d")});
  const InodeNumber f = *look(kRoot, "f"), g = *look(kRoot, "g"), d = *look(kRoot, "d");
  auto listing = names->ask_all(kRoot);
  tell_open(kRoot, "f", object("e"));
  ASSERT_EQ(*names->learned(*names->ask(g, Asker::anybody), object("e")), Taken::taken);
  const InodeNumber x = tell_open(d, "x", object("e"));
  EXPECT_EQ(show(*listing, {}), Taken::taken);
  EXPECT_EQ(complete(*listing), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(look(kRoot, "g"), g);
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(look(d, "x"), x);
}

TEST_F(OrderOfNamesTest, ANameThatALaterQuestionDidNotFindIsNotShownByAnOlderPage) {
  auto listing = names->ask_all(kRoot);
  EXPECT_EQ(tell(kRoot, "f", NoSuchName{}), 0u);
  EXPECT_EQ(show(*listing, {file("f", "e")}), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), 0u);
}

TEST_F(OrderOfNamesTest, AFileWhoseObjectALaterQuestionDidNotFindIsNotShownByOlderAnswers) {
  list(kRoot, {file("f", "e")});
  auto listing = names->ask_all(kRoot);
  const AskedName name = ask_name(kRoot, "f");
  ASSERT_EQ(*names->gone(*names->ask(*look(kRoot, "f"), Asker::anybody)), Taken::taken);
  EXPECT_EQ(*names->answered(name, object("e")), Taken::moved);
  EXPECT_EQ(show(*listing, {file("f", "e")}), Taken::stale);
  EXPECT_EQ(look(kRoot, "f"), std::nullopt);
  ASSERT_TRUE(names->ask_page(*listing));
  EXPECT_EQ(show(*listing, {file("f", "e")}), Taken::taken);
}

TEST_F(OrderOfNamesTest, APageThatWasAskedForAfterAQuestionIsNewerThanItsAnswer) {
  auto listing = names->ask_all(kRoot);
  tell(kRoot, "f", object("old"));
  ASSERT_TRUE(names->ask_page(*listing));
  EXPECT_EQ(show(*listing, {file("f", "new")}), Taken::taken);
  EXPECT_EQ(inode(*look(kRoot, "f")).etag, "new");
}

TEST_F(OrderOfNamesTest, AQuestionThatWasAskedAfterAPageIsNewerThanThePage) {
  list(kRoot, {file("f", "e")});
  auto listing = names->ask_all(kRoot);
  const AskedName name = ask_name(kRoot, "f");
  EXPECT_EQ(show(*listing, {file("f", "old")}), Taken::taken);
  EXPECT_EQ(*names->answered(name, object("new")), Taken::taken);
  EXPECT_EQ(inode(*look(kRoot, "f")).etag, "new");
}

TEST_F(OrderOfNamesTest, AnOlderAnswerBringsNothingBackThatACompleteListingDoesNotHave) {
  const AskedName before = ask_name(kRoot, "f");
  list(kRoot, {});
  EXPECT_EQ(*names->answered(before, object("e")), Taken::kept);
  EXPECT_THAT(children(kRoot), ::testing::IsEmpty());
}

TEST_F(OrderOfNamesTest, AnOlderAnswerTakesNothingAwayThatACompleteListingHas) {
  list(kRoot, {file("f", "e"), folder("d")});
  const InodeNumber f = *look(kRoot, "f"), d = *look(kRoot, "d");
  uses.open_one(f);
  const AskedName file_before = ask_name(kRoot, "f"), directory_before = ask_name(kRoot, "d");
  const auto object_before = names->ask(f, Asker::anybody);
  list(kRoot, {file("f", "e"), folder("d")});
  EXPECT_EQ(*names->answered(file_before, NoSuchName{}), Taken::kept);
  EXPECT_EQ(*names->answered(directory_before, NoSuchName{}), Taken::kept);
  EXPECT_EQ(*names->gone(*object_before), Taken::stale);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(look(kRoot, "d"), d);
}

TEST_F(OrderOfNamesTest, AListingIsWorthNothingAfterOneThatBeganLaterIsComplete) {
  list(kRoot, {file("f", "e")});
  auto before = names->ask_all(kRoot);
  list(kRoot, {file("f", "e")});
  EXPECT_FALSE(names->ask_page(*before));
  EXPECT_EQ(show(*before, {}), Taken::moved);
  EXPECT_EQ(complete(*before), Taken::moved);
  EXPECT_THAT(children(kRoot), ::testing::ElementsAre("f"));
}

TEST_F(OrderOfNamesTest, AMarkerOfAnOlderPageSaysNothingOfWhatALaterQuestionTold) {
  list(kRoot, {folder("d")});
  const InodeNumber d = *look(kRoot, "d");
  auto listing = names->ask_all(d);
  ASSERT_EQ(*names->learned(*names->ask(d, Asker::anybody), object("m")), Taken::taken);
  ASSERT_EQ(*names->listed(*listing, {.names = {}, .marker = at(5)}), Taken::taken);
  EXPECT_EQ(inode(d).knowledge, Knowledge::exact);
  EXPECT_EQ(inode(d).stored, at(22));
}

TEST_F(OrderOfNamesTest, ATimeThatAPageShowedIsNotSetBackByAnOlderAnswer) {
  list(kRoot, {file("f", "e")});
  const AskedName before = ask_name(kRoot, "f");
  auto listing = names->ask_all(kRoot);
  ASSERT_EQ(show(*listing, {{"f", ListedFile{{1}, "e", at(2000)}}}), Taken::taken);
  EXPECT_EQ(*names->answered(before, object("e")), Taken::kept);
  EXPECT_EQ(inode(*look(kRoot, "f")).stored, at(2000));
}

TEST_F(OrderOfNamesTest, OfTwoAnswersAboutANameTheOneThatWasAskedForLaterCounts) {
  list(kRoot, {folder("d")});
  const InodeNumber d = *look(kRoot, "d");
  const AskedName before_d = ask_name(kRoot, "d"), before_f = ask_name(kRoot, "f"), before_g = ask_name(kRoot, "g");
  tell(kRoot, "d", SomeDirectory{});
  tell(kRoot, "f", object("new"));
  tell(kRoot, "g", NoSuchName{});
  EXPECT_EQ(*names->answered(before_d, NoSuchName{}), Taken::kept);
  EXPECT_EQ(*names->answered(before_f, object("old")), Taken::kept);
  EXPECT_EQ(*names->answered(before_g, object("old")), Taken::kept);
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(inode(*look(kRoot, "f")).etag, "new");
  EXPECT_EQ(look(kRoot, "g"), 0u);
}

TEST_F(OrderOfNamesTest, OfTwoAnswersAboutAnObjectTheOneThatWasAskedForLaterCounts) {
  list(kRoot, {file("f", "e")});
  const InodeNumber f = *look(kRoot, "f");
  uses.open_one(f);
  ASSERT_EQ(*names->learned(*names->ask(f, Asker::anybody), object("e")), Taken::taken);
  const auto first = names->ask(f, Asker::anybody), second = names->ask(f, Asker::anybody);
  tell(kRoot, "f", object("e"));
  EXPECT_EQ(*names->gone(*first), Taken::kept);
  EXPECT_EQ(*names->learned(*second, object("old")), Taken::kept);
  EXPECT_EQ(look(kRoot, "f"), f);
}

TEST_F(OrderOfNamesTest, AConfirmationIsAsOldAsItsQuestion) {
  const AskedName asked = ask_name(kRoot, "f");
  const WallTime then = names->moment();
  clock.pass(std::chrono::minutes(1));
  EXPECT_EQ(*names->answered(asked, object("e")), Taken::taken);
  EXPECT_EQ(names->view().name(kRoot, "f")->checked, then);
  EXPECT_EQ(inode(*look(kRoot, "f")).checked, then);
}

// ---- a name that an answer gave to another inode while our request was under way ------------------------------------

TEST_F(OrderOfNamesTest, ANameThatWasRemovedIsLookedUpWhenAnAnswerGaveItToAnotherInode) {
  const auto [f, theirs] = give_to_another("f");
  ASSERT_EQ(*names->removed(3, {kRoot, "f"}, f), Taken::taken);
  expect_in_doubt("f", theirs);
}

TEST_F(OrderOfNamesTest, TheOldNameOfARenamedFileIsLookedUpWhenAnAnswerGaveItToAnotherInode) {
  const auto [f, theirs] = give_to_another("f");
  ASSERT_TRUE(names->renamed(3, {{kRoot, "f"}, {kRoot, "g"}, f, 0}, {.etag = "theirs"}));
  EXPECT_EQ(look(kRoot, "g"), f);
  expect_in_doubt("f", theirs);
}

TEST_F(OrderOfNamesTest, ADirectoryIsRenamedAlthoughItWentWhileItWasReadAndTheNewNameIsLookedUp) {
  list(kRoot, {folder("d"), folder("e")});
  const InodeNumber d = *look(kRoot, "d"), e = *look(kRoot, "e");
  ASSERT_TRUE(names->begun(3, {d}));
  list(kRoot, {folder("e")});
  ASSERT_FALSE(exists(d));
  const auto renamed = names->directory_renamed(3, {{kRoot, "d"}, {kRoot, "e"}, d, e}, 1, "job", nothing_copied());
  ASSERT_TRUE(renamed) << renamed.error().context;
  EXPECT_EQ(*renamed, Taken::taken);
  EXPECT_EQ(look(kRoot, "e"), std::nullopt);
  EXPECT_EQ(inode(e).binding, Binding::removed);
  const auto attempt = names->view().attempt(3);
  ASSERT_TRUE(attempt && std::holds_alternative<DeletesLeft>(*attempt));
  EXPECT_EQ(std::get<DeletesLeft>(*attempt).job, "job");
  ASSERT_TRUE(names->deletes_ended(3, {kRoot, "d"}, d, OldObjects::told_all, Error{EIO, "no delete"}));
  EXPECT_EQ(look(kRoot, "d"), std::nullopt);
}

TEST_F(OrderOfNamesTest, AnOpenDirectoryThatWentWhileItWasReadDoesNotComeBackEmptyUnderTheNewName) {
  list(kRoot, {folder("d")});
  const InodeNumber d = *look(kRoot, "d");
  list(d, {file("f", "e")});
  uses.open_one(d);
  list(kRoot, {});
  ASSERT_EQ(inode(d).binding, Binding::vanished);
  const Rename rename{{kRoot, "d"}, {kRoot, "e"}, d, 0};
  ASSERT_EQ(*names->directory_renamed(3, rename, 1, "", nothing_copied()), Taken::taken);
  EXPECT_EQ(look(kRoot, "e"), std::nullopt);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
}

TEST_F(OrderOfNamesTest, AnInodeThatHasAnotherNameByNowKeepsItWhenItsFormerNameIsRemoved) {
  const InodeNumber f = create_stored(kRoot, "f", "e");
  ASSERT_TRUE(names->renamed(2, {{kRoot, "f"}, {kRoot, "g"}, f, 0}, {.etag = "e"}));
  ASSERT_TRUE(names->removed(3, {kRoot, "f"}, f));
  EXPECT_EQ(look(kRoot, "g"), f);
  EXPECT_FALSE(inode(f).unlinked());
}

}  // namespace
}  // namespace pail::local
