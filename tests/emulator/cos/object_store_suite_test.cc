// The client and the emulator do what every ObjectStore does.
#include "fake_store/object_store_suite.h"

#include "cos/bucket_store.h"
#include "emulator_fixture.h"

namespace pail::cos {
namespace {

struct Served {
  TestServer server;
  Connection connection = connect(server.where());
  std::shared_ptr<ObjectStore> store = open_bucket(*connection.store, "bucket");
};

std::shared_ptr<ObjectStore> over_http() {
  const auto served = std::make_shared<Served>();
  return {served, served->store.get()};
}

INSTANTIATE_TEST_SUITE_P(Emulator, ObjectStoreSuite, testing::Values(over_http));

}  // namespace
}  // namespace pail::cos
