// What the file system makes of answers that prove nothing, and of a store that does not answer.
#include <fcntl.h>

#include <chrono>

#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using emulator::FaultKind;

class StoreFaultTest : public VfsTest {
 protected:
  void SetUp() override {
    options_.metadata_ttl = {};  // every look asks the store
    VfsTest::SetUp();
  }

  // HEAD of whatever is answered so; what is known of a file must survive it.
  void expect_nothing_is_lost(emulator::FaultRule rule) {
    put("file", "content");
    const InodeNumber number = look("file");
    ASSERT_NE(number, 0u);
    rule.operations = {"HeadObject"};
    server_->add_fault(rule);
    EXPECT_EQ(errnum_of(fs_->getattr(request(), number)), EIO);
    server_->clear_faults();
    EXPECT_EQ(errnum_of(fs_->getattr(request(), number)), 0);
    EXPECT_EQ(look("file"), number);
    EXPECT_EQ(read("file"), "content");
  }

  // The requests by HEAD that storing a new file takes: none with conditions, a look before the PUT without.
  std::uint64_t looks_of_a_flush(std::string_view path) {
    const auto [number, handle] = create(path);
    EXPECT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span(path))));
    const std::uint64_t before = requests("HeadObject");
    EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), 0);
    const std::uint64_t looks = requests("HeadObject") - before;
    opens_->remove(number);
    fs_->release(request(), number, handle);
    return looks;
  }

  void use_deadline(std::chrono::milliseconds deadline) {
    fs_.reset();
    const auto& keys = server_->credentials();
    std::shared_ptr<auth::Authorizer> authorizer =
        auth::make_authorizer(auth::HmacKeys{keys.access_key_id, keys.secret_access_key, {}}, "us-south", *http_);
    auto store = cos::Client::create(http_, std::move(authorizer), {.url = server_->url(), .deadline = deadline});
    ASSERT_TRUE(store) << store.error().context;
    store_ = std::move(*store);
    know_store();
    start();
  }
};

TEST_F(StoreFaultTest, AProxys404IsEioAndTakesNothingAway) {
  expect_nothing_is_lost({.kind = FaultKind::proxy, .status = 404});
}

TEST_F(StoreFaultTest, AProxys403IsEioAndTakesNothingAway) {
  expect_nothing_is_lost({.kind = FaultKind::proxy, .status = 403});
}

TEST_F(StoreFaultTest, AProxys403ShowsNoLinkAsAFile) {
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "link", "target"));
  start_cold();
  server_->add_fault({.operations = {"HeadObject", "GetObject"}, .kind = FaultKind::proxy, .status = 403});
  EXPECT_EQ(errnum_of(fs_->lookup(request(), kRootInode, "link")), EIO);
  server_->clear_faults();
  EXPECT_EQ(attributes("link").type, FileType::symlink);
}

TEST_F(StoreFaultTest, ARedirectIsEioAndTakesNothingAway) {
  expect_nothing_is_lost({.kind = FaultKind::status, .status = 307, .code = "TemporaryRedirect"});
  expect_nothing_is_lost({.kind = FaultKind::status, .status = 301, .code = "PermanentRedirect"});
}

TEST_F(StoreFaultTest, AProxysRefusalOfAPutLeavesConditionalWritesOn) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::proxy, .times = 1, .status = 501});
  EXPECT_EQ(looks_of_a_flush("a"), 0u);
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::proxy, .times = 1, .status = 405});
  EXPECT_EQ(looks_of_a_flush("b"), 0u);
  EXPECT_EQ(looks_of_a_flush("c"), 0u);
}

TEST_F(StoreFaultTest, ARefusalThatIsNotAboutTheConditionLeavesConditionalWritesOn) {
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::status, .times = 2, .status = 501, .code = "NotImplemented"});
  EXPECT_EQ(write("a", "x"), EOPNOTSUPP);
  EXPECT_EQ(looks_of_a_flush("b"), 0u);
}

TEST_F(StoreFaultTest, ARefusalThatIsAboutTheConditionTurnsConditionalWritesOff) {
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::status, .times = 1, .status = 501, .code = "NotImplemented"});
  EXPECT_GT(looks_of_a_flush("a"), 0u);
  EXPECT_GT(looks_of_a_flush("b"), 0u);
}

TEST_F(StoreFaultTest, WhileTheStoreIsDownAFlushStillMakesAllItsAttempts) {
  use_deadline(std::chrono::seconds(3));
  put("file", "content");
  const InodeNumber file = look("file");
  const auto [number, handle] = create("new");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span("bytes", 5))));
  server_->add_fault({.operations = {"HeadObject"}, .kind = FaultKind::stall});
  EXPECT_EQ(errnum_of(fs_->getattr(request(), file)), ETIMEDOUT);
  server_->clear_faults();
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::status, .times = 2, .status = 503});
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), 0);
  EXPECT_EQ(object("new"), "bytes");
  opens_->remove(number);
  fs_->release(request(), number, handle);
}

}  // namespace
}  // namespace pail::vfs
