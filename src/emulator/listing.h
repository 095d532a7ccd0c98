// One page of a listing: keys in byte order, grouped at a delimiter.
//
// A common prefix is stepped over by seeking behind it, so a page costs its own length and not that of what it groups.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/key_map.h"

namespace pail::emulator {

struct ListQuery {
  std::string prefix;
  std::string delimiter;  // empty: no grouping
  std::string after;      // keys and common prefixes up to and including this one were seen
  std::size_t limit = 1000;
};

struct ListedKey {
  std::string key;    // or the common prefix
  std::string value;  // the first kListedBytes of the record; empty for a common prefix
  bool common_prefix = false;
};

struct ListPage {
  std::vector<ListedKey> items;  // keys and common prefixes in one order
  bool truncated = false;        // more follow the last item
};

// Enough of a record for decode_head().
inline constexpr std::size_t kListedBytes = 128;

Result<ListPage> list_page(const Txn& txn, const KeyMap& map, std::uint64_t root, const ListQuery& query);

// The least string greater than all that start with `prefix`; none when there is no such string.
std::optional<std::string> after_prefix(std::string prefix);

}  // namespace pail::emulator
