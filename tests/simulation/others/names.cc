#include "simulation/others/names.h"

#include <algorithm>

namespace pail::simulation::others {

void Names::shown(InodeNumber number, const Place& place, bool now) {
  ever_[number].insert(place);
  numbers_[place].insert(number);
  if (!now) return;
  unsure(place);
  if (const auto elsewhere = at_.find(number); elsewhere != at_.end()) there_.erase(elsewhere->second);
  at_[number] = place;
  there_[place] = number;
}

void Names::moving(const Place& from, const Place& to) {
  targets_.insert(to);
  const auto numbers = numbers_[from];
  for (const InodeNumber number : numbers) shown(number, to, false);
}

void Names::moved(const Place& from, const Place& to, bool surely) {
  const auto found = there_.find(from);
  const std::optional<InodeNumber> number = found != there_.end() ? std::optional(found->second) : std::nullopt;
  unsure(from);
  unsure(to);
  if (surely && number) shown(*number, to, true);
}

void Names::unsure(const Place& place) {
  if (const auto found = there_.extract(place); !found.empty()) at_.erase(found.mapped());
}

const std::set<Place>& Names::places(InodeNumber number) const {
  static const std::set<Place> kNone;
  const auto found = ever_.find(number);
  return found == ever_.end() ? kNone : found->second;
}

std::optional<std::string> Names::path(InodeNumber number) const {
  std::string path;
  std::set<InodeNumber> passed;
  while (number != vfs::kRootInode) {
    const auto found = at_.find(number);
    if (found == at_.end() || !passed.insert(number).second) return std::nullopt;
    path = path.empty() ? found->second.name : found->second.name + "/" + path;
    number = found->second.parent;
  }
  return path;
}

bool Names::may_be(InodeNumber number, std::string_view path) const {
  if (number == vfs::kRootInode) return path.empty();
  return std::ranges::any_of(places(number), [&](const Place& place) { return may_be(place, path); });
}

bool Names::may_be(const Place& place, std::string_view path) const {
  const auto slash = path.rfind('/');
  const bool in_root = slash == std::string_view::npos;
  const std::string_view last = in_root ? path : path.substr(slash + 1);
  if (path.empty() || last != place.name) return false;
  return may_be(place.parent, in_root ? std::string_view() : path.substr(0, slash));
}

bool Names::may_be_above(const Place& place, std::string_view path) const {
  for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1))
    if (may_be(place, path.substr(0, slash))) return true;
  return false;
}

}  // namespace pail::simulation::others
