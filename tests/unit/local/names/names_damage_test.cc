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

  // Changes the record of "one" past the store, and lets a process of its own look at it. The signal that ended it.
  int signal_after(const std::function<void(InodeRecord&)>& damage, const std::function<void()>& look_at) {
    names.reset();
    {
      auto index = Index::open(directory.path() / "index", settings().identity);
      auto change = (*index)->write();
      auto record = change->inode(one_);
      damage(*record);
      change->put(*record);
      EXPECT_TRUE(change->commit());
    }
    const pid_t child = ::fork();
    if (child == 0) {
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      // Opened after the fork: LMDB's environments stay with their process. A kill is no reason to check all of it.
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
  signal_after([](InodeRecord& inode) { inode.name = "other"; }, [] {});
  expect_set_aside();
}

// One without a name that its record denies is not: it is met where it is read.
TEST_F(DamagedNamesTest, ANameOfAnInodeThatSaysItHasNoneEndsTheProcess) {
  EXPECT_EQ(signal_after([](InodeRecord& inode) { inode.binding = Binding::vanished; },
                         [this] { names->view().name(kRoot, "one"); }),
            SIGABRT);
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
