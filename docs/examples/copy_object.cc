// Fetches one object of a bucket into a file: how a program uses the pailfs-cos library.
//
//   c++ -std=c++20 copy_object.cc $(pkg-config --cflags --libs --static pailfs-cos) -o copy_object
//   copy_object https://s3.eu-de.cloud-object-storage.appdomain.cloud my-bucket report.csv > report.csv
//
// Credentials are looked for where pailfs looks: ~/.bluemix/cos_credentials, the environment, ~/.aws.
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>

#include "pailfs/auth/authorizer.h"
#include "pailfs/cos/client.h"

namespace {

// Writes what arrives to standard output and tells how it ended.
class ToStandardOutput final : public pail::cos::GetHandler {
 public:
  bool on_data(std::span<const std::byte> data) override {
    return std::fwrite(data.data(), 1, data.size(), stdout) == data.size();
  }
  void on_done(pail::Result<pail::cos::ObjectInfo> outcome) override { done_.set_value(std::move(outcome)); }

  pail::Result<pail::cos::ObjectInfo> wait() { return done_.get_future().get(); }

 private:
  std::promise<pail::Result<pail::cos::ObjectInfo>> done_;
};

pail::Result<pail::Unit> copy(const std::string& url, const std::string& bucket, const std::string& key) {
  pail::auth::Sources sources;
  sources.environment = pail::auth::capture_environment();
  if (const char* home = std::getenv("HOME")) sources.home = home;
  sources.bucket = bucket;
  PAIL_TRY(pail::auth::Resolved who, pail::auth::resolve_credentials(sources));

  PAIL_TRY(std::shared_ptr<pail::http::Client> network, pail::http::Client::create({}));
  std::shared_ptr<pail::auth::Authorizer> authorizer =
      pail::auth::make_authorizer(std::move(who.credentials), "us-south", *network);
  PAIL_TRY(const auto store, pail::cos::Client::create(network, authorizer, {.url = url}));

  PAIL_TRY(const pail::cos::ObjectInfo info, store->head_object(bucket, key));
  if (info.size.n == 0) return pail::Unit{};
  const auto output = std::make_shared<ToStandardOutput>();
  store->get_object_async({.bucket = bucket,
                           .key = key,
                           .range = {pail::ByteOffset{0}, pail::ByteOffset{info.size.n}},
                           .if_match = info.etag},
                          output);
  PAIL_CHECK(output->wait());
  return pail::Unit{};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s URL BUCKET KEY\n", argv[0]);
    return 2;
  }
  const auto copied = copy(argv[1], argv[2], argv[3]);
  if (copied) return 0;
  std::fprintf(stderr, "%s: %s\n", argv[0], copied.error().context.c_str());
  return 1;
}
