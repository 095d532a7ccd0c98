#include "cos/request_log.h"

#include <utility>

#include "base/log.h"
#include "cos/errors.h"

namespace pail::cos {

using std::chrono::milliseconds;

RequestLog::RequestLog(std::string what, const Clock& clock)
    : what_(std::move(what)), clock_(clock), began_(clock_.steady()) {}

void RequestLog::repeated(const Error& why, milliseconds pause) {
  ++attempts_;
  spdlog::debug("{}; attempt {} follows in {} ms", why.context, attempts_, pause.count());
}

void RequestLog::ended(const http::Headers& answer) const {
  constexpr milliseconds kSlow{1000};
  const auto took = std::chrono::duration_cast<milliseconds>(clock_.steady() - began_);
  if (took <= kSlow) return;
  const std::string id = request_id_of(answer);
  spdlog::debug("{}: took {} ms, attempts: {}, request id: {}", what_, took.count(), attempts_,
                id.empty() ? "none" : readable(id));
}

}  // namespace pail::cos
