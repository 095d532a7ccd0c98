// One bucket of a client as an ObjectStore whose operations need no thread.
//
//   std::shared_ptr<cos::ObjectStore> store = cos::open_bucket(*client, "my-bucket");
//
// It shares the client's connections, credentials and knowledge of the store, and may outlive it.
// What the store does not know it does without (adapted_store.h). Bodies that come without an MD5
// are read inside of the call that starts their upload.
//
// Thread-safe. Destruction waits until all completions have been called, and with the last of
// client and stores ends ranged reads with EINTR: never inside of a completion.
#pragma once

#include <memory>
#include <string>

#include "cos/object_store.h"

namespace pail::cos {

std::shared_ptr<ObjectStore> open_bucket(const Client& client, std::string bucket);

}  // namespace pail::cos
