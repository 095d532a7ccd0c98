// One store at one endpoint, with what all operations on it share: the network, the credentials,
// and what is known of the store. Operations are started by cos/operations/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "cos/dialect.h"
#include "cos/running_transfers.h"
#include "cos/store_health.h"
#include "cos/wire.h"
#include "pailfs/cos/client.h"
#include "runtime/timer.h"

namespace pail::cos {

// The bucket that lately showed itself to be there. Thread-safe.
class SeenBucket {
 public:
  // `clock` is borrowed.
  explicit SeenBucket(const Clock& clock) : clock_(clock) {}
  void seen(std::string_view bucket) PAIL_EXCLUDES(mutex_);
  // Within 2 seconds: a 404 of the store to a HEAD is then about the key, and not about the bucket.
  bool lately(std::string_view bucket) const PAIL_EXCLUDES(mutex_);

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  std::string bucket_ PAIL_GUARDED_BY(mutex_);
  SteadyTime when_ PAIL_GUARDED_BY(mutex_){};
};

// Thread-safe. Destruction ends all operations with EINTR and waits for their completions: not from
// one of them.
class Service {
 public:
  // Errors: EINVAL `options.url` is no scheme://host[:port], or one of the others is missing.
  static Result<std::shared_ptr<Service>> create(std::shared_ptr<http::Client> network,
                                                 std::shared_ptr<auth::Authorizer> authorizer, ClientOptions options);
  Service(std::shared_ptr<http::Client> network, std::shared_ptr<auth::Authorizer> authorizer, ClientOptions options,
          Addresses addresses);
  ~Service() { running_.stop_all(); }

  const ClientOptions& options() const { return options_; }
  const Addresses& addresses() const { return addresses_; }
  http::Client& network() { return *network_; }
  auth::Authorizer& authorizer() { return *authorizer_; }
  StoreHealth& health() { return health_; }
  SeenBucket& bucket_seen() { return bucket_seen_; }
  const std::shared_ptr<Dialect>& dialect() { return dialect_; }
  RunningTransfers& running() { return running_; }
  runtime::Timer& timer() { return timer_; }

  // Runs `task`, which must be quick, on a thread of the service: never inside of this call.
  void post(std::function<void()> task);

 private:
  const std::shared_ptr<http::Client> network_;
  const std::shared_ptr<auth::Authorizer> authorizer_;
  const ClientOptions options_;
  const Addresses addresses_;
  StoreHealth health_;
  SeenBucket bucket_seen_;
  const std::shared_ptr<Dialect> dialect_;
  RunningTransfers running_;
  runtime::Timer timer_;  // last: its tasks use all the others
};

}  // namespace pail::cos
