#include "cli/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "cli/s3fs_options.h"

namespace pail::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

MountOptions parsed(std::string_view text) {
  MountOptions options;
  const auto result = parse_mount_options(text, options);
  EXPECT_TRUE(result) << result.error().context;
  return options;
}

std::string refusal(std::string_view text) {
  MountOptions options;
  const auto result = parse_mount_options(text, options);
  EXPECT_EQ(errnum_of(result), EINVAL) << text;
  return result ? "" : result.error().context;
}

// A value that the row takes, as text.
std::string good_value(const OptionRow& row) {
  if (const Word* word = std::get_if<Word>(&row.field)) return std::string(word->words.back());
  if (std::holds_alternative<UrlText>(row.field)) return "https://s3.example.com";
  if (std::holds_alternative<File>(row.field)) return "/etc/some, file\\";
  if (std::holds_alternative<Size>(row.field)) return "3GiB";
  if (std::holds_alternative<Duration>(row.field)) return "7";
  if (std::holds_alternative<Count>(row.field)) return "3";
  if (std::holds_alternative<Id>(row.field)) return "1234";
  if (std::holds_alternative<Permissions>(row.field)) return "027";
  return "text";
}

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) out += (c == ',' || c == '\\') ? std::string("\\") + c : std::string(1, c);
  return out;
}

// Every row, as something to write behind -o.
std::vector<std::string> all_settings() {
  std::vector<std::string> settings;
  for (const OptionGroup& group : mount_option_groups()) {
    for (const OptionRow& row : group.rows) {
      std::string name(row.name);
      if (name.ends_with('*')) name.replace(name.size() - 1, 1, "systemd.automount");
      settings.push_back(row.value.empty() ? name : name + "=" + escaped(good_value(row)));
    }
  }
  return settings;
}

class EveryRow : public ::testing::TestWithParam<std::string> {};
TEST_P(EveryRow, IsTakenByTheParser) {
  parsed(GetParam());
}
TEST_P(EveryRow, ReadsBackWhatItRendered) {
  const MountOptions options = parsed(GetParam());
  EXPECT_EQ(parsed(render_mount_options(options)), options) << render_mount_options(options);
}
INSTANTIATE_TEST_SUITE_P(MountOptions, EveryRow, ::testing::ValuesIn(all_settings()));

TEST(MountOptionTable, HasEachNameOnce) {
  std::set<std::string_view> names;
  for (const OptionGroup& group : mount_option_groups())
    for (const OptionRow& row : group.rows) EXPECT_TRUE(names.insert(row.name).second) << row.name;
}
TEST(MountOptionTable, ExplainsEachOption) {
  for (const OptionGroup& group : mount_option_groups())
    for (const OptionRow& row : group.rows) EXPECT_TRUE(row.help.ends_with('.')) << row.name;
}

TEST(MountOptions, TakesAnFstabLine) {
  const MountOptions options = parsed(
      "rw,_netdev,nofail,x-systemd.automount,noauto,user=alice,uid=1000,gid=100,umask=022,allow_other,"
      "region=eu-de,credentials=/etc/pailfs/cred.json,metadata_ttl=5,comment=hello,nosuid,nodev,relatime");
  EXPECT_EQ(options.region, "eu-de");
  EXPECT_EQ(options.credentials, "/etc/pailfs/cred.json");
  EXPECT_EQ(options.uid, 1000u);
  EXPECT_EQ(options.umask, 022u);
  EXPECT_EQ(options.metadata_ttl, std::chrono::seconds(5));
  EXPECT_THAT(options.kernel_options, ElementsAre("allow_other", "nosuid", "nodev", "relatime"));
}
TEST(MountOptions, LaterOnesWin) {
  EXPECT_FALSE(parsed("ro,rw").read_only);
  EXPECT_EQ(parsed("memory=64MiB,memory=128MiB").memory, 128_MiB);
  EXPECT_FALSE(parsed("path_style,virtual_host").path_style);
}
TEST(MountOptions, EmptyOnesAreNothing) {
  EXPECT_EQ(parsed(",,"), MountOptions{});
}
TEST(MountOptions, EscapedCommasBelongToTheValue) {
  EXPECT_EQ(parsed("passwd_file=/a\\,b\\\\c,ro").passwd_file, "/a,b\\c");
  EXPECT_TRUE(parsed("passwd_file=/a\\,b\\\\c,ro").read_only);
}
TEST(MountOptions, ValuesMayHoldEqualSigns) {
  EXPECT_EQ(parsed("profile=a=b").profile, "a=b");
}
TEST(MountOptions, RelativePathsBecomeAbsolute) {
  EXPECT_TRUE(parsed("cache_dir=here").cache_dir.is_absolute());
}
TEST(MountOptions, AHomeDirectoryThatNoShellHasExpandedIsNoPath) {
  EXPECT_THAT(refusal("credentials=~/keys.json"), HasSubstr("$HOME"));
  EXPECT_TRUE(parsed("credentials=~keys.json").credentials.is_absolute());
}

TEST(MountOptions, MisspeltOnesAreRefusedWithTheNearestName) {
  EXPECT_THAT(refusal("cach_size=1G"), AllOf(HasSubstr("cach_size"), HasSubstr("did you mean cache_size?")));
  EXPECT_THAT(refusal("ro,alow_other"), HasSubstr("did you mean allow_other?"));
}
TEST(MountOptions, UnknownOnesAreRefusedWithoutTheirValue) {
  EXPECT_THAT(refusal("secretAccessKey=hunter2"), AllOf(HasSubstr("secretAccessKey"), Not(HasSubstr("hunter2"))));
}
TEST(MountOptions, ThoseOfS3fsAreRefusedWithWhatStandsForThemHere) {
  EXPECT_THAT(refusal("stat_cache_expire=60"), HasSubstr("metadata_ttl=SECONDS"));
  EXPECT_THAT(refusal("use_path_request_style"), HasSubstr("path_style"));
  EXPECT_THAT(refusal("multipart_size=52"), HasSubstr("not needed"));
  EXPECT_THAT(refusal("secretAccessKey=hunter2"), AllOf(HasSubstr("passwd_file=FILE"), Not(HasSubstr("hunter2"))));
}
TEST(MountOptions, ThoseOfS3fsAreNoneOfOurs) {
  for (const S3fsOption& option : s3fs_options())
    for (const OptionGroup& group : mount_option_groups())
      for (const OptionRow& row : group.rows) EXPECT_NE(option.name, row.name);
}
TEST(MountOptions, UnknownOnesPassWhenMountSaysSo) {
  MountOptions options;
  EXPECT_TRUE(parse_mount_options("frobnicate,ro", options, UnknownOptions::ignore));
  EXPECT_TRUE(options.read_only);
}
TEST(MountOptions, BadValuesNameTheOptionAndWhatIsExpected) {
  EXPECT_THAT(refusal("cache_size=lots"), AllOf(HasSubstr("cache_size"), HasSubstr("expected a number of bytes")));
  EXPECT_THAT(refusal("timeout=0.5"), AllOf(HasSubstr("timeout"), HasSubstr("at least 1 s")));
  EXPECT_THAT(refusal("retries=-1"), AllOf(HasSubstr("retries"), HasSubstr("from 0 to 1000")));
  EXPECT_THAT(refusal("retries=many"), HasSubstr("from 0 to 1000"));
  EXPECT_THAT(refusal("metadata_ttl=soon"), AllOf(HasSubstr("metadata_ttl"), HasSubstr("expected seconds")));
  EXPECT_THAT(refusal("umask=rwx"), AllOf(HasSubstr("umask"), HasSubstr("octal")));
  EXPECT_THAT(refusal("network=vpn"), AllOf(HasSubstr("network"), HasSubstr("public, private, direct")));
  EXPECT_THAT(refusal("url=s3.example.com"), AllOf(HasSubstr("url"), HasSubstr("http:// or https://")));
  EXPECT_THAT(refusal("uid=no-such-user-here"), AllOf(HasSubstr("uid"), HasSubstr("user")));
  EXPECT_THAT(refusal("memory=1KiB"), AllOf(HasSubstr("memory"), HasSubstr("at least 64MiB")));
}
TEST(MountOptions, ASecretInAUrlIsRefusedAndNotShown) {
  for (const char* text : {"url=http://AK:hunter2@s3.example.com", "url=http://AK:hunter2@host name",
                           "url=https://host/?X-Amz-Signature=hunter2", "url=https://host/b/k#hunter2",
                           "url=AK:hunter2@host", "url=http://AK:x\\,hunter2@host", "url=http://AK:x,hunter2@host",
                           "iam_endpoint=https://AK:hunter2@iam.example.com/token"})
    EXPECT_THAT(refusal(text), AllOf(Not(HasSubstr("hunter2")), HasSubstr("option"))) << text;
  EXPECT_THAT(refusal("url=http://AK:hunter2@h"), HasSubstr("credentials=FILE"));
}
TEST(MountOptions, APathInTheUrlIsRefusedWithTheWayToSayAPrefix) {
  EXPECT_THAT(refusal("url=http://host/some/where"), AllOf(HasSubstr("option url"), HasSubstr("BUCKET:/PREFIX")));
  EXPECT_EQ(parsed("url=http://host:9000/").url, "http://host:9000/");
  EXPECT_EQ(parsed("iam_endpoint=https://iam/identity/token").iam_endpoint, "https://iam/identity/token");
}
TEST(MountOptions, FlagsTakeNoValueAndOthersNeedOne) {
  EXPECT_THAT(refusal("writeback=yes"), HasSubstr("writeback takes no value"));
  EXPECT_THAT(refusal("url"), HasSubstr("url=URL"));
  EXPECT_THAT(refusal("url="), HasSubstr("url=URL"));
}
TEST(MountOptions, RemountIsExplained) {
  EXPECT_THAT(refusal("remount,ro"), HasSubstr("unmount it"));
}

}  // namespace
}  // namespace pail::cli
