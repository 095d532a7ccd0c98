// Reading an environment that may be damaged: each page of its trees can be read, each record is found by its key.
// May crash, and touches every page in use: for a process of its own.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "local/environment/environment.h"

namespace pail::local {

// Opens a read transaction's database and walks its records in key order. False when one is out of order, cannot be
// found by its key, or when there are not as many as the tree says.
template <class Visit>
bool walk_database(MDB_txn* txn, const char* name, Visit visit);

// No page is listed as free twice, or lies outside of the file: it would end in two trees.
bool free_pages_are_sound(MDB_env* env, MDB_txn* txn);

// Each page of a tree lies where it says: LMDB believes that when it gives pages back. `file` is that of the
// environment, which is open.
bool pages_lie_in_place(const std::filesystem::path& file, MDB_env* env);

// Whether the environment has the database: one of an older version may lack it.
bool has_database(MDB_txn* txn, const char* name);

// Every record of the database can be read and has its seal.
bool is_sealed(MDB_txn* txn, const char* name, Sealing sealing);

// The names of all databases; none when that cannot be read.
std::optional<std::vector<std::string>> database_names(MDB_txn* txn);

// ---- implementation

// Branch pages lead look-ups, which a walk does not: the records at both edges of each leaf page must be found, too.
class LeafEdges {
 public:
  LeafEdges(MDB_txn* txn, MDB_dbi database, std::size_t page_size)
      : txn_(txn), database_(database), page_size_(page_size) {}
  // In key order. False: one is not found by its key.
  bool next(const MDB_val& key);
  bool last() { return former_.mv_data == nullptr || finds(former_); }

 private:
  bool finds(MDB_val key) const;
  std::uintptr_t page_of(const MDB_val& key) const {
    return reinterpret_cast<std::uintptr_t>(key.mv_data) / page_size_;
  }

  MDB_txn* txn_;
  MDB_dbi database_;
  std::size_t page_size_;
  MDB_val former_{};
};

// Whether `b` sorts behind `a`, as LMDB sorts keys.
bool sorts_behind(const MDB_val& a, const MDB_val& b);

template <class Visit>
bool walk_database(MDB_txn* txn, const char* name, Visit visit) {
  MDB_dbi database = 0;
  MDB_stat promised{};
  MDB_cursor* cursor = nullptr;
  if (mdb_dbi_open(txn, name, 0, &database) != MDB_SUCCESS) return false;
  if (mdb_stat(txn, database, &promised) != MDB_SUCCESS) return false;
  if (mdb_cursor_open(txn, database, &cursor) != MDB_SUCCESS) return false;
  LeafEdges edges(txn, database, promised.ms_psize);
  MDB_val key{}, value{}, former{};
  std::size_t found = 0;
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; code == MDB_SUCCESS; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    if (found > 0 && !sorts_behind(former, key)) return false;
    if (!edges.next(key) || !visit(key, value)) return false;
    former = key;
    ++found;
  }
  mdb_cursor_close(cursor);
  return code == MDB_NOTFOUND && found == promised.ms_entries && edges.last();
}

}  // namespace pail::local
