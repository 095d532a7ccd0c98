// A bucket as an S3 store shows it: HTTP requests in, HTTP answers out.
//
// Every request that cos::ObjectStore sends is answered as IBM COS and S3 do, with XML read and written
// by tinyxml2 and nothing of the client's. What it does not know (other query parameters, other sub-resources) it
// answers with 501 NotImplemented. A request needs an Authorization header; its signature is not verified.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "fake_store/bucket.h"
#include "simulation/world/message.h"

namespace pail::simulation {

// Which of many keys are not deleted, for an InternalError each.
using KeepsKey = std::function<bool(const std::string&)>;

// Carries the request out at the store's time `now`. `keeps` null: none.
HttpAnswer answer(fake::Bucket& bucket, const HttpRequest& request, WallTime now, std::uint64_t request_number,
                  const KeepsKey& keeps = nullptr);

// An answer of the store's own that is an <Error>; without a document where the method is HEAD.
HttpAnswer refuse(const HttpRequest& request, const fake::Refusal& refusal, WallTime now, std::uint64_t request_number);

}  // namespace pail::simulation
