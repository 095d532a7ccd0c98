// What to make of a refusal that says that something else lies under a key than the request asked for. Proxies, and
// stores in trouble, say so without cause: others changed the object only where a look at it bears that out.
#pragma once

#include <optional>
#include <string>

#include "cos/object_store.h"

namespace pail::cos {

// What is there, held against what the request asked for.
enum class Found {
  expected,  // the version that it named, or nothing where the key was to be free
  another,   // another version
  nothing,   // where it named a version
};

struct Look {
  Found found = Found::expected;
  std::optional<ObjectInfo> object;  // what is there
};

// Waits for a HEAD. `expected`: the version that the request named; empty: the key was to be free.
// Errors: those of the look, and then nothing is known. That there is no object is none.
Result<Look> look_after_refusal(ObjectStore& store, const std::string& key, const ETag& expected,
                                const CallContext& context);

// What the caller of the request is told: the refusal, as it is. Where what was expected is there it is trouble of the
// store instead (Fault::trouble, EIO): the request may be made again.
Error after_look(const Error& refused, Found found);
// Looks where the error is Fault::precondition. The error of the look where that failed.
Error after_look(ObjectStore& store, const std::string& key, const ETag& expected, const Error& refused,
                 const CallContext& context);

}  // namespace pail::cos
