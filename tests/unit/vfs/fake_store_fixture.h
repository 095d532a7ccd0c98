// A file system over a store in memory, driven without a mount.
#pragma once

#include <chrono>
#include <memory>

#include "../temporary_directory.h"
#include "fake_store/fake_store.h"
#include "filesystem_fixture.h"

namespace pail::vfs {

// It trusts nothing that it saw before. A suite changes `options_` in its constructor, or before it calls SetUp().
class FakeStoreTest : public FileSystemTest {
 protected:
  FakeStoreTest() {
    use_directory(directory_.path());
    options_.metadata_ttl = std::chrono::seconds(0);
    options_.parallel = 4;  // threads are most of what a start costs
  }
  void SetUp() override { start(); }
  void TearDown() override { fs_.reset(); }
  std::shared_ptr<cos::ObjectStore> object_store() const override { return store_; }

  const TemporaryDirectory directory_;
  const std::shared_ptr<fake::FakeStore> store_ = std::make_shared<fake::FakeStore>();
};

}  // namespace pail::vfs
