// The store in memory does what a script says, each time the same.
#include "fake_store/fake_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <set>

#include "base/promise.h"
#include "fake_store/object_store_suite.h"

namespace pail::cos {
namespace {

std::shared_ptr<ObjectStore> in_memory() {
  return std::make_shared<fake::FakeStore>();
}

INSTANTIATE_TEST_SUITE_P(Memory, ObjectStoreSuite, testing::Values(in_memory));

}  // namespace
}  // namespace pail::cos

namespace pail::fake {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// An answer that a test waits for, or does not.
template <class T>
class Answer {
 public:
  cos::Completion<T> completion() const {
    return [shared = shared_](Result<T> result) {
      ++shared->given;
      shared->promise.set(std::move(result));
    };
  }
  bool given() const { return shared_->given > 0; }
  Result<T> wait() const { return shared_->promise.wait(); }

 private:
  struct Shared {
    Promise<Result<T>> promise;
    std::atomic<int> given{0};
  };
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

class Collector final : public cos::GetHandler {
 public:
  bool on_data(std::span<const std::byte> data) override {
    bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
    return bytes.size() < most;
  }
  void on_done(Result<cos::ObjectInfo> outcome) override { done.set(std::move(outcome)); }

  std::size_t most = ~std::size_t{0};
  std::string bytes;
  Promise<Result<cos::ObjectInfo>> done;
};

class FakeStoreTest : public testing::Test {
 protected:
  Result<cos::PutResult> put(std::string key, std::string bytes, cos::Preconditions conditions = {}) {
    return store_.put_object(
        {.key = std::move(key), .body = http::body_from_string(std::move(bytes)), .conditions = std::move(conditions)});
  }
  Answer<cos::PutResult> start_put(std::string key, std::string bytes, StopToken stop = {}) {
    Answer<cos::PutResult> answer;
    store_.put_object({.key = std::move(key), .body = http::body_from_string(std::move(bytes))}, std::move(stop),
                      answer.completion());
    return answer;
  }

  FakeStore store_;
};

// ---- trouble ----

TEST_F(FakeStoreTest, EveryFaultIsAnsweredAsItselfWithTheErrnoOfTheClient) {
  for (const Fault fault :
       {Fault::no_key,      Fault::no_version,   Fault::no_bucket,       Fault::no_upload,   Fault::exists,
        Fault::not_empty,   Fault::precondition, Fault::redirect,        Fault::denied,      Fault::unknown_key_id,
        Fault::wrong_clock, Fault::wrong_token,  Fault::wrong_signature, Fault::credentials, Fault::retained,
        Fault::archived,    Fault::busy,         Fault::trouble,         Fault::quota,       Fault::unsupported,
        Fault::refused,     Fault::lost,         Fault::not_a_store,     Fault::stopped}) {
    store_.fail({}, {.fault = fault});
    const auto outcome = put("a", "x");
    EXPECT_EQ(fault_of(outcome), fault);
    EXPECT_EQ(no_access(fault), errnum_of(outcome) == EACCES) << static_cast<int>(fault);
  }
  EXPECT_THAT(store_.keys(), IsEmpty());
}

TEST_F(FakeStoreTest, TroubleBeforehandChangesNothingAndAfterwardsEverything) {
  store_.fail({}, {.fault = Fault::denied});
  EXPECT_EQ(fault_of(put("a", "x")), Fault::denied);
  EXPECT_EQ(store_.bytes("a"), std::nullopt);
  store_.fail({}, {.fault = Fault::denied, .at = Moment::after});
  EXPECT_EQ(fault_of(put("a", "x")), Fault::denied);
  EXPECT_EQ(store_.bytes("a"), "x");
  EXPECT_TRUE(put("a", "y"));
}

TEST_F(FakeStoreTest, AnAnswerThatWasLostMayHaveHappenedAndARefusalHasNot) {
  const auto may_have_happened = [&](Trouble trouble) {
    store_.fail({}, trouble);
    return put("a", "x").error().may_have_happened;
  };
  EXPECT_TRUE(may_have_happened({.fault = Fault::lost}));
  EXPECT_TRUE(may_have_happened({.fault = Fault::lost, .at = Moment::after}));
  EXPECT_TRUE(may_have_happened({.fault = Fault::not_a_store}));
  EXPECT_TRUE(may_have_happened({.fault = Fault::precondition, .at = Moment::after}));
  EXPECT_FALSE(may_have_happened({.fault = Fault::denied}));
  EXPECT_FALSE(may_have_happened({.fault = Fault::precondition}));
  EXPECT_FALSE(may_have_happened({.fault = Fault::lost, .may_have_happened = false}));
  EXPECT_TRUE(may_have_happened({.fault = Fault::precondition, .may_have_happened = true}));
}

TEST_F(FakeStoreTest, ARuleIsForItsOperationItsKeyAndItsTurns) {
  store_.fail({.operation = Operation::put_object, .key = "a", .after = 1, .times = 2}, {.fault = Fault::denied});
  EXPECT_TRUE(put("a", "1"));
  EXPECT_TRUE(put("b", "1"));
  EXPECT_TRUE(store_.head_object("a"));
  EXPECT_FALSE(put("a", "2"));
  EXPECT_FALSE(put("a", "3"));
  EXPECT_TRUE(put("b", "3"));
  EXPECT_TRUE(put("a", "4"));
}

TEST_F(FakeStoreTest, ARuleForAlwaysLastsUntilTheStoreBehaves) {
  store_.fail({.times = kAlways}, {.fault = Fault::busy});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(fault_of(store_.head_object("a")), Fault::busy);
  store_.behave();
  EXPECT_EQ(fault_of(store_.head_object("a")), Fault::no_key);
}

TEST_F(FakeStoreTest, OneKeyOfManyIsRefusedAlone) {
  for (const auto* key : {"a", "b", "c"}) store_.put(key, "x");
  store_.fail({.operation = Operation::delete_objects, .key = "b"}, {.fault = Fault::denied});
  const auto refused = store_.delete_objects({"a", "b", "c"});
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->size(), 1u);
  EXPECT_EQ((*refused)[0].key, "b");
  EXPECT_EQ((*refused)[0].code, "AccessDenied");
  EXPECT_THAT(store_.keys(), ElementsAre("b"));
}

TEST_F(FakeStoreTest, ARangedReadBreaksOffWhereItIsCut) {
  store_.put("a", std::string(200'000, 'x'));
  store_.cut({.operation = Operation::get_object_range}, {.delivered = {150'000}});
  const auto handler = std::make_shared<Collector>();
  store_.get_object_range({"", "a", {{0}, {200'000}}, {}}, handler, {});
  EXPECT_EQ(fault_of(handler->done.wait()), Fault::lost);
  EXPECT_EQ(handler->bytes.size(), 150'000u);
}

TEST_F(FakeStoreTest, AReaderThatHasEnoughIsStopped) {
  store_.put("a", std::string(200'000, 'x'));
  const auto handler = std::make_shared<Collector>();
  handler->most = 1;
  store_.get_object_range({"", "a", {{0}, {200'000}}, {}}, handler, {});
  EXPECT_EQ(fault_of(handler->done.wait()), Fault::stopped);
  EXPECT_LT(handler->bytes.size(), 200'000u);
}

// ---- orders ----

TEST_F(FakeStoreTest, OthersWriteBetweenARequestAndItsEffect) {
  const Hold hold = store_.hold({.operation = Operation::put_object}, Moment::before);
  const auto ours = start_put("a", "ours");
  ASSERT_TRUE(hold.await());
  EXPECT_EQ(store_.bytes("a"), std::nullopt);
  store_.put("a", "theirs");
  EXPECT_FALSE(ours.given());
  hold.release();
  EXPECT_TRUE(ours.wait());
  EXPECT_EQ(store_.bytes("a"), "ours");
}

TEST_F(FakeStoreTest, OthersWriteBetweenAnEffectAndItsAnswer) {
  const Hold hold = store_.hold({.operation = Operation::put_object}, Moment::after);
  const auto ours = start_put("a", "ours");
  ASSERT_TRUE(hold.await());
  EXPECT_EQ(store_.bytes("a"), "ours");
  store_.put("a", "theirs");
  EXPECT_FALSE(ours.given());
  hold.release();
  EXPECT_TRUE(ours.wait());
  EXPECT_EQ(store_.bytes("a"), "theirs");
}

TEST_F(FakeStoreTest, WhoIsHeldHoldsUpNobodyElse) {
  const Hold hold = store_.hold({.key = "a", .times = kAlways}, Moment::before);
  const auto first = start_put("a", "1"), second = start_put("a", "2");
  ASSERT_TRUE(hold.await(2));
  EXPECT_TRUE(put("b", "x"));
  hold.release();
  EXPECT_TRUE(first.wait() && second.wait());
  EXPECT_EQ(store_.bytes("a"), "2");  // in the order in which they came
  EXPECT_TRUE(put("a", "3"));
}

TEST_F(FakeStoreTest, AHoldThatIsForgottenHoldsNobody) {
  Answer<cos::PutResult> answer;
  {
    const Hold hold = store_.hold({}, Moment::before);
    answer = start_put("a", "x");
    ASSERT_TRUE(hold.await());
  }
  EXPECT_TRUE(answer.wait());
}

TEST_F(FakeStoreTest, ADelayLastsUntilTheStoresClockHasPassedIt) {
  store_.delay({.key = "slow"}, Moment::before, 10s);
  const auto slow = start_put("slow", "x");
  EXPECT_TRUE(put("quick", "x"));
  store_.pass(9s);
  EXPECT_TRUE(put("quick", "x"));
  EXPECT_FALSE(slow.given());
  EXPECT_THAT(store_.keys(), ElementsAre("quick"));
  store_.pass(1s);
  EXPECT_TRUE(slow.wait());
  EXPECT_THAT(store_.keys(), ElementsAre("quick", "slow"));
}

TEST_F(FakeStoreTest, TheDelayOfAnAnswerLeavesTheEffectVisible) {
  store_.delay({.key = "slow"}, Moment::after, 10s);
  const auto slow = start_put("slow", "x");
  EXPECT_TRUE(put("quick", "x"));
  EXPECT_THAT(store_.keys(), ElementsAre("quick", "slow"));
  EXPECT_FALSE(slow.given());
  store_.pass(10s);
  EXPECT_TRUE(slow.wait());
}

// ---- stops and ends ----

TEST_F(FakeStoreTest, WhoIsStoppedOnTheWayChangesNothing) {
  const StopSource stop;
  const Hold hold = store_.hold({}, Moment::before);
  const auto answer = start_put("a", "x", stop.token());
  ASSERT_TRUE(hold.await());
  stop.request_stop();
  const auto outcome = answer.wait();
  EXPECT_EQ(fault_of(outcome), Fault::stopped);
  EXPECT_TRUE(outcome.error().may_have_happened);
  hold.release();
  EXPECT_THAT(store_.keys(), IsEmpty());
}

TEST_F(FakeStoreTest, WhoIsStoppedBeforeTheAnswerHasChangedTheBucket) {
  const StopSource stop;
  const Hold hold = store_.hold({}, Moment::after);
  const auto answer = start_put("a", "x", stop.token());
  ASSERT_TRUE(hold.await());
  stop.request_stop();
  EXPECT_EQ(fault_of(answer.wait()), Fault::stopped);
  EXPECT_EQ(store_.bytes("a"), "x");
}

TEST_F(FakeStoreTest, AnUploadThatWasBegunForNobodyIsAborted) {
  const StopSource stop;
  const Hold hold = store_.hold({}, Moment::after);
  const Answer<cos::UploadId> answer;
  store_.create_upload("a", {}, {}, stop.token(), answer.completion());
  ASSERT_TRUE(hold.await());
  EXPECT_EQ(store_.open_uploads(), 1u);
  stop.request_stop();
  EXPECT_EQ(fault_of(answer.wait()), Fault::stopped);
  EXPECT_EQ(store_.open_uploads(), 0u);
}

TEST_F(FakeStoreTest, AnUploadWhoseAnswerWasLostStays) {
  store_.fail({}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_EQ(fault_of(store_.create_upload("a", {}, {})), Fault::lost);
  EXPECT_EQ(store_.open_uploads(), 1u);
  store_.abort_uploads();
  EXPECT_EQ(store_.open_uploads(), 0u);
}

TEST(FakeStoreEnd, AnswersWhatIsHeldAndDelayed) {
  const Answer<cos::ObjectInfo> held, delayed;
  auto store = std::make_unique<FakeStore>();
  const Hold hold = store->hold({.key = "held"}, Moment::before);  // also while the store ends
  store->delay({.key = "delayed"}, Moment::after, 1h);
  store->head_object("held", {}, held.completion());
  store->head_object("delayed", {}, delayed.completion());
  ASSERT_TRUE(hold.await());
  store.reset();
  EXPECT_EQ(fault_of(held.wait()), Fault::stopped);
  EXPECT_EQ(fault_of(delayed.wait()), Fault::stopped);
}

TEST_F(FakeStoreTest, AnswersAreNeverGivenInsideOfTheCall) {
  Promise<bool> other;
  store_.head_object("a", {}, [&, caller = std::this_thread::get_id()](Result<cos::ObjectInfo>) {
    other.set(std::this_thread::get_id() != caller);
  });
  EXPECT_TRUE(other.wait());
}

// ---- what the store can ----

TEST_F(FakeStoreTest, ConditionsAreKeptIgnoredOrRefusedForEachKindOfWrite) {
  const cos::Preconditions absent{.if_match = {}, .if_none_match = {}, .if_absent = true};
  store_.put("a", "x");
  Rules rules;
  rules.put_conditions = Support::ignored;
  rules.create_conditions = Support::refused;
  store_.set(rules);
  EXPECT_TRUE(put("a", "y", absent));
  EXPECT_EQ(fault_of(store_.create_upload("b", {}, absent)), Fault::unsupported);
  EXPECT_TRUE(store_.create_upload("b", {}, {}));
  rules.put_conditions = Support::refused;
  store_.set(rules);
  EXPECT_EQ(fault_of(put("b", "y", absent)), Fault::unsupported);
  EXPECT_TRUE(put("b", "y"));
}

TEST_F(FakeStoreTest, ConditionsOfAnEndAndOfACopyAreRulesOfTheirOwn) {
  const cos::Preconditions absent{.if_match = {}, .if_none_match = {}, .if_absent = true};
  store_.put("a", "x");
  Rules rules;
  rules.complete_conditions = Support::ignored;
  rules.copy_conditions = Support::refused;
  store_.set(rules);
  const auto id = store_.create_upload("a", {}, {});
  const auto part = store_.upload_part({"a", *id, 1, http::body_from_string("y"), ""});
  ASSERT_TRUE(part);
  EXPECT_TRUE(store_.complete_upload({"a", *id, {*part}, absent}));
  cos::CopyRequest copy;
  copy.source_key = "a";
  copy.key = "b";
  copy.conditions = absent;
  EXPECT_EQ(fault_of(store_.copy_object(copy)), Fault::unsupported);
  rules.copy_conditions = Support::yes;
  store_.set(rules);
  EXPECT_TRUE(store_.copy_object(copy));
  EXPECT_EQ(fault_of(store_.copy_object(copy)), Fault::precondition);
}

TEST_F(FakeStoreTest, AKeyThatIsGoneIsNoMatchOrNoKey) {
  const cos::Preconditions match{.if_match = {"\"x\""}, .if_none_match = {}};
  EXPECT_EQ(fault_of(put("a", "y", match)), Fault::precondition);
  Rules rules;
  rules.no_key_to_match = true;
  store_.set(rules);
  EXPECT_EQ(fault_of(put("a", "y", match)), Fault::no_key);
}

TEST_F(FakeStoreTest, ARefusedEndLeavesTheUploadOrEndsIt) {
  const cos::Preconditions absent{.if_match = {}, .if_none_match = {}, .if_absent = true};
  store_.put("a", "x");
  const auto id = store_.create_upload("a", {}, {});
  const auto part = store_.upload_part({"a", *id, 1, http::body_from_string("y"), ""});
  ASSERT_TRUE(part);
  EXPECT_EQ(fault_of(store_.complete_upload({"a", *id, {*part}, absent})), Fault::precondition);
  EXPECT_EQ(store_.open_uploads(), 1u);
  Rules rules;
  rules.ends_refused_uploads = true;
  store_.set(rules);
  EXPECT_EQ(fault_of(store_.complete_upload({"a", *id, {*part}, absent})), Fault::precondition);
  EXPECT_EQ(store_.open_uploads(), 0u);
}

TEST_F(FakeStoreTest, AMissingBucketIsMissingForAll) {
  store_.put("a", "x");
  Rules rules;
  rules.bucket_exists = false;
  store_.set(rules);
  EXPECT_EQ(fault_of(store_.head_object("a")), Fault::no_bucket);
  EXPECT_EQ(fault_of(store_.list_objects({})), Fault::no_bucket);
  EXPECT_EQ(fault_of(put("a", "y")), Fault::no_bucket);
  EXPECT_EQ(fault_of(store_.delete_object("a")), Fault::no_bucket);
  EXPECT_EQ(fault_of(store_.create_upload("a", {}, {})), Fault::no_bucket);
  store_.set({});
  EXPECT_TRUE(store_.head_object("a"));
}

TEST_F(FakeStoreTest, AnObjectBeyondFiveGibibytesIsCopiedInPartsOnly) {
  store_.put_zeros("large", {cos::kMaxSinglePut.n + 1});
  cos::CopyRequest copy;
  copy.source_key = "large";
  copy.key = "copy";
  EXPECT_EQ(fault_of(store_.copy_object(copy)), Fault::refused);
  const auto id = store_.create_upload("copy", {}, {});
  const std::uint64_t size = cos::kMaxSinglePut.n;
  const auto one = store_.upload_part_copy({"copy", *id, 1, copy, {{0}, {size}}});
  const auto two = store_.upload_part_copy({"copy", *id, 2, copy, {{size}, {size + 1}}});
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(store_.complete_upload({"copy", *id, {*one, *two}, {}}));
  EXPECT_EQ(store_.info("copy")->size.n, size + 1);
}

TEST_F(FakeStoreTest, LimitsAreThoseThatAreSet) {
  Rules rules;
  rules.max_put = {3};
  rules.max_part = {2};
  rules.min_part = {2};
  rules.page = 1;
  store_.set(rules);
  EXPECT_TRUE(put("a", "123"));
  EXPECT_EQ(errnum_of(put("b", "1234")), EFBIG);
  const auto id = store_.create_upload("b", {}, {});
  EXPECT_EQ(errnum_of(store_.upload_part({"b", *id, 1, http::body_from_string("123"), ""})), EFBIG);
  const auto one = store_.upload_part({"b", *id, 1, http::body_from_string("12"), ""});
  const auto two = store_.upload_part({"b", *id, 2, http::body_from_string("3"), ""});
  EXPECT_TRUE(store_.complete_upload({"b", *id, {*one, *two}, {}}));
  const auto page = store_.list_objects({});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->objects.size(), 1u);
  EXPECT_FALSE(page->continuation.empty());
}

TEST_F(FakeStoreTest, MarkersAreNotCopiedWhereTheStoreCannot) {
  store_.put("d/", "");
  cos::CopyRequest copy;
  copy.source_key = "d/";
  copy.key = "e/";
  Rules rules;
  rules.copies_markers = false;
  store_.set(rules);
  EXPECT_EQ(fault_of(store_.copy_object(copy)), Fault::refused);
  store_.set({});
  EXPECT_TRUE(store_.copy_object(copy));
}

// ---- other clients, clock and log ----

TEST_F(FakeStoreTest, OthersChangeTheBucketPastRulesAndLog) {
  store_.fail({.times = kAlways}, {.fault = Fault::denied});
  store_.put("a", "x", {{}, {{"mode", "0600"}}});
  EXPECT_TRUE(store_.copy("a", "b"));
  EXPECT_FALSE(store_.copy("none", "c"));
  store_.remove("a");
  EXPECT_THAT(store_.keys(), ElementsAre("b"));
  EXPECT_EQ(store_.bytes("b"), "x");
  EXPECT_EQ(store_.info("b")->headers.metadata[0].value, "0600");
  EXPECT_EQ(store_.info("a"), std::nullopt);
  EXPECT_THAT(store_.requests(), IsEmpty());
}

TEST_F(FakeStoreTest, ATouchGivesTheSameVersionANewTime) {
  store_.put("a", "x");
  const auto before = *store_.info("a");
  store_.pass(5s);
  EXPECT_TRUE(store_.touch("a"));
  EXPECT_FALSE(store_.touch("none"));
  EXPECT_EQ(store_.info("a")->last_modified - before.last_modified, 5s);
  EXPECT_EQ(store_.info("a")->etag, before.etag);
}

TEST_F(FakeStoreTest, TheClockStandsStillUntilItIsMoved) {
  FakeStore store(1, WallTime(1'000'000s + 500ms));
  store.put("a", "x");
  EXPECT_EQ(store.info("a")->last_modified, WallTime(1'000'000s));
  store.pass(500ms);
  const auto stored = store.put_object({.key = "b"});
  EXPECT_EQ(stored->date, WallTime(1'000'001s));
}

TEST_F(FakeStoreTest, RequestsAreLoggedAndCounted) {
  (void)put("a", "x");
  (void)store_.head_object("a");
  (void)store_.head_object("b");
  (void)store_.list_objects({.prefix = "d/"});
  EXPECT_EQ(store_.count(Operation::head_object), 2u);
  EXPECT_EQ(store_.count(Operation::head_object, "b"), 1u);
  const auto requests = store_.requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[0].operation, Operation::put_object);
  EXPECT_EQ(requests[3].key, "d/");
  store_.forget_requests();
  EXPECT_EQ(store_.count(Operation::head_object), 0u);
}

TEST(FakeStoreSeed, TheSameSeedGivesTheSameIds) {
  FakeStore one(7), same(7), other(8);
  const std::string id = one.create_upload("a", {}, {})->text;
  EXPECT_EQ(same.create_upload("a", {}, {})->text, id);
  EXPECT_NE(other.create_upload("a", {}, {})->text, id);
  EXPECT_NE(one.create_upload("a", {}, {})->text, id);
}

}  // namespace
}  // namespace pail::fake
