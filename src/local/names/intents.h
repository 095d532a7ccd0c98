// Attempts at requests, as records of the index and back.
#pragma once

#include "local/names/facts.h"

namespace pail::local {

Attempt attempt_of(RequestNumber request, const Intent& intent);
Intent intent_of(const Attempt& attempt);

}  // namespace pail::local
