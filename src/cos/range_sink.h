// What one ranged GET has delivered so far, and the checks of every answer to it.
#pragma once

#include <memory>
#include <optional>

#include "cos/exchange.h"

namespace pail::cos {

// Bytes reach the handler in order and once, all from one version of the object. One call at a
// time.
class RangeSink final : public Sink, public std::enable_shared_from_this<RangeSink> {
 public:
  // `request` has been checked. `budget` is renewed by each byte that is delivered.
  RangeSink(GetRequest request, std::shared_ptr<GetHandler> handler, std::shared_ptr<http::Budget> budget);

  void ask(http::Headers& headers) override;
  std::unique_ptr<AnswerReader> reader() override;

  // What the read ended with, given how its exchange ended.
  Result<ObjectInfo> outcome(Answer answer) const;

 private:
  class Reader;
  Result<ObjectInfo> outside(Answer answer) const;

  const GetRequest request_;
  const std::shared_ptr<GetHandler> handler_;
  const std::shared_ptr<http::Budget> budget_;
  ETag pinned_;                     // empty until a version is known
  ByteOffset position_;             // the next byte to deliver
  std::optional<ObjectInfo> info_;  // of the version that is delivered
};

}  // namespace pail::cos
