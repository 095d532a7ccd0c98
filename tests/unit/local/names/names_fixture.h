// A name store in a folder of its own, with users and a clock that a test decides on.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <utility>

#include "../../../manual_clock.h"
#include "../../temporary_directory.h"
#include "../memory_journal.h"
#include "base/mutex.h"
#include "local/names/name_store.h"

namespace pail::local {

class TestUses final : public InodeUses {
 public:
  bool open(InodeNumber number) const override {
    MutexLock lock(mutex_);
    return open_.contains(number);
  }
  bool busy(InodeNumber number) const override {
    std::function<void()> then;
    bool busy = false;
    {
      MutexLock lock(mutex_);
      busy = busy_.contains(number);
      then = std::exchange(after_busy_, {});
    }
    if (then) then();
    return busy;
  }
  bool busy(const Place&) const override { return false; }
  // Between the next answer of busy() and the end of the event that asked, once.
  void after_busy(std::function<void()> then) {
    MutexLock lock(mutex_);
    after_busy_ = std::move(then);
  }
  void open_one(InodeNumber number) {
    MutexLock lock(mutex_);
    open_.insert(number);
  }
  void close_one(InodeNumber number) {
    MutexLock lock(mutex_);
    open_.erase(number);
  }
  void begin_work(InodeNumber number) {
    MutexLock lock(mutex_);
    busy_.insert(number);
  }
  void end_work(InodeNumber number) {
    MutexLock lock(mutex_);
    busy_.erase(number);
  }

 private:
  mutable Mutex mutex_;
  std::set<InodeNumber> open_ PAIL_GUARDED_BY(mutex_), busy_ PAIL_GUARDED_BY(mutex_);
  mutable std::function<void()> after_busy_ PAIL_GUARDED_BY(mutex_);
};

inline WallTime at(std::int64_t seconds) {
  return WallTime(std::chrono::seconds(seconds));
}

inline CopiedContents one_by_one(std::vector<CopiedContent> all) {
  auto left = std::make_shared<std::vector<CopiedContent>>(all.rbegin(), all.rend());
  return [left]() -> Result<std::optional<CopiedContent>> {
    if (left->empty()) return std::optional<CopiedContent>();
    CopiedContent next = std::move(left->back());
    left->pop_back();
    return std::optional(std::move(next));
  };
}

inline CopiedContents nothing_copied() {
  return one_by_one({});
}

class NamesTest : public ::testing::Test {
 protected:
  static constexpr InodeNumber kRoot = kRootInode;

  void SetUp() override { reopen(); }

  NameStore::Settings settings() const {
    return {.identity = "bucket/",
            .defaults = {.file_permissions = 0640, .directory_permissions = 0750, .uid = 7, .gid = 8},
            .journal = *journal,
            .clock = clock};
  }
  // As the next process after a kill -9 finds it: nothing is said at the end of this one but what the index holds.
  void reopen() {
    names.reset();
    auto opened = NameStore::open(directory.path() / "index", settings(), uses);
    ASSERT_TRUE(opened) << opened.error().context;
    names = *std::move(opened);
  }

  // ---- our side ----
  // A file that was made and is still staged.
  InodeNumber create(InodeNumber parent, const std::string& name, RequestNumber request = 0) {
    const auto number = names->next_number();
    EXPECT_TRUE(number) << number.error().context;
    if (!number) return 0;
    const auto made = names->created(request, {parent, name}, *number, {.permissions = 0600, .uid = 1, .gid = 2});
    EXPECT_TRUE(made) << made.error().context;
    return made ? made->number : 0;
  }
  InodeNumber make_directory(InodeNumber parent, const std::string& name) {
    const auto made = names->made(0, {parent, name}, {.type = FileType::directory, .permissions = 0700},
                                  {.written = WriteWindow{},
                                   .link_target = {},
                                   .modified = clock.wall(),
                                   .confirmed = names->moment(),
                                   .free = names->view().last_free(parent, name)});
    EXPECT_TRUE(made) << made.error().context;
    return made ? made->number : 0;
  }
  void store(InodeNumber number, const std::string& etag, std::uint64_t size = 3) {
    const auto stored = names->stored(
        number, {.etag = etag, .size = {size}, .modified = at(5), .changed = at(6), .confirmed = names->moment()});
    EXPECT_TRUE(stored) << stored.error().context;
  }
  InodeNumber create_stored(InodeNumber parent, const std::string& name, const std::string& etag,
                            std::uint64_t size = 3) {
    const InodeNumber number = create(parent, name);
    store(number, etag, size);
    return number;
  }
  void stage(InodeNumber number) {
    const auto inode = names->inode(number);
    ASSERT_TRUE(inode);
    const auto taken = names->staged(number, content_of(*inode));
    ASSERT_TRUE(taken) << taken.error().context;
    ASSERT_EQ(*taken, Taken::taken);
  }

  // ---- the object store ----
  static ListedName file(const std::string& name, const std::string& etag, std::uint64_t size = 1) {
    return {name, ListedFile{{size}, etag, at(1000)}};
  }
  static ListedName folder(const std::string& name) { return {name, ListedDirectory{}}; }
  // A complete listing of one page.
  void list(InodeNumber parent, std::vector<ListedName> found) {
    auto asked = names->ask_all(parent);
    ASSERT_TRUE(asked) << asked.error().context;
    EXPECT_EQ(show(*asked, std::move(found)), Taken::taken);
    EXPECT_EQ(complete(*asked), Taken::taken);
  }
  Taken show(AskedListing& asked, std::vector<ListedName> found) {
    const auto taken = names->listed(asked, {.names = std::move(found), .marker = {}});
    EXPECT_TRUE(taken) << taken.error().context;
    return taken ? *taken : Taken::moved;
  }
  Taken complete(AskedListing& asked) {
    const auto taken = names->listing_complete(asked);
    EXPECT_TRUE(taken) << taken.error().context;
    return taken ? *taken : Taken::moved;
  }
  static ObjectFacts object(const std::string& etag) {
    return {.permissions = 0604,
            .uid = 11,
            .gid = 12,
            .size = {9},
            .accessed = at(20),
            .modified = at(21),
            .stored = at(22),
            .etag = etag,
            .headers = "h"};
  }

  // ---- what is seen ----
  // 0: known to be absent; nothing: not known.
  std::optional<InodeNumber> look(InodeNumber parent, const std::string& name) {
    const auto known = names->view().name(parent, name);
    if (!known) return std::nullopt;
    return known->inode ? known->inode->number : 0;
  }
  std::vector<std::string> children(InodeNumber parent) {
    std::vector<std::string> found;
    names->view().children(parent, 0, [&](const InodeRecord& inode) {
      found.push_back(inode.name);
      return true;
    });
    return found;
  }
  InodeRecord inode(InodeNumber number) {
    const auto found = names->inode(number);
    EXPECT_TRUE(found) << found.error().context;
    return found ? *found : InodeRecord{};
  }
  bool exists(InodeNumber number) { return names->inode(number).has_value(); }

  TemporaryDirectory directory;
  ManualClock clock;
  TestUses uses;
  const std::unique_ptr<JournalState> journal = memory_journal();
  std::unique_ptr<NameStore> names;
};

}  // namespace pail::local
