#include "cos/attempt.h"

#include <algorithm>
#include <utility>

namespace pail::cos {
namespace {

constexpr ByteCount kLargestFirstReserve = 1_MiB;  // a Content-Length is a claim, not a fact

class WholeBody final : public AnswerReader {
 public:
  WholeBody(ByteCount limit, AnswerKind kind) : limit_(limit), kind_(kind) {}

  bool on_head(int, const http::Headers& headers) override {
    if (kind_ == AnswerKind::may_hold_error) headers_ = headers;
    return true;
  }

  bool on_data(std::span<const std::byte> bytes) override {
    too_large_ = body_.size() + bytes.size() > limit_.n;
    if (too_large_) return false;
    if (body_.empty()) body_.reserve(std::min(limit_, kLargestFirstReserve).n);
    body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }

  Verdict end(const Result<Unit>& outcome) override {
    if (too_large_) return TooLarge{limit_};
    if (!outcome) return Lost{outcome.error()};
    ServerError refusal;
    if (kind_ == AnswerKind::may_hold_error && parse_embedded_error(headers_, body_, refusal))
      return Refused{std::move(refusal)};
    return Complete{std::move(body_)};
  }

 private:
  const ByteCount limit_;
  const AnswerKind kind_;
  http::Headers headers_;
  std::string body_;
  bool too_large_ = false;
};

}  // namespace

std::unique_ptr<AnswerReader> read_whole(ByteCount limit, AnswerKind kind) {
  return std::make_unique<WholeBody>(limit, kind);
}

Attempt::Attempt(std::unique_ptr<AnswerReader> reader, std::function<void(Judged)> then)
    : reader_(std::move(reader)), then_(std::move(then)) {}

bool Attempt::on_head(int status, const http::Headers& headers) {
  status_ = status;
  headers_ = headers;
  return !succeeds() || reader_->on_head(status, headers);
}

bool Attempt::on_data(std::span<const std::byte> bytes) {
  if (succeeds()) return reader_->on_data(bytes);
  const std::size_t room = static_cast<std::size_t>(kMaxErrorBody.n) - refusal_.size();
  refusal_.append(reinterpret_cast<const char*>(bytes.data()), std::min(room, bytes.size()));
  return refusal_.size() < kMaxErrorBody.n;
}

Verdict Attempt::verdict(const Result<Unit>& outcome) {
  if (succeeds()) return reader_->end(outcome);
  if (status_ == 0) return Lost{outcome ? Error{EIO, "the answer has no head"} : outcome.error()};
  // The head tells what a refusal is, whether or not its document arrived.
  return Refused{parse_server_error(status_, headers_, refusal_)};
}

void Attempt::on_done(Result<Unit> outcome) {
  const auto then = std::move(then_);  // it may hold the exchange, which may hold this attempt
  Verdict judged = verdict(outcome);
  then({status_, std::move(headers_), std::move(judged)});
}

}  // namespace pail::cos
