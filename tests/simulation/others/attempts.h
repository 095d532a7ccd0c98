// A mount's attempts to store an empty object of which it does not know whether they happened. All empty objects have
// one ETag, so one of others may be taken for what such an attempt has made.
#pragma once

#include <set>
#include <string>

#include "simulation/world/message.h"

namespace pail::simulation::others {

// One thread. A mount makes one attempt at a key at a time.
class Attempts {
 public:
  void sent(const HttpRequest& request);
  // `broken`: an errno where the answer, or its end, did not come; else 0.
  void answered(const Asked& asked, const HttpAnswer& answer, int broken);

  // Since the mount last knew that it stored the key.
  bool may_have_happened(const std::string& key) const { return under_way_.contains(key) || in_doubt_.contains(key); }

 private:
  std::set<std::string> under_way_, in_doubt_;  // keys
};

}  // namespace pail::simulation::others
