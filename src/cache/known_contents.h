// The contents of the object versions that were asked for last, in memory: those of which nothing is on disk yet among
// them. Thread-safe.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "cache/block_cache.h"

namespace pail::cache {

class KnownContents {
 public:
  static constexpr std::size_t kMost = 4096;

  // `version`: see text_of().
  std::optional<ContentId> find(std::string_view version) PAIL_EXCLUDES(mutex_);
  // What is known already stays, and is the answer.
  ContentId add(std::string version, const ContentId& id) PAIL_EXCLUDES(mutex_);
  void replace(std::string version, const ContentId& id) PAIL_EXCLUDES(mutex_);

 private:
  using Recent = std::list<std::pair<const std::string, ContentId>>;
  ContentId* look_up(std::string_view version) PAIL_REQUIRES(mutex_);
  void push(std::string version, const ContentId& id) PAIL_REQUIRES(mutex_);

  Mutex mutex_;
  Recent recent_ PAIL_GUARDED_BY(mutex_);                                                      // asked for last first
  std::unordered_map<std::string_view, Recent::iterator> by_version_ PAIL_GUARDED_BY(mutex_);  // views of `recent_`
};

}  // namespace pail::cache
