#include "cache/known_contents.h"

namespace pail::cache {

ContentId* KnownContents::look_up(std::string_view version) {
  const auto found = by_version_.find(version);
  if (found == by_version_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return &found->second->second;
}

void KnownContents::push(std::string version, const ContentId& id) {
  recent_.emplace_front(std::move(version), id);
  by_version_.emplace(recent_.front().first, recent_.begin());
  if (recent_.size() <= kMost) return;
  by_version_.erase(recent_.back().first);
  recent_.pop_back();
}

std::optional<ContentId> KnownContents::find(std::string_view version) {
  MutexLock lock(mutex_);
  const ContentId* known = look_up(version);
  return known ? std::optional(*known) : std::nullopt;
}

ContentId KnownContents::add(std::string version, const ContentId& id) {
  MutexLock lock(mutex_);
  if (const ContentId* known = look_up(version)) return *known;
  push(std::move(version), id);
  return id;
}

void KnownContents::replace(std::string version, const ContentId& id) {
  MutexLock lock(mutex_);
  if (ContentId* known = look_up(version))
    *known = id;
  else
    push(std::move(version), id);
}

}  // namespace pail::cache
