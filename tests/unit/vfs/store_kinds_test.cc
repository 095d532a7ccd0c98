// The file system on stores that lack something, as it sees them: through cos::adapt().
#include <fcntl.h>
#include <gmock/gmock.h>

#include <functional>
#include <future>

#include "cos/adapted_store.h"
#include "fake_store_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using fake::Hold;
using fake::Moment;
using fake::Operation;
using fake::Support;

class StoreKindsTest : public FakeStoreTest {
 protected:
  StoreKindsTest() { options_.part_size = 5_MiB; }
  std::shared_ptr<cos::ObjectStore> object_store() const override { return adapted_; }

  const std::shared_ptr<cos::ObjectStore> adapted_ =
      cos::adapt(store_, std::make_shared<cos::Dialect>("https://store.example", "", system_clock()));
};

TEST_F(StoreKindsTest, AFileThatOthersChangedIsNotOverwrittenOnAStoreThatIgnoresConditions) {
  store_->set({.put_conditions = Support::ignored});
  store_->put("a", "base");
  const auto [number, handle] = open("a", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("more")));
  store_->put("a", "theirs");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  EXPECT_EQ(store_->bytes("a"), "theirs");
}

TEST_F(StoreKindsTest, AnUploadThatTheStoreEndsWithARefusalIsSentOnceMore) {
  store_->set({.ends_refused_uploads = true});
  const std::string content = ramp(6 << 20);
  EXPECT_EQ(write("a", content), 0);
  EXPECT_EQ(store_->bytes("a"), content);
  EXPECT_EQ(store_->open_uploads(), 0u);
}

TEST_F(StoreKindsTest, AFileThatOthersRemovedIsNotMadeAgainWhereTheStoreCallsThatNoKey) {
  store_->set({.no_key_to_match = true});
  store_->put("a", "base");
  const auto [number, handle] = open("a", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  store_->remove("a");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  EXPECT_FALSE(store_->bytes("a"));
}

TEST_F(StoreKindsTest, PermissionsOfADirectoryAreStoredWhereTheStoreCopiesNoMarkers) {
  store_->set({.copies_markers = false});
  ASSERT_EQ(mkdir("d"), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("d"), {.permissions = 0700}));
  start_cold();
  EXPECT_EQ(attributes("d").permissions, 0700u);
}

TEST_F(StoreKindsTest, ADirectoryIsRenamedWithItsPermissionsWhereTheStoreCopiesNoMarkers) {
  store_->set({.copies_markers = false});
  ASSERT_EQ(mkdir("d"), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("d"), {.permissions = 0700}));
  ASSERT_EQ(write("d/a", "content"), 0);
  ASSERT_EQ(rename("d", "e"), 0);
  start_cold();
  EXPECT_EQ(attributes("e").permissions, 0700u);
  EXPECT_EQ(read("e/a"), "content");
}

// ---- copies of what was stored in parts, whose ETag changes ---------------------------------------------------------

class CopiedPartsTest : public StoreKindsTest {
 protected:
  void SetUp() override {
    StoreKindsTest::SetUp();
    ASSERT_EQ(write("f", ours_), 0);
    ASSERT_TRUE(read("f") == ours_);
  }
  // `change` copies the object; others replace it just before.
  void replace_before_the_copy(const std::function<int()>& change, const std::string& key = "f",
                               const std::string& to = {}) {
    const Hold copy = store_->hold({.operation = Operation::copy_object, .key = to}, Moment::before);
    auto changing = std::async(std::launch::async, change);
    ASSERT_TRUE(copy.await());
    store_->put(key, theirs_);
    copy.release();
    ASSERT_EQ(changing.get(), 0);
  }
  int change_permissions() { return errnum_of(fs_->setattr(request(), look("f"), {.permissions = 0600})); }
  void expect_no_fetch(std::string_view path) {
    const unsigned before = store_->count(Operation::get_object_range);
    EXPECT_TRUE(read(path) == ours_) << path;
    EXPECT_EQ(store_->count(Operation::get_object_range), before) << path << " was fetched";
  }

  const std::string ours_ = ramp(11'000'000), theirs_ = ramp(11'000'000, 7);
};

TEST_F(CopiedPartsTest, AnOpenFileIsReadOnAfterNewAttributesWhoseAnswerWasLostBehindTheProof) {
  const Handle file = open("f", O_RDONLY);
  store_->fail({.operation = Operation::copy_object, .after = 1, .times = 1},
               {.fault = Fault::trouble, .at = Moment::after});
  EXPECT_NE(change_permissions(), 0);
  EXPECT_EQ(attributes("f").permissions, 0600u);
  EXPECT_EQ(look("f"), file.number);
  EXPECT_TRUE(read_open(file.number, file.handle, ours_.size()) == ours_);
}

TEST_F(CopiedPartsTest, WhatOthersPutInTheWayOfARenameIsReadWhereItsConditionIsIgnored) {
  store_->set({.copy_conditions = Support::ignored});
  replace_before_the_copy([&] { return rename("f", "g"); });
  EXPECT_TRUE(read("g") == theirs_);
  start();
  EXPECT_TRUE(read("g") == theirs_) << "the next mount";
}

TEST_F(CopiedPartsTest, WhatOthersPutInTheWayOfNewPermissionsIsReadWhereTheConditionIsIgnored) {
  store_->set({.copy_conditions = Support::ignored});
  replace_before_the_copy([&] { return change_permissions(); });
  EXPECT_TRUE(read("f") == theirs_);
  start();
  EXPECT_TRUE(read("f") == theirs_) << "the next mount";
}

TEST_F(CopiedPartsTest, WhatOthersPutInTheWayOfARenameOfTheDirectoryShowsWhereItsConditionIsIgnored) {
  store_->set({.copy_conditions = Support::ignored});
  options_.metadata_ttl = 1h;
  start();
  ASSERT_EQ(mkdir("d"), 0);
  ASSERT_EQ(write("d/f", ours_ + "longer"), 0);
  replace_before_the_copy([&] { return rename("d", "e"); }, "d/f", "e/f");
  EXPECT_EQ(attributes("e/f").size.n, theirs_.size());
  EXPECT_TRUE(read("e/f") == theirs_);
}

TEST_F(CopiedPartsTest, AreFetchedAgainWhereTheConditionIsKnownToBeIgnored) {
  store_->set({.copy_conditions = Support::ignored});
  ASSERT_EQ(rename("f", "g"), 0);
  ASSERT_EQ(write("f", ours_), 0);
  replace_before_the_copy([&] { return rename("f", "h"); });
  EXPECT_TRUE(read("h") == theirs_);
}

TEST_F(CopiedPartsTest, AreNotFetchedWhereTheConditionCounts) {
  ASSERT_EQ(rename("f", "g"), 0);
  expect_no_fetch("g");
  ASSERT_EQ(write("f", ours_), 0);
  ASSERT_EQ(change_permissions(), 0);
  expect_no_fetch("f");
  EXPECT_EQ(store_->count(Operation::copy_object), 3u) << "one of them is the proof";
}

// Each copy has another ETag.
class EncryptingStoreTest : public StoreKindsTest {
 protected:
  void SetUp() override {
    store_->set({.encrypts = true});
    StoreKindsTest::SetUp();
    ASSERT_EQ(mkdir("d"), 0);
    ASSERT_EQ(write("d/f", "hello"), 0);
  }
  std::string read_on(Handle file) {
    int errnum = 0;
    std::string content = read_open(file.number, file.handle, 5, &errnum);
    EXPECT_EQ(errnum, 0);
    return content;
  }
};

TEST_F(EncryptingStoreTest, AttributesChangeAlsoWhileTheFileIsOpen) {
  const Handle reader = open("d/f", O_RDONLY);
  for (const mode_t mode : {0600, 0640}) {
    EXPECT_EQ(errnum_of(fs_->setattr(request(), reader.number, {.permissions = mode})), 0);
    EXPECT_EQ(attributes("d/f").permissions, mode);
  }
  EXPECT_EQ(read_on(reader), "hello");
}

TEST_F(EncryptingStoreTest, AnOpenFileIsReadAndWrittenOnAfterItsRename) {
  const Handle reader = open("d/f", O_RDONLY), writer = open("d/f");
  ASSERT_EQ(rename("d/f", "d/g"), 0);
  EXPECT_EQ(read_on(reader), "hello");
  EXPECT_EQ(write_to(writer, "J"), 0);
  EXPECT_EQ(flush(writer), 0);
  EXPECT_EQ(store_->bytes("d/g"), "Jello");
}

TEST_F(EncryptingStoreTest, AnOpenFileIsReadOnAfterARenameOfItsDirectory) {
  const Handle reader = open("d/f", O_RDONLY);
  ASSERT_EQ(rename("d", "e"), 0);
  EXPECT_EQ(read_on(reader), "hello");
}

TEST_F(EncryptingStoreTest, WhatIsBeingWrittenIsStoredAfterARenameOfItsDirectory) {
  const Handle writer = open("d/f");
  EXPECT_EQ(write_to(writer, "J"), 0);
  ASSERT_EQ(rename("d", "e"), 0);
  EXPECT_EQ(flush(writer), 0);
  EXPECT_EQ(store_->bytes("e/f"), "Jello");
  EXPECT_THAT(kept(), testing::IsEmpty());
}

TEST_F(EncryptingStoreTest, OfTwoChangesAtOnceTheOneThatProvesNothingIsNoChangeOfOthers) {
  ASSERT_EQ(write("d/g", "hello"), 0);
  const Handle reader = open("d/g", O_RDONLY);
  const Hold held = store_->hold({.operation = Operation::copy_object, .key = "d/g"}, Moment::after);
  auto other = std::async(std::launch::async,
                          [&] { return errnum_of(fs_->setattr(request(), reader.number, {.permissions = 0600})); });
  ASSERT_TRUE(held.await());
  EXPECT_EQ(errnum_of(fs_->setattr(request(), look("d/f"), {.permissions = 0600})), 0);
  held.release();
  EXPECT_EQ(other.get(), 0);
  EXPECT_EQ(read_on(reader), "hello");
}

TEST_F(EncryptingStoreTest, WhatIsBeingWrittenIsStoredAfterARenameOfItsDirectoryWhereMarkersAreNotCopied) {
  store_->set({.copies_markers = false, .encrypts = true});
  const Handle writer = open("d/f");
  EXPECT_EQ(write_to(writer, "J"), 0);
  ASSERT_EQ(rename("d", "e"), 0);
  EXPECT_EQ(flush(writer), 0);
  EXPECT_EQ(store_->bytes("e/f"), "Jello");
}

// The answer to new attributes of an open file is lost, or its process dies before it.
class LostAttributesTest : public EncryptingStoreTest {
 protected:
  void SetUp() override {
    EncryptingStoreTest::SetUp();
    ASSERT_EQ(errnum_of(fs_->setattr(request(), look("d/f"), {.permissions = 0644})), 0);  // proves what copies are of
    options_.metadata_ttl = 1h;
    start();
    file_ = open("d/f");
  }
  int change() { return errnum_of(fs_->setattr(request(), file_.number, {.permissions = 0600})); }
  void expect_the_same_file() {
    EXPECT_EQ(look("d/f"), file_.number);
    EXPECT_EQ(attributes("d/f").permissions, 0600u);
    EXPECT_EQ(read_on(file_), "hello");
    EXPECT_EQ(write_to(file_, "J"), 0);
    EXPECT_EQ(flush(file_), 0);
    EXPECT_EQ(store_->bytes("d/f"), "Jello");
  }

  Handle file_;
};

TEST_F(LostAttributesTest, LeaveItTheSameFile) {
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(change(), 0);
  expect_the_same_file();
}

TEST_F(LostAttributesTest, LeaveItTheSameFileAfterAListing) {
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(change(), 0);
  options_.metadata_ttl = 0s;
  resume();
  EXPECT_THAT(names("d"), testing::ElementsAre("f"));
  expect_the_same_file();
}

TEST_F(LostAttributesTest, LeaveItTheSameFileToTheNextProcess) {
  die_behind(Operation::copy_object, [this] { return change(); });
  resume();
  expect_the_same_file();
}

TEST_F(LostAttributesTest, DoNotMakeItWhatOthersWroteSince) {
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(change(), 0);
  store_->put("d/f", "THEIR");
  EXPECT_NE(look("d/f"), file_.number);
  EXPECT_NE(write_to(file_, "J"), 0);
  EXPECT_EQ(store_->bytes("d/f"), "THEIR");
}

TEST_F(StoreKindsTest, WhatOthersWroteIsNotTakenForALostChangeOfAttributesWhereTheVersionIsIgnored) {
  store_->set({.copy_conditions = Support::ignored, .encrypts = true});
  options_.metadata_ttl = 1h;
  start();
  ASSERT_EQ(write("f", "ours!"), 0);
  const Handle reader = open("f", O_RDONLY);
  store_->put("f", "THEIR");
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(errnum_of(fs_->setattr(request(), reader.number, {.permissions = 0600})), 0);
  EXPECT_NE(look("f"), reader.number);
  EXPECT_NE(read_open(reader.number, reader.handle, 5), "THEIR");
}

// Nobody else writes there.
class IgnoringStoreTest : public StoreKindsTest {
 protected:
  void SetUp() override {
    store_->set({.copy_conditions = Support::ignored});
    StoreKindsTest::SetUp();
    ASSERT_EQ(mkdir("d"), 0);
    ASSERT_EQ(write("d/f", large_), 0);
    store_->pass(2s);
  }
  const std::string large_ = ramp(11'000'000);
};

TEST_F(IgnoringStoreTest, AnOpenFileIsReadOnAfterItsRenameAndThatOfItsDirectory) {
  const Handle reader = open("d/f", O_RDONLY);
  for (const auto& [from, to] : {std::pair("d/f", "d/g"), std::pair("d", "e")}) {
    ASSERT_EQ(rename(from, to), 0);
    store_->pass(2s);
    int errnum = 0;
    EXPECT_EQ(read_open(reader.number, reader.handle, 5, &errnum), large_.substr(0, 5)) << to;
    EXPECT_EQ(errnum, 0) << to;
  }
}

TEST_F(IgnoringStoreTest, WhatIsBeingWrittenIsStoredAfterARenameOfItsDirectory) {
  const Handle writer = open("d/f");
  EXPECT_EQ(write_to(writer, "J"), 0);
  ASSERT_EQ(rename("d", "e"), 0);
  EXPECT_EQ(flush(writer), 0);
  EXPECT_TRUE(store_->bytes("e/f") == "J" + large_.substr(1));
  EXPECT_THAT(kept(), testing::IsEmpty());
}

TEST_F(StoreKindsTest, WhatOthersPutBackAfterTheCopyIsNotTakenForWhatWasCopied) {
  store_->set({.copy_conditions = Support::ignored});
  options_.metadata_ttl = 1h;
  start();
  ASSERT_EQ(write("f", "ours!"), 0);
  ASSERT_EQ(read("f"), "ours!");
  const Hold copy = store_->hold({.operation = Operation::copy_object}, Moment::before);
  auto renaming = std::async(std::launch::async, [&] { return rename("f", "g"); });
  ASSERT_TRUE(copy.await());
  store_->put("f", "THEIR");
  const Hold head = store_->hold({.operation = Operation::head_object, .key = "f"}, Moment::before);
  copy.release();
  ASSERT_TRUE(head.await());
  store_->put("f", "ours!");
  head.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_EQ(store_->bytes("g"), "THEIR");
  EXPECT_EQ(read("g"), "THEIR");
}

// What others put in the way has another size.
class CopiedOverTest : public StoreKindsTest, public testing::WithParamInterface<std::size_t> {
 protected:
  void SetUp() override {
    StoreKindsTest::SetUp();
    store_->set({.put_conditions = Support::ignored,
                 .create_conditions = Support::ignored,
                 .complete_conditions = Support::ignored,
                 .copy_conditions = Support::ignored});
    options_.metadata_ttl = 1h;
    start();
    ASSERT_EQ(mkdir("d"), 0);
    ASSERT_EQ(write("d/f", ramp(GetParam())), 0);
    ASSERT_EQ(attributes("d/f").size.n, GetParam());
    store_->put("d/f", theirs_);
  }
  void expect_theirs(std::string_view path) {
    EXPECT_EQ(attributes(path).size.n, theirs_.size());
    EXPECT_TRUE(read(path) == theirs_);
    const auto [number, handle] = open(path, O_RDWR);
    ASSERT_TRUE(fs_->write(request(), number, handle, {theirs_.size()}, bytes("+end")));
    ASSERT_TRUE(fs_->flush(request(), number, handle));
    EXPECT_TRUE(store_->bytes(std::string(path)) == theirs_ + "+end");
  }
  const std::string theirs_ = ramp(5000, 7);
};

INSTANTIATE_TEST_SUITE_P(Sizes, CopiedOverTest, testing::Values(1000, 11'000'000));

TEST_P(CopiedOverTest, NewPermissionsOfWhatOthersReplacedShowAndKeepTheirContent) {
  ASSERT_TRUE(fs_->setattr(request(), look("d/f"), {.permissions = 0600}));
  EXPECT_EQ(attributes("d/f").permissions, 0600u);
  expect_theirs("d/f");
}

TEST_P(CopiedOverTest, ARenameOfWhatOthersReplacedShowsAndKeepsTheirContent) {
  ASSERT_EQ(rename("d/f", "d/g"), 0);
  expect_theirs("d/g");
}

TEST_P(CopiedOverTest, ARenameOfTheDirectoryShowsAndKeepsTheirContent) {
  ASSERT_EQ(rename("d", "e"), 0);
  options_.metadata_ttl = 0s;
  start();
  expect_theirs("e/f");
}

}  // namespace
}  // namespace pail::vfs
