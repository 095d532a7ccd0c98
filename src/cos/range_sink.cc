#include "cos/range_sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pail::cos {
namespace {

// A transfer that moved this far before it broke has earned all attempts anew. Less would let a
// server that sends a byte an answer keep a reader for ever.
constexpr ByteCount kProgress = 16_KiB;
// A rest of this size is read and dropped; a larger one costs less when the connection is closed.
constexpr ByteCount kDrained = 256_KiB;

Error changed() {
  return {ESTALE, "the object changed while it was read", Fault::precondition};
}

}  // namespace

// Reads one answer: 206 for exactly what is missing, or 200 with the whole object.
class RangeSink::Reader final : public AnswerReader {
 public:
  explicit Reader(std::shared_ptr<RangeSink> read) : read_(std::move(read)), began_at_(read_->position_) {}

  bool on_head(int status, const http::Headers& headers) override {
    if (status == 206) return accept_part(headers);
    if (status == 200) return accept_whole(headers);
    return reject(fmt::format("an answer {} to a ranged GET", status));
  }

  bool on_data(std::span<const std::byte> bytes) override {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_.n, bytes.size()));
    skip_.n -= skipped;
    bytes = bytes.subspan(skipped);
    const ByteCount wanted = end_ - read_->position_;
    const bool surplus = bytes.size() > wanted.n;
    if (surplus) bytes = bytes.first(static_cast<std::size_t>(wanted.n));
    if (!bytes.empty() && !deliver(bytes)) return false;
    if (!surplus && read_->position_ < end_) return true;
    return drain_;
  }

  Verdict end(const Result<Unit>& outcome) override {
    if (early_) return *std::move(early_);
    if (read_->position_ == end_) return Complete{};
    Error loss = outcome ? Error{ECONNRESET, "the answer ended before its last byte"} : Error{outcome.error()};
    return Lost{std::move(loss), read_->position_ - began_at_ >= kProgress};
  }

 private:
  bool accept_part(const http::Headers& headers) {
    const auto field = headers.find("Content-Range");
    const auto range = field ? parse_content_range(*field) : std::nullopt;
    if (!range || range->extent.empty()) return reject("an answer 206 without a valid Content-Range");
    const Extent missing{read_->position_, read_->request_.range.end};
    const ByteOffset object_end = range->knows_total() ? ByteOffset{range->total.n} : missing.end;
    const Extent expected{missing.begin, std::min(missing.end, object_end)};
    if (range->extent != expected)
      return reject(fmt::format("asked for {}, got {}", range_text(missing), range_text(range->extent)));
    const auto length = byte_count_header(headers, "Content-Length");
    if (length && *length != range->extent.size()) return reject("Content-Length and Content-Range disagree");
    const ByteCount size = range->knows_total() ? range->total : ByteCount{range->extent.end.n};
    return accept(headers, range->extent.end, size);
  }

  // The whole object although a range was asked for: the bytes before it are skipped, those behind
  // it dropped.
  bool accept_whole(const http::Headers& headers) {
    const auto length = byte_count_header(headers, "Content-Length");
    if (!length) return reject("an answer 200 to a ranged GET without Content-Length");
    const ByteOffset position = read_->position_;
    const ByteOffset end = std::min(read_->request_.range.end, ByteOffset{length->n});
    if (end < position && position > read_->request_.range.begin) return stop(Final{changed()});
    skip_ = ByteCount{std::min(position.n, length->n)};
    const ByteCount rest = ByteCount{length->n - std::min(end.n, length->n)};
    drain_ = rest <= kDrained;
    return accept(headers, std::max(end, position), *length);
  }

  bool accept(const http::Headers& headers, ByteOffset end, ByteCount object_size) {
    ObjectInfo info = object_info(headers);
    // Every store tells the version it sends. What comes without is no object: a proxy's page, an
    // error's text.
    if (info.etag.empty()) return reject("the answer has no ETag");
    const ETag& pinned = read_->pinned_;
    if (!pinned.empty() && !same_version(info.etag, pinned)) return stop(Final{changed()});
    info.size = object_size;
    read_->pinned_ = info.etag;
    if (read_->info_ && read_->info_->size != info.size) return stop(Final{changed()});
    read_->info_ = std::move(info);
    end_ = end;
    return true;
  }

  bool deliver(std::span<const std::byte> bytes) {
    read_->position_ = read_->position_ + ByteCount{bytes.size()};
    read_->budget_->renew();
    return read_->handler_->on_data(bytes) || stop(Stopped{});
  }

  bool reject(std::string why) { return stop(Unusable{not_a_store(std::move(why))}); }

  bool stop(Verdict verdict) {
    early_ = std::move(verdict);
    return false;
  }

  const std::shared_ptr<RangeSink> read_;
  const ByteOffset began_at_;
  ByteOffset end_;                // where this answer's part of the range ends
  ByteCount skip_;                // bytes of the body before the range
  bool drain_ = true;             // read what follows the range: the connection can be used again
  std::optional<Verdict> early_;  // why the answer was not read to its end
};

RangeSink::RangeSink(GetRequest request, std::shared_ptr<GetHandler> handler, std::shared_ptr<http::Budget> budget)
    : request_(std::move(request)),
      handler_(std::move(handler)),
      budget_(std::move(budget)),
      pinned_(request_.if_match),
      position_(request_.range.begin) {}

void RangeSink::ask(http::Headers& headers) {
  headers.set("Range", range_text({position_, request_.range.end}));
  if (!pinned_.empty()) headers.set("If-Match", pinned_.text);
}

std::unique_ptr<AnswerReader> RangeSink::reader() {
  return std::make_unique<Reader>(shared_from_this());
}

Result<ObjectInfo> RangeSink::outcome(Answer answer) const {
  if (!answer.failure) return *info_;
  const ServerError* refusal = answer.refusal();
  if (refusal != nullptr && refusal->status == 412)
    return Error{ESTALE, answer.what + ": the object is no longer the version that was asked for", Fault::precondition};
  if (refusal != nullptr && refusal->status == 416) return outside(std::move(answer));
  return *std::move(answer.failure);
}

// Nothing of the range is in the object.
Result<ObjectInfo> RangeSink::outside(Answer answer) const {
  if (position_ > request_.range.begin)
    return Error{ESTALE, answer.what + ": the object became shorter", Fault::precondition};
  const http::Headers& headers = answer.response.headers;
  const auto field = headers.find("Content-Range");
  const ContentRange range = (field ? parse_content_range(*field) : std::nullopt).value_or(ContentRange{});
  const bool empty_object = request_.range.begin.n == 0;
  if (!empty_object && !range.knows_total()) return *std::move(answer.failure);
  ObjectInfo info = object_info(headers);
  if (range.knows_total()) info.size = range.total;
  if (info.etag.empty()) info.etag = pinned_;
  return info;
}

}  // namespace pail::cos
