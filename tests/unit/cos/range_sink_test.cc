// What a ranged GET delivers of answers that are right, cut, or of something else.
#include "cos/range_sink.h"

#include <gtest/gtest.h>

#include <string>

namespace pail::cos {
namespace {

class Bytes final : public GetHandler {
 public:
  bool on_data(std::span<const std::byte> data) override {
    text.append(reinterpret_cast<const char*>(data.data()), data.size());
    return text.size() < most;
  }
  void on_done(Result<ObjectInfo>) override {}

  std::string text;
  std::size_t most = ~std::size_t{0};
};

// A read of bytes 10 to 19.
class RangeSinkTest : public ::testing::Test {
 protected:
  static GetRequest request() { return {"bucket", "key", {ByteOffset{10}, ByteOffset{20}}, {}}; }

  static http::Headers part(const char* range, const char* etag = "\"1\"") {
    http::Headers headers{{"Content-Range", range}};
    if (*etag != '\0') headers.set("ETag", etag);
    return headers;
  }
  static std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

  // One answer, whose transfer ends as it should unless it was not to be read further.
  Verdict answer(int status, const http::Headers& headers, const std::string& body) {
    const auto reader = sink_->reader();
    const bool read = reader->on_head(status, headers) && reader->on_data(bytes(body));
    return reader->end(read ? Result<Unit>(Unit{}) : Error{ECANCELED, "cancelled"});
  }
  std::string asked(const char* name) {
    http::Headers headers;
    sink_->ask(headers);
    return std::string(headers.find(name).value_or("absent"));
  }
  Result<ObjectInfo> outcome_of(int status, http::Headers headers = {}) {
    Answer answer;
    answer.what = "GET bucket/key";
    answer.response = {status, headers, ""};
    answer.verdict = Refused{parse_server_error(status, headers, "")};
    answer.failure = to_error(answer.what, std::get<Refused>(answer.verdict).refusal);
    return sink_->outcome(std::move(answer));
  }

  std::shared_ptr<Bytes> got_ = std::make_shared<Bytes>();
  std::shared_ptr<http::Budget> budget_ = std::make_shared<http::Budget>(std::chrono::seconds(60));
  std::shared_ptr<RangeSink> sink_ = std::make_shared<RangeSink>(request(), got_, budget_);
};

TEST_F(RangeSinkTest, ExactlyTheRangeIsDelivered) {
  EXPECT_EQ(asked("Range"), "bytes=10-19");
  EXPECT_EQ(asked("If-Match"), "absent");
  EXPECT_TRUE(std::holds_alternative<Complete>(answer(206, part("bytes 10-19/100"), "0123456789")));
  EXPECT_EQ(got_->text, "0123456789");
  const auto info = sink_->outcome({});
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size, ByteCount{100});
}

TEST_F(RangeSinkTest, ACutAnswerIsContinuedAtItsByteAndVersion) {
  EXPECT_TRUE(std::holds_alternative<Lost>(answer(206, part("bytes 10-19/100"), "0123")));
  EXPECT_EQ(asked("Range"), "bytes=14-19");
  EXPECT_EQ(asked("If-Match"), "\"1\"");
  EXPECT_TRUE(std::holds_alternative<Complete>(answer(206, part("bytes 14-19/100"), "456789")));
  EXPECT_EQ(got_->text, "0123456789");
}

TEST_F(RangeSinkTest, AnotherVersionIsNeverMixedIn) {
  (void)answer(206, part("bytes 10-19/100"), "0123");
  EXPECT_TRUE(std::holds_alternative<Final>(answer(206, part("bytes 14-19/100", "\"2\""), "xxxxxx")));
  EXPECT_TRUE(std::holds_alternative<Final>(answer(206, part("bytes 14-19/99"), "xxxxxx"))) << "another size";
  EXPECT_EQ(got_->text, "0123");
}

TEST_F(RangeSinkTest, AnswersForSomethingElseAreNotDelivered) {
  for (const char* range : {"bytes 9-19/100", "bytes 10-18/100", "bytes 10-20/100", "bytes */100", "items 10-19/100",
                            "bytes 10-19/15", "bytes 19-10/100", ""})
    EXPECT_TRUE(std::holds_alternative<Unusable>(answer(206, part(range), "0123456789"))) << range;
  EXPECT_TRUE(std::holds_alternative<Unusable>(answer(206, part("bytes 10-19/100", ""), "0123456789"))) << "no ETag";
  EXPECT_TRUE(std::holds_alternative<Unusable>(answer(204, part("bytes 10-19/100"), "")));
  http::Headers lying = part("bytes 10-19/100");
  lying.set("Content-Length", "11");
  EXPECT_TRUE(std::holds_alternative<Unusable>(answer(206, lying, "0123456789")));
  EXPECT_EQ(got_->text, "");
}

TEST_F(RangeSinkTest, OfAWholeObjectTheRangeIsDelivered) {
  const http::Headers whole{{"ETag", "\"1\""}, {"Content-Length", "26"}};
  EXPECT_TRUE(std::holds_alternative<Complete>(answer(200, whole, "abcdefghijklmnopqrstuvwxyz")));
  EXPECT_EQ(got_->text, "klmnopqrst");
}

TEST_F(RangeSinkTest, AWholeObjectWithoutLengthIsNotTrusted) {
  EXPECT_TRUE(std::holds_alternative<Unusable>(answer(200, {{"ETag", "\"1\""}}, "abcdefghijklmnopqrstuvwxyz")));
  EXPECT_EQ(got_->text, "");
}

TEST_F(RangeSinkTest, MoreBytesThanPromisedAreDropped) {
  EXPECT_TRUE(std::holds_alternative<Complete>(answer(206, part("bytes 10-19/100"), "0123456789and more")));
  EXPECT_EQ(got_->text, "0123456789");
}

TEST_F(RangeSinkTest, WhoWantsNoMoreStopsTheRead) {
  got_->most = 3;
  EXPECT_TRUE(std::holds_alternative<Stopped>(answer(206, part("bytes 10-19/100"), "012")));
}

TEST_F(RangeSinkTest, AnObjectThatEndsInsideOfTheRangeIsWholeAtItsEnd) {
  EXPECT_TRUE(std::holds_alternative<Complete>(answer(206, part("bytes 10-14/15"), "01234")));
  EXPECT_EQ(got_->text, "01234");
}

TEST_F(RangeSinkTest, ARangeBehindTheEndGivesTheSizeAndNoBytes) {
  const auto info = outcome_of(416, {{"Content-Range", "bytes */5"}, {"ETag", "\"1\""}});
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size, ByteCount{5});
  EXPECT_EQ(errnum_of(outcome_of(416)), EINVAL) << "the store does not say how large the object is";
}

TEST_F(RangeSinkTest, AnObjectThatBecameShorterOrAnotherIsEstale) {
  (void)answer(206, part("bytes 10-19/100"), "0123");
  EXPECT_EQ(errnum_of(outcome_of(416, {{"Content-Range", "bytes */5"}})), ESTALE);
  EXPECT_EQ(errnum_of(outcome_of(412)), ESTALE);
  EXPECT_EQ(fault_of(outcome_of(412)), Fault::precondition);
}

}  // namespace
}  // namespace pail::cos
