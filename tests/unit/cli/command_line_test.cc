#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace pail::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CommandLine parsed(const std::vector<std::string>& arguments) {
  auto result = parse_command_line(arguments);
  if (!result) {
    ADD_FAILURE() << result.error().context;
    return {};
  }
  return std::get<CommandLine>(*result);
}

std::string printed(const std::vector<std::string>& arguments) {
  auto result = parse_command_line(arguments);
  return result && std::holds_alternative<Print>(*result) ? std::get<Print>(*result).text : "";
}

std::string refusal(const std::vector<std::string>& arguments) {
  auto result = parse_command_line(arguments);
  EXPECT_EQ(errnum_of(result), EINVAL);
  return result ? "" : result.error().context;
}

TEST(CommandLine, MountTakesSourceDirectoryAndOptions) {
  const CommandLine line = parsed({"mount", "bucket:/p", "/mnt/b", "-o", "ro,uid=1", "-o", "gid=2", "-f"});
  EXPECT_EQ(line.command, Command::mount);
  EXPECT_EQ(line.source, "bucket:/p");
  EXPECT_EQ(line.directory, "/mnt/b");
  EXPECT_THAT(line.options, ElementsAre("ro,uid=1", "gid=2"));
  EXPECT_TRUE(line.foreground);
}
TEST(CommandLine, MountOptionsMayComeFirst) {
  const CommandLine line = parsed({"mount", "-o", "ro", "bucket", "/mnt/b"});
  EXPECT_EQ(line.source, "bucket");
  EXPECT_EQ(line.directory, "/mnt/b");
  EXPECT_THAT(line.options, ElementsAre("ro"));
}
TEST(CommandLine, WithoutACommandItMountsAsMountFuseAsks) {
  const CommandLine line = parsed({"bucket", "/mnt/b", "-o", "rw,dev,suid"});
  EXPECT_EQ(line.command, Command::mount);
  EXPECT_EQ(line.source, "bucket");
  EXPECT_THAT(line.options, ElementsAre("rw,dev,suid"));
}
TEST(CommandLine, ServeTakesItsFixedNames) {
  const CommandLine line =
      parsed({"serve", "/data", "--listen", "127.0.0.1:0", "--credentials", "/c.json", "--bucket", "one", "--bucket",
              "two", "--latency", "30ms", "--bandwidth", "100MB", "--access-log", "/log"});
  EXPECT_EQ(line.command, Command::serve);
  EXPECT_EQ(line.directory, "/data");
  EXPECT_EQ(line.listen, "127.0.0.1:0");
  EXPECT_EQ(line.credentials, "/c.json");
  EXPECT_THAT(line.buckets, ElementsAre("one", "two"));
  EXPECT_EQ(line.latency, "30ms");
  EXPECT_EQ(line.bandwidth, "100MB");
  EXPECT_EQ(line.access_log, "/log");
}
TEST(CommandLine, HelpNamesEveryCommandAndOption) {
  const std::string help = printed({"--help"});
  EXPECT_THAT(help, HasSubstr("pailfs mount [OPTIONS] BUCKET DIR"));
  EXPECT_THAT(help, HasSubstr("metadata_ttl=SECONDS"));
  EXPECT_THAT(printed({"serve", "--help"}), HasSubstr("--access-log FILE"));
}
TEST(CommandLine, VersionNamesTheProgram) {
  EXPECT_THAT(printed({"--version"}), HasSubstr("pailfs "));
}
TEST(CommandLine, AMisspeltCommandIsRefusedWithTheNearestName) {
  EXPECT_THAT(refusal({"moutn"}), HasSubstr("did you mean mount?"));
}
TEST(CommandLine, AMisspeltCommandWithItsArgumentsIsRefusedAlike) {
  EXPECT_THAT(refusal({"mout", "demo", "/mnt"}), HasSubstr("unknown command \"mout\"; did you mean mount?"));
  EXPECT_THAT(refusal({"recovr", "list", "--json"}), HasSubstr("did you mean recover?"));
}
TEST(CommandLine, MissingArgumentsAreRefusedWithTheUsage) {
  EXPECT_THAT(refusal({"mount", "bucket"}), HasSubstr("usage: pailfs mount"));
  EXPECT_THAT(refusal({"serve", "/d", "--no-such"}), HasSubstr("usage: pailfs serve"));
}
TEST(CommandLine, WithoutArgumentsItExplainsItself) {
  EXPECT_THAT(refusal({}), HasSubstr("pailfs mount"));
}

TEST(MountHelper, TakesArgumentsInTheOrderOfMount8) {
  const auto line = parse_mount_helper({"bucket:/p", "/mnt/b", "-fnv", "-o", "rw,noauto"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->source, "bucket:/p");
  EXPECT_EQ(line->directory, "/mnt/b");
  EXPECT_TRUE(line->fake);
  EXPECT_TRUE(line->verbose);
  EXPECT_FALSE(line->foreground);
  EXPECT_THAT(line->options, ElementsAre("rw,noauto"));
}
TEST(MountHelper, SloppyIgnoresUnknownOptions) {
  EXPECT_TRUE(parse_mount_helper({"bucket", "/mnt", "-s"})->ignore_unknown);
}
TEST(MountHelper, TakesATypeAndJoinedValues) {
  const auto line = parse_mount_helper({"-t", "fuse.pailfs", "bucket", "/mnt", "-oro"});
  ASSERT_TRUE(line);
  EXPECT_THAT(line->options, ElementsAre("ro"));
}
TEST(CommandLine, AnOptionTakesOneValueAndLeavesTheWordsBehindItAlone) {
  const CommandLine line = parsed({"recover", "-o", "url=http://127.0.0.1:1", "store", "x"});
  EXPECT_THAT(line.options, ElementsAre("url=http://127.0.0.1:1"));
  EXPECT_EQ(line.action, "store");
  EXPECT_EQ(line.kept, "x");
}

TEST(MountHelper, RefusesWhatItCannotDo) {
  EXPECT_FALSE(parse_mount_helper({"bucket", "/mnt", "-N", "/proc/1/ns/mnt"}));
  EXPECT_FALSE(parse_mount_helper({"bucket", "/mnt", "-Q"}));
  EXPECT_FALSE(parse_mount_helper({"bucket", "/mnt", "-o"}));
  EXPECT_FALSE(parse_mount_helper({"bucket"}));
}
TEST(MountHelper, IsToldByTheNameOfTheProgram) {
  EXPECT_TRUE(is_mount_helper("/sbin/mount.pailfs"));
  EXPECT_TRUE(is_mount_helper("mount.fuse.pailfs"));
  EXPECT_FALSE(is_mount_helper("/usr/bin/pailfs"));
}
TEST(UmountHelper, ReadsWhatUmountPasses) {
  const auto line = parse_umount_helper({"/mnt/my bucket", "-nlf", "-t", "fuse.pailfs"});
  ASSERT_TRUE(line) << line.error().context;
  EXPECT_EQ(line->command, Command::umount);
  EXPECT_EQ(line->directory, "/mnt/my bucket");
  EXPECT_TRUE(line->lazy && line->force);
}
TEST(UmountHelper, RefusesWhatItCannotDo) {
  EXPECT_FALSE(parse_umount_helper({"/mnt", "-N", "/proc/1/ns/mnt"}));
  EXPECT_FALSE(parse_umount_helper({"/mnt", "-Q"}));
  EXPECT_FALSE(parse_umount_helper({"/mnt", "/other"}));
  EXPECT_FALSE(parse_umount_helper({"-n"}));
}
TEST(UmountHelper, IsToldByTheNameOfTheProgram) {
  EXPECT_TRUE(is_umount_helper("/sbin/umount.fuse.pailfs"));
  EXPECT_TRUE(is_umount_helper("umount.pailfs"));
  EXPECT_FALSE(is_umount_helper("/sbin/mount.pailfs"));
}

}  // namespace
}  // namespace pail::cli
