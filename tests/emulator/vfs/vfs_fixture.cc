#include "vfs_fixture.h"

#include "cos/service.h"

namespace pail::vfs {

void VfsTest::SetUp() {
  std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-vfs-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  directory_ = pattern;
  emulator::Options serve;
  serve.directory = directory_ / "server";
  serve.buckets = {kBucket};
  auto server = emulator::Emulator::start(std::move(serve));
  ASSERT_TRUE(server) << server.error().context;
  server_ = std::move(*server);
  auto http = http::Client::create({});
  ASSERT_TRUE(http) << http.error().context;
  http_ = std::move(*http);
  const auto& keys = server_->credentials();
  std::shared_ptr<auth::Authorizer> authorizer =
      auth::make_authorizer(auth::HmacKeys{keys.access_key_id, keys.secret_access_key, {}}, "us-south", *http_);
  auto store = cos::Client::create(http_, std::move(authorizer), {.url = server_->url()});
  ASSERT_TRUE(store) << store.error().context;
  store_ = std::move(*store);
  know_store();
  use_directory(directory_);
  start();
}

void VfsTest::TearDown() {
  fs_.reset();
  store_.reset();
  http_.reset();
  server_.reset();
  std::filesystem::remove_all(directory_);
}

void VfsTest::know_store() {
  const auto dialect = store_->service()->dialect();
  for (std::size_t i = 0; i < cos::kAbilities; ++i) dialect->proven_there(static_cast<cos::Ability>(i));
}

void VfsTest::put(const std::string& key, std::string content, cos::ObjectHeaders headers) {
  const auto put = store_->put_object(
      kBucket, {.key = key, .body = http::body_from_string(std::move(content)), .headers = std::move(headers)});
  ASSERT_TRUE(put) << put.error().context;
}

std::string VfsTest::object(const std::string& key) {
  const auto content = store_->get_object(kBucket, key, 1_GiB);
  return content ? *content : "<none>";
}

std::vector<std::string> VfsTest::keys() {
  std::vector<std::string> keys;
  const auto page = store_->list_objects(kBucket, {});
  EXPECT_TRUE(page) << page.error().context;
  if (page)
    for (const auto& object : page->objects) keys.push_back(object.key);
  return keys;
}

std::size_t VfsTest::open_uploads() {
  const auto page = store_->list_uploads(kBucket, "", "", "");
  EXPECT_TRUE(page) << page.error().context;
  return page ? page->uploads.size() : 0;
}

std::uint64_t VfsTest::requests(const std::string& operation) {
  return server_->counters()[operation].requests;
}

}  // namespace pail::vfs
