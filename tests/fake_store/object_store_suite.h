// What every ObjectStore does: run on the one in memory and on the client with the emulator, so
// that what is shown with the one holds for the other.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "cos/object_store.h"

namespace pail::cos {

// Makes a store with an empty bucket of its own.
using MakeStore = std::shared_ptr<ObjectStore> (*)();

class ObjectStoreSuite : public testing::TestWithParam<MakeStore> {
 protected:
  Result<PutResult> put(std::string key, std::string bytes, Preconditions conditions = {});
  std::string bytes(const std::string& key);  // "<none>" where there are none
  std::string range(const std::string& key, Extent extent, ETag if_match = {});  // or "<fault N>"

  const std::shared_ptr<ObjectStore> store_ = GetParam()();
};

}  // namespace pail::cos
