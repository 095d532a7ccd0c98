// What the bucket had, and when.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/world/effect.h"

namespace pail::simulation::others {

// What stood under a key for some time.
struct Version {
  std::string key, etag, bytes;
  std::uint32_t permissions = 0;
  std::optional<WallTime> modified;  // none: the object does not say, and a rename of it keeps what is shown
  WallTime stored{};                 // by the store's clock, in whole seconds
  bool of_others = false;
  SteadyTime since{}, until = SteadyTime::max();
};
using VersionPtr = std::shared_ptr<const Version>;

// One thread. Versions are known for ever.
class Versions {
 public:
  // Effects come in their order.
  void changed(const Effect& effect);

  VersionPtr now(const std::string& key) const;  // null: nothing
  const std::vector<VersionPtr>& of(const std::string& key) const;
  const std::vector<VersionPtr>& all() const { return all_; }
  // When the key had this ETag for the first time.
  std::optional<SteadyTime> first(const std::string& key, const std::string& etag) const;
  // It was there then or later, or one of the same content and second was, which no listing tells from it. The second
  // of what the mount stored is that of the request, give or take one.
  bool seemed_there(const Version& version, SteadyTime since) const;
  // The mount itself made an object of this ETag under the key.
  bool made_here(const std::string& key, const std::string& etag) const;

 private:
  std::vector<VersionPtr> all_;
  std::map<std::string, std::vector<VersionPtr>> of_;
  std::map<std::string, std::shared_ptr<Version>> now_;
};

}  // namespace pail::simulation::others
