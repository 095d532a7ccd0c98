// A ranged GET that delivers exactly the bytes asked for, of one object version, or an error: never
// an error's body, never a mixture of versions. Broken transfers go on from the byte they reached.
#pragma once

#include <memory>

#include "cos/operations/operation.h"

namespace pail::cos::op {

// The handler is called on threads of the service, one call at a time.
void start_ranged_get(Service& service, GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context);

}  // namespace pail::cos::op
