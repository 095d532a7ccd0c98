// Ordered maps from (root, key) to a value in one LMDB database, for keys longer than LMDB allows.
//
// LMDB holds keys of at most 511 bytes, the service 1024. A longer key is cut: its head leads to a new root, under
// which the rest is stored in the same way, so byte order is kept at any length. A root is a number that stands for one
// map, such as the objects of one bucket.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pailfs/base/result.h"

namespace pail::emulator {

// An LMDB transaction; what is not committed is rolled back. One thread at a time.
class Txn {
 public:
  enum class Kind { read, write };
  static Result<Txn> begin(MDB_env* env, Kind kind);
  Result<Unit> commit();
  MDB_txn* get() const { return txn_.get(); }

 private:
  struct Abort {
    void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
  };
  explicit Txn(MDB_txn* txn) : txn_(txn) {}
  std::unique_ptr<MDB_txn, Abort> txn_;
};

// An Error from an LMDB status, which is an errno or one of LMDB's own negative numbers.
Error lmdb_error(int status, std::string_view what);

// Plain access to one LMDB database. Views stay valid until the transaction writes or ends.
Result<std::optional<std::string_view>> lmdb_get(const Txn& txn, MDB_dbi dbi, std::string_view key);
Result<Unit> lmdb_put(Txn& txn, MDB_dbi dbi, std::string_view key, std::string_view value);
Result<bool> lmdb_erase(Txn& txn, MDB_dbi dbi, std::string_view key);  // false: was not there
std::string big_endian(std::uint64_t number);                          // 8 bytes, sorts like the number
std::uint64_t from_big_endian(std::string_view bytes);

class KeyMap {
 public:
  // Roots for the tails of long keys are taken from a counter in `meta`.
  KeyMap(MDB_dbi dbi, MDB_dbi meta) : dbi_(dbi), meta_(meta) {}

  Result<std::optional<std::string_view>> get(const Txn& txn, std::uint64_t root, std::string_view key) const;
  Result<Unit> put(Txn& txn, std::uint64_t root, std::string_view key, std::string_view value) const;
  Result<bool> erase(Txn& txn, std::uint64_t root, std::string_view key) const;  // false: was not there

  // Walks one map in byte order of its keys. Borrows the transaction and must be gone before that commits: LMDB frees
  // the cursors of a transaction that wrote.
  class Cursor {
   public:
    Cursor(const Txn& txn, const KeyMap& map, std::uint64_t root) : txn_(txn), dbi_(map.dbi_), root_(root) {}
    // Goes to the first key that is not less than `key`.
    void seek(std::string_view key);
    void next();
    bool valid() const { return valid_; }
    const std::string& key() const { return key_; }               // defined while valid()
    std::string_view value() const { return value_; }             // defined while valid()
    const std::optional<Error>& error() const { return error_; }  // why a walk ended early

   private:
    struct Close {
      void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
    };
    struct Level {
      std::unique_ptr<MDB_cursor, Close> cursor;
      std::uint64_t root;
      std::string prefix;  // of all keys below this root
    };
    bool push(std::uint64_t root, std::string prefix);
    void settle(int status, MDB_val found_key, MDB_val found_value);
    void fail(int status);

    const Txn& txn_;
    MDB_dbi dbi_;
    std::uint64_t root_;
    std::vector<Level> levels_;
    bool valid_ = false;
    std::string key_;
    std::string_view value_;
    std::optional<Error> error_;
  };

 private:
  MDB_dbi dbi_;
  MDB_dbi meta_;
};

// The next number of the counter in `meta` that names roots.
Result<std::uint64_t> next_root(Txn& txn, MDB_dbi meta);

}  // namespace pail::emulator
