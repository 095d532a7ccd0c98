// Each kind of store, and each order in which others come between.
#include "cos/adapted_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "../../manual_clock.h"
#include "fake_store/fake_store.h"
#include "fake_store/object_store_suite.h"

namespace pail::cos {
namespace {

using fake::Hold;
using fake::Moment;
using fake::Operation;
using fake::Support;

std::shared_ptr<ObjectStore> over_memory() {
  auto dialect = std::make_shared<Dialect>("https://store.example", "", system_clock());
  return adapt(std::make_shared<fake::FakeStore>(), std::move(dialect));
}

INSTANTIATE_TEST_SUITE_P(Adapted, ObjectStoreSuite, testing::Values(over_memory));

class AdaptedStoreTest : public ::testing::Test {
 protected:
  static Preconditions absent() { return {.if_match = {}, .if_none_match = {}, .if_absent = true}; }
  static Preconditions match(ETag etag) { return {.if_match = std::move(etag), .if_none_match = {}}; }

  Result<PutResult> put(const std::string& key, std::string bytes, Preconditions conditions, StopToken stop = {}) {
    return store_->put_object(
        {.key = key, .body = http::body_from_string(std::move(bytes)), .conditions = std::move(conditions)},
        {std::move(stop)});
  }
  std::future<Result<PutResult>> put_beside(const std::string& key, std::string bytes, Preconditions conditions,
                                            StopToken stop = {}) {
    return std::async(std::launch::async, [=, this] { return put(key, bytes, conditions, stop); });
  }
  // An upload of one part, all but its end.
  Result<CompleteUpload> uploaded(const std::string& key, std::string bytes, Preconditions conditions) {
    PAIL_TRY(const UploadId id, store_->create_upload(key, {}, conditions));
    PAIL_TRY(const CompletedPart part, store_->upload_part({key, id, 1, http::body_from_string(std::move(bytes)), ""}));
    return CompleteUpload{key, id, {part}, conditions};
  }
  Result<PutResult> upload(const std::string& key, std::string bytes, Preconditions conditions) {
    PAIL_TRY(const CompleteUpload end, uploaded(key, std::move(bytes), std::move(conditions)));
    return store_->complete_upload(end);
  }
  ETag etag(const std::string& key) { return fake_->info(key)->etag; }
  void rule(auto change) {
    change(rules_);
    fake_->set(rules_);
  }
  // More than is sent twice once it is stored.
  static std::string large(char content) { return std::string((64_KiB).n + 1, content); }
  unsigned puts() { return fake_->count(Operation::put_object); }

  ManualClock clock_;
  const std::shared_ptr<fake::FakeStore> fake_ = std::make_shared<fake::FakeStore>();
  const std::shared_ptr<Dialect> dialect_ =
      std::make_shared<Dialect>("https://store.example", std::filesystem::path(), clock_);
  const std::shared_ptr<ObjectStore> store_ = adapt(fake_, dialect_);
  fake::Rules rules_;
};

// ---- PUT ------------------------------------------------------------------------------------------------------------

TEST_F(AdaptedStoreTest, ThatConditionsOfAPutCountIsProvenByOneRequestOnce) {
  ASSERT_TRUE(put("a", "1", absent()));
  EXPECT_EQ(puts(), 2u);
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::there);
  EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::unknown);
  ASSERT_TRUE(put("a", "2", match(etag("a"))));
  EXPECT_EQ(puts(), 4u);
  EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::there);
  ASSERT_TRUE(put("a", "3", match(etag("a"))));
  ASSERT_TRUE(put("b", "3", absent()));
  EXPECT_EQ(puts(), 6u);
  EXPECT_EQ(fake_->count(Operation::head_object), 2u) << "each of the first ones is looked at before";
}

TEST_F(AdaptedStoreTest, TheFirstPutToAStoreThatIgnoresConditionsDoesNotReplaceWhatOthersWroteBefore) {
  rule([](auto& rules) { rules.put_conditions = Support::ignored; });
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(put("a", "ours", match({"\"base\""}))), Fault::precondition);
  EXPECT_EQ(fault_of(put("a", "ours", absent())), Fault::precondition);
  EXPECT_EQ(fake_->bytes("a"), "theirs");
  EXPECT_EQ(puts(), 0u);
}

TEST_F(AdaptedStoreTest, AStoreThatIgnoresIfMatchIsFoundOutAndLookedAtBeforeEachPut) {
  rule([](auto& rules) { rules.put_conditions = Support::ignored; });
  fake_->put("a", "base");
  ASSERT_TRUE(put("a", "ours", match(etag("a"))));
  EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::missing);
  EXPECT_EQ(fake_->bytes("a"), "ours");
  const ETag ours = etag("a");
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(put("a", "more", match(ours))), Fault::precondition);
  EXPECT_EQ(fake_->bytes("a"), "theirs");
  EXPECT_EQ(puts(), 2u);
  ASSERT_TRUE(put("a", "more", match(etag("a"))));
  EXPECT_EQ(puts(), 3u);
}

TEST_F(AdaptedStoreTest, AStoreThatIgnoresIfNoneMatchIsFoundOutAndLookedAtBeforeEachPut) {
  rule([](auto& rules) { rules.put_conditions = Support::ignored; });
  ASSERT_TRUE(put("a", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::unknown);
  ASSERT_TRUE(put("b", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::missing);
  EXPECT_EQ(puts(), 6u);
  fake_->put("c", "theirs");
  EXPECT_EQ(fault_of(put("c", "ours", absent())), Fault::precondition);
  EXPECT_EQ(fake_->bytes("c"), "theirs");
}

TEST_F(AdaptedStoreTest, AStoreThatRefusesConditionsIsLookedAtBeforeEachPut) {
  rule([](auto& rules) { rules.put_conditions = Support::refused; });
  ASSERT_TRUE(put("a", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::missing);
  fake_->forget_requests();
  fake_->put("b", "theirs");
  EXPECT_EQ(fault_of(put("b", "ours", absent())), Fault::precondition);
  EXPECT_EQ(puts(), 0u);
}

TEST_F(AdaptedStoreTest, ARefusalOfTheSameWriteWithoutTheConditionProvesNothing) {
  fake_->fail({.operation = Operation::put_object, .times = 2}, {.fault = Fault::unsupported});
  EXPECT_EQ(fault_of(put("a", "1", absent())), Fault::unsupported);
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::unknown);
}

TEST_F(AdaptedStoreTest, AStoreThatRefusesLaterWhatItCouldIsBelievedAtOnce) {
  ASSERT_TRUE(put("a", "1", absent()));
  rule([](auto& rules) { rules.put_conditions = Support::refused; });
  ASSERT_TRUE(put("b", "1", absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::missing);
}

TEST_F(AdaptedStoreTest, ALargePutOfAVersionProvesBeforeItIsCarriedOut) {
  fake_->put("a", "base");
  ASSERT_TRUE(put("a", large('1'), match(etag("a"))));
  EXPECT_EQ(puts(), 2u);
  EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::there);
  ASSERT_TRUE(put("a", large('2'), match(etag("a"))));
  EXPECT_EQ(puts(), 3u);
  EXPECT_EQ(fake_->count(Operation::head_object), 1u);
  EXPECT_EQ(fake_->bytes("a"), large('2'));
}

TEST_F(AdaptedStoreTest, AStoreThatIgnoresIfMatchIsFoundOutByALargePutWhichIsSentOnce) {
  rule([](auto& rules) { rules.put_conditions = Support::ignored; });
  fake_->put("a", "base");
  ASSERT_TRUE(put("a", large('1'), match(etag("a"))));
  EXPECT_EQ(puts(), 1u);
  EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::missing);
  EXPECT_EQ(fake_->bytes("a"), large('1'));
}

TEST_F(AdaptedStoreTest, TheProofOfALargePutNeverReplacesWhatOthersWroteBeforeIt) {
  rule([](auto& rules) { rules.put_conditions = Support::ignored; });
  fake_->put("a", "base");
  const ETag base = etag("a");
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(put("a", large('1'), match(base))), Fault::precondition);
  EXPECT_EQ(puts(), 0u);
}

TEST_F(AdaptedStoreTest, AStoreThatIgnoresIfNoneMatchIsFoundOutByALargePut) {
  rule([](auto& rules) { rules.put_conditions = Support::ignored; });
  for (const char* key : {"a", "b"}) ASSERT_TRUE(put(key, large('1'), absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::missing);
  EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::unknown);
}

TEST_F(AdaptedStoreTest, AnObjectThatOthersRemovedDuringAProofDoesNotMakeConditionsMissing) {
  const Hold second = fake_->hold({.operation = Operation::put_object, .after = 1}, Moment::before);
  auto writing = put_beside("a", "ours", absent());
  ASSERT_TRUE(second.await());
  fake_->remove("a");
  second.release();
  EXPECT_TRUE(writing.get());
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::there);
  EXPECT_EQ(puts(), 3u);
}

TEST_F(AdaptedStoreTest, AnObjectThatOthersRemoveAgainAndAgainDoesNotMakeConditionsMissing) {
  for (int writes = 0; writes < 2; ++writes) {
    const Hold second = fake_->hold({.operation = Operation::put_object, .after = 1}, Moment::before);
    const Hold third = fake_->hold({.operation = Operation::put_object, .after = 2}, Moment::before);
    auto writing = put_beside("a", "ours", absent());
    for (const Hold* repetition : {&second, &third}) {
      ASSERT_TRUE(repetition->await());
      fake_->remove("a");
      repetition->release();
    }
    EXPECT_TRUE(writing.get());
    EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::unknown);
    fake_->remove("a");
  }
  clock_.pass(Dialect::kProofPause);
  ASSERT_TRUE(put("b", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::there);
}

TEST_F(AdaptedStoreTest, AWriteBesideAnothersProofIsLookedAtFirst) {
  rule([](auto& rules) { rules.put_conditions = rules.complete_conditions = Support::ignored; });
  const auto end = uploaded("a", "ours", absent());
  ASSERT_TRUE(end);
  for (const Ability ability : {Ability::put_if_absent, Ability::put_if_match, Ability::upload_end})
    ASSERT_TRUE(dialect_->take_proof(ability));
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(put("a", "ours", absent())), Fault::precondition);
  EXPECT_EQ(fault_of(put("a", "ours", match({"\"base\""}))), Fault::precondition);
  EXPECT_EQ(fault_of(put("a", large('1'), match({"\"base\""}))), Fault::precondition);
  EXPECT_EQ(fault_of(store_->complete_upload(*end)), Fault::precondition);
  EXPECT_EQ(fake_->bytes("a"), "theirs");
}

TEST_F(AdaptedStoreTest, AWriteThatFailedLeavesTheProofToTheNext) {
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(put("a", "ours", absent())), Fault::precondition);
  ASSERT_TRUE(put("b", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::there);
}

TEST_F(AdaptedStoreTest, WhatOthersWriteDuringAProofStays) {
  fake_->put("a", "base");
  const Hold second = fake_->hold({.operation = Operation::put_object, .after = 1}, Moment::before);
  auto writing = put_beside("a", "ours", match(etag("a")));
  ASSERT_TRUE(second.await());
  fake_->put("a", "theirs");
  second.release();
  EXPECT_TRUE(writing.get());
  EXPECT_EQ(fake_->bytes("a"), "theirs");
  EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::there);
}

TEST_F(AdaptedStoreTest, WhatOthersPutBackDuringAProofIsNotReplacedEither) {
  fake_->put("a", "base");
  const ETag base = etag("a");
  const Hold second = fake_->hold({.operation = Operation::put_object, .after = 1}, Moment::before);
  auto writing = put_beside("a", "ours", match(base));
  ASSERT_TRUE(second.await());
  fake_->put("a", "base");
  second.release();
  EXPECT_TRUE(writing.get());
  EXPECT_EQ(fake_->bytes("a"), "base");
}

TEST_F(AdaptedStoreTest, WhatOthersRemoveDuringAProofOfIfMatchStaysAway) {
  for (const bool no_key : {false, true}) {
    rule([&](auto& rules) { rules.no_key_to_match = no_key; });
    fake_->put("a", "base");
    const Hold second = fake_->hold({.operation = Operation::put_object, .after = 1}, Moment::before);
    auto writing = put_beside("a", "ours", match(etag("a")));
    ASSERT_TRUE(second.await());
    fake_->remove("a");
    second.release();
    EXPECT_TRUE(writing.get());
    EXPECT_FALSE(fake_->bytes("a"));
    EXPECT_EQ(dialect_->known(Ability::put_if_match), Known::there);
    clock_.pass(Dialect::kValid);
    fake_->behave();
  }
}

TEST_F(AdaptedStoreTest, AProofWhoseAnswerIsLostProvesNothingAndIsTriedAnHourLater) {
  fake_->fail({.operation = Operation::put_object, .after = 1}, {.fault = Fault::lost, .at = Moment::after});
  ASSERT_TRUE(put("a", "1", absent()));
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::unknown);
  ASSERT_TRUE(put("b", "1", absent()));
  EXPECT_EQ(puts(), 3u);
  clock_.pass(Dialect::kProofPause);
  ASSERT_TRUE(put("c", "1", absent()));
  EXPECT_EQ(puts(), 5u);
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::there);
}

TEST_F(AdaptedStoreTest, AProofThatIsInterruptedLeavesTheWriteDone) {
  const Hold second = fake_->hold({.operation = Operation::put_object, .after = 1}, Moment::before);
  StopSource stop;
  auto writing = put_beside("a", "ours", absent(), stop.token());
  ASSERT_TRUE(second.await());
  stop.request_stop();
  EXPECT_TRUE(writing.get());
  EXPECT_EQ(fake_->bytes("a"), "ours");
  EXPECT_EQ(dialect_->known(Ability::put_if_absent), Known::unknown);
}

TEST_F(AdaptedStoreTest, OfTwoPutsAtOnceOneProves) {
  const Hold both = fake_->hold({.operation = Operation::put_object, .times = 2}, Moment::after);
  auto one = put_beside("a", "1", absent());
  auto two = put_beside("b", "2", absent());
  ASSERT_TRUE(both.await(2));
  both.release();
  EXPECT_TRUE(one.get());
  EXPECT_TRUE(two.get());
  EXPECT_EQ(puts(), 3u);
}

TEST_F(AdaptedStoreTest, AFirstPutWhoseAnswerIsLostIsNotRepeated) {
  fake_->fail({.operation = Operation::put_object}, {.fault = Fault::lost, .at = Moment::after});
  const auto lost = put("a", "1", absent());
  EXPECT_EQ(fault_of(lost), Fault::lost);
  EXPECT_TRUE(lost.error().may_have_happened);
  EXPECT_EQ(puts(), 1u);
}

TEST_F(AdaptedStoreTest, AVersionThatIsGoneIsARefusedConditionWhateverTheStoreCallsIt) {
  for (const bool no_key : {false, true}) {
    rule([&](auto& rules) { rules.no_key_to_match = no_key; });
    const auto gone = put("a", "1", match({"\"gone\""}));
    EXPECT_EQ(fault_of(gone), Fault::precondition);
    EXPECT_EQ(errnum_of(gone), ESTALE);
  }
}

TEST_F(AdaptedStoreTest, AWriteWithoutConditionsIsOneRequest) {
  ASSERT_TRUE(put("a", "1", {}));
  EXPECT_EQ(fake_->requests().size(), 1u);
}

// ---- uploads in parts -----------------------------------------------------------------------------------------------

TEST_F(AdaptedStoreTest, ThatConditionsOfAnUploadCountIsProvenOnceAtItsBeginAndItsEnd) {
  ASSERT_TRUE(upload("a", "1", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::there);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::there);
  EXPECT_EQ(fake_->count(Operation::create_upload), 2u);
  EXPECT_EQ(fake_->count(Operation::complete_upload), 2u);
  ASSERT_TRUE(upload("a", "2", match(etag("a"))));
  EXPECT_EQ(fake_->count(Operation::create_upload), 3u);
  EXPECT_EQ(fake_->count(Operation::complete_upload), 3u);
  EXPECT_EQ(fake_->count(Operation::head_object), 1u);
  EXPECT_EQ(fake_->open_uploads(), 0u);
}

TEST_F(AdaptedStoreTest, WhereABeginCountsNoConditionsTheUploadOfTheProofIsTheUpload) {
  rule([](auto& rules) { rules.create_conditions = Support::ignored; });
  ASSERT_TRUE(upload("a", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::missing);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::there);
  EXPECT_EQ(fake_->count(Operation::create_upload), 1u);
  EXPECT_EQ(fake_->open_uploads(), 0u);
}

TEST_F(AdaptedStoreTest, WhereABeginCountsNoConditionsALookComesBeforeIt) {
  rule([](auto& rules) { rules.create_conditions = Support::ignored; });
  dialect_->proven_missing(Ability::upload_begin);
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(store_->create_upload("a", {}, absent())), Fault::precondition);
  EXPECT_EQ(fake_->count(Operation::create_upload), 0u);
}

TEST_F(AdaptedStoreTest, WhereAnEndCountsNoConditionsTheProofHasStoredIt) {
  rule([](auto& rules) { rules.complete_conditions = Support::ignored; });
  ASSERT_TRUE(upload("a", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::there);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::missing);
  EXPECT_EQ(fake_->count(Operation::complete_upload), 1u);
  EXPECT_EQ(fake_->bytes("a"), "ours");
}

TEST_F(AdaptedStoreTest, WhereNeitherCountsALookComesBeforeTheEnd) {
  rule([](auto& rules) { rules.create_conditions = rules.complete_conditions = Support::ignored; });
  ASSERT_TRUE(upload("a", "1", absent()));
  const auto end = uploaded("a", "ours", match(etag("a")));
  ASSERT_TRUE(end);
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(store_->complete_upload(*end)), Fault::precondition);
  EXPECT_EQ(fake_->bytes("a"), "theirs");
}

TEST_F(AdaptedStoreTest, AStoreThatRefusesConditionsOfUploadsGetsNone) {
  rule([](auto& rules) { rules.create_conditions = rules.complete_conditions = Support::refused; });
  ASSERT_TRUE(upload("a", "1", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::missing);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::missing);
  EXPECT_EQ(fake_->open_uploads(), 0u);
}

TEST_F(AdaptedStoreTest, AProofThatIsRefusedForAnotherReasonDoesNotKeepTheUploadFromItsBeginAndEnd) {
  fake_->fail({.operation = Operation::create_upload}, {.fault = Fault::refused});
  fake_->fail({.operation = Operation::complete_upload}, {.fault = Fault::refused});
  ASSERT_TRUE(upload("a", "1", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::unknown);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::unknown);
}

TEST_F(AdaptedStoreTest, ARefusedProofCountsWhateverAnEarlierAttemptMayHaveDone) {
  for (const auto operation : {Operation::create_upload, Operation::complete_upload})
    fake_->fail({.operation = operation}, {.fault = Fault::precondition, .may_have_happened = true});
  ASSERT_TRUE(upload("a", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::there);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::there);
  EXPECT_EQ(fake_->bytes("a"), "ours");
}

TEST_F(AdaptedStoreTest, AProofThatNeverArrivedKeepsNoUploadFromItsBeginAndEnd) {
  for (const auto operation : {Operation::create_upload, Operation::complete_upload})
    fake_->fail({.operation = operation}, {.fault = Fault::lost, .at = Moment::before});
  ASSERT_TRUE(upload("a", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::unknown);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::unknown);
  EXPECT_EQ(fake_->open_uploads(), 0u);
}

TEST_F(AdaptedStoreTest, AnEndAfterAProofThatMayHaveBeenTheEndSaysSo) {
  rule([](auto& rules) { rules.complete_conditions = Support::ignored; });
  fake_->fail({.operation = Operation::complete_upload}, {.fault = Fault::lost, .at = Moment::after});
  const auto ended = upload("a", "ours", absent());
  EXPECT_EQ(fault_of(ended), Fault::no_upload);
  EXPECT_TRUE(ended.error().may_have_happened);
  EXPECT_EQ(fake_->bytes("a"), "ours");
}

TEST_F(AdaptedStoreTest, TheProofAtAnEndNeverReplacesWhatOthersWroteBeforeIt) {
  rule([](auto& rules) { rules.create_conditions = rules.complete_conditions = Support::ignored; });
  const auto end = uploaded("a", "ours", absent());
  ASSERT_TRUE(end);
  fake_->put("a", "theirs");
  EXPECT_EQ(fault_of(store_->complete_upload(*end)), Fault::precondition);
  EXPECT_EQ(fake_->bytes("a"), "theirs");
  EXPECT_EQ(fake_->count(Operation::complete_upload), 0u);
}

TEST_F(AdaptedStoreTest, WhatOthersWriteBetweenTheProofAtAnEndAndTheEndStays) {
  const auto end = uploaded("a", "ours", absent());
  ASSERT_TRUE(end);
  const Hold second = fake_->hold({.operation = Operation::complete_upload, .after = 1}, Moment::before);
  auto ending = std::async(std::launch::async, [&] { return store_->complete_upload(*end); });
  ASSERT_TRUE(second.await());
  fake_->put("a", "theirs");
  second.release();
  EXPECT_EQ(fault_of(ending.get()), Fault::precondition);
  EXPECT_EQ(fake_->bytes("a"), "theirs");
}

TEST_F(AdaptedStoreTest, AKeyThatIsMissingAtTheProofOfAnEndShowsThatTheConditionCounts) {
  rule([](auto& rules) { rules.no_key_to_match = true; });
  ASSERT_TRUE(upload("a", "ours", absent()));
  EXPECT_EQ(dialect_->known(Ability::upload_begin), Known::there);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::there);
  EXPECT_EQ(fake_->bytes("a"), "ours");
}

TEST_F(AdaptedStoreTest, AnInterruptedProofAtAnEndIsInterruptedAndMayBeTriedAgain) {
  const auto end = uploaded("a", "ours", absent());
  ASSERT_TRUE(end);
  const Hold first = fake_->hold({.operation = Operation::complete_upload}, Moment::before);
  StopSource stop;
  auto ending = std::async(std::launch::async, [&] { return store_->complete_upload(*end, stop.token()); });
  ASSERT_TRUE(first.await());
  stop.request_stop();
  EXPECT_EQ(fault_of(ending.get()), Fault::stopped);
  EXPECT_EQ(dialect_->known(Ability::upload_end), Known::unknown);
  EXPECT_TRUE(store_->complete_upload(*end));
  EXPECT_EQ(fake_->bytes("a"), "ours");
}

TEST_F(AdaptedStoreTest, AStoreThatEndsAnUploadWithARefusalSaysThatThereIsNone) {
  rule([](auto& rules) { rules.ends_refused_uploads = true; });
  EXPECT_EQ(fault_of(upload("a", "1", absent())), Fault::no_upload);
  EXPECT_TRUE(upload("a", "1", absent()));
}

// ---- copies of a version --------------------------------------------------------------------------------------------

class VersionCopyTest : public AdaptedStoreTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(upload("parts", "1", absent()));
    ASSERT_TRUE(etag("parts").is_of_parts());
    fake_->put("whole", "1");
  }
  Result<CopyResult> copy(const std::string& from, Preconditions conditions = {}) {
    return copy(from, std::move(conditions), etag(from));
  }
  Result<CopyResult> copy(const std::string& from, Preconditions conditions, const ETag& version,
                          const std::string& to = "copy") {
    CopyRequest request;
    request.source_key = from;
    request.key = to;
    request.directive = from == to ? MetadataDirective::replace : MetadataDirective::copy;
    request.source_if_match = version;
    request.conditions = std::move(conditions);
    return store_->copy_object(request);
  }
  // What is told of the version that was copied; none: it failed.
  std::optional<CopiedVersion> version(const Result<CopyResult>& copied) {
    return copied ? std::optional(copied->version) : std::nullopt;
  }
  unsigned copies() { return fake_->count(Operation::copy_object); }
  Known known() { return dialect_->known(Ability::copy_source_match); }
};

TEST_F(VersionCopyTest, ThatItsConditionCountsIsProvenOnceByACopyThatIsNotMade) {
  EXPECT_EQ(version(copy("parts")), CopiedVersion::asked_for);
  EXPECT_EQ(copies(), 2u);
  EXPECT_EQ(known(), Known::there);
  EXPECT_EQ(version(copy("parts")), CopiedVersion::asked_for);
  EXPECT_EQ(version(copy("whole")), CopiedVersion::asked_for);
  EXPECT_EQ(copies(), 4u);
}

TEST_F(VersionCopyTest, IsOfAnUnknownVersionWhereItsConditionIsIgnoredAndOthersReplacedTheObject) {
  rule([](auto& rules) { rules.copy_conditions = Support::ignored; });
  const ETag before = etag("parts");
  fake_->put("parts", "2");
  EXPECT_EQ(version(copy("parts", {}, before)), CopiedVersion::unknown);
  EXPECT_EQ(copies(), 1u) << "what was sent for the proof is the copy";
  EXPECT_EQ(fake_->bytes("copy"), "2");
  EXPECT_EQ(known(), Known::missing);
  EXPECT_EQ(version(copy("parts", {}, before)), CopiedVersion::unknown);
  EXPECT_EQ(copies(), 2u);
}

TEST_F(VersionCopyTest, IsOfTheVersionThatStillLiesThereWhereItsConditionIsIgnored) {
  rule([](auto& rules) { rules.copy_conditions = Support::ignored; });
  EXPECT_EQ(version(copy("parts")), CopiedVersion::unknown) << "it may have been put back in this second";
  fake_->pass(std::chrono::seconds(2));
  EXPECT_EQ(version(copy("parts")), CopiedVersion::asked_for);
  EXPECT_EQ(version(copy("parts")), CopiedVersion::asked_for);
  EXPECT_EQ(copies(), 3u);
  fake_->fail({.operation = Operation::head_object}, {.fault = Fault::lost});
  EXPECT_EQ(version(copy("parts")), CopiedVersion::unknown) << "nobody could look";
}

TEST_F(VersionCopyTest, OntoItselfLeavesNothingToLookAt) {
  rule([](auto& rules) { rules.copy_conditions = Support::ignored; });
  EXPECT_EQ(version(copy("parts", {}, etag("parts"), "parts")), CopiedVersion::unknown);
}

TEST_F(VersionCopyTest, ThatComesBackWithAnotherETagProvesItsConditionOnce) {
  rule([](auto& rules) { rules.encrypts = true; });
  EXPECT_EQ(version(copy("whole")), CopiedVersion::asked_for);
  EXPECT_EQ(copies(), 2u) << "the second is the proof, and not made";
  EXPECT_EQ(known(), Known::there);
  EXPECT_EQ(version(copy("whole", {}, etag("whole"), "whole")), CopiedVersion::asked_for);
  EXPECT_EQ(copies(), 3u);
}

TEST_F(VersionCopyTest, WhoseProofIsNotAnsweredFailsAndMayHaveHappened) {
  rule([](auto& rules) { rules.encrypts = true; });
  const Hold first = fake_->hold({.operation = Operation::copy_object}, Moment::after);
  auto copying = std::async(std::launch::async, [&] { return copy("whole"); });
  ASSERT_TRUE(first.await());
  fake_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .may_have_happened = false});
  first.release();
  const auto copied = copying.get();
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().fault, Fault::lost);
  EXPECT_TRUE(copied.error().may_have_happened);
}

TEST_F(VersionCopyTest, ThatComesBackWithAnotherETagIsWhatTheProofMadeWhereTheConditionIsIgnored) {
  rule([](auto& rules) {
    rules.encrypts = true;
    rules.copy_conditions = Support::ignored;
  });
  fake_->pass(std::chrono::seconds(2));
  const auto copied = copy("whole");
  EXPECT_EQ(version(copied), CopiedVersion::asked_for) << "it is still there";
  EXPECT_EQ(known(), Known::missing);
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->etag, etag("copy"));
}

TEST_F(VersionCopyTest, OfAWholeObjectCostsNoProof) {
  EXPECT_EQ(version(copy("whole")), CopiedVersion::unknown);
  EXPECT_EQ(copies(), 1u);
  EXPECT_EQ(known(), Known::unknown);
}

TEST_F(VersionCopyTest, ThatFailsForAnotherReasonProvesNothing) {
  fake_->fail({.operation = Operation::copy_object}, {.fault = Fault::denied});
  EXPECT_EQ(fault_of(copy("parts")), Fault::denied);
  EXPECT_EQ(known(), Known::unknown);
  EXPECT_EQ(fault_of(copy("parts", match({"\"other\""}))), Fault::precondition) << "that of its target";
  EXPECT_EQ(known(), Known::unknown);
}

TEST_F(VersionCopyTest, OfWhatOthersReplacedAfterTheProofIsRefused) {
  const Hold second = fake_->hold({.operation = Operation::copy_object, .after = 1}, Moment::before);
  auto copying = std::async(std::launch::async, [&] { return copy("parts"); });
  ASSERT_TRUE(second.await());
  fake_->put("parts", "2");
  second.release();
  EXPECT_EQ(fault_of(copying.get()), Fault::precondition);
  EXPECT_FALSE(fake_->bytes("copy"));
  EXPECT_EQ(known(), Known::there);
}

// ---- directory markers ----------------------------------------------------------------------------------------------

class MarkerTest : public AdaptedStoreTest {
 protected:
  void SetUp() override {
    rule([](auto& rules) { rules.copies_markers = false; });
    fake_->put("d/", "", {{}, {{"mode", "0750"}}});
  }
  Result<CopyResult> copy(MetadataDirective directive = MetadataDirective::copy, ObjectHeaders headers = {}) {
    CopyRequest request;
    request.source_key = "d/";
    request.key = "e/";
    request.directive = directive;
    request.headers = std::move(headers);
    request.source_if_match = etag_;
    return store_->copy_object(request);
  }
  std::string mode() {
    const auto info = fake_->info("e/");
    return info && !info->headers.metadata.empty() ? info->headers.metadata.front().value : "<none>";
  }

  ETag etag_;
};

TEST_F(MarkerTest, IsWrittenAnewWhereTheStoreDoesNotCopyItAndNoCopyIsTriedAgain) {
  ASSERT_TRUE(copy());
  EXPECT_EQ(mode(), "0750");
  EXPECT_EQ(dialect_->known(Ability::marker_copy), Known::missing);
  ASSERT_TRUE(copy());
  EXPECT_EQ(fake_->count(Operation::copy_object), 1u);
}

TEST_F(MarkerTest, IsWrittenAnewWithTheHeadersThatReplaceItsOwn) {
  ASSERT_TRUE(copy(MetadataDirective::replace, {{}, {{"mode", "0700"}}}));
  EXPECT_EQ(mode(), "0700");
}

TEST_F(MarkerTest, OfAnotherVersionIsNotWrittenAnew) {
  etag_ = {"\"other\""};
  dialect_->proven_missing(Ability::marker_copy);
  EXPECT_EQ(fault_of(copy()), Fault::precondition);
  EXPECT_EQ(mode(), "<none>");
}

TEST_F(MarkerTest, WithBytesIsCopiedOrRefusedAsAnyObject) {
  fake_->put("d/", "bytes");
  EXPECT_EQ(fault_of(copy()), Fault::refused);
  EXPECT_EQ(dialect_->known(Ability::marker_copy), Known::unknown);
  rule([](auto& rules) { rules.copies_markers = true; });
  dialect_->proven_missing(Ability::marker_copy);
  ASSERT_TRUE(copy());
  EXPECT_EQ(fake_->bytes("e/"), "bytes");
}

TEST_F(MarkerTest, IsCopiedByTheStoreThatCan) {
  rule([](auto& rules) { rules.copies_markers = true; });
  ASSERT_TRUE(copy());
  EXPECT_EQ(dialect_->known(Ability::marker_copy), Known::there);
  EXPECT_EQ(fake_->requests().size(), 1u);
}

}  // namespace
}  // namespace pail::cos
