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

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;

class EndedMountTest : public testing::Test {
 protected:
  void journal(const local::Record& record) {
    const auto journal = local::JournalState::open(*local::open_log_directory(directory_.path() / "journal"));
    ASSERT_TRUE(journal->state->commit(record));
  }

  TemporaryDirectory directory_;
};
using LeftBehindTest = EndedMountTest;
using NotedUploadsTest = EndedMountTest;

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

TEST_F(NotedUploadsTest, AnUploadThatTheNextMountAbortsIsOne) {
  journal(local::UploadBegun{.file = 5, .key = "a", .upload_id = "begun"});
  EXPECT_THAT(noted_uploads(directory_.path()), ElementsAre(Pair("begun", "a")));
}

TEST_F(NotedUploadsTest, AnUploadThatNobodyWillAbortIsNone) {
  journal(local::UploadBegun{.file = 5, .key = "a", .upload_id = "ended"});
  journal(local::UploadEnded{.upload_id = "ended"});
  EXPECT_THAT(noted_uploads(directory_.path()), IsEmpty());
}

}  // namespace
}  // namespace pail::simulation
