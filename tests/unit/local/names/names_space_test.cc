// What stays of names that came and went, and what a page of new names costs.
#include <gmock/gmock.h>

#include <iostream>
#include <map>

#include "local/names/absent_names.h"
#include "local/names/lmdb_index.h"
#include "local/names/recent_changes.h"
#include "names_fixture.h"

namespace pail::local {
namespace {

class SpaceTest : public NamesTest {
 protected:
  // What the index holds, looked at past the store.
  template <class Look>
  void look_inside(Look look) {
    names.reset();
    {
      auto index = LmdbIndex::open(directory.path() / "index", settings().identity, clock, *journal);
      ASSERT_TRUE(index) << index.error().context;
      look(**index);
    }
    reopen();
  }
  // How many records each database has.
  std::map<std::string, std::size_t> records() {
    std::map<std::string, std::size_t> found;
    look_inside([&](LmdbIndex& index) {
      const Databases& databases = index.databases();
      const std::map<std::string, MDB_dbi> all = {{"inode", databases.inode},   {"dirent", databases.dirent},
                                                  {"child", databases.child},   {"intent", databases.intent},
                                                  {"orphan", databases.orphan}, {"staged", databases.staged},
                                                  {"upload", databases.upload}, {"upload_part", databases.upload_part}};
      const PooledRead read(index.environment());
      for (const auto& [name, database] : all) {
        MDB_stat stat{};
        EXPECT_EQ(mdb_stat(read.get(), database, &stat), MDB_SUCCESS);
        found[name] = stat.ms_entries;
      }
    });
    return found;
  }
  std::size_t pages() {
    MDB_envinfo info{};
    look_inside([&](LmdbIndex& index) { mdb_env_info(index.environment().get(), &info); });
    return info.me_last_pgno;
  }
  void remove(InodeNumber parent, const std::string& name) {
    const InodeNumber number = *look(parent, name);
    ASSERT_EQ(*names->removed(0, {parent, name}, number), Taken::taken);
    ASSERT_TRUE(names->let_go(number));
  }
};

TEST_F(SpaceTest, AHundredRoundsOfMakingAndRemovingFilesTakeNoMoreSpaceThanTwo) {
  const auto empty = records();
  std::size_t after_two = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 200; ++i) create(kRoot, std::to_string(1000 * (1000 + round) + i));
    for (int i = 0; i < 200; ++i) {
      const std::string name = std::to_string(1000 * (1000 + round) + i);
      store(*look(kRoot, name), "e");
      ASSERT_NO_FATAL_FAILURE(remove(kRoot, name));
    }
    if (round == 1) after_two = pages();
  }
  EXPECT_EQ(records(), empty);
  EXPECT_LE(pages(), after_two);
}

TEST_F(SpaceTest, RemovedDirectoriesLeaveNoRecords) {
  const auto empty = records();
  for (int i = 0; i < 50; ++i) {
    const std::string name = "d" + std::to_string(i);
    const InodeNumber d = make_directory(kRoot, name), below = make_directory(d, "below");
    list(below, {file("a", "e"), file("b", "e")});
    ASSERT_EQ(*names->answered(*names->ask(Place{below, "absent"}), NoSuchName{}), Taken::taken);
    ASSERT_NO_FATAL_FAILURE(remove(below, "a"));
    ASSERT_NO_FATAL_FAILURE(remove(kRoot, name));
  }
  EXPECT_EQ(records(), empty);
}

TEST_F(SpaceTest, ADirectoryThatOthersRemovedLeavesNoRecords) {
  const auto empty = records();
  list(kRoot, {folder("d")});
  list(*look(kRoot, "d"), {file("a", "e"), folder("e")});
  list(*look(*look(kRoot, "d"), "e"), {file("b", "e")});
  list(kRoot, {});
  EXPECT_EQ(records(), empty);
}

TEST_F(SpaceTest, NamesThatNeverWereLeaveNoRecords) {
  const auto empty = records();
  for (int i = 0; i < 3000; ++i)
    ASSERT_EQ(*names->answered(*names->ask(Place{kRoot, std::to_string(i)}), NoSuchName{}), Taken::taken);
  EXPECT_EQ(look(kRoot, "2999"), 0u);
  EXPECT_EQ(records(), empty);
}

// A version before this one kept them in the index.
TEST_F(SpaceTest, AbsentNamesOfAnOlderVersionAreReadAndGoWithTheNextListing) {
  const auto empty = records();
  const InodeNumber d = make_directory(kRoot, "d");
  look_inside([&](LmdbIndex& index) {
    auto change = index.write();
    change->bind(kRoot, "old", {.checked = at(9)});
    change->bind(d, "older", {.checked = at(9)});
    ASSERT_TRUE(change->commit());
  });
  EXPECT_EQ(look(kRoot, "old"), 0u);
  EXPECT_EQ(names->view().name(kRoot, "old")->checked, at(9));
  list(kRoot, {});  // neither is there, nor the directory
  EXPECT_EQ(look(kRoot, "old"), std::nullopt);
  EXPECT_EQ(records(), empty);
}

// ---- what is remembered in memory has a bound ----

TEST(AbsentNames, OfManyRemovalsTheOldestAreForgottenAndThatIsKnown) {
  AbsentNames absent;
  for (std::uint64_t i = 1; i <= AbsentNames::kMost; ++i) absent.note({1, std::to_string(i)}, {at(1), i});
  EXPECT_FALSE(absent.dropped_since(1, 0));
  absent.note({1, "2"}, {at(2), 2});  // is not a new one
  EXPECT_EQ(absent.size(), AbsentNames::kMost);
  absent.note({2, "one more"}, {at(2), AbsentNames::kMost + 1});
  EXPECT_EQ(absent.size(), AbsentNames::kMost);
  EXPECT_FALSE(absent.find(1, "1"));
  EXPECT_TRUE(absent.find(1, "2"));
  EXPECT_TRUE(absent.dropped_since(1, 0));
  EXPECT_FALSE(absent.dropped_since(1, 1));
  EXPECT_FALSE(absent.dropped_since(2, 0)) << "nothing of this directory was forgotten";
}

TEST(AbsentNames, ThatTheStoreToldOfDriveOutNoRemoval) {
  AbsentNames absent;
  absent.note({1, "removed"}, {at(1), 7});
  for (std::size_t i = 0; i <= AbsentNames::kMost; ++i) absent.note({1, std::to_string(i)}, {at(1), 0});
  EXPECT_TRUE(absent.find(1, "removed"));
  EXPECT_FALSE(absent.find(1, "0"));
  EXPECT_FALSE(absent.dropped_since(1, 0));
  EXPECT_EQ(absent.size(), AbsentNames::kMost + 1);
}

TEST(AbsentNames, OfADirectoryAreForgottenAlone) {
  AbsentNames absent;
  for (const InodeNumber parent : {1, 2, 3}) absent.note({parent, "a"}, {});
  absent.forget_all(2);
  absent.forget({3, "b"});
  EXPECT_TRUE(absent.find(1, "a"));
  EXPECT_FALSE(absent.find(2, "a"));
  EXPECT_TRUE(absent.find(3, "a"));
  absent.forget({3, "a"});
  EXPECT_FALSE(absent.find(3, "a"));
}

TEST_F(SpaceTest, APageThatWasAskedForBeforeTooManyRemovalsIsAskedForAgainAndTheListingGoesOn) {
  const InodeNumber d = make_directory(kRoot, "d");
  auto asked = names->ask_all(kRoot), of_d = names->ask_all(d);
  ASSERT_EQ(show(*asked, {file("a", "e"), folder("d")}), Taken::taken);
  ASSERT_TRUE(names->ask_page(*asked));
  const InodeNumber f = create_stored(kRoot, "f", "e");
  ASSERT_EQ(*names->removed(0, {kRoot, "f"}, f), Taken::taken);
  for (std::size_t i = 0; i < AbsentNames::kMost; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_EQ(*names->removed(0, {kRoot, name}, create_stored(kRoot, name, "e")), Taken::taken);
  }
  EXPECT_EQ(show(*asked, {file("f", "e")}), Taken::stale);
  EXPECT_EQ(look(kRoot, "f").value_or(0), 0u);
  EXPECT_TRUE(names->ask_page(*asked));
  EXPECT_EQ(show(*asked, {file("g", "e")}), Taken::taken);
  EXPECT_EQ(complete(*asked), Taken::taken);
  EXPECT_NE(look(kRoot, "a").value_or(0), 0u);
  EXPECT_NE(look(kRoot, "g").value_or(0), 0u);
  EXPECT_TRUE(names->ask_page(*of_d)) << "removals elsewhere do not end a listing";
  EXPECT_EQ(show(*of_d, {file("g", "e")}), Taken::taken);
}

TEST(RecentChanges, OfManyDirectoriesAnyMayHaveChanged) {
  RecentChanges changes;
  changes.note(5, 10);
  EXPECT_TRUE(changes.any_since(5, 9));
  EXPECT_FALSE(changes.any_since(5, 10));
  EXPECT_FALSE(changes.any_since(6, 0));
  for (std::uint64_t i = 0; i < RecentChanges::kMost; ++i) changes.note(100 + i, 11 + i);
  EXPECT_TRUE(changes.any_since(5, 9));
  EXPECT_TRUE(changes.any_since(6, 9));
  EXPECT_FALSE(changes.any_since(5, 10 + RecentChanges::kMost));
}

// ---- time ----

// The time is for people to read: machines and sanitizers differ.
TEST_F(SpaceTest, PagesOfAThousandNewNamesAreKnownAndTimed) {
  constexpr int kPages = 20;
  std::vector<std::chrono::nanoseconds> times;
  auto asked = names->ask_all(kRoot);
  for (int page = 0; page < kPages; ++page) {
    ListedPage listed;
    for (int i = 0; i < 1000; ++i)
      listed.names.push_back(file("some-name-" + std::to_string(100'000 + 1000 * page + i),
                                  "\"d41d8cd98f00b204e9800998ecf8427e\"", 12345));
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_EQ(*names->listed(*asked, listed), Taken::taken);
    times.push_back(std::chrono::steady_clock::now() - begun);
  }
  std::sort(times.begin(), times.end());
  const double milliseconds = std::chrono::duration<double, std::milli>(times[kPages / 2]).count();
  RecordProperty("milliseconds_a_page", std::to_string(milliseconds));
  std::cout << "a page of 1,000 new names: " << milliseconds << " ms, best "
            << std::chrono::duration<double, std::milli>(times[0]).count() << "\n";
  EXPECT_EQ(children(kRoot).size(), kPages * 1000u);
}

}  // namespace
}  // namespace pail::local
