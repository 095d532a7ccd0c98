// One bucket of a blocking client as an ObjectStore, until the client itself is asynchronous.
//
//   store = cos::client_object_store(client, "my-bucket");
//
// Waiting calls are carried out on the caller's thread: as many at a time as there are callers.
// Started ones run on threads of the store: 16 for what is quick (HEAD, listings, deletes, the
// begin and the abort of uploads), 8 others for what carries bytes or lets the store work, so that
// a HEAD never stands behind the parts of an upload. More wait their turn. Ranged reads need no
// thread.
//
// Thread-safe. Destruction waits for what was started.
#pragma once

#include <memory>
#include <string>

#include "cos/object_store.h"

namespace pail::cos {

std::shared_ptr<ObjectStore> client_object_store(std::shared_ptr<Client> client, std::string bucket);

}  // namespace pail::cos
