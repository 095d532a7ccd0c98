// The file system on stores that lack something, as it sees them: through cos::adapt().
#include <fcntl.h>
#include <gmock/gmock.h>

#include "../temporary_directory.h"
#include "cos/adapted_store.h"
#include "fake_store/fake_store.h"
#include "filesystem_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using fake::Support;

class StoreKindsTest : public FileSystemTest {
 protected:
  void SetUp() override {
    use_directory(directory_.path());
    options_.metadata_ttl = 0s;
    options_.parallel = 4;
    options_.part_size = 5_MiB;
    start();
  }
  void TearDown() override { fs_.reset(); }
  std::shared_ptr<cos::ObjectStore> object_store() const override { return adapted_; }

  const TemporaryDirectory directory_;
  const std::shared_ptr<fake::FakeStore> store_ = std::make_shared<fake::FakeStore>();
  const std::shared_ptr<cos::ObjectStore> adapted_ =
      cos::adapt(store_, std::make_shared<cos::Dialect>("https://store.example", "", system_clock()));
};

TEST_F(StoreKindsTest, AFileThatOthersChangedIsNotOverwrittenOnAStoreThatIgnoresConditions) {
  store_->set({.put_conditions = Support::ignored});
  store_->put("a", "base");
  const auto [number, handle] = open("a", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("more")));
  store_->put("a", "theirs");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  EXPECT_EQ(store_->bytes("a"), "theirs");
}

TEST_F(StoreKindsTest, AnUploadThatTheStoreEndsWithARefusalIsSentOnceMore) {
  store_->set({.ends_refused_uploads = true});
  const std::string content = ramp(6 << 20);
  EXPECT_EQ(write("a", content), 0);
  EXPECT_EQ(store_->bytes("a"), content);
  EXPECT_EQ(store_->open_uploads(), 0u);
}

TEST_F(StoreKindsTest, AFileThatOthersRemovedIsNotMadeAgainWhereTheStoreCallsThatNoKey) {
  store_->set({.no_key_to_match = true});
  store_->put("a", "base");
  const auto [number, handle] = open("a", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  store_->remove("a");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  EXPECT_FALSE(store_->bytes("a"));
}

TEST_F(StoreKindsTest, PermissionsOfADirectoryAreStoredWhereTheStoreCopiesNoMarkers) {
  store_->set({.copies_markers = false});
  ASSERT_EQ(mkdir("d"), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("d"), {.permissions = 0700}));
  start_cold();
  EXPECT_EQ(attributes("d").permissions, 0700u);
}

TEST_F(StoreKindsTest, ADirectoryIsRenamedWithItsPermissionsWhereTheStoreCopiesNoMarkers) {
  store_->set({.copies_markers = false});
  ASSERT_EQ(mkdir("d"), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("d"), {.permissions = 0700}));
  ASSERT_EQ(write("d/a", "content"), 0);
  ASSERT_EQ(rename("d", "e"), 0);
  start_cold();
  EXPECT_EQ(attributes("e").permissions, 0700u);
  EXPECT_EQ(read("e/a"), "content");
}

}  // namespace
}  // namespace pail::vfs
