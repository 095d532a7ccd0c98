#include <gtest/gtest.h>

#include <cstring>

#include "fuse/inherited.h"
#include "fuse/kernel_mount.h"
#include "fuse/mount_table.h"
#include "fuse/protocol.h"

namespace pail::fuse {
namespace {

constexpr const char* kMountInfo =
    "22 27 0:20 / /proc rw,relatime - proc proc rw\n"
    "40 27 0:38 / /mnt/my\\040bucket rw shared:5 - fuse.pailfs team\\134a rw,user_id=0\n"
    "41 27 8:1 / /mnt/b rw - ext4 /dev/sda1 rw\n"
    "42 41 0:41 / /mnt/b rw master:1 shared:7 - fuse.sshfs host:/dir rw\n";

TEST(MountTable, FindsTheTopmostMount) {
  const auto found = find_mount(kMountInfo, "/mnt/b");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->device, "0:41");
  EXPECT_TRUE(is_fuse(*found));
  EXPECT_FALSE(is_pailfs(*found));
}

TEST(MountTable, ReadsEscapedPathsAndSources) {
  const auto found = find_mount(kMountInfo, "/mnt/my bucket");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->source, "team\\a");
  EXPECT_TRUE(is_pailfs(*found));
}

TEST(MountTable, KnowsNothingOfOtherPathsAndTornLines) {
  EXPECT_FALSE(find_mount(kMountInfo, "/mnt"));
  EXPECT_FALSE(find_mount("40 27 0:38 / /mnt", "/mnt"));
  EXPECT_FALSE(find_mount("40 27 0:38 / /mnt rw -", "/mnt"));
}

TEST(MountPoint, IsNamedAsTheMountTableNamesIt) {
  const auto path = resolve_mount_point("/tmp/./x/../mount-point-of-nobody/");
  ASSERT_TRUE(path);
  EXPECT_EQ(*path, std::filesystem::canonical("/tmp") / "mount-point-of-nobody");
  EXPECT_EQ(errnum_of(resolve_mount_point("/no-such-parent/x")), ENOENT);
  EXPECT_EQ(errnum_of(resolve_mount_point("")), ENOENT);
}

TEST(MountPoint, SaysWhatIsWrongWithIt) {
  EXPECT_EQ(errnum_of(check_mount_point("/tmp/mount-point-of-nobody")), ENOENT);
  EXPECT_EQ(errnum_of(check_mount_point("/dev/null")), ENOTDIR);
  EXPECT_TRUE(check_mount_point("/tmp"));
}

TEST(MountOptions, LetTheKernelCheckPermissions) {
  EXPECT_EQ(kernel_options(5, 0, 0, Audience::mounting_user),
            "fd=5,rootmode=40000,user_id=0,group_id=0,default_permissions");
  EXPECT_EQ(kernel_options(5, 1000, 100, Audience::everyone),
            "fd=5,rootmode=40000,user_id=1000,group_id=100,default_permissions,allow_other");
}

TEST(MountOptions, EscapeTheSourceForFusermount) {
  EXPECT_EQ(fusermount_options({"/mnt", "a,b\\c", Audience::everyone, MS_RDONLY | MS_NOEXEC}),
            "fsname=a\\,b\\\\c,subtype=pailfs,default_permissions,ro,noexec,allow_other");
}

TEST(RepairStaleMount, LeavesAnOrdinaryDirectoryAlone) {
  const auto repaired = repair_stale_mount("/tmp");
  ASSERT_TRUE(repaired);
  EXPECT_FALSE(*repaired);
}

TEST(Inherited, ReadsWhatItWrites) {
  const auto fds = parse_inherited(to_text({5, 6, -1, 8, 9}));
  ASSERT_TRUE(fds);
  EXPECT_EQ(fds->connection, 5);
  EXPECT_EQ(fds->memory, 6);
  EXPECT_EQ(fds->secrets, -1);
  EXPECT_EQ(fds->ready, 8);
  EXPECT_EQ(fds->record, 9);
}

TEST(Inherited, RefusesAnythingElse) {
  for (const char* text : {"", "5", "5 6 7 8", "5 6 7 8 9 10", "5 6 7 8 x", "-1 6 7 8 9", "5 -1 7 8 9", "5 6 -2 8 9",
                           "5,6,7,8,9", " 5 6 7 8 9", "99999999999 6 7 8 9"})
    EXPECT_FALSE(parse_inherited(text)) << text;
}

std::string init_request(std::uint32_t flags, std::uint32_t flags2) {
  fuse_init_in body{};
  body.flags = flags;
  body.flags2 = flags2;
  std::string out(sizeof(fuse_in_header) + sizeof body, '\0');
  std::memcpy(out.data() + sizeof(fuse_in_header), &body, sizeof body);
  return out;
}

TEST(Protocol, BelievesTheSecondFlagsOnlyWhenTheyAreAnnounced) {
  EXPECT_TRUE(offers_resend(init_request(kInitExtended, kHasResend)));
  EXPECT_FALSE(offers_resend(init_request(0, kHasResend)));
  EXPECT_FALSE(offers_resend(init_request(kInitExtended, 0)));
  EXPECT_FALSE(offers_resend(init_request(kInitExtended, kHasResend).substr(0, 60)));
}

TEST(Outcome, IsReadAsItWasTold) {
  const auto told = [](std::string_view error) {
    int pipe[2];
    EXPECT_EQ(::pipe(pipe), 0);
    const UniqueFd from(pipe[0]);
    UniqueFd into(pipe[1]);
    tell_outcome(into.get(), error);
    into.reset();
    return read_outcome(from.get());
  };
  EXPECT_TRUE(told(""));
  EXPECT_EQ(told("wrong key").error().context, "wrong key");
}

TEST(Outcome, OfAProcessThatSaidNothingIsAFailure) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const UniqueFd from(pipe[0]);
  UniqueFd(pipe[1]).reset();
  EXPECT_EQ(errnum_of(read_outcome(from.get())), EIO);
}

}  // namespace
}  // namespace pail::fuse
