#include "vfs/tree_gate.h"
#include "pailfs/base/stop.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>
#include <thread>

#include "../local/memory_journal.h"

namespace pail::vfs {
namespace {

using local::InodeNumber;

StopToken stopped() {
  StopSource source;
  source.request_stop();
  return source.token();
}

class NoUses final : public local::InodeUses {
 public:
  bool open(InodeNumber) const override { return false; }
  bool busy(InodeNumber) const override { return false; }
  bool busy(const local::Place&) const override { return false; }
};

// The tree  / -> a (2) -> b (3) -> file (4)  and  / -> c (5).
class TreeGateTest : public testing::Test {
 protected:
  static constexpr InodeNumber kA = 2, kB = 3, kFile = 4, kC = 5;

  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-gate-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto opened = local::NameStore::open(
        directory_ / "index", {.identity = "test", .defaults = {}, .journal = *journal_, .clock = system_clock()},
        uses_);
    ASSERT_TRUE(opened) << opened.error().context;
    names_ = std::move(*opened);
    const auto add = [&](InodeNumber number, InodeNumber parent) {
      const local::Place place{parent, std::to_string(number)};
      const auto made = names_->made(0, place, {.type = local::FileType::directory}, {.link_target = {}});
      ASSERT_TRUE(made) << made.error().context;
      ASSERT_EQ(made->number, number);
    };
    add(kA, local::kRootInode);
    add(kB, kA);
    add(kFile, kB);
    add(kC, local::kRootInode);
    gate_.emplace(*names_, at_work_);
  }

  void TearDown() override {
    gate_.reset();
    names_.reset();
    std::filesystem::remove_all(directory_);
  }

  int enter(InodeNumber number) { return errnum_of(gate_->enter({number}, stopped())); }
  // Closes the gate for an inode with the name that leads to it.
  Result<TreeGate::Closure> closed(InodeNumber number, const StopToken& stop = {}) {
    const auto record = names_->view().inode(number);
    return gate_->close({{record->parent, record->name}}, {number}, stop);
  }
  int close(InodeNumber number) { return errnum_of(closed(number, stopped())); }
  void move(InodeNumber number, InodeNumber parent) {
    const auto inode = names_->view().inode(number);
    const local::Rename rename{{inode->parent, inode->name}, {parent, inode->name}, number, 0};
    ASSERT_TRUE(names_->directory_renamed(0, rename, 1, "",
                                          [] { return Result<std::optional<local::CopiedContent>>(std::nullopt); }));
  }

  std::filesystem::path directory_;
  NoUses uses_;
  const std::unique_ptr<local::JournalState> journal_ = local::memory_journal();
  std::unique_ptr<local::NameStore> names_;
  NamesAtWork at_work_;
  std::optional<TreeGate> gate_;
};

TEST_F(TreeGateTest, WritersDoNotKeepEachOtherOut) {
  const auto one = gate_->enter({kFile}, {});
  ASSERT_TRUE(one);
  EXPECT_EQ(enter(kFile), 0);
  EXPECT_EQ(enter(kB), 0);
}

TEST_F(TreeGateTest, AClosedDirectoryKeepsOutWhatLiesBelowIt) {
  const auto alone = closed(kA);
  ASSERT_TRUE(alone);
  EXPECT_EQ(enter(kFile), EINTR);
  EXPECT_EQ(enter(kB), EINTR);
  EXPECT_EQ(enter(kA), EINTR);
}

TEST_F(TreeGateTest, AClosedDirectoryLeavesTheRestAlone) {
  const auto alone = closed(kA);
  ASSERT_TRUE(alone);
  EXPECT_EQ(enter(kC), 0);
  EXPECT_EQ(enter(local::kRootInode), 0);
  EXPECT_EQ(close(kC), 0);
}

TEST_F(TreeGateTest, WhoNamesTwoPlacesWaitsForBoth) {
  const auto alone = closed(kA);
  ASSERT_TRUE(alone);
  EXPECT_EQ(errnum_of(gate_->enter({kC, kFile}, stopped())), EINTR);
}

TEST_F(TreeGateTest, ClosingWaitsForWritersBelow) {
  auto inside = gate_->enter({kFile}, {});
  ASSERT_TRUE(inside);
  EXPECT_EQ(close(kA), EINTR);
  EXPECT_EQ(enter(kFile), 0);  // who gave up closing left it open
  inside->leave();
  EXPECT_EQ(close(kA), 0);
}

TEST_F(TreeGateTest, OneRenameOfADirectoryAtATime) {
  const auto alone = closed(kA);
  ASSERT_TRUE(alone);
  EXPECT_EQ(close(kA), EINTR);
}

TEST_F(TreeGateTest, ADirectoryKeepsItsPlaceWhileOneInItIsRenamed) {
  const auto alone = closed(kB);
  ASSERT_TRUE(alone);
  EXPECT_EQ(close(kA), EINTR);
  EXPECT_EQ(close(kC), 0);
}

TEST_F(TreeGateTest, TheTargetOfARenameKeepsItsPlaceToo) {
  const auto alone = gate_->close({{local::kRootInode, "5"}, {kB, "new"}}, {kC}, {});
  ASSERT_TRUE(alone);
  EXPECT_EQ(close(kA), EINTR);
  EXPECT_EQ(close(kB), EINTR);
}

TEST_F(TreeGateTest, ANameIsKeptWhetherItLeadsSomewhereOrNot) {
  const auto alone = gate_->close({{kB, "new"}}, {}, {});
  ASSERT_TRUE(alone);
  EXPECT_EQ(errnum_of(gate_->enter_name({kB, "new"}, stopped())), EINTR);
  EXPECT_EQ(errnum_of(gate_->close({{kB, "new"}}, {kC}, stopped())), EINTR);
  EXPECT_EQ(errnum_of(gate_->enter_name({kB, "other"}, stopped())), 0);
}

TEST_F(TreeGateTest, NothingGoesIntoItself) {
  EXPECT_EQ(errnum_of(gate_->close({{local::kRootInode, "2"}, {kB, "new"}}, {kA}, {})), EINVAL);
  EXPECT_EQ(enter(kFile), 0);
}

TEST_F(TreeGateTest, WhoWouldMakeACycleIsToldAfterTheOtherOneIsThrough) {
  auto alone = gate_->close({{local::kRootInode, "2"}, {kC, "a"}}, {kA}, {});
  ASSERT_TRUE(alone);
  auto other = std::async(std::launch::async, [&] {
    return errnum_of(gate_->close({{local::kRootInode, "5"}, {kA, "c"}}, {kC}, {}));
  });
  move(kA, kC);
  alone->open();
  EXPECT_EQ(other.get(), EINVAL);
}

TEST_F(TreeGateTest, NobodyOvertakesOneThatWaits) {
  auto inside = gate_->enter({kFile}, {});
  ASSERT_TRUE(inside);
  std::promise<void> through, end;
  auto rename = std::async(std::launch::async, [&] {
    const auto alone = closed(kA);
    through.set_value();
    end.get_future().wait();
    return errnum_of(alone);
  });
  while (enter(kFile) == 0) std::this_thread::yield();  // until the rename waits: from then on nobody comes in
  inside->leave();
  through.get_future().wait();
  EXPECT_EQ(enter(kFile), EINTR);
  end.set_value();
  EXPECT_EQ(rename.get(), 0);
}

TEST_F(TreeGateTest, OpensWithItsPass) {
  {
    const auto alone = closed(kA);
    ASSERT_TRUE(alone);
  }
  EXPECT_EQ(enter(kFile), 0);
}

TEST_F(TreeGateTest, AWriterThatWaitedEntersWhenTheRenameEnds) {
  auto alone = closed(kA);
  ASSERT_TRUE(alone);
  auto writer = std::async(std::launch::async, [&] { return errnum_of(gate_->enter({kFile}, {})); });
  alone->open();
  EXPECT_EQ(writer.get(), 0);
}

TEST_F(TreeGateTest, ARenameThatWaitedBeginsWhenTheWriterEnds) {
  auto inside = gate_->enter({kFile}, {});
  ASSERT_TRUE(inside);
  auto rename = std::async(std::launch::async, [&] { return errnum_of(closed(kA)); });
  inside->leave();
  EXPECT_EQ(rename.get(), 0);
}

}  // namespace
}  // namespace pail::vfs
