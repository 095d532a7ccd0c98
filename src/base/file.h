// Files with errors that tell a story.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "base/unique_fd.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail {

// An Error from errno: "what: strerror".
Error errno_error(int errnum, std::string_view what);

// A regular file, with O_DIRECTORY a directory; never waits. Errors: as open(2); EINVAL something else is there.
Result<UniqueFd> open_file(const std::filesystem::path& path, int flags, unsigned mode = 0600);

// Locks the open file alone, without waiting (flock): until its last descriptor is closed, also by a kill.
// Errors: as flock(2), about `path`.
enum class LockAttempt { taken, held_by_another };
Result<LockAttempt> try_lock_file(const UniqueFd& file, const std::filesystem::path& path);

// Whole file as a string. Errors: as open_file(); EFBIG larger than `limit`.
Result<std::string> read_file(const std::filesystem::path& path, ByteCount limit);

// Reads until `out` is full or the file ends; returns the bytes read.
Result<std::size_t> read_at(int fd, ByteOffset at, std::span<std::byte> out);
// Writes `data` up to where the file takes no more, and returns the bytes written. Errors: ENOSPC, EIO, EFBIG, and then
// nothing is written.
Result<ByteCount> write_what_fits(int fd, ByteOffset at, std::span<const std::byte> data);
// Writes all of `data`. Errors: ENOSPC, EIO; a part may be written.
Result<Unit> write_at(int fd, ByteOffset at, std::span<const std::byte> data);

// Copies the content of one file to another, empty one, with its holes. Errors: ENOSPC, EIO.
Result<Unit> copy_sparse(int from, int to);

// Replaces `path` by a file with this content, synced, through a temporary file beside it, which is not left behind.
// Errors: naming the file; ENOSPC, EIO, EISDIR.
Result<Unit> write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode = 0600);

// Removes the file; absent is fine. Errors: as unlink(2).
Result<Unit> remove_file(const std::filesystem::path& path);

// What was made, renamed and removed in the directory is on disk when it returns.
Result<Unit> sync_directory(const std::filesystem::path& directory);

// Creates the directory with mode 0700 and its parents with 0755, less the umask, where missing.
// Errors: EACCES when it belongs to another user or others may write to it.
Result<Unit> make_private_directory(const std::filesystem::path& path);
// As make_private_directory(), in a parent that is there. Errors also: ENOENT the parent is missing.
Result<Unit> make_private_folder(const std::filesystem::path& path);

// A file with secrets may be read by its owner alone. Errors: EACCES, naming what helps; ENOENT.
Result<Unit> check_private_file(const std::filesystem::path& path);

}  // namespace pail
