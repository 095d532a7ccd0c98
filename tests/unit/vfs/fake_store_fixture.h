// A file system over a store in memory, driven without a mount.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
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

  // The process dies when the store has carried out such a request of `work`, and before the answer: the next start()
  // or resume() finds what lay on the disk then.
  void die_behind(fake::Operation operation, const std::function<int()>& work) {
    die_behind(fake::Match{.operation = operation}, work);
  }
  void die_behind(fake::Match at, const std::function<int()>& work) {
    const fake::Hold carried_out = store_->hold(std::move(at), fake::Moment::after);
    auto working = std::async(std::launch::async, work);
    ASSERT_TRUE(carried_out.await());
    const auto cut = directory_.path() / "cut";
    std::filesystem::copy(options_.cache_directory, cut, std::filesystem::copy_options::recursive);
    carried_out.release();
    ASSERT_EQ(working.get(), 0);
    fs_.reset();
    std::filesystem::remove_all(options_.cache_directory);
    std::filesystem::rename(cut, options_.cache_directory);
  }

  const TemporaryDirectory directory_;
  const std::shared_ptr<fake::FakeStore> store_ = std::make_shared<fake::FakeStore>();
};

}  // namespace pail::vfs
