#include "vfs/tree_gate.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>

namespace pail::vfs {
namespace {

using cache::InodeNumber;

std::stop_token stopped() {
  std::stop_source source;
  source.request_stop();
  return source.get_token();
}

// The tree  / -> a (2) -> b (3) -> file (4)  and  / -> c (5).
class TreeGateTest : public testing::Test {
 protected:
  static constexpr InodeNumber kA = 2, kB = 3, kFile = 4, kC = 5;

  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-gate-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto opened = cache::Index::open(directory_ / "index", "test");
    ASSERT_TRUE(opened) << opened.error().context;
    index_ = std::move(*opened);
    auto change = index_->write();
    const auto add = [&](InodeNumber number, InodeNumber parent) {
      cache::InodeRecord record;
      record.number = number;
      record.parent = parent;
      record.name = std::to_string(number);
      change->put(record);
    };
    add(kA, cache::kRootInode);
    add(kB, kA);
    add(kFile, kB);
    add(kC, cache::kRootInode);
    ASSERT_TRUE(change->commit());
    gate_.emplace(*index_);
  }

  void TearDown() override {
    gate_.reset();
    index_.reset();
    std::filesystem::remove_all(directory_);
  }

  int enter(InodeNumber number) { return errnum_of(gate_->enter({number}, stopped())); }
  int close(InodeNumber number) { return errnum_of(gate_->close(number, stopped())); }

  std::filesystem::path directory_;
  std::unique_ptr<cache::Index> index_;
  std::optional<TreeGate> gate_;
};

TEST_F(TreeGateTest, WritersDoNotKeepEachOtherOut) {
  const auto one = gate_->enter({kFile}, {});
  ASSERT_TRUE(one);
  EXPECT_EQ(enter(kFile), 0);
  EXPECT_EQ(enter(kB), 0);
}

TEST_F(TreeGateTest, AClosedDirectoryKeepsOutWhatLiesBelowIt) {
  const auto closed = gate_->close(kA, {});
  ASSERT_TRUE(closed);
  EXPECT_EQ(enter(kFile), EINTR);
  EXPECT_EQ(enter(kB), EINTR);
  EXPECT_EQ(enter(kA), EINTR);
}

TEST_F(TreeGateTest, AClosedDirectoryLeavesTheRestAlone) {
  const auto closed = gate_->close(kA, {});
  ASSERT_TRUE(closed);
  EXPECT_EQ(enter(kC), 0);
  EXPECT_EQ(enter(cache::kRootInode), 0);
  EXPECT_EQ(close(kC), 0);
}

TEST_F(TreeGateTest, WhoNamesTwoPlacesWaitsForBoth) {
  const auto closed = gate_->close(kA, {});
  ASSERT_TRUE(closed);
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
  const auto closed = gate_->close(kA, {});
  ASSERT_TRUE(closed);
  EXPECT_EQ(close(kA), EINTR);
}

TEST_F(TreeGateTest, OpensWithItsPass) {
  {
    const auto closed = gate_->close(kA, {});
    ASSERT_TRUE(closed);
  }
  EXPECT_EQ(enter(kFile), 0);
}

TEST_F(TreeGateTest, AWriterThatWaitedEntersWhenTheRenameEnds) {
  auto closed = gate_->close(kA, {});
  ASSERT_TRUE(closed);
  auto writer = std::async(std::launch::async, [&] { return errnum_of(gate_->enter({kFile}, {})); });
  closed->leave();
  EXPECT_EQ(writer.get(), 0);
}

TEST_F(TreeGateTest, ARenameThatWaitedBeginsWhenTheWriterEnds) {
  auto inside = gate_->enter({kFile}, {});
  ASSERT_TRUE(inside);
  auto rename = std::async(std::launch::async, [&] { return errnum_of(gate_->close(kA, {})); });
  inside->leave();
  EXPECT_EQ(rename.get(), 0);
}

}  // namespace
}  // namespace pail::vfs
