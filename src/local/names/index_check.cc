#include "local/names/index_check.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/checksum.h"
#include "base/encoding.h"
#include "local/names/codec.h"
#include "local/names/environment.h"
#include "local/names/lmdb_index.h"

namespace pail::local {
namespace {

constexpr MDB_dbi kFreePages = 0;  // LMDB's own database of pages that it may use again

// A set of records, compared without their order.
struct SetSum {
  std::uint64_t count = 0, sum = 0;
  void add(std::string_view record) {
    ++count;
    sum += xxh3(bytes_of(record));
  }
  bool operator==(const SetSum&) const = default;
};

std::string binding(std::string_view child_key, std::string_view tag) {
  return std::string(child_key).append(tag);
}

// What the databases say of each other, gathered in one walk over each.
class IndexCheck {
 public:
  IndexCheck(MDB_txn* txn, Sealing sealing) : txn_(txn), sealing_(sealing) {}
  bool run();

 private:
  using Check = bool (IndexCheck::*)(std::string_view key, std::string_view value);
  bool database(const char* name, Check check);
  bool has_meta() const;
  std::optional<std::string_view> value_of(std::string_view key, const MDB_val& value) const;

  bool any(std::string_view, std::string_view) { return true; }
  bool inode(std::string_view key, std::string_view value);
  bool dirent(std::string_view key, std::string_view value);
  bool child(std::string_view key, std::string_view value);
  bool intent(std::string_view key, std::string_view value);
  bool upload(std::string_view key, std::string_view value);
  bool upload_part(std::string_view key, std::string_view value);
  bool orphan(std::string_view key, std::string_view value);
  bool staged(std::string_view key, std::string_view value);

  MDB_txn* txn_;
  Sealing sealing_;
  MDB_dbi inodes_ = 0;
  SetSum bound_names_, children_;
  SetSum unlinked_inodes_, orphans_;
  SetSum staged_inodes_, staged_;
};

bool IndexCheck::run() {
  if (mdb_dbi_open(txn_, "inode", 0, &inodes_) != MDB_SUCCESS) return false;
  const bool readable = database("inode", &IndexCheck::inode) && database("dirent", &IndexCheck::dirent) &&
                        database("child", &IndexCheck::child) && database("intent", &IndexCheck::intent) &&
                        database("upload", &IndexCheck::upload) && database("upload_part", &IndexCheck::upload_part) &&
                        database("orphan", &IndexCheck::orphan) && database("staged", &IndexCheck::staged);
  if (!readable) return false;
  for (const char* name : {"object", "chunk", "recency", "block", "meta"})
    if (!database(name, &IndexCheck::any)) return false;
  return has_meta() && bound_names_ == children_ && unlinked_inodes_ == orphans_ && staged_inodes_ == staged_;
}

bool IndexCheck::database(const char* name, Check check) {
  return walk_database(txn_, name, [&](const MDB_val& key, const MDB_val& value) {
    const std::string_view bytes = from_value(key);
    const auto content = value_of(bytes, value);
    return content && (this->*check)(bytes, *content);
  });
}

std::optional<std::string_view> IndexCheck::value_of(std::string_view key, const MDB_val& value) const {
  return sealing_ == Sealing::present ? unsealed(key, from_value(value)) : from_value(value);
}

bool IndexCheck::has_meta() const {
  MDB_dbi meta = 0;
  if (mdb_dbi_open(txn_, "meta", 0, &meta) != MDB_SUCCESS) return false;
  for (const std::string_view name : {kMetaIdentity, kMetaGeneration, kMetaNextInode, kMetaNextSequence}) {
    MDB_val key = to_value(name), value{};
    if (mdb_get(txn_, meta, &key, &value) != MDB_SUCCESS) return false;
  }
  return true;
}

bool IndexCheck::inode(std::string_view key, std::string_view value) {
  const auto record = decode_inode(number_in_key(key, 0), value);
  if (!record || key.size() != sizeof(InodeNumber)) return false;
  if (record->unlinked()) unlinked_inodes_.add(key);
  if (record->content == Content::staged) staged_inodes_.add(key);
  return true;
}

bool IndexCheck::dirent(std::string_view key, std::string_view value) {
  const auto name = name_of_dirent(key, value);
  const auto dirent = name ? decode_dirent(*name, value) : std::nullopt;
  if (!dirent) return false;
  if (dirent->number != 0)
    bound_names_.add(binding(IndexKey(number_in_key(key, 0), dirent->number).view(), name_tag(*name)));
  return true;
}

// The inode of each child is there and knows its name.
bool IndexCheck::child(std::string_view key, std::string_view value) {
  if (key.size() != 2 * sizeof(InodeNumber)) return false;
  children_.add(binding(key, value));
  const InodeNumber parent = number_in_key(key, 0), number = number_in_key(key, sizeof parent);
  const std::string_view inode_key = key.substr(sizeof parent);
  MDB_val wanted = to_value(inode_key), found{};
  if (mdb_get(txn_, inodes_, &wanted, &found) != MDB_SUCCESS) return false;
  const auto content = value_of(inode_key, found);
  const auto record = content ? decode_inode(number, *content) : std::nullopt;
  return record && record->parent == parent && name_tag(record->name) == value;
}

bool IndexCheck::intent(std::string_view, std::string_view value) {
  return decode_intent(value).has_value();
}

bool IndexCheck::upload(std::string_view, std::string_view value) {
  return decode_upload(value).has_value();
}

bool IndexCheck::upload_part(std::string_view, std::string_view value) {
  return decode_upload_part(1, value).has_value();
}

bool IndexCheck::orphan(std::string_view key, std::string_view) {
  orphans_.add(key);
  return true;
}

bool IndexCheck::staged(std::string_view key, std::string_view) {
  staged_.add(key);
  return true;
}

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

// A page that is listed as free twice, or lies outside of the file, would end in two trees.
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

}  // namespace

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

std::optional<std::vector<std::string>> database_names(MDB_txn* txn) {
  std::vector<std::string> names;
  const bool read = walk_database(txn, nullptr, [&](const MDB_val& key, const MDB_val&) {
    names.emplace_back(from_value(key));
    return true;
  });
  return read ? std::optional(std::move(names)) : std::nullopt;
}

std::optional<Sealing> sealing_of(MDB_txn* txn) {
  MDB_dbi meta = 0;
  MDB_val key = to_value(kMetaFormat), value{};
  if (mdb_dbi_open(txn, "meta", 0, &meta) != MDB_SUCCESS) return std::nullopt;
  if (mdb_get(txn, meta, &key, &value) != MDB_SUCCESS) return std::nullopt;
  return value.mv_size == sizeof(std::uint64_t) ? Sealing::absent : Sealing::present;
}

bool index_is_sound(MDB_env* env, MDB_txn* txn, Sealing sealing) {
  return free_pages_are_sound(env, txn) && database_names(txn) && IndexCheck(txn, sealing).run();
}

}  // namespace pail::local
