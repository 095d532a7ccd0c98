// Which store the operation suite talks to, and how its tests reach it.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "pailfs/auth/authorizer.h"
#include "pailfs/cos/client.h"

namespace pail::cos {

// Taken from PAILFS_STORE_URL, PAILFS_STORE_ACCESS_KEY, PAILFS_STORE_SECRET_KEY; PAILFS_STORE_NAME names a foreign
// store with known gaps ("versitygw", "moto"), empty for one that promises everything.
struct StoreUnderTest {
  std::string url, access_key, secret_key, name;
  static StoreUnderTest from_environment();
};

// A client with its network, in the order in which they may go.
struct Connection {
  std::shared_ptr<http::Client> network;
  std::shared_ptr<auth::Authorizer> authorizer;
  std::unique_ptr<Client> store;
};
Connection connect(const StoreUnderTest& where, ClientOptions options = {});

// Collects what a ranged GET delivers.
class Collector final : public GetHandler {
 public:
  bool on_data(std::span<const std::byte> data) override {
    if (bytes_.empty()) begun_.set_value();
    bytes_.append(reinterpret_cast<const char*>(data.data()), data.size());
    return bytes_.size() < stop_after;
  }
  void on_done(Result<ObjectInfo> outcome) override { done_.set_value(std::move(outcome)); }

  void wait_for_data() { begun_.get_future().wait(); }
  Result<ObjectInfo> wait() { return done_.get_future().get(); }
  const std::string& bytes() const { return bytes_; }  // after wait()

  std::size_t stop_after = ~std::size_t{0};

 private:
  std::string bytes_;
  std::promise<void> begun_;
  std::promise<Result<ObjectInfo>> done_;
};

// Bytes [begin, end) of an object, or the error of the read.
Result<std::string> read_range(Client& store, std::string bucket, std::string key, std::uint64_t begin,
                               std::uint64_t end, ETag if_match = {});

// Text that repeats every 251 bytes: a part or block in the wrong place shows.
std::string ramp(std::size_t size);

}  // namespace pail::cos
