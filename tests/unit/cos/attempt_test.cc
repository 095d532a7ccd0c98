#include "cos/attempt.h"

#include <gtest/gtest.h>

#include <optional>

namespace pail::cos {
namespace {

constexpr std::string_view kError = "<Error><Code>InternalError</Code></Error>";

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

class AttemptTest : public ::testing::Test {
 protected:
  std::shared_ptr<Attempt> attempt(ByteCount limit = 1_KiB, AnswerKind kind = AnswerKind::plain) {
    return std::make_shared<Attempt>(read_whole(limit, kind), [this](Judged judged) {
      EXPECT_FALSE(judged_) << "told twice";
      judged_ = std::move(judged);
    });
  }
  template <class T>
  const T* verdict() const {
    return judged_ ? std::get_if<T>(&judged_->verdict) : nullptr;
  }

  std::optional<Judged> judged_;
};

TEST_F(AttemptTest, AWholeBodyIsComplete) {
  const auto sent = attempt();
  EXPECT_TRUE(sent->on_head(200, {{"ETag", "\"1\""}}));
  EXPECT_TRUE(sent->on_data(bytes("con")));
  EXPECT_TRUE(sent->on_data(bytes("tent")));
  EXPECT_FALSE(judged_);
  sent->on_done(Unit{});
  ASSERT_NE(verdict<Complete>(), nullptr);
  EXPECT_EQ(verdict<Complete>()->body, "content");
  EXPECT_EQ(judged_->status, 200);
  EXPECT_EQ(judged_->headers.find("etag").value_or(""), "\"1\"");
}

TEST_F(AttemptTest, ABodyThatBreaksIsLost) {
  const auto sent = attempt();
  sent->on_head(200, {});
  sent->on_data(bytes("con"));
  sent->on_done(Error{ECONNRESET, "broke"});
  ASSERT_NE(verdict<Lost>(), nullptr);
  EXPECT_EQ(verdict<Lost>()->loss.errnum, ECONNRESET);
}

TEST_F(AttemptTest, NoHeadIsLost) {
  attempt()->on_done(Error{ETIMEDOUT, "silence"});
  ASSERT_NE(verdict<Lost>(), nullptr);
  EXPECT_EQ(judged_->status, 0);
}

TEST_F(AttemptTest, ABodyAboveTheLimitIsNotReadToItsEnd) {
  const auto sent = attempt(ByteCount{4});
  sent->on_head(200, {});
  EXPECT_TRUE(sent->on_data(bytes("1234")));
  EXPECT_FALSE(sent->on_data(bytes("5")));
  sent->on_done(Error{ECANCELED, "cancelled"});
  ASSERT_NE(verdict<TooLarge>(), nullptr);
}

TEST_F(AttemptTest, TheHeadOfARefusalCountsAlsoWhereItsDocumentBreaks) {
  const auto sent = attempt();
  sent->on_head(503, {{"Retry-After", "3"}});
  sent->on_data(bytes("<Err"));
  sent->on_done(Error{ECONNRESET, "broke"});
  ASSERT_NE(verdict<Refused>(), nullptr);
  EXPECT_EQ(verdict<Refused>()->refusal.status, 503);
}

TEST_F(AttemptTest, TheDocumentOfARefusalIsNeverABodyAndIsReadToItsLimitOnly) {
  const auto sent = attempt(1_GiB);
  sent->on_head(404, {});
  bool more = sent->on_data(bytes("<Error><Code>NoSuchKey</Code></Error>"));
  std::size_t read = 0;
  for (const std::string page(16 << 10, ' '); more && read < 1 << 20; read += page.size())
    more = sent->on_data(bytes(page));
  EXPECT_LE(read, kMaxErrorBody.n);
  sent->on_done(Error{ECANCELED, "cancelled"});
  ASSERT_NE(verdict<Refused>(), nullptr);
  EXPECT_EQ(verdict<Refused>()->refusal.code, "NoSuchKey");
}

TEST_F(AttemptTest, AnErrorInsideOfASuccessIsARefusalWhereOneMayBe) {
  for (const AnswerKind kind : {AnswerKind::plain, AnswerKind::may_hold_error}) {
    judged_.reset();
    const auto sent = attempt(1_KiB, kind);
    sent->on_head(200, {});
    sent->on_data(bytes(kError));
    sent->on_done(Unit{});
    EXPECT_EQ(verdict<Refused>() != nullptr, kind == AnswerKind::may_hold_error);
  }
}

}  // namespace
}  // namespace pail::cos
