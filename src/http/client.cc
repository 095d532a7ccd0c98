#include "pailfs/http/client.h"
#include "pailfs/base/stop.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "http/event_loop.h"

namespace pail::http {
namespace {

constexpr unsigned kMostThreads = 64;
constexpr unsigned kMostConnections = 10'000;
constexpr ByteCount kSmallestReceiveBuffer = 1_KiB;
constexpr ByteCount kLargestReceiveBuffer = 10_MiB;  // curl's own limit

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

bool Client::on_network_thread() const {
  return impl_->on_network_thread();
}

}  // namespace pail::http
