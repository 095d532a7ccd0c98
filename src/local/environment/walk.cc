#include "local/environment/walk.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "local/environment/map_file.h"
#include "local/environment/seal.h"

namespace pail::local {
namespace {

constexpr MDB_dbi kFreePages = 0;  // LMDB's own database of pages that it may use again

// A record of free pages: how many, then their numbers in falling order.
bool add_free_pages(const MDB_val& value, std::size_t end, std::vector<std::size_t>& pages) {
  std::size_t count = 0;
  if (value.mv_size < sizeof count || value.mv_size % sizeof count != 0) return false;
  std::memcpy(&count, value.mv_data, sizeof count);
  if (count >= value.mv_size / sizeof count) return false;
  const auto* numbers = static_cast<const char*>(value.mv_data) + sizeof count;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t page = 0;
    std::memcpy(&page, numbers + i * sizeof page, sizeof page);
    constexpr std::size_t kMetaPages = 2;
    if (page < kMetaPages || page >= end) return false;
    pages.push_back(page);
  }
  return true;
}

// The head of a page, as LMDB 0.9 writes it.
struct PageHead {
  std::size_t number;
  std::uint16_t pad, flags, lower, upper;
};

// Not the inside of a large value, which has no head.
bool is_of_a_tree(const PageHead& head, std::size_t page_size) {
  constexpr std::uint16_t kBranch = 1, kLeaf = 2;
  return head.pad == 0 && (head.flags == kBranch || head.flags == kLeaf) && head.lower >= sizeof(PageHead) &&
         head.lower <= head.upper && head.upper <= page_size;
}

}  // namespace

bool pages_lie_in_place(const std::filesystem::path& file, MDB_env* env) {
  MDB_envinfo info{};
  MDB_stat shape{};
  const std::span<const std::byte> map = find_map(file);
  if (mdb_env_info(env, &info) != MDB_SUCCESS || mdb_env_stat(env, &shape) != MDB_SUCCESS || map.empty()) return false;
  for (std::size_t page = 0; page <= info.me_last_pgno; ++page) {
    PageHead head{};
    std::memcpy(&head, map.data() + page * shape.ms_psize, sizeof head);
    if (is_of_a_tree(head, shape.ms_psize) && head.number != page) return false;
  }
  return true;
}

bool free_pages_are_sound(MDB_env* env, MDB_txn* txn) {
  MDB_envinfo info{};
  MDB_cursor* cursor = nullptr;
  if (mdb_env_info(env, &info) != MDB_SUCCESS) return false;
  if (mdb_cursor_open(txn, kFreePages, &cursor) != MDB_SUCCESS) return false;
  std::vector<std::size_t> pages;
  MDB_val key{}, value{};
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; code == MDB_SUCCESS; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
    if (!add_free_pages(value, info.me_last_pgno + 1, pages)) return false;
  mdb_cursor_close(cursor);
  std::sort(pages.begin(), pages.end());
  return code == MDB_NOTFOUND && std::adjacent_find(pages.begin(), pages.end()) == pages.end();
}

bool LeafEdges::next(const MDB_val& key) {
  const MDB_val former = former_;
  former_ = key;
  if (former.mv_data == nullptr) return finds(key);
  return page_of(former) == page_of(key) || (finds(former) && finds(key));
}

bool LeafEdges::finds(MDB_val key) const {
  const void* place = key.mv_data;
  MDB_cursor* cursor = nullptr;
  MDB_val value{};
  if (mdb_cursor_open(txn_, database_, &cursor) != MDB_SUCCESS) return false;
  const int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
  mdb_cursor_close(cursor);
  return code == MDB_SUCCESS && key.mv_data == place;
}

bool sorts_behind(const MDB_val& a, const MDB_val& b) {
  return from_value(a) < from_value(b);
}

bool has_database(MDB_txn* txn, const char* name) {
  MDB_dbi database = 0;
  return mdb_dbi_open(txn, name, 0, &database) != MDB_NOTFOUND;
}

bool is_sealed(MDB_txn* txn, const char* name, Sealing sealing) {
  return walk_database(txn, name, [&](const MDB_val& key, const MDB_val& value) {
    return sealing == Sealing::absent || unsealed(from_value(key), from_value(value)).has_value();
  });
}

std::optional<std::vector<std::string>> database_names(MDB_txn* txn) {
  std::vector<std::string> names;
  const bool read = walk_database(txn, nullptr, [&](const MDB_val& key, const MDB_val&) {
    names.emplace_back(from_value(key));
    return true;
  });
  return read ? std::optional(std::move(names)) : std::nullopt;
}

}  // namespace pail::local
