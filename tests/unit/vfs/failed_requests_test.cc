// Requests that failed, and what is seen after them: whose an object is, and whether what was known still counts.
#include <gmock/gmock.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>

#include "../../manual_clock.h"
#include "../log_lines.h"
#include "fake_store_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using fake::Hold;
using fake::kAlways;
using fake::Moment;
using fake::Operation;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class FailedRequestTest : public FakeStoreTest {};

TEST_F(FailedRequestTest, ThatWasRefusedMakesNoObjectOfOthersOurs) {
  for (const char* before : {"", "v1"}) {
    const Handle file = make("f", before);
    store_->fail({.operation = Operation::put_object}, {.fault = Fault::denied});
    EXPECT_NE(fsync(file), 0);
    store_->put("f", before);
    EXPECT_EQ(write_to(file, "v2"), 0);
    EXPECT_EQ(flush(file), ESTALE);
    close(file);
    EXPECT_EQ(store_->bytes("f"), before);
    ASSERT_EQ(unlink("f"), 0);
  }
}

// Its objects are many, and the directory above it is not listed for a name.
TEST_F(FailedRequestTest, ToRenameADirectoryWhoseDeletesGoOnLeavesNothingUnderItsOldName) {
  store_->set({.page = 1});
  for (const char* key : {"a", "d/f", "z"}) store_->put(key, "content");
  ASSERT_NE(look("d"), 0u);
  const Hold removal = store_->hold({.operation = Operation::delete_objects}, Moment::before);
  StopSource caller;
  Request interrupted = request();
  interrupted.stop = caller.token();
  auto renaming = std::async(std::launch::async, [&] {
    return errnum_of(fs_->rename(interrupted, kRootInode, "d", kRootInode, "e", RenameMode::replace));
  });
  ASSERT_TRUE(removal.await());
  caller.request_stop();
  EXPECT_EQ(renaming.get(), EINTR);
  store_->forget_requests();
  StopSource patience;
  Request asked = request();
  asked.stop = patience.token();
  auto looking = std::async(std::launch::async, [&] { return errnum_of(fs_->lookup(asked, kRootInode, "d")); });
  EXPECT_EQ(looking.wait_for(10s), std::future_status::ready);
  patience.request_stop();
  EXPECT_EQ(looking.get(), ENOENT);
  EXPECT_LE(store_->count(Operation::head_object), 2u);
  removal.release();
}

TEST_F(FailedRequestTest, ToChangeAttributesShowsWhatOthersStoredMeanwhileToWhoAsksByNumber) {
  ManualClock clock;
  options_.clock = &clock;
  options_.metadata_ttl = 1h;
  start();
  ASSERT_EQ(write("f", "base"), 0);
  const InodeNumber file = look("f");
  const Hold copy = store_->hold({.operation = Operation::copy_object}, Moment::before);
  auto changing = std::async(std::launch::async,
                             [this, file] { return errnum_of(fs_->setattr(request(), file, {.permissions = 0600})); });
  ASSERT_TRUE(copy.await());
  store_->put("f", "theirs");
  clock.pass(2h);
  const auto shown = fs_->getattr(request(), file);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->attributes_ttl, 0s);
  copy.release();
  EXPECT_EQ(changing.get(), 0);
  fs_.reset();
}

TEST_F(FailedRequestTest, ToRenameAFileShowsAttributesThatOthersSetMeanwhile) {
  ManualClock clock;
  options_.clock = &clock;
  options_.metadata_ttl = 30s;
  start();
  ASSERT_EQ(mkdir("d"), 0);
  store_->put("f", "base", {.metadata = {{"mode", "420"}}});
  clock.pass(60s);
  ASSERT_EQ(attributes("f").permissions, 0644u);
  clock.pass(28s);
  const InodeNumber d = look("d");
  const Hold copy = store_->hold({.operation = Operation::copy_object}, Moment::before);
  StopSource stop;
  Request interrupted = request();
  interrupted.stop = stop.token();
  auto renaming = std::async(std::launch::async, [&] {
    return errnum_of(fs_->rename(interrupted, kRootInode, "f", d, "g", RenameMode::replace));
  });
  ASSERT_TRUE(copy.await());
  store_->pass(5s);
  store_->put("f", "base", {.metadata = {{"mode", "384"}}});
  clock.pass(100s);
  EXPECT_THAT(names(""), UnorderedElementsAre("d", "f"));
  ASSERT_NE(look("f"), 0u);
  stop.request_stop();
  EXPECT_EQ(renaming.get(), EINTR);
  copy.release();
  clock.pass(10s);
  EXPECT_EQ(attributes("f").permissions, 0600u);
  fs_.reset();
}

// Its process died when the store had made a copy, and the next one cannot go on with it.
class CutRenameThatFailsTest : public FakeStoreTest {
 protected:
  CutRenameThatFailsTest() { options_.metadata_ttl = 1h; }
  void SetUp() override {
    FakeStoreTest::SetUp();
    ASSERT_EQ(mkdir("d"), 0);
    ASSERT_EQ(write("d/f", "content"), 0);
  }
  void die_while_copying() {
    asked_ = request();
    die_behind(Operation::copy_object, [this] { return ask(); });
    store_->remove("e/");  // by the death: it came before the deletes
    store_->put("d/f", "content");
  }
  void fail_again() {
    resume();
    asked_.resent = true;
    ASSERT_NE(ask(), 0);
  }
  // Nothing says what lies under the new name.
  void fail_again_without_notes() {
    die_while_copying();
    const auto jobs = options_.state_directory / "renames";
    std::filesystem::remove_all(jobs);
    std::ofstream{jobs};
    fail_again();
  }
  int ask() { return errnum_of(fs_->rename(asked_, kRootInode, "d", kRootInode, "e", RenameMode::replace)); }

  Request asked_;
};

TEST_F(CutRenameThatFailsTest, ShowsTheCopiesThatWereMade) {
  ASSERT_EQ(look("e"), 0u);
  fail_again_without_notes();
  EXPECT_NE(look("e/f"), 0u);
}

TEST_F(CutRenameThatFailsTest, ShowsTheCopiesThatWereMadeInADirectoryThatWasEmpty) {
  ASSERT_EQ(mkdir("e"), 0);
  ASSERT_THAT(names("e"), IsEmpty());
  fail_again_without_notes();
  EXPECT_THAT(names("e"), ElementsAre("f"));
}

TEST_F(CutRenameThatFailsTest, IsToldOfByTheNextMount) {
  die_while_copying();
  for (int job = 65'536; job < 65'600; ++job) {  // those of the next process find no place
    const auto path = options_.state_directory / "renames" / std::to_string(job);
    std::filesystem::create_directories(path / "full");
  }
  fail_again();
  const LogLines log;
  start();
  EXPECT_TRUE(log.await("files lie under both names"));
}

TEST_F(CutRenameThatFailsTest, TakesTheCopiesBackThatWereNoted) {
  store_->set({.page = 2});
  ASSERT_EQ(write("d/g", "another"), 0);
  asked_ = request();
  die_behind({.operation = Operation::copy_object, .key = "e/g"}, [this] { return ask(); });
  store_->remove("e/");
  for (const char* key : {"d/f", "d/g"}) store_->put(key, "content");
  store_->fail({.operation = Operation::copy_object, .key = "e/f"}, {.fault = Fault::denied});
  ASSERT_TRUE(store_->bytes("e/f"));
  fail_again();
  EXPECT_EQ(look("e/f"), 0u);
  EXPECT_FALSE(store_->bytes("e/f"));
}

// The marker of the directory that is renamed was copied, and the answer was lost.
TEST_F(FailedRequestTest, ToRenameADirectoryOverAnEmptyOneShowsWhatTheMarkerOfThatIsNow) {
  options_.metadata_ttl = 1h;
  start();
  for (const char* name : {"d", "e"}) ASSERT_EQ(mkdir(name), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("d"), {.permissions = 0700}));
  ASSERT_EQ(attributes("e").permissions, 0755u);
  store_->fail({.operation = Operation::copy_object, .times = kAlways}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(rename("d", "e"), 0);
  store_->behave();
  EXPECT_EQ(attributes("e").permissions, 0700u);
}

}  // namespace
}  // namespace pail::vfs
