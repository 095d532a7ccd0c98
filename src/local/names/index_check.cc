#include "local/names/index_check.h"

#include <string_view>

#include "base/checksum.h"
#include "base/encoding.h"
#include "local/environment/seal.h"
#include "local/environment/walk.h"
#include "local/names/codec.h"
#include "local/names/lmdb_index.h"

namespace pail::local {
namespace {

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
  for (const std::string_view name : {kMetaGeneration, kMetaNextInode, kMetaNextSequence}) {
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

// The inode of each child is there and says that it has this name.
bool IndexCheck::child(std::string_view key, std::string_view value) {
  if (key.size() != 2 * sizeof(InodeNumber)) return false;
  children_.add(binding(key, value));
  const InodeNumber parent = number_in_key(key, 0), number = number_in_key(key, sizeof parent);
  const std::string_view inode_key = key.substr(sizeof parent);
  MDB_val wanted = to_value(inode_key), found{};
  if (mdb_get(txn_, inodes_, &wanted, &found) != MDB_SUCCESS) return false;
  const auto content = value_of(inode_key, found);
  const auto record = content ? decode_inode(number, *content) : std::nullopt;
  return record && !record->unlinked() && record->parent == parent && name_tag(record->name) == value;
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

}  // namespace

bool index_agrees(MDB_txn* txn, Sealing sealing) {
  return IndexCheck(txn, sealing).run();
}

}  // namespace pail::local
