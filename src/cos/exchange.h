// One operation on the wire: authorize, send, judge the answer, wait, try again. The only retry loop of blocking calls;
// RangedGet, which must not block, takes its decisions from the same RetryDecider.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "cos/errors.h"
#include "pailfs/cos/client.h"
#include "pailfs/http/retry.h"

namespace pail::cos {

// What every operation of one client uses. Thread-safe.
struct Link {
  std::shared_ptr<http::Client> http;
  std::shared_ptr<auth::Authorizer> authorizer;
  ClientOptions options;
};

// A clock that stands still while bytes move: a budget counts waiting, not a long upload.
class PatientClock final : public Clock {
 public:
  WallTime wall() const override { return system_clock().wall(); }
  SteadyTime steady() const override { return system_clock().steady() - excused_; }
  void excuse(std::chrono::nanoseconds spent) { excused_ += spent; }

 private:
  std::chrono::nanoseconds excused_{0};
};

// Decides what follows each attempt of one operation. One thread at a time.
class RetryDecider {
 public:
  explicit RetryDecider(const Link& link);

  // How long to wait before the next attempt, none when this failure is the outcome.
  std::optional<std::chrono::milliseconds> after_loss(const Error& loss);
  std::optional<std::chrono::milliseconds> after_refusal(const ServerError& refusal, const http::Headers& headers);

  // After a refusal that other credentials or a corrected clock may lift: true, once, when one more attempt makes
  // sense. May wait for a token.
  bool credentials_changed(const http::Request& request, const ServerError& refusal, const http::Headers& headers,
                           std::stop_token stop);
  // True when this refusal could be about credentials at all and was not yet tried to lift.
  bool may_be_credentials(const ServerError& refusal) const;

  // Forgets what was spent: the operation has moved on.
  void start_anew();
  PatientClock& clock() { return clock_; }
  // For the next attempt, within what is left of the operation's deadline.
  http::Deadlines deadlines() const;
  unsigned attempts_made() const { return backoff_->attempts_made(); }

 private:
  const Link& link_;
  PatientClock clock_;
  SteadyTime started_;
  std::optional<http::Backoff> backoff_;
  bool credentials_tried_ = false;
  unsigned damaged_bodies_ = 0;
  unsigned strange_answers_ = 0;
};

// Whether a second execution of the same request has the same outcome. Where it has not, no layer below may send twice
// without telling.
enum class Repetition { harmless, matters };

enum class AnswerKind { plain, may_hold_error };  // status 200 with an <Error> inside: copy and complete

struct Call {
  std::string what;    // "PUT bucket/key", safe text
  std::string bucket;  // empty: on the service
  http::Request request;
  auth::PayloadHash payload = auth::PayloadHash::empty();
  AnswerKind kind = AnswerKind::plain;
  Repetition repetition = Repetition::harmless;
  std::chrono::milliseconds first_byte{0};  // 0: as ClientOptions says
};

// How an operation ended. With `failure`, `refusal` tells the server's words when there were any.
struct Answer {
  http::Response response;
  std::optional<ServerError> refusal;
  std::optional<Error> failure;
};

// Blocks until the operation has ended.
Answer exchange(const Link& link, Call call, std::stop_token stop);

// The response, or the error of an operation that has nothing to add to it.
Result<http::Response> response_of(Answer answer);

// A failure of the network as the errno and story that callers of the client see.
Error loss_error(std::string_view what, const Error& loss);

}  // namespace pail::cos
