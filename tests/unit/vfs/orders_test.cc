// Orders of events between the file system, the store and its other clients, each brought about and not waited for.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <atomic>
#include <future>

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

class OrdersTest : public FakeStoreTest {};

TEST_F(OrdersTest, AListingDuringACloseShowsTheSizeThatWasWritten) {
  const Handle file = make("report", "five!");
  for (const Moment moment : {Moment::before, Moment::after}) {
    const Hold put = store_->hold({.operation = Operation::put_object}, moment);
    ASSERT_EQ(write_to(file, "FIVE!"), 0);
    auto closing = flush_beside(file);
    ASSERT_TRUE(put.await());
    EXPECT_EQ(listed_size("report"), 5u);
    put.release();
    EXPECT_EQ(closing.get(), 0);
  }
}

TEST_F(OrdersTest, AnObjectThatOthersMakeWhileAnUploadIsOnItsWayWins) {
  const Handle file = make("f", "ours");
  const Hold put = store_->hold({.operation = Operation::put_object}, Moment::before);
  auto closing = flush_beside(file);
  ASSERT_TRUE(put.await());
  store_->put("f", "theirs");
  put.release();
  EXPECT_EQ(closing.get(), ESTALE);
  EXPECT_EQ(store_->bytes("f"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("ours"));
}

TEST_F(OrdersTest, AfterAConflictNothingIsWrittenThroughTheHandleAnyMore) {
  store_->put("shared", "base");
  const Handle file = open("shared");
  ASSERT_EQ(write_to(file, "ours"), 0);
  store_->put("shared", "theirs");
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(write_to(file, "again", 2), ESTALE);
  resume();
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(store_->bytes("shared"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("ours"));
}

TEST_F(OrdersTest, AFileThatOthersRemovedWhileItWasChangedIsEstaleForEverAndItsBytesAreKept) {
  store_->put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  store_->remove("f");
  names("");
  EXPECT_TRUE(fs_->getattr(request(), file.number));
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(write_to(file, "more"), ESTALE);
  EXPECT_THAT(store_->keys(), IsEmpty());
  EXPECT_THAT(kept(), ElementsAre("OURS"));
}

TEST_F(OrdersTest, OneAnswerThatIsNotTheStoresDoesNotTakeAFileAway) {
  store_->put("f", "base");
  const Handle file = open("f");
  for (const Fault fault : {Fault::not_a_store, Fault::redirect, Fault::no_bucket, Fault::lost, Fault::denied}) {
    store_->fail({.operation = Operation::head_object}, {.fault = fault});
    EXPECT_NE(errnum_of(fs_->getattr(request(), file.number)), ENOENT) << static_cast<int>(fault);
  }
  EXPECT_EQ(write_to(file, "OURS"), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "OURS");
}

TEST_F(OrdersTest, TheStoresOwnNoSuchKeyTakesAFileAwayThatWasNotChangedHere) {
  store_->put("f", "base");
  ASSERT_NE(look("f"), 0u);
  store_->remove("f");
  EXPECT_EQ(look("f"), 0u);
  EXPECT_THAT(names(""), IsEmpty());
}

TEST_F(OrdersTest, AttributesThatChangeDuringARenameOfTheirDirectoryDoNotBringTheOldNameBack) {
  for (const auto* key : {"d/0", "d/1", "d/2"}) store_->put(key, "x");
  const InodeNumber directory = look("d");
  names("d");
  const Hold copies = store_->hold({.operation = Operation::copy_object, .times = kAlways}, Moment::before);
  auto renaming = std::async(std::launch::async, [&] { return rename("d", "e"); });
  ASSERT_TRUE(copies.await(3));
  auto changing = std::async(std::launch::async,
                             [&] { return errnum_of(fs_->setattr(request(), directory, {.permissions = 0700})); });
  copies.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_EQ(changing.get(), 0);
  EXPECT_THAT(names(""), ElementsAre("e"));
  EXPECT_EQ(look("e"), directory);
  EXPECT_EQ(attributes("e").permissions, 0700u);
  EXPECT_EQ(read("e/2"), "x");
  start_cold();
  EXPECT_THAT(names("e"), UnorderedElementsAre("0", "1", "2"));
}

TEST_F(OrdersTest, AFileThatIsReadWhileItIsRenamedStaysReadable) {
  const std::string content = ramp(2'000'000);
  store_->put("f", content);
  const Handle file = open("f", O_RDONLY);
  const Hold removal = store_->hold({.operation = Operation::delete_object, .key = "f"}, Moment::after);
  auto renaming = std::async(std::launch::async, [&] { return rename("f", "g"); });
  ASSERT_TRUE(removal.await());
  ASSERT_EQ(store_->bytes("f"), std::nullopt);
  const Hold get = store_->hold({.operation = Operation::get_object_range, .key = "f"}, Moment::after);
  int errnum = 0;
  auto reading = std::async(std::launch::async,
                            [&] { return read_open(file.number, file.handle, content.size(), &errnum) == content; });
  ASSERT_TRUE(get.await());  // under the old name, where nothing is any more
  get.release();
  removal.release();
  EXPECT_TRUE(reading.get());
  EXPECT_EQ(errnum, 0);
  EXPECT_EQ(renaming.get(), 0);
}

TEST_F(OrdersTest, AnUploadAfterOneWhoseAnswerWasLostReplacesItsOwnObject) {
  const Handle file = make("f", "first");
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(flush(file), 0);
  ASSERT_EQ(write_to(file, " and more", 5), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "first and more");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(OrdersTest, WhatOthersMakeOfAnObjectWhoseAnswerWasLostIsTheirs) {
  const Handle file = make("f", "first");
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(flush(file), 0);
  ASSERT_EQ(store_->bytes("f"), "first");
  store_->put("f", "theirs");
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(store_->bytes("f"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("first"));
}

TEST_F(OrdersTest, AnEqualFileThatOthersMadeIsNotOurs) {
  const Handle file = make("lock", "x");
  const Hold put = store_->hold({.operation = Operation::put_object}, Moment::before);
  auto closing = flush_beside(file);
  ASSERT_TRUE(put.await());
  store_->put("lock", "x", {{}, {{"mtime", "1000000000"}}});
  put.release();
  EXPECT_EQ(closing.get(), ESTALE);
}

TEST_F(OrdersTest, AFileWhoseUploadFailedAfterTheStoreTookItStaysDeleted) {
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::denied, .at = Moment::after});
  EXPECT_EQ(write("f", "taken"), EACCES);
  EXPECT_EQ(unlink("f"), 0);
  EXPECT_THAT(store_->keys(), IsEmpty());
}

TEST_F(OrdersTest, ARefusalThatTheStoreDoesNotBearOutIsNoConflict) {
  store_->put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::precondition});
  EXPECT_EQ(flush(file), EIO);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "OURS");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(OrdersTest, AnUploadThatOthersAbortedBeginsAnew) {
  options_.part_size = 5_MiB;
  start();
  const std::string content = ramp(12'000'000);
  const auto [number, handle] = create("large");
  for (std::size_t at = 0; at < content.size(); at += 1'000'000)
    ASSERT_EQ(write_to({number, handle}, content.substr(at, 1'000'000), at), 0);
  store_->fail({.operation = Operation::upload_part, .after = 1, .times = kAlways}, {.fault = Fault::denied});
  EXPECT_EQ(flush({number, handle}), EACCES);
  EXPECT_EQ(store_->open_uploads(), 1u);
  store_->behave();
  store_->abort_uploads();
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_TRUE(store_->bytes("large") == content);
  EXPECT_EQ(store_->open_uploads(), 0u);
}

TEST_F(OrdersTest, WhatAProgramWaitsForIsAskedAsUrgentAndWhatIsReadAheadAsLess) {
  store_->put_zeros("large", 64_MiB);
  const Handle file = open("large", O_RDONLY);
  for (std::size_t at = 0; at < 4; ++at) ASSERT_EQ(read_open(file.number, file.handle, 128 << 10).size(), 128u << 10);
  ASSERT_EQ(write("small", "x"), 0);
  std::vector<Lane> ranges;
  for (const fake::Request& request : store_->requests()) {
    if (request.operation == Operation::get_object_range)
      ranges.push_back(request.lane);
    else
      EXPECT_EQ(request.lane, Lane::demand) << request.key;
  }
  ASSERT_GE(ranges.size(), 2u);
  EXPECT_EQ(ranges.front(), Lane::demand);
  EXPECT_EQ(ranges.back(), Lane::ahead);
}

TEST_F(OrdersTest, WhatNobodyWaitsForIsStoredInTheBackground) {
  const Handle file = make("f", "text");
  ASSERT_TRUE(fs_->sync_all());
  const auto requests = store_->requests();
  ASSERT_FALSE(requests.empty());
  EXPECT_EQ(requests.back().operation, Operation::put_object);
  EXPECT_EQ(requests.back().lane, Lane::background);
  ASSERT_EQ(write_to(file, "TEXT"), 0);
  ASSERT_EQ(flush(file), 0);
  EXPECT_EQ(store_->requests().back().lane, Lane::demand);
}

TEST_F(OrdersTest, ALookUpDoesNotWaitForReadsOfAnotherFile) {
  store_->put("f", ramp(3'000'000));
  const Handle file = open("f", O_RDONLY);
  const Hold reads = store_->hold({.operation = Operation::get_object_range, .times = kAlways}, Moment::before);
  std::atomic<int> answered{0};
  for (std::uint64_t i = 0; i < 3; ++i)
    fs_->read(request(), file.number, file.handle, {1'000'000 * i}, {10}, [&](auto) { ++answered; });
  ASSERT_TRUE(reads.await());
  EXPECT_EQ(look("new"), 0u);
  EXPECT_EQ(answered, 0);
  reads.release();
  fs_.reset();  // waits for what is under way
  EXPECT_EQ(answered, 3);
}

TEST_F(OrdersTest, ACloseThatIsInterruptedIsEintrAndTheBytesStayToBeStored) {
  const Handle file = make("f", "ours");
  const StopSource stop;
  {
    const Hold put = store_->hold({.operation = Operation::put_object}, Moment::before);
    auto closing = flush_beside(file, stop.token());
    ASSERT_TRUE(put.await());
    stop.request_stop();
    EXPECT_EQ(closing.get(), EINTR);
  }
  EXPECT_THAT(store_->keys(), IsEmpty());
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "ours");
}

}  // namespace
}  // namespace pail::vfs
