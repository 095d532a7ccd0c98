#include "cli/texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "base/file.h"
#include "cli/mount_options.h"

namespace pail::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(OptionPage, IsWhatTheTableOfOptionsSays) {
  const auto page = read_file(PAILFS_DOCS "/options.md", 1_MiB);
  ASSERT_TRUE(page) << page.error().context;
  EXPECT_TRUE(*page == options_markdown()) << "run: pailfs generate options > docs/options.md";
}

TEST(GeneratedTexts, NameEveryOption) {
  const std::string help = program_help(), manual = manual_page(), mount = mount_manual_page(),
                    words = bash_completion();
  for (const OptionGroup& group : mount_option_groups()) {
    for (const OptionRow& row : group.rows) {
      const std::string name(row.name);
      std::string in_roff;
      for (const char c : name) in_roff += c == '-' ? std::string("\\-") : std::string(1, c);
      EXPECT_THAT(help, HasSubstr(name));
      EXPECT_THAT(manual, HasSubstr(in_roff));
      EXPECT_THAT(mount, HasSubstr(in_roff));
      if (!name.ends_with('*')) {
        EXPECT_THAT(words, HasSubstr(name));
      }
    }
  }
}
TEST(MountingPage, HoldsTheTableOfOptionsOfS3fs) {
  const auto page = read_file(PAILFS_DOCS "/mounting.md", 1_MiB);
  ASSERT_TRUE(page) << page.error().context;
  EXPECT_TRUE(page->find(*generated_text("s3fs")) != std::string::npos) << "take it from: pailfs generate s3fs";
}
TEST(GeneratedTexts, KeepLongNamesAndTheirHelpApart) {
  EXPECT_THAT(program_help(), HasSubstr("congestion_threshold=COUNT\n                          FUSE: set by pailfs."));
}
TEST(GeneratedTexts, SayOfWhatWaitsToBeStoredThatItLiesInTheStateDirectory) {
  EXPECT_THAT(manual_page(), AllOf(HasSubstr("is kept in the state directory"), HasSubstr("/var/lib/pailfs")));
  EXPECT_THAT(*generated_text("s3fs"), HasSubstr("256 MiB of the disk of state_dir stay free"));
  EXPECT_THAT(bash_completion(), HasSubstr("|state_dir=*|"));
}
TEST(GeneratedTexts, NameEveryUnitOfTime) {
  EXPECT_THAT(options_markdown(), HasSubstr("`d`"));
}
TEST(GeneratedTexts, AreFoundByName) {
  for (const char* what : {"man", "mount-man", "completion", "options", "s3fs"})
    EXPECT_TRUE(generated_text(what)) << what;
  EXPECT_EQ(errnum_of(generated_text("poem")), EINVAL);
}

}  // namespace
}  // namespace pail::cli
