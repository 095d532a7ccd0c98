#include "fuse/convert.h"

#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

namespace pail::fuse {
namespace {

WallTime at(std::int64_t nanoseconds) {
  return WallTime(std::chrono::nanoseconds(nanoseconds));
}

TEST(ToEntry, CarriesEveryAttribute) {
  vfs::Entry entry;
  entry.attributes = {.number = 42,
                      .type = vfs::FileType::directory,
                      .permissions = 01755,
                      .links = 2,
                      .uid = 1000,
                      .gid = 100,
                      .size = ByteCount{513},
                      .modified = at(1'500'000'000)};
  entry.generation = 9;
  entry.name_ttl = std::chrono::milliseconds(500);
  entry.attributes_ttl = std::chrono::seconds(2);
  const fuse_entry_param param = to_entry(entry);
  EXPECT_EQ(param.ino, 42u);
  EXPECT_EQ(param.generation, 9u);
  EXPECT_EQ(param.attr.st_mode, static_cast<mode_t>(S_IFDIR | 01755));
  EXPECT_EQ(param.attr.st_nlink, 2u);
  EXPECT_EQ(param.attr.st_uid, 1000u);
  EXPECT_EQ(param.attr.st_gid, 100u);
  EXPECT_EQ(param.attr.st_size, 513);
  EXPECT_EQ(param.attr.st_blocks, 2);
  EXPECT_EQ(param.attr.st_mtim.tv_sec, 1);
  EXPECT_EQ(param.attr.st_mtim.tv_nsec, 500'000'000);
  EXPECT_DOUBLE_EQ(param.entry_timeout, 0.5);
  EXPECT_DOUBLE_EQ(param.attr_timeout, 2.0);
}

TEST(ToStat, TimesBeforeTheEpochHavePositiveNanoseconds) {
  vfs::Attributes attributes;
  attributes.modified = at(-1);
  const struct stat out = to_stat(attributes);
  EXPECT_EQ(out.st_mtim.tv_sec, -1);
  EXPECT_EQ(out.st_mtim.tv_nsec, 999'999'999);
}

TEST(ToChange, TakesOnlyWhatIsAsked) {
  struct stat wanted {};
  wanted.st_mode = S_IFREG | 0640;
  wanted.st_size = 77;
  const auto change = to_change(wanted, FUSE_SET_ATTR_MODE, at(0));
  EXPECT_EQ(change.permissions, 0640u);
  EXPECT_FALSE(change.size);
  EXPECT_FALSE(change.uid);
  EXPECT_FALSE(change.modified);
  EXPECT_EQ(to_change(wanted, FUSE_SET_ATTR_SIZE, at(0)).size, ByteCount{77});
}

TEST(ToChange, ATimeThatCannotBeKeptBecomesTheNearest) {
  struct stat wanted {};
  wanted.st_mtim = {13'569'465'600, 0};   // 2400
  wanted.st_atim = {-30'610'224'000, 0};  // 1000
  const auto change = to_change(wanted, FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME, {});
  EXPECT_EQ(*change.modified, WallTime(std::chrono::seconds(9'000'000'000)));
  EXPECT_EQ(*change.accessed, WallTime(std::chrono::seconds(-9'000'000'000)));
}

TEST(ToChange, NowIsTheTimeGiven) {
  struct stat wanted {};
  const auto change = to_change(wanted, FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW, at(5));
  EXPECT_EQ(change.modified, at(5));
  EXPECT_FALSE(change.accessed);
}

TEST(ToRenameMode, RefusesWhatNoBucketCanDo) {
  EXPECT_EQ(*to_rename_mode(RENAME_NOREPLACE), vfs::RenameMode::no_replace);
  EXPECT_EQ(*to_rename_mode(RENAME_EXCHANGE), vfs::RenameMode::exchange);
  EXPECT_EQ(errnum_of(to_rename_mode(RENAME_WHITEOUT)), EINVAL);
  EXPECT_EQ(errnum_of(to_rename_mode(RENAME_NOREPLACE | RENAME_EXCHANGE)), EINVAL);
}

TEST(ToXattrMode, KnowsCreateAndReplace) {
  EXPECT_EQ(*to_xattr_mode(XATTR_CREATE), vfs::XattrMode::create);
  EXPECT_EQ(*to_xattr_mode(XATTR_REPLACE), vfs::XattrMode::replace);
  EXPECT_EQ(errnum_of(to_xattr_mode(8)), EINVAL);
}

}  // namespace
}  // namespace pail::fuse
