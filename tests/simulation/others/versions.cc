#include "simulation/others/versions.h"

#include <algorithm>

#include "vfs/object_metadata.h"

namespace pail::simulation::others {

void Versions::changed(const Effect& effect) {
  if (const auto before = now_.extract(effect.key); !before.empty()) before.mapped()->until = effect.when;
  if (!effect.after) return;
  auto version = std::make_shared<Version>();
  version->key = effect.key;
  version->etag = effect.after->info.etag.text;
  version->bytes = effect.after->content.bytes();
  const local::ObjectFacts facts = vfs::object_facts(effect.after->info, effect.key.ends_with('/'), {});
  version->permissions = facts.permissions;
  if (facts.modified != facts.stored) version->modified = facts.modified;
  version->stored = facts.stored;
  version->of_others = effect.who.kind == Actor::Kind::other;
  version->since = effect.when;
  now_[effect.key] = version;
  of_[effect.key].push_back(version);
  all_.push_back(version);
}

VersionPtr Versions::now(const std::string& key) const {
  const auto found = now_.find(key);
  return found == now_.end() ? nullptr : found->second;
}

const std::vector<VersionPtr>& Versions::of(const std::string& key) const {
  static const std::vector<VersionPtr> kNone;
  const auto found = of_.find(key);
  return found == of_.end() ? kNone : found->second;
}

std::optional<SteadyTime> Versions::first(const std::string& key, const std::string& etag) const {
  const auto& versions = of(key);
  const auto found = std::ranges::find_if(versions, [&](const VersionPtr& each) { return each->etag == etag; });
  if (found == versions.end()) return std::nullopt;
  return (*found)->since;
}

bool Versions::seemed_there(const Version& version, SteadyTime since) const {
  // The request may have been answered in the next second.
  const std::chrono::seconds unknown(version.of_others ? 0 : 2);
  return std::ranges::any_of(of(version.key), [&](const VersionPtr& each) {
    return each->until >= since && each->etag == version.etag &&
           std::chrono::abs(each->stored - version.stored) <= unknown;
  });
}

bool Versions::made_here(const std::string& key, const std::string& etag) const {
  return std::ranges::any_of(of(key), [&](const VersionPtr& each) { return !each->of_others && each->etag == etag; });
}

}  // namespace pail::simulation::others
