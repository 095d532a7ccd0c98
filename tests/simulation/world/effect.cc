#include "simulation/world/effect.h"

#include <fmt/format.h>

#include "base/log.h"

namespace pail::simulation {
namespace {

std::string version_text(const std::optional<fake::Found>& found) {
  return found ? fmt::format("{} ({} bytes)", found->info.etag.text, found->info.size.n) : "nothing";
}

}  // namespace

std::string text_of(const Effect& effect) {
  std::string text = fmt::format(
      "{} us: {} {}, request {}, {} {}: {} -> {}", effect.when.time_since_epoch().count() / 1000,
      effect.who.kind == Actor::Kind::mount ? "life" : "client", effect.who.number, effect.request,
      name_of(effect.operation), quote(effect.key), version_text(effect.before), version_text(effect.after));
  if (!effect.condition.empty()) text += fmt::format(" [{}]", effect.condition);
  if (effect.abandoned) text += " abandoned";
  return text;
}

}  // namespace pail::simulation
