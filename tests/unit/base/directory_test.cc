#include "base/directory.h"

#include <gmock/gmock.h>

#include <fstream>

#include "../temporary_directory.h"

namespace pail {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class DirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& path : {one_, other_}) std::ofstream(path) << "x";
  }

  const TemporaryDirectory directory_;
  const std::filesystem::path one_ = directory_.path() / "one", other_ = directory_.path() / ".other";
};

TEST_F(DirectoryTest, AllThatLiesInItIsListedAndNotItself) {
  const auto listed = list_directory(directory_.path());
  ASSERT_TRUE(listed) << listed.error().context;
  EXPECT_THAT(*listed, UnorderedElementsAre(one_, other_));
  EXPECT_THAT(list_readable(directory_.path()), UnorderedElementsAre(one_, other_));
}

TEST_F(DirectoryTest, OneThatCannotBeReadIsNamed) {
  const auto listed = list_directory(one_);
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().errnum, ENOTDIR);
  EXPECT_THAT(listed.error().context, HasSubstr(one_.string()));
}

TEST_F(DirectoryTest, OneThatIsMissingHasNothingToRead) {
  EXPECT_EQ(list_directory(directory_.path() / "missing").error().errnum, ENOENT);
  EXPECT_THAT(list_readable(directory_.path() / "missing"), IsEmpty());
}

}  // namespace
}  // namespace pail
