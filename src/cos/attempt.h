// One request of an exchange and the answer to it: its head, its bytes as they come, its verdict.
// Attempts know nothing of each other: an exchange may have several under way.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "cos/call.h"
#include "cos/errors.h"
#include "pailfs/http/client.h"

namespace pail::cos {

// How an attempt ended. Errors do not name the call.
struct Unsent {};    // there was none: it was not authorized
struct Complete {    // the answer is what was asked for
  std::string body;  // empty where it was streamed
};
struct Refused {  // the server's word
  ServerError refusal;
};
struct Lost {          // no answer, or a part of one
  Error loss;          // in the words of http::Client
  bool moved = false;  // so far that what comes next deserves all attempts anew
};
struct Unusable {  // an answer that breaks the protocol: a proxy may have cut it
  Error why;
};
struct Final {  // an answer that will not get better
  Error why;
};
struct TooLarge {  // a body above Call::largest_answer
  ByteCount limit;
};
struct Stopped {};  // by the caller, or by who receives the bytes
using Verdict = std::variant<Unsent, Complete, Refused, Lost, Unusable, Final, TooLarge, Stopped>;

// Reads the successful answer (2xx) to one attempt. Called on a network thread, one call at a time.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  // False: read no further.
  virtual bool on_head(int status, const http::Headers& headers) = 0;
  virtual bool on_data(std::span<const std::byte> bytes) = 0;
  // The transfer has ended, also because one of the others returned false.
  virtual Verdict end(const Result<Unit>& outcome) = 0;
};

// The body as a string.
std::unique_ptr<AnswerReader> read_whole(ByteCount limit, AnswerKind kind);

struct Judged {
  int status = 0;  // 0: no head came
  http::Headers headers;
  Verdict verdict;
};

class Attempt final : public http::ResponseHandler {
 public:
  // `then` is called once, on a network thread.
  Attempt(std::unique_ptr<AnswerReader> reader, std::function<void(Judged)> then);

  bool on_head(int status, const http::Headers& headers) override;
  bool on_data(std::span<const std::byte> bytes) override;
  void on_done(Result<Unit> outcome) override;

 private:
  bool succeeds() const { return status_ >= 200 && status_ < 300; }
  Verdict verdict(const Result<Unit>& outcome);

  const std::unique_ptr<AnswerReader> reader_;
  std::function<void(Judged)> then_;
  int status_ = 0;
  http::Headers headers_;
  std::string refusal_;  // the first kMaxErrorBody bytes of its document
};

}  // namespace pail::cos
