#include "simulation/others/attempts.h"

namespace pail::simulation::others {
namespace {

// A proxy does not know what the store did, and a store in trouble may have done what it refuses.
bool is_refused_by_the_store(const HttpAnswer& answer) {
  return answer.status / 100 == 4 && !field(answer.headers, "x-amz-request-id").empty();
}

}  // namespace

void Attempts::sent(const HttpRequest& request) {
  const Asked asked = understand(request);
  if (asked.operation != Operation::put || !request.body.empty()) return;
  const bool is_first = under_way_.insert(asked.key).second;
  if (!is_first) in_doubt_.insert(asked.key);  // the one before was cut off
}

void Attempts::answered(const Asked& asked, const HttpAnswer& answer, int broken) {
  if (asked.operation != Operation::put) return;
  const bool was_under_way = under_way_.erase(asked.key) > 0;
  const bool is_whole = broken == 0;
  if (is_whole && answer.status / 100 == 2)
    in_doubt_.erase(asked.key);
  else if (was_under_way && !(is_whole && is_refused_by_the_store(answer)))
    in_doubt_.insert(asked.key);
}

}  // namespace pail::simulation::others
