// Records that contradict each other: the process ends before it answers, and the next one begins with an empty index.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local/names/index.h"
#include "names_fixture.h"

namespace pail::local {
namespace {

class DamagedNamesTest : public NamesTest {
 protected:
  void SetUp() override {
    NamesTest::SetUp();
    list(kRoot, {file("one", "e"), file("two", "e")});
    one_ = *look(kRoot, "one");
  }

  using Damage = std::function<void(InodeRecord&)>;

  // Changes the record of "one" past the store; the index is open as long as the answer lives.
  std::unique_ptr<Index> damage_one(const Damage& damage) {
    names.reset();
    auto index = Index::open(directory.path() / "index", settings().identity, clock, *journal);
    auto change = (*index)->write();
    auto record = change->inode(one_);
    damage(*record);
    change->put(*record);
    EXPECT_TRUE(change->commit());
    return *std::move(index);
  }
  // Lets a process of its own look at the names. The signal that ended it.
  int signal_of(const std::function<void()>& look_at) {
    const pid_t child = ::fork();
    if (child == 0) {
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      // Opened after the fork: LMDB's environments stay with their process.
      reopen();
      if (names) look_at();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  // A process opens the names, works with them and is killed.
  void kill_after(const std::function<void()>& work) {
    names.reset();
    const pid_t child = ::fork();
    if (child == 0) {
      reopen();
      work();
      ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
  }
  bool was_set_aside() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory.path() / "index"))
      if (entry.path().filename().string().starts_with("damaged-")) return true;
    return false;
  }
  void expect_set_aside() {
    reopen();
    EXPECT_TRUE(was_set_aside());
    EXPECT_TRUE(children(kRoot).empty());
    EXPECT_EQ(look(kRoot, "one"), std::nullopt);
    list(kRoot, {file("one", "e")});
    EXPECT_GT(*look(kRoot, "one"), InodeNumber{1} << 40);  // the kernel's old numbers stay ESTALE
  }

  InodeNumber one_ = 0;
};

// An index is checked as a whole when it was closed in order, which finds names that lead elsewhere.
TEST_F(DamagedNamesTest, AnInodeThatDoesNotHaveTheNameThatLeadsToItIsFoundAtOpen) {
  damage_one([](InodeRecord& inode) { inode.name = "other"; });
  expect_set_aside();
}

TEST_F(DamagedNamesTest, ANameOfAnInodeThatSaysItHasNoneIsFoundAtOpenAndEndsNoProcess) {
  damage_one([](InodeRecord& inode) { inode.binding = Binding::vanished; });
  EXPECT_EQ(signal_of([this] { names->view().name(kRoot, "one"); }), 0);
  expect_set_aside();
}

// A kill is no reason to check all of it: then it is met where it is read.
TEST_F(DamagedNamesTest, ANameOfAnInodeThatSaysItHasNoneEndsTheProcessThatReadsIt) {
  kill_after([this] {
    const auto open = damage_one([](InodeRecord& inode) { inode.binding = Binding::vanished; });
    ::kill(::getpid(), SIGKILL);
  });
  EXPECT_EQ(signal_of([this] { names->view().name(kRoot, "one"); }), SIGABRT);
  expect_set_aside();
}

// After a kill nothing but the length is looked at: every commit is there.
TEST_F(DamagedNamesTest, AFileThatIsShorterThanItsPagesIsSetAsideAtOpenAfterAKill) {
  std::vector<ListedName> many;
  for (int i = 0; i < 3000; ++i) many.push_back(file("name-" + std::to_string(i), "etag"));
  kill_after([&] { list(kRoot, many); });
  reopen();
  EXPECT_FALSE(was_set_aside());
  EXPECT_EQ(children(kRoot).size(), 3000u);
  kill_after([] {});
  std::filesystem::resize_file(directory.path() / "index" / "data.mdb", std::size_t{16} * 4096);
  expect_set_aside();
}

}  // namespace
}  // namespace pail::local
