// Complete listings of a directory, in pages, beside what our side does.
#include <gmock/gmock.h>

#include "names_fixture.h"

namespace pail::local {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(NamesTest, AListingShowsFilesAndDirectoriesInItsOrder) {
  clock.pass(std::chrono::seconds(4));
  list(kRoot, {file("a", "e", 12), {"b", ListedDirectory{DirectoryForm::folder_marker, at(60)}}, folder("c")});
  reopen();
  EXPECT_THAT(children(kRoot), ElementsAre("a", "b", "c"));
  const InodeRecord a = inode(*look(kRoot, "a")), b = inode(*look(kRoot, "b")), c = inode(*look(kRoot, "c"));
  EXPECT_EQ(a.type, FileType::regular);
  EXPECT_EQ(a.size, ByteCount{12});
  EXPECT_EQ(a.etag, "e");
  EXPECT_EQ(a.modified, at(1000));
  EXPECT_EQ(a.stored, at(1000));
  EXPECT_EQ(a.permissions, 0640u);
  EXPECT_EQ(a.knowledge, Knowledge::listed);
  EXPECT_EQ(b.form, DirectoryForm::folder_marker);
  EXPECT_EQ(b.stored, at(60));
  EXPECT_EQ(c.type, FileType::directory);
  EXPECT_EQ(c.permissions, 0750u);
  EXPECT_EQ(inode(kRoot).listed, names->moment());
  EXPECT_LT(a.number, b.number);
}

TEST_F(NamesTest, ADirectoryCountsAsListedSinceTheListingBegan) {
  auto asked = names->ask_all(kRoot);
  EXPECT_EQ(asked->directory(), kRoot);
  EXPECT_EQ(asked->path(), "");
  const WallTime begun = names->moment();
  clock.pass(std::chrono::minutes(1));
  EXPECT_EQ(show(*asked, {}), Taken::taken);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  EXPECT_EQ(complete(*asked), Taken::taken);
  EXPECT_EQ(inode(kRoot).listed, begun);
}

TEST_F(NamesTest, NamesThatNoPageShowedAreGoneAfterTheLastOne) {
  std::vector<ListedName> many;
  for (int i = 1000; i < 3500; ++i) many.push_back(file(std::to_string(i), "e"));
  list(kRoot, many);
  const InodeNumber first = *look(kRoot, "1000"), last = *look(kRoot, "3499");
  uses.open_one(last);
  auto asked = names->ask_all(kRoot);
  EXPECT_EQ(show(*asked, {file("1001", "e")}), Taken::taken);
  EXPECT_EQ(show(*asked, {file("1002", "e")}), Taken::taken);
  EXPECT_TRUE(exists(first));
  EXPECT_EQ(complete(*asked), Taken::taken);
  EXPECT_THAT(children(kRoot), ElementsAre("1001", "1002"));
  EXPECT_FALSE(exists(first));
  EXPECT_EQ(inode(last).binding, Binding::vanished);
}

TEST_F(NamesTest, WhatOurSideMadeSinceTheListingBeganIsNotGone) {
  list(kRoot, {file("a", "e"), folder("d")});
  const InodeNumber a = *look(kRoot, "a"), d = *look(kRoot, "d");
  auto asked = names->ask_all(kRoot);
  const InodeNumber f = create_stored(kRoot, "f", "e"), below = create_stored(d, "below", "e");
  ASSERT_EQ(*names->attributes_changed(version_of(inode(a)), {.uid = 5}, {}), Taken::taken);
  EXPECT_EQ(show(*asked, {}), Taken::taken);
  EXPECT_EQ(complete(*asked), Taken::taken);
  EXPECT_EQ(look(kRoot, "f"), f);
  EXPECT_EQ(look(kRoot, "a"), a);
  EXPECT_EQ(look(d, "below"), below);
}

TEST_F(NamesTest, StagedFilesAndTheDirectoriesAboveThemStayAlthoughNoListingShowsThem) {
  list(kRoot, {folder("d"), file("s", "e")});
  const InodeNumber d = *look(kRoot, "d"), s = *look(kRoot, "s");
  const InodeNumber f = create(d, "f"), clean = create_stored(d, "clean", "e");
  stage(s);
  list(kRoot, {file("s", "theirs")});
  EXPECT_EQ(look(d, "f"), f);
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(inode(s).etag, "e");
  EXPECT_FALSE(exists(clean));
  list(kRoot, {file("d", "now a file")});
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(inode(d).type, FileType::directory);
}

TEST_F(NamesTest, AListingLeavesAloneWhatSomebodyWorksOn) {
  list(kRoot, {file("a", "e"), folder("d")});
  const InodeNumber a = *look(kRoot, "a"), d = *look(kRoot, "d");
  list(d, {file("f", "e")});
  const InodeNumber f = *look(d, "f");
  uses.begin_work(a);
  uses.begin_work(f);
  list(kRoot, {});
  EXPECT_EQ(look(kRoot, "a"), a);
  EXPECT_EQ(look(d, "f"), f);
  uses.end_work(a);
  uses.end_work(f);
  list(kRoot, {});
  EXPECT_FALSE(exists(a));
  EXPECT_FALSE(exists(f));
  EXPECT_THAT(children(kRoot), IsEmpty());
}

TEST_F(NamesTest, AFileIsMadeByTheListingThatShowsItToBeADirectory) {
  list(kRoot, {file("x", "e")});
  const InodeNumber file_number = *look(kRoot, "x");
  list(kRoot, {folder("x")});
  const InodeNumber directory_number = *look(kRoot, "x");
  EXPECT_NE(directory_number, file_number);
  EXPECT_FALSE(exists(file_number));
  list(kRoot, {file("x", "e")});
  EXPECT_NE(*look(kRoot, "x"), directory_number);
  EXPECT_FALSE(exists(directory_number));
}

TEST_F(NamesTest, ADirectoryThatIsListedAgainStaysAsItIs) {
  const InodeNumber d = make_directory(kRoot, "d");
  const InodeRecord before = inode(d);
  list(kRoot, {folder("d")});
  EXPECT_EQ(look(kRoot, "d"), d);
  EXPECT_EQ(inode(d).knowledge, before.knowledge);
  EXPECT_EQ(inode(d).permissions, before.permissions);
}

TEST_F(NamesTest, AListingOfADirectoryThatWasMovedIsWorthNothing) {
  const InodeNumber d = make_directory(kRoot, "d");
  auto asked = names->ask_all(d);
  EXPECT_TRUE(names->ask_page(*asked));
  ASSERT_EQ(*names->directory_renamed(0, {{kRoot, "d"}, {kRoot, "e"}, d, 0}, 1, "", nothing_copied()), Taken::taken);
  EXPECT_FALSE(names->ask_page(*asked));
  EXPECT_EQ(show(*asked, {file("f", "e")}), Taken::moved);
  EXPECT_EQ(complete(*asked), Taken::moved);
  EXPECT_THAT(children(d), IsEmpty());
  auto anew = names->ask_all(d);
  EXPECT_EQ(anew->path(), "e");
  EXPECT_EQ(show(*anew, {file("f", "e")}), Taken::taken);
}

TEST_F(NamesTest, AListingOfADirectoryThatIsGoneIsEstale) {
  const InodeNumber d = make_directory(kRoot, "d");
  auto asked = names->ask_all(d);
  list(kRoot, {});
  EXPECT_EQ(errnum_of(names->listed(*asked, {})), ESTALE);
  EXPECT_FALSE(names->ask_page(*asked));
}

// ---- times: an ETag does not tell that attributes were changed ----

TEST_F(NamesTest, ATimeThatOthersGaveAnObjectMakesItsAttributesBeAskedFor) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->stored(f, {.etag = "e", .written = {at(999), at(1001)}}));
  list(kRoot, {file("f", "e")});  // stored at 1000: that was us
  EXPECT_EQ(inode(f).knowledge, Knowledge::exact);
  EXPECT_EQ(inode(f).stored, at(1000));
  list(kRoot, {{"f", ListedFile{{1}, "e", at(1002)}}});
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
  EXPECT_EQ(inode(f).epoch, 0u);
}

TEST_F(NamesTest, AWriteThatIsSeenAtAnotherTimeThanOursWasSomebodyElses) {
  const InodeNumber f = create(kRoot, "f");
  ASSERT_TRUE(names->stored(f, {.etag = "e", .written = {at(997), at(998)}}));
  list(kRoot, {file("f", "e")});
  EXPECT_EQ(inode(f).knowledge, Knowledge::listed);
}

TEST_F(NamesTest, AMarkerThatOthersWroteMakesTheDirectorysAttributesBeAskedFor) {
  const InodeNumber d = make_directory(kRoot, "d");
  ASSERT_EQ(*names->gone(*names->ask(d, Asker::anybody)), Taken::taken);
  ASSERT_EQ(inode(d).form, DirectoryForm::implicit);
  auto asked = names->ask_all(d);
  ASSERT_EQ(*names->listed(*asked, {.names = {}, .marker = at(5)}), Taken::taken);
  EXPECT_EQ(inode(d).form, DirectoryForm::slash_marker);
  EXPECT_EQ(inode(d).knowledge, Knowledge::listed);
}

TEST_F(NamesTest, AMarkerThatWeAreWritingIsLeftAlone) {
  const InodeNumber d = make_directory(kRoot, "d");
  uses.begin_work(d);
  auto asked = names->ask_all(d);
  ASSERT_EQ(*names->listed(*asked, {.names = {}, .marker = at(5)}), Taken::taken);
  EXPECT_EQ(inode(d).knowledge, Knowledge::exact);
}

TEST_F(NamesTest, APageThatComesAfterItsDirectoryWasRemovedBindsNothing) {
  const InodeNumber d = make_directory(kRoot, "d");
  uses.open_one(d);
  auto asked = names->ask_all(d);
  const auto name = names->ask(Place{d, "f"});
  ASSERT_TRUE(asked && name);
  auto of_root = names->ask_all(kRoot);
  ASSERT_EQ(*names->listed(*of_root, {}), Taken::taken);
  ASSERT_EQ(*names->listing_complete(*of_root), Taken::taken);  // others removed it
  ASSERT_EQ(inode(d).binding, Binding::vanished);
  EXPECT_EQ(errnum_of(names->listed(*asked, {.names = {{"f", ListedFile{{1}, "e", at(1)}}}})), ENOENT);
  EXPECT_EQ(errnum_of(names->answered(*name, SomeDirectory{})), ENOENT);
  EXPECT_THAT(children(d), ::testing::IsEmpty());
}

}  // namespace
}  // namespace pail::local
