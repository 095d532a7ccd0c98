#include "store_suite.h"

#include <cstdlib>

namespace pail::cos {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

StoreUnderTest StoreUnderTest::from_environment() {
  return {variable("PAILFS_STORE_URL"), variable("PAILFS_STORE_ACCESS_KEY"), variable("PAILFS_STORE_SECRET_KEY"),
          variable("PAILFS_STORE_NAME")};
}

Connection connect(const StoreUnderTest& where, ClientOptions options) {
  Connection made;
  auto network = http::Client::create({});
  if (!network) ADD_FAILURE() << network.error().context;
  made.network = *std::move(network);
  auth::Credentials credentials = auth::Anonymous{};
  if (!where.access_key.empty()) credentials = auth::HmacKeys{where.access_key, Secret(where.secret_key), {}};
  made.authorizer = auth::make_authorizer(std::move(credentials), "us-east-1", *made.network);
  options.url = where.url;
  auto store = Client::create(made.network, made.authorizer, options);
  if (!store) ADD_FAILURE() << store.error().context;
  made.store = *std::move(store);
  return made;
}

Result<std::string> read_range(Client& store, std::string bucket, std::string key, std::uint64_t begin,
                               std::uint64_t end, ETag if_match) {
  const auto collector = std::make_shared<Collector>();
  store.get_object_async({.bucket = std::move(bucket),
                          .key = std::move(key),
                          .range = {ByteOffset{begin}, ByteOffset{end}},
                          .if_match = std::move(if_match)},
                         collector);
  PAIL_CHECK(collector->wait());
  return collector->bytes();
}

std::string ramp(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i % 251);
  return out;
}

}  // namespace pail::cos
