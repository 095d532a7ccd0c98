#include "emulator/listing.h"

#include <algorithm>

namespace pail::emulator {

std::optional<std::string> after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::nullopt;
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

namespace {

// The common prefix that groups `key`, or nothing when it stands for itself.
std::optional<std::string> group_of(const std::string& key, const ListQuery& query) {
  if (query.delimiter.empty()) return std::nullopt;
  const std::size_t at = key.find(query.delimiter, query.prefix.size());
  if (at == std::string::npos) return std::nullopt;
  return key.substr(0, at + query.delimiter.size());
}

}  // namespace

Result<ListPage> list_page(const Txn& txn, const KeyMap& map, std::uint64_t root, const ListQuery& query) {
  ListPage page;
  KeyMap::Cursor cursor(txn, map, root);
  if (query.limit == 0) return page;
  cursor.seek(std::max(query.prefix, query.after));
  while (cursor.valid() && cursor.key().starts_with(query.prefix)) {
    const auto group = group_of(cursor.key(), query);
    const std::string& name = group ? *group : cursor.key();
    if (query.after.empty() || name > query.after) {
      if (page.items.size() == query.limit) {
        page.truncated = true;
        break;
      }
      page.items.push_back(
          {name, group ? std::string() : std::string(cursor.value().substr(0, kListedBytes)), group.has_value()});
    }
    if (!group) {
      cursor.next();
    } else if (const auto behind = after_prefix(*group)) {
      cursor.seek(*behind);
    } else {
      break;
    }
  }
  if (cursor.error()) return *cursor.error();
  return page;
}

}  // namespace pail::emulator
