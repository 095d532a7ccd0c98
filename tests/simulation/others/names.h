// Which names the inode numbers of a mount have had, as far as its answers tell.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "simulation/calls.h"

namespace pail::simulation::others {

struct Place {
  InodeNumber parent = 0;
  std::string name;
  auto operator<=>(const Place&) const = default;
};

// Of one mount's life. One thread.
class Names {
 public:
  // It was shown there; `now`: and surely is there.
  void shown(InodeNumber number, const Place& place, bool now);
  // A rename is on its way, and has ended.
  void moving(const Place& from, const Place& to);
  void moved(const Place& from, const Place& to, bool surely);
  // What is there is not known any more.
  void unsure(const Place& place);

  // Where it has been.
  const std::set<Place>& places(InodeNumber number) const;
  // A rename to it has been asked for.
  bool is_target(const Place& place) const { return targets_.contains(place); }
  // The path of the number at present; none: it is not known for sure.
  std::optional<std::string> path(InodeNumber number) const;
  // The number, or the name in it, may have been at this path, which has no slash at its end.
  bool may_be(InodeNumber number, std::string_view path) const;
  bool may_be(const Place& place, std::string_view path) const;
  // The name may have been a directory above this path.
  bool may_be_above(const Place& place, std::string_view path) const;

 private:
  std::map<InodeNumber, std::set<Place>> ever_;
  std::map<Place, std::set<InodeNumber>> numbers_;
  std::map<InodeNumber, Place> at_;     // for sure
  std::map<Place, InodeNumber> there_;  // the same the other way round
  std::set<Place> targets_;
};

}  // namespace pail::simulation::others
