// The reading half of index transactions, the same for those that only read and those that write.
#pragma once

#include <fmt/format.h>

#include <array>

#include "local/environment/seal.h"
#include "local/environment/transaction.h"
#include "local/names/codec.h"
#include "local/names/index.h"
#include "local/names/lmdb_index.h"

namespace pail::local {

// A record that cannot be decoded, or that another one contradicts, ends the process: taken as absent it would hide a
// name without an error.
template <class Interface>
class IndexReads : public Interface {
 public:
  std::optional<InodeRecord> inode(InodeNumber number) override {
    const auto bytes = value_of(databases_.inode, IndexKey(number).view());
    return bytes ? sound(decode_inode(number, *bytes), "inode", number) : std::nullopt;
  }

  std::optional<Dirent> dirent(InodeNumber parent, std::string_view name) override {
    const auto bytes = value_of(databases_.dirent, dirent_key(parent, name).view());
    return bytes ? sound(decode_dirent(name, *bytes), "dirent of directory", parent) : std::nullopt;
  }

  void children(InodeNumber parent, InodeNumber after, const std::function<bool(InodeNumber)>& visit) override {
    // `visit` may write to this transaction, so no cursor is open while it runs.
    std::array<InodeNumber, 128> batch;
    for (;;) {
      if (after == ~InodeNumber{0}) return;
      std::size_t n = 0;
      scan(databases_.child, IndexKey(parent, after + 1).view(), [&](std::string_view key, std::string_view) {
        if (number_in_key(key, 0) != parent || key.size() != 2 * sizeof(InodeNumber)) return false;
        batch[n++] = number_in_key(key, sizeof parent);
        return n < batch.size();
      });
      for (std::size_t i = 0; i < n; ++i) {
        require_inode(batch[i]);
        if (!visit(batch[i])) return;
      }
      if (n < batch.size()) return;
      after = batch.back();
    }
  }

  void names(InodeNumber parent, std::string_view after,
             const std::function<bool(std::string_view name, const Dirent& dirent)>& visit) override {
    constexpr std::size_t kBatch = 128;
    std::vector<std::pair<std::string, Dirent>> batch;
    std::string last(after);
    do {
      batch.clear();
      const IndexKey from = dirent_key(parent, last);
      scan(databases_.dirent, from.view(), [&](std::string_view key, std::string_view value) {
        if (number_in_key(key, 0) != parent) return false;
        if (key == from.view() && !last.empty()) return true;
        std::string name = *sound(name_of_dirent(key, value), "name in directory", parent);
        const Dirent dirent = *sound(decode_dirent(name, value), "dirent of directory", parent);
        batch.emplace_back(std::move(name), dirent);
        return batch.size() < kBatch;
      });
      for (const auto& [name, dirent] : batch)
        if (!visit(name, dirent)) return;
      if (!batch.empty()) last = batch.back().first;
    } while (batch.size() == kBatch);
  }

  std::optional<Intent> intent(std::uint64_t unique) override {
    const auto bytes = value_of(databases_.intent, IndexKey(unique).view());
    return bytes ? sound(decode_intent(*bytes), "intent", unique) : std::nullopt;
  }

  std::vector<std::pair<std::uint64_t, Intent>> intents() override {
    std::vector<std::pair<std::uint64_t, Intent>> found;
    scan(databases_.intent, {}, [&](std::string_view key, std::string_view value) {
      const std::uint64_t unique = number_in_key(key, 0);
      found.emplace_back(unique, *sound(decode_intent(value), "intent", unique));
      return true;
    });
    return found;
  }

  std::vector<InodeNumber> orphans() override { return numbers_of(databases_.orphan); }
  std::vector<InodeNumber> staged() override { return numbers_of(databases_.staged); }
  std::vector<InodeNumber> uploads() override { return numbers_of(databases_.upload); }

  std::optional<UploadRecord> upload(InodeNumber number) override {
    const auto bytes = value_of(databases_.upload, IndexKey(number).view());
    return bytes ? sound(decode_upload(*bytes), "upload", number) : std::nullopt;
  }

  std::vector<UploadPartRecord> upload_parts(InodeNumber number) override {
    std::vector<UploadPartRecord> parts;
    scan(databases_.upload_part, IndexKey(number).view(), [&](std::string_view key, std::string_view value) {
      if (number_in_key(key, 0) != number) return false;
      const auto part = static_cast<unsigned>(number_in_key(key, sizeof number));
      parts.push_back(*sound(decode_upload_part(part, value), "upload part of inode", number));
      return true;
    });
    return parts;
  }

  // One that cannot be read is as good as none: nothing is trusted that was noted by it.
  std::optional<MomentAnchor> moment_anchor() override {
    const auto bytes = value_of(environment_.meta(), kMetaMoment);
    return bytes ? decode_moment_anchor(*bytes) : std::nullopt;
  }

 protected:
  IndexReads(Environment& environment, const Databases& databases) : databases_(databases), environment_(environment) {}
  void use(MDB_txn* txn) { txn_ = txn; }

  // Called with what LMDB could not do for other reasons than damage; the caller goes on as if nothing were there.
  virtual void failed(int code) = 0;
  // Whether records agree with each other: not in the middle of a change.
  virtual bool sees_whole_commits() const = 0;

  std::optional<std::string_view> value_of(MDB_dbi database, std::string_view key) {
    if (txn_ == nullptr) return std::nullopt;
    int code = MDB_SUCCESS;
    const auto bytes = get(txn_, database, key, code);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND) failed(code);
    return bytes;
  }

  // Calls visit(key, value) from the first key not below `from` on, until it returns false.
  template <class Visit>
  void scan(MDB_dbi database, std::string_view from, Visit visit) {
    if (txn_ == nullptr) return;
    MDB_cursor* cursor = nullptr;
    int code = mdb_cursor_open(txn_, database, &cursor);
    if (code != MDB_SUCCESS) return failed(code);
    MDB_val key = to_value(from), value{};
    code = mdb_cursor_get(cursor, &key, &value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
    while (code == MDB_SUCCESS) {
      const auto content = unsealed(from_value(key), from_value(value));
      if (!content) environment_.end_damaged("the seal of a record is broken");
      if (!visit(from_value(key), *content)) break;
      code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    environment_.check(code, "scan");
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND) failed(code);
  }

  const Databases& databases_;
  MDB_txn* txn_ = nullptr;  // ended by the derived class

 private:
  Environment& environment_;

  template <class Record>
  std::optional<Record> sound(std::optional<Record> record, const char* kind, std::uint64_t number) {
    if (!record) environment_.end_damaged(fmt::format("the record of {} {} cannot be read", kind, number));
    return record;
  }

  void require_inode(InodeNumber child) {
    if (!sees_whole_commits() || value_of(databases_.inode, IndexKey(child).view())) return;
    environment_.end_damaged(fmt::format("inode {} has a name and no record", child));
  }

  std::vector<InodeNumber> numbers_of(MDB_dbi set) {
    std::vector<InodeNumber> numbers;
    scan(set, {}, [&](std::string_view key, std::string_view) {
      numbers.push_back(number_in_key(key, 0));
      return true;
    });
    return numbers;
  }
};

}  // namespace pail::local
