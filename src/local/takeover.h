// What version 0.1.0 kept in one directory of cache_dir=, names and staged bytes among what may be
// lost, moves to a directory of state_dir=.
#pragma once

#include <filesystem>

#include "pailfs/base/result.h"

namespace pail::local {

// Whether a directory of the cache holds what may not be lost. Errors: EACCES, EIO ... it cannot be
// seen.
Result<bool> is_of_one_directory(const std::filesystem::path& cache);

// Moves it to `state`; the cached blocks stay. The caller holds both directories. Until all is in
// `state`, and on its disk, nothing in `cache` changes; a kill leaves it to be begun anew or ended.
// Errors: Fault::exists `state` has names or files of its own already, and `cache` files;
// Fault::busy a process still works in `cache`; ENOSPC there is no room in `state`: what was copied
// is removed again.
Result<Unit> take_over(const std::filesystem::path& cache, const std::filesystem::path& state);

// Says that the directory may be removed, to is_of_one_directory() and to programs that make backups
// (CACHEDIR.TAG, as the Cache Directory Tagging Specification has it).
Result<Unit> mark_as_cache(const std::filesystem::path& cache);

}  // namespace pail::local
