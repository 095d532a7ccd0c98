#include "local/names/absent_names.h"

namespace pail::local {

void AbsentNames::note(const Place& place, const Absence& absence) {
  MutexLock lock(mutex_);
  if (const auto former = names_.find(place); former != names_.end()) erase(former);
  Ages& ages = ages_of(absence);
  const auto noted = names_.emplace(place, Noted{absence, ++order_}).first;
  ages.emplace(order_, noted);
  if (ages.size() <= kMost) return;
  const auto oldest = ages.begin()->second;
  if (oldest->second.absence.sequence != 0) dropped_.note(oldest->first.parent, oldest->second.absence.sequence);
  erase(oldest);
}

void AbsentNames::forget(const Place& place) {
  MutexLock lock(mutex_);
  if (const auto noted = names_.find(place); noted != names_.end()) erase(noted);
}

void AbsentNames::forget_all(InodeNumber directory) {
  MutexLock lock(mutex_);
  auto noted = names_.lower_bound(ByPlace::Key(directory, {}));
  while (noted != names_.end() && noted->first.parent == directory) erase(noted++);
}

std::optional<Absence> AbsentNames::find(InodeNumber parent, std::string_view name) const {
  MutexLock lock(mutex_);
  const auto noted = names_.find(ByPlace::Key(parent, name));
  return noted == names_.end() ? std::nullopt : std::optional(noted->second.absence);
}

std::size_t AbsentNames::size() const {
  MutexLock lock(mutex_);
  return names_.size();
}

void AbsentNames::erase(Names::iterator place) {
  ages_of(place->second.absence).erase(place->second.order);
  names_.erase(place);
}

}  // namespace pail::local
