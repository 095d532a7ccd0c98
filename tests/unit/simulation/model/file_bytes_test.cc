#include "simulation/model/file_bytes.h"

#include <gtest/gtest.h>

namespace pail::simulation::model {
namespace {

std::shared_ptr<const std::string> text(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

TEST(FileBytes, AWriteBehindTheEndLeavesZeros) {
  FileBytes bytes;
  bytes.write(2, 1, text("ab"));
  EXPECT_EQ(bytes.bytes(), std::string("\0\0ab", 4));
  EXPECT_TRUE(bytes.equals(std::string_view("\0\0ab", 4)));
  EXPECT_FALSE(bytes.equals(std::string_view("\0xab", 4)));
}

TEST(FileBytes, AWriteInTheMiddleKeepsTheRest) {
  FileBytes bytes;
  bytes.write(0, 1, text("abcdef"));
  bytes.write(2, 2, text("XY"));
  EXPECT_EQ(bytes.bytes(), "abXYef");
  EXPECT_EQ(bytes.read(1, 4), "bXYe");
  EXPECT_EQ(bytes.read(4, 100), "ef");
  EXPECT_EQ(bytes.read(6, 1), "");
}

TEST(FileBytes, CutsAndGrowsWithZeros) {
  FileBytes bytes;
  bytes.write(0, 1, text("abc"));
  bytes.resize(1);
  bytes.resize(3);
  EXPECT_EQ(bytes.bytes(), std::string("a\0\0", 3));
}

TEST(FileBytes, AreTheSameHoweverTheyWereMade) {
  FileBytes one, other;
  one.write(0, 1, text("ab"));
  one.write(2, 2, text("cd"));
  other.write(2, 2, text("cd"));
  other.write(0, 1, text("ab"));
  EXPECT_EQ(one.digest(), other.digest());
  other.write(0, 3, text("a"));
  EXPECT_NE(one.digest(), other.digest());
}

TEST(FileBytes, AreOthersWhereBytesInDoubtMayBeOthers) {
  FileBytes one, two, now;
  one.write(0, 2, text("abc"));
  two.write(0, 4, text("xyz"));
  now.write(0, 6, text("123"));
  FileBytes doubted = now, otherwise = now, again = now;
  doubted.doubt(one, 0, 3, 6);
  otherwise.doubt(two, 0, 3, 6);
  again.doubt(one, 0, 3, 6);
  EXPECT_NE(doubted.digest(), otherwise.digest());
  EXPECT_EQ(doubted.digest(), again.digest());
}

TEST(FileBytes, HolesMayStandOnlyForBytesOfTheBase) {
  FileBytes base;
  base.write(0, 1, text("base!"));
  FileBytes patched = base;
  patched.write(1, 2, text("XY"));
  EXPECT_TRUE(patched.equals_but_for_holes("bXYe!", base));
  EXPECT_TRUE(patched.equals_but_for_holes(std::string_view("\0XY\0\0", 5), base));
  EXPECT_FALSE(patched.equals_but_for_holes(std::string_view("b\0Ye!", 5), base));
  EXPECT_FALSE(patched.equals_but_for_holes("bXYe", base));
}

}  // namespace
}  // namespace pail::simulation::model
