#include "pailfs/http/client.h"
#include "pailfs/base/stop.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/mutex.h"
#include "http/event_loop.h"

namespace pail::http {
namespace {

constexpr unsigned kMostThreads = 64;
constexpr unsigned kMostConnections = 10'000;
constexpr ByteCount kSmallestReceiveBuffer = 1_KiB;
constexpr ByteCount kLargestReceiveBuffer = 10_MiB;  // curl's own limit
constexpr ByteCount kLargestFirstReserve = 1_MiB;    // a server's Content-Length is a claim, not a fact

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

Result<Unit> check_options(const ClientOptions& options) {
  if (options.threads == 0 || options.threads > kMostThreads)
    return Error{EINVAL, fmt::format("{} network threads: must be 1 to {}", options.threads, kMostThreads)};
  if (options.connections_per_host == 0 || options.connections_per_host > kMostConnections)
    return Error{EINVAL,
                 fmt::format("{} connections a host: must be 1 to {}", options.connections_per_host, kMostConnections)};
  if (options.receive_buffer < kSmallestReceiveBuffer || options.receive_buffer > kLargestReceiveBuffer)
    return Error{EINVAL, fmt::format("receive buffer of {} bytes: must be {} to {}", options.receive_buffer.n,
                                     kSmallestReceiveBuffer.n, kLargestReceiveBuffer.n)};
  if (options.ca_bundle.empty()) return Unit{};
  if (const auto bundle = open_file(options.ca_bundle, O_RDONLY); !bundle)
    return Error{bundle.error().errnum, fmt::format("CA bundle {}", bundle.error().context)};
  return Unit{};
}

Error waits_for_itself() {
  return {EDEADLK, "waiting for a response on the thread that has to receive it"};
}

}  // namespace

class Client::Impl {
 public:
  explicit Impl(std::vector<std::unique_ptr<EventLoop>> loops) : loops_(std::move(loops)) {}

  void start(Request request, std::shared_ptr<ResponseHandler> handler, const StopToken& stop) {
    const auto loop = std::min_element(loops_.begin(), loops_.end(),
                                       [](const auto& a, const auto& b) { return a->load() < b->load(); });
    (*loop)->add(std::make_shared<Transfer>(std::move(request), std::move(handler)), stop);
  }

  bool on_network_thread() const {
    return std::any_of(loops_.begin(), loops_.end(), [](const auto& loop) { return loop->is_current_thread(); });
  }

 private:
  const std::vector<std::unique_ptr<EventLoop>> loops_;
};

Result<std::unique_ptr<Client>> Client::create(ClientOptions options) {
  PAIL_CHECK(check_options(options));
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global != CURLE_OK) return Error{EIO, fmt::format("libcurl: {}", curl_easy_strerror(global))};
  if (options.user_agent.empty()) options.user_agent = "pailfs/" PAILFS_VERSION;

  std::vector<std::unique_ptr<EventLoop>> loops;
  const unsigned share = (options.connections_per_host + options.threads - 1) / options.threads;
  for (unsigned i = 0; i < options.threads; ++i) {
    PAIL_TRY(auto loop, EventLoop::create(options, share));
    loops.push_back(std::move(loop));
  }
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>(std::move(loops))));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

void Client::start(Request request, std::shared_ptr<ResponseHandler> handler, StopToken stop) {
  impl_->start(std::move(request), std::move(handler), stop);
}

Result<Response> Client::send(Request request, StopToken stop) {
  if (on_network_thread()) return waits_for_itself();
  const auto collector = std::make_shared<Collector>(request.max_response_body);
  start(std::move(request), collector, std::move(stop));
  return collector->wait();
}

bool Client::on_network_thread() const {
  return impl_->on_network_thread();
}

}  // namespace pail::http
