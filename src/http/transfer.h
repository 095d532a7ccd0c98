// One request on its way: what curl calls back for it, and when it has been silent for too long.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pailfs/base/clock.h"
#include "pailfs/base/stop.h"
#include "pailfs/http/client.h"
#include "pailfs/http/url.h"

namespace pail::http {

template <auto Free>
struct FreeWith {
  void operator()(auto* handle) const noexcept { Free(handle); }
};
using CurlEasy = std::unique_ptr<CURL, FreeWith<curl_easy_cleanup>>;
using CurlMulti = std::unique_ptr<CURLM, FreeWith<curl_multi_cleanup>>;
using CurlList = std::unique_ptr<curl_slist, FreeWith<curl_slist_free_all>>;

// Made by the caller of Client::start(), from then on touched by the loop's thread alone.
class Transfer {
 public:
  enum class Stage { queued, waiting, active, done };

  Transfer(Request request, std::shared_ptr<ResponseHandler> handler);

  // Runs `cancel` when `stop` is requested, at once when it was. Called once, before the loop sees the transfer.
  void watch(const StopToken& stop, std::function<void()> cancel);

  // Checks the request. Errors: EINVAL. Afterwards origin() names the host.
  Result<Unit> parse();
  const std::string& origin() const { return origin_; }
  Lane lane() const { return request_.lane; }

  // Sets everything on a fresh or reset handle, which the transfer owns until release().
  Result<Unit> prepare(CurlEasy easy, const ClientOptions& options, SteadyTime now);
  CURL* easy() const { return easy_.get(); }
  CurlEasy release() { return std::move(easy_); }

  // The time at which silence becomes a timeout; none while curl itself watches the connecting.
  std::optional<SteadyTime> deadline() const;
  // Tells the budget how much of the body the other side has confirmed. Called at least every second.
  void note_sent() const;
  // No deadline comes sooner than this after a sign of life.
  std::chrono::milliseconds shortest_patience() const {
    const auto patience = std::min(request_.deadlines.first_byte, request_.deadlines.stall);
    return request_.budget ? std::min(patience, request_.budget->left()) : patience;
  }
  // Called when the deadline has passed. The error to end with, or none when bytes were still leaving the socket.
  std::optional<Error> expire(SteadyTime now);

  // The outcome for curl's final code.
  Result<Unit> outcome(CURLcode code) const;
  // Tells the handler, once. The stop token is no longer watched afterwards.
  void finish(Result<Unit> outcome);

  // An error with the request's method and URL (without its query) before `text`.
  Error error(int errnum, std::string_view text) const;

  Stage stage = Stage::queued;
  bool cancelled = false;  // asked for before the loop had seen it

 private:
  enum class Phase { connecting, sending, awaiting, receiving };

  static std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t write_callback(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t read_callback(char* data, std::size_t size, std::size_t count, void* self);
  static int seek_callback(void* self, curl_off_t offset, int origin);
  static int prereq_callback(void* self, char*, char*, int, int);

  bool take_header_line(std::string_view line);
  bool deliver_head();
  Result<Unit> build_header_list(const ClientOptions& options);
  bool sends_body() const;
  void progress(Phase phase);
  SteadyTime phase_deadline() const;        // not while connecting
  std::optional<int> unsent_bytes() const;  // in the socket's send queue
  Result<Unit> apply_options(const ClientOptions& options);
  Error describe(CURLcode code) const;
  Error tls_error() const;

  Request request_;
  std::shared_ptr<ResponseHandler> handler_;
  std::optional<StopCallback> on_stop_;
  Url url_;
  std::string origin_;
  CurlEasy easy_;
  CurlList header_list_;
  char message_[CURL_ERROR_SIZE] = {};

  const SteadyTime queued_;  // when the transfer was made
  Phase phase_ = Phase::connecting;
  SteadyTime last_progress_;
  int unsent_ = -1;  // bytes in the socket's send queue when last looked at
  ByteOffset body_at_;
  ByteCount received_;

  int status_ = 0;
  Headers head_;
  ByteCount head_bytes_;
  bool head_delivered_ = false;
  bool request_sent_ = false;
  std::optional<Error> own_error_;  // why a callback stopped curl
};

}  // namespace pail::http
