// What is told of the end of an operation that goes on by itself.
#pragma once

#include <functional>

#include "pailfs/base/result.h"

namespace pail::cos {

// Called exactly once, on a thread of the store, so never inside of the call that was given it. It
// must return quickly and must not wait for the store.
template <class T>
using Completion = std::function<void(Result<T>)>;

}  // namespace pail::cos
