#include "cos/service.h"

#include <fmt/format.h>

#include <utility>

#include "cos/errors.h"
#include "pailfs/http/url.h"

namespace pail::cos {

void SeenBucket::seen(std::string_view bucket) {
  const MutexLock lock(mutex_);
  bucket_ = bucket;
  when_ = clock_.steady();
}

bool SeenBucket::lately(std::string_view bucket) const {
  constexpr std::chrono::seconds kLately{2};
  const MutexLock lock(mutex_);
  return bucket_ == bucket && clock_.steady() - when_ < kLately;
}

Result<std::shared_ptr<Service>> Service::create(std::shared_ptr<http::Client> network,
                                                 std::shared_ptr<auth::Authorizer> authorizer, ClientOptions options) {
  PAIL_TRY(http::Url url, http::parse_url(options.url));
  if (url.path != "/" || !url.query.empty())
    return Error{EINVAL, fmt::format("{}: the URL of a store has neither path nor query", readable(options.url))};
  if (network == nullptr || authorizer == nullptr) return Error{EINVAL, "a client needs a network and an authorizer"};
  Addresses addresses(std::move(url), options.addressing);
  return std::make_shared<Service>(std::move(network), std::move(authorizer), std::move(options), std::move(addresses));
}

Service::Service(std::shared_ptr<http::Client> network, std::shared_ptr<auth::Authorizer> authorizer,
                 ClientOptions options, Addresses addresses)
    : network_(std::move(network)),
      authorizer_(std::move(authorizer)),
      options_(std::move(options)),
      addresses_(std::move(addresses)),
      health_(addresses_.origin(), *options_.clock, options_.outages),
      bucket_seen_(*options_.clock),
      dialect_(std::make_shared<Dialect>(addresses_.origin(), options_.dialect_file, *options_.clock)),
      timer_(*options_.clock) {}

void Service::post(std::function<void()> task) {
  timer_.run_now([running = running_.enter(), task = std::move(task)] { task(); });
}

}  // namespace pail::cos
