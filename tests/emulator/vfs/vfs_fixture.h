// A file system over an emulator in this process, driven without a mount.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cos/bucket_store.h"
#include "emulator/emulator.h"
#include "filesystem_fixture.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/cos/client.h"

namespace pail::vfs {

class VfsTest : public FileSystemTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::shared_ptr<cos::ObjectStore> object_store() const override { return cos::open_bucket(*store_, kBucket); }

  // What the emulator can is taken for known: tests count requests.
  void know_store();

  // The bucket itself, past the file system.
  void put(const std::string& key, std::string content, cos::ObjectHeaders headers = {});
  std::string object(const std::string& key);  // "<none>" when there is none
  std::vector<std::string> keys();
  std::size_t open_uploads();
  std::uint64_t requests(const std::string& operation);

  std::filesystem::path directory_;
  std::unique_ptr<emulator::Emulator> server_;
  std::shared_ptr<http::Client> http_;
  std::shared_ptr<cos::Client> store_;
};

}  // namespace pail::vfs
