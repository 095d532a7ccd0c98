// What a mount leaves on the disk of its machine.
#include "simulation/model/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "../../temporary_directory.h"
#include "local/journal/journal_state.h"
#include "local/journal/log_directory.h"

namespace pail::simulation {
namespace {

using testing::HasSubstr;
using testing::Optional;

class LeftBehindTest : public testing::Test {
 protected:
  void journal(const local::Record& record) {
    const auto journal = local::JournalState::open(*local::open_log_directory(directory_.path() / "journal"));
    ASSERT_TRUE(journal->state->commit(record));
  }

  TemporaryDirectory directory_;
};

TEST_F(LeftBehindTest, NothingIsLeftByAMountThatHadNothingToDo) {
  journal(local::StagedFileBegun{.file = 5, .target = {}, .attributes = {}});
  journal(local::StagedFileEnded{.file = 5});
  EXPECT_EQ(left_behind(directory_.path()), std::nullopt);
}

TEST_F(LeftBehindTest, AStagedFileIsLeft) {
  std::filesystem::create_directories(directory_.path() / "staging");
  std::ofstream(directory_.path() / "staging" / "5.whole");
  EXPECT_THAT(left_behind(directory_.path()), Optional(HasSubstr("staging/5.whole")));
}

TEST_F(LeftBehindTest, ARecordOfAFileIsLeft) {
  journal(local::StagedFileBegun{.file = 5, .target = {}, .attributes = {}});
  EXPECT_THAT(left_behind(directory_.path()), Optional(HasSubstr("1 files")));
}

}  // namespace
}  // namespace pail::simulation
