// Gives the operation suite an emulator of its own; the other tests of this program start theirs.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "emulator_fixture.h"

namespace pail::cos {
namespace {

class SuiteStore final : public ::testing::Environment {
 public:
  void SetUp() override {
    server_ = std::make_unique<TestServer>();
    const StoreUnderTest where = server_->where();
    ::setenv("PAILFS_STORE_URL", where.url.c_str(), 1);
    ::setenv("PAILFS_STORE_ACCESS_KEY", where.access_key.c_str(), 1);
    ::setenv("PAILFS_STORE_SECRET_KEY", where.secret_key.c_str(), 1);
    ::unsetenv("PAILFS_STORE_NAME");
  }
  void TearDown() override { server_.reset(); }

 private:
  std::unique_ptr<TestServer> server_;
};

}  // namespace
}  // namespace pail::cos

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::AddGlobalTestEnvironment(new pail::cos::SuiteStore);
  return RUN_ALL_TESTS();
}
