// The simulated store behind a socket, with the real client connected to it.
#pragma once

#include <functional>
#include <memory>

#include "cos/bucket_store.h"
#include "simulation/world/world.h"
#include "store_suite.h"
#include "tiny_server.h"

namespace pail::simulation {

// Answers one request. Called by one thread at a time.
using AnswerOne = std::function<Delivery(const HttpRequest&)>;

class Served {
 public:
  explicit Served(AnswerOne answer, cos::ListVersion version = cos::ListVersion::v2);

  cos::ObjectStore& store() { return *store_; }

 private:
  void serve(test::TinyConnection& connection) PAIL_EXCLUDES(mutex_);

  Mutex mutex_;
  const AnswerOne answer_ PAIL_GUARDED_BY(mutex_);
  test::TinyServer server_{[this](test::TinyConnection& connection, int) { serve(connection); }};
  cos::Connection connection_;
  std::shared_ptr<cos::ObjectStore> store_;
};

}  // namespace pail::simulation
