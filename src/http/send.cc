#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "pailfs/http/client.h"

namespace pail::http {
namespace {

constexpr ByteCount kLargestFirstReserve = 1_MiB;  // a server's Content-Length is a claim, not a fact

// Collects a response for the thread that waits for it.
class Collector : public ResponseHandler {
 public:
  explicit Collector(ByteCount limit) : limit_(limit) {}

  bool on_head(int status, const Headers& headers) override {
    response_.status = status;
    response_.headers = headers;
    return true;
  }

  bool on_data(std::span<const std::byte> bytes) override {
    if (response_.body.size() + bytes.size() > limit_.n) {
      too_large_ = true;
      return false;
    }
    if (response_.body.empty()) response_.body.reserve(std::min(limit_, kLargestFirstReserve).n);
    response_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }

  void on_done(Result<Unit> outcome) override PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    outcome_ = std::move(outcome);
    finished_ = true;
    changed_.notify_all();
  }

  Result<Response> wait() PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!finished_) changed_.wait(mutex_);
    if (too_large_) return Error{EMSGSIZE, fmt::format("the response is larger than {} bytes", limit_.n)};
    if (!outcome_) return std::move(outcome_).error();
    return std::move(response_);
  }

 private:
  const ByteCount limit_;
  // Written by the network thread before it sets finished_, read by the waiter after.
  Response response_;
  bool too_large_ = false;

  Mutex mutex_;
  CondVar changed_;
  bool finished_ PAIL_GUARDED_BY(mutex_) = false;
  Result<Unit> outcome_ PAIL_GUARDED_BY(mutex_) = Unit{};
};

Error waits_for_itself() {
  return {EDEADLK, "waiting for a response on the thread that has to receive it"};
}

}  // namespace

Result<Response> Client::send(Request request, StopToken stop) {
  if (on_network_thread()) return waits_for_itself();
  const auto collector = std::make_shared<Collector>(request.max_response_body);
  start(std::move(request), collector, std::move(stop));
  return collector->wait();
}

}  // namespace pail::http
