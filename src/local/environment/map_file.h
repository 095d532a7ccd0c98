// The disk space of an index's file: that every page lies within it, and that names can be noted on a full disk.
//
// LMDB reads its file through a map, where a page beyond the end is a SIGBUS, and writes new pages behind the last one.
// So the file is kept longer than its pages, with space reserved on the disk.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>

#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"

namespace pail::local {

// Where `file` is mapped; empty when that cannot be found out.
std::span<std::byte> find_map(const std::filesystem::path& file);

// Bytes from the start of the file to the end of its last page.
ByteCount bytes_of_pages(MDB_env* env);

// Whether the file is as long as its pages say; one that is not was cut by somebody.
bool holds_all_pages(MDB_env* env);

// Makes the file longer than its pages, so that holds_all_pages() stays true over the next commits.
void make_room_for_all_pages(MDB_env* env);

// Gives LMDB's table of readers its disk space: it is mapped and written, so a full disk would be a SIGBUS.
// Errors: ENOSPC.
Result<Unit> allocate_reader_table(const std::filesystem::path& file);

// Space behind the last page, so that commits succeed for a while when others have filled the disk. Thread-safe.
class Reserve {
 public:
  // `clock` outlives it.
  Reserve(MDB_env* env, const Clock& clock) : env_(env), clock_(clock) { keep(); }
  // After every commit. Costs nothing unless half of the reserve is used up.
  void keep();

 private:
  void extend(ByteCount used);

  MDB_env* env_;
  const Clock& clock_;
  std::atomic<std::uint64_t> end_{0};  // of what is reserved
  std::atomic_flag extending_;         // guards what follows
  SteadyTime not_before_{};
};

}  // namespace pail::local
