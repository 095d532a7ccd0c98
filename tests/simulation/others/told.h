// What an answer of the store tells a mount of the versions of objects.
#pragma once

#include <string>
#include <vector>

#include "simulation/world/message.h"

namespace pail::simulation::others {

struct Told {
  std::string key, etag;
};

// Of an answer that may have broken off: what came.
std::vector<Told> told_by(const Asked& asked, const HttpAnswer& answer);

}  // namespace pail::simulation::others
