// Two threads tell the store what they do to one bucket, in any order, and a plain map says what must come of it.
#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "names_fixture.h"

namespace pail::local {
namespace {

// Names and ETags, as the object store has them.
class Bucket {
 public:
  std::map<std::string, std::string> all() const {
    MutexLock lock(mutex_);
    return objects_;
  }
  std::optional<std::string> get(const std::string& name) const {
    MutexLock lock(mutex_);
    const auto found = objects_.find(name);
    return found == objects_.end() ? std::nullopt : std::optional(found->second);
  }
  void put(const std::string& name, const std::string& etag) {
    MutexLock lock(mutex_);
    objects_[name] = etag;
  }
  // As a PUT with If-Match or If-None-Match: false when something else is there.
  bool put_over(const std::string& name, const std::string& before, const std::string& etag) {
    MutexLock lock(mutex_);
    const auto found = objects_.find(name);
    if ((found == objects_.end() ? std::string() : found->second) != before) return false;
    objects_[name] = etag;
    return true;
  }
  void remove(const std::string& name) {
    MutexLock lock(mutex_);
    objects_.erase(name);
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::string> objects_ PAIL_GUARDED_BY(mutex_);
};

class RandomNamesTest : public NamesTest {
 protected:
  using Random = std::mt19937_64;
  static std::string any_name(Random& random) { return std::string(1, static_cast<char>('a' + random() % 8)); }

  // ---- our side: one thread ----
  void act(Random& random, int step) {
    const std::string name = any_name(random);
    const InodeNumber number = look(kRoot, name).value_or(0);
    switch (random() % 6) {
      case 0:
        if (number == 0) create_one(name);
        break;
      case 1:
        if (number != 0) open_or_close(number);
        break;
      default:
        if (number == 0) break;
        uses.begin_work(number);
        if (names->view().leads_to(kRoot, name, number)) work(random, name, number, step);
        uses.end_work(number);
    }
    check_what_is_ours();
  }
  void create_one(const std::string& name) {
    const auto number = names->next_number();
    ASSERT_TRUE(number) << number.error().context;
    const auto made = names->created(0, {kRoot, name}, *number, {});
    ASSERT_TRUE(made) << made.error().context;
    ASSERT_EQ(look(kRoot, name), *number);
    staged_[*number] = name;
  }
  void open_or_close(InodeNumber number) {
    if (opened_.erase(number) != 0) {
      uses.close_one(number);
      ASSERT_TRUE(names->let_go(number));
      return;
    }
    uses.open_one(number);
    ASSERT_TRUE(names->next_number());  // after it no event is under way that did not see this
    const auto now = names->inode(number);
    if (!now || now->unlinked() || now->content == Content::staged)
      uses.close_one(number);
    else
      opened_[number] = content_of(*now);
  }
  // An answer that was being taken when the work began may end before any of our events, and take away what is not
  // staged: whoever has read the inode finds out with the next thing that is told.
  void work(Random& random, const std::string& name, InodeNumber number, int step) {
    const auto found = names->inode(number);
    if (!found || found->unlinked()) return;
    const InodeRecord& now = *found;
    if (now.content == Content::staged) return store_one(now, "\"ours" + std::to_string(step) + "\"");
    switch (random() % 3) {
      case 0:
        stage_one(now, name);
        break;
      case 1:
        bucket.remove(name);
        ASSERT_TRUE(names->removed(0, {kRoot, name}, number));
        ASSERT_NE(look(kRoot, name).value_or(0), number);
        if (!opened_.contains(number)) {
          ASSERT_TRUE(names->let_go(number));
        }
        break;
      case 2:
        rename_one(now, any_name(random));
    }
  }
  void stage_one(const InodeRecord& file, const std::string& name) {
    const auto taken = names->staged(file.number, content_of(file));
    if (taken && *taken == Taken::taken) {
      staged_[file.number] = name;
      return;
    }
    ASSERT_TRUE(taken || taken.error().errnum == ESTALE) << taken.error().context;
  }
  void store_one(const InodeRecord& file, const std::string& etag) {
    staged_.erase(file.number);
    opened_.erase(file.number);
    uses.close_one(file.number);
    if (bucket.put_over(file.name, file.etag, etag)) {
      ASSERT_TRUE(names->stored(file.number, {.etag = etag}));
      ASSERT_EQ(look(kRoot, file.name), file.number);
      ASSERT_EQ(inode(file.number).etag, etag);
    } else {
      ASSERT_TRUE(names->content_lost(file.number));
    }
  }
  void rename_one(const InodeRecord& file, const std::string& to) {
    const InodeNumber target = look(kRoot, to).value_or(0);
    if (target == file.number || staged_.contains(target)) return;
    if (target != 0) uses.begin_work(target);
    if (names->view().leads_to(kRoot, to, target) && bucket.get(file.name) == file.etag) {
      bucket.put(to, file.etag);
      bucket.remove(file.name);
      const auto renamed = names->renamed(0, {{kRoot, file.name}, {kRoot, to}, file.number, target}, {file.etag});
      ASSERT_TRUE(renamed) << renamed.error().context;
      if (target != 0 && !opened_.contains(target)) {
        ASSERT_TRUE(names->let_go(target));
      }
    }
    if (target != 0) uses.end_work(target);
  }
  void check_what_is_ours() {
    for (const auto& [number, name] : staged_) {
      ASSERT_TRUE(names->view().leads_to(kRoot, name, number)) << name << " was written here";
      ASSERT_EQ(inode(number).content, Content::staged);
    }
    for (const auto& [number, content] : opened_) {
      const auto now = names->inode(number);
      ASSERT_TRUE(now) << number << " is open";
      if (now->epoch != content.generation) continue;
      ASSERT_EQ(now->etag, content.etag) << "another content for one handle";
    }
  }

  // ---- the store and others: another thread ----
  void tell(Random& random, int step) {
    const std::string name = any_name(random);
    switch (random() % 5) {
      case 0:
        return bucket.put(name, "\"theirs" + std::to_string(step) + "\"");
      case 1:
        return bucket.remove(name);
      case 2:
        return tell_all(random);
      case 3:
        return tell_name(name);
      default:
        return tell_inode(look(kRoot, name).value_or(0));
    }
  }
  void tell_all(Random& random) {
    auto asked = names->ask_all(kRoot);
    ASSERT_TRUE(asked) << asked.error().context;
    const auto objects = bucket.all();
    std::vector<ListedName> first, second;
    for (const auto& [name, etag] : objects) (name < any_name(random) ? first : second).push_back(file(name, etag));
    std::this_thread::yield();
    show(*asked, first);
    std::this_thread::yield();
    show(*asked, second);
    complete(*asked);
  }
  void tell_name(const std::string& name) {
    const auto asked = names->ask(Place{kRoot, name});
    ASSERT_TRUE(asked) << asked.error().context;
    const auto etag = bucket.get(name);
    std::this_thread::yield();
    const auto taken = names->answered(*asked, etag ? NameAnswer(object(*etag)) : NameAnswer(NoSuchName{}));
    ASSERT_TRUE(taken) << taken.error().context;
  }
  void tell_inode(InodeNumber number) {
    const auto asked = names->ask(number, Asker::anybody);
    if (!asked) return;
    const auto etag = bucket.get(asked->path());
    std::this_thread::yield();
    const auto taken = etag ? names->learned(*asked, object(*etag)) : names->gone(*asked);
    ASSERT_TRUE(taken || taken.error().errnum == ESTALE) << taken.error().context;
  }

  // ---- in the end ----
  void expect_the_bucket() {
    while (!staged_.empty()) store_one(inode(staged_.begin()->first), "\"last\"");
    for (const auto& [number, content] : opened_) uses.close_one(number);
    for (const InodeNumber number : names->view().orphans()) ASSERT_TRUE(names->let_go(number));
    const auto objects = bucket.all();
    std::vector<ListedName> page;
    for (const auto& [name, etag] : objects) page.push_back(file(name, etag));
    list(kRoot, page);
    std::map<std::string, std::string> shown;
    names->view().children(kRoot, 0, [&](const InodeRecord& inode) {
      shown[inode.name] = inode.etag;
      return true;
    });
    EXPECT_EQ(shown, objects);
    EXPECT_TRUE(names->view().orphans().empty());
    EXPECT_TRUE(names->view().staged().empty());
  }

  Bucket bucket;
  std::map<InodeNumber, std::string> staged_;     // of our side's thread: written and not stored
  std::map<InodeNumber, ContentVersion> opened_;  // and open
};

TEST_F(RandomNamesTest, TwoThreadsEndWithWhatTheBucketHasAndLoseNothingOfOurs) {
  const char* given = std::getenv("PAILFS_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  SCOPED_TRACE(testing::Message() << "PAILFS_SEED=" << seed);
  for (int round = 0; round < 6 && !HasFailure(); ++round) {
    Random ours(seed + 2 * round), theirs(seed + 2 * round + 1);
    std::thread teller([&] {
      for (int step = 0; step < 300 && !HasFailure(); ++step) tell(theirs, 1000 * round + step);
    });
    for (int step = 0; step < 300 && !HasFailure(); ++step) act(ours, 1000 * round + step);
    teller.join();
    expect_the_bucket();
    opened_.clear();
    reopen();
    clock.pass(std::chrono::seconds(1));
  }
}

}  // namespace
}  // namespace pail::local
